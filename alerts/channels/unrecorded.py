"""What this process has handed over to numbers and the database may not know yet: caps count it too."""

from datetime import datetime, timedelta
from typing import Final

from alerts.channels.results import Submission

#: For how long a submission of ours may not be in the database yet when the next message is claimed.
_KEPT: Final = timedelta(minutes=5)


class Unrecorded:
    """Submissions of the last minutes, by number."""

    def __init__(self) -> None:
        # In the order of each number's last submission, so that what is old stands in front.
        self._of: dict[str, list[Submission]] = {}

    def add(self, number: str, submission: Submission) -> None:
        """Before it is made: others to the same number may be on their way."""
        self._of[number] = [*self._of.pop(number, ()), submission]

    def forget(self, number: str, submission: Submission) -> None:
        """It did not reach the provider."""
        left = [one for one in self._of.get(number, ()) if one != submission]
        if left:
            self._of[number] = left
        else:
            self._of.pop(number, None)

    def to(self, number: str, now: datetime) -> tuple[Submission, ...]:
        """Those to a number."""
        since = now - _KEPT
        while self._of and next(iter(self._of.values()))[-1].at <= since:
            del self._of[next(iter(self._of))]
        return tuple(one for one in self._of.get(number, ()) if one.at > since)
