"""`anju health`, as a container's health check calls it."""

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from anju import cli
from anju.health import Heartbeat, make_app, serve
from tests.servers import free_port


class Role:
    """A role's metrics port; its loop stands still when told so."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.now_s = 0.0
        self.fault: str | None = None
        self.server = serve("127.0.0.1", port, make_app(Heartbeat(lambda: self.now_s), (lambda: self.fault,)))


@pytest.fixture
def role() -> Iterator[Role]:
    answering = Role(free_port())
    yield answering
    answering.server.shutdown()
    answering.server.server_close()


def ask(*arguments: str, **settings: object) -> tuple[int, str]:
    environment = {f"ANJU_{name.upper()}": str(value) for name, value in settings.items()}
    ended: list[Result] = []

    def run() -> None:
        ended.append(CliRunner().invoke(cli.app, ["health", *arguments], env=environment))
        if ended[0].exception is not None and not isinstance(ended[0].exception, SystemExit):
            raise ended[0].exception

    code = cli.guarded(run)
    return code or ended[0].exit_code, ended[0].stdout


def test_it_says_whether_a_role_lives_and_whether_it_works(role: Role, capsys: pytest.CaptureFixture[str]) -> None:
    there = {"metrics_port_rules": role.port, "metrics_address": "0.0.0.0"}
    assert ask(**there) == (0, "rules: alive\n")
    assert ask("rules", "--ready", **there) == (0, "rules: ready\n")
    role.fault = "database: it does not answer"
    assert ask("rules", **there)[0] == 0
    assert ask("rules", "--ready", **there)[0] == 1
    assert capsys.readouterr().err == "anju: rules: database: it does not answer\n"
    role.now_s = 100.0
    assert ask(**there)[0] == 1
    assert "the event loop stands still for 100 s" in capsys.readouterr().err


def test_it_fails_where_nobody_answers_or_nobody_can_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(metrics_port_probe=free_port())[0] == 1
    assert "does not answer" in capsys.readouterr().err
    assert ask()[0] == 2
    assert ask("postman")[0] == 2
    assert ask("ingest", metrics_port_probe=1)[0] == 2
    assert "ANJU_METRICS_PORT_INGEST is not set" in capsys.readouterr().err
