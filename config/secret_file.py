"""A value that stands in a file of its own, as container engines and service managers hand over secrets."""

from pathlib import Path
from typing import Final

MOST_BYTES: Final = 65_536


class UnusableFile(Exception):
    """What is wrong with the file, going on from its name ("is empty"); never any of its content."""


def read(path: Path) -> str:
    """The whole content of a file without the blanks around it.

    Raises:
        UnusableFile: it cannot be read, is larger than 64 KiB, is no UTF-8 text, or holds nothing.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnusableFile(f"cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL in the path
        raise UnusableFile("cannot be read: it is no path") from None
    if len(content) > MOST_BYTES:
        raise UnusableFile("is larger than 64 KiB, so it is no secret's")
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        raise UnusableFile("is no UTF-8 text") from None
    if not text:
        raise UnusableFile("is empty")
    return text
