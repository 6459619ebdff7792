"""Logins over HTTP: list and end one's own, and (the principal) anybody's.

Owns `/api/sessions*` and `/api/people/{person}/sessions`. Invariants: a login that is not the asker's looks like none,
but to those who may manage people; an ended one opens nothing from that moment, and its streams end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.core.errors import NotFound
from gateway.core.model import Action, ObjectKind, PublicId, Role, is_public_id
from web.caller import Caller
from web.guards import SOMEBODY, Right
from web.session import services_of
from web.signin_services import SessionRow

router = APIRouter()
OF_PERSON = Right(Action.PEOPLE, ObjectKind.PERSON, "person", roles=frozenset({Role.PRINCIPAL}))


def _view(rows: Sequence[SessionRow]) -> Response:
    listed = [
        {
            "session": row.id,
            "label": row.label,
            "place": row.place,
            "since_ms": row.since_ms,
            "seen_ms": row.seen_ms,
            "here": row.here,
        }
        for row in rows
    ]
    return JSONResponse({"sessions": listed})


@router.get("/api/sessions")
async def own(request: Request, caller: Annotated[Caller, Depends(SOMEBODY)]) -> Response:
    """Return where one is signed in."""
    return _view(await services_of(request).accounts.sessions(caller, caller.person))


@router.get("/api/people/{person}/sessions")
async def of_person(request: Request, person: str, caller: Annotated[Caller, Depends(OF_PERSON)]) -> Response:
    """Return where somebody is signed in."""
    return _view(await services_of(request).accounts.sessions(caller, PublicId(person)))


@router.post("/api/sessions/end-others")
async def end_others(request: Request, caller: Annotated[Caller, Depends(SOMEBODY)]) -> Response:
    """End all of one's logins but this one."""
    return JSONResponse({"ended": await services_of(request).accounts.end_others(caller)})


@router.post("/api/sessions/{session}/end")
async def end(request: Request, session: str, caller: Annotated[Caller, Depends(SOMEBODY)]) -> Response:
    """End one login."""
    if not is_public_id(session):
        raise NotFound("no such session")
    await services_of(request).accounts.end(caller, PublicId(session))
    return JSONResponse({"ended": 1})
