"""A real Kannel for tests: bearerbox, smsbox, and fakesmsc in the place of the operator."""

import contextlib
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote, unquote_to_bytes

from tests.servers import free_port, listens, missing, wait_until

USER: Final = "anju"
PASSWORD: Final = "of-the-gateway"
SENDER: Final = "10690000"
_PLACES: Final = "/usr/sbin:/usr/local/sbin:/usr/lib/kannel/test:/usr/bin"
_CAME: Final = re.compile(r"Got message \d+: <(\S+) (\S+) (text|data|ucs-2) (.*)>$", re.MULTILINE)


class Kannel:
    """The gateway and an operator behind it: what we send arrives here, what telephones send leaves from here.

    Args:
        folder: Holds configuration, spool and logs.
        reply_url: Where the gateway hands what telephones send, with Kannel's escape codes; empty for nowhere.
    """

    def __init__(self, folder: Path, *, reply_url: str = "") -> None:
        self._bearerbox, self._smsbox, self._fakesmsc = (_program(name) for name in ("bearerbox", "smsbox", "fakesmsc"))
        self.folder = folder
        self.port = free_port()
        self._smsc_port = free_port()
        self._running: list[subprocess.Popen[bytes]] = []
        self._operator: subprocess.Popen[bytes] | None = None
        (folder / "spool").mkdir(parents=True, exist_ok=True)
        (folder / "kannel.conf").write_text(self._config(free_port(), free_port(), reply_url), encoding="utf-8")

    def __enter__(self) -> Self:
        try:
            self._start("bearerbox", self._bearerbox, "kannel.conf")
            self._wait_for("bearerbox", self._smsc_port)
            self._start("smsbox", self._smsbox, "kannel.conf")
            self._wait_for("smsbox", self.port)
            self.operator_comes()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.operator_goes()
        # The first box waits for the second to leave.
        for process in reversed(self._running):
            _end(process)
        self._running = []

    @property
    def url(self) -> str:
        """Where messages are handed in."""
        return f"http://127.0.0.1:{self.port}/cgi-bin/sendsms"

    @property
    def arrived(self) -> list[tuple[str, str, str]]:
        """What telephones have got: sender, number, text."""
        return [(came[1], came[2], _text(came[3], came[4])) for came in _CAME.finditer(self._log("fakesmsc"))]

    def operator_comes(self) -> None:
        """The operator's line is up: what waits leaves."""
        # With nothing on its command line it takes messages from its input; it ends with it.
        self._operator = self._start("fakesmsc", self._fakesmsc, "-H", "127.0.0.1", "-r", str(self._smsc_port))
        wait_until(lambda: "Connecting to" in self._log("fakesmsc"), 10)

    def operator_goes(self) -> None:
        """The operator's line is down."""
        operator, self._operator = self._operator, None
        if operator is not None:
            self._running.remove(operator)
            _end(operator)

    def telephone_sends(self, number: str, text: str, *, to: str = SENDER) -> None:
        """A message from a telephone reaches the gateway."""
        # fakesmsc dies of a second line of input, so each has an operator of its own.
        self.operator_goes()
        self.operator_comes()
        assert self._operator is not None
        assert self._operator.stdin is not None
        sent = self._log("fakesmsc").count("fakesmsc: sent message")
        words = f"{number} {to} ucs2 {quote(text.encode('utf-16-be'), safe='')}"
        self._operator.stdin.write(f"{words}\n".encode())
        self._operator.stdin.flush()
        wait_until(lambda: self._log("fakesmsc").count("fakesmsc: sent message") > sent, 10)

    def _start(self, name: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(
                [program, *arguments],
                cwd=self.folder,
                stdin=subprocess.PIPE if name == "fakesmsc" else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def _wait_for(self, name: str, port: int) -> None:
        deadline = time.monotonic() + 20
        while not listens(port):
            if self._running[-1].poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{name} does not listen; it says:\n{self._log(name)[-2_000:]}")
            time.sleep(0.05)

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def _config(self, admin_port: int, smsbox_port: int, reply_url: str) -> str:
        groups: Sequence[Sequence[str]] = (
            (
                "group = core",
                f"admin-port = {admin_port}",
                'admin-interface = "127.0.0.1"',
                f'admin-password = "{PASSWORD}"',
                f"smsbox-port = {smsbox_port}",
                'smsbox-interface = "127.0.0.1"',
                'box-allow-ip = "127.0.0.1"',
                "store-type = spool",
                f'store-location = "{self.folder}/spool"',
                "dlr-storage = internal",
            ),
            (
                "group = smsc",
                "smsc = fake",
                "smsc-id = operator",
                "host = 127.0.0.1",
                f"port = {self._smsc_port}",
                'connect-allow-ip = "127.0.0.1"',
            ),
            (
                "group = smsbox",
                "bearerbox-host = 127.0.0.1",
                f"sendsms-port = {self.port}",
                'sendsms-interface = "127.0.0.1"',
                f'global-sender = "{SENDER}"',
            ),
            ("group = sendsms-user", f"username = {USER}", f'password = "{PASSWORD}"', "max-messages = 5"),
            (
                "group = sms-service",
                "keyword = default",
                "catch-all = true",
                "max-messages = 0",
                f'get-url = "{reply_url}"' if reply_url else 'text = "none"',
            ),
        )
        return "\n\n".join("\n".join(group) for group in groups) + "\n"


def _text(form: str, written: str) -> str:
    if form == "ucs-2":
        return unquote_to_bytes(written.replace("+", " ")).decode("utf-16-be")
    return unquote_to_bytes(written.replace("+", " ")).decode("latin-1") if form == "data" else written


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _program(name: str) -> str:
    program = shutil.which(name, path=_PLACES)
    if program is None:
        missing(f"Kannel's {name} is not installed (Debian packages kannel and kannel-extras)")
    return program
