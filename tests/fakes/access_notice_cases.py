"""Guardians wait for the notice to the staff, and what an hour of the day cannot change waits for the end of a span."""

from __future__ import annotations

from typing import Any

from gateway.access.facts import ClassRules, Enrolment, Pause, Person, StaffNotice, Teaching
from gateway.access.noticerules import NOTICE_VERSION
from gateway.core.model import Role
from tests.fakes.access_case import AFTERNOON, TEN, Case, at
from tests.fakes.school import CHILD, CHOI, HOUR, MAM, MINUTE, NOW, TEACHER, facts, local, pid

OK = (True, "role.guardian", TEN, None)
HOA = pid("hoa")
SOON, NOON = NOW + 10 * MINUTE, local(19, 12)
WAITS = (False, "class.staff_notice", None, None)


def signed(since_ms: int = 0, version: str = NOTICE_VERSION) -> dict[str, Any]:
    """The teacher of the class has signed since then."""
    return {"staff_notices": (StaffNotice(person=TEACHER, version=version, since_ms=since_ms),)}


def beside(class_id: Any = MAM, *, role: Role = Role.TEACHER, disabled: bool = False, **span: Any) -> dict[str, Any]:
    """A second person, who has signed nothing, teaches too."""
    return {
        "persons": (*facts().persons, Person(HOA, role, disabled)),
        "teachings": (*facts().teachings, Teaching(person=HOA, class_id=class_id, **span)),
    }


def notice_cases() -> list[Case]:
    """The notice's own lines."""
    return [
        at("nobody signed", WAITS, staff_notices=()),
        at("another text was signed", WAITS, **signed(version="0")),
        at("signed at this instant", OK, **signed(NOW)),
        at("signed in ten minutes", (False, "class.staff_notice", SOON, SOON), **signed(SOON)),
        at("signed at noon, when they sleep", (False, "class.staff_notice", NOON, AFTERNOON), **signed(NOON)),
        at("the notice is told before the nap", WAITS, NOON, staff_notices=()),
        at("one of two signed", WAITS, **beside()),
        at("a second one begins", (True, "role.guardian", SOON, None), **beside(since_ms=SOON)),
        at("a second one has gone", OK, **beside(until_ms=NOW)),
        at("a second one goes", (False, "class.staff_notice", SOON, SOON), **beside(until_ms=SOON)),
        at("a second one does not work here any more", OK, **beside(disabled=True)),
        at("a vice-principal who teaches holds nothing up", OK, **beside(role=Role.VICE_PRINCIPAL)),
        at("a teacher of another class", OK, **beside(CHOI)),
        at("nobody teaches the class", OK, teachings=(), staff_notices=()),
        *_standing_cases(),
    ]


def _standing_cases() -> list[Case]:
    new = (Enrolment(child=CHILD, class_id=MAM, since_ms=NOW - HOUR), *facts().enrolments[1:])
    weeks: dict[str, Any] = {"enrolments": new, "rules": (ClassRules(MAM, adaptation_days=1),)}
    return [
        at("a pause into the nap", (False, "class.paused", NOON, AFTERNOON), pauses=(Pause(class_id=MAM, until_ms=NOON),)),
        at("a pause without an end", (False, "class.paused", None, None), pauses=(Pause(class_id=MAM),)),
        at(
            "a pause without an end, and the first day ends",
            (False, "class.paused", local(20, 0), None),
            pauses=(Pause(class_id=MAM),),
            **weeks,
        ),
        at(
            "two pauses with an hour between them",
            (False, "class.paused", local(19, 11), local(19, 11)),
            pauses=(Pause(class_id=MAM, until_ms=local(19, 11)), Pause(class_id=MAM, since_ms=NOON)),
        ),
    ]  # fmt: skip
