"""Twilio Programmable Voice: a call by `Calls.json` that speaks a text and waits for one key.

What is spoken goes with the request (TwiML), so that the call says what it has to say even when Twilio cannot reach
us; only the key that is pressed needs us: it is posted to `{public_url}/twilio/voice?provider={name}&reference={id}`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from alerts.channels.results import Fault, GiveUp, Result
from alerts.channels.twilio import TwilioAccount, TwilioApi, callback_url
from alerts.channels.voice_provider import Call

# Twilio's limit for TwiML in the request.
_MAX_TWIML_CHARACTERS: Final = 4_000
# The default voice knows no Chinese, and a voice that does not know the language says nothing at all.
_VOICES: Final = {"zh": ("cmn-CN", "Polly.Zhiyu"), "en": ("en-GB", "Polly.Amy")}
_NOT_IN_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPOKEN_TIMES: Final = 3
_WAIT_FOR_KEY_S: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioVoiceOptions:
    """One Twilio number that calls.

    Attributes:
        account: Whose.
        from_: The number that the called see, in E.164.
        name: Of this provider among the site's.
        public_url: Where Twilio reaches us; None: the call only speaks, and nothing is heard of keys and of its end.
        ring_s: How long it rings.
        timeout_s: How long the request may take.
    """

    account: TwilioAccount
    from_: str
    name: str = "twilio-voice"
    public_url: str | None = None
    ring_s: int = 30
    timeout_s: float = 10.0


class TwilioVoice(TwilioApi):
    """A `VoiceProvider`.

    Raises:
        BadProvider: The account cannot be one.
    """

    def __init__(self, options: TwilioVoiceOptions) -> None:
        super().__init__(options.account, "Calls.json", name=options.name, timeout_s=options.timeout_s)
        self._options = options

    async def call(self, call: Call, now: datetime) -> Result:
        """Has one call placed."""
        options = self._options
        action = None
        form: list[tuple[str, str]] = [("To", call.to), ("From", options.from_), ("Timeout", str(options.ring_s))]
        if options.public_url is not None:
            action = callback_url(options.public_url, "voice", self.name, reference=str(call.reference))
            form += [
                ("StatusCallback", callback_url(options.public_url, "status", self.name)),
                ("StatusCallbackMethod", "POST"),
                ("StatusCallbackEvent", "ringing"),
                ("StatusCallbackEvent", "answered"),
                ("StatusCallbackEvent", "completed"),
            ]
        document = asking(call.text, call.language, action)
        if len(document) > _MAX_TWIML_CHARACTERS:
            return GiveUp(fault=Fault.TOO_LARGE, provider=self.name)
        form.append(("Twiml", document))
        return await self._post(form)


def asking(text: str, language: str, action: str | None) -> str:
    """TwiML that speaks the text, several times, and posts the first key that is pressed to `action`."""
    say = _say(text, language)
    if action is None:
        return f"<Response>{say}<Pause/>{say}</Response>"
    gather = (
        f'<Gather input="dtmf" numDigits="1" timeout="{_WAIT_FOR_KEY_S}" method="POST" action={quoteattr(action)}>'
        f"{say}</Gather>"
    )
    return f"<Response>{gather * _SPOKEN_TIMES}</Response>"


def saying(text: str, language: str) -> str:
    """TwiML that speaks the text once and hangs up: the answer to a key."""
    return f"<Response>{_say(text, language)}<Hangup/></Response>"


def _say(text: str, language: str) -> str:
    locale, voice = _VOICES.get(language, _VOICES["zh"])
    return f'<Say language="{locale}" voice="{voice}">{escape(_NOT_IN_XML.sub(" ", text))}</Say>'
