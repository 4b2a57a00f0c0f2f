"""The processes that `anju up` looks after."""

from pathlib import Path

from anju.children import Child, ChildOptions, child_environment
from tests.servers import eventually

OUT_OF_REACH = {"ANJU_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}


async def test_what_is_ended_at_once_is_not_said_to_be_started_again(tmp_path: Path) -> None:
    told: list[str] = []
    environment = child_environment(OUT_OF_REACH)
    options = ChildOptions(name="rules", arguments=("rules",), environment=environment, log_folder=tmp_path)
    child = Child(options, tell=told.append)
    child.start()
    await eventually(lambda: child.pid is not None, 20.0)
    child.kill()
    await eventually(lambda: child.pid is None, 20.0)
    await child.stop()
    assert not any("again" in line for line in told), told
