"""The services of docker-compose.yml as processes of this machine, where there is no engine and no images.

Each gets what an engine would give it, out of what `docker-compose config` says: a root folder of its own (an overlay
of this machine's), its volumes, secrets and configs at their paths, tmpfs, a read-only rest, its account and groups, no
capabilities, an environment of its own, process numbers of its own, and a network of its own with its names. What runs
in it is this machine's program in place of the image's. Everything ends with the process that started it.

Also a command, in place of `docker compose`: `python -m tests.containers STATE run --rm -T SERVICE ARGUMENT...`
"""

import contextlib
import ctypes
import ipaddress
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import psutil
import pytest

from tests.servers import missing, wait_until

T = TypeVar("T")
_CLONE_NEWNET: Final = 0x40000000
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What only root needs is not in everybody's PATH.
_EVERYWHERE: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
_NEEDED: Final = ("unshare", "nsenter", "setpriv", "ip", "chroot", "busybox")
#: Who is outside: in every network that an engine would let out.
OUTSIDE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What runs on this machine in the place of an image.

    Attributes:
        entry: what stands before the service's command.
        mounts: folders and files of this machine, by where they are seen.
        environment: beside the service's own.
    """

    entry: tuple[str, ...] = ()
    mounts: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that is needed to start one of the services.

    Attributes:
        project: what `docker-compose config --format json` printed.
        folder: for logs, volumes and mount points.
        switch: the process in whose network the bridges are.
        programs: by the beginning of the image's name.
        names: of the outside, for whoever may call there.
    """

    project: Mapping[str, Any]
    folder: str
    switch: int
    programs: Mapping[str, Program]
    names: Sequence[str]

    def write(self, file: Path) -> None:
        """Keeps it, for the command."""
        programs = {
            image: {"entry": p.entry, "mounts": dict(p.mounts), "environment": dict(p.environment)}
            for image, p in self.programs.items()
        }
        state = {"project": self.project, "folder": self.folder, "switch": self.switch, "programs": programs}
        file.write_text(json.dumps({**state, "names": self.names}), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> "State":
        """What `write` kept."""
        state = json.loads(file.read_text(encoding="utf-8"))
        programs = {
            image: Program(entry=tuple(p["entry"]), mounts=p["mounts"], environment=p["environment"])
            for image, p in state.pop("programs").items()
        }
        return cls(programs=programs, **state)

    def service(self, name: str) -> Mapping[str, Any]:
        """What the project says of a service."""
        found: Mapping[str, Any] = self.project["services"][name]
        return found

    def networks(self, name: str) -> list[str]:
        """The networks of a service, in one order."""
        return sorted(self.service(name)["networks"])

    def is_internal(self, network: str) -> bool:
        """Whether nothing leads out of a network."""
        return bool(self.project["networks"][network].get("internal"))

    def address(self, service: str | None, network: str) -> str:
        """Where a service is in a network; None: the outside."""
        if service is None:
            return str(self.subnet(network)[OUTSIDE])
        said = (self.service(service)["networks"][network] or {}).get("ipv4_address")
        return said or str(self.subnet(network)[20 + sorted(self.project["services"]).index(service)])

    def subnet(self, network: str) -> ipaddress.IPv4Network:
        """The addresses of a network."""
        given = self.project["networks"][network].get("ipam", {}).get("config")
        number = sorted(self.project["networks"]).index(network)
        return ipaddress.IPv4Network(given[0]["subnet"] if given else f"10.213.{number}.0/24")

    def hosts(self, name: str) -> str:
        """The names that a service knows: those beside it in a network, and the outside's where something leads out."""
        lines = ["127.0.0.1 localhost"]
        for entry in self.service(name).get("extra_hosts", []):
            host, _, address = entry.partition("=")
            lines.append(f"{address} {host}")
        known = {line.split()[1] for line in lines}
        for other in self.project["services"]:
            shared = [net for net in self.networks(name) if net in self.service(other).get("networks", {})]
            if shared and other not in known:
                lines.append(f"{self.address(other, shared[0])} {other}")
        ways_out = [net for net in self.networks(name) if not self.is_internal(net)]
        if ways_out:
            lines += [f"{self.address(None, ways_out[0])} {outside}" for outside in self.names]
        return "\n".join([*lines, ""])

    def program(self, name: str) -> Program:
        """What runs in the place of a service's image."""
        image = self.service(name)["image"]
        return next(program for begins, program in self.programs.items() if image.startswith(begins))

    def environment(self, name: str) -> dict[str, str]:
        """The environment of a service's processes, and nothing of ours."""
        said = {key: str(value) for key, value in self.service(name).get("environment", {}).items()}
        return {"PATH": _PATH, "HOME": "/tmp", **self.program(name).environment, **said}

    def account(self, name: str) -> list[str]:
        """The command that makes a process the service's own: its account, and no rights beyond."""
        service = self.service(name)
        user, _, group = service["user"].partition(":")
        groups = ",".join([group, *service.get("group_add", [])])
        account = ["setpriv", f"--reuid={user}", f"--regid={group}", f"--groups={groups}", "--inh-caps=-all"]
        return [*account, "--bounding-set=-all", "--no-new-privs", "--"]


class Container:
    """One service, running."""

    def __init__(self, state: State, name: str, command: Sequence[str] | None = None, *, log: bool = True) -> None:
        self.name = name
        self.state = state
        self.log_file = Path(state.folder) / f"{name}.log"
        said = state.service(name).get("command") if command is None else list(command)
        entry = state.service(name).get("entrypoint") or list(state.program(name).entry)
        script = Path(state.folder) / f"{name}.sh"
        script.write_text(_script(state, name, [*entry, *(said or [])]), encoding="utf-8")
        output = self.log_file.open("ab") if log else None
        try:
            self.process = subprocess.Popen(
                # As soon as the process that started it is gone, so is everything in it.
                ["setpriv", "--pdeathsig=KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL",
                 "--", "sh", str(script)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )  # fmt: skip
        finally:
            if output is not None:
                output.close()
                self.log_file.chmod(0o666)  # /dev/stdout is opened anew, by the service's account
        try:
            self._plug_in()
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.close()

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        """Its first process, as this machine counts."""
        return psutil.Process(self.process.pid).children()[0].pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def run(self, *command: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Runs a further command in it, as `docker compose exec` does."""
        inside = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--root", "--wd"]
        variables = [f"{key}={value}" for key, value in self.state.environment(self.name).items()]
        whole = [*inside, "--", *self.state.account(self.name), "env", "-i", *variables, *command]
        return subprocess.run(whole, capture_output=True, text=True, timeout=timeout_s, check=False)

    def is_healthy(self) -> bool:
        """Asks what its health check asks."""
        assert self.running, f"{self.name} has ended:\n{self.log[-3000:]}"
        kind, *command = self.state.service(self.name)["healthcheck"]["test"]
        whole = command if kind == "CMD" else ["sh", "-c", *(text.replace("$$", "$") for text in command)]
        return self.run(*whole).returncode == 0

    def send(self, sign: signal.Signals) -> None:
        """Sends its first process a signal."""
        os.kill(self.pid, sign)

    def end(self, sign: signal.Signals = signal.SIGKILL) -> int:
        """Ends it and waits; returns the exit code."""
        if self.running:
            with contextlib.suppress(IndexError, psutil.NoSuchProcess, ProcessLookupError):
                self.send(sign)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not end on {sign.name}:\n{self.log[-3000:]}") from None

    def _plug_in(self) -> None:
        wait_until(lambda: psutil.Process(self.process.pid).children(), 10, interval_s=0.005)
        attach(self.state, self.name, self.pid)


def attach(state: State, name: str | None, pid: int) -> None:
    """Connects a process's network with the bridges of a service's networks; None: with all that lead out."""
    networks = (
        [net for net in sorted(state.project["networks"]) if not state.is_internal(net)]
        if name is None
        else state.networks(name)
    )
    switch, inside = [], ["link set lo up"]
    for number, network in enumerate(networks):
        plug, address = f"v{pid}-{number}", state.address(name, network)
        # Made of the address, as engines do: whoever knew the container before it was made anew finds it again.
        hardware = ":".join(f"{byte:02x}" for byte in (2, 0x42, *ipaddress.IPv4Address(address).packed))
        switch.append(f"link add {plug} type veth peer name eth{number} address {hardware} netns {pid}")
        switch.append(f"link set {plug} master br-{network} up")
        inside.append(f"addr add {address}/{state.subnet(network).prefixlen} dev eth{number}")
        inside.append(f"link set eth{number} up")
    ip(state.switch, switch)
    ip(pid, inside)


def ip(pid: int, commands: Sequence[str]) -> None:
    """Runs `ip` commands in a process's network."""
    program = shutil.which("ip", path=_EVERYWHERE) or "ip"
    whole = ["nsenter", f"--target={pid}", "--net", program, "-batch", "-"]
    done = subprocess.run(whole, input="\n".join(commands), text=True, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def _script(state: State, name: str, command: Sequence[str]) -> str:
    """What becomes the service's first process."""
    service, program = state.service(name), state.program(name)
    work = Path(state.folder) / f"{name}.root"
    work.mkdir(exist_ok=True)
    root = f"{work}/root"
    user, _, group = service["user"].partition(":")
    lines = [
        f"set -eu; umask 022; PATH={shlex.quote(_EVERYWHERE)}",
        "read -r go",
        f"mount -t tmpfs tmpfs {work}",
        f"mkdir {work}/upper {work}/layer {root}",
        f"mount -t overlay overlay -o lowerdir=/,upperdir={work}/upper,workdir={work}/layer {root}",
        f"mount -t proc proc {root}/proc",
        f"mount --rbind /dev {root}/dev",
        f"mount -t tmpfs -o mode=1777 tmpfs {root}/dev/shm",
        f"rm -f {root}/etc/hosts && printf %s {shlex.quote(state.hosts(name))} > {root}/etc/hosts",
        f"echo service:x:{user}:{group}::/tmp:/bin/sh >> {root}/etc/passwd",
        # An interpreter of root's own, for other accounts to enter.
        *(f"chmod o+x {root}{parent}" for parent in Path(sys.base_prefix).parents if str(parent) != "/"),
        # What images of Alpine and of Prometheus call so is BusyBox.
        f"ln -sf $(command -v busybox) {root}/usr/local/bin/wget",
    ]
    mounted = [(source, target, True) for target, source in program.mounts.items()]
    for volume in service.get("volumes", []):
        source = volume["source"]
        if volume["type"] == "volume":
            source = f"{state.folder}/volumes/{source}"
            lines.append(f"[ -d {source} ] || {{ mkdir -p {source} && chown {user}:{group} {source}; }}")
        mounted.append((source, volume["target"], bool(volume.get("read_only"))))
    for kind in ("configs", "secrets"):
        for each in service.get(kind) or []:
            mounted.append((state.project[kind][each["source"]]["file"], each["target"], True))
    # Targets are looked up inside: a link such as /var/run would lead out else.
    lines.append(f'at() {{ echo "{root}$(chroot {root} realpath -m "$1")"; }}')
    for tmpfs in service.get("tmpfs", []):
        target, _, options = tmpfs.partition(":")
        lines.append(f"at=$(at {target}) && mkdir -p $at && mount -t tmpfs -o {options or 'mode=1777'} tmpfs $at")
    for source, target, read_only in mounted:
        lines.append(f"at=$(at {target}) source={shlex.quote(source)}")
        lines.append('if [ -d "$source" ]; then mkdir -p $at; else mkdir -p $(dirname $at) && : > $at; fi')
        lines.append('mount --bind "$source" $at')
        if read_only:
            lines.append("mount -o remount,bind,ro $at")
    if service.get("read_only"):
        lines.append(f"mount -o remount,ro {root}")
    variables = [f"{key}={value}" for key, value in state.environment(name).items()]
    whole = ["chroot", root, *state.account(name), "env", "-i", *variables, *command]
    return "\n".join([*lines, f"exec {shlex.join(whole)} </dev/null", ""])


class Stack:
    """All networks of a project, and those of its services that are started. Ends them all in the end."""

    def __init__(self, project: Mapping[str, Any], folder: Path, programs: Mapping[str, Program]) -> None:
        self._project, self._folder = project, folder
        self.programs = programs
        self._switch: subprocess.Popen[bytes] | None = None
        self._outside: subprocess.Popen[bytes] | None = None
        self.names: tuple[str, ...] = ()
        self.running: dict[str, Container] = {}

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            pytest.skip("namespaces and overlays need root")
        for program in _NEEDED:
            if shutil.which(program, path=_EVERYWHERE) is None:
                missing(f"{program} is not installed")
        self._folder.mkdir(exist_ok=True)
        self._switch, self._outside = _namespace(), _namespace()
        bridges = [f"link add br-{net} type bridge" for net in self._project["networks"]]
        ip(self._switch.pid, [*bridges, *(f"link set br-{net} up" for net in self._project["networks"])])
        attach(self.state, None, self._outside.pid)
        return self

    def __exit__(self, *_: object) -> None:
        for container in self.running.values():
            with contextlib.suppress(AssertionError):
                container.end()
        for holder in (self._outside, self._switch):
            if holder is not None:
                holder.kill()
                holder.wait()

    @property
    def state(self) -> State:
        """What a service is started from."""
        assert self._switch is not None
        return State(
            project=self._project,
            folder=str(self._folder),
            switch=self._switch.pid,
            programs=self.programs,
            names=self.names,
        )

    def start(self, *names: str) -> None:
        """Starts services; does not wait for anything."""
        for name in names:
            self.running[name] = Container(self.state, name)

    def finish(self, name: str, timeout_s: float = 120.0) -> None:
        """Runs a service that ends by itself, which must go well."""
        container = self.running[name] = Container(self.state, name)
        wait_until(lambda: not container.running, timeout_s)
        assert container.process.returncode == 0, f"{name} failed:\n{container.log}"

    def await_healthy(self, *names: str, timeout_s: float = 120.0) -> None:
        """Waits until the health checks of services are content."""
        deadline = time.monotonic() + timeout_s
        for name in names:
            while not self.running[name].is_healthy():
                assert time.monotonic() < deadline, f"{name} is not healthy:\n{self.running[name].log[-3000:]}"
                time.sleep(1.0)

    @contextlib.contextmanager
    def within(self, name: str | None) -> Iterator[Callable[[Callable[[], T]], T]]:
        """Something that runs functions of this process in the network of a service; None: of the outside."""
        assert self._outside is not None
        pid = self._outside.pid if name is None else self.running[name].pid

        def enter() -> None:
            namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
            try:
                assert ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET) == 0
            finally:
                os.close(namespace)

        with ThreadPoolExecutor(1, initializer=enter) as thread:
            yield lambda work: thread.submit(work).result()


def _namespace() -> "subprocess.Popen[bytes]":
    """A process that does nothing but hold a network of its own."""
    holder = subprocess.Popen(["setpriv", "--pdeathsig=KILL", "unshare", "--net", "sleep", "infinity"])
    ours = os.readlink("/proc/self/ns/net")
    wait_until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != ours, 10, interval_s=0.005)
    return holder


def main(state_file: str, *arguments: str) -> int:
    """`run [--rm] [-T] SERVICE ARGUMENT...` in place of `docker compose`."""
    verb, *rest = arguments
    assert verb == "run", verb
    while rest[0].startswith("-"):
        rest.pop(0)
    container = Container(State.read(Path(state_file)), rest[0], rest[1:], log=False)
    return container.process.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
