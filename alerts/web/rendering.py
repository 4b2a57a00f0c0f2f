"""Pages as HTML: our templates and style sheet, and the headers that keep all else out."""

import hashlib
from base64 import b64encode
from importlib import resources
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from alerts.web import words
from alerts.web.shapes import Page
from alerts.web.words import Tongue

_CSS: Final = resources.files(__package__).joinpath("templates/page.css").read_text(encoding="utf-8").strip()
_CSS_HASH: Final = b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
_HEADERS: Final = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_CSS_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow, noarchive",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
#: Ours, and no character in it needs escaping inside of a style element.
_SAFE_CSS: Final = Markup(_CSS)  # noqa: S704
_TEMPLATES: Final = Environment(
    loader=PackageLoader("alerts.web", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def message(name: str, status: int, *, headers: dict[str, str] | None = None) -> Response:
    """A page that says one thing, in both languages."""
    chinese, english = words.texts("zh")[name], words.texts("en")[name]
    response = rendered("message.html", "zh", message=chinese, other=english)
    response.status_code = status
    response.headers.update(headers or {})
    return response


def rendered(template: str, tongue: Tongue, **values: Page | str) -> HTMLResponse:
    """A page from a template, in one language."""
    text = _TEMPLATES.get_template(template).render(t=words.texts(tongue), tongue=tongue, css=_SAFE_CSS, **values)
    return HTMLResponse(text, headers=_HEADERS)
