"""Kannel's `sendsms`: the way to an operator by SMPP, or to a GSM modem of one's own; see docs/sms.md.

After the user guide of Kannel 1.4.5, "Setting up sendsms-user" and "SMS push reply codes". By POST, so that neither
password nor text stands in an address that somebody might log.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from alerts.channels.http import Answer, checked_url
from alerts.channels.http_provider import HttpProvider
from alerts.channels.results import Accepted, Fault, GiveUp, Result, TryAgain
from alerts.channels.sms_provider import Sms
from alerts.templates.segments import Alphabet, alphabet_of

#: Reports of: delivered, not delivered, handed to the operator, refused by it. That it waits there says nothing.
_REPORTS: Final = 1 | 2 | 8 | 16


@dataclass(frozen=True, slots=True, kw_only=True)
class KannelOptions:
    """How a Kannel is reached.

    Attributes:
        url: Of its smsbox: `http://127.0.0.1:13013/cgi-bin/sendsms`.
        username: Of the group `sendsms-user`.
        password: Of the same.
        name: Under which attempts, receipts and replies know it.
        sender: What telephones show; None: as Kannel is set.
        smsc: By which connection; None: as Kannel routes.
        account: For Kannel's own accounting.
        receipt_url: Where reports are to be sent (`.../kannel/receipt?key=...`); None: none are asked for.
        timeout_s: How long one attempt may take.
    """

    url: str = field(repr=False)
    username: str
    password: str = field(repr=False)
    name: str = "kannel"
    sender: str | None = None
    smsc: str | None = None
    account: str | None = None
    receipt_url: str | None = field(default=None, repr=False)
    timeout_s: float = 10.0


class Kannel(HttpProvider):
    """One Kannel.

    Raises:
        BadProvider: The address is no URL.
    """

    def __init__(self, options: KannelOptions) -> None:
        super().__init__(name=options.name, timeout_s=options.timeout_s)
        self._url = checked_url(options.url, f"the url of {options.name}")
        self._options = options

    async def send(self, sms: Sms, now: datetime) -> Result:
        """Hands the message to the smsbox, which waits for the bearerbox to store it."""
        headers, content = request(self._options, sms)
        answer = await self._ask("POST", self._url, content=content, headers=headers)
        if isinstance(answer, Fault):
            return TryAgain(fault=answer, provider=self.name)
        return read_answer(answer, sms, self.name)


def request(options: KannelOptions, sms: Sms) -> tuple[dict[str, str], bytes]:
    """The headers and the body of the request."""
    plain = alphabet_of(sms.text) is Alphabet.GSM_7
    charset = "UTF-8" if plain else "UTF-16BE"
    headers = {
        "X-Kannel-Username": options.username,
        "X-Kannel-Password": options.password,
        "X-Kannel-To": sms.to,
        "X-Kannel-Coding": "0" if plain else "2",
        "Content-Type": f"text/plain; charset={charset}",
    }
    for name, value in (("From", options.sender), ("SMSC", options.smsc), ("Account", options.account)):
        if value is not None:
            headers[f"X-Kannel-{name}"] = value
    if options.receipt_url is not None:
        joint = "&" if urlsplit(options.receipt_url).query else "?"
        headers["X-Kannel-DLR-Mask"] = str(_REPORTS)
        # Kannel puts the state and its connection in the places of %d and %i.
        headers["X-Kannel-DLR-Url"] = f"{options.receipt_url}{joint}id={sms.reference}&state=%d&smsc=%i"
    return headers, sms.text.encode(charset)


def read_answer(answer: Answer, sms: Sms, provider: str) -> Result:
    """What an answer means. Kannel gives a message no id that its reports would have: ours is in their address."""
    if answer.ok:
        return Accepted(provider_id=str(sms.reference), provider=provider)
    said = answer.body.decode("utf-8", "replace").lower()
    if answer.status == 400 and "black-list" in said:
        return GiveUp(fault=Fault.BLOCKED, provider=provider)
    if answer.status == 400 and ("receiver" in said or "'to'" in said):
        return GiveUp(fault=Fault.BAD_NUMBER, provider=provider)
    return TryAgain(fault=answer.fault, retry_after_s=answer.retry_after_s, provider=provider)
