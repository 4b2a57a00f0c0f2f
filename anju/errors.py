"""What a command ends with: an exit code that tells a script whose turn it is, and one line that says what to do."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command; listed in `anju --help` and docs/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    NOT_POSSIBLE = 5
    INTERRUPTED = 130


class CommandError(Exception):
    """Root of this package's errors; the text is what the person at the terminal reads."""

    exit = Exit.FAILED


class Usage(CommandError):
    """The command was called in a way that makes no sense."""

    exit = Exit.USAGE


class InputRefused(CommandError):
    """A file is faulty; nothing of it was used."""

    exit = Exit.REFUSED


class Unreachable(CommandError):
    """A server cannot be reached, or refuses us."""

    exit = Exit.UNREACHABLE


class NotPossible(CommandError):
    """There is no such thing, or it is in a state that does not allow what was asked."""

    exit = Exit.NOT_POSSIBLE
