"""How the others of the school sign in, for the principal.

Owns `/tai-khoan/nhan-vien`. Invariants: the principal sets no password and sees none: a reset gives a one-use code,
shown once, in the answer that made it; another's second factor is switched off at the box's console only.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput, NotFound
from gateway.core.model import Action, ObjectKind, PublicId, is_public_id
from web.bodies import FormBody, Wanted
from web.caller import Caller
from web.guards import Right
from web.pages_people import in_care
from web.problems import words_of
from web.render import render
from web.session import services_of
from web.signin_services import FreshCode

router = APIRouter()
SEES = Right(Action.PEOPLE, ObjectKind.BOX)
CHANGES = Right(Action.PEOPLE, ObjectKind.BOX, fresh=True)


class StaffForm(Wanted):
    """Whose account, and what is to be done with it."""

    act: str = ""
    person: str = ""
    name: str = ""


@router.get("/tai-khoan/nhan-vien")
async def staff_page(request: Request, caller: Annotated[Caller, Depends(SEES)]) -> Response:
    """Show who signs in how, and how often each is signed in now."""
    return await _page(request, caller)


@router.post("/tai-khoan/nhan-vien")
async def staff_act(
    request: Request,
    caller: Annotated[Caller, Depends(CHANGES)],
    form: Annotated[StaffForm, Depends(FormBody(StaffForm))],
) -> Response:
    """Give a one-use code instead of the password, or another sign-in name."""
    accounts = services_of(request).accounts
    act, person = form.act, form.person
    if not is_public_id(person):
        raise NotFound("no such person")
    if act == "reset":
        return await _page(request, caller, person, code=await accounts.reset(caller, PublicId(person)))
    if act != "rename":
        raise BadInput("no such act", key="act")
    try:
        await accounts.rename(caller, PublicId(person), form.name)
    except NotFound:
        raise
    except BadInput as error:
        return await _page(request, caller, person, refused=str(error.fields.get("case", "sign_in_name")))
    return RedirectResponse("/tai-khoan/nhan-vien", 303)


async def _page(
    request: Request, caller: Caller, person: str = "", *, code: FreshCode | None = None, refused: str = ""
) -> Response:
    rows = await services_of(request).accounts.staff(caller)
    return render(
        request,
        words_of(request),
        "account_staff.html",
        status=400 if refused else 200,
        caller=caller,
        page="account",
        texts={},
        staff=rows,
        changeable=in_care(request, caller, [row.person for row in rows]),
        person=person,
        code=code,
        refused=refused,
    )
