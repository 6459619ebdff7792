"""Pages and files for anybody: the slip, static files, the manifest.

Owns `/p/moi`, `/api/slip`, `/api/session/active`, `/static`, `/manifest.webmanifest`. Invariants: a GET spends nothing;
a slip's secret is in the body, never in an address.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.core.model import Role
from web.assets import asset_response, load_assets
from web.caller import Caller
from web.guards import ANYBODY, SOMEBODY
from web.problems import words_of
from web.session import services_of

router = APIRouter()
MAX_CODE_CHARS = 64


def home_of(caller: Caller) -> str:
    """Return the first page of a role."""
    return "/p/" if caller.role is Role.GUARDIAN else "/"


@router.post("/api/session/active")
async def still_here(_caller: Annotated[Caller, Depends(SOMEBODY)]) -> Response:
    """Take a touch of the page for a sign of life: a recording that is watched changes nothing else."""
    return JSONResponse({"active": True})


@router.get("/static/{version}/{path:path}", dependencies=[Depends(ANYBODY)])
async def static_file(request: Request, version: str, path: str) -> Response:
    """Return one file of this version, for ever."""
    return asset_response(request.headers.get("accept-encoding", ""), version, path)


@router.get("/manifest.webmanifest", dependencies=[Depends(ANYBODY)])
async def manifest(request: Request) -> Response:
    """Return the guardians' web app manifest: the school's name, no person's."""
    return JSONResponse(manifest_of(request, "/p/"), media_type="application/manifest+json")


def manifest_of(request: Request, start_url: str) -> dict[str, object]:
    """Return the manifest of the app that begins at an address."""
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
    return {
        "id": "/p/",
        "name": str(words.text("app.class_at", school=site.name)),
        "short_name": str(words.text("app.class")),
        "lang": words.language,
        "start_url": start_url,
        "scope": "/p/",
        "display": "standalone",
        "background_color": "#F7F6F2",
        "theme_color": "#0E3B34",
        "icons": icons,
    }
