"""The last few results of a costly pure function, told by the identity of what it was given.

The rules of one look ask the same of the same series, one after the other. Only frozen things may be given: a result
is handed out again, so nobody may change it.
"""

from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import Final, TypeVar

Given = TypeVar("Given")
Result = TypeVar("Result")

_KEPT: Final = 8


def remembered(function: Callable[[Given], Result]) -> Callable[[Given], Result]:
    """Keeps the results for the last few arguments, and the arguments themselves: an identity is not used again."""
    recent: deque[tuple[Given, Result]] = deque(maxlen=_KEPT)

    @wraps(function)
    def recalled(given: Given) -> Result:
        for known, result in recent:
            if known is given:
                return result
        result = function(given)
        recent.append((given, result))
        return result

    return recalled
