"""Erasing one person's or child's data: who, what that does, and the decision.

Owns `/xoa-du-lieu`. Invariants: works without scripts; the page says what goes and what stays before it asks; nothing
is erased by one press: the name has to be typed as it is kept, with why and who asked; what was typed comes back into
no page and no address.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput, Denied
from gateway.core.model import Action, ObjectKind, PublicId, is_public_id
from web.caller import Caller
from web.forms import Field, Fields, Form
from web.guards import Right
from web.problems import words_of
from web.render import render
from web.session import services_of

router = APIRouter()
DECIDER, DECIDES = Right(Action.APPROVE, ObjectKind.BOX), Right(Action.APPROVE, ObjectKind.BOX, fresh=True)
KINDS = ("person", "child")
WHY = ("withdrawn", "left", "mistake", "order")
ASKED = ("guardian", "self", "school", "authority")
DECISION = Form(
    Field("ai", "subject", required=True),
    Field("ten", required=True),
    Field("ly-do", choices=WHY),
    Field("ai-yeu-cau", choices=ASKED),
)


def subject_of(text: str) -> tuple[str, PublicId] | None:
    """Return kind and id of `child:abc...`, None for whatever else stands there."""
    kind, _, name = text.partition(":")
    return (kind, PublicId(name)) if kind in KINDS and is_public_id(name) else None


@router.get("/xoa-du-lieu")
async def erase_page(request: Request, caller: Annotated[Caller, Depends(DECIDER)]) -> Response:
    """Choose somebody, and see what erasing their data would do."""
    return await _page(request, caller, subject_of(request.query_params.get("ai", "")))


@router.post("/xoa-du-lieu")
async def erase(
    request: Request, caller: Annotated[Caller, Depends(DECIDES)], fields: Annotated[Fields, Depends(DECISION)]
) -> Response:
    """Erase by decision of a principal who typed the name."""
    subject = subject_of(fields.get("ai", ""))
    if subject is None:
        raise BadInput("nobody was named", key="ai")
    typed, why, asked = (fields.get(name, "") for name in ("ten", "ly-do", "ai-yeu-cau"))
    try:
        await services_of(request).ledger.erase(caller, *subject, typed=typed, why=why, asked=asked)
    except BadInput as error:
        case = str(error.fields.get("case", ""))
        if not case.startswith("erase_"):
            raise
        return await _page(request, caller, subject, refused=case, status=400)
    except Denied as error:
        return await _page(request, caller, subject, refused=str(error.fields.get("reason")), status=403)
    return RedirectResponse(f"/xoa-du-lieu?ai={subject[0]}:{subject[1]}", 303)


async def _page(
    request: Request, caller: Caller, subject: tuple[str, PublicId] | None, *, refused: str = "", status: int = 200
) -> Response:
    services, words = services_of(request), words_of(request)
    plan = await services.ledger.erasable(caller, *subject) if subject is not None else None
    key = f"case.{refused}"
    return render(
        request,
        words,
        "erase.html",
        status=status,
        caller=caller,
        page="ledger",
        texts={},
        people=services.ledger.people(),
        children=services.ledger.children(),
        plan=plan,
        why=WHY,
        asked=ASKED,
        refused=(words.text(key) if words.has(key) else words.reason(refused)) if refused else "",
    )
