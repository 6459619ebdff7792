"""The hub's web application: what boxes send, what the authority sees.

Owns `create_hub_app` and its bundle. Invariants: a box's request is believed by its signature alone, a
person's by the session cookie (`__Host-vuon-hub`, `vuon-hub` on plain loopback: never the box's name, the
two may share a browser); no answer of the hub is a picture or names a person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.core.boxsign import SIGNATURE_HEADER
from gateway.core.clock import Clock
from gateway.core.errors import CodeRefused, HubRefused, NotFound, VuonError
from gateway.hub.store import HubStore
from web.assets import FOR_EVER, load_assets
from web.headers import Shield
from web.problems import status_of


@dataclass(frozen=True, slots=True)
class HubServices:
    """Everything `create_hub_app` needs."""

    store: HubStore
    clock: Clock
    name: str
    zone: str
    language: str
    hosts: frozenset[str]
    secure: bool


def hub_services(request: Request) -> HubServices:
    """Return the bundle the app was created with."""
    services = request.app.state.services
    assert isinstance(services, HubServices)
    return services


def cookie_name(*, secure: bool) -> str:
    """Return the name of the hub's session cookie."""
    return "__Host-vuon-hub" if secure else "vuon-hub"


async def static_file(version: str, path: str, request: Request) -> Response:
    """Return one file of this version, for ever."""
    asset = load_assets().get(version, path)
    headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
    if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, media_type=asset.media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(asset.body, media_type=asset.media_type, headers=headers)


def create_hub_app(services: HubServices) -> FastAPI:
    """Return the hub's application; the roof serves it."""
    from web import api_hub, hub_pages  # noqa: PLC0415 - both need `HubServices` from here

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.services = services
    files = APIRouter()
    files.add_api_route("/static/{version}/{path:path}", static_file, methods=["GET"])
    for router in (api_hub.router, hub_pages.router, files):
        app.include_router(router)
    app.add_exception_handler(VuonError, _vuon_error)
    app.add_middleware(_Doors, hosts=services.hosts, secure=services.secure)
    return app


async def _vuon_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, VuonError)
    status = {HubRefused: 401, CodeRefused: 403}.get(type(error)) or status_of(error)
    if isinstance(error, NotFound) and not request.url.path.startswith("/v1/"):
        return RedirectResponse("/", 303)
    return JSONResponse({"error": {"code": error.code, "message": error.message}}, status)


class _Doors:
    """Two doors: signed requests of boxes below /v1/, people's pages behind the browser's shield."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], secure: bool) -> None:
        self._app, self._shield = app, Shield(app, hosts=hosts, secure=secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through its door."""
        signed = any(name == SIGNATURE_HEADER.encode() for name, _ in scope.get("headers", ()))
        boxes = scope["type"] == "http" and scope["path"].startswith("/v1/") and signed
        door: Callable[[Scope, Receive, Send], Awaitable[None]] = self._app if boxes else self._shield
        await door(scope, receive, send)
