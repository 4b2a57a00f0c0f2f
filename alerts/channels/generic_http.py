"""Any SMS gateway with an HTTP interface, described in the settings: what is sent, and what its answers mean.

Nothing of a description is ever evaluated: `{to}`, `{to_digits}`, `{text}` and `{reference}` are replaced, once, within
strings; everything else is sent as it stands.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal
from urllib.parse import urlencode

from pydantic import JsonValue
from yarl import URL

from alerts.channels.http import Answer, are_headers, checked_url
from alerts.channels.http_provider import HttpProvider
from alerts.channels.results import Accepted, Fault, GiveUp, Result, TryAgain
from alerts.channels.sms_provider import Sms
from alerts.errors import BadProvider

_PLACE: Final = re.compile(r"\{(to|to_digits|text|reference)\}")
_MAX_ID: Final = 200
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericHttpOptions:
    """A gateway.

    Attributes:
        name: Under which attempts, receipts and replies know it.
        url: Where requests go.
        method: How.
        headers: Further headers, such as `Authorization`.
        query: Further parameters of the address; places are replaced.
        form: The body as a form; places are replaced.
        json_body: The body as JSON; places in its strings are replaced. Not together with `form`.
        accepted_statuses: Which statuses are a success; none named: 200 to 299.
        result_path: Where in a JSON answer its own result stands, such as `data.0.code`; None: the status says it all.
        accepted_results: What stands there on success.
        faults: What other results mean; what is not named is `refused`.
        id_path: Where in a JSON answer its id of the message stands; None: receipts come with our reference.
        timeout_s: How long one attempt may take.
    """

    name: str
    url: str = field(repr=False)
    method: Literal["GET", "POST", "PUT"] = "POST"
    headers: Mapping[str, str] = field(default_factory=lambda: _NONE, repr=False)
    query: Mapping[str, str] = field(default_factory=lambda: _NONE, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    json_body: JsonValue = field(default=None, repr=False)
    accepted_statuses: frozenset[int] = frozenset()
    result_path: str | None = None
    accepted_results: frozenset[str] = frozenset()
    faults: Mapping[str, Fault] = field(default_factory=lambda: MappingProxyType({}))
    id_path: str | None = None
    timeout_s: float = 10.0


class GenericHttp(HttpProvider):
    """One gateway.

    Raises:
        BadProvider: The address is no URL, the text has no place in the request, or a header is none.
    """

    def __init__(self, options: GenericHttpOptions) -> None:
        super().__init__(name=options.name, timeout_s=options.timeout_s)
        self._url = checked_url(options.url, f"the url of {options.name}")
        if options.form is not None and options.json_body is not None:
            raise BadProvider(f"{options.name} has a form and a json body; name one of them")
        described = json.dumps([dict(options.query), dict(options.form or {}), options.json_body])
        if "{text}" not in described or not ("{to}" in described or "{to_digits}" in described):
            raise BadProvider(f"{options.name} does not say where {{to}} and {{text}} stand in the request")
        if options.result_path is not None and not options.accepted_results:
            raise BadProvider(f"{options.name} has a result_path but no accepted_results")
        if not are_headers(options.headers):
            raise BadProvider(f"a header of {options.name} has signs that no header may have")
        self._options = options

    async def send(self, sms: Sms, now: datetime) -> Result:
        """Makes the request that the settings describe."""
        url, headers, content = request(self._options, self._url, sms)
        answer = await self._ask(self._options.method, url, content=content, headers=headers)
        if isinstance(answer, Fault):
            return TryAgain(fault=answer, provider=self.name)
        return read_answer(self._options, answer, sms)


def request(options: GenericHttpOptions, url: URL, sms: Sms) -> tuple[URL, dict[str, str], bytes]:
    """Address, headers and body of the request."""
    places = {"to": sms.to, "to_digits": sms.to.lstrip("+"), "text": sms.text, "reference": str(sms.reference)}

    def filled(text: str) -> str:
        return _PLACE.sub(lambda place: places[place[1]], text)

    def filled_json(value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return filled(value)
        if isinstance(value, list):
            return [filled_json(item) for item in value]
        if isinstance(value, dict):
            return {key: filled_json(item) for key, item in value.items()}
        return value

    headers = dict(options.headers)
    content = b""
    if options.form is not None:
        headers.setdefault("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        content = urlencode({key: filled(value) for key, value in options.form.items()}).encode()
    elif options.json_body is not None:
        headers.setdefault("content-type", "application/json; charset=utf-8")
        content = json.dumps(filled_json(options.json_body), ensure_ascii=False).encode()
    if options.query:
        url = url.update_query({key: filled(value) for key, value in options.query.items()})
    return url, headers, content


def read_answer(options: GenericHttpOptions, answer: Answer, sms: Sms) -> Result:
    """What an answer means. A success without the result that was described is none that can be trusted."""
    provider = options.name
    ok = answer.status in options.accepted_statuses if options.accepted_statuses else answer.ok
    body = _json(answer.body)
    if options.result_path is not None and (ok or options.faults):
        result = at_path(body, options.result_path)
        if ok and result in options.accepted_results:
            return _accepted(options, body, sms)
        if result is not None:
            fault = options.faults.get(result, Fault.REFUSED if answer.ok else answer.fault)
            if fault.is_final:
                return GiveUp(fault=fault, provider=provider)
            return TryAgain(fault=fault, retry_after_s=answer.retry_after_s, provider=provider)
        if ok:
            return TryAgain(fault=Fault.NOT_UNDERSTOOD, provider=provider)
    if ok:
        return _accepted(options, body, sms)
    fault = Fault.REFUSED if answer.ok else answer.fault
    return TryAgain(fault=fault, retry_after_s=answer.retry_after_s, provider=provider)


def at_path(value: JsonValue, path: str) -> str | None:
    """What stands at `data.0.code` of a JSON value, as text; None: nothing, or no plain value."""
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _accepted(options: GenericHttpOptions, body: JsonValue, sms: Sms) -> Accepted:
    given = None if options.id_path is None else at_path(body, options.id_path)
    known = given[:_MAX_ID] if given else str(sms.reference)
    return Accepted(provider_id=known, provider=options.name)


def _json(body: bytes) -> JsonValue:
    try:
        value: JsonValue = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value
