"""The audit for people: the school's, a class's, one's own.

Owns `/nhat-ky`, its check and its file, and `/p/nhat-ky`. Invariants: works without scripts; what a filter of an
address does not name is no filter, never an error; nothing here decides who reads what (the door does, and the policy
behind it); a file is asked for by POST, because it leaves a row of its own.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import NotFound
from gateway.core.model import STAFF_ROLES, Action, ObjectKind, ObjectRef, PublicId, is_public_id
from web.caller import Caller
from web.forms import Field, Fields, Form
from web.guards import GUARDIAN, Right, SignedIn
from web.i18n import Words
from web.ledger_csv import csv_of
from web.ledger_services import GROUPS, LedgerPage, LedgerWish
from web.ledger_words import findings_of, number, view_of
from web.problems import words_of
from web.render import render
from web.session import services_of

router = APIRouter()
READERS = SignedIn(STAFF_ROLES)
EVERYTHING = Right(Action.AUDIT, ObjectKind.BOX)
ALL_DAYS = "tat-ca"
NO_DAY = frozenset({"", ALL_DAYS})
FILTERS = Form(
    Field("nhom"), Field("ngay"), Field("nguoi", "id"), Field("lop", "id"), Field("camera", "id"), Field("truoc")
)
"""The filters of the page, as its address has them."""
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def day_of(text: str, words: Words, now_ms: int) -> dt.date:
    """Return the day an address names, today for whatever else stands there."""
    today = words.local(now_ms).date()
    try:
        named = dt.date.fromisoformat(text) if DAY.fullmatch(text) else today
    except ValueError:
        return today
    return named if 2020 <= named.year <= 2100 else today


def span_of(day: dt.date, words: Words) -> tuple[int, int]:
    """Return a local day as UTC ms, half open."""
    edges = (dt.datetime.combine(day + dt.timedelta(days=extra), dt.time(), words.zone) for extra in (0, 1))
    start, end = (int(edge.timestamp() * 1000) for edge in edges)
    return start, end


def wish_of(query: Mapping[str, str], words: Words, now_ms: int, *, all_days: bool = True) -> LedgerWish:
    """Return what an address or a form asks for."""

    def one(name: str) -> PublicId | None:
        text = query.get(name, "")
        return PublicId(text) if is_public_id(text) else None

    before, group, day = query.get("truoc", ""), query.get("nhom", ""), query.get("ngay", "")
    whole = all_days and day == ALL_DAYS
    span = (None, None) if whole else span_of(day_of(day, words, now_ms), words)
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None
    return LedgerWish(
        group if group in GROUPS else "", one("nguoi"), one("lop"), one("camera"), span[0], span[1], number
    )


@router.get("/nhat-ky")
async def ledger_page(request: Request, caller: Annotated[Caller, Depends(READERS)]) -> Response:
    """Show the school's audit to whoever may read it, else the looks at one's own classes."""
    services = services_of(request)
    box = ObjectRef(ObjectKind.BOX, services.site.box)
    query = dict(request.query_params)
    if not services.rights.decide(caller, Action.AUDIT, box).allowed or query.get("xem") in {"lop", "toi"}:
        return await _class_page(request, caller, "ledger_class.html")
    words, now_ms = words_of(request), services.clock.now_ms()
    wish = wish_of(query, words, now_ms)
    page, chain = await services.ledger.everything(caller, wish), services.ledger.chain()
    return render(
        request,
        words,
        "ledger.html",
        caller=caller,
        page="ledger",
        texts={},
        chain=chain,
        findings=findings_of(chain, words),
        rows=number(chain.rows, words),
        points=number(chain.checkpoints, words),
        wish=wish,
        groups=GROUPS,
        may_erase=services.rights.decide(caller, Action.APPROVE, box).allowed,
        people=services.ledger.people(),
        classes=services.ledger.classes(caller),
        link=_Links("/nhat-ky", query),
        **await _lines(request, page, words, dated=wish.from_ms is None, causes=True),
        **_days(query, words, now_ms),
    )


@router.post("/nhat-ky/kiem-lai")
async def check_again(request: Request, _caller: Annotated[Caller, Depends(EVERYTHING)]) -> Response:
    """Walk the chain now, then show it."""
    await services_of(request).ledger.check()
    return RedirectResponse("/nhat-ky", 303)


@router.post("/nhat-ky/tep")
async def ledger_file(
    request: Request, caller: Annotated[Caller, Depends(EVERYTHING)], query: Annotated[Fields, Depends(FILTERS)]
) -> Response:
    """Return what the page's filters show as a file for a spreadsheet."""
    services, words = services_of(request), words_of(request)
    wish = wish_of(query, words, services.clock.now_ms())
    page = await services.ledger.export(caller, wish)
    name = f"nhat-ky-{words.local(wish.from_ms or services.clock.now_ms()):%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    data = csv_of(page.lines, words, await _cameras(request), cut=page.older is not None)
    return Response(data, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/p/nhat-ky")
async def guardian_ledger(request: Request, caller: Annotated[Caller, Depends(GUARDIAN)]) -> Response:
    """Show a guardian who looked at the class of their child, or their own rows."""
    return await _class_page(request, caller, "guardian_ledger.html")


async def _class_page(request: Request, caller: Caller, template: str) -> Response:
    services, words = services_of(request), words_of(request)
    query, now_ms = dict(request.query_params), services.clock.now_ms()
    classes = services.ledger.classes(caller)
    own = query.get("xem") == "toi" or not classes
    chosen = next((row for row in classes if row.id == query.get("lop", "")), classes[0] if classes else None)
    if "lop" in query and query["lop"] and (chosen is None or chosen.id != query["lop"]):
        raise NotFound("no such class for this person")
    wish = wish_of(query | {"nhom": "", "nguoi": "", "lop": "", "camera": ""}, words, now_ms, all_days=own)
    if own:
        everything = "ngay" not in query or query["ngay"] in NO_DAY
        wish = LedgerWish(before=wish.before) if everything else wish
        page = await services.ledger.own(caller, wish)
    else:
        assert chosen is not None
        page = await services.ledger.class_looks(caller, chosen.id, wish)
    return render(
        request,
        words,
        template,
        caller=caller,
        page="ledger",
        texts={},
        own=own,
        classes=classes,
        chosen=chosen,
        wish=wish,
        link=_Links(request.url.path, query),
        **await _lines(request, page, words, dated=wish.from_ms is None),
        **_days(query, words, now_ms),
    )


async def _lines(
    request: Request, page: LedgerPage, words: Words, *, dated: bool, causes: bool = False
) -> dict[str, Any]:
    cameras = await _cameras(request)
    return {
        "lines": [view_of(line, words, cameras, dated=dated, causes=causes) for line in page.lines],
        "older": page.older,
    }


async def _cameras(request: Request) -> dict[PublicId, str]:
    """Return what cameras are called, as the recorder knows them."""
    board = await request.app.state.board.now()
    return {PublicId(camera): str(facts.get("name") or "") for camera, facts in board.cameras.items()}


def _days(query: Mapping[str, str], words: Words, now_ms: int) -> dict[str, Any]:
    """Return the day that is shown and its neighbours."""
    day, today = day_of(query.get("ngay", ""), words, now_ms), words.local(now_ms).date()
    return {
        "day": day.isoformat(),
        "day_words": words.day(span_of(day, words)[0]),
        "is_today": day == today,
        "all_days": query.get("ngay", "") == ALL_DAYS,
        "before_day": (day - dt.timedelta(days=1)).isoformat(),
        "after_day": (day + dt.timedelta(days=1)).isoformat() if day < today else "",
    }


class _Links:
    """Addresses of this page with one filter changed; turning a filter begins at the first page again."""

    def __init__(self, path: str, query: Mapping[str, str]) -> None:
        known = ("nhom", "nguoi", "lop", "camera", "ngay", "xem")
        self._path, self._query = path, {name: query[name] for name in known if query.get(name)}

    def __call__(self, **changes: object) -> str:
        """Return the address; an empty value takes a filter away."""
        query = {name: text for name, value in {**self._query, **changes}.items() if (text := str(value or ""))}
        return self._path + ("?" + urlencode(query) if query else "")
