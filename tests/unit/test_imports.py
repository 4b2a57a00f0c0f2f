"""No module imports itself by way of others: each can be imported first, in whatever order a command asks for them."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("anju", "alerts", "config", "devices", "ingest", "registry", "rules", "storage")


def named(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(statements: list[ast.stmt]) -> Iterator[str]:
    """What is imported as soon as the module is: not by functions, and not for types alone."""
    for statement in statements:
        match statement:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), names=names):
                # Of a package's names those that are modules; what is no module is left out below.
                yield module
                yield from (f"{module}.{name.name}" for name in names)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                pass
            case ast.If(body=body, orelse=orelse):
                yield from imported([*body, *orelse])
            case ast.Try(body=body, handlers=handlers):
                yield from imported([*body, *(each for handler in handlers for each in handler.body)])


def test_no_module_imports_itself_by_way_of_others() -> None:
    files = {named(file): file for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    asked = {
        name: set(imported(ast.parse(file.read_text("utf-8")).body)) & files.keys() for name, file in files.items()
    }
    assert len(asked) > 200
    # Raises CycleError with the modules of a cycle. A package's own top is imported before whatever is in it.
    order = list(TopologicalSorter({name: needs - {name} for name, needs in asked.items()}).static_order())
    assert set(order) == files.keys()
