"""Consent on the guardian's phone: the question, the answer, the withdrawal, the statement.

Owns `/p/dong-y`, `/p/dong-y/rut` and `/p/dong-y/phieu`. Invariants: works without scripts; one question a page, nothing
ticked beforehand, one act answers one question; a withdrawal is two taps from the account page and asks for no
reason; nothing here tells of another guardian's answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput, NotFound
from gateway.core.model import PublicId
from web.caller import Caller
from web.consent_services import PURPOSES, Question
from web.forms import Field, Fields, Form
from web.guards import GUARDIAN
from web.problems import words_of
from web.render import render
from web.session import services_of

router = APIRouter()
ACCOUNT = "/p/tai-khoan"
ANSWER = Form(
    Field("be", "id"),
    Field("muc", required=True, choices=PURPOSES),
    Field("tra-loi", required=True, choices=("co", "khong")),
    Field("giam-ho", choices=("1",)),
    Field("van-ban"),
)
"""An answer: for which child, to which question, yes or no, the box that says who answers, the text's hash."""
WITHDRAWAL = Form(Field("be", "id"), Field("muc", required=True, choices=PURPOSES))


@router.get("/p/dong-y")
async def question_page(request: Request, caller: Annotated[Caller, Depends(GUARDIAN)]) -> Response:
    """Put the next open question, or the one asked for; without one, go to the class."""
    return await _ask(request, caller, request.query_params.get("be", ""), request.query_params.get("muc", ""))


@router.post("/p/dong-y")
async def answer(
    request: Request, caller: Annotated[Caller, Depends(GUARDIAN)], fields: Annotated[Fields, Depends(ANSWER)]
) -> Response:
    """Take one answer and put the next question."""
    child, purpose = fields.get("be", ""), fields["muc"]
    if fields.get("giam-ho") != "1":
        return await _ask(request, caller, child, purpose, trouble="unticked")
    door = services_of(request).consents
    try:
        await door.answer(
            caller, PublicId(child), purpose, given=fields["tra-loi"] == "co", sha256=fields.get("van-ban", "")
        )
    except BadInput as error:
        if error.fields.get("case") != "text_changed":
            raise
        return await _ask(request, caller, child, purpose, trouble="changed")
    return RedirectResponse("/p/dong-y", 303)


@router.post("/p/dong-y/rut")
async def withdraw(
    request: Request, caller: Annotated[Caller, Depends(GUARDIAN)], fields: Annotated[Fields, Depends(WITHDRAWAL)]
) -> Response:
    """Withdraw consent at once."""
    await services_of(request).consents.withdraw(caller, PublicId(fields.get("be", "")), fields["muc"])
    return RedirectResponse(f"{ACCOUNT}#dong-y", 303)


@router.get("/p/dong-y/phieu")
async def own_statement(request: Request, caller: Annotated[Caller, Depends(GUARDIAN)]) -> Response:
    """Show what this guardian was asked and answered, to be kept or printed."""
    statements = await services_of(request).consents.statements(caller)
    return render(request, words_of(request), "consent_statement.html", statements=statements, back=ACCOUNT)


async def _ask(request: Request, caller: Caller, child: str, purpose: str, trouble: str = "") -> Response:
    door, words = services_of(request).consents, words_of(request)
    questions = await door.questions(caller)
    due = [item for item in questions if item.due]
    question = chosen(questions, child, purpose) if child else next(iter(due), None)
    if question is None:
        if child:
            raise NotFound("there is no such question")
        return RedirectResponse("/p/", 303)
    await door.put(caller, question)
    return render(
        request,
        words,
        "consent_ask.html",
        status=400 if trouble else 200,
        question=question,
        left=len(due),
        trouble=trouble,
        several=len({item.child for item in questions}) > 1,
    )


def chosen(questions: Sequence[Question], child: str, purpose: str) -> Question | None:
    """Return one question."""
    return next((item for item in questions if item.child == child and item.purpose == purpose), None)


async def open_questions(request: Request, caller: Caller) -> list[Question]:
    """Return the questions about viewing a guardian has never answered: the class page asks these first."""
    questions = await services_of(request).consents.questions(caller)
    return [item for item in questions if item.purpose == "view" and item.due and item.given is None]
