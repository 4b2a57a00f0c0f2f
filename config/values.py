"""The kinds of values that settings have, each with what is wrong with a bad one and what would be right."""

import re
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PostgresDsn, SecretStr, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

_POSTGRES: Final = TypeAdapter(PostgresDsn)


def refuse(text: str) -> PydanticCustomError:
    """What a validator raises: the text goes on from the name of the setting ("has ...", "is ...")."""
    return PydanticCustomError("anju", "{text}", {"text": text})


def listed(value: object) -> object:
    """Words separated by commas as a tuple; anything else as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def grouped(value: object) -> object:
    """`native=anju-east, native=anju-west` as a table of lists; a table as it is, with single words as lists of one."""
    if isinstance(value, str):
        groups: dict[str, list[str]] = {}
        for pair in filter(None, map(str.strip, value.split(","))):
            name, _, word = pair.partition("=")
            groups.setdefault(name.strip(), []).append(word.strip())
        return groups
    if isinstance(value, Mapping):
        return {name: (words,) if isinstance(words, str) else words for name, words in value.items()}
    return value


def numbered(value: object) -> object:
    """`water_total=1100, battery=400` as a table; anything else as it is."""
    if isinstance(value, str):
        pairs = (pair.partition("=") for pair in value.split(",") if pair.strip())
        return {name.strip(): number.strip() for name, _, number in pairs}
    return value


def _topic_prefixes(value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for words in value.values():
        if not words or any(not word or set(word) & set("/+#\0") for word in words):
            raise refuse("has a prefix that is no single topic level; right would be zigbee2mqtt=z2m-east")
    return value


def _database_url(value: SecretStr) -> SecretStr:
    try:
        _POSTGRES.validate_python(value.get_secret_value())
    except ValidationError:
        raise refuse("is no database URL; right would be postgresql://user:password@host:5432/name") from None
    return value


def _mqtt_url(value: SecretStr) -> SecretStr:
    right = "right would be mqtt://user:password@host:1883 or mqtts://user:password@host:8883"
    try:
        parts = urlsplit(value.get_secret_value())
        port = parts.port
    except ValueError:
        raise refuse(f"has a faulty host or port; {right}") from None
    if parts.scheme not in ("mqtt", "mqtts"):
        raise refuse(f"does not start with mqtt:// or mqtts://; {right}")
    if not parts.hostname or port == 0:
        raise refuse(f"names no host, or port 0; {right}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise refuse(f"has something after host and port; {right}")
    return value


def _http_url(value: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(value.get_secret_value())
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise refuse("is no web address; right would be https://host/path")
    return value


def _webhook_secret(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"whsec_[A-Za-z0-9+/]{32,}={0,2}", value.get_secret_value()):
        raise refuse("is no Standard Webhooks secret; right would be whsec_ and at least 24 random bytes in base64")
    return value


def _link_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 32:
        raise refuse("is too short to sign links with; right would be 32 random characters or more")
    return value


DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
MqttUrl = Annotated[SecretStr, AfterValidator(_mqtt_url)]
HttpUrl = Annotated[SecretStr, AfterValidator(_http_url)]
TopicPrefixes = Annotated[dict[str, tuple[str, ...]], BeforeValidator(grouped), AfterValidator(_topic_prefixes)]
# Days by name, 0 for ever; a hundred years are more than any register serves.
Days = Annotated[dict[str, Annotated[float, Field(ge=0, le=36_525)]], BeforeValidator(numbered)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]
LinkSecret = Annotated[SecretStr, AfterValidator(_link_secret)]
Port = Annotated[int, Field(ge=0, le=65535)]
