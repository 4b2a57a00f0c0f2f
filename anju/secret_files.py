"""Files that hold secrets or decide who gets in: written whole or not at all, and never readable by everybody."""

import contextlib
import os
import tempfile
from pathlib import Path

from anju.errors import CommandError, InputRefused

_OWNER_AND_GROUP = 0o640


def replace_file(path: Path, content: bytes) -> None:
    """Puts a file in the place of another, in one step; it keeps the other's owner, group and mode.

    A new one is for its owner and, to read, for its group.

    Raises:
        CommandError: it cannot be written.
    """
    try:
        _write(path, content)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None


def new_file(path: Path, content: bytes) -> None:
    """Writes a file for its owner alone.

    Raises:
        InputRefused: there is one of this name.
        CommandError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputRefused(f"{path} is there already") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def read_file(path: Path) -> bytes:
    """The content of a file.

    Raises:
        InputRefused: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputRefused(f"{path} cannot be read: {error.strerror}") from None


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            mode = _OWNER_AND_GROUP
            with contextlib.suppress(FileNotFoundError):
                former = path.stat()
                mode = former.st_mode & 0o777
                # Not permitted unless we are root: then the group of the folder, by its setgid bit, must do.
                with contextlib.suppress(PermissionError):
                    os.fchown(file.fileno(), former.st_uid, former.st_gid)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(made).replace(path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise
