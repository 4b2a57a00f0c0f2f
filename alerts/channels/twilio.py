"""Twilio Programmable Messaging: an SMS by `Messages.json`; and the signature of everything Twilio calls us with.

Twilio answers 2xx only for what it has queued, so a 2xx whose body cannot be read counts as accepted, without an id.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from alerts.channels.http import Answer, checked_url
from alerts.channels.http_provider import HttpProvider
from alerts.channels.results import Accepted, Fault, GiveUp, Result, TryAgain
from alerts.channels.sms_provider import Sms
from alerts.errors import BadProvider

API: Final = "https://api.twilio.com"

# Twilio's error dictionary; the codes of numbers that can never be reached, of people who do not want to be, and of
# what an operator or time must mend. Whatever else a 4xx says is REFUSED and tried again.
_NEVER: Final = {
    21211: Fault.BAD_NUMBER,
    21214: Fault.BAD_NUMBER,
    21217: Fault.BAD_NUMBER,
    21401: Fault.BAD_NUMBER,
    21421: Fault.BAD_NUMBER,
    21614: Fault.BAD_NUMBER,
    13223: Fault.BAD_NUMBER,
    13224: Fault.BAD_NUMBER,
    21610: Fault.BLOCKED,
    21216: Fault.BLOCKED,
    21617: Fault.TOO_LARGE,
}
_NOT_NOW: Final = {
    14107: Fault.BUSY,
    20429: Fault.BUSY,
    21611: Fault.BUSY,
    30022: Fault.BUSY,
    20003: Fault.UNAUTHORIZED,
    20005: Fault.UNAUTHORIZED,
    20008: Fault.UNAUTHORIZED,
    21215: Fault.UNAUTHORIZED,
    21408: Fault.UNAUTHORIZED,
    20404: Fault.NOT_FOUND,
    30002: Fault.NO_CREDIT,
}
# Where Twilio's own way of saying the port of an address may differ from ours.
_STANDARD_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioAccount:
    """Whose account, and with which keys.

    Attributes:
        account_sid: `AC...`.
        auth_token: Signs what Twilio calls us with; also authenticates us where there is no API key.
        api_key: `SK...`, and its secret: what Twilio recommends for requests.
        api_url: Another host, in tests and for Twilio's regions.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    api_key: str | None = None
    api_secret: str | None = field(default=None, repr=False)
    api_url: str = API

    @property
    def login(self) -> tuple[str, str]:
        """User name and password of the requests."""
        if self.api_key and self.api_secret:
            return (self.api_key, self.api_secret)
        return (self.account_sid, self.auth_token)

    def resource(self, name: str) -> str:
        """The address of one of the account's resources.

        Raises:
            BadProvider: The account's id or the address cannot be one.
        """
        if not (self.account_sid.startswith("AC") and self.account_sid.isalnum()):
            raise BadProvider("account_sid is no Twilio account; it looks like AC and 32 digits and letters")
        checked_url(self.api_url, "api_url of Twilio")
        return f"{self.api_url.rstrip('/')}/2010-04-01/Accounts/{self.account_sid}/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioOptions:
    """One Twilio sender of SMS.

    Attributes:
        account: Whose.
        from_: A number of ours in E.164, or a messaging service (`MG...`).
        name: Of this provider among the site's.
        public_url: Where Twilio reaches us: receipts go to `{public_url}/twilio/status?provider={name}`; None: no
            receipts.
        timeout_s: How long one attempt may take.
    """

    account: TwilioAccount
    from_: str
    name: str = "twilio"
    public_url: str | None = None
    timeout_s: float = 10.0


class TwilioApi(HttpProvider):
    """What Twilio's services share: forms, posted to one resource of an account.

    Raises:
        BadProvider: The account cannot be one.
    """

    def __init__(self, account: TwilioAccount, resource: str, *, name: str, timeout_s: float) -> None:
        super().__init__(name=name, timeout_s=timeout_s)
        self._login = account.login
        self._url = account.resource(resource)

    async def _post(self, form: Sequence[tuple[str, str]]) -> Result:
        answer = await self._ask(
            "POST",
            self._url,
            content=urlencode(form).encode(),
            headers={"content-type": "application/x-www-form-urlencoded"},
            auth=self._login,
        )
        return read_answer(answer, self.name)


class TwilioSms(TwilioApi):
    """An `SmsProvider`.

    Raises:
        BadProvider: The account cannot be one.
    """

    def __init__(self, options: TwilioOptions) -> None:
        super().__init__(options.account, "Messages.json", name=options.name, timeout_s=options.timeout_s)
        self._options = options

    async def send(self, sms: Sms, now: datetime) -> Result:
        """Hands one SMS over."""
        options = self._options
        sender = "MessagingServiceSid" if options.from_.startswith("MG") else "From"
        form = [("To", sms.to), ("Body", sms.text), (sender, options.from_)]
        if options.public_url is not None:
            form.append(("StatusCallback", callback_url(options.public_url, "status", options.name)))
        return await self._post(form)


def callback_url(public_url: str, about: str, provider: str, **further: str) -> str:
    """Where Twilio calls us back: which provider of the settings it is stands in the address, which Twilio signs."""
    return f"{public_url.rstrip('/')}/twilio/{about}?{urlencode({'provider': provider, **further})}"


def read_answer(answer: Answer | Fault, provider: str) -> Result:
    """What an answer of the REST API means, for messages and calls alike."""
    if isinstance(answer, Fault):
        return TryAgain(fault=answer, provider=provider)
    told = answer.json_object()
    if answer.ok:
        sid = told.get("sid")
        return Accepted(provider_id=sid if isinstance(sid, str) and sid else None, provider=provider)
    code = told.get("code")
    if isinstance(code, int):
        if code in _NEVER:
            return GiveUp(fault=_NEVER[code], provider=provider)
        if code in _NOT_NOW:
            return TryAgain(fault=_NOT_NOW[code], retry_after_s=answer.retry_after_s, provider=provider)
    return TryAgain(fault=answer.fault, retry_after_s=answer.retry_after_s, provider=provider)


def signature_of(auth_token: str, url: str, params: Iterable[tuple[str, str]]) -> str:
    """What Twilio puts into `X-Twilio-Signature` (twilio.com/docs/usage/security): HMAC-SHA1 of the address and the
    form's fields in order of their names, each name followed by its value.
    """
    said = url + "".join(name + value for name, value in sorted(set(params)))
    return base64.b64encode(hmac.new(auth_token.encode(), said.encode(), hashlib.sha1).digest()).decode()


def verify_signature(
    auth_token: str,
    url: str,
    params: Mapping[str, str] | Iterable[tuple[str, str]],
    signature: str,
    *,
    body: bytes | None = None,
) -> bool:
    """Whether Twilio, who knows the token, sent this.

    Args:
        auth_token: The account's.
        url: As Twilio knows it: made of `public_url`, never of what the request says of its host; with the query.
        params: The fields of the form; none when `body` is given.
        signature: The header `X-Twilio-Signature`.
        body: What was posted where it is no form; the address then has its hash as `bodySHA256`.
    """
    if body is not None:
        claimed = dict(parse_qsl(urlsplit(url).query)).get("bodySHA256", "")
        if not hmac.compare_digest(claimed.encode(), hashlib.sha256(body).hexdigest().encode()):
            return False
        params = ()
    pairs = tuple(params.items() if isinstance(params, Mapping) else params)
    given = signature.encode("utf-8", "replace")
    return any(
        hmac.compare_digest(signature_of(auth_token, candidate, pairs).encode(), given)
        for candidate in _with_and_without_port(url)
    )


def _with_and_without_port(url: str) -> tuple[str, ...]:
    """Twilio sometimes signs the address with its port and sometimes without."""
    parts = urlsplit(url)
    if parts.hostname is None or parts.scheme not in _STANDARD_PORTS:
        return (url,)
    login, at, host_and_port = parts.netloc.rpartition("@")
    host = host_and_port if parts.port is None else host_and_port.rpartition(":")[0]
    port = parts.port or _STANDARD_PORTS[parts.scheme]
    bare = urlunsplit(parts._replace(netloc=f"{login}{at}{host}"))
    whole = urlunsplit(parts._replace(netloc=f"{login}{at}{host}:{port}"))
    return tuple({url: None, bare: None, whole: None})
