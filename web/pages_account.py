"""One's own account: the password, the devices one is signed in on.

Owns `/tai-khoan` and `/mat-khau`. Invariants: works without scripts; a password is in the body of a POST, goes straight
on and into no page, address or log; whoever must choose one can leave or sign out, nothing else; a form that waited for
them waits on, sealed, and is shown when a password is set, also where that takes another code.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput, DaemonUnavailable, Denied, LoginBusy, LoginRefused, NotFound
from gateway.core.model import LEADER_ROLES, PublicId, Role, Secret, is_public_id
from web.bodies import FormBody, Wanted
from web.caller import Caller
from web.carry import MOST_SEALED
from web.guards import SignedIn
from web.keptpage import kept_on
from web.problems import words_of
from web.render import render
from web.session import peer_of, services_of, set_session

router = APIRouter()
HOLDERS = SignedIn(frozenset(Role) - {Role.GUARDIAN, Role.OBSERVER})
MAX_CHARS = 512


class AccountForm(Wanted):
    """What is to be ended."""

    act: str = ""
    session: str = ""


class PasswordForm(Wanted):
    """The old password, and the new one twice."""

    current: str = Field("", repr=False, max_length=MAX_CHARS)
    new: str = Field("", repr=False, max_length=MAX_CHARS)
    repeat: str = Field("", repr=False, max_length=MAX_CHARS)
    giu: str = Field("", repr=False, max_length=MOST_SEALED)
    """A sealed form that waits for its sender; empty: there is none."""


WEAK = {"password_short", "password_long", "password_common", "password_name", "password_changed"}
"""Cases that the page tells in its own words."""


@router.get("/tai-khoan")
async def own_account_page(request: Request, caller: Annotated[Caller, Depends(HOLDERS)]) -> Response:
    """Show how one signs in, and where one is signed in."""
    accounts = services_of(request).accounts
    return render(
        request,
        words_of(request),
        "account.html",
        caller=caller,
        page="account",
        texts={},
        account=await accounts.facts(caller),
        sessions=await accounts.sessions(caller, caller.person),
        manages=caller.role in LEADER_ROLES,
        done=request.query_params.get("xong", ""),
    )


@router.post("/tai-khoan")
async def account_act(
    request: Request,
    caller: Annotated[Caller, Depends(HOLDERS)],
    form: Annotated[AccountForm, Depends(FormBody(AccountForm))],
) -> Response:
    """End one of one's logins, or all others."""
    accounts = services_of(request).accounts
    act, session = form.act, form.session
    if act == "end_others":
        await accounts.end_others(caller)
    elif act == "end":
        if not is_public_id(session):
            raise NotFound("no such session")
        await accounts.end(caller, PublicId(session))
    else:
        raise BadInput("no such act", key="act")
    return RedirectResponse("/tai-khoan?xong=thiet-bi", 303)


@router.get("/mat-khau")
async def password_page(request: Request, caller: Annotated[Caller, Depends(HOLDERS)]) -> Response:
    """Ask for a new password."""
    return await password_form(request, caller)


@router.post("/mat-khau")
async def choose_password(
    request: Request,
    caller: Annotated[Caller, Depends(HOLDERS)],
    form: Annotated[PasswordForm, Depends(FormBody(PasswordForm))],
) -> Response:
    """Set or change the password; other logins end. A form that waited goes on afterwards."""
    services = services_of(request)
    if form.giu and not (form.current or form.new or form.repeat):  # another language
        return await password_form(request, caller, kept=form.giu)
    current, new, repeated = Secret(form.current), Secret(form.new), Secret(form.repeat)
    if new != repeated:
        return await password_form(request, caller, "repeat", 400, kept=form.giu)
    first = (await services.accounts.facts(caller)).password_ms is None
    try:
        fresh = await services.accounts.choose_password(caller, current, new, peer_of(request))
    except BadInput as error:
        case = str(error.fields.get("case", ""))
        return await password_form(request, caller, case if case in WEAK else "password_short", 400, kept=form.giu)
    except LoginRefused as error:
        if error.fields.get("reason") == "rate":
            wait_s = int(str(error.fields["retry_after_s"]))
            return await password_form(request, caller, "wait", 429, wait_s, kept=form.giu)
        return await password_form(request, caller, "current", 403, kept=form.giu)
    except Denied as error:  # a first password long after the code: nobody has one yet to confirm who they are with
        if error.fields.get("reason") != "login.stale":
            raise
        return await password_form(request, caller, "stale", 403, kept=form.giu)
    except (LoginBusy, DaemonUnavailable):
        return await password_form(request, caller, "away", 503, kept=form.giu)
    response: Response = RedirectResponse("/" if first else "/tai-khoan?xong=mat-khau", 303)
    if form.giu:
        response = kept_on(request, fresh.caller, form.giu)
    set_session(response, fresh, services)
    return response


async def password_form(
    request: Request, caller: Caller, refused: str = "", status: int = 200, wait_s: int = 0, kept: str = ""
) -> Response:
    """Return the page on which a password is chosen; `kept` is a sealed form that waits until that is done."""
    account = await services_of(request).accounts.facts(caller)
    response = render(
        request,
        words_of(request),
        "account_password.html",
        status=status,
        caller=caller,
        account=account,
        refused=refused,
        wait_s=wait_s,
        kept=kept,
    )
    if status in {429, 503}:
        response.headers["Retry-After"] = str(wait_s or 2)
    return response
