"""Local stand-ins for the providers' servers: each takes a request only when its form and its signature are right.

The verifiers read what came over the wire and share no code with what signed it. That both do the arithmetic of the
providers is shown in `tests/unit/test_provider_signatures.py`, by the examples that the providers publish.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote

from pydantic import JsonValue

from tests.alert_cases import Answer, Received

ACCOUNT_SID = "AC0123456789abcdef0123456789abcdef"
SECRET = "hush-0123456789"


def saying(status: int, told: JsonValue) -> Answer:
    """Answers with JSON."""

    async def answer(_: Received, writer: asyncio.StreamWriter) -> None:
        _write(writer, status, told)

    return answer


def checking(check: Callable[[Received], str | None], refused: int, good: JsonValue, bad: JsonValue) -> Answer:
    """Answers `good` to requests that `check` finds nothing wrong with, else `bad` with what was wrong."""

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        wrong = check(request)
        if wrong is None:
            _write(writer, 201, good)
        else:
            _write(writer, refused, {**(bad if isinstance(bad, dict) else {}), "wrong": wrong})

    return answer


def _write(writer: asyncio.StreamWriter, status: int, told: JsonValue) -> None:
    body = json.dumps(told).encode()
    head = f"HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


def form_of(request: Received) -> dict[str, str]:
    """The fields of a form, each of which must come once."""
    pairs = parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True)
    return dict(pairs)


def wrong_with_twilio(request: Received) -> str | None:
    """What Twilio would object to."""
    login = base64.b64encode(f"SK1:{SECRET}".encode()).decode()
    if request.method != "POST" or request.headers["content-type"] != "application/x-www-form-urlencoded":
        return "no form"
    if request.headers.get("authorization") != f"Basic {login}":
        return "authenticate"
    if not request.path.startswith(f"/2010-04-01/Accounts/{ACCOUNT_SID}/"):
        return "account"
    form = form_of(request)
    return None if {"To", "From"} <= form.keys() and form["To"].startswith("+") else "fields"


def wrong_with_aliyun(request: Received) -> str | None:
    """What Aliyun would object to (V3 signature)."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    told = dict(part.split("=", 1) for part in rest.split(","))
    if request.method != "POST" or scheme != "ACS3-HMAC-SHA256" or told.get("Credential") != "LTAI1":
        return "scheme"
    age = datetime.now(UTC) - datetime.fromisoformat(request.headers["x-acs-date"])
    if abs(age) > timedelta(minutes=15) or len(request.headers["x-acs-signature-nonce"]) < 16:
        return "date or nonce"
    signed = told["SignedHeaders"].split(";")
    must = {"host"} | {name for name in request.headers if name.startswith("x-acs-")}
    if not must <= set(signed) or signed != sorted(signed):
        return "not all is signed"
    body_hash = hashlib.sha256(request.body).hexdigest()
    if request.headers["x-acs-content-sha256"] != body_hash:
        return "content"
    path, _, query = request.path.partition("?")
    fields = sorted((unquote(k), unquote(v)) for k, _, v in (pair.partition("=") for pair in query.split("&")))
    canonical = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in fields)
    lines = "".join(f"{name}:{request.headers[name]}\n" for name in signed)
    whole = f"POST\n{path}\n{canonical}\n{lines}\n{told['SignedHeaders']}\n{body_hash}"
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(whole.encode()).hexdigest()
    expected = hmac.new(SECRET.encode(), to_sign.encode(), "sha256").hexdigest()
    return None if told["Signature"] == expected else "SignatureDoesNotMatch"


def query_of(request: Received) -> dict[str, str]:
    """The parameters in the address."""
    return dict(parse_qsl(request.path.partition("?")[2], keep_blank_values=True, strict_parsing=True))


def wrong_with_tencent(request: Received) -> str | None:
    """What Tencent Cloud would object to (signature v3)."""
    headers = request.headers
    if request.method != "POST" or not headers.get("authorization", "").startswith("TC3-HMAC-SHA256 "):
        return "scheme"
    told = dict(part.split("=", 1) for part in headers["authorization"].partition(" ")[2].split(", "))
    timestamp = int(headers["x-tc-timestamp"])
    if abs(timestamp - datetime.now(UTC).timestamp()) > 300:
        return "timestamp"
    date = datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d")
    scope = f"{date}/sms/tc3_request"
    if told["Credential"] != f"AKID1/{scope}" or told["SignedHeaders"] != "content-type;host":
        return "credential"
    lines = f"content-type:{headers['content-type']}\nhost:{headers['host']}\n"
    whole = f"POST\n/\n\n{lines}\ncontent-type;host\n{hashlib.sha256(request.body).hexdigest()}"
    to_sign = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(whole.encode()).hexdigest()}"
    signing = b"TC3" + SECRET.encode()
    for part in (date, "sms", "tc3_request"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    expected = hmac.new(signing, to_sign.encode(), "sha256").hexdigest()
    return None if told["Signature"] == expected else "AuthFailure.SignatureFailure"
