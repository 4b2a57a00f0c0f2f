"""What a home has come through lately is no news. Pure.

Days unlike any before come several at a time: visitors, an illness of somebody else's, a helper's holiday. What a line
learned by the week cannot know, the last two days can: where a silence was too long and water was used again, the next
one is told of only when it has become longer than that.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from rules.dry import tolerance_s
from rules.snapshot import LATELY

LATELY_S: Final = LATELY.total_seconds()
MOST_S: Final = 20 * 3600.0
"""Never longer than this: somebody is to be asked before somebody is to go."""


class Ended(NamedTuple):
    """A silence that was too long and ended with use: its last reading without, and how long it had lasted by then."""

    until_s: float
    lasted_s: float


def spared_until(ended: Sequence[Ended], since_s: float) -> float:
    """Up to when a silence is not longer than those that ended lately; when it began, where there are none.

    Args:
        ended: silences that were too long, in any order.
        since_s: when the silence began: those that ended later do not count.
    """
    lasted_s = max((each.lasted_s for each in ended if since_s - LATELY_S <= each.until_s < since_s), default=None)
    return (
        since_s if lasted_s is None else since_s + min(lasted_s + tolerance_s(lasted_s), MOST_S - tolerance_s(MOST_S))
    )
