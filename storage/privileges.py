"""The table of privileges: what each stage may do in the database (pure; the table itself is `privileges.toml`)."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Final

# Each privilege with, for some, the columns that it is narrowed to.
_PRIVILEGE: Final = re.compile(r"(select|insert|update|delete)(?:\(([a-z_, ]+)\))?")


class Stage(StrEnum):
    """Who works with the database; `operator` is the command line, `dashboards` whoever draws them."""

    INGEST = "ingest"
    RULES = "rules"
    ALERTS = "alerts"
    PROBE = "probe"
    KEEP = "keep"
    OPERATOR = "operator"
    DASHBOARDS = "dashboards"

    @property
    def group(self) -> str:
        """The role that carries the rights; nobody logs in as it."""
        return f"anju_{self.value}"

    @property
    def login(self) -> str:
        """The role that logs in."""
        return f"{self.group}_login"


class Privilege(StrEnum):
    """What can be given on a table or view."""

    SELECT = "select"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One privilege of one stage; `columns` narrow it, none means the whole."""

    stage: Stage
    relation: str
    privilege: Privilege
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The table of privileges.

    Attributes:
        relations: every table and view that has an entry, whoever may use it.
        grants: who may do what with them.
        functions: every function of ours, as `name(types)`, with those who may call it.
    """

    relations: frozenset[str]
    grants: tuple[Grant, ...]
    functions: Mapping[str, tuple[Stage, ...]]


@cache
def table() -> Table:
    """The privileges of this release.

    Raises:
        ValueError: the file has a stage or a privilege that there is not: our fault.
    """
    stored = tomllib.loads(resources.files(__package__).joinpath("privileges.toml").read_text(encoding="utf-8"))
    return Table(
        relations=frozenset(stored["relation"]),
        grants=tuple(
            grant
            for relation, stages in stored["relation"].items()
            for stage, text in stages.items()
            for grant in _parsed(Stage(stage), relation, text)
        ),
        functions={name: tuple(Stage(each) for each in stages) for name, stages in stored["function"].items()},
    )


def _parsed(stage: Stage, relation: str, text: str) -> Iterator[Grant]:
    if _PRIVILEGE.sub("", text).strip():
        raise ValueError(f"{relation}, {stage.value}: {text!r} is no list of privileges")
    for match in _PRIVILEGE.finditer(text):
        columns = tuple(column.strip() for column in (match[2] or "").split(",") if column.strip())
        yield Grant(stage=stage, relation=relation, privilege=Privilege(match[1]), columns=columns)
