"""The second factor: set up with an authenticator app, kept by ten codes, switched off.

Owns `/tai-khoan/lop-hai`. Invariants: the secret is shown only while it is set up, as a picture drawn here and as text;
it counts only once the app's digits fit; the codes for a lost phone are shown once, in the answer that made them;
nothing changes without a fresh login.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import segno
from fastapi import APIRouter, Depends
from markupsafe import Markup
from pydantic import Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput, Denied, LoginRefused
from gateway.core.model import Secret
from web.bodies import FormBody, Wanted
from web.caller import Caller
from web.pages_account import HOLDERS
from web.problems import words_of
from web.render import render
from web.session import services_of

router = APIRouter()
CONFIRM = "/xac-nhan?ve=/tai-khoan/lop-hai"
GROUP = 4


class SecondSetForm(Wanted):
    """On with the app's digits, or off."""

    act: str = ""
    code: str = Field("", repr=False, max_length=64)


@router.get("/tai-khoan/lop-hai")
async def second_page(request: Request, caller: Annotated[Caller, Depends(HOLDERS)]) -> Response:
    """Show the secret to be scanned, or that the second factor is on."""
    services = services_of(request)
    account = await services.accounts.facts(caller)
    if account.password_ms is None:
        return RedirectResponse("/mat-khau", 303)
    if not account.second and services.accounts.stale(caller):
        return RedirectResponse(CONFIRM, 303)
    return await _page(request, caller)


@router.post("/tai-khoan/lop-hai")
async def second_act(
    request: Request,
    caller: Annotated[Caller, Depends(HOLDERS)],
    form: Annotated[SecondSetForm, Depends(FormBody(SecondSetForm))],
) -> Response:
    """Switch it on with the app's digits, or off."""
    accounts = services_of(request).accounts
    if accounts.stale(caller):
        raise Denied("this needs a fresh login", reason="login.stale")
    if form.act == "off":
        await accounts.drop_second(caller)
        return RedirectResponse("/tai-khoan?xong=lop-hai-tat", 303)
    if form.act != "on":
        raise BadInput("no such act", key="act")
    try:
        codes = await accounts.finish_second(caller, Secret(form.code))
    except BadInput:
        return await _page(request, caller, refused=True)
    return await _page(request, caller, codes=codes)


async def _page(request: Request, caller: Caller, *, refused: bool = False, codes: Sequence[str] = ()) -> Response:
    accounts = services_of(request).accounts
    account = await accounts.facts(caller)
    typed, picture = "", Markup("")
    if not account.second:
        try:
            secret, address = await accounts.begin_second(caller)
        except LoginRefused:
            return RedirectResponse("/mat-khau", 303)
        typed = " ".join(secret.reveal()[at : at + GROUP] for at in range(0, len(secret.reveal()), GROUP))
        drawn = segno.make(address, error="m").svg_inline(border=4, lineclass=None, svgclass="qr", omitsize=True)
        picture = Markup(drawn)  # noqa: S704 - drawn here from digits
    return render(
        request,
        words_of(request),
        "account_second.html",
        status=400 if refused else 200,
        caller=caller,
        page="account",
        texts={},
        account=account,
        typed=typed,
        picture=picture,
        refused=refused,
        codes=codes,
    )
