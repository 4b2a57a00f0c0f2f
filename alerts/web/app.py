"""The app: routes, and what becomes of faults. Nothing here is logged but the kind of fault: addresses hold keys."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import psycopg
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from alerts.errors import BadCallback
from alerts.web.callbacks import Callbacks
from alerts.web.options import WebOptions
from alerts.web.pages import Pages
from alerts.web.rendering import message
from storage.pool import is_passing_fault, open_pool

log = structlog.get_logger()

_REQUEST_TIMEOUT_S: Final = 15.0
_DATABASE_TIMEOUT_S: Final = 3.0
_HEALTH_TIMEOUT_S: Final = 2.0
_TRY_AGAIN: Final = {"retry-after": "5"}

_Handler = Callable[[Request], Awaitable[Response]]


def make_app(options: WebOptions) -> Starlette:
    """The listener's app; its database connections open and close with it."""
    pool = open_pool(
        options.database_url,
        application_name="anju-alerts-web",
        max_size=8,
        autocommit=True,
        wait_timeout_s=_DATABASE_TIMEOUT_S,
        idle_in_transaction_timeout_s=5.0,
        statement_timeout_s=5.0,
        lock_timeout_s=3.0,
    )
    pages, callbacks = Pages(options, pool), Callbacks(options, pool)

    async def healthz(_: Request) -> Response:
        async with asyncio.timeout(_HEALTH_TIMEOUT_S), pool.connection(_HEALTH_TIMEOUT_S) as conn:
            await conn.execute("SELECT 1")
        return PlainTextResponse("ok", headers={"cache-control": "no-store"})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with pool:
            yield

    def route(path: str, handler: _Handler, *methods: str) -> Route:
        return Route(path, _guarded(handler), methods=list(methods))

    app = Starlette(
        routes=[
            route("/a/{token}", pages.look, "GET"),
            route("/a/{token}", pages.act, "POST"),
            route("/twilio/status", callbacks.twilio_status, "POST"),
            route("/twilio/reply", callbacks.twilio_reply, "POST"),
            route("/twilio/voice", callbacks.twilio_voice, "POST"),
            route("/aliyun/report", callbacks.aliyun_report, "POST"),
            route("/aliyun/reply", callbacks.aliyun_reply, "POST"),
            route("/aliyun/voice", callbacks.aliyun_voice, "POST"),
            route("/tencent/report", callbacks.tencent_report, "POST"),
            route("/tencent/reply", callbacks.tencent_reply, "POST"),
            route("/kannel/receipt", callbacks.kannel_receipt, "GET"),
            route("/kannel/reply", callbacks.kannel_reply, "GET"),
            route("/webhook/callback", callbacks.webhook_callback, "POST"),
            route("/healthz", healthz, "GET"),
        ],
        exception_handlers={HTTPException: _refused},
        lifespan=lifespan,
    )
    # The redirect would be made of the Host header.
    app.router.redirect_slashes = False
    return app


def _guarded(handler: _Handler) -> _Handler:
    """A handler within a time limit, whose faults are told apart: 400 never comes right, 503 may."""

    async def guarded(request: Request) -> Response:
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                return await handler(request)
        except BadCallback as fault:
            log.warning("callback_not_understood", route=_route(request), fault=str(fault))
            raise HTTPException(400) from None
        except (psycopg.Error, OSError) as fault:
            passing = is_passing_fault(fault)
            state = fault.sqlstate if isinstance(fault, psycopg.Error) else None
            level = log.warning if passing else log.error
            level("web_database_fault", route=_route(request), fault=type(fault).__name__, sqlstate=state)
            raise HTTPException(503 if passing else 500, headers=_TRY_AGAIN if passing else None) from None

    return guarded


def _first(request: Request) -> str:
    # Not `request.url`: it is made of the Host header too, which anybody writes.
    path: str = request.scope["path"]
    return path.strip("/").partition("/")[0]


def _route(request: Request) -> str:
    """Which route, without what is secret in its address."""
    return _first(request)[:20]


_PAGES_OF: Final = {404: "gone", 429: "busy", 503: "down", 500: "down"}


async def _refused(request: Request, fault: Any) -> Response:
    status, headers = fault.status_code, dict(fault.headers or {})
    if _first(request) not in _FOR_MACHINES:
        return message(_PAGES_OF.get(status, "refused"), status, headers=headers)
    return PlainTextResponse("", status_code=status, headers=headers)


_FOR_MACHINES: Final = frozenset({"twilio", "aliyun", "tencent", "kannel", "webhook", "healthz"})
