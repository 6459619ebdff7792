"""From an error to an answer: status, short code, the catalogue's title and remedy.

Owns the mapping and the three shapes: JSON for `/api` and `/whep`, a page otherwise, the way to sign in
for a missing session. Invariants: NotFound and what one may not know of give the same bytes; no answer
holds an exception's message, a path or a value from the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from gateway.core import errors
from gateway.core.errors import VuonError
from gateway.core.i18n import DEFAULT_LANGUAGE
from web.i18n import Words, language_of
from web.render import render
from web.session import services_of

STATUS: Mapping[type[VuonError], int] = {
    errors.NotFound: 404,
    errors.BadInput: 400,
    errors.OfferRefused: 400,
    errors.Denied: 403,
    errors.LoginBusy: 429,
    errors.LiveFull: 503,
    errors.WallGone: 410,
    errors.DaemonUnavailable: 503,
    errors.CameraError: 503,
    errors.KeyLocked: 423,
    errors.SegmentCorrupt: 500,
    errors.StorageError: 503,
    errors.VuonError: 500,
}
"""The nearest ancestor in this table decides."""
BY_HTTP_STATUS: Mapping[int, type[VuonError]] = {404: errors.NotFound, 405: errors.NotFound}
RETRY_AFTER_S = 10
MACHINE_PATHS = ("/api/", "/whep/", "/wall/")


def status_of(error: VuonError) -> int:
    """Return the HTTP status for an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def words_of(request: Request) -> Words:
    """Return the words for a request's language."""
    site = services_of(request).site
    return Words(language_of(request, site.language or DEFAULT_LANGUAGE), site.zone)


def body_of(error: VuonError, words: Words) -> dict[str, Any]:
    """Return the JSON shape of an error; a refusal says why and when it ends, in a code and in words."""
    title, hint = words.catalogue.error(error.code)
    body: dict[str, Any] = {"code": error.code, "title": title, "hint": hint}
    reason = error.fields.get("reason")
    if isinstance(error, errors.Denied) and isinstance(reason, str):
        body |= {"reason": reason, "why": words.reason(reason), "next_ms": error.fields.get("next_ms")}
    return {"error": body}


def answer(request: Request, error: VuonError) -> Response:
    """Return the answer to an error for whoever asked: a script or a person."""
    words, status = words_of(request), status_of(error)
    if error.fields.get("reason") == "login.stale" and not request.url.path.startswith(MACHINE_PATHS):
        return RedirectResponse("/xac-nhan?" + urlencode({"ve": request.url.path}), 303)
    wait_s = error.fields.get("retry_after_s", RETRY_AFTER_S)
    status = 429 if isinstance(error, errors.LoginRefused) and error.fields.get("reason") == "rate" else status
    headers = {"Retry-After": str(wait_s)} if status in {429, 503} else None
    if request.url.path.startswith(MACHINE_PATHS):
        return JSONResponse(body_of(error, words), status, headers)
    page = render(request, words, "problem.html", status=status, problem=body_of(error, words)["error"])
    page.headers.update(headers or {})
    return page


def sign_in_answer(request: Request) -> Response:
    """Return the answer to a request without a session."""
    words = words_of(request)
    if request.url.path.startswith(MACHINE_PATHS):
        body = {"code": "sign_in", "title": str(words.text("signin.needed")), "hint": str(words.text("signin.again"))}
        challenge = {"WWW-Authenticate": 'Bearer realm="vuon"'} if request.url.path.startswith("/whep/") else None
        return JSONResponse({"error": body}, 401, challenge)
    if request.url.path.startswith("/p/"):
        return render(request, words, "guardian_none.html", status=401)
    return RedirectResponse("/vao", 303)
