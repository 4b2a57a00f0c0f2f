"""The files that a back-test writes."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from anju.errors import Usage


@contextmanager
def opened(path: Path | None) -> Iterator[IO[str] | None]:
    """A file that stands under its name only when it is whole; into a device, a pipe or a link it goes at once.

    Raises:
        Usage: it cannot be written.
    """
    if path is None:
        yield None
        return
    stays = path.is_symlink() or (path.exists() and not path.is_file())
    unfinished = path if stays else path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n") as out:
            yield out
        if not stays:
            unfinished.replace(path)
    except OSError as error:
        raise Usage(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if not stays:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
