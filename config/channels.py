"""The tables of the settings file that say by whom people are told: `[[sms]]`, `[[voice]]`, `[[chat]]`, `[[webhook]]`.

Each secret stands in the file itself or, as `<key>_file`, in a file of its own. Providers are asked in the order of
their tables. In the environment a list of tables is JSON.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PositiveFloat,
    SecretStr,
    model_validator,
)

from config import secret_file
from config.values import HttpUrl, WebhookSecret, listed, refuse

_WINDOW_S: Final = {"s": 1, "m": 60, "h": 3_600}


class CapSetting(NamedTuple):
    """At most `most` messages to one number in any `window_s` seconds."""

    most: int
    window_s: int


def _cap(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,4})([smh])", value.strip(), re.ASCII)
        if match is None or (window_s := int(match[2]) * _WINDOW_S[match[3]]) > 86_400:
            raise refuse("has a cap that is none; right would be 50/24h or 1/30s, within a day")
        return CapSetting(most=int(match[1]), window_s=window_s)
    return value


def tabled(value: object) -> object:
    """A list of tables: as the file has them, or as JSON out of the environment."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise refuse("is no JSON; right would be a list of objects, or tables in the settings file") from None


# What a gateway's results may mean: members of `alerts.channels.results.Fault`.
GatewayFault = Literal[
    "bad_number",
    "blocked",
    "busy",
    "cap_reached",
    "no_credit",
    "refused",
    "server_fault",
    "template_refused",
    "too_large",
    "unauthorized",
]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Cap = Annotated[CapSetting, BeforeValidator(_cap)]
Secret = Annotated[SecretStr, Field(min_length=1)]
Word = Annotated[str, Field(min_length=1, max_length=200)]
# Our template's name, or that and the language (raised.en), and the code that the provider has approved for it.
Templates = Annotated[
    dict[Annotated[str, Field(pattern=r"^[a-z_]{1,40}(\.(zh|en))?$")], Word], Field(min_length=1, max_length=200)
]


class Table(BaseModel):
    """One table. Secrets do not show; what is not known is refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, populate_by_name=True
    )

    name: Name

    @model_validator(mode="before")
    @classmethod
    def _read_secrets(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        read: dict[str, Any] = dict(value)
        for key in [key for key in read if isinstance(key, str) and key.endswith("_file")]:
            field = key.removesuffix("_file")
            if field not in cls.model_fields or field in read:
                continue
            try:
                read[field] = secret_file.read(Path(str(read.pop(key))))
            except secret_file.UnusableFile as fault:
                raise refuse(f"names a {key} that {fault}") from None
        return read


class Capped(Table):
    """One provider, and how many messages it lets one number have.

    Attributes:
        timeout_s: How long one attempt may take.
        caps: None: what is known of this kind of provider.
        kept_back_share: Which part of the caps over a day only urgent messages may use.
    """

    timeout_s: Annotated[PositiveFloat, Field(le=60)] = 10
    caps: tuple[Cap, ...] | None = None
    kept_back_share: Annotated[float, Field(ge=0, lt=1)] = 0.2


class _Twilio(Capped):
    """Twilio's account; with an API key requests are signed in by it, and the token only verifies what Twilio sends."""

    provider: Literal["twilio"]
    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-zA-Z]{2,64}$")]
    auth_token: Secret
    api_key: Word | None = None
    api_secret: Secret | None = None
    from_: Annotated[Word, Field(alias="from")]
    api_url: HttpUrl | None = None

    @model_validator(mode="after")
    def _has_both_or_none(self) -> Self:
        if (self.api_key is None) != (self.api_secret is None):
            raise refuse("has an api_key without its api_secret, or the other way round")
        return self


class TwilioSms(_Twilio):
    """SMS by Twilio; `from` is a number or a messaging service (MG...)."""

    name: Name = "twilio"


class TwilioVoice(_Twilio):
    """Calls by Twilio; `from` is a number."""

    name: Name = "twilio-voice"
    ring_s: Annotated[int, Field(ge=5, le=600)] = 30


class AliyunSms(Capped):
    """SMS by Aliyun Dysms; `links`: whether the templates have a place `token`."""

    provider: Literal["aliyun"]
    name: Name = "aliyun"
    access_key_id: Word
    access_key_secret: Secret
    sign_name: Word
    templates: Templates
    links: bool = False
    endpoint: HttpUrl | None = None


class AliyunVoice(Capped):
    """Calls by Aliyun Dyvms; with `show_number` and `thanks_template` it hears keys."""

    provider: Literal["aliyun"]
    name: Name = "aliyun-voice"
    access_key_id: Word
    access_key_secret: Secret
    templates: Templates
    show_number: Word | None = None
    thanks_template: Word | None = None
    endpoint: HttpUrl | None = None


class TencentSms(Capped):
    """SMS by Tencent Cloud; `links`: whether the templates have a last place for the link's token."""

    provider: Literal["tencent"]
    name: Name = "tencent"
    secret_id: Word
    secret_key: Secret
    sdk_app_id: Word
    sign_name: Word
    templates: Templates
    links: bool = False
    region: Word = "ap-guangzhou"
    endpoint: HttpUrl | None = None


class KannelSms(Capped):
    """SMS by Kannel's `sendsms`."""

    provider: Literal["kannel"]
    name: Name = "kannel"
    url: HttpUrl
    username: Word
    password: Secret
    from_: Annotated[Word | None, Field(alias="from")] = None
    smsc: Word | None = None
    account: Word | None = None


class GenericSms(Capped):
    """SMS by any gateway with an HTTP interface; `{to}`, `{to_digits}`, `{text}`, `{reference}` are places."""

    provider: Literal["http"]
    url: HttpUrl
    method: Literal["GET", "POST", "PUT"] = "POST"
    headers: dict[Word, SecretStr] = Field(default_factory=dict)
    query: dict[Word, SecretStr] = Field(default_factory=dict)
    form: dict[Word, SecretStr] | None = None
    json_body: Annotated[JsonValue, Field(alias="json", repr=False, exclude=True)] = None
    accepted_statuses: frozenset[Annotated[int, Field(ge=100, le=599)]] = frozenset()
    result_path: Word | None = None
    accepted_results: frozenset[str] = frozenset()
    faults: dict[str, GatewayFault] = Field(default_factory=dict)
    id_path: Word | None = None

    @model_validator(mode="after")
    def _says_where_the_text_goes(self) -> Self:
        described = json.dumps(self.json_body) + "".join(
            value.get_secret_value() for value in (*self.query.values(), *(self.form or {}).values())
        )
        if "{text}" not in described or not ("{to}" in described or "{to_digits}" in described):
            raise refuse("does not say where {to} and {text} stand in query, form or json")
        if self.form is not None and self.json_body is not None:
            raise refuse("has a form and a json; name one of them")
        if self.result_path is not None and not self.accepted_results:
            raise refuse("has a result_path but no accepted_results")
        return self


class WebhookTable(Table):
    """A receiver of its own, beside that of `webhook_url`: people's webhook addresses name it."""

    url: HttpUrl
    secrets: Annotated[tuple[WebhookSecret, ...], BeforeValidator(listed), Field(min_length=1)]


class ChatTable(Table):
    """A chat: its address as `apprise` writes it; people's chat addresses name it."""

    url: Secret
    timeout_s: Annotated[PositiveFloat, Field(le=60)] = 15


SmsTable = Annotated[TwilioSms | AliyunSms | TencentSms | KannelSms | GenericSms, Field(discriminator="provider")]
VoiceTable = Annotated[TwilioVoice | AliyunVoice, Field(discriminator="provider")]
