"""Which rules there are."""

from typing import Final

from rules.library.absence_check import AbsenceCheck
from rules.library.absence_use import AbsenceUse
from rules.library.battery import BatteryLow
from rules.library.clock import ClockWrong
from rules.library.flow_running import ContinuousFlow
from rules.library.hidden_use import HiddenUse
from rules.library.high_use import HighUse
from rules.library.inactivity import Inactivity
from rules.library.leak import Leak
from rules.library.meter_fault import MeterFault
from rules.library.monitoring_lost import MonitoringLost
from rules.library.possible_fall import PossibleFall
from rules.library.tamper import Tamper
from rules.library.tests_due import CHECK_OVERDUE, TEST_OVERDUE
from rules.library.uncovered import Uncovered
from rules.rule import Rule

HOME_RULES: Final[tuple[Rule, ...]] = (
    Inactivity(),
    MonitoringLost(),
    Uncovered(),
    Leak(),
    ContinuousFlow(),
    HighUse(),
    HiddenUse(),
    PossibleFall(),
    AbsenceUse(),
    AbsenceCheck(),
    MeterFault(),
    BatteryLow(),
    ClockWrong(),
    Tamper(),
    TEST_OVERDUE,
    CHECK_OVERDUE,
)
"""The rules that judge a home at each look. Presses and falls are judged by `sos` and `fall`, when they wake."""
