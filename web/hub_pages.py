"""The authority's pages: sign-in and the board of every camera's state.

Owns `/`, `/vao`, `/ra` and `/api/board` of the hub. Invariants: nothing but health is shown, and no
camera's name (names stay in the school); a code is spent by POST only; without a session everything leads
to the sign-in page.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from gateway.core.errors import BadInput, CodeRefused
from gateway.core.model import PublicId
from gateway.hub.fleet import Kind, SiteBoard
from gateway.hub.troubles import Trouble, troubles
from web.forms import Field, Form
from web.hub_guards import ANYBODY, OFFICER
from web.hub_services import HubServices, cookie_name, hub_services, token_of
from web.i18n import Words, language_of
from web.render import PageFacts, page_of
from web.services import SiteFacts

router = APIRouter()
CODE = Form(Field("code", most=64, secret=True))
"""Read in the route: whatever is wrong with it, the answer is the form again."""
MAX_NUMBERS = 8
"""Cameras listed by number in one line; more are told by their count."""


def _words(request: Request) -> Words:
    services = hub_services(request)
    return Words(language_of(request, services.language), services.zone)


def _page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    services = hub_services(request)
    site = SiteFacts(services.name, PublicId(""), services.zone, services.language)
    facts = PageFacts(site, services.clock.now_ms(), services.secure)
    return page_of(request, _words(request), template, facts, status=status, **values)


@router.get("/vao", dependencies=[Depends(ANYBODY)])
async def sign_in_page(request: Request) -> Response:
    """Show the form, or the way on for somebody who is signed in."""
    if await hub_services(request).store.staff.signed_in(token_of(request)):
        return RedirectResponse("/", 303)
    return _page(request, "hub_signin.html", refused=False)


@router.post("/vao", dependencies=[Depends(ANYBODY)])
async def sign_in(request: Request) -> Response:
    """Spend a one-use code and open a session."""
    try:
        fields = await CODE(request)
        token = await hub_services(request).store.staff.redeem(fields.get("code", ""))
    except (BadInput, CodeRefused):
        return _page(request, "hub_signin.html", status=403, refused=True)
    response = RedirectResponse("/", 303)
    _set_cookie(response, hub_services(request), token)
    return response


def _set_cookie(response: Response, services: HubServices, token: str) -> None:
    name = cookie_name(secure=services.secure)
    response.set_cookie(name, token, path="/", secure=services.secure, httponly=True, samesite="strict")


@router.post("/ra", dependencies=[Depends(ANYBODY)])
async def sign_out(request: Request) -> Response:
    """End the session, if there is one."""
    services = hub_services(request)
    await services.store.staff.sign_out(token_of(request))
    response = RedirectResponse("/vao", 303)
    name = cookie_name(secure=services.secure)
    response.delete_cookie(name, path="/", secure=services.secure, httponly=True, samesite="strict")
    return response


@router.get("/", dependencies=[Depends(OFFICER)])
async def board_page(request: Request) -> Response:
    """Show every school and every camera, worst first."""
    words, sites = _words(request), await hub_services(request).store.board()
    found = [row(trouble, words, hub_services(request).clock.now_ms()) for trouble in troubles(sites)]
    return _page(request, "hub_board.html", sites=sites, rows=found, totals=totals(sites), Kind=Kind, short=short)


@router.get("/api/board", dependencies=[Depends(OFFICER)])
async def board_json(request: Request) -> Response:
    """Return the board for scripts."""
    services = hub_services(request)
    now_ms = services.clock.now_ms()
    sites = [_site(site) for site in await services.store.board()]
    return JSONResponse({"now_ms": now_ms, "clock": _words(request).clock(now_ms), "sites": sites})


def _site(site: SiteBoard) -> dict[str, Any]:
    return {
        "site": site.site,
        "lost": site.lost,
        "last_seen_ms": site.last_seen_ms,
        "viewers": site.viewers,
        "version": site.version,
        "conditions": [{"code": item.code, "since_ms": item.since_ms} for item in site.conditions],
        "cameras": [
            {
                "id": camera.camera,
                "number": camera.number,
                "state": camera.state,
                "recording": camera.recording,
                "why": camera.why,
                "warning": camera.warning,
                "since_ms": camera.since_ms,
            }
            for camera in site.cameras
        ],
    }


def short(site: str) -> str:
    """Return a school's name without what all of them begin with: a card has room for two words."""
    for prefix in ("Trường ", "Mầm non ", "mầm non ", "MN "):
        site = site.removeprefix(prefix)
    return site


def totals(sites: list[SiteBoard]) -> dict[str, int]:
    """Return the figures above the board; the cameras of a lost box are neither good nor bad, but unknown."""
    seen = [site for site in sites if not site.lost]
    return {
        "sites": len(sites),
        "cameras": sum(len(site.cameras) for site in sites),
        "good": sum(site.count(Kind.GOOD) for site in seen),
        "weak": sum(site.count(Kind.WEAK) for site in seen),
        "lost": sum(site.count(Kind.LOST) for site in seen),
        "at": sum(1 for site in seen if site.count(Kind.LOST)),
        "boxes": sum(site.lost for site in sites),
    }


def row(trouble: Trouble, words: Words, now_ms: int) -> dict[str, Any]:
    """Return one line of the list in words: what, why, since when, what next."""
    what, why, following = _texts(trouble, words)
    numbers = trouble.cameras[:MAX_NUMBERS] if len(trouble.cameras) > 1 else ()
    more = "…" if len(trouble.cameras) > MAX_NUMBERS else ""
    since_ms = trouble.since_ms
    return {
        "site": trouble.site,
        "gateway": trouble.gateway,
        "kind": trouble.kind,
        "what": what,
        "numbers": words.text("hub.numbers", list=", ".join(map(str, numbers)) + more) if numbers else "",
        "why": why,
        "since": "" if since_ms is None else _when(since_ms, words, now_ms),
        "age": "" if since_ms is None else words.duration(max(now_ms - since_ms, 0)),
        "next": following,
    }


def _when(at_ms: int, words: Words, now_ms: int) -> str:
    """Return the hour, with the date if it was not today."""
    at = words.local(at_ms)
    return words.clock(at_ms) if at.date() == words.local(now_ms).date() else f"{at:%d/%m} {words.clock(at_ms)}"


def _texts(trouble: Trouble, words: Words) -> tuple[str, str, str]:
    """Return what, why and what next."""
    unknown = words.text("hub.why.unknown"), words.text("hub.next.unknown")
    if trouble.kind == "box":
        never = ".never" if trouble.since_ms is None else ""
        return (
            words.text(f"hub.box_lost{never}"),
            words.text(f"hub.box_lost{never}.why"),
            words.text(f"hub.box_lost{never}.next"),
        )
    if not trouble.cameras:
        code = trouble.what if words.has(f"condition.{trouble.what}") else ""
        if not code:
            return words.text("hub.condition.unknown"), *unknown
        return words.text(f"condition.{code}"), words.text("hub.condition.why"), words.text(f"condition.{code}.next")
    state = words.text(f"hub.state.{trouble.what}")
    one = len(trouble.cameras) == 1
    what = (
        words.text("hub.camera", n=trouble.cameras[0], state=state)
        if one
        else words.text("hub.cameras", n=len(trouble.cameras), state=state)
    )
    why = trouble.why
    if words.has(f"hub.cause.{why}"):
        return what, words.text(f"hub.cause.{why}"), words.text(f"hub.cause.{why}.next")
    if words.has(f"condition.{why}"):
        return what, words.text(f"condition.{why}"), words.text(f"condition.{why}.next")
    if words.has(f"error.{why}"):
        return what, words.text(f"error.{why}"), words.text(f"error.{why}.hint")
    return what, *unknown
