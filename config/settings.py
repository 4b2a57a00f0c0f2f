"""The settings of every role: from `ANJU_*` in the environment and an optional TOML file; the environment wins."""

import difflib
import os
import re
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import platformdirs
from pydantic import (
    BeforeValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config import secret_file
from config.channels import ChatTable, SmsTable, VoiceTable, WebhookTable, tabled
from config.errors import SettingsError
from config.values import (
    DatabaseUrl,
    Days,
    HttpUrl,
    LinkSecret,
    MqttUrl,
    Port,
    TopicPrefixes,
    WebhookSecret,
    listed,
    refuse,
)

PREFIX: Final = "ANJU_"
# Variables with our prefix that are no settings: where the file is, and what steers the tests.
_CONFIG_VARIABLE: Final = "ANJU_CONFIG"
_TEST_PREFIX: Final = "ANJU_TEST_"
# The name that the environment uses where it is not simply the key in capitals.
_VARIABLE_OF: Final = {"mqtt_urls": "ANJU_MQTT_URL", "webhook_secrets": "ANJU_WEBHOOK_SECRET"}
_KEY_OF: Final = {variable: key for key, variable in _VARIABLE_OF.items()}
# A variable or key that ends so names a file whose content is the value: the form in which containers get secrets.
_FILE_VARIABLE: Final = "_FILE"
_FILE_KEY: Final = "_file"


def _worker_id() -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", socket.gethostname().partition(".")[0]).strip("-")
    return name[:40] or "worker"


def default_data_dir() -> Path:
    """Where embedded servers keep their data: a system folder for root, else the user's own."""
    return Path("/var/lib/anju") if os.geteuid() == 0 else platformdirs.user_data_path("anju")


#: For how long readings are kept where the settings do not say, by quantity.
RETENTION_DAYS: Final[Mapping[str, float]] = {"water_total": 1100, "pulses": 1100, "others": 400}


class Settings(BaseSettings):
    """One installation's settings. Secrets and URLs that may hold one never show in repr; ask `get_secret_value()`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    database_url: DatabaseUrl | None = None
    mqtt_urls: Annotated[tuple[MqttUrl, ...], BeforeValidator(listed)] = ()
    mqtt_ca_file: Path | None = None
    worker_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")] = Field(default_factory=_worker_id)

    topic_prefixes: TopicPrefixes = Field(default_factory=dict)
    keep_positions: bool = False
    late_window_days: PositiveFloat = 35
    future_tolerance_s: PositiveFloat = 600
    max_batch: Annotated[int, Field(ge=1, le=100_000)] = 5_000
    max_outstanding: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    quarantine_max_mb: PositiveInt = 1_000
    device_readings_per_s: Annotated[float, Field(ge=0, le=100_000)] = 20
    device_readings_burst: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1_000_000

    emergency_webhook_url: HttpUrl | None = None
    emergency_webhook_secret: WebhookSecret | None = None
    webhook_url: HttpUrl | None = None
    webhook_secrets: Annotated[tuple[WebhookSecret, ...], BeforeValidator(listed)] = ()

    webhook: Annotated[tuple[WebhookTable, ...], BeforeValidator(tabled)] = ()
    sms: Annotated[tuple[SmsTable, ...], BeforeValidator(tabled)] = ()
    voice: Annotated[tuple[VoiceTable, ...], BeforeValidator(tabled)] = ()
    chat: Annotated[tuple[ChatTable, ...], BeforeValidator(tabled)] = ()

    public_url: HttpUrl | None = None
    link_secret: LinkSecret | None = None
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    alerts_http_address: str = "127.0.0.1"
    alerts_http_port: Port = 0
    alerts_http_proxies: Annotated[tuple[str, ...], BeforeValidator(listed)] = ("127.0.0.1", "::1")
    language: Literal["zh", "en"] = "zh"
    sms_full_place: bool = False
    probe_interval_s: Annotated[float, Field(ge=0, le=3_600)] = 60
    probe_recorder: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")] = None
    dead_man_url: HttpUrl | None = None

    retention_days: Days = Field(default_factory=lambda: dict(RETENTION_DAYS))
    reply_retention_days: Annotated[float, Field(ge=0, le=36_525)] = 90

    inactivity_volume_l: PositiveFloat = 10
    inactivity_window_h: Annotated[float, Field(gt=0, le=168)] = 12
    silence_intervals: PositiveInt = 3
    silence_min_s: PositiveFloat = 3_600

    metrics_address: str = "127.0.0.1"
    metrics_port_ingest: Port = 0
    metrics_port_rules: Port = 0
    metrics_port_alerts: Port = 0
    metrics_port_probe: Port = 0
    metrics_port_keep: Port = 0
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    data_dir: Path = Field(default_factory=default_data_dir)

    @field_validator("mqtt_ca_file", "tls_cert_file", "tls_key_file")
    @classmethod
    def _is_readable(cls, value: Path | None) -> Path | None:
        if value is not None and not os.access(value, os.R_OK):
            raise refuse("is no file that can be read; right would be the path of a PEM file")
        return value

    @field_validator("webhook_secrets", "mqtt_urls")
    @classmethod
    def _has_no_twins(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if len({secret.get_secret_value() for secret in value}) != len(value):
            raise refuse("names the same one twice; name each once")
        return value

    @field_validator("webhook", "sms", "voice", "chat")
    @classmethod
    def _has_names_of_their_own(
        cls, value: tuple[WebhookTable | SmsTable | VoiceTable | ChatTable, ...], info: ValidationInfo
    ) -> tuple[WebhookTable | SmsTable | VoiceTable | ChatTable, ...]:
        names = [table.name for table in value]
        if info.field_name == "voice":
            # Attempts, receipts and replies are known by the provider's name, of messages and calls alike.
            names += [table.name for table in info.data.get("sms", ())]
        if info.field_name == "webhook" and "default" in names:
            raise refuse("has a table with the name default, which is the one of webhook_url; choose another")
        if len(set(names)) != len(names):
            raise refuse("has two tables of one name; give each a name of its own")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` hands over counts: it has read file and environment, and knows where each value is from."""
        return (init_settings,)

    def require(self, *names: str) -> Self:
        """Says that a role cannot do without these settings.

        Raises:
            SettingsError: one of them is not set.
        """
        for name in names:
            if getattr(self, name) in (None, ()):
                raise SettingsError(f"{variable_of(name)} (or {name} in the file) is not set; {_example(name)}")
        return self


def variable_of(key: str) -> str:
    """The environment variable of a setting."""
    return _VARIABLE_OF.get(key, PREFIX + key.upper())


def overridden(environ: Mapping[str, str], by: Mapping[str, str]) -> dict[str, str]:
    """An environment with variables put over it; a file that one of these came from counts no more."""
    gone = {f"{variable}{_FILE_VARIABLE}" for variable in by} - {variable_of(key) for key in Settings.model_fields}
    return {**{variable: text for variable, text in environ.items() if variable not in gone}, **by}


def load(config_file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings.

    Each can also be named with `_FILE` (`_file` in the file): its value is then what that file holds.

    Args:
        config_file: the TOML file; None takes the one that ANJU_CONFIG names, if any.
        environ: the environment; None takes the process's own.

    Raises:
        SettingsError: a value is wrong or unknown, or the file cannot be read.
    """
    environ = os.environ if environ is None else environ
    if config_file is None and environ.get(_CONFIG_VARIABLE):
        config_file = Path(environ[_CONFIG_VARIABLE])
    values: dict[str, object] = {}
    named: dict[str, str] = {}  # setting -> how the user wrote it
    if config_file is not None:
        keys = {key: key for key in Settings.model_fields}
        written = _read(config_file)
        for key, value in written.items():
            shown = f"{key} in {config_file}"
            field, in_file = _known(key, keys, _FILE_KEY, shown)
            if in_file and field in written:
                raise SettingsError(f"{field} and {shown} are both set; set one of them")
            values[field], named[field] = _held(str(value), shown) if in_file else value, shown
    variables = {variable_of(key): key for key in Settings.model_fields}
    # Set but empty is how shells and compose files say "not set".
    said = {variable: text.strip() for variable, text in environ.items() if _is_ours(variable)}
    for variable, text in said.items():
        field, in_file = _known(variable, variables, _FILE_VARIABLE, variable)
        if not text:
            continue
        if in_file and said.get(variable_of(field)):
            raise SettingsError(f"{variable_of(field)} and {variable} are both set; set one of them")
        values[field], named[field] = _held(text, variable) if in_file else text, variable
    try:
        return Settings(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(_explained(error.errors()[0], named)) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"the settings file {file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {file} is no TOML: {error}") from None


def _is_ours(variable: str) -> bool:
    return variable.startswith(PREFIX) and variable != _CONFIG_VARIABLE and not variable.startswith(_TEST_PREFIX)


def _known(name: str, fields: Mapping[str, str], ending: str, shown: str) -> tuple[str, bool]:
    """The setting that a name means, and whether it names a file that holds the value."""
    if name in fields:
        return fields[name], False
    if (field := fields.get(name.removesuffix(ending))) is not None:
        return field, True
    close = difflib.get_close_matches(name, fields, n=1)
    hint = f"did you mean {close[0]}?" if close else "config/site.example.toml lists all there are"
    raise SettingsError(f"{shown} is no setting; {hint}")


def _held(file: str, shown: str) -> str:
    try:
        return secret_file.read(Path(file))
    except secret_file.UnusableFile as fault:
        raise SettingsError(f"{shown} names a file that {fault}") from None


_EXAMPLES: Final = {
    "database_url": "right would be postgresql://user:password@host:5432/name",
    "mqtt_urls": "right would be mqtt://user:password@host:1883",
    "webhook_url": "right would be https://host/path",
    "emergency_webhook_url": "right would be https://host/path",
    "webhook_secrets": "right would be whsec_ and at least 24 random bytes in base64",
    "emergency_webhook_secret": "right would be whsec_ and at least 24 random bytes in base64",
    "worker_id": "right would be 1 to 40 letters, digits, '_' or '-'",
    "mqtt_ca_file": "right would be the path of a PEM file",
    "tls_cert_file": "right would be the path of a PEM file",
    "tls_key_file": "right would be the path of a PEM file",
    "public_url": "right would be https://host/path",
    "dead_man_url": "right would be https://host/path",
    "link_secret": "right would be 32 random characters or more",
    "webhook": "docs/providers.md has an example of each table",
    "sms": "docs/providers.md has an example of each table",
    "voice": "docs/providers.md has an example of each table",
    "chat": "docs/providers.md has an example of each table",
    "retention_days": "right would be water_total=1100,battery=400 or in the file a table of days",
    "topic_prefixes": "right would be zigbee2mqtt=z2m-east, or in the file a table of lists",
}


def _example(key: str) -> str:
    if key in _EXAMPLES:
        return _EXAMPLES[key]
    default = Settings.model_fields[key].get_default(call_default_factory=True, validated_data={})
    return f"right would be, for instance, {default}"


def _explained(error: ErrorDetails, named: Mapping[str, str]) -> str:
    key = str(error["loc"][0])
    place = f" ({_ordinal(error['loc'][1])})" if len(error["loc"]) > 1 and isinstance(error["loc"][1], int) else ""
    # Within a table: its kind, then the key.
    if len(error["loc"]) > 2:
        place += f", {error['loc'][-1]},"
    said = " ".join(error["msg"].rstrip(".").split())
    shown = f"{named.get(key, variable_of(key))}{' '.join(place.splitlines())}"
    if error["type"] == "anju":
        return f"{shown} {said}"
    return f"{shown} is wrong: {said[0].lower()}{said[1:]}; {_example(key)}"


def _ordinal(index: int) -> str:
    return f"number {index + 1}"
