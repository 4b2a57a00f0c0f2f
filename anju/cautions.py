"""What valid settings of the ways out leave open: said once at the start, and by `anju doctor`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog

from alerts.templates.named import TEMPLATES
from config import channels as tables
from config.settings import Settings

_log = structlog.get_logger()

# Many providers approve no template that holds whatever one likes, so it may be left out.
_MAY_BE_MISSING: Final = frozenset({"answer"})
# News is never told by a call.
_NEVER_SPOKEN: Final = _MAY_BE_MISSING | {"acknowledged", "on_the_way", "on_scene", "cleared", "closed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """One thing that an operator should look at.

    Attributes:
        event: What it is, as the log names it.
        found: The same as a sentence.
        advice: What to do about it.
        fields: Which provider or setting it is about, for the log.
    """

    event: str
    found: str
    advice: str
    fields: Mapping[str, str | Sequence[str]]


def cautions(settings: Settings) -> list[Caution]:
    """All there are, in the order of the settings."""
    found = []
    for channel, table in (
        *(("sms", table) for table in settings.sms),
        *(("voice", table) for table in settings.voice),
    ):
        if missing := missing_templates(table):
            found.append(
                Caution(
                    event="templates_missing",
                    found=f"{channel} by {table.name} has no template for {', '.join(missing)}",
                    advice="such messages go to the next provider or wait: register them (docs/sms.md lists the texts)"
                    " and enter their codes in its templates",
                    fields={"channel": channel, "provider": table.name, "templates": missing},
                )
            )
    if settings.public_url is not None and urlsplit(settings.public_url.get_secret_value()).scheme != "https":
        found.append(
            Caution(
                event="public_url_without_tls",
                found="public_url is no https:// address: links and callback keys can be read on their way",
                advice="put a proxy with TLS in front of the listener and enter its address",
                fields={"setting": "public_url"},
            )
        )
    if not (settings.webhook_url or settings.webhook or settings.sms or settings.voice or settings.chat):
        found.append(
            Caution(
                event="no_way_out",
                found="neither a webhook nor any channel is configured: nobody is told of an alert",
                advice="set ANJU_WEBHOOK_URL, or tables such as [[sms]] (docs/providers.md)",
                fields={},
            )
        )
    return found


def log_cautions(settings: Settings) -> None:
    """Writes each of them to the log, as a warning."""
    for caution in cautions(settings):
        _log.warning(caution.event, advice=caution.advice, **caution.fields)


def missing_templates(table: tables.SmsTable | tables.VoiceTable) -> list[str]:
    """The texts that a provider cannot send for want of a template's code; none where it carries any text."""
    match table:
        case tables.AliyunSms() | tables.TencentSms():
            spare = _MAY_BE_MISSING
        case tables.AliyunVoice():
            spare = _NEVER_SPOKEN
        case _:
            return []
    return [name for name in TEMPLATES if name not in spare and not _has(table.templates, name)]


def _has(templates: Mapping[str, str], name: str) -> bool:
    return name in templates or all(f"{name}.{language}" in templates for language in ("zh", "en"))
