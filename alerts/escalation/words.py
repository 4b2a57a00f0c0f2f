"""Ladders and what comes of them in plain words, for people. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from alerts.escalation.policy import PERSON, Ladder, Step, Tell

_ROLES: Final[Mapping[str, str]] = {
    "duty": "whoever is on duty",
    "backup": "the backup",
    "supervisor": "the supervisor",
    "operator": "the operator",
    "contacts": "the contacts of the home, one after the other",
    "family": "the family, the first who can be reached",
    "resident": "the resident",
}
_BECAUSE: Final[Mapping[str, str]] = {
    "no_roster": "there is no roster for",
    "nobody_on_duty": "nobody is on duty as",
    "no_address": "no address that works for",
    "declined": "nobody can come as",
}


def span(seconds: int) -> str:
    """A duration: `90 s`, `5 min`, `2 h`, `1 d`."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def who(name: str) -> str:
    """Whom a policy means."""
    return name.removeprefix(PERSON) if name.startswith(PERSON) else _ROLES[name]


def tell(each: Tell) -> str:
    """Who is told, and how."""
    ways = " and ".join(each.by) if each.ways == "all" else " or ".join(each.by)
    some = f" ({each.at_most} at most)" if each.at_most is not None else ""
    return f"{who(each.who)}{some} by {ways}"


def step(each: Step) -> str:
    """What is done at a step."""
    if each.ask:
        return "asks first: " + ", else ".join(map(tell, each.tell))
    return "; ".join(map(tell, each.tell))


def scope(ladder: Ladder) -> str:
    """What a ladder is for."""
    kinds = ", ".join(sorted(ladder.kinds)) or "all kinds"
    severities = ", ".join(sorted(ladder.severities)) or "of any severity"
    return f"{kinds}; {severities}"


def afterwards(ladder: Ladder) -> Iterable[str]:
    """What follows the steps."""
    yield f"nobody takes it: from the first step again, {span(ladder.repeat_s)} after the last"
    if ladder.digest_at is not None:
        yield f"messages wait until {ladder.digest_at:%H:%M} at the home and go as one"
    for remind_s, lapse_s, what in (
        (ladder.remind_s, ladder.lapse_s, "taken and nobody on the way"),
        (ladder.scene_remind_s, ladder.scene_lapse_s, "on the way and not on the scene"),
        (ladder.close_remind_s, None, "on the scene and not closed"),
    ):
        parts = [f"a reminder every {span(remind_s)}"] if remind_s is not None else []
        parts += [f"after {span(lapse_s)} from the first step again"] if lapse_s is not None else []
        if parts:
            yield f"{what}: {', '.join(parts)}"


def fell(detail: Mapping[str, Any]) -> str:
    """Why somebody else is told than was meant."""
    wanted, told = str(detail["wanted"]), str(detail["told"])
    stands_in = "nobody stands in" if told == "nobody" else f"{told} of {detail['at']} is told"
    return f"{_BECAUSE[str(detail['because'])]} {wanted.removeprefix(PERSON)}: {stands_in}"
