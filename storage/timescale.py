"""Which TimescaleDB will do."""

from typing import Final

from storage.errors import TimescaleTooOld

#: Older ones lose rows on conflict in compressed chunks (timescale/timescaledb, release notes of 2.18.1).
OLDEST: Final = (2, 18, 1)


def is_too_old(version: str) -> bool:
    """Whether a version, such as `2.23.0-dev`, is older than what the series needs."""
    return tuple(int(part) for part in version.partition("-")[0].split(".")) < OLDEST


def refuse_old(version: str | None) -> None:
    """Passes if the extension's version will do, or there is no extension.

    Raises:
        TimescaleTooOld: it will not.
    """
    if version is not None and is_too_old(version):
        needed = ".".join(map(str, OLDEST))
        raise TimescaleTooOld(
            f"TimescaleDB is {version}: before {needed} it loses readings; install {needed} or newer, run"
            " 'ALTER EXTENSION timescaledb UPDATE' in a new session, then 'anju migrate' again"
        )
