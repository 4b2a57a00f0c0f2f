"""`anju drivers`: which families of devices are understood, on which topics, and what their models yield."""

from typing import TYPE_CHECKING, Annotated

import typer

from anju.output import JSON_OPTION, say, show_json, show_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from devices.model import JsonValue, Model
    from devices.registry import Family


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command()(drivers)


def drivers(
    *,
    as_json: Annotated[bool, JSON_OPTION] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the models as docs/devices.md has them.")] = False,
) -> None:
    """List the families of devices, their topics with the lane each takes, and the models known to work."""
    from devices.registry import discover

    families = discover().families
    if markdown:
        say(models_table(families.values()))
        return
    if as_json:
        show_json([_as_json(name, family) for name, family in families.items()])
        return
    show_table(
        ("Family", "Topic", "Lane"),
        [(name, topic, lane) for name, family in families.items() for topic, lane in _topics(family)],
    )
    say("")
    show_table(
        ("Family", "Model", "Calls for help", "Yields"),
        [
            (name, model.name, "yes" if model.presses else "", model.yields)
            for name, family in families.items()
            for model in family.models
        ],
    )


def models_table(families: "Iterable[Family]") -> str:
    """The models of all families as a table in Markdown; families and models that are alike share a row."""
    named: dict[tuple[Model, ...], list[str]] = {}
    for family in families:
        named.setdefault(family.models, []).append(f"`{family.driver.NAME}`")
    rows = ["| family | models | calls for help | yields |", "| --- | --- | --- | --- |"]
    for models, names in named.items():
        alike: dict[tuple[bool, str], list[str]] = {}
        for model in models:
            alike.setdefault((model.presses, model.yields), []).append(model.name)
        rows += [
            f"| {', '.join(names)} | {', '.join(members)} | {'yes' if presses else ''} | {yields} |"
            for (presses, yields), members in alike.items()
        ]
    return "\n".join(rows)


def _topics(family: "Family") -> "Iterator[tuple[str, str]]":
    for prefix in family.prefixes:
        for found in family.driver.FILTERS:
            yield f"{prefix}/{found.filter}", found.lane.value
    for template in family.urgent_templates:
        yield template, "urgent, for each installed call button"


def _as_json(name: str, family: "Family") -> "dict[str, JsonValue]":
    return {
        "family": name,
        "topics": [
            {"topic": f"{prefix}/{found.filter}", "lane": found.lane.value}
            for prefix in family.prefixes
            for found in family.driver.FILTERS
        ],
        "urgent_for_call_buttons": list(family.urgent_templates),
        "models": [{"model": model.name, "calls": model.presses, "yields": model.yields} for model in family.models],
    }
