"""From a slip to a bound browser: pages and calls for somebody who has no session yet.

Owns `/p/moi` (also as `/P/MOI`, which makes a smaller QR code), `/p/cho`, `/p/app`, `/api/slip*` and `/api/device/*`,
but for the standing of a device.
Invariants: the secret is behind the `#` and comes in the body of a POST only; a browser inside another app is shown the
way out and has nothing on its page that could spend a slip; a session begins with a proof of the browser's own key.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.core.errors import CodeRefused
from gateway.core.model import Secret
from web.bodies import JsonBody, Wanted
from web.caller import Caller
from web.guards import ANYBODY, GUARDIAN
from web.i18n import Words
from web.inapp import in_app, system_of
from web.pages_public import manifest_of
from web.problems import body_of, status_of, words_of
from web.render import render
from web.session import peer_of, services_of, set_session
from web.slip_services import Bound, KeyProof

router = APIRouter()
PUBLIC = [Depends(ANYBODY)]
MAX_CHARS = 128
GUARDIAN_HOME, WAITING_PAGE = "/p/", "/p/cho"
SLIP_TEXTS = ("slip.", "net.", "reason.slip.", "reason.device.", "reason.rate", "reason.handover.")


class SlipWish(Wanted):
    """A slip, by its secret or its typed code."""

    secret: str = Field(min_length=1, max_length=MAX_CHARS, repr=False)


class Signed(Wanted):
    """A challenge of ours and the browser's signature over it."""

    challenge: str = Field(min_length=1, max_length=MAX_CHARS)
    signature: str = Field(min_length=1, max_length=MAX_CHARS, repr=False)


class BindWish(Signed):
    """A slip, what it asks, and the key that shall be bound."""

    secret: str = Field(min_length=1, max_length=MAX_CHARS, repr=False)
    digits: str = Field(default="", max_length=MAX_CHARS, repr=False)
    replaces: str = Field(default="", max_length=MAX_CHARS)
    key: str = Field(min_length=1, max_length=MAX_CHARS)


class EnterWish(Signed):
    """A key that is bound, by its name; the point itself may come along, what is bound decides."""

    key: str = Field(default="", max_length=MAX_CHARS)
    id: str = Field(min_length=1, max_length=MAX_CHARS)


class AppWish(Signed):
    """The token of the address that was handed over, and the key of the app."""

    token: str = Field(min_length=1, max_length=MAX_CHARS, repr=False)
    key: str = Field(min_length=1, max_length=MAX_CHARS)


@router.get("/p/moi", dependencies=PUBLIC)
@router.get("/P/MOI", dependencies=PUBLIC, include_in_schema=False)
async def slip_page(request: Request) -> Response:
    """Show the slip's page, or in another app's browser how to leave it; nothing is spent by looking."""
    words, agent = words_of(request), request.headers.get("user-agent", "")
    app = in_app(agent)
    texts = words.pick(SLIP_TEXTS)
    return render(request, words, "slip.html", texts=texts, app=app, system=system_of(agent))


@router.get("/p/cho", dependencies=PUBLIC)
async def waiting_page(request: Request) -> Response:
    """Show that the school has to approve; the page asks with the key that its browser holds."""
    words = words_of(request)
    return render(request, words, "slip_waiting.html", texts=words.pick(SLIP_TEXTS))


@router.get("/p/app", dependencies=PUBLIC)
async def app_page(request: Request) -> Response:
    """Start the app on the home screen: by its own key, or the first time by the token in its address."""
    words = words_of(request)
    return render(request, words, "slip_app.html", texts=words.pick(SLIP_TEXTS))


@router.post("/api/slip/look", dependencies=PUBLIC)
async def look(request: Request, wish: Annotated[SlipWish, Depends(JsonBody(SlipWish))]) -> Response:
    """Say what a slip (`{"secret"}`) is for; CodeRefused."""
    found = await services_of(request).slips.look(Secret(wish.secret), peer_of(request))
    words = words_of(request)
    return JSONResponse(
        {
            "class": found.class_name,
            "kind": kind_text(words, found.kind),
            "digits": found.asks_digits,
            "until": words.day(found.expires_ms),
        }
    )


@router.post("/api/slip", dependencies=PUBLIC)
async def redeem(request: Request, wish: Annotated[BindWish, Depends(JsonBody(BindWish))]) -> Response:
    """Spend a slip for a browser that proves its key (`secret`, `digits`, `replaces`, `key`, `challenge`, `signature`).

    A refusal says what is missing: `left` tries of the digits, or the `devices` of which one has to end.
    """
    proof = KeyProof(wish.key, wish.challenge, wish.signature)
    try:
        bound = await services_of(request).slips.bind(
            Secret(wish.secret), wish.digits, proof, wish.replaces, peer_of(request)
        )
    except CodeRefused as error:
        return _refusal(request, error)
    return _entered(request, bound)


@router.post("/api/device/challenge", dependencies=PUBLIC)
async def challenge(request: Request) -> Response:
    """Return something to sign, good for two minutes and once."""
    return JSONResponse({"challenge": services_of(request).slips.challenge()})


@router.post("/api/device/session", dependencies=PUBLIC)
async def enter(request: Request, wish: Annotated[EnterWish, Depends(JsonBody(EnterWish))]) -> Response:
    """Begin or renew the session of a bound browser (`id`, `challenge`, `signature`); the old token ends."""
    proof = KeyProof("", wish.challenge, wish.signature)
    signed_in = await services_of(request).slips.enter(wish.id, proof, peer_of(request))
    response = JSONResponse({"next": GUARDIAN_HOME})
    set_session(response, signed_in, services_of(request))
    return response


@router.post("/api/device/app", dependencies=PUBLIC)
async def take_over(request: Request, wish: Annotated[AppWish, Depends(JsonBody(AppWish))]) -> Response:
    """Bind the app on the home screen (`token`, `key`, `challenge`, `signature`)."""
    proof = KeyProof(wish.key, wish.challenge, wish.signature)
    door = services_of(request).slips
    return _entered(request, await door.take_over(Secret(wish.token), proof, peer_of(request)))


@router.get("/p/app.webmanifest")
async def app_manifest(request: Request, caller: Annotated[Caller, Depends(GUARDIAN)]) -> Response:
    """Return the manifest by which the app on the home screen becomes this device: its address holds a token once."""
    token = services_of(request).slips.hand_over(caller)
    start = GUARDIAN_HOME if token is None else f"/p/app?ma={token.reveal()}"
    return JSONResponse(manifest_of(request, start), media_type="application/manifest+json")


def kind_text(words: Words, kind: str) -> str:
    """Return what a guardian is to the child, in words; empty where there is no one word."""
    return str(words.text(f"kin.{kind}")).capitalize() if words.has(f"kin.{kind}") else ""


def _entered(request: Request, bound: Bound) -> Response:
    response = JSONResponse({"id": bound.key, "next": GUARDIAN_HOME if bound.signed_in else WAITING_PAGE})
    if bound.signed_in is not None:
        set_session(response, bound.signed_in, services_of(request))
    return response


def _refusal(request: Request, error: CodeRefused) -> Response:
    """Return a refusal with what helps whoever holds the slip."""
    body = body_of(error, words_of(request))
    for key in ("left", "devices"):
        if error.fields.get(key):
            body["error"][key] = error.fields[key]
    return JSONResponse(body, status_of(error))
