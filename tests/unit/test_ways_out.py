"""From settings to what tells people: providers, caps, the listener, callback addresses, and what is warned of."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from alerts import links
from alerts.caps import KNOWN, Caps
from alerts.channels import voice
from alerts.channels.aliyun import AliyunSms
from alerts.channels.chat import ChatChannel
from alerts.channels.generic_http import GenericHttp
from alerts.channels.kannel import Kannel
from alerts.channels.probe import ProbeChannel
from alerts.channels.results import Fault
from alerts.channels.sms import SmsChannel
from alerts.channels.tencent import TencentSms
from alerts.channels.twilio import TwilioSms
from alerts.channels.voice import VoiceChannel
from alerts.channels.voice_aliyun import AliyunVoice
from alerts.channels.voice_twilio import TwilioVoice
from alerts.channels.webhook import WebhookChannel
from alerts.errors import BadProvider
from anju import cautions, providers, trial, ways_back, ways_out
from anju.ways_back import Back
from config.settings import Settings, load

SECRET: Final = "nobody-may-see-this"
LINK_SECRET: Final = f"{SECRET}-{'x' * 32}"
HOOK_SECRET: Final = "whsec_" + "Tm9ib2R5TWF5U2VlVGhpc05vYm9keU1heVNlZVRoaXM="

SMS: Final[Mapping[str, dict[str, Any]]] = {
    "twilio": {"provider": "twilio", "account_sid": "AC12", "auth_token": SECRET, "from": "+12025550100"},
    "aliyun": {
        "provider": "aliyun",
        "access_key_id": "LTAI",
        "access_key_secret": SECRET,
        "sign_name": "安居",
        "templates": {"raised": "SMS_1"},
    },
    "tencent": {
        "provider": "tencent",
        "secret_id": "AKID",
        "secret_key": SECRET,
        "sdk_app_id": "1400",
        "sign_name": "安居",
        "templates": {"raised": "1"},
    },
    "kannel": {
        "provider": "kannel",
        "url": "http://127.0.0.1:13013/cgi-bin/sendsms",
        "username": "anju",
        "password": SECRET,
    },
    "http": {
        "provider": "http",
        "name": "city",
        "url": "https://sms.example.org/v1",
        "headers": {"Authorization": f"Bearer {SECRET}"},
        "json": {"to": "{to}", "content": "{text}", "token": SECRET},
    },
}
VOICE: Final[Mapping[str, dict[str, Any]]] = {
    "twilio": {**SMS["twilio"], "api_key": "SK1", "api_secret": SECRET},
    "aliyun": {
        "provider": "aliyun",
        "access_key_id": "LTAI",
        "access_key_secret": SECRET,
        "templates": {"raised": "TTS_1"},
    },
}
PUBLIC: Final = {"public_url": "https://a.cn/", "link_secret": LINK_SECRET, "alerts_http_port": 8443}


def settings(**given: Any) -> Settings:
    """Settings as from the environment."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    return load(None, {f"ANJU_{key.upper()}": text for key, text in texts.items()})


def everything(**given: Any) -> Settings:
    """Settings with a table of each kind."""
    tables = {
        "sms": list(SMS.values()),
        "voice": list(VOICE.values()),
        "chat": [{"name": "desk", "url": f"json://user:{SECRET}@127.0.0.1:9/"}],
        "webhook": [{"name": "recorder", "url": "https://r.example.org/x", "secrets": [HOOK_SECRET]}],
        "webhook_url": "https://desk.example.org/anju",
        "webhook_secret": HOOK_SECRET,
    }
    return settings(**{**tables, **PUBLIC, **given})


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("twilio", TwilioSms),
        ("aliyun", AliyunSms),
        ("tencent", TencentSms),
        ("kannel", Kannel),
        ("http", GenericHttp),
    ],
)
def test_every_table_of_sms_becomes_its_provider(kind: str, made: type[object]) -> None:
    loaded = settings(sms=[{**SMS[kind], "name": "mine"}], **PUBLIC)
    built = providers.sms_provider(loaded.sms[0], loaded)
    assert type(built) is made
    assert built.name == "mine"
    assert [type(channel) for channel in ways_out.channels(loaded)] == [ProbeChannel, SmsChannel]


@pytest.mark.parametrize(("kind", "made"), [("twilio", TwilioVoice), ("aliyun", AliyunVoice)])
def test_every_table_of_calls_becomes_its_provider(kind: str, made: type[object]) -> None:
    loaded = settings(voice=[VOICE[kind]])
    built = providers.voice_provider(loaded.voice[0], loaded)
    assert type(built) is made
    assert built.name == f"{kind}-voice"
    assert [type(channel) for channel in ways_out.channels(loaded)] == [ProbeChannel, VoiceChannel]


def test_chats_and_receivers_are_channels_of_their_own() -> None:
    assert [type(channel) for channel in ways_out.channels(settings())] == [ProbeChannel]
    found = ways_out.channels(everything())
    assert [type(channel) for channel in found] == [
        ProbeChannel,
        WebhookChannel,
        SmsChannel,
        VoiceChannel,
        ChatChannel,
    ]
    with pytest.raises(BadProvider):
        ways_out.channels(settings(chat=[{"name": "desk", "url": "nosuchservice://x"}]))


def test_caps_are_those_of_the_table_else_those_known_of_its_kind() -> None:
    for kind, table in SMS.items():
        assert providers.caps_of(settings(sms=[table]).sms[0]) == KNOWN.get(kind, Caps())
    # Of calls other caps are known than of messages of the same company.
    assert providers.caps_of(settings(voice=[VOICE["aliyun"]]).voice[0]) == voice.KNOWN["aliyun"]
    assert providers.caps_of(settings(voice=[VOICE["twilio"]]).voice[0]) == Caps()

    (own,) = settings(sms=[{**SMS["tencent"], "caps": ["2/30s", "20/24h"], "kept_back_share": 0.5}]).sms
    caps = providers.caps_of(own)
    assert [(cap.most, cap.window.total_seconds()) for cap in caps.limits] == [(2, 30), (20, 86_400)]
    assert caps.kept_back_share == 0.5
    assert providers.caps_of(settings(sms=[{**SMS["aliyun"], "caps": []}]).sms[0]).limits == ()


def ours_within(built: object) -> Iterator[object]:
    """A thing of ours, what it keeps, and so on."""
    if isinstance(built, Mapping):
        kept: Iterable[object] = built.values()
    elif isinstance(built, list | tuple):
        kept = built
    elif type(built).__module__.startswith("alerts."):
        yield built
        names = [field.name for field in fields(built)] if is_dataclass(built) else list(vars(built))
        kept = [getattr(built, name) for name in names]
    else:
        return
    for part in kept:
        yield from ours_within(part)


def test_no_secret_shows_in_what_is_built() -> None:
    loaded = everything()
    built = [*ways_out.channels(loaded), ways_out.listener(loaded, f"postgresql://u:{SECRET}@h/d")]
    ours = list(ours_within(built))
    names = {type(part).__name__ for part in ours}
    assert names >= {"TwilioAccount", "AliyunKeys", "TencentKeys", "KannelOptions", "GenericHttpOptions", "WebOptions"}
    key = links.callback_key(LINK_SECRET, "kannel")
    for shown in [*map(repr, ours), repr(loaded), repr(ways_back.callbacks(loaded))]:
        for secret in (SECRET, HOOK_SECRET, key):
            assert secret not in shown


def test_the_listener_knows_tokens_and_names_of_all_tables() -> None:
    second = {**SMS["kannel"], "name": "modem"}
    loaded = everything(sms=[*SMS.values(), second])
    options = ways_out.listener(loaded, "postgresql://h/d")
    assert options is not None
    assert options.twilio == {"twilio": SECRET, "twilio-voice": SECRET}
    assert options.unsigned == {
        "aliyun": {"aliyun", "aliyun-voice"},
        "tencent": {"tencent"},
        "kannel": {"kannel", "modem"},
    }
    assert options.webhooks == {"default": (HOOK_SECRET,), "recorder": (HOOK_SECRET,)}
    for missing in PUBLIC:
        assert ways_out.listener(everything(**{missing: ""}), "postgresql://h/d") is None


def test_the_gateway_is_told_where_its_reports_go_only_when_anybody_hears_them() -> None:
    for given, asked in ((PUBLIC, True), ({"public_url": "https://a.cn"}, False), ({}, False)):
        loaded = settings(sms=[SMS["kannel"]], **given)
        gateway = providers.sms_provider(loaded.sms[0], loaded)
        assert isinstance(gateway, Kannel)
        assert (gateway._options.receipt_url is not None) is asked


def test_ways_are_listed_in_order_with_what_comes_back() -> None:
    found = {(way.channel, way.name): way for way in ways_back.ways(everything())}
    assert [name for channel, name in found if channel == "sms"] == ["twilio", "aliyun", "tencent", "kannel", "city"]
    assert found["sms", "tencent"].caps == ("1/30s", "10/24h")
    assert found["sms", "tencent"].caps_from == "known"
    assert found["voice", "aliyun-voice"].caps == ("1/1m", "5/1h", "20/24h")
    back = {key: (way.receipts, way.answers) for key, way in found.items()}
    assert back["sms", "twilio"] == back["sms", "kannel"] == (Back.BY_ITSELF, Back.ONCE_ENTERED)
    assert back["sms", "aliyun"] == back["sms", "tencent"] == (Back.ONCE_ENTERED, Back.ONCE_ENTERED)
    assert back["sms", "city"] == back["chat", "desk"] == (Back.NO, Back.BY_LINK)
    assert back["voice", "aliyun-voice"] == (Back.ONCE_ENTERED, Back.NO)
    assert back["webhook", "default"] == back["webhook", "recorder"] == (Back.NO, Back.BY_ITSELF)
    deaf = ways_back.ways(everything(alerts_http_port=0))
    assert {(way.receipts, way.answers) for way in deaf} == {(Back.NO, Back.NO)}


def test_callback_addresses_are_those_that_the_listener_answers() -> None:
    keys = {kind: links.callback_key(LINK_SECRET, kind) for kind in ("aliyun", "tencent", "kannel")}
    found = {callback.address: callback for callback in ways_back.callbacks(everything())}
    assert list(found) == [
        "https://a.cn/twilio/reply?provider=twilio",
        f"https://a.cn/aliyun/report?provider=aliyun&key={keys['aliyun']}",
        f"https://a.cn/aliyun/reply?provider=aliyun&key={keys['aliyun']}",
        f"https://a.cn/tencent/report?provider=tencent&key={keys['tencent']}",
        f"https://a.cn/tencent/reply?provider=tencent&key={keys['tencent']}",
        f"https://a.cn/kannel/reply?provider=kannel&key={keys['kannel']}&from=%p&to=%P&text=%b&coding=%c&id=%I",
        f"https://a.cn/aliyun/voice?provider=aliyun-voice&key={keys['aliyun']}",
        "https://a.cn/webhook/callback",
    ]
    assert [callback.keyed for callback in found.values()] == ["key=" in address for address in found]
    assert ways_back.callbacks(everything(link_secret="")) == []


def test_what_valid_settings_leave_open_is_warned_of_once() -> None:
    with capture_logs() as logs:
        cautions.log_cautions(everything(public_url="http://a.cn"))
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        *[("templates_missing", "warning")] * 3,
        ("public_url_without_tls", "warning"),
    ]
    assert [entry["provider"] for entry in logs[:3]] == ["aliyun", "tencent", "aliyun-voice"]
    assert "raised" not in logs[0]["templates"]
    assert {"escalated", "closed"} <= set(logs[0]["templates"])
    # News is never told by a call, and a free answer is refused by many providers.
    assert not {"closed", "acknowledged", "answer"} & set(logs[2]["templates"])
    assert "a.cn" not in repr(logs)

    assert [caution.event for caution in cautions.cautions(settings())] == ["no_way_out"]
    languages = {f"{name}.{tongue}": "1" for name in (*logs[0]["templates"], "raised") for tongue in ("zh", "en")}
    whole = settings(sms=[{**SMS["aliyun"], "templates": languages}, SMS["kannel"]], **PUBLIC)
    assert cautions.cautions(whole) == []


def test_every_fault_says_what_to_do() -> None:
    assert set(trial.ADVICE) == set(Fault)
