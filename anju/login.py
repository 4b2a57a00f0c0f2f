"""Who sits at the terminal, as far as the system knows."""

import getpass


def login() -> str:
    """The name of the account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        return "unknown"
