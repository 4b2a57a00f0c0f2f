"""Settings: where they come from, and the one line that says what is wrong."""

import io
import json
import logging as stdlib_logging
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from config import logging
from config.errors import SettingsError
from config.settings import Settings, load, variable_of

SECRET = "whsec_" + "A" * 32
EXAMPLE = Path(__file__).parents[2] / "config" / "site.example.toml"


def write(folder: Path, text: str) -> Path:
    file = folder / "site.toml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(environ: dict[str, str] | None = None, file: Path | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(file, environ or {})
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_defaults_need_neither_environment_nor_file() -> None:
    settings = load(None, {})
    assert settings.late_window_days == 35
    assert settings.future_tolerance_s == 600
    assert settings.max_batch == 5000
    assert settings.keep_positions is False
    assert load(None, {"ANJU_KEEP_POSITIONS": "true"}).keep_positions is True
    assert (settings.inactivity_volume_l, settings.inactivity_window_h) == (10, 12)
    assert (settings.silence_intervals, settings.silence_min_s) == (3, 3600)
    assert settings.mqtt_urls == ()
    assert settings.metrics_address == "127.0.0.1"
    assert settings.metrics_port_ingest == 0
    assert re.fullmatch(r"[A-Za-z0-9_-]+", settings.worker_id)


def test_environment_wins_over_file(tmp_path: Path) -> None:
    file = write(tmp_path, 'worker_id = "from-file"\nmax_batch = 7\n')
    settings = load(file, {"ANJU_WORKER_ID": "from-environment"})
    assert (settings.worker_id, settings.max_batch) == ("from-environment", 7)
    assert load(None, {"ANJU_CONFIG": str(file)}).worker_id == "from-file"


def test_several_brokers_and_secrets(tmp_path: Path) -> None:
    settings = load(
        None,
        {"ANJU_MQTT_URL": "mqtt://u:p@one:1883, mqtts://two", "ANJU_WEBHOOK_SECRET": f"{SECRET},whsec_{'B' * 32}"},
    )
    assert [url.get_secret_value() for url in settings.mqtt_urls] == ["mqtt://u:p@one:1883", "mqtts://two"]
    assert len(settings.webhook_secrets) == 2
    for text in ('mqtt_urls = ["mqtt://one", "mqtt://two"]', 'mqtt_urls = "mqtt://one,mqtt://two"'):
        assert len(load(write(tmp_path, text), {}).mqtt_urls) == 2


@pytest.mark.parametrize(
    ("environ", "named", "right"),
    [
        ({"ANJU_DATABASE_URL": "mysql://h/db"}, "ANJU_DATABASE_URL", "postgresql://"),
        ({"ANJU_MQTT_URL": "mqtt://ok,http://no"}, r"ANJU_MQTT_URL \(number 2\)", "mqtt://user:password@host:1883"),
        ({"ANJU_MQTT_URL": "mqtt://h:99999"}, "ANJU_MQTT_URL", "mqtt://"),
        ({"ANJU_MQTT_URL": "mqtt://h,mqtt://h"}, "ANJU_MQTT_URL", "name each once"),
        ({"ANJU_MAX_BATCH": "many"}, "ANJU_MAX_BATCH", "integer.*5000"),
        ({"ANJU_MAX_BATCH": "0"}, "ANJU_MAX_BATCH", "greater than or equal to 1.*5000"),
        ({"ANJU_LATE_WINDOW_DAYS": "inf"}, "ANJU_LATE_WINDOW_DAYS", "35"),
        ({"ANJU_WORKER_ID": "a b"}, "ANJU_WORKER_ID", "letters, digits"),
        ({"ANJU_WEBHOOK_SECRET": "hush"}, "ANJU_WEBHOOK_SECRET", "whsec_"),
        ({"ANJU_WEBHOOK_URL": "duty.example.org"}, "ANJU_WEBHOOK_URL", "https://"),
        ({"ANJU_LOG_FORMAT": "xml"}, "ANJU_LOG_FORMAT", "'console' or 'json'"),
        ({"ANJU_MQTT_CA_FILE": "/nowhere/ca.pem"}, "ANJU_MQTT_CA_FILE", "PEM"),
        ({"ANJU_DATABSE_URL": "x"}, "ANJU_DATABSE_URL", "did you mean ANJU_DATABASE_URL"),
        ({"ANJU_MQTT_URLS": "x"}, "ANJU_MQTT_URLS", "did you mean ANJU_MQTT_URL"),
        ({"ANJU_TOPIC_PREFIXES": "native"}, "ANJU_TOPIC_PREFIXES", "zigbee2mqtt=z2m-east"),
        ({"ANJU_TOPIC_PREFIXES": "native=a/b"}, "ANJU_TOPIC_PREFIXES", "single topic level"),
        ({"ANJU_XYZZY": "x"}, "ANJU_XYZZY", "site.example.toml"),
    ],
)
def test_a_wrong_or_unknown_variable_is_named_with_what_is_right(
    environ: dict[str, str], named: str, right: str
) -> None:
    assert re.match(rf"{named} .*{right}", refusal(environ))


def test_a_wrong_or_unknown_key_is_named_with_its_file(tmp_path: Path) -> None:
    assert re.match(r"max_batch in .*site\.toml is wrong: .*5000", refusal(file=write(tmp_path, "max_batch = -1")))
    assert "max_batch" in refusal(file=write(tmp_path, "max_bach = 1"))
    assert "no TOML" in refusal(file=write(tmp_path, "max_batch ="))
    assert "cannot be read" in refusal(file=tmp_path / "none.toml")


def test_prefixes_come_as_pairs_or_as_a_table(tmp_path: Path) -> None:
    expected = {"zigbee2mqtt": ("east", "west"), "native": ("site",)}
    pairs = {"ANJU_TOPIC_PREFIXES": "zigbee2mqtt=east, zigbee2mqtt=west, native=site"}
    assert load(None, pairs).topic_prefixes == expected
    table = 'topic_prefixes = {zigbee2mqtt = ["east", "west"], native = "site"}'
    assert load(write(tmp_path, table), {}).topic_prefixes == expected


def test_empty_variables_and_those_of_the_tests_are_passed_over() -> None:
    settings = load(None, {"ANJU_DATABASE_URL": "", "ANJU_TEST_REQUIRE_SERVERS": "1", "PATH": "/bin"})
    assert settings.database_url is None


def test_the_process_environment_counts_only_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANJU_MAX_BATCH", "8")
    assert load().max_batch == 8
    assert load(None, {}).max_batch == 5000


def test_what_a_role_needs_is_named_as_both_spellings() -> None:
    with pytest.raises(SettingsError, match=r"ANJU_MQTT_URL \(or mqtt_urls in the file\) is not set; right .* mqtt:"):
        load(None, {"ANJU_DATABASE_URL": "postgresql://h/d"}).require("database_url", "mqtt_urls")
    settings = load(None, {"ANJU_DATABASE_URL": "postgresql://h/d"})
    assert settings.require("database_url") is settings


def test_secrets_never_show() -> None:
    environ = {
        "ANJU_DATABASE_URL": "postgresql://u:hush@h/d",
        "ANJU_MQTT_URL": "mqtt://u:hush@h",
        "ANJU_WEBHOOK_SECRET": SECRET,
    }
    settings = load(None, environ)
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "hush" not in shown
        assert SECRET not in shown
    assert "hush" not in refusal({"ANJU_DATABASE_URL": "mysql://u:hush@h/d"})
    assert "hush" not in refusal({"ANJU_MQTT_URL": "mqtt://u:hush@h:no"})
    assert "hush" not in refusal({"ANJU_WEBHOOK_SECRET": "whsec_hush"})


def test_the_example_loads_and_names_every_setting(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    plain, defaults = load(EXAMPLE, {}), load(None, {})
    assert plain == defaults
    authority = tmp_path / "ca.pem"
    authority.touch()
    everything = re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.MULTILINE).replace("/etc/anju/ca.pem", str(authority))
    assert set(tomllib.loads(everything)) == set(Settings.model_fields)
    load(write(tmp_path, everything), {}).require(*Settings.model_fields)


def test_every_setting_has_a_variable_of_its_own() -> None:
    variables = [variable_of(name) for name in Settings.model_fields]
    assert len(set(variables)) == len(variables)


@given(st.sampled_from([variable_of(name) for name in Settings.model_fields]), st.text(max_size=40))
def test_any_value_is_taken_or_refused_in_one_line(variable: str, value: str) -> None:
    said = variable
    try:
        load(None, {variable: value})
    except SettingsError as error:
        said = str(error)
    assert said.startswith(variable)
    assert len(said.splitlines()) == 1


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = stdlib_logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize("format_", ["console", "json"])
def test_logs_hold_no_passwords(format_: str, restored_logging: None) -> None:
    stream = io.StringIO()
    logging.configure(format_=format_, level="info", role="ingest", stream=stream)  # type: ignore[arg-type]
    log = structlog.get_logger()
    log.debug("too_quiet")
    log.info("connected", url="mqtt://u:hush@h:1883", more={"urls": ["postgresql://u:hush@h/d", SECRET]})
    try:
        raise ValueError("refused postgresql://u:hush@h/d")
    except ValueError:
        log.exception("failed")
    stdlib_logging.getLogger("library").warning("at %s", "amqp://u:hush@h")
    written = stream.getvalue()
    assert "hush" not in written
    assert SECRET not in written
    assert "too_quiet" not in written
    assert written.count("ingest") == 3
    assert "mqtt://u:***@h:1883" in written
    if format_ == "json":
        assert [json.loads(line)["event"] for line in written.splitlines()][:2] == ["connected", "failed"]


def test_redaction_leaves_the_rest_alone() -> None:
    assert logging.redacted("host=h password='a b' user=u") == "host=h password=*** user=u"
    assert logging.redacted("see https://h/path and a@b") == "see https://h/path and a@b"
