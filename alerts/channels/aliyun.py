"""Aliyun: requests signed with ACS3-HMAC-SHA256, and SMS by Dysms `SendSms` (template code and parameters)."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from yarl import URL

from alerts.channels.codes import Codes, judged
from alerts.channels.http import Answer, checked_url
from alerts.channels.http_provider import HttpProvider
from alerts.channels.results import Fault, Result, TryAgain
from alerts.channels.sms_provider import Sms
from alerts.templates.named import TEMPLATES

_RAISED: Final = "raised"
_NEVER: Final = {
    "isv.MOBILE_NUMBER_ILLEGAL": Fault.BAD_NUMBER,
    "isv.MOBILE_COUNT_OVER_LIMIT": Fault.OUR_BUG,
    "isv.DOMESTIC_NUMBER_NOT_SUPPORTED": Fault.BAD_NUMBER,
    "isv.PHONENUMBER_BLACKLIST": Fault.BLOCKED,
    "isv.CALLED_NUMBER_ILLEGAL": Fault.BAD_NUMBER,
    "isv.BLACK_NUMBER": Fault.BLOCKED,
}
# By the beginning of the code: the lists of Dysms and Dyvms differ in the ends of their words and grow.
_NOT_NOW: Final = (
    ("isv.BUSINESS_LIMIT", Fault.CAP_REACHED),
    ("BUSINESS_LIMIT_CONTROL", Fault.CAP_REACHED),
    ("isv.DAY_LIMIT_CONTROL", Fault.CAP_REACHED),
    ("isv.MONTH_LIMIT_CONTROL", Fault.CAP_REACHED),
    ("isv.AMOUNT_NOT_ENOUGH", Fault.NO_CREDIT),
    ("isv.OUT_OF_SERVICE", Fault.NO_CREDIT),
    ("isv.BILLING_DEDUCTION_ERROR", Fault.NO_CREDIT),
    ("isv.SMS_TEMPLATE", Fault.TEMPLATE_REFUSED),
    ("isv.SMS_SIGN", Fault.TEMPLATE_REFUSED),
    ("isv.SMS_CONTENT", Fault.TEMPLATE_REFUSED),
    ("isv.TEMPLATE_", Fault.TEMPLATE_REFUSED),
    ("isv.TTS_TEMPLATE", Fault.TEMPLATE_REFUSED),
    ("isv.VOICE_FILE", Fault.TEMPLATE_REFUSED),
    ("isv.INVALID_JSON_PARAM", Fault.TEMPLATE_REFUSED),
    ("isv.PARAM_", Fault.TEMPLATE_REFUSED),
    ("isv.BLACK_KEY_CONTROL_LIMIT", Fault.TEMPLATE_REFUSED),
    ("isp.RAM_PERMISSION_DENY", Fault.UNAUTHORIZED),
    ("isv.RAM_CHECK_FAILED", Fault.UNAUTHORIZED),
    ("isv.ACCOUNT_", Fault.UNAUTHORIZED),
    ("isv.PRODUCT_UN", Fault.UNAUTHORIZED),
    ("isv.DENY_IP_RANGE", Fault.UNAUTHORIZED),
    ("InvalidAccessKey", Fault.UNAUTHORIZED),
    ("SignatureDoesNotMatch", Fault.UNAUTHORIZED),
    ("IncompleteSignature", Fault.UNAUTHORIZED),
    ("InvalidTimeStamp", Fault.UNAUTHORIZED),
    ("Forbidden", Fault.UNAUTHORIZED),
    ("Throttling", Fault.BUSY),
    ("isv.FLOW_LIMIT", Fault.BUSY),
    ("isp.", Fault.SERVER_FAULT),
    ("ServiceUnavailable", Fault.SERVER_FAULT),
    ("InternalError", Fault.SERVER_FAULT),
)
_CODES: Final = Codes(accepted="OK", never=_NEVER, not_now=_NOT_NOW)
_API_VERSION: Final = "2017-05-25"  # of Dysms and of Dyvms


@dataclass(frozen=True, slots=True, kw_only=True)
class AliyunKeys:
    """An access key of a RAM user: the id, and the secret that signs."""

    access_key_id: str
    access_key_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AliyunService:
    """One of Aliyun's services, and who asks it.

    Attributes:
        keys: Whose.
        name: Of this provider among the site's.
        endpoint: Where the service is; another one in Singapore, and in tests.
        timeout_s: How long one attempt may take.
    """

    keys: AliyunKeys
    name: str
    endpoint: str
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AliyunOptions(AliyunService):
    """One Aliyun sender of SMS.

    Attributes:
        sign_name: The approved signature (短信签名), without 【】: Aliyun puts it in front itself.
        templates: The approved codes (`SMS_...`) by our template's name; `raised.en` before `raised` for English.
        links: Whether the templates have a place `token` for the link's last part.
    """

    sign_name: str
    templates: Mapping[str, str]
    links: bool = False
    name: str = "aliyun"
    endpoint: str = "https://dysmsapi.aliyuncs.com"


class AliyunApi(HttpProvider):
    """What Aliyun's services share: one action asked by its parameters, signed.

    Raises:
        BadProvider: The endpoint cannot be one.
    """

    def __init__(self, service: AliyunService) -> None:
        super().__init__(name=service.name, timeout_s=service.timeout_s)
        self._keys = service.keys
        self._endpoint = checked_url(service.endpoint, "endpoint of Aliyun")

    async def _act(self, action: str, params: Mapping[str, str], now: datetime) -> Answer | Fault:
        query = canonical_query(params)
        host = self._endpoint.host_port_subcomponent or ""
        headers = {
            "host": host,
            "x-acs-action": action,
            "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
            "x-acs-date": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-version": _API_VERSION,
        }
        headers["authorization"] = authorization(self._keys, "POST", "/", query, headers)
        # The query goes out to the letter as it was signed.
        return await self._ask("POST", URL(f"{self._endpoint.origin()}/?{query}", encoded=True), headers=headers)


class AliyunSms(AliyunApi):
    """An `SmsProvider`.

    Raises:
        BadProvider: The endpoint cannot be one.
    """

    def __init__(self, options: AliyunOptions) -> None:
        super().__init__(options)
        self._options = options

    async def send(self, sms: Sms, now: datetime) -> Result:
        """Hands one SMS over."""
        code = template_code(self._options.templates, sms.template, sms.language)
        if code is None:
            return TryAgain(fault=Fault.TEMPLATE_REFUSED, provider=self.name)
        params = {
            "PhoneNumbers": number_for(sms.to),
            "SignName": self._options.sign_name,
            "TemplateCode": code,
            "TemplateParam": json.dumps(
                parameters_for(sms, links=self._options.links), ensure_ascii=False, separators=(",", ":")
            ),
            "OutId": str(sms.reference),
        }
        return read_answer(await self._act("SendSms", params, now), "BizId", self.name)


def template_code(templates: Mapping[str, str], template: str, language: str) -> str | None:
    """The code that the provider has approved for a template of ours; None: the settings name none.

    A call for help whose own template is not registered leaves as one that was just raised: it has the same places, and
    to be told in other words is better than not to be told.
    """
    names = [template, _RAISED] if TEMPLATES.get(template) == TEMPLATES[_RAISED] else [template]
    return next((code for name in names if (code := templates.get(f"{name}.{language}") or templates.get(name))), None)


def parameters_for(sms: Sms, *, links: bool) -> dict[str, str]:
    """What the template's places hold; a template without a place for the link gets none."""
    return {name: value for name, value in sms.parameters.items() if links or name != "token"}


def number_for(to: str) -> str:
    """The number as Aliyun writes it: mainland ones without, others with their country code, and no plus sign."""
    return to.removeprefix("+86") if to.startswith("+86") else to.removeprefix("+")


def read_answer(answer: Answer | Fault, id_key: str, provider: str) -> Result:
    """What an answer means; `id_key` names the field that has Aliyun's id for the message or the call."""
    if isinstance(answer, Fault):
        return TryAgain(fault=answer, provider=provider)
    told = answer.json_object()
    return judged(_CODES, answer, code=told.get("Code"), given=told.get(id_key), provider=provider)


def canonical_query(params: Mapping[str, str]) -> str:
    """The parameters as they are signed and sent: by name, escaped as RFC 3986 has it."""
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(params.items()))


def authorization(keys: AliyunKeys, method: str, path: str, query: str, headers: Mapping[str, str]) -> str:
    """The header `Authorization` for these headers, all of which are signed.

    Source: Alibaba Cloud, "V3 request structure and signature" (help.aliyun.com, v3-request-structure-and-signature).
    """
    signed = sorted(headers)
    request = "\n".join(
        [
            method,
            path,
            query,
            *(f"{name}:{headers[name].strip()}" for name in signed),
            "",
            ";".join(signed),
            headers["x-acs-content-sha256"],
        ]
    )
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(keys.access_key_secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"ACS3-HMAC-SHA256 Credential={keys.access_key_id},SignedHeaders={';'.join(signed)},Signature={signature}"
