"""The notice to staff: guardians wait until every teacher of the class has signed, here or on paper."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.audit import CONSOLE, Actor
from gateway.access.facts import Person, StaffNotice, Teaching
from gateway.access.noticerules import NOTICE_VERSION, unsigned
from gateway.access.policy import decide
from gateway.access.reasons import Reason
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import Action, Role
from tests.fakes.access_world import add_teacher, school, str_of
from tests.fakes.school import CAM, DAY, MAM, MOTHER, NOW, PRINCIPAL, TEACHER, camera, facts, pid

pytestmark = pytest.mark.anyio
HOA = pid("hoa")
STAFF = (*facts().persons, Person(HOA, Role.TEACHER))


@given(
    st.integers(-3, 3), st.one_of(st.none(), st.integers(-3, 3)), st.one_of(st.none(), st.integers(-3, 3)),
    st.booleans(), st.sampled_from([NOTICE_VERSION, "0"]),
)  # fmt: skip
def test_a_class_waits_for_each_of_its_teachers(
    since: int, until: int | None, signed: int | None, disabled: bool, version: str
) -> None:
    """With all else open, it is hidden exactly while somebody teaches it, works here, and has not signed this text."""
    teaching = Teaching(
        person=HOA, class_id=MAM, since_ms=NOW + since * DAY, until_ms=None if until is None else NOW + until * DAY
    )
    notices: tuple[StaffNotice, ...] = (StaffNotice(person=TEACHER, version=NOTICE_VERSION),)
    if signed is not None:
        notices += (StaffNotice(person=HOA, version=version, since_ms=NOW + signed * DAY),)
    persons = tuple(Person(HOA, Role.TEACHER, disabled) if row.id == HOA else row for row in STAFF)
    world = facts(persons=persons, teachings=(*facts().teachings, teaching), staff_notices=notices)
    has = signed is not None and version == NOTICE_VERSION and signed <= 0
    waits = teaching.holds(NOW) and not disabled and not has
    decision = decide(world, MOTHER, Action.LIVE, camera(CAM), NOW)
    assert (decision.reason == Reason.STAFF_NOTICE) is waits
    assert decision.allowed is not waits
    assert unsigned(world, MAM, NOW) == (Reason.STAFF_NOTICE if waits else None)
    assert decide(world, PRINCIPAL, Action.LIVE, camera(CAM), NOW).allowed


def test_the_answer_ends_when_a_new_teacher_begins() -> None:
    """`until` is the instant at which somebody who has not signed begins to teach."""
    later = Teaching(person=HOA, class_id=MAM, since_ms=NOW + 60_000)
    decision = decide(
        facts(persons=STAFF, teachings=(*facts().teachings, later)), MOTHER, Action.LIVE, camera(CAM), NOW
    )
    assert (decision.allowed, decision.until_ms) == (True, NOW + 60_000)


async def test_signing_opens_and_a_new_teacher_closes(tmp_path: Path) -> None:
    """By the own login; a second signature changes no row; nobody else's word counts."""
    async with school(tmp_path) as w:

        def look() -> str:
            return decide(w.access.store.current, w.mother, Action.LIVE, camera(w.camera), w.clock.now_ms()).reason

        teacher = Actor(await w.access.people.add(CONSOLE, Role.TEACHER, "Cô Mai"), "t")
        await w.access.people.teach(CONSOLE, str_of(teacher), w.class_id)
        assert look() == "class.staff_notice"
        with pytest.raises(BadInput):
            await w.access.notices.sign(w.actor)
        with pytest.raises(BadInput):
            await w.access.notices.sign(CONSOLE)
        await w.access.notices.sign(teacher)
        await w.access.notices.sign(teacher)
        assert look() == "role.guardian"
        (row,) = await w.access.notices.rows()
        assert (row.person, row.on_date, row.scan) == (teacher.person, None, "")


async def test_a_running_stream_ends_when_the_class_gets_a_teacher_who_has_not_signed(tmp_path: Path) -> None:
    """The leg holds for the whole life of a stream, as every other."""
    async with school(tmp_path) as w:
        grant = await w.look()
        teacher = await w.access.people.add(w.actor, Role.TEACHER, "Cô Mai")
        await w.access.people.teach(w.actor, teacher, w.class_id)
        await w.until(lambda: w.media.why(grant) is not None)
        assert w.media.why(grant) == "class.staff_notice"


async def test_paper_has_a_day_and_the_number_of_a_scan_which_is_sealed(tmp_path: Path) -> None:
    """The principal enters it; a day to come, a guardian or nobody is refused; the number is not in the clear."""
    async with school(tmp_path) as w:
        teacher = await w.access.people.add(CONSOLE, Role.TEACHER, "Cô Mai")
        day, notices = dt.date(2026, 11, 2), w.access.notices
        with pytest.raises(BadInput) as late:
            await notices.sign_on_paper(w.actor, teacher, dt.date(2026, 11, 20), "77/2026")
        assert late.value.fields["key"] == "date"
        with pytest.raises(BadInput):
            await notices.sign_on_paper(w.actor, w.mother, day, "77/2026")
        with pytest.raises(BadInput):
            await notices.sign_on_paper(w.actor, teacher, day, " ")
        with pytest.raises(NotFound):
            await notices.sign_on_paper(w.actor, HOA, day, "77/2026")
        await notices.sign_on_paper(w.actor, teacher, day, "77/2026")
        (row,) = await notices.rows()
        assert (row.person, row.on_date, row.scan) == (teacher, day, "77/2026")
        assert "77/2026" not in "\n".join(w.db.read_sync(lambda conn: list(conn.iterdump())))


async def test_a_teacher_of_the_suite_has_signed(tmp_path: Path) -> None:
    """The helper that other tests use leaves the class open."""
    async with school(tmp_path) as w:
        await add_teacher(w.access, w.class_id)
        assert decide(w.access.store.current, w.mother, Action.LIVE, camera(w.camera), w.clock.now_ms()).allowed
