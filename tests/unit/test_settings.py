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
from config.channels import AliyunSms, CapSetting, TwilioSms
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
    everything = re.sub(r"^# (?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE)
    for name in ("ca.pem", "tls/role.crt", "tls/role.key"):
        there = tmp_path / name
        there.parent.mkdir(exist_ok=True)
        there.touch()
        everything = everything.replace(f"/etc/anju/{name}", str(there))
    assert set(tomllib.loads(everything)) == set(Settings.model_fields)
    load(write(tmp_path, everything), {}).require(*Settings.model_fields)


TABLES = """
[[sms]]
provider = "twilio"
account_sid = "AC0123"
auth_token = "hush"
from = "MG1"
caps = ["1/30s", "50/24h"]

[[sms]]
provider = "aliyun"
access_key_id = "LTAI"
access_key_secret_file = "{secret}"
sign_name = "安居"
[sms.templates]
raised = "SMS_1"
"raised.en" = "SMS_2"

[[voice]]
provider = "twilio"
account_sid = "AC0123"
auth_token = "hush"
from = "+12025550100"

[[chat]]
name = "desk"
url = "dingtalk://hush"

[[webhook]]
name = "recorder"
url = "https://u:hush@recorder.example.org/"
secrets = ["{webhook}"]
"""


def tables(tmp_path: Path) -> Path:
    secret = tmp_path / "key"
    secret.write_text("hush-from-file\n", encoding="utf-8")
    return write(tmp_path, TABLES.replace("{secret}", str(secret)).replace("{webhook}", SECRET))


def test_tables_of_providers_keep_their_order_and_their_secrets(tmp_path: Path) -> None:
    settings = load(tables(tmp_path), {})
    twilio, aliyun = settings.sms
    assert isinstance(twilio, TwilioSms)
    assert isinstance(aliyun, AliyunSms)
    assert (twilio.name, twilio.from_, twilio.auth_token.get_secret_value()) == ("twilio", "MG1", "hush")
    assert twilio.caps == (CapSetting(most=1, window_s=30), CapSetting(most=50, window_s=86_400))
    assert aliyun.access_key_secret.get_secret_value() == "hush-from-file"
    assert aliyun.templates == {"raised": "SMS_1", "raised.en": "SMS_2"}
    assert aliyun.caps is None
    assert [table.name for table in settings.voice] == ["twilio-voice"]
    assert [table.name for table in (*settings.chat, *settings.webhook)] == ["desk", "recorder"]
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "hush" not in shown
        assert SECRET not in shown


def test_tables_come_as_json_in_the_environment() -> None:
    chats = load(None, {"ANJU_CHAT": '[{"name": "desk", "url": "dingtalk://x"}]'}).chat
    assert [chat.name for chat in chats] == ["desk"]
    assert "ANJU_CHAT is no JSON" in refusal({"ANJU_CHAT": "desk"})


GOOD = {"provider": "twilio", "account_sid": "AC0123", "auth_token": "hush", "from": "+1"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"provider": "pigeon"}, "number 1"),
        ({"provider": None}, "number 1"),
        ({"account_sid": "AC/../1"}, "account_sid"),
        ({"auth_token": ""}, "auth_token"),
        ({"from": None}, "from, is wrong: field required"),
        ({"form": "+1"}, "form, is wrong: extra inputs"),
        ({"caps": ["50"]}, "50/24h"),
        ({"caps": ["1/25h"]}, "within a day"),
        ({"kept_back_share": 1}, "kept_back_share"),
        ({"api_key": "SK1"}, "api_secret"),
        ({"auth_token": None, "auth_token_file": "/nowhere/hush"}, "auth_token_file that cannot be read"),
        ({"auth_token_file": "/nowhere/hush"}, "auth_token_file"),
        ({"name": "a b"}, "name"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"api_url": "ftp://h"}, "api_url"),
    ],
)
def test_a_wrong_table_is_told_by_number_and_key(change: dict[str, object], said: str) -> None:
    table = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    text = refusal({"ANJU_SMS": json.dumps([table])})
    assert text.startswith("ANJU_SMS (number 1)")
    assert said in text
    assert "hush" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"json": {"to": "{to}"}},
        {"form": {"text": "{text}"}},
        {"form": {"to": "{to}", "text": "{text}"}, "json": ["{to}{text}"]},
        {"form": {"to": "{to}", "text": "{text}"}, "result_path": "code"},
        {"form": {"to": "{to}", "text": "{text}"}, "faults": {"1": "unheard_of"}},
    ],
)
def test_a_gateway_that_is_not_described_in_whole_is_refused(change: dict[str, object]) -> None:
    gateway = {"provider": "http", "name": "city", "url": "https://h", **change}
    assert refusal({"ANJU_SMS": json.dumps([gateway])}).startswith("ANJU_SMS (number 1)")


@pytest.mark.parametrize("where", ["query", "form", "json", "headers"])
def test_a_gateway_shows_nothing_of_its_request(where: str) -> None:
    gateway = {"provider": "http", "name": "city", "url": "https://h", "query": {"to": "{to}", "text": "{text}"}}
    gateway[where] = {"password": "hush", "to": "{to}", "text": "{text}"}
    settings = load(None, {"ANJU_SMS": json.dumps([gateway])})
    assert "hush" not in repr(settings) + settings.model_dump_json()


def test_names_are_unique_where_they_must_be() -> None:
    assert "two tables of one name" in refusal({"ANJU_SMS": json.dumps([GOOD, GOOD])})
    assert len(load(None, {"ANJU_SMS": json.dumps([GOOD, {**GOOD, "name": "second"}])}).sms) == 2
    # Receipts of messages and of calls are told apart by the provider's name alone.
    called = {"ANJU_SMS": json.dumps([GOOD]), "ANJU_VOICE": json.dumps([{**GOOD, "name": "twilio"}])}
    assert "two tables of one name" in refusal(called)
    receiver = {"name": "default", "url": "https://h", "secrets": SECRET}
    assert "default" in refusal({"ANJU_WEBHOOK": json.dumps([receiver])})


@given(
    st.sampled_from(["sms", "voice", "chat", "webhook"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["provider", "name", "url", "twilio", "\n", "caps", "templates"]), inner, max_size=4
            )
        ),
        max_leaves=8,
    ),
)
def test_any_table_is_taken_or_refused_in_one_line(key: str, value: object) -> None:
    variable = variable_of(key)
    said = variable
    try:
        load(None, {variable: json.dumps(value)})
    except SettingsError as error:
        said = str(error)
    assert said.startswith(variable)
    assert len(said.splitlines()) == 1


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
