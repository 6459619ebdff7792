"""Pages and files for anybody: signing in, static files, the manifest.

Owns `/vao`, `/ra`, `/api/session/active`, `/static`, `/manifest.webmanifest`. Invariants: a GET spends nothing; a
wrong code, an old one and a used one give the same page; the code is in the body, never in an address.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from gateway.core.errors import BadInput, CodeRefused
from gateway.core.model import Role, Secret
from web.assets import FOR_EVER, load_assets
from web.guards import ANYBODY, SOMEBODY
from web.problems import words_of
from web.render import render
from web.services import Caller
from web.session import caller_of, clear_session, peer_of, services_of, set_session, token_of

router = APIRouter()
MAX_CODE_CHARS = 64


def home_of(caller: Caller) -> str:
    """Return the first page of a role."""
    return {Role.GUARDIAN: "/p/", Role.TEACHER: "/co/"}.get(caller.role, "/")


@router.get("/vao", dependencies=[Depends(ANYBODY)])
async def sign_in_page(request: Request) -> Response:
    """Show the form, or the way on for somebody who is signed in."""
    caller = await caller_of(request)
    if caller is not None:
        return RedirectResponse(home_of(caller), 303)
    return render(request, words_of(request), "signin.html", refused=False)


@router.post("/vao", dependencies=[Depends(ANYBODY)])
async def sign_in(request: Request) -> Response:
    """Spend a one-use code and open a session; works without scripts."""
    fields = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=5)
    code = "".join(fields.get("code", [""])[0].split())
    services = services_of(request)
    if not 0 < len(code) <= MAX_CODE_CHARS:
        return render(request, words_of(request), "signin.html", status=403, refused=True)
    try:
        signed_in = await services.logins.sign_in(Secret(code), peer_of(request))
    except CodeRefused:
        return render(request, words_of(request), "signin.html", status=403, refused=True)
    response = RedirectResponse(home_of(signed_in.caller), 303)
    set_session(response, signed_in, services)
    return response


@router.post("/ra")
async def sign_out(request: Request, _caller: Annotated[Caller, Depends(SOMEBODY)]) -> Response:
    """End the session and every stream it opened."""
    services, token = services_of(request), token_of(request)
    assert token is not None
    await services.logins.sign_out(token)
    response = RedirectResponse("/vao", 303)
    clear_session(response, services)
    return response


@router.post("/api/session/active")
async def still_here(_caller: Annotated[Caller, Depends(SOMEBODY)]) -> Response:
    """Take a touch of the page for a sign of life: a recording that is watched changes nothing else."""
    return JSONResponse({"active": True})


@router.get("/p/moi", dependencies=[Depends(ANYBODY)])
async def slip_page(request: Request) -> Response:
    """Show the slip's page: the secret is in the fragment, which no request carries."""
    words = words_of(request)
    return render(request, words, "slip.html", texts=words.pick(("slip.no_secret", "net.")))


@router.post("/api/slip", dependencies=[Depends(ANYBODY)])
async def redeem_slip(request: Request) -> Response:
    """Spend a slip (`{"secret", "digits"}`) and open a guardian's session; CodeRefused says what is missing."""
    body = await json_object(request)
    secret, digits = body.get("secret", ""), body.get("digits", "")
    if not isinstance(secret, str) or not isinstance(digits, str) or len(secret) > MAX_CODE_CHARS or len(digits) > 8:
        raise BadInput("a slip has a secret and at most a few digits")
    services = services_of(request)
    signed_in = await services.logins.redeem_slip(Secret(secret), digits, peer_of(request))
    response = JSONResponse({"next": home_of(signed_in.caller)})
    set_session(response, signed_in, services)
    return response


@router.get("/static/{version}/{path:path}", dependencies=[Depends(ANYBODY)])
async def static_file(request: Request, version: str, path: str) -> Response:
    """Return one file of this version, for ever."""
    asset = load_assets().get(version, path)
    headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
    if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, media_type=asset.media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(asset.body, media_type=asset.media_type, headers=headers)


@router.get("/manifest.webmanifest", dependencies=[Depends(ANYBODY)])
async def manifest(request: Request) -> Response:
    """Return the guardians' web app manifest: the school's name, no person's."""
    words, assets, site = words_of(request), load_assets(), services_of(request).site
    icons = [
        {
            "src": assets.url(f"icons/icon-{size}.png"),
            "sizes": f"{size}x{size}",
            "type": "image/png",
            "purpose": purpose,
        }
        for size, purpose in ((192, "any"), (512, "maskable"))
    ]
    body = {
        "id": "/p/",
        "name": str(words.text("app.class_at", school=site.name)),
        "short_name": str(words.text("app.class")),
        "lang": words.language,
        "start_url": "/p/",
        "scope": "/p/",
        "display": "standalone",
        "background_color": "#F7F6F2",
        "theme_color": "#0E3B34",
        "icons": icons,
    }
    return JSONResponse(body, media_type="application/manifest+json")


async def json_object(request: Request) -> dict[str, object]:
    """Return the request's JSON object; BadInput for anything else."""
    try:
        body = await request.json()
    except (ValueError, RecursionError) as error:
        raise BadInput("the body is no JSON") from error
    if not isinstance(body, dict):
        raise BadInput("the body is no JSON object")
    return body
