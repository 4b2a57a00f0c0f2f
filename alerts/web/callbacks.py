"""What providers and desks call back: checked, understood, and handed on. What is forged or stale changes nothing.

A call that could not be kept is answered 503, so that its provider repeats it; one that is not of the documented form
is answered 400 and never comes right.
"""

import hmac
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog
from prometheus_client import Counter
from psycopg import AsyncConnection
from pydantic import ValidationError
from standardwebhooks.webhooks import Webhook
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from alerts import links
from alerts.channels import inbound, inbound_lists
from alerts.channels.inbound_values import InboundReply, Receipt
from alerts.channels.twilio import verify_signature
from alerts.channels.voice_twilio import saying
from alerts.errors import BadCallback
from alerts.receipts import record_receipt
from alerts.replies import answering, answers
from alerts.replies.answering import Taken
from alerts.replies.deeds import Result
from alerts.web.database import Pool, run
from alerts.web.desk import DeskCall, NotBelieved, signed_by
from alerts.web.limits import body_of
from alerts.web.options import WebOptions

log = structlog.get_logger()

REFUSED: Final = Counter(
    "anju_alerts_callbacks_refused_total", "Calls of providers and desks that were not believed", ["kind", "reason"]
)
_MAX_FIELDS: Final = 200
_TWIML: Final = "text/xml; charset=utf-8"


class Callbacks:
    """Handlers of the routes.

    Args:
        options: Of the listener.
        pool: Connections in autocommit.
    """

    def __init__(self, options: WebOptions, pool: Pool) -> None:
        self._options = options
        self._pool = pool
        self._signers = {name: [Webhook(secret) for secret in secrets] for name, secrets in options.webhooks.items()}

    # ---------------------------------------------------------------- Twilio: signed

    async def twilio_status(self, request: Request) -> Response:
        """Receipts of messages and calls."""
        provider, form = await self._twilio(request)
        await self._receipts([inbound.twilio_receipt(provider, form)])
        return Response(status_code=204)

    async def twilio_reply(self, request: Request) -> Response:
        """An SMS. What is said in return goes through the outbox, so the document says nothing."""
        provider, form = await self._twilio(request)
        await self._take([inbound.twilio_reply(provider, form)])
        return Response("<Response/>", media_type=_TWIML)

    async def twilio_voice(self, request: Request) -> Response:
        """A key pressed in a call; what came of it is spoken."""
        provider, form = await self._twilio(request)
        reply = inbound.twilio_key(provider, form, request.query_params.get("reference"))
        if reply is None:
            return Response("<Response><Hangup/></Response>", media_type=_TWIML)
        (taken,) = await self._take([reply])
        language = taken.language or "zh"
        return Response(
            saying(answers.spoken(taken.earlier or taken.result, taken.wish, language), language), media_type=_TWIML
        )

    async def _twilio(self, request: Request) -> tuple[str, dict[str, str]]:
        provider = _provider(request, self._options.twilio, "twilio")
        token = self._options.twilio.get(provider)
        if token is None:
            raise _refused("twilio", "unknown_provider", 404)
        pairs = _form(await body_of(request))
        # The address that Twilio was given, not the one that a request claims to have reached.
        url = f"{self._options.public_url.rstrip('/')}{request.scope['path']}"
        if query := _query(request):
            url += f"?{query}"
        if not verify_signature(token, url, pairs, request.headers.get("x-twilio-signature", "")):
            raise _refused("twilio", "signature", 403)
        return provider, dict(pairs)

    # ---------------------------------------------------------------- those that sign nothing: a key in the address

    async def aliyun_report(self, request: Request) -> Response:
        """Receipts of SMS."""
        provider = self._keyed(request, "aliyun")
        await self._receipts(inbound_lists.aliyun_receipts(provider, await body_of(request)))
        return JSONResponse({"code": 0, "msg": "OK"})

    async def aliyun_reply(self, request: Request) -> Response:
        """SMS."""
        provider = self._keyed(request, "aliyun")
        await self._take(inbound_lists.aliyun_replies(provider, await body_of(request)))
        return JSONResponse({"code": 0, "msg": "OK"})

    async def aliyun_voice(self, request: Request) -> Response:
        """Receipts of calls, and keys pressed in them."""
        provider = self._keyed(request, "aliyun")
        told = inbound_lists.aliyun_calls(provider, await body_of(request))
        await self._take([each for each in told if isinstance(each, InboundReply)])
        await self._receipts([each for each in told if isinstance(each, Receipt)])
        return JSONResponse({"code": 0, "msg": "OK"})

    async def tencent_report(self, request: Request) -> Response:
        """Receipts."""
        provider = self._keyed(request, "tencent")
        await self._receipts(inbound_lists.tencent_receipts(provider, await body_of(request)))
        return JSONResponse({"result": 0, "errmsg": "OK"})

    async def tencent_reply(self, request: Request) -> Response:
        """SMS."""
        provider = self._keyed(request, "tencent")
        await self._take(inbound_lists.tencent_replies(provider, await body_of(request)))
        return JSONResponse({"result": 0, "errmsg": "OK"})

    async def kannel_receipt(self, request: Request) -> Response:
        """A delivery report."""
        provider = self._keyed(request, "kannel")
        await self._receipts([inbound.kannel_receipt(provider, _query(request))])
        return PlainTextResponse("")

    async def kannel_reply(self, request: Request) -> Response:
        """An SMS. What smsbox gets here it would send back as an SMS, so it gets nothing."""
        provider = self._keyed(request, "kannel")
        await self._take([inbound.kannel_reply(provider, _query(request))])
        return PlainTextResponse("")

    def _keyed(self, request: Request, kind: str) -> str:
        names = self._options.unsigned.get(kind, frozenset())
        provider = _provider(request, names, kind)
        if provider not in names:
            raise _refused(kind, "unknown_provider", 404)
        right = links.callback_key(self._options.link_secret, kind)
        given = request.query_params.get("key", "")
        if not hmac.compare_digest(right.encode(), given.encode("utf-8", "replace")):
            raise _refused(kind, "key", 403)
        return provider

    # ---------------------------------------------------------------- desks that were told by webhook: signed

    async def webhook_callback(self, request: Request) -> Response:
        """A desk acts: `{"alert_id", "action", "by", "id"}`, signed as our own webhooks are."""
        if not self._signers:
            raise _refused("webhook", "unknown_provider", 404)
        now = self._options.clock()
        body = await body_of(request)
        desks = signed_by(request.headers, body, self._signers, now)
        if isinstance(desks, NotBelieved):
            raise _refused("webhook", desks.reason, 403)
        try:
            call = DeskCall.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            return JSONResponse({"result": "not_understood", "detail": f"{place}: {first['msg']}"}, status_code=400)
        call_id = call.id or request.headers["webhook-id"]
        taken = await run(
            self._pool,
            lambda conn: answering.call_back(
                conn, desks=desks, call_id=call_id, alert_id=call.alert_id, does=call.does, actor=call.by, now=now
            ),
        )
        # Repeating a call does not do what could not be done.
        result = taken.result if taken.earlier is None or taken.earlier.holds else taken.earlier
        return JSONResponse({"result": str(result)}, status_code=_STATUS_OF.get(result, 200))

    # ---------------------------------------------------------------- into the database

    async def _receipts(self, receipts: Sequence[Receipt | None]) -> None:
        now = self._options.clock()

        async def keep(conn: AsyncConnection[Any]) -> None:
            for told in receipts:
                if told is not None:
                    await record_receipt(conn, told.provider, told.provider_id, told.delivery, told.detail, now)

        await run(self._pool, keep)

    async def _take(self, replies: Sequence[InboundReply]) -> list[Taken]:
        now = self._options.clock()
        return [await run(self._pool, partial(answering.take, reply=reply, now=now)) for reply in replies]


_STATUS_OF: Final = {
    Result.NOT_POSSIBLE: 409,
    Result.CHANGED_MEANWHILE: 409,
    Result.UNKNOWN_ALERT: 404,
}


def _query(request: Request) -> str:
    """The query as it came; not `request.url`, which is made of the Host header too."""
    raw: bytes = request.scope["query_string"]
    return raw.decode("latin-1")


def _provider(request: Request, names: Collection[str], kind: str) -> str:
    """Which provider of the settings it says it is; it need not where there is one of the kind."""
    only = next(iter(names)) if len(names) == 1 else kind
    return request.query_params.get("provider", only)


def _refused(kind: str, reason: str, status: int) -> HTTPException:
    REFUSED.labels(kind=kind, reason=reason).inc()
    log.warning("callback_refused", kind=kind, reason=reason)
    return HTTPException(status)


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise BadCallback("it is no form") from None
