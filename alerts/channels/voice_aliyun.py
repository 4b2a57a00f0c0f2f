"""Aliyun voice (Dyvms): `IvrCall` speaks a text-to-speech template and hears a key; `SingleCallByTts` only speaks.

The key comes back with the call's report ("VoiceReport", "VoiceCallReport"), pushed to us by HTTP: `OutId` is the
notification's id. `IvrCall` needs a bought number and a template for each key's answer; without a number of one's own
(public mode, 公共模式) only `SingleCallByTts` is there, and whoever is called answers by SMS or by the link.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from alerts.channels.aliyun import AliyunApi, AliyunService, number_for, read_answer, template_code
from alerts.channels.results import Fault, Result, TryAgain
from alerts.channels.voice_provider import Call

KEYS: Final = ("1", "2", "0")
_KEY_TIMEOUT_MS: Final = 8_000
_PLAY_TIMES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AliyunVoiceOptions(AliyunService):
    """One Aliyun number that calls.

    Attributes:
        templates: The approved text-to-speech codes (`TTS_...`) by our template's name; `raised.en` before `raised`.
        show_number: The bought number that the called see; None: public mode, which hears no keys.
        thanks_template: The code of what is spoken after a key; without it, or without a number, keys are not heard.
    """

    templates: Mapping[str, str]
    show_number: str | None = None
    thanks_template: str | None = None
    name: str = "aliyun-voice"
    endpoint: str = "https://dyvmsapi.aliyuncs.com"


class AliyunVoice(AliyunApi):
    """A `VoiceProvider`.

    Raises:
        BadProvider: The endpoint cannot be one.
    """

    def __init__(self, options: AliyunVoiceOptions) -> None:
        super().__init__(options)
        self._options = options

    async def call(self, call: Call, now: datetime) -> Result:
        """Has one call placed."""
        options = self._options
        code = template_code(options.templates, call.template, call.language)
        if code is None:
            return TryAgain(fault=Fault.TEMPLATE_REFUSED, provider=self.name)
        said = json.dumps(dict(call.parameters), ensure_ascii=False, separators=(",", ":"))
        params = {
            "CalledNumber": number_for(call.to),
            "OutId": str(call.reference),
            "PlayTimes": str(_PLAY_TIMES),
        }
        if options.show_number is not None:
            params["CalledShowNumber"] = options.show_number
        if options.show_number is None or options.thanks_template is None:
            action = "SingleCallByTts"
            params |= {"TtsCode": code, "TtsParam": said}
        else:
            action = "IvrCall"
            params |= {"StartCode": code, "StartTtsParams": said, "Timeout": str(_KEY_TIMEOUT_MS)}
            for number, key in enumerate(KEYS, 1):
                params[f"MenuKeyMap.{number}.Key"] = key
                params[f"MenuKeyMap.{number}.Code"] = options.thanks_template
        return read_answer(await self._act(action, params, now), "CallId", self.name)
