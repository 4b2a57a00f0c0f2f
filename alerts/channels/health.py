"""Whether a provider is worth asking: it is left alone for a while after faults of its own. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerts.channels.results import Accepted, Fault, Result

_FAULTS_IN_A_ROW: Final = 3
_FIRST_REST_S: Final = 10.0
_LONGEST_REST_S: Final = 300.0
#: These say something of the message or of its number, not of the provider.
_OF_THE_MESSAGE: Final = frozenset({Fault.CAP_REACHED, Fault.TEMPLATE_REFUSED, Fault.REFUSED, Fault.OUR_BUG})


@dataclass(frozen=True, slots=True)
class Health:
    """How a provider has done lately; `down_until` is None while it is worth asking."""

    faults_in_a_row: int = 0
    down_until: datetime | None = None

    def is_down(self, now: datetime) -> bool:
        """Whether it is left alone at `now`."""
        return self.down_until is not None and now < self.down_until

    def after(self, result: Result, now: datetime) -> "Health":
        """How it has done with this result: three faults in a row, or one that lasts, rest it for 10 s to 5 min."""
        if isinstance(result, Accepted):
            return Health()
        if result.fault.is_final or result.fault in _OF_THE_MESSAGE:
            return self
        faults = self.faults_in_a_row + 1
        if result.fault.needs_operator:
            return Health(faults, now + timedelta(seconds=_LONGEST_REST_S))
        if faults < _FAULTS_IN_A_ROW:
            return Health(faults, self.down_until)
        rest_s = min(_LONGEST_REST_S, _FIRST_REST_S * 2.0 ** min(faults - _FAULTS_IN_A_ROW, 10))
        return Health(faults, now + timedelta(seconds=rest_s))
