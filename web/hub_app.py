"""The hub's web application: what boxes send, what the authority sees.

Owns `create_hub_app`, the two doors and the shape of errors. Invariants: a box's request is believed by
its signature alone, a person's by the session; every people's page passes the browser's shield; no answer
of the hub is a picture or names a person; boxes get codes, not sentences.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Depends, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.core.errors import CodeRefused, HubBusy, HubRefused, VuonError
from web import api_hub, hub_pages
from web.assets import asset_response
from web.guards import SignInNeededError
from web.headers import Shield, with_headers
from web.hub_guards import ANYBODY
from web.hub_services import HubServices, hub_services
from web.i18n import Words, language_of
from web.problems import REFUSALS, problem_of, retry_after, status_of

BOX_PATHS = "/v1/"
_STATUS = {HubRefused: 401, CodeRefused: 403, HubBusy: 429}


async def static_file(version: str, path: str, request: Request) -> Response:
    """Return one file of this version, for ever."""
    return asset_response(request.headers.get("accept-encoding", ""), version, path)


def create_hub_app(services: HubServices) -> FastAPI:
    """Return the hub's application; the roof serves it."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.services = services
    files = APIRouter()
    files.add_api_route("/static/{version}/{path:path}", static_file, methods=["GET"], dependencies=[Depends(ANYBODY)])
    for router in (api_hub.router, hub_pages.router, files):
        app.router.routes.extend(router.routes)  # as they are, so that `app.routes` lists every one with its guard
    app.add_exception_handler(VuonError, _vuon_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(SignInNeededError, _sign_in)
    app.add_middleware(_Doors, hosts=services.hosts, secure=services.secure)
    return app


def _is_for_machines(request: Request) -> bool:
    return request.url.path.startswith((BOX_PATHS, "/api/", "/static/"))


async def _vuon_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, VuonError)
    status = _STATUS.get(type(error)) or status_of(error)
    if status == 404 and not _is_for_machines(request):
        return RedirectResponse("/", 303)
    reason = error.fields.get("reason")
    body = {"code": error.code} | ({"reason": reason} if isinstance(reason, str) else {})
    return JSONResponse({"error": body}, status, retry_after(status, error))


def _refusal(request: Request, status: int, code: str) -> Response:
    """Answer a person's request that reached no route, in words."""
    services = hub_services(request)
    words = Words(language_of(request, services.language), services.zone)
    return JSONResponse({"error": problem_of(code, words)}, status, retry_after(status))


async def _http_error(request: Request, error: Exception) -> Response:
    """Lead a person who typed an address wrongly to the board; tell a machine the code."""
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405) and not _is_for_machines(request):
        return RedirectResponse("/", 303)
    if error.status_code in REFUSALS and not request.url.path.startswith(BOX_PATHS) and error.status_code != 405:
        return _refusal(request, error.status_code, REFUSALS[error.status_code])
    code = "not_found" if error.status_code in (404, 405) else "bad_input"
    return JSONResponse({"error": {"code": code}}, error.status_code)


async def _sign_in(request: Request, _error: Exception) -> Response:
    if _is_for_machines(request):
        return JSONResponse({"error": {"code": "sign_in"}}, 401)
    return RedirectResponse("/vao", 303)


class _Doors:
    """Two doors: signed requests of boxes below /v1/, people's pages behind the browser's shield."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], secure: bool) -> None:
        self._app, self._shield, self._secure = app, Shield(app, hosts=hosts, secure=secure, refuse=_refusal), secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through its door; a box's has no cookie, no origin and no need of either."""
        if scope["type"] == "http" and scope["path"].startswith(BOX_PATHS):
            await self._app(scope, receive, with_headers(send, secure=self._secure))
            return
        door: Callable[[Scope, Receive, Send], Awaitable[None]] = self._shield
        await door(scope, receive, send)
