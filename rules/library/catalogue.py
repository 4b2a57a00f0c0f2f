"""Which rules there are."""

from typing import Final

from rules.library.inactivity import Inactivity
from rules.library.monitoring_lost import MonitoringLost
from rules.library.uncovered import Uncovered
from rules.rule import Rule

HOME_RULES: Final[tuple[Rule, ...]] = (Inactivity(), MonitoringLost(), Uncovered())
"""The rules that judge a home at each look. Presses and falls are judged by `sos` and `fall`, when they wake."""
