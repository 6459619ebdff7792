"""The authority's pages: sign-in and the board of every camera's state.

Owns `/`, `/vao`, `/ra` and `/api/board` of the hub. Invariants: nothing but health is shown, and no
camera's name (names stay in the school); a code is spent by POST only; without a session everything leads
to the sign-in page.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from gateway.core.errors import CodeRefused
from gateway.core.model import PublicId
from gateway.hub.fleet import CameraState, SiteBoard
from web.hub_app import HubServices, cookie_name, hub_services
from web.i18n import LANGUAGE_COOKIE, Words, language_of
from web.render import YEAR_S, environment
from web.services import SiteFacts

router = APIRouter()
MAX_CODE_CHARS = 64


def _words(request: Request) -> Words:
    services = hub_services(request)
    return Words(language_of(request, services.language), services.zone)


def _page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    services, words = hub_services(request), _words(request)
    html = (
        environment()
        .get_template(template)
        .render(
            t=words.text,
            words=words,
            lang=words.language,
            other="en" if words.language == "vi" else "vi",
            path=request.url.path,
            site=SiteFacts(services.name, PublicId(""), services.zone, services.language),
            now_ms=services.clock.now_ms(),
            **values,
        )
    )
    response = HTMLResponse(html, status)
    if request.query_params.get("lang") == words.language:
        response.set_cookie(
            LANGUAGE_COOKIE, words.language, max_age=YEAR_S, path="/", secure=services.secure, samesite="lax"
        )
    return response


def _token(request: Request) -> str:
    return request.cookies.get(cookie_name(secure=hub_services(request).secure), "")[:128]


async def _signed_in(request: Request) -> bool:
    token = _token(request)
    return bool(token) and await hub_services(request).store.signed_in(token)


@router.get("/vao")
async def sign_in_page(request: Request) -> Response:
    """Show the form."""
    if await _signed_in(request):
        return RedirectResponse("/", 303)
    return _page(request, "hub_signin.html", refused=False)


@router.post("/vao")
async def sign_in(request: Request) -> Response:
    """Spend a one-use code and open a session."""
    fields = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=5)
    code, services = fields.get("code", [""])[0][:MAX_CODE_CHARS], hub_services(request)
    try:
        token = await services.store.redeem(code)
    except CodeRefused:
        return _page(request, "hub_signin.html", status=403, refused=True)
    response = RedirectResponse("/", 303)
    _set_cookie(response, services, token)
    return response


def _set_cookie(response: Response, services: HubServices, token: str) -> None:
    name = cookie_name(secure=services.secure)
    response.set_cookie(name, token, path="/", secure=services.secure, httponly=True, samesite="strict")


@router.post("/ra")
async def sign_out(request: Request) -> Response:
    """End the session."""
    services = hub_services(request)
    await services.store.sign_out(_token(request))
    response = RedirectResponse("/vao", 303)
    name = cookie_name(secure=services.secure)
    response.delete_cookie(name, path="/", secure=services.secure, httponly=True, samesite="strict")
    return response


@router.get("/")
async def board_page(request: Request) -> Response:
    """Show every school and every camera, worst first."""
    if not await _signed_in(request):
        return RedirectResponse("/vao", 303)
    words, sites = _words(request), await hub_services(request).store.board()
    return _page(request, "hub_board.html", sites=sites, rows=rows(sites, words), totals=totals(sites), kind=kind)


@router.get("/api/board")
async def board_json(request: Request) -> Response:
    """Return the board for scripts."""
    if not await _signed_in(request):
        return JSONResponse({"error": {"code": "sign_in"}}, 401)
    services = hub_services(request)
    sites = [
        {
            "site": site.site,
            "lost": site.lost,
            "last_seen_ms": site.last_seen_ms,
            "viewers": site.viewers,
            "version": site.version,
            "cameras": [
                {
                    "id": camera.camera,
                    "number": camera.number,
                    "state": camera.state,
                    "recording": camera.recording,
                    "why": camera.why,
                    "since_ms": camera.since_ms,
                }
                for camera in site.cameras
            ],
        }
        for site in await services.store.board()
    ]
    return JSONResponse({"now_ms": services.clock.now_ms(), "sites": sites})


def kind(camera: CameraState) -> str:
    """Return a camera's pip: good, weak (connected, not recording) or lost."""
    if camera.state == "up":
        return "good" if camera.recording else "weak"
    return "weak" if camera.state == "connecting" else "lost"


def totals(sites: list[SiteBoard]) -> dict[str, int]:
    """Return the figures above the board."""
    kinds = [kind(camera) for site in sites if not site.lost for camera in site.cameras]
    return {
        "sites": len(sites),
        "cameras": sum(len(site.cameras) for site in sites),
        "good": kinds.count("good"),
        "weak": kinds.count("weak"),
        "lost": kinds.count("lost"),
        "boxes": sum(site.lost for site in sites),
    }


def rows(sites: list[SiteBoard], words: Words) -> list[dict[str, Any]]:
    """Return what needs somebody, worst first: what, why, since when, what next."""
    found: list[dict[str, Any]] = []
    for site in sites:
        if site.lost:
            found.append(
                {
                    "site": site.site,
                    "kind": "box",
                    "what": words.text("hub.box_lost"),
                    "why": words.text("hub.box_lost.why"),
                    "since_ms": site.last_seen_ms,
                    "next": words.text("hub.box_lost.next"),
                }
            )
            continue
        found.extend(_row(site, camera, words) for camera in site.cameras if kind(camera) != "good")
    return found


def _row(site: SiteBoard, camera: CameraState, words: Words) -> dict[str, Any]:
    code = camera.why if words.has(f"error.{camera.why}") else ""
    return {
        "site": site.site,
        "kind": kind(camera),
        "what": words.text("hub.camera", n=camera.number, state=words.text(f"hub.state.{_state(camera)}")),
        "why": words.text(f"error.{code}") if code else words.text("hub.why.unknown"),
        "since_ms": camera.since_ms,
        "next": words.text(f"error.{code}.hint") if code else words.text("hub.next.unknown"),
    }


def _state(camera: CameraState) -> str:
    known = {"up", "down", "login_refused", "silent", "connecting"}
    return camera.state if camera.state in known else "down"
