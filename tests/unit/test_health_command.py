"""`anju health`, as a container's health check calls it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from anju import cli
from anju.health import Heartbeat, make_app, serve
from anju.own_tls import server_context
from config.settings import Settings
from registry.certificates import new_authority, server_certificate
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


def test_it_asks_over_tls_where_the_role_speaks_it(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    own = server_certificate(new_authority("a site", now), ["role.example.org"], now)
    files = {"tls_cert_file": tmp_path / "crt", "tls_key_file": tmp_path / "key"}
    files["tls_cert_file"].write_bytes(own.certificate)
    files["tls_key_file"].write_bytes(own.key)
    answering = serve(
        "127.0.0.1",
        0,
        make_app(Heartbeat(), ()),
        server_context(Settings(tls_cert_file=files["tls_cert_file"], tls_key_file=files["tls_key_file"])),
    )
    try:
        assert ask(metrics_port_keep=answering.server_port, **files) == (0, "keep: alive\n")
        assert ask(metrics_port_keep=answering.server_port)[0] == 1
    finally:
        answering.shutdown()
        answering.server_close()
