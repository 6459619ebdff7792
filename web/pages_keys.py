"""The footage key for the principal: `/khoa` says how things are and opens or closes the past.

Owns the page and its one form action. Invariants: works without scripts; a passphrase is in the body of a POST, goes
straight on and into no page, address or log; what a thief of the disk or of the box could do is said in plain
words on the page, whatever the mode; a mistyped or wrong passphrase shows the page again, empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput, PassphraseRefused
from gateway.core.model import Action, ObjectKind, Secret
from web.bodies import FormBody, Wanted
from web.caller import Caller
from web.guards import Right
from web.problems import words_of
from web.render import render
from web.session import services_of

router = APIRouter()
KEEPER = Right(Action.APPROVE, ObjectKind.BOX)
ACTS = Right(Action.APPROVE, ObjectKind.BOX, fresh=True)
MAX_CHARS = 512
FORMS: Mapping[str, tuple[str, ...]] = {
    "unlock": ("passphrase",),
    "sheet": ("sheet",),
    "lock": (),
    "passphrase": ("passphrase", "new"),
}
"""Acts of the page, and the fields each needs."""


class KeyForm(Wanted):
    """The page's form: an act and what it needs; empty fields are told on the page."""

    act: str = ""
    passphrase: str = Field("", repr=False)
    sheet: str = Field("", repr=False)
    new: str = Field("", repr=False)


@router.get("/khoa")
async def key_page(request: Request, caller: Annotated[Caller, Depends(KEEPER)]) -> Response:
    """Show who can open the recordings now, and what each thief could do."""
    return await _page(request, caller)


@router.post("/khoa")
async def key_act(
    request: Request,
    caller: Annotated[Caller, Depends(ACTS)],
    form: Annotated[KeyForm, Depends(FormBody(KeyForm))],
) -> Response:
    """Unlock with the passphrase or a recovery sheet, lock, or change the passphrase."""
    act = form.act
    if act not in FORMS:
        raise BadInput("no such act", key="act")
    secrets = {name: Secret(getattr(form, name)) for name in FORMS[act]}
    if any(not 0 < len(item.reveal()) <= MAX_CHARS for item in secrets.values()):
        return await _page(request, caller, refused="empty", status=400)
    try:
        await services_of(request).keys.act(caller, "unlock" if act == "sheet" else act, secrets)
    except PassphraseRefused as error:
        wait_s = error.fields.get("retry_after_s")
        return await _page(
            request, caller, refused=str(error.fields.get("reason", "wrong")), status=403, wait_s=int(str(wait_s or 0))
        )
    except BadInput as error:
        case = str(error.fields.get("case", ""))
        known = case if case in {"passphrase", "sheet", "sheet_line"} else "empty"
        return await _page(request, caller, refused=known, status=400, line=int(str(error.fields.get("line", 0))))
    return RedirectResponse("/khoa", 303)


async def _page(
    request: Request, caller: Caller, *, refused: str = "", status: int = 200, wait_s: int = 0, line: int = 0
) -> Response:
    words, key = words_of(request), await services_of(request).keys.status()
    return render(
        request,
        words,
        "keys.html",
        status=status,
        caller=caller,
        page="keys",
        texts={},
        key=key,
        state=_state(key),
        thief_disk=_thief_disk(key),
        refused=refused,
        wait_s=wait_s,
        line=line,
    )


def _thief_disk(key: Mapping[str, Any]) -> str:
    """Return what the footage disk alone shows: all (nothing at all), same (the key is on it), unknown, off."""
    if not key.get("encrypted"):
        return "off"
    return "all" if key["place"] not in {"file", "host"} or key["disk"] == "apart" else str(key["disk"])


def _state(key: Mapping[str, Any]) -> str:
    """Return which of the page's texts apply: off, locked, open, unset (a passphrase is due), lost or box."""
    if not key.get("encrypted"):
        return "off"
    if key["place"] == "nowhere":
        return "lost"
    if key["passphrase_set"]:
        return "open" if key["unlocked"] else "locked"
    return "unset" if key["mode"] == "passphrase" else "box"
