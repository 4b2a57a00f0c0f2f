"""Presets: the published rules of municipal programmes as parameters of a policy, each with its source."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from types import MappingProxyType

from pydantic import JsonValue

from registry.policy import PolicyRefused, checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """The rule of a programme.

    Attributes:
        title: where it is in use.
        source: the rule as published, and who is told there.
        parameters: what it comes to.
    """

    name: str
    title: str
    source: str
    parameters: Mapping[str, JsonValue]


@cache
def presets() -> Mapping[str, Preset]:
    """All of them, by name."""
    stored = tomllib.loads(resources.files(__package__).joinpath("presets.toml").read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            name: Preset(name=name, title=each["title"], source=each["source"], parameters=checked(each["parameters"]))
            for name, each in stored.items()
        }
    )


def preset(name: str) -> Preset:
    """The one of that name.

    Raises:
        PolicyRefused: there is none.
    """
    found = presets().get(name)
    if found is None:
        close = get_close_matches(name, presets(), n=1, cutoff=0.4)
        hint = f"did you mean {close[0]!r}?" if close else "`anju policy presets` lists them"
        raise PolicyRefused(f"there is no preset {name!r}; {hint}")
    return found
