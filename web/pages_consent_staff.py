"""Consent at the school: who is missing, paper sheets, cases, texts, the basis of recording, statements.

Owns `/dong-y` and what is below it. Invariants: works without scripts; a teacher reaches her own classes only; what
counts (a countersigned sheet, a settled case, a text, the basis) is the principal's; a form that is refused comes
back with what was wrong and what was typed; no page here shows a picture.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput, NotFound
from gateway.core.model import LEADER_ROLES, STAFF_ROLES, Action, ObjectKind, PublicId, Role
from web.caller import Caller
from web.consent_services import ASKED, PURPOSES, REMEDIES, TALKED, ChildAnswers, PaperLine
from web.forms import ID, Field, Fields, Form
from web.guards import STAFF, Right
from web.problems import words_of
from web.render import render
from web.session import services_of

router = APIRouter()
CLASS = Right(Action.PEOPLE, ObjectKind.CLASS, "class_id", roles=STAFF_ROLES)
LEADER = Right(Action.PEOPLE, ObjectKind.CLASS, "class_id", roles=LEADER_ROLES)
SETTLER = Right(Action.PEOPLE, ObjectKind.CLASS, "class_id", roles=frozenset({Role.PRINCIPAL}))
PRINCIPAL = Right(Action.APPROVE, ObjectKind.BOX, roles=frozenset({Role.PRINCIPAL}))
MOST_CHILDREN = 200
"""Of one class's sheet."""
MOST_TEXT = 8_000
ENTRY = Form(
    Field("ngay", "day", required=True),
    Field("so-scan", required=True),
    *(Field(f"{purpose}-", choices=("co", "khong"), each=ID, many=MOST_CHILDREN) for purpose in PURPOSES),
    Field("ky-", "id", each=ID, many=MOST_CHILDREN),
)
"""A signed sheet: its day and scan, and for each child (by id) the answers and who signed."""
SHEET_ACT = Form(Field("viec", required=True, choices=("ky", "bo")))
SETTLING = Form(
    Field("viec", choices=("dung",)),
    Field("muc", choices=PURPOSES),
    Field("cach", choices=(*REMEDIES, TALKED)),
    Field("thoa-thuan", most=600),
    Field("tu", choices=("dong-y", "lop")),
)
BASIS = Form(Field("co-so", required=True), Field("so-hieu"))
TEXT = Form(
    Field("muc", required=True, choices=PURPOSES),
    Field("rong", required=True, choices=("0", "1")),
    Field("vi", most=MOST_TEXT),
    Field("en", most=MOST_TEXT),
)
TROUBLES = frozenset(
    {
        "scan", "sheet_empty", "sheet_day", "sheets_many", "sheet_signer", "sheet_signed", "sheet_dropped",
        "agreed", "remedy", "settled", "reference", "text", "same_text",
    }
)  # fmt: skip
"""Cases of BadInput that a page tells in its own words."""


@router.get("/dong-y")
async def overview(request: Request, caller: Annotated[Caller, Depends(STAFF)]) -> Response:
    """Show the classes; to the principal also cases, texts and the basis of recording."""
    return await _overview(request, caller)


@router.get("/dong-y/lop/{class_id}")
async def consent_class_page(request: Request, class_id: str, caller: Annotated[Caller, Depends(CLASS)]) -> Response:
    """Show who answered what, who is missing, and the paper sheets."""
    return await _class(request, caller, PublicId(class_id))


@router.get("/dong-y/lop/{class_id}/phieu")
async def blank_sheet(request: Request, class_id: str, caller: Annotated[Caller, Depends(CLASS)]) -> Response:
    """Show a slip for each child of the class, to be printed, cut and signed; `?ai=thieu`: where an answer is missing.

    A slip has its child's place in the whole class, as the form has it into which it is put.
    """
    door, only = services_of(request).consents, request.query_params.get("ai") == "thieu"
    tally, basis = await _tally(request, caller, PublicId(class_id)), await door.basis()
    asked, children = ASKED[basis.basis], await door.children(caller, tally.id)
    return render(
        request,
        words_of(request),
        "consent_sheet.html",
        tally=tally,
        slips=[row for row in enumerate(children, 1) if not only or _missing(row[1], asked)],
        only=only,
        texts=await door.texts(),
        basis=basis,
        asked=asked,
    )


@router.get("/dong-y/lop/{class_id}/tong-hop")
async def overview_sheet(request: Request, class_id: str, caller: Annotated[Caller, Depends(LEADER)]) -> Response:
    """Show who answered what, for the leaders' file: what must not lie on the table at a meeting."""
    door = services_of(request).consents
    tally, basis = await _tally(request, caller, PublicId(class_id)), await door.basis()
    return render(
        request,
        words_of(request),
        "consent_overview.html",
        tally=tally,
        children=await door.children(caller, tally.id),
        purposes=PURPOSES,
        asked=ASKED[basis.basis],
    )


@router.get("/dong-y/lop/{class_id}/nhap")
async def entry_page(request: Request, class_id: str, caller: Annotated[Caller, Depends(CLASS)]) -> Response:
    """Show the form into which a signed sheet is put."""
    return await _entry(request, caller, PublicId(class_id))


@router.post("/dong-y/lop/{class_id}/nhap")
async def enter(
    request: Request,
    class_id: str,
    caller: Annotated[Caller, Depends(CLASS)],
    fields: Annotated[Fields, Depends(ENTRY)],
) -> Response:
    """Put in a signed sheet, whole; NotFound if a child on it is not of this class."""
    door = services_of(request).consents
    children = await door.children(caller, PublicId(class_id))
    named = {child for name in (*(f"{purpose}-" for purpose in PURPOSES), "ky-") for child in fields.each(name)}
    if named - {row.child for row in children}:
        raise NotFound("no such child in this class")
    lines = [line for child in children for line in _lines(fields, child.child)]
    try:
        await door.enter(caller, PublicId(class_id), _day(fields.get("ngay", "")), fields.get("so-scan", ""), lines)
    except BadInput as error:
        unsigned = error.fields.get("children", ())
        return await _entry(request, caller, PublicId(class_id), _trouble(error), fields, unsigned)
    return RedirectResponse(f"/dong-y/lop/{class_id}#giay", 303)


@router.post("/dong-y/lop/{class_id}/giay/{sheet}")
async def sheet_act(
    request: Request,
    class_id: str,
    sheet: str,
    caller: Annotated[Caller, Depends(CLASS)],
    fields: Annotated[Fields, Depends(SHEET_ACT)],
) -> Response:
    """Countersign a sheet (the principal), or take it back; a second time says what became of it."""
    door = services_of(request).consents
    act = {"ky": door.countersign, "bo": door.drop}[fields["viec"]]
    try:
        await act(caller, PublicId(class_id), PublicId(sheet))
    except BadInput as error:
        return await _class(request, caller, PublicId(class_id), _trouble(error))
    return RedirectResponse(f"/dong-y/lop/{class_id}#giay", 303)


@router.post("/dong-y/lop/{class_id}/be/{child}")
async def settle(
    request: Request,
    class_id: str,
    child: str,
    caller: Annotated[Caller, Depends(SETTLER)],
    fields: Annotated[Fields, Depends(SETTLING)],
) -> Response:
    """Settle a case, or close the class until it is settled: the principal's; a second time says what was settled."""
    door, words = services_of(request).consents, fields.get("thoa-thuan", "")
    back = "/dong-y" if fields.get("tu") == "dong-y" else f"/dong-y/lop/{class_id}"
    purpose = "view" if fields.get("viec") == "dung" else fields.get("muc", "")
    try:
        if fields.get("viec") == "dung":
            await door.hold_class(caller, PublicId(child), PublicId(class_id))
        elif purpose not in PURPOSES:
            raise BadInput("there is no such question", key="purpose")
        else:
            await door.settle(caller, PublicId(child), PublicId(class_id), purpose, fields.get("cach", ""), words)
    except BadInput as error:
        case = _trouble(error)
        done = await _done(request, caller, PublicId(child), purpose, words) if case == "settled" else {}
        if back == "/dong-y":
            return await _overview(request, caller, case, **done)
        return await _class(request, caller, PublicId(class_id), case, **done)
    return RedirectResponse(back, 303)


async def _done(request: Request, caller: Caller, child: PublicId, purpose: str, words: str) -> dict[str, Any]:
    """Return what the page shows of a case that is settled already, and the words that were not kept."""
    past = await services_of(request).consents.settled(caller)
    found = next((case for case in past if (case.child, case.purpose) == (child, purpose)), None)
    return {"done": found, "unkept": "" if found is not None and found.agreed == " ".join(words.split()) else words}


@router.get("/dong-y/be/{child}")
async def statement(request: Request, child: str, caller: Annotated[Caller, Depends(PRINCIPAL)]) -> Response:
    """Show a child's whole statement, for the school's file."""
    found = await services_of(request).consents.statement(caller, PublicId(child))
    return render(request, words_of(request), "consent_statement.html", statements=[found], back="/dong-y")


@router.post("/dong-y/co-so")
async def basis(
    request: Request, caller: Annotated[Caller, Depends(PRINCIPAL)], fields: Annotated[Fields, Depends(BASIS)]
) -> Response:
    """State on what recording is based."""
    try:
        await services_of(request).consents.set_basis(caller, fields.get("co-so", ""), fields.get("so-hieu", ""))
    except BadInput as error:
        return await _overview(request, caller, _trouble(error))
    return RedirectResponse("/dong-y#ghi-hinh", 303)


@router.post("/dong-y/van-ban")
async def publish(
    request: Request, caller: Annotated[Caller, Depends(PRINCIPAL)], fields: Annotated[Fields, Depends(TEXT)]
) -> Response:
    """Publish a text of the school's own."""
    purpose = fields["muc"]
    try:
        await services_of(request).consents.publish(
            caller, purpose, fields.get("vi", ""), fields.get("en", ""), widens=fields["rong"] == "1"
        )
    except BadInput as error:
        typed = {purpose: (fields.get("vi", ""), fields.get("en", ""))}
        return await _overview(request, caller, _trouble(error), typed)
    return RedirectResponse("/dong-y#van-ban", 303)


def _missing(child: ChildAnswers, asked: Sequence[str]) -> bool:
    """Say whether a question that is asked has no answer."""
    return any(child.answers[purpose] is None for purpose in asked)


def _lines(fields: Mapping[str, str], child: PublicId) -> list[PaperLine]:
    """Return what was ticked for one child; a question nobody ticked is no answer."""
    signer = fields.get(f"ky-{child}", "")
    said = ((purpose, fields.get(f"{purpose}-{child}", "")) for purpose in PURPOSES)
    return [
        PaperLine(child, purpose, answer == "co", PublicId(signer) if signer else None)
        for purpose, answer in said
        if answer in {"co", "khong"}
    ]


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise BadInput("the sheet's date is no date", case="sheet_day", key="day") from error


def _trouble(error: BadInput) -> str:
    """Return which of the pages' own texts an error has; any other is not for this page to explain."""
    case = str(error.fields.get("case", ""))
    if case not in TROUBLES:
        raise error
    return case


async def _tally(request: Request, caller: Caller, class_id: PublicId) -> Any:
    for tally in await services_of(request).consents.classes(caller):
        if tally.id == class_id:
            return tally
    raise NotFound("there is no such class")


async def _overview(
    request: Request,
    caller: Caller,
    trouble: str = "",
    typed: Mapping[str, tuple[str, str]] | None = None,
    **more: Any,
) -> Response:
    """Show the overview; `typed` is a text that was refused, which must not be lost."""
    door, principal = services_of(request).consents, caller.role is Role.PRINCIPAL
    return render(
        request,
        words_of(request),
        "consent_school.html",
        status=400 if trouble else 200,
        **_shell(caller, trouble),
        classes=await door.classes(caller),
        cases=await door.cases(caller) if principal else [],
        basis=await door.basis(),
        texts_now=await door.texts(),
        settled=await door.settled(caller) if principal else [],
        drafts={**(await door.drafts() if principal else {}), **(typed or {})},
        redo=next(iter(typed or {}), ""),
        **more,
    )


async def _class(request: Request, caller: Caller, class_id: PublicId, trouble: str = "", **more: Any) -> Response:
    door = services_of(request).consents
    children, asked = await door.children(caller, class_id), ASKED[(await door.basis()).basis]
    return render(
        request,
        words_of(request),
        "consent_class.html",
        status=400 if trouble else 200,
        **_shell(caller, trouble),
        tally=await _tally(request, caller, class_id),
        children=children,
        missing=sum(_missing(child, asked) for child in children),
        leader=caller.role in LEADER_ROLES,
        sheets=await door.sheets(caller, class_id),
        asked=asked,
        **more,
    )


async def _entry(
    request: Request,
    caller: Caller,
    class_id: PublicId,
    trouble: str = "",
    typed: Mapping[str, str] | None = None,
    unsigned: Any = (),
) -> Response:
    """Show the form; `unsigned` are the children whose yes lacks a name."""
    words, door = words_of(request), services_of(request).consents
    return render(
        request,
        words,
        "consent_entry.html",
        status=400 if trouble else 200,
        **_shell(caller, trouble),
        tally=await _tally(request, caller, class_id),
        children=await door.children(caller, class_id),
        asked=ASKED[(await door.basis()).basis],
        typed=typed or {},
        unsigned=unsigned,
        today=words.local(services_of(request).clock.now_ms()).date().isoformat(),
    )


def _shell(caller: Caller, trouble: str) -> dict[str, Any]:
    principal = caller.role is Role.PRINCIPAL
    shell: dict[str, Any] = {"caller": caller, "page": "consent", "texts": {}, "trouble": trouble}
    return shell | {"principal": principal, "purposes": PURPOSES, "remedies": REMEDIES, "talked": TALKED}
