"""A guest's and a teacher's rights built so that they hold, then one leg broken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.access.facts import (
    EVERY_DAY,
    Block,
    BlockKind,
    ClassCamera,
    Consent,
    Enrolment,
    Facts,
    Observation,
    Person,
    Privacy,
    Purpose,
    Teaching,
)
from gateway.access.policy import decide
from gateway.core.model import Action, Decision, PublicId, Role
from tests.fakes.school import CAM, CAM2, CHILD, CHILD2, CHOI, DAY, MAM, MATE, NOW, OBSERVER, TEACHER, camera, facts

RULES = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
Break: TypeAlias = Callable[[Facts], Facts]

past = st.integers(0, 5 * DAY).map(lambda n: NOW - n)
future = st.none() | st.integers(1, 5 * DAY).map(lambda n: NOW + n)


@st.composite
def good(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Facts:
    """A school in which a guest and the teacher see the class now, with noise that must not matter."""

    def over() -> dict[str, Any]:
        return {"since_ms": draw(past), "until_ms": draw(future)}

    return facts(
        class_cameras=(ClassCamera(camera=CAM, class_id=MAM, **over()), ClassCamera(camera=CAM2, class_id=CHOI)),
        teachings=(Teaching(person=TEACHER, class_id=MAM, **over()),),
        observations=(
            Observation(person=OBSERVER, class_id=MAM, assented=True, **over()),
            *draw(st.sets(st.sampled_from((Observation(person=OBSERVER, class_id=CHOI), _over(MAM), _over(CHOI))))),
        ),
        enrolments=tuple(Enrolment(child=child, class_id=MAM, **over()) for child in (CHILD, MATE)),
        consents=tuple(Consent(child=child, purpose=Purpose.OBSERVE, **over()) for child in (CHILD, MATE)),
        windows=(),  # hours are for families
    )


def _over(class_id: PublicId) -> Observation:
    return Observation(person=OBSERVER, class_id=class_id, assented=True, until_ms=NOW)


def every(field: str, **change: Any) -> Break:
    """Change all rows of one kind."""

    def run(f: Facts) -> Facts:
        rows: Any = tuple(dataclasses.replace(row, **change) for row in getattr(f, field))
        fields: dict[str, Any] = {field: rows}
        return dataclasses.replace(f, **fields)

    return run


def put(**change: Any) -> Break:
    return lambda f: dataclasses.replace(f, **change)


FOR_BOTH: dict[str, Break] = {
    "person disabled": put(persons=(Person(OBSERVER, Role.OBSERVER, True), Person(TEACHER, Role.TEACHER, True))),
    "no person": put(persons=()),
    "camera private": put(privacies=(Privacy(camera=CAM, since_ms=NOW, until_ms=NOW + 1),)),
    "camera removed": put(cameras=frozenset({CAM2})),
    "camera of another class": every("class_cameras", class_id=CHOI),
    "camera of no class": every("class_cameras", until_ms=NOW),
}
FOR_A_GUEST: dict[str, Break] = {
    **FOR_BOTH,
    "no session": put(observations=()),
    "session over": every("observations", until_ms=NOW),
    "session not yet": every("observations", since_ms=NOW + 1),
    "the teacher has not agreed": every("observations", assented=False),
    "session of another class": every("observations", class_id=CHOI),
    "session of another guest": every("observations", person=TEACHER),
    "nobody asked the families": put(consents=()),
    "one family's consent ended": every("consents", until_ms=NOW),
    "consent to something else": every("consents", purpose=Purpose.VIEW),
    "one of the family said no": lambda f: dataclasses.replace(
        f, consents=(*f.consents, Consent(child=MATE, purpose=Purpose.OBSERVE, given=False))
    ),
    "a new child without answer": lambda f: dataclasses.replace(
        f, enrolments=(*f.enrolments, Enrolment(child=CHILD2, class_id=MAM, since_ms=NOW))
    ),
    "nap": put(blocks=(Block(MAM, EVERY_DAY, 0, 1440, BlockKind.NAP, guardian_visible=True),)),
    "changing": put(blocks=(Block(MAM, EVERY_DAY, 0, 1440, BlockKind.CHANGING, guardian_visible=True),)),
    "stopped": put(sharing_stopped=True),
    "not accepted": put(accepted=False),
    "clock": put(clock_trusted=False),
    "a second class shares the camera": lambda f: dataclasses.replace(
        f,
        class_cameras=(*f.class_cameras, ClassCamera(camera=CAM, class_id=CHOI)),
        observations=tuple(row for row in f.observations if row.class_id == MAM),
    ),
}
FOR_A_TEACHER: dict[str, Break] = {
    **FOR_BOTH,
    "teaches no more": every("teachings", until_ms=NOW),
    "teaches later": every("teachings", since_ms=NOW + 1),
    "teaches another class": every("teachings", class_id=CHOI),
    "another person teaches": every("teachings", person=OBSERVER),
}


def looks(f: Facts, who: PublicId, at_ms: int = NOW) -> Decision:
    return decide(f, who, Action.LIVE, camera(), at_ms)


@RULES
@given(good(), st.sampled_from(sorted(FOR_A_GUEST)))
def test_one_broken_leg_refuses_a_guest(f: Facts, leg: str) -> None:
    """What is allowed by construction is refused as soon as any single leg is missing."""
    assert looks(f, OBSERVER).allowed
    assert not looks(FOR_A_GUEST[leg](f), OBSERVER).allowed, leg


@RULES
@given(good(), st.sampled_from(sorted(FOR_A_TEACHER)))
def test_one_broken_leg_refuses_a_teacher(f: Facts, leg: str) -> None:
    """The same for the class's teacher, who needs fewer legs."""
    assert looks(f, TEACHER).allowed
    assert not looks(FOR_A_TEACHER[leg](f), TEACHER).allowed, leg


@RULES
@given(good(), st.sampled_from((OBSERVER, TEACHER)))
def test_the_answer_ends_with_the_first_leg(f: Facts, who: PublicId) -> None:
    """One millisecond before `until_ms` the answer is yes, at it no; no leg ended earlier."""
    answer = looks(f, who)
    if answer.until_ms is None:
        assert who == TEACHER
        return
    assert looks(f, who, answer.until_ms - 1).allowed
    if answer.until_ms < NOW + 5 * DAY:
        rows = (*f.class_cameras[:1], *(f.teachings if who == TEACHER else ()))
        assert all(row.until_ms is None or row.until_ms >= answer.until_ms for row in rows)
        assert not looks(f, who, answer.until_ms).allowed
