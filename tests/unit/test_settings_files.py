"""Settings whose value stands in a file of its own, as containers get their secrets."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import SettingsError
from config.secret_file import MOST_BYTES
from config.settings import Settings, load, overridden, variable_of

SECRET = "whsec_" + "A" * 32


def held(folder: Path, content: str | bytes, name: str = "secret") -> str:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(file)


def refusal(environ: dict[str, str], file: Path | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(file, environ)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_any_setting_can_stand_in_a_file(tmp_path: Path) -> None:
    environ = {
        "ANJU_DATABASE_URL_FILE": held(tmp_path, "postgresql://u:hush@h/d\n", "database"),
        "ANJU_MQTT_URL_FILE": held(tmp_path, "mqtt://one, mqtt://two\n", "mqtt"),
        "ANJU_WEBHOOK_SECRET_FILE": held(tmp_path, f"{SECRET}\r\n", "webhook"),
        "ANJU_MAX_BATCH_FILE": held(tmp_path, "7", "batch"),
        "ANJU_CHAT_FILE": held(tmp_path, '[{"name": "desk", "url": "dingtalk://hush"}]', "chat"),
    }
    settings = load(None, environ)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://u:hush@h/d"
    assert [url.get_secret_value() for url in settings.mqtt_urls] == ["mqtt://one", "mqtt://two"]
    assert settings.webhook_secrets[0].get_secret_value() == SECRET
    assert (settings.max_batch, settings.chat[0].name) == (7, "desk")
    assert "hush" not in repr(settings)


def test_the_settings_file_can_name_one_too_and_the_environment_wins(tmp_path: Path) -> None:
    site = Path(held(tmp_path, f'max_batch_file = "{held(tmp_path, "8", "eight")}"', "site.toml"))
    assert load(site, {}).max_batch == 8
    assert load(site, {"ANJU_MAX_BATCH": "9"}).max_batch == 9
    assert load(site, {"ANJU_MAX_BATCH_FILE": held(tmp_path, "10", "ten")}).max_batch == 10
    both = Path(held(tmp_path, 'max_batch = 1\nmax_batch_file = "x"', "both.toml"))
    assert "both set" in refusal({}, both)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "UTF-8"), (b"x" * (MOST_BYTES + 1), "64 KiB")],
)
def test_a_file_that_is_no_secret_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    text = refusal({"ANJU_LINK_SECRET_FILE": held(tmp_path, content)})
    assert text.startswith("ANJU_LINK_SECRET_FILE names a file that ")
    assert said in text
    table = f'[[chat]]\nname = "desk"\nurl_file = "{tmp_path / "secret"}"'
    assert said in refusal({}, Path(held(tmp_path, table, "site.toml")))


def test_what_cannot_be_read_and_what_is_said_twice_is_named(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal({"ANJU_LINK_SECRET_FILE": str(tmp_path / "none")})
    assert "cannot be read: Is a directory" in refusal({"ANJU_LINK_SECRET_FILE": str(tmp_path)})
    assert "cannot be read" in refusal({"ANJU_LINK_SECRET_FILE": "a\0b"})
    file = held(tmp_path, "x" * 32)
    text = refusal({"ANJU_LINK_SECRET": "y" * 32, "ANJU_LINK_SECRET_FILE": file})
    assert text == "ANJU_LINK_SECRET and ANJU_LINK_SECRET_FILE are both set; set one of them"
    assert load(None, {"ANJU_LINK_SECRET": "", "ANJU_LINK_SECRET_FILE": file}).link_secret is not None
    assert load(None, {"ANJU_LINK_SECRET": "y" * 32, "ANJU_LINK_SECRET_FILE": " "}).link_secret is not None
    assert "ANJU_XYZZY_FILE is no setting" in refusal({"ANJU_XYZZY_FILE": file})


def test_a_wrong_value_is_told_by_the_variable_that_named_its_file_and_not_shown(tmp_path: Path) -> None:
    text = refusal({"ANJU_DATABASE_URL_FILE": held(tmp_path, "mysql://u:hush@h/d")})
    assert text.startswith("ANJU_DATABASE_URL_FILE is no database URL")
    assert "hush" not in text


def test_no_setting_has_the_name_of_another_ones_file() -> None:
    variables = {variable_of(key) for key in Settings.model_fields}
    assert not {f"{variable}_FILE" for variable in variables} & variables
    assert not {f"{key}_file" for key in Settings.model_fields} & set(Settings.model_fields)


def test_an_option_of_a_command_goes_before_a_file_too(tmp_path: Path) -> None:
    environ = {"ANJU_MAX_BATCH_FILE": held(tmp_path, "8"), "ANJU_MQTT_CA_FILE": "ca", "PATH": "/bin"}
    assert overridden(environ, {"ANJU_MAX_BATCH": "9", "ANJU_MQTT_CA": "x"}) == {
        "ANJU_MQTT_CA_FILE": "ca",
        "PATH": "/bin",
        "ANJU_MAX_BATCH": "9",
        "ANJU_MQTT_CA": "x",
    }


@given(st.sampled_from([variable_of(name) for name in Settings.model_fields]), st.binary(max_size=40))
def test_any_content_is_taken_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, variable: str, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(content)
    said = f"{variable}_FILE"
    try:
        load(None, {f"{variable}_FILE": str(file)})
    except SettingsError as error:
        said = str(error)
    assert said.startswith(f"{variable}_FILE")
    assert len(said.splitlines()) == 1
