"""Policies as people write them: values, presets, what fits together; absences that can be none."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue

from anju.commands.absence import Why as OfferedWhy
from registry.absences import LONGEST, AbsenceInvalid, AbsenceRefused, Noted, Why, check, ending
from registry.coherence import bounded_with, faults_of
from registry.policies import Level, effective, typed
from registry.policy import DEFAULTS, Policy, PolicyRefused, checked, names, resolve
from registry.presets import preset, presets

NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)
H, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("leak_h", "12", 12.0),
        ("inactivity_strictness", "4", 4),
        ("inactivity_learned", "No", False),
        ("inactivity_learned", "true", True),
        ("night_from", "21:30", "21:30"),
        ("inactivity_first_use_by", "", ""),
        ("holidays", "JP", "JP"),
    ],
)
def test_values_are_typed_by_their_parameter(name: str, text: str, value: JsonValue) -> None:
    assert typed(name, text) == value
    assert checked({name: value}) == {name: value}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("leak_hours", "12", "there is no parameter 'leak_hours'; did you mean 'leak_h'?"),
        ("leak_h", "many", "leak_h: 'many' is no number"),
        ("inactivity_strictness", "1.5", "inactivity_strictness: '1.5' is no whole number"),
        ("leak_h", "nan", "leak_h: input should be a finite number"),
        ("leak_h", "0", "leak_h: input should be greater than or equal to 1, not 0.0"),
        ("inactivity_learned", "maybe", "inactivity_learned: 'maybe' is neither true nor false"),
        ("night_from", "25:00", "night_from: '25:00' is no time of day; right would be '07:30'"),
        ("holidays", "china", "holidays: 'china' is no country; right would be 'CN', or '' for none"),
    ],
)
def test_values_that_are_none_are_refused_in_words(name: str, text: str, says: str) -> None:
    with pytest.raises(PolicyRefused) as refused:
        checked({name: typed(name, text)})
    assert str(refused.value).startswith(says)


def test_what_bounds_each_other_must_fit() -> None:
    assert faults_of(DEFAULTS) == []
    odd = replace(DEFAULTS, inactivity_window_h=36.0, inactivity_min_h=25.0, night_from="06:00")
    assert faults_of(odd) == [
        "inactivity_window_h (36) is more than inactivity_hard_window_h (24): soft comes before hard",
        "inactivity_min_h (25) is more than inactivity_max_h (24): a learned line lies between the two",
        "night_from and night_until are both 06:00: that is no night",
    ]
    assert bounded_with(["night_until", "leak_h"]) == {"night_from", "night_until"}


@pytest.mark.parametrize("name", presets())
def test_presets_hold_together_and_say_where_they_come_from(name: str) -> None:
    found = preset(name)
    resolved = resolve(DEFAULTS, [dict(found.parameters)])
    assert not resolved.faults
    assert faults_of(resolved.policy) == []
    assert found.title
    assert any(figure in found.source for figure in ("m³", " L ", " h"))


def test_the_programmes_of_the_domain_are_all_there() -> None:
    def limits(name: str) -> tuple[float, float, float]:
        policy = resolve(DEFAULTS, [dict(preset(name).parameters)]).policy
        assert not policy.inactivity_learned
        return policy.inactivity_volume_l, policy.inactivity_window_h, policy.inactivity_hard_window_h

    assert {name: limits(name) for name in presets()} == {
        "shanghai-changning": (10, 12, 24),
        "shanghai-jingan": (10, 24, 24),
        "shenzhen-longgang": (10, 12, 24),
        "ningbo-haishu": (8.01, 24, 24),
        "ningbo-zhenhai": (6, 24, 24),
        "taicang-liaocheng-anji": (10, 24, 24),
        "sakaki": (1, 8, 24),
        "zhuhai": (1, 12, 12),
    }
    assert preset("shanghai-jingan").parameters["day_max_l"] == 2000.0
    assert preset("shenzhen-longgang").parameters["leak_h"] == 24.0
    with pytest.raises(PolicyRefused, match="did you mean 'zhuhai'"):
        preset("zuhai")


def level(name: str, place: str, parameters: Mapping[str, JsonValue]) -> Level:
    return Level(name, place, dict(parameters), NOW, "li")  # type: ignore[arg-type]


def test_what_holds_and_where_it_comes_from() -> None:
    said = [
        level("site", "", {"leak_h": 20.0, "flow_h": 3.0}),
        level("area", "city", {"leak_h": "x", "day_max_l": 5.0}),
        level("home", "city/1", {"leak_h": 10.0}),
    ]
    found = effective(Policy(silence_intervals=5.0), said)
    shown = {each.parameter: (each.value, each.level, each.place) for each in found.settings}
    assert list(shown) == list(names())
    assert shown["leak_h"] == (10.0, "home", "city/1")
    assert shown["flow_h"] == (3.0, "site", "")
    assert shown["silence_intervals"] == (5.0, "default", "")
    # A level that cannot be read is passed over as a whole.
    assert shown["day_max_l"][1] == "default"
    assert [fault.partition(":")[0] for fault in found.faults] == ["area city"]
    assert resolve(Policy(silence_intervals=5.0), [each.parameters for each in said]).policy == Policy(
        **{each.parameter: each.value for each in found.settings}  # type: ignore[arg-type]
    )
    json.dumps([each.value for each in found.settings])


def noted(from_at: datetime, until_at: datetime, ended_at: datetime | None = None) -> Noted:
    return Noted(7, "city", "1", from_at, until_at, Why.TRAVEL, from_at, "li", ended_at, "li" if ended_at else None)


def test_an_absence_ends_after_it_began_and_within_half_a_year() -> None:
    check(NOW, NOW + LONGEST)
    with pytest.raises(AbsenceInvalid, match=r"180 days at most, here until 2026-09-24 12:00 UTC"):
        check(NOW, NOW + LONGEST + timedelta(seconds=1))
    for until_at in (NOW, NOW - H):
        with pytest.raises(AbsenceInvalid, match="before it begins"):
            check(NOW, until_at)


def test_when_an_absence_counts_as_ended() -> None:
    lasting, coming = noted(NOW - DAY, NOW + DAY), noted(NOW + H, NOW + DAY)
    over, taken_back = noted(NOW - DAY, NOW - H), noted(NOW - DAY, NOW + DAY, NOW - DAY)
    assert [each.state(NOW) for each in (lasting, coming, over, taken_back)] == ["away", "coming", "over", "taken back"]
    assert ending(lasting, None, NOW) == NOW
    assert ending(lasting, NOW - H, NOW) == NOW - H
    assert ending(lasting, NOW - DAY, NOW) == NOW - DAY
    assert ending(coming, None, NOW) == coming.from_at
    assert ending(over, NOW - 2 * H, NOW) == NOW - 2 * H
    for absence in (over, taken_back):
        with pytest.raises(AbsenceRefused, match="is over since"):
            ending(absence, None, NOW)
    for absence, at, says in (
        (lasting, NOW + H, "lies ahead"),
        (lasting, NOW - 2 * DAY, "began only"),
        (coming, NOW, "began only"),
        (over, NOW, "as it is"),
    ):
        with pytest.raises(AbsenceInvalid, match=says):
            ending(absence, at, NOW)


def test_the_reasons_offered_are_those_that_are_stored() -> None:
    assert [why.value for why in OfferedWhy] == [why.value for why in Why]


def test_the_page_has_every_parameter_and_preset() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
    assert [name for name in [*names(), *presets()] if f"| `{name}` | " not in page] == []
