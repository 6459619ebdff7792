"""From an error to an answer: status, short code, the catalogue's title and remedy.

Owns the mapping and the three shapes: JSON for `/api`, `/whep` and `/wall`, a page otherwise, the way to sign in
for a missing session; and when to come back (`Retry-After`), for every route and both applications. Invariants: one
shape, `{"error": {code, title, hint}}`, also for what never reached a route; NotFound and what one may not know of give
the same bytes; no answer holds an exception's message, a path or a value from the request: a wrong field is named by
the name that we gave it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from gateway.access.reasons import SHUT, told
from gateway.core import errors
from gateway.core.errors import VuonError
from gateway.core.i18n import DEFAULT_LANGUAGE
from web.bodies import FieldProblem
from web.i18n import Words, language_of
from web.onward import address_of
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
REFUSALS: Mapping[int, str] = {
    403: "origin",
    405: "method",
    408: "too_slow",
    412: "tag_stale",
    413: "too_big",
    415: "media_type",
    416: "range",
    421: "host",
    422: "ice_restart",
    428: "tag_missing",
    429: "too_many",
}
"""Codes of what is refused before or beside the rooms, each with `problem.<code>` and `.hint` in both catalogues."""
RETRY_AFTER_S = 10
MACHINE_PATHS = ("/api/", "/whep/", "/wall/")


def status_of(error: VuonError) -> int:
    """Return the HTTP status for an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def words_of(request: Request) -> Words:
    """Return the words for a request's language."""
    site = services_of(request).site
    return Words(language_of(request, site.language or DEFAULT_LANGUAGE), site.zone)


def retry_after(status: int, error: VuonError | None = None) -> dict[str, str]:
    """Return the header that says when to come back (RFC 9110 §10.2.3, seconds); none where coming back is no help."""
    asked = error.fields.get("retry_after_s") if error is not None else None
    if isinstance(asked, int | float) and not isinstance(asked, bool):
        return {"Retry-After": str(max(1, -int(-asked // 1)))}
    return {"Retry-After": str(RETRY_AFTER_S)} if status in {429, 503} else {}


def body_of(error: VuonError, words: Words) -> dict[str, Any]:
    """Return the JSON shape of an error; a refusal says why and when it ends, in a code and in words."""
    title, hint = words.catalogue.error(error.code)
    body: dict[str, Any] = {"code": error.code, "title": title, "hint": hint}
    reason = error.fields.get("reason")
    if isinstance(error, errors.Denied) and isinstance(reason, str):
        said, next_ms = told(reason), None if reason in SHUT else error.fields.get("next_ms")
        body |= {"reason": said, "why": words.reason(said), "next_ms": next_ms}
    if isinstance(error, errors.BadInput) and not isinstance(error, errors.NotFound):
        case = _case(error, words)
        body |= case
        fields = [field.told(words) | ({"says": case["title"]} if case else {}) for field in _fields(error)]
        body |= {"fields": fields} if fields else {}
    return {"error": body}


def _case(error: errors.BadInput, words: Words) -> dict[str, str]:
    """Return the words of a wrong input that the catalogue knows by its case, if they need none but numbers of ours."""
    key, texts = f"case.{error.fields.get('case')}", words.catalogue.texts
    if key not in texts:
        return {}
    numbers = {name: value for name, value in error.fields.items() if isinstance(value, int)}
    parts = [name for text in (texts[key], texts[f"{key}.hint"]) for _, name, _, _ in Formatter().parse(text) if name]
    if not numbers.keys() >= set(parts):
        return {}
    return {"title": texts[key].format(**numbers), "hint": texts[f"{key}.hint"].format(**numbers)}


def _fields(error: errors.BadInput) -> Iterator[FieldProblem]:
    """Yield which values are wrong: of a model, or the one that a room named."""
    problems, key = error.fields.get("problems"), error.fields.get("key")
    if isinstance(problems, tuple):
        yield from problems
    elif isinstance(key, str) and key.isidentifier():
        yield FieldProblem(key)


def problem_of(code: str, words: Words) -> dict[str, str]:
    """Return the shape of what was refused beside the rooms."""
    known = code if words.has(f"problem.{code}") else "other"
    title, hint = str(words.text(f"problem.{known}")), str(words.text(f"problem.{known}.hint"))
    return {"code": code, "title": title, "hint": hint}


def answer(request: Request, error: VuonError) -> Response:
    """Return the answer to an error for whoever asked: a script or a person."""
    words, status = words_of(request), status_of(error)
    if is_stale(request, error):
        return RedirectResponse("/xac-nhan?" + urlencode({"ve": here(request)}), 303)
    status = 429 if isinstance(error, errors.LoginRefused) and error.fields.get("reason") == "rate" else status
    problem = body_of(error, words)["error"]
    if isinstance(error, errors.OfferRefused) and not from_a_page(request):
        problem |= problem_of("offer", words) | {"code": error.code}
    return _told(request, words, status, problem, retry_after(status, error))


def here(request: Request) -> str:
    """Return the address of a request, to come back to."""
    return address_of(request.url.path, request.url.query)


def is_stale(request: Request, error: VuonError) -> bool:
    """Say whether a person at a page has to prove who they are before it goes on."""
    return error.fields.get("reason") == "login.stale" and not request.url.path.startswith(MACHINE_PATHS)


def refusal(request: Request, status: int, code: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer to what was refused by its form, in the same shape as any error."""
    if status == 401:
        return sign_in_answer(request)
    words = words_of(request)
    problem = problem_of(code or REFUSALS.get(status, f"http_{status}"), words)
    if status == 421 and not request.url.path.startswith(MACHINE_PATHS):
        # Whoever asks under a name that is not ours may be somebody else's page: nothing of the school is in it.
        return PlainTextResponse(f"{problem['title']}. {problem['hint']}\n", status)
    return _told(request, words, status, problem, retry_after(status) | dict(headers or {}))


def _told(
    request: Request, words: Words, status: int, problem: Mapping[str, Any], headers: Mapping[str, str]
) -> Response:
    if request.url.path.startswith(MACHINE_PATHS):
        return JSONResponse({"error": problem}, status, headers)
    page = render(request, words, "problem.html", status=status, problem=problem)
    page.headers.update(headers)
    return page


def from_a_page(request: Request) -> bool:
    """Say whether a browser asks for a page of somebody's: it says so of each request that changes something."""
    return "origin" in request.headers or "sec-fetch-site" in request.headers


def sign_in_answer(request: Request) -> Response:
    """Return the answer to a request without a session; a player is told how it proves who it is (RFC 6750 §3)."""
    words = words_of(request)
    if request.url.path.startswith(MACHINE_PATHS):
        body = {"code": "sign_in", "title": str(words.text("signin.needed")), "hint": str(words.text("signin.again"))}
        if not request.url.path.startswith("/whep/"):
            return JSONResponse({"error": body}, 401)
        if not from_a_page(request):
            body |= problem_of("player", words) | {"code": "sign_in"}
        return JSONResponse({"error": body}, 401, {"WWW-Authenticate": 'Bearer realm="vuon"'})
    if request.url.path.startswith("/p/"):
        return render(request, words, "guardian_none.html", status=401)
    chosen = request.query_params.get("lang") == words.language  # only ours are taken: never a stranger's text
    return RedirectResponse(f"/vao?lang={words.language}" if chosen else "/vao", 303)
