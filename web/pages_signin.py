"""Signing in and out, and proving again who one is.

Owns `/vao`, `/vao/ma`, `/p/gui-tiep`, `/xac-nhan`, `/api/session/fresh`, `/ra`. Invariants: a GET spends nothing;
what does not fit gives one page whatever is wrong with it, and what was typed is not on it; secrets are in the body,
never in an address; after signing in again the session has another token; where somebody goes on to is a page of ours;
a form that came when the login was over waits here sealed, and is shown to nobody but whose login it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from gateway.core.errors import CodeRefused, DaemonUnavailable, LoginBusy, LoginRefused, VuonError
from gateway.core.model import Secret
from web.bodies import FormBody, JsonBody, Wanted
from web.caller import Caller
from web.carry import MOST_CHARS as MOST_CARRIED
from web.carry import MOST_SEALED, again, carried_of, is_shown
from web.forms import Field as FormField
from web.forms import Fields, Form
from web.guards import ANYBODY, GUARDIAN, SOMEBODY
from web.keptpage import kept_on
from web.onward import MOST_CHARS as MOST_WAY
from web.onward import home_of, onward, way_on
from web.pages_account import password_form
from web.problems import MACHINE_PATHS, RETRY_AFTER_S, here, sign_in_answer, status_of, words_of
from web.render import render
from web.session import (
    caller_of,
    clear_session,
    mark_of,
    peer_of,
    services_of,
    set_mark,
    set_session,
    token_of,
)
from web.signin_services import Entered, Halfway

router = APIRouter()
MAX_CODE_CHARS = 64
MAX_WAIT_S = 300
MAX_CHARS = 512
KEPT = Form(FormField("giu", most=MOST_SEALED, secret=True))
"""A sealed form that waited."""


class SignInForm(Wanted):
    """Name and password, or a one-use code."""

    name: str = Field("", repr=False, max_length=MAX_CHARS)
    password: str = Field("", repr=False, max_length=MAX_CHARS)
    code: str = Field("", repr=False)
    giu: str = Field("", repr=False, max_length=MOST_SEALED)
    """A sealed form that waits for its sender; empty: there is none."""


class SecondForm(Wanted):
    """The second factor, with what the first gave."""

    half: str = Field("", repr=False, max_length=MAX_CHARS)
    code: str = Field("", repr=False, max_length=MAX_CHARS)
    giu: str = Field("", repr=False, max_length=MOST_SEALED)


class ConfirmForm(Wanted):
    """Password and digits, and the page to go on to."""

    ve: str = Field("", max_length=MOST_WAY)
    lai: str = Field("", repr=False, max_length=MOST_CARRIED)
    """The form that waits here, as text; empty: there is none."""
    password: str = Field("", repr=False, max_length=MAX_CHARS)
    code: str = Field("", repr=False, max_length=MAX_CHARS)


class Proof(Wanted):
    """The same from a script."""

    password: str = Field("", repr=False, max_length=MAX_CHARS)
    code: str = Field("", repr=False, max_length=MAX_CODE_CHARS)


@router.get("/vao", dependencies=[Depends(ANYBODY)])
async def sign_in_page(request: Request) -> Response:
    """Show the form, or the way on for somebody who is signed in."""
    caller = await caller_of(request)
    if caller is not None:
        return RedirectResponse(home_of(caller), 303)
    return _sign_in_form(request, lost=request.query_params.get("mat") == "1")


@router.post("/vao", dependencies=[Depends(ANYBODY)])
async def sign_in(request: Request, form: Annotated[SignInForm, Depends(FormBody(SignInForm))]) -> Response:
    """Sign in with name and password, or spend a one-use code; works without scripts."""
    accounts, peer, mark = services_of(request).accounts, peer_of(request), mark_of(request)
    if form.giu and not (form.name or form.password or form.code):  # another language, or back from the second factor
        return _sign_in_form(request, kept=form.giu)
    try:
        if form.password or form.name:
            done = await accounts.by_password(form.name, Secret(form.password), peer, mark)
        else:
            code = "".join(form.code.split())
            if not 0 < len(code) <= MAX_CODE_CHARS:
                return _sign_in_form(request, refused="code", status=403, kept=form.giu)
            done = await accounts.by_code(Secret(code), peer, mark)
    except CodeRefused:
        return _sign_in_form(request, refused="code", status=403, kept=form.giu)
    except (LoginRefused, LoginBusy, DaemonUnavailable) as error:
        return _refused(error, lambda why, status, wait_s: _sign_in_form(request, why, status, wait_s, form.giu))
    if isinstance(done, Halfway):
        return _second_form(request, done.half, kept=form.giu)
    return await _entered(request, done, form.giu)


@router.post("/vao/ma", dependencies=[Depends(ANYBODY)])
async def second_factor(request: Request, form: Annotated[SecondForm, Depends(FormBody(SecondForm))]) -> Response:
    """Bring the second factor after the first."""
    half = Secret(form.half)

    def again(why: str, status: int, wait_s: int) -> Response:
        if why == "over":
            return _sign_in_form(request, why, status, kept=form.giu)
        return _second_form(request, half, why, status, wait_s, form.giu)

    try:
        done = await services_of(request).accounts.second(half, Secret(form.code), peer_of(request), mark_of(request))
    except (LoginRefused, LoginBusy, DaemonUnavailable) as error:
        return _refused(error, again)
    return await _entered(request, done, form.giu)


@router.get("/xac-nhan")
async def confirm_page(request: Request, caller: Annotated[Caller, Depends(SOMEBODY)]) -> Response:
    """Ask for the password again before something sensitive, for pages without scripts."""
    return _confirm_form(request, caller, way_on(request.query_params.get("ve", "/"), caller))


@router.post("/xac-nhan")
async def confirm(
    request: Request,
    caller: Annotated[Caller, Depends(SOMEBODY)],
    form: Annotated[ConfirmForm, Depends(FormBody(ConfirmForm))],
) -> Response:
    """Take it, and go on to the page where the act is done, with the form that waits if there is one."""
    services = services_of(request)
    on = way_on(form.ve, caller)
    fields = again(request, on, form.lai) if form.lai else None
    try:
        fresh = await services.accounts.again(caller, Secret(form.password), Secret(form.code), peer_of(request))
    except (LoginRefused, LoginBusy, DaemonUnavailable) as error:
        waits = form.lai if fields is not None else ""
        return _refused(error, lambda why, code, wait_s: _confirm_form(request, caller, on, why, code, wait_s, waits))
    response: Response = RedirectResponse(on if is_shown(request, on) else home_of(caller), 303)
    if fields is not None:
        response = render(request, words_of(request), "confirm_on.html", caller=caller, on=on, fields=fields)
    set_session(response, fresh, services)
    return response


@router.post("/p/gui-tiep")
async def send_on(
    request: Request, caller: Annotated[Caller, Depends(GUARDIAN)], fields: Annotated[Fields, Depends(KEPT)]
) -> Response:
    """Show a guardian the form that waited while their browser signed in again."""
    return kept_on(request, caller, fields.get("giu", ""))


@router.get("/api/session/fresh")
async def is_fresh(request: Request, caller: Annotated[Caller, Depends(SOMEBODY)]) -> Response:
    """Say whether something sensitive would ask for the password first."""
    return JSONResponse({"fresh": not services_of(request).accounts.stale(caller)})


@router.post("/api/session/fresh")
async def make_fresh(
    request: Request,
    caller: Annotated[Caller, Depends(SOMEBODY)],
    proof: Annotated[Proof, Depends(JsonBody(Proof))],
) -> Response:
    """Prove who one is: {"password", "code"?}; the session gets another token."""
    services = services_of(request)
    fresh = await services.accounts.again(caller, Secret(proof.password), Secret(proof.code), peer_of(request))
    response = JSONResponse({"fresh": True})
    set_session(response, fresh, services)
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


# inside


def _sign_in_form(
    request: Request, refused: str = "", status: int = 200, wait_s: int = 0, kept: str = "", *, lost: bool = False
) -> Response:
    """Return the form; `kept` is a sealed form that waits, `lost`: one was sent and could not be kept."""
    by_password = services_of(request).accounts.any_password()
    response = render(
        request,
        words_of(request),
        "signin.html",
        status=status,
        refused=refused,
        wait_s=wait_s,
        by_password=by_password,
        kept=kept,
        lost=lost,
    )
    return _waiting(response, wait_s)


def _second_form(
    request: Request, half: Secret, refused: str = "", status: int = 200, wait_s: int = 0, kept: str = ""
) -> Response:
    words, name = words_of(request), "signin_second.html"
    return render(request, words, name, status=status, half=half.reveal(), refused=refused, wait_s=wait_s, kept=kept)


async def signed_out(request: Request) -> Response:
    """Answer whoever needs to sign in; a form sent when the login had grown old waits, sealed, on the page that asks.

    The body is read only once it is known that the cookie was a login of somebody's.
    """
    path = request.url.path
    if request.method != "POST" or path.startswith(MACHINE_PATHS) or path == "/ra":
        return sign_in_answer(request)
    accounts, token = services_of(request).accounts, token_of(request)
    person = accounts.past(token) if token is not None else None
    form = await carried_of(request) if person is not None else None
    on = onward(here(request)) or path
    kept = accounts.seal_form(person, on, form) if person is not None and form is not None else ""
    if path.startswith("/p/"):  # a guardian's browser signs in again by its own key, and brings the form along
        return render(request, words_of(request), "guardian_none.html", status=401, kept=kept, lost=not kept)
    return _sign_in_form(request, status=401, kept=kept) if kept else RedirectResponse("/vao?mat=1", 303)


async def asked_first(request: Request, form: str) -> Response:
    """Answer a form that came too long after the login: ask who it is, and keep the form on that page."""
    caller = await caller_of(request)
    if caller is None:
        return await signed_out(request)
    return _confirm_form(request, caller, way_on(here(request), caller), status=403, kept=form)


def _confirm_form(
    request: Request,
    caller: Caller,
    on: str,
    refused: str = "",
    status: int = 200,
    wait_s: int = 0,
    kept: str = "",
) -> Response:
    """Return the question; `kept` is a form that goes on afterwards."""
    response = render(
        request,
        words_of(request),
        "confirm.html",
        status=status,
        caller=caller,
        on=on,
        back=on if is_shown(request, on) else home_of(caller),
        refused=refused,
        wait_s=wait_s,
        kept=kept,
    )
    return _waiting(response, wait_s)


def _waiting(response: Response, wait_s: int) -> Response:
    if wait_s:
        response.headers["Retry-After"] = str(wait_s)
    return response


def _refused(error: VuonError, page: Callable[[str, int, int], Response]) -> Response:
    """Return the page with what is to be said: `wait` with seconds, `over`, `unset`, `away`, else `wrong`."""
    reason = str(error.fields.get("reason", ""))
    wait_s = min(MAX_WAIT_S, int(str(error.fields.get("retry_after_s", RETRY_AFTER_S))))
    if isinstance(error, LoginBusy) or reason == "rate":
        return page("wait", 429, wait_s)
    if isinstance(error, DaemonUnavailable):
        return page("away", status_of(error), RETRY_AFTER_S)
    known = {"session.expired": "over", "login.unset": "unset", "login.second": "second"}
    return page(known.get(reason, "wrong"), 403, 0)


async def _entered(request: Request, done: Entered, kept: str = "") -> Response:
    """Go on with who is signed in; a form that waited does so on the page of a password that must be chosen first."""
    services, caller = services_of(request), done.signed_in.caller
    must = services.accounts.must_set(caller)
    response: Response = RedirectResponse("/mat-khau" if must else home_of(caller), 303)
    if kept:
        response = await password_form(request, caller, kept=kept) if must else kept_on(request, caller, kept)
    set_session(response, done.signed_in, services)
    if done.mark is not None:
        set_mark(response, done.mark, services)
    return response
