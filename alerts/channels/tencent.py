"""Tencent Cloud SMS: `SendSms` by template id and parameters in order, signed with TC3-HMAC-SHA256."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from alerts.channels.aliyun import parameters_for, template_code
from alerts.channels.codes import Codes, judged
from alerts.channels.http import Answer, checked_url
from alerts.channels.http_provider import HttpProvider
from alerts.channels.results import Fault, Result, TryAgain
from alerts.channels.sms_provider import Sms

_CONTENT_TYPE: Final = "application/json; charset=utf-8"
_NEVER: Final = {
    "InvalidParameterValue.IncorrectPhoneNumber": Fault.BAD_NUMBER,
    "FailedOperation.PhoneNumberInBlacklist": Fault.BLOCKED,
    "FailedOperation.PhoneNumberOnBlacklist": Fault.BLOCKED,
    "InvalidParameterValue.ContentLengthLimit": Fault.TOO_LARGE,
}
_RETRY_AFTER_S: Final = {
    "LimitExceeded.PhoneNumberThirtySecondLimit": 30.0,
    "LimitExceeded.PhoneNumberOneHourLimit": 600.0,
}
# By the beginning of the code, the narrower before the wider.
_NOT_NOW: Final = (
    ("LimitExceeded", Fault.CAP_REACHED),
    ("RequestLimitExceeded", Fault.BUSY),
    ("FailedOperation.InsufficientBalance", Fault.NO_CREDIT),
    ("FailedOperation.ContainSensitiveWord", Fault.TEMPLATE_REFUSED),
    ("FailedOperation.Signature", Fault.TEMPLATE_REFUSED),
    ("FailedOperation.Template", Fault.TEMPLATE_REFUSED),
    ("InvalidParameterValue.Template", Fault.TEMPLATE_REFUSED),
    ("InvalidParameterValue.ProhibitedUseUrl", Fault.TEMPLATE_REFUSED),
    ("UnsupportedOperation", Fault.TEMPLATE_REFUSED),
    ("AuthFailure", Fault.UNAUTHORIZED),
    ("UnauthorizedOperation", Fault.UNAUTHORIZED),
    ("InternalError", Fault.SERVER_FAULT),
)
_CODES: Final = Codes(accepted="Ok", never=_NEVER, not_now=_NOT_NOW, retry_after_s=_RETRY_AFTER_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class TencentKeys:
    """An API key: the id, and the key that signs."""

    secret_id: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TencentOptions:
    """One Tencent Cloud sender of SMS.

    Attributes:
        keys: Whose.
        sdk_app_id: Of the SMS application (`1400...`).
        sign_name: The approved signature, without 【】: Tencent puts it in front itself.
        templates: The approved template ids by our template's name; `raised.en` before `raised` for English.
        links: Whether the templates have a place `token` for the link's last part.
        name: Of this provider among the site's.
        region: Where the service is asked.
        endpoint: Where the service is; another one in tests.
        timeout_s: How long one attempt may take.
    """

    keys: TencentKeys
    sdk_app_id: str
    sign_name: str
    templates: Mapping[str, str]
    links: bool = False
    name: str = "tencent"
    region: str = "ap-guangzhou"
    endpoint: str = "https://sms.tencentcloudapi.com"
    timeout_s: float = 10.0


class TencentSms(HttpProvider):
    """An `SmsProvider`.

    Raises:
        BadProvider: The endpoint cannot be one.
    """

    def __init__(self, options: TencentOptions) -> None:
        super().__init__(name=options.name, timeout_s=options.timeout_s)
        self._options = options
        self._endpoint = checked_url(options.endpoint, "endpoint of Tencent Cloud")

    async def send(self, sms: Sms, now: datetime) -> Result:
        """Hands one SMS over."""
        options = self._options
        template = template_code(options.templates, sms.template, sms.language)
        if template is None:
            return TryAgain(fault=Fault.TEMPLATE_REFUSED, provider=self.name)
        body = json.dumps(
            {
                "PhoneNumberSet": [sms.to],
                "SmsSdkAppId": options.sdk_app_id,
                "SignName": options.sign_name,
                "TemplateId": template,
                "TemplateParamSet": list(parameters_for(sms, links=options.links).values()),
                "SessionContext": str(sms.reference),
            },
            ensure_ascii=False,
        ).encode()
        host = self._endpoint.host_port_subcomponent or ""
        headers = {
            "authorization": authorization(options.keys, "sms", host, body, now),
            "content-type": _CONTENT_TYPE,
            "host": host,
            "x-tc-action": "SendSms",
            "x-tc-region": options.region,
            "x-tc-timestamp": str(int(now.timestamp())),
            "x-tc-version": "2021-01-11",
        }
        answer = await self._ask("POST", self._endpoint.origin(), content=body, headers=headers)
        return read_answer(answer, self.name)


def read_answer(answer: Answer | Fault, provider: str) -> Result:
    """What an answer to `SendSms` for one number means."""
    if isinstance(answer, Fault):
        return TryAgain(fault=answer, provider=provider)
    told = answer.json_object().get("Response")
    code: object = None
    serial: object = None
    if isinstance(told, dict):
        failed, statuses = told.get("Error"), told.get("SendStatusSet")
        if isinstance(failed, dict):
            code = failed.get("Code")
        elif isinstance(statuses, list) and len(statuses) == 1 and isinstance(statuses[0], dict):
            code, serial = statuses[0].get("Code"), statuses[0].get("SerialNo")
    return judged(_CODES, answer, code=code, given=serial, provider=provider)


def authorization(keys: TencentKeys, service: str, host: str, body: bytes, now: datetime) -> str:
    """The header `Authorization` of a POST of JSON; content type and host are signed.

    Source: Tencent Cloud, "Signature v3" (cloud.tencent.com/document/api/213/30654).
    """
    date = now.astimezone(UTC).strftime("%Y-%m-%d")
    scope = f"{date}/{service}/tc3_request"
    signed = "content-type;host"
    request = f"POST\n/\n\ncontent-type:{_CONTENT_TYPE}\nhost:{host}\n\n{signed}\n{hashlib.sha256(body).hexdigest()}"
    to_sign = f"TC3-HMAC-SHA256\n{int(now.timestamp())}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"TC3{keys.secret_key}".encode()
    for part in (date, service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"TC3-HMAC-SHA256 Credential={keys.secret_id}/{scope}, SignedHeaders={signed}, Signature={signature}"
