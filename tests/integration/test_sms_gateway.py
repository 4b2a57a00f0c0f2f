"""A gateway described in settings, against a real HTTP server."""

import json
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from alerts.channels.generic_http import GenericHttp, GenericHttpOptions, at_path, read_answer
from alerts.channels.http import Answer
from alerts.channels.results import Accepted, Fault, GiveUp, TryAgain
from alerts.channels.sms_provider import Sms
from alerts.errors import BadProvider
from tests.alert_cases import NOON, receiver, status

REFERENCE = UUID(int=9)
SMS = Sms(reference=REFERENCE, to="+8613800000001", text='紧急 "呼叫" {to} & 100 %', template="raised")


def options(url: str = "http://127.0.0.1:1/sms", **settings: Any) -> GenericHttpOptions:
    known: dict[str, Any] = {"name": "gateway", "url": url}
    if "form" not in settings and "query" not in settings:
        known["json_body"] = {"to": "{to}", "text": "{text}"}
    return GenericHttpOptions(**known | settings)


async def test_a_json_gateway_with_a_token() -> None:
    answer = status(200, body=b'{"code": 0, "data": [{"id": 4711}]}')
    async with receiver(answer) as gateway:
        described = options(
            gateway.url,
            headers={"Authorization": "Bearer of-the-gateway"},
            json_body={"to": ["{to_digits}"], "message": {"text": "{text}", "ref": "{reference}"}, "flash": False},
            result_path="code",
            accepted_results=frozenset({"0"}),
            id_path="data.0.id",
        )
        async with GenericHttp(described) as provider:
            result = await provider.send(SMS, NOON)
    assert result == Accepted(provider_id="4711", provider="gateway")
    (request,) = gateway.received
    assert request.headers["authorization"] == "Bearer of-the-gateway"
    assert json.loads(request.body) == {
        "to": ["8613800000001"],
        "message": {"text": SMS.text, "ref": str(REFERENCE)},
        "flash": False,
    }
    assert "of-the-gateway" not in repr(described)


async def test_a_form_gateway() -> None:
    form = {"mobile": "{to}", "content": "【安居】{text}"}
    async with receiver(status(202)) as gateway, GenericHttp(options(gateway.url, form=form)) as provider:
        result = await provider.send(SMS, NOON)
    assert result == Accepted(provider_id=str(REFERENCE), provider="gateway")
    (request,) = gateway.received
    assert dict(parse_qsl(request.body.decode())) == {"mobile": "+8613800000001", "content": f"【安居】{SMS.text}"}


async def test_a_gateway_that_is_asked_by_get() -> None:
    async with receiver(status(200)) as gateway:
        described = options(f"{gateway.url}?key=k", method="GET", query={"to": "{to}", "text": "{text}"})
        async with GenericHttp(described) as provider:
            await provider.send(SMS, NOON)
    (request,) = gateway.received
    assert parse_qs(urlsplit(request.path).query) == {"key": ["k"], "to": [SMS.to], "text": [SMS.text]}


@pytest.mark.parametrize(
    ("code", "body", "expected"),
    [
        (200, b'{"code": "OK"}', Accepted(provider_id=str(REFERENCE), provider="gateway")),
        (200, b'{"code": "BAD_NUMBER"}', GiveUp(fault=Fault.BAD_NUMBER, provider="gateway")),
        (200, b'{"code": "LIMIT"}', TryAgain(fault=Fault.CAP_REACHED, provider="gateway")),
        (200, b'{"code": "ELSE"}', TryAgain(fault=Fault.REFUSED, provider="gateway")),
        (200, b"<html>", TryAgain(fault=Fault.NOT_UNDERSTOOD, provider="gateway")),
        (200, b'{"code": {"a": 1}}', TryAgain(fault=Fault.NOT_UNDERSTOOD, provider="gateway")),
        (400, b'{"code": "BAD_NUMBER"}', GiveUp(fault=Fault.BAD_NUMBER, provider="gateway")),
        (400, b'{"code": "OK"}', TryAgain(fault=Fault.REFUSED, provider="gateway")),
        (401, b"", TryAgain(fault=Fault.UNAUTHORIZED, provider="gateway")),
        (302, b"", TryAgain(fault=Fault.REDIRECTED, provider="gateway")),
        (503, b"", TryAgain(fault=Fault.SERVER_FAULT, provider="gateway")),
    ],
)
def test_what_answers_mean(code: int, body: bytes, expected: object) -> None:
    described = options(
        result_path="code",
        accepted_results=frozenset({"OK"}),
        faults={"BAD_NUMBER": Fault.BAD_NUMBER, "LIMIT": Fault.CAP_REACHED},
    )
    assert read_answer(described, Answer(status=code, body=body), SMS) == expected


def test_only_named_statuses_are_a_success() -> None:
    described = options(accepted_statuses=frozenset({201}))
    assert isinstance(read_answer(described, Answer(status=201), SMS), Accepted)
    assert read_answer(described, Answer(status=200), SMS) == TryAgain(fault=Fault.REFUSED, provider="gateway")


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "ftp://x"},
        {"json_body": {"to": "{to}"}},
        {"json_body": {"text": "{text}"}},
        {"form": {"to": "{to}", "text": "{text}"}, "json_body": {"to": "{to}", "text": "{text}"}},
        {"result_path": "code"},
        {"headers": {"Authorization": "密"}},
    ],
)
def test_a_description_that_cannot_work_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(BadProvider):
        GenericHttp(options(**settings))


def plain_json() -> st.SearchStrategy[JsonValue]:
    leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    )


@given(st.binary(max_size=200) | plain_json().map(lambda value: json.dumps(value).encode()), st.text(max_size=12))
def test_no_answer_breaks_it(body: bytes, path: str) -> None:
    described = options(result_path=path, accepted_results=frozenset({"0"}), id_path=path)
    result = read_answer(described, Answer(status=200, body=body), SMS)
    assert isinstance(result, Accepted | TryAgain)
    assert at_path({"a": [{"b": True}]}, "a.0.b") == "true"
