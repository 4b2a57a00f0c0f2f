"""The last few results of a costly pure function, told by the identity of what it was given.

The rules of one look ask the same of the same series, one after the other. Only frozen things may be given: a result
is handed out again, so nobody may change it.
"""

from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import Final, TypeVar, TypeVarTuple

Given = TypeVar("Given")
Limits = TypeVarTuple("Limits")
Result = TypeVar("Result")

_KEPT: Final = 8


def remembered(function: Callable[[Given, *Limits], Result]) -> Callable[[Given, *Limits], Result]:
    """Keeps the results for the last few arguments, and the arguments themselves: an identity is not used again.

    The first argument is told by its identity, the others by what they are.
    """
    recent: deque[tuple[Given, tuple[*Limits], Result]] = deque(maxlen=_KEPT)

    @wraps(function)
    def recalled(given: Given, *limits: *Limits) -> Result:
        for known, known_limits, result in recent:
            if known is given and known_limits == limits:
                return result
        result = function(given, *limits)
        recent.appendleft((given, limits, result))
        return result

    return recalled
