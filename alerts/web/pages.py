"""The pages behind signed links: GET shows the case, POST alone acts."""

import secrets
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from psycopg import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from alerts import links
from alerts.errors import NoSuchAlert
from alerts.life.reading import show
from alerts.links import BadLink, Link
from alerts.model import Outcome
from alerts.replies import answering, deeds
from alerts.replies.answering import Taken
from alerts.replies.deeds import Closes, Does, Reopens, Result
from alerts.replies.meaning import Wish
from alerts.replies.respondents import relation_to
from alerts.web import words
from alerts.web.database import Pool, run
from alerts.web.limits import RateLimit, body_of
from alerts.web.options import WebOptions
from alerts.web.rendering import rendered
from alerts.web.shapes import Pressed, Reader
from alerts.web.view import page_of
from alerts.web.words import Tongue
from storage import sql

_Q = sql.load(__package__, "pages.sql")
_MAX_FIELDS: Final = 20
_MAX_COMMENT: Final = 500
_BY_LINK: Final = {str(wish): wish for wish in (Wish.ACKNOWLEDGE, Wish.ON_THE_WAY, Wish.ON_SCENE, Wish.DECLINE)}


class Pages:
    """Handlers of the pages.

    Args:
        options: Of the listener.
        pool: Connections in autocommit.
    """

    def __init__(self, options: WebOptions, pool: Pool) -> None:
        self._options = options
        self._pool = pool
        self._origin = _origin(options.public_url)
        self._per_link = RateLimit(per_minute=60)
        self._per_address = RateLimit(per_minute=600)

    async def look(self, request: Request) -> Response:
        """Shows the case. Nothing changes, whoever looks how often: previews of links do."""
        link, now = self._admitted(request)

        async def read(conn: AsyncConnection[Any]) -> Response:
            reader = await self._reader(conn, link)
            return await self._page(conn, request, link, reader, now, pressed=_told_by(request))

        return await run(self._pool, read)

    async def act(self, request: Request) -> Response:
        """Does what was pressed, and shows the case as it is then."""
        link, now = self._admitted(request)
        _same_site(request, self._origin)
        fields = _fields(await body_of(request))
        does = self._deed(fields)
        once = _once(fields)

        async def do(conn: AsyncConnection[Any]) -> Response:
            reader = await self._reader(conn, link)
            if isinstance(does, Closes | Reopens) and reader.relation is not None:
                raise HTTPException(403)
            taken = await answering.press(conn, link, does, once, now)
            if taken.result in (Result.UNKNOWN_ALERT, Result.UNKNOWN_SENDER):
                raise HTTPException(404)
            if taken.closing is not None and (taken.closing.offers or taken.closing.leak_alert_id is not None):
                return await self._page(conn, request, link, reader, now, pressed=_pressed(does, taken))
            tongue = request.query_params.get("lang")
            said = f"?did={deeds.name_of(does)}&so={taken.earlier or taken.result}"
            said += f"&lang={tongue}" if tongue in _TONGUES else ""
            # To itself, wherever a proxy has put it; reloading that page presses nothing again.
            return RedirectResponse(said, status_code=303)

        return await run(self._pool, do)

    def _admitted(self, request: Request) -> tuple[Link, datetime]:
        """The link, if it is one of ours and not asked for too often."""
        now = self._options.clock()
        if not self._per_address.allows(_address(request, self._options.proxies), now):
            raise HTTPException(429, headers={"retry-after": "60"})
        token = request.path_params["token"]
        try:
            link = links.read(self._options.link_secret, token, now)
        except BadLink:
            raise HTTPException(404) from None
        if not self._per_link.allows(token, now):
            raise HTTPException(429, headers={"retry-after": "60"})
        return link, now

    async def _reader(self, conn: AsyncConnection[Any], link: Link) -> Reader:
        asked = {"alert_id": link.alert_id, "person_id": link.person_id}
        row = await (await conn.execute(_Q.reader, asked)).fetchone()
        if row is None:
            # Retired, or a link of another installation with the same secret.
            raise HTTPException(404)
        person_id, key, language, time_zone = row
        relation = await relation_to(conn, link.person_id, link.alert_id)
        return Reader(person_id=person_id, key=key, language=language, relation=relation, time_zone=time_zone)

    def _deed(self, fields: dict[str, str]) -> Does:
        does = fields.get("do", "")
        if does in _BY_LINK:
            return _BY_LINK[does]
        if does == "reopen" and self._options.close_by_link:
            return Reopens()
        outcome, seen = fields.get("outcome", ""), fields.get("seen", "")
        if does != "close" or not self._options.close_by_link or outcome not in _OUTCOMES:
            raise HTTPException(400)
        if not (seen.isascii() and seen.isdigit() and len(seen) < 10):
            raise HTTPException(400)
        comment = fields.get("comment", "").replace("\0", "").strip()[:_MAX_COMMENT]
        return Closes(outcome=Outcome(outcome), comment=comment or None, seen_times_raised=int(seen))

    async def _page(
        self,
        conn: AsyncConnection[Any],
        request: Request,
        link: Link,
        reader: Reader,
        now: datetime,
        *,
        pressed: Pressed | None,
    ) -> Response:
        try:
            details = await show(conn, link.alert_id)
        except NoSuchAlert:
            raise HTTPException(404) from None
        tongue = _tongue(request, reader.language)
        page = page_of(
            details,
            reader,
            tongue=tongue,
            now=now,
            once=secrets.token_urlsafe(9),
            may_close=self._options.close_by_link,
            token_of=lambda alert_id: links.make(
                self._options.link_secret, alert_id, reader.person_id, link.expires_at
            ),
            pressed=pressed,
        )
        return rendered("alert.html", tongue, page=page)


_TONGUES: Final = frozenset({"zh", "en"})
_OUTCOMES: Final = frozenset(str(outcome) for outcome in Outcome if outcome.by_person)
_RESULTS: Final = frozenset(str(result) for result in Result)


def _tongue(request: Request, language: str) -> Tongue:
    asked = request.query_params.get("lang", language)
    return "en" if asked == "en" else "zh"


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise HTTPException(400) from None
    return dict(pairs)


def _once(fields: dict[str, str]) -> str:
    given = fields.get("once", "")
    if not given or len(given) > 40 or not given.isascii():
        raise HTTPException(400)
    return given


def _pressed(does: Does, taken: Taken) -> Pressed:
    return Pressed(does=deeds.name_of(does), result=taken.earlier or taken.result, closing=taken.closing)


def _told_by(request: Request) -> Pressed | None:
    """What the page before this one did, as its address says; of a made-up address only the words would be wrong."""
    does, result = request.query_params.get("did", ""), request.query_params.get("so", "")
    if does not in words.DONE or result not in _RESULTS:
        return None
    return Pressed(does=does, result=Result(result))


def _same_site(request: Request, origin: tuple[str, str | None, int | None]) -> None:
    """Refuses what another site's page sends. Browsers that hide their origin (`null`) say so by `Sec-Fetch-Site`."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403)
    given = request.headers.get("origin", "null")
    if given != "null" and _origin(given) != origin:
        raise HTTPException(403)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port, as browsers compare them."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return "", None, None


def _address(request: Request, proxies: frozenset[str]) -> str:
    """Who asks: the last hop that is none of our proxies'."""
    peer = request.client.host if request.client else ""
    if peer in proxies:
        named = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        return named[:64] or peer
    return peer
