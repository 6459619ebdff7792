"""A form that was sent too long after the login is not lost: it waits on the page that asks who one is.

Owns how it gets there and back. Invariants: it is kept in that page alone, not on the box; only declared fields are
carried, and nothing of a form with a secret in it; where it goes on to is an address of ours that takes such a form,
and it goes when its sender presses the button there, under the fresh login. Where the login itself is over, whoever
sits there may be somebody else: the page holds it sealed, and it opens for the person whose login it was.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.routing import Match

from gateway.core.errors import VuonError
from web.bodies import FORM_TYPE, Body, bodies_of, media_type
from web.onward import page_of

MOST_CHARS = 16_384
MOST_SEALED = 2 * MOST_CHARS
"""Characters of a sealed form: its text and address, a third longer by their letters."""
EMPTY = "-"
"""What stands for a form of nothing but its button."""


async def carried_of(request: Request) -> str | None:
    """Return the form of a request that is answered with a question, as text; None if it cannot be carried."""
    if request.method != "POST":
        return None
    body = _body_at(request, request.url.path)
    if body is None:
        return None
    raw = await request.body()
    if raw and media_type(request) != FORM_TYPE:
        return None
    try:
        pairs = body.carried(raw)
    except VuonError:
        return None
    text = None if pairs is None else urlencode(pairs) or EMPTY
    return text if text is not None and len(text) <= MOST_CHARS else None


def again(request: Request, address: str, text: str) -> list[tuple[str, str]] | None:
    """Return the fields to be sent again to an address of ours; None if it takes no such form."""
    body = _body_at(request, page_of(address))
    if body is None or len(text) > MOST_CHARS:
        return None
    try:
        pairs = body.carried(text.encode())
    except VuonError:
        return None
    return None if pairs is None else [*pairs]


def is_shown(request: Request, address: str) -> bool:
    """Say whether there is a page to look at under an address."""
    return _route_at(request, page_of(address), "GET") is not None


def _body_at(request: Request, path: str) -> Body | None:
    route = _route_at(request, path, "POST")
    return next((item for item in bodies_of(route) if item.media == FORM_TYPE), None) if route is not None else None


def _route_at(request: Request, path: str, method: str) -> object | None:
    scope = {"type": "http", "method": method, "path": path, "root_path": ""}
    found = (route for route in request.app.routes if route.matches(scope)[0] is Match.FULL)
    return next(found, None)
