"""`anju policy propose`: what is refused before any home is tried."""

from pathlib import Path

import pytest
from typer.main import get_command

from anju.cli import guarded
from anju.commands.policy import app


@pytest.mark.parametrize("out", ["", "no/such/folder/lines.json"])
def test_where_the_proposal_goes_is_looked_at_before_the_work(
    out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = get_command(app)
    arguments = ["propose", "--area", "City", "--visits-per-week", "1", "--out", str(tmp_path / out)]
    # Neither settings nor a database are there: the folder is asked for before them.
    assert guarded(lambda: command.main(arguments, "anju")) == 2
    assert "--out:" in capsys.readouterr().err
