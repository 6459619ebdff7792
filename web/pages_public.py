"""Pages and files for anybody: the slip, static files, the manifest.

Owns `/p/moi`, `/api/slip`, `/api/session/active`, `/static`, `/manifest.webmanifest`. Invariants: a GET spends nothing;
a slip's secret is in the body, never in an address.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.core.errors import BadInput
from gateway.core.model import Role, Secret
from web.assets import FOR_EVER, load_assets
from web.guards import ANYBODY, SOMEBODY
from web.problems import words_of
from web.render import render
from web.services import Caller
from web.session import peer_of, services_of, set_session

router = APIRouter()
MAX_CODE_CHARS = 64


def home_of(caller: Caller) -> str:
    """Return the first page of a role."""
    return "/p/" if caller.role is Role.GUARDIAN else "/"


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
