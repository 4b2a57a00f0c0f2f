"""How far a back-test is, for whoever watches it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(*steps: str) -> Iterator[Callable[[str, float], None]]:
    """A bar for each step on standard error, where that is a terminal; is told a step and the share done, 0 to 1."""
    if not sys.stderr.isatty():
        yield lambda _step, _share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks = {step: shown.add_task(step, total=1.0) for step in steps}
        yield lambda step, share: shown.update(tasks[step], completed=share)
