"""Lists from a file, and the step into a new school year.

Owns `/nhap`, `/nhap/{draft}` and `/nam-hoc`. Invariants: a file is looked at before anything is written; a draft is
its owner's (another's is not there); they work without scripts; a file never touches a disk here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput, NotFound
from web.caller import Caller
from web.forms import ID, Field, Fields, Form
from web.pages_people import Manager, acts, people_page
from web.session import services_of
from web.upload import FileBody, Upload

router = APIRouter()
FIELDS = (
    "code", "name", "family", "given", "birth", "class", "status", "mother_name", "mother_phone", "father_name",
    "father_phone", "guardian_name", "guardian_phone", "guardian_kind", "contact_phone",
)  # fmt: skip
"""What a column may hold, in the order of the choice."""
_COLUMN = re.compile(r"(\d{1,2})-(\d{1,3})")
MOST = 400
"""Of columns, answers, classes of one form."""
LIST = FileBody("file")
UNDO = Form(Field("act", "id"))
DRAFT = Form(
    acts("columns", "answers", "apply", "drop"),
    Field("column-", each=_COLUMN.pattern, many=MOST),
    Field("answer-", each=r"\d{1,2}:\d{1,5}", many=MOST),
    Field("shown"),
    Field("absent"),
)
YEAR = Form(
    acts("look", "apply"),
    Field("class-", each=ID, many=MOST),
    Field("day", "day"),
    Field("keep", choices=("1",)),
    Field("consents"),
    Field("shown"),
)


@router.get("/nhap")
async def import_page(request: Request, caller: Manager) -> Response:
    """Ask for a file, and show what was imported of late."""
    return await _import(request, caller)


async def _import(request: Request, caller: Caller, error: BadInput | None = None, blockers: Any = ()) -> Response:
    acts = await services_of(request).lists.all_acts(caller)
    done = next((act for act in acts if act["id"] == request.query_params.get("xong")), None)
    return people_page(
        request, caller, "list_import.html", "import", acts=acts, error=error, blockers=blockers, done=done
    )


def _done(act: str) -> Response:
    """Go to the page of imports, which says what that act did and what comes next."""
    return RedirectResponse(f"/nhap?xong={act}", 303)


@router.post("/nhap")
async def import_file(
    request: Request, caller: Manager, upload: Annotated[Upload | BadInput, Depends(LIST)]
) -> Response:
    """Read a file; the page of what it would do follows."""
    if isinstance(upload, BadInput):
        return await _import(request, caller, upload)
    try:
        view = await services_of(request).lists.open(caller, upload.data, upload.name)
    except BadInput as error:
        return await _import(request, caller, error)
    return RedirectResponse(f"/nhap/{view['draft']}", 303)


@router.post("/nhap/hoan-tac")
async def import_undo(request: Request, caller: Manager, fields: Annotated[Fields, Depends(UNDO)]) -> Response:
    """Undo an import or a roll-over, or say what stands in the way."""
    try:
        done = await services_of(request).lists.undo(caller, fields.get("act", ""))
    except NotFound:
        raise
    except BadInput as error:
        return await _import(request, caller, error)
    if done["blockers"]:
        return await _import(request, caller, blockers=done["blockers"])
    return _done(fields.get("act", ""))


@router.get("/nhap/{draft}")
async def draft_page(request: Request, draft: str, caller: Manager) -> Response:
    """Show what a file would do, or what is wrong with it; of one that is no more, what became of it."""
    try:
        view = await services_of(request).lists.look(caller, draft)
    except NotFound:
        return await _gone(request, caller, draft)
    return _draft(request, caller, view)


async def _gone(request: Request, caller: Caller, draft: str) -> Response:
    """Say what became of a draft that is no more; NotFound for one that never was."""
    became = await services_of(request).lists.became(caller, draft)
    page = people_page(request, caller, "list_gone.html", "import", became=became)
    page.status_code = 410
    return page


def _draft(request: Request, caller: Caller, view: Mapping[str, Any], error: BadInput | None = None) -> Response:
    return people_page(request, caller, "list_draft.html", "import", draft=view, fields=FIELDS, error=error)


@router.post("/nhap/{draft}")
async def draft_act(
    request: Request, draft: str, caller: Manager, fields: Annotated[Fields, Depends(DRAFT)]
) -> Response:
    """Correct columns, answer questions, apply or drop."""
    lists, act = services_of(request).lists, fields["act"]
    try:
        if act == "columns":
            sheets: dict[int, dict[int, str]] = {}
            for name, value in fields.each("column-").items():
                if (found := _COLUMN.fullmatch(name)) is not None:
                    sheets.setdefault(int(found[1]), {})[int(found[2])] = value
            for sheet, columns in sheets.items():
                await lists.columns(caller, draft, sheet, columns)
        elif act == "answers":
            answers = fields.each("answer-")
            await lists.answer(caller, draft, {row: value for row, value in answers.items() if value})
        elif act == "apply":
            done = await lists.apply(caller, draft, fields.get("shown", ""), fields.get("absent", ""))
            return _done(str(done["act"]))
        else:
            await lists.drop(caller, draft)
            return RedirectResponse("/nhap", 303)
    except NotFound:
        return await _gone(request, caller, draft)
    except BadInput as error:
        try:
            view = await lists.look(caller, draft)
        except NotFound:  # applied in another tab, a moment ago
            return await _gone(request, caller, draft)
        return _draft(request, caller, view, error)
    return RedirectResponse(f"/nhap/{draft}", 303)


@router.get("/nam-hoc")
async def year_page(request: Request, caller: Manager) -> Response:
    """Propose what becomes of each class."""
    view = await services_of(request).lists.year(caller, None, "", keep_teachers=False)
    return _year(request, caller, view)


def _year(
    request: Request, caller: Caller, view: Mapping[str, Any], fields: Mapping[str, str] | None = None,
    error: BadInput | None = None,
) -> Response:  # fmt: skip
    said = fields or {}
    return people_page(
        request, caller, "list_year.html", "year",
        year=view, looked=fields is not None, day=said.get("day", ""), keep=said.get("keep") == "1", error=error,
    )  # fmt: skip


@router.post("/nam-hoc")
async def year_act(request: Request, caller: Manager, fields: Annotated[Fields, Depends(YEAR)]) -> Response:
    """Show what would happen, or do it as it was shown."""
    lists, targets = services_of(request).lists, fields.each("class-")
    day, keep, said = fields.get("day", ""), fields.get("keep") == "1", fields.get("consents", "")
    try:
        if fields.get("act") == "apply":
            shown = fields.get("shown", "")
            done = await lists.turn_year(caller, targets, shown, day, keep_teachers=keep, consents=said)
            return _done(str(done["act"]))
        return _year(request, caller, await lists.year(caller, targets, day, keep_teachers=keep, consents=said), fields)
    except NotFound:
        raise
    except BadInput as error:
        if error.fields.get("case") == "rollover_consents":  # all else was right: it stands there with its question
            view = await lists.year(caller, targets, day, keep_teachers=keep)
            return _year(request, caller, view, fields, error)
        view = await lists.year(caller, None, "", keep_teachers=False)
        steps = [{**step, "target": targets.get(step["class"], step["target"])} for step in view["steps"]]
        return _year(request, caller, {**view, "steps": steps}, fields, error)  # what was typed still stands there
