"""Setting up and running a school: classes, cameras, families, switches."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import audit
from gateway.access.audit import CONSOLE, Actor
from gateway.access.classes import Hours, PlanItem, at, usual_plan
from gateway.access.daterange import checked_date, markable
from gateway.access.facts import EVERY_DAY, BlockKind, Purpose
from gateway.access.policy import decide
from gateway.core.daemonize import explain
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Action, GuardianKind, ObjectKind, ObjectRef, PublicId, Role, new_public_id
from tests.fakes.access_world import KEY, World, add_class, add_family, add_teacher, school
from tests.fakes.school import NOW, pid

pytestmark = pytest.mark.anyio


def may_look(w: World, person: PublicId, camera: PublicId | None = None) -> str:
    obj = ObjectRef(ObjectKind.CAMERA, camera or w.camera)
    return str(decide(w.access.store.current, person, Action.LIVE, obj, w.clock.now_ms()).reason)


async def teacher_of(w: World) -> Actor:
    return await add_teacher(w.access, w.class_id)


async def test_a_school_is_set_up_closed_until_accepted(tmp_path: Path) -> None:
    """Everything may be entered, but guardians stay off until the box is accepted and every family answered."""
    async with school(tmp_path) as w:
        assert may_look(w, w.mother) == "role.guardian"
        late = await add_family(w.access, w.actor, w.class_id, "Bé Chi", "Mẹ Chi", consent=False)
        assert w.access.children.unanswered(w.class_id) == (late.child,)
        assert (may_look(w, w.mother), may_look(w, late.guardian)) == ("class.not_open", "consent.missing")
        await w.access.children.resolve(w.actor, late.child, w.class_id)
        assert (may_look(w, w.mother), may_look(w, late.guardian)) == ("role.guardian", "consent.missing")
        assert w.access.children.unanswered(w.class_id) == ()
        await w.access.children.unresolve(w.actor, late.child, w.class_id)
        assert may_look(w, w.mother) == "class.not_open"


async def test_a_withdrawal_is_undone_by_a_new_consent(tmp_path: Path) -> None:
    """A family may withdraw and come back by itself; for one purpose without the others."""
    async with school(tmp_path) as w:
        mother = Actor(w.mother, w.phone)
        await w.access.children.consent(mother, w.child, Purpose.RECORD)
        await w.access.children.withdraw(mother, w.child)
        assert may_look(w, w.mother) == "consent.missing"
        (row,) = await w.access.children.rows(guardian=w.mother)
        assert (row.name, row.class_id, row.consents) == ("Bé An", w.class_id, frozenset({Purpose.RECORD}))
        await w.access.children.consent(mother, w.child, text_version="2")
        assert may_look(w, w.mother) == "role.guardian"


async def test_lists_show_what_is_so_now(tmp_path: Path) -> None:
    """Lists of people, classes and children carry names, cameras and consents."""
    async with school(tmp_path) as w:
        assert {row.name: row.role for row in await w.access.people.rows()}["Mẹ An"] is Role.GUARDIAN
        (row,) = await w.access.classes.rows()
        assert (row.name, row.cameras) == ("Mầm 1", (w.camera,))
        assert {item.name for item in await w.access.children.rows()} == {"Bé An", "Bé Bình"}
        assert w.access.classes.windows(w.class_id) == (Hours(at("07:30"), at("16:30")),)


async def test_cameras_follow_the_recorder(tmp_path: Path) -> None:
    """A camera must be adopted to be assigned; one that is removed leaves its class; syncing twice is nothing."""
    async with school(tmp_path) as w:
        new = new_public_id()
        with pytest.raises(NotFound):
            await w.access.classes.assign(w.actor, new, w.class_id)
        await w.access.classes.sync_cameras(CONSOLE, [w.camera, new])
        version = w.access.store.current.version
        await w.access.classes.sync_cameras(CONSOLE, [new, w.camera])
        assert w.access.store.current.version == version
        await w.access.classes.assign(w.actor, new, w.class_id)
        assert may_look(w, w.mother, new) == "role.guardian"
        await w.access.classes.sync_cameras(CONSOLE, [new])
        assert may_look(w, w.mother) == "not_found"
        assert (await w.access.classes.rows())[0].cameras == (new,)


async def test_a_camera_moves_or_is_shared(tmp_path: Path) -> None:
    """Assigning moves a camera; a shared one shows both classes, and each can close it."""
    async with school(tmp_path) as w:
        other = await add_class(w.access, w.actor, "Chồi 1", [])
        await w.access.classes.assign(w.actor, w.camera, other, shared=True)
        assert may_look(w, w.mother) == "role.guardian"
        await w.access.sharing.pause(w.actor, other)
        assert may_look(w, w.mother) == "class.paused"
        await w.access.classes.assign(w.actor, w.camera, None)
        assert may_look(w, w.mother) == "not_found"


async def test_hours_and_plans_are_sane(tmp_path: Path) -> None:
    """Backward hours, impossible times and visible naps cannot be entered."""
    for start, end in ((600, 600), (700, 600), (-1, 5), (0, 1441)):
        with pytest.raises(BadInput):
            Hours(start, end)
    with pytest.raises(BadInput):
        Hours(0, 60, frozenset())
    with pytest.raises(BadInput):
        Hours(0, 60, frozenset({7}))
    for text in ("7", "7h30", "12:60", "25:00", "-1:00", ""):
        with pytest.raises(BadInput):
            at(text)
    assert (at("07:30"), at("24:00")) == (450, 1440)
    for kind in (BlockKind.NAP, BlockKind.TOILET, BlockKind.CHANGING):
        with pytest.raises(BadInput):
            PlanItem(Hours(0, 60), kind)
    plan = usual_plan()
    assert all(before.hours.end_min == after.hours.start_min for before, after in itertools.pairwise(plan))


async def test_a_plan_for_trials_never_closes(tmp_path: Path) -> None:
    """With windows and plan of the whole week, a class is open at three in the morning of a Sunday."""
    async with school(tmp_path) as w:
        camera = new_public_id()
        await w.access.classes.sync_cameras(CONSOLE, [w.camera, camera])
        plan = [PlanItem(Hours(0, 1440, EVERY_DAY), BlockKind.OTHER)]
        demo = await add_class(w.access, CONSOLE, "Lớp mẫu", [camera], plan)
        family = await add_family(w.access, CONSOLE, demo, "Bé", "Mẹ")
        w.clock.step_wall(3 * 86_400_000 - 6 * 3_600_000)
        assert may_look(w, family.guardian, camera) == "role.guardian"


async def test_only_days_of_a_schools_calendar_are_marked(tmp_path: Path) -> None:
    """From this week's Monday to two years on, by the school's own date; what is refused names day, first and last."""
    async with school(tmp_path) as w:
        for far in (dt.date(1900, 1, 1), dt.date(2026, 11, 15), dt.date(2028, 11, 19), dt.date(2100, 6, 1)):
            with pytest.raises(BadInput) as refused:
                await w.access.classes.set_day(w.actor, far, is_open=False)
            assert f"{far:%d/%m/%Y}" in explain(refused.value, "vi")
            assert "16/11/2026 đến 18/11/2028" in explain(refused.value, "vi")
        for near in (dt.date(2026, 11, 16), dt.date(2028, 11, 18)):
            await w.access.classes.set_day(w.actor, near, is_open=False)
        assert [row["date"] for row in w.rows("SELECT date FROM calendar_day ORDER BY date")] == [
            "2026-11-16", "2028-11-18",
        ]  # fmt: skip


@given(st.dates(max_value=dt.date(9990, 1, 1)), st.dates())
def test_a_day_is_marked_exactly_if_it_is_in_the_range(today: dt.date, date: dt.date) -> None:
    """Today always can be; the first is a Monday."""
    span = markable(today)
    assert checked_date(today, today) == today
    assert span.first.weekday() == 0
    if span.first <= date <= span.last:
        assert checked_date(date, today) == date
    else:
        with pytest.raises(BadInput):
            checked_date(date, today)


async def test_the_calendar_closes_days(tmp_path: Path) -> None:
    """A holiday closes the class, taking it back opens it."""
    async with school(tmp_path) as w:
        today = dt.date(2026, 11, 19)
        await w.access.classes.set_day(w.actor, today, is_open=False, label="Hội giảng")
        assert may_look(w, w.mother) == "calendar.closed"
        await w.access.classes.set_day(w.actor, today, is_open=True)
        assert may_look(w, w.mother) == "role.guardian"


async def test_a_teacher_hides_her_class(tmp_path: Path) -> None:
    """One tap hides the class for fifteen minutes; she shows it again, and says why afterwards."""
    async with school(tmp_path) as w:
        teacher = await teacher_of(w)
        pause = await w.access.sharing.pause(teacher, w.class_id)
        assert may_look(w, w.mother) == "class.paused"
        decision = decide(
            w.access.store.current, w.mother, Action.LIVE, ObjectRef(ObjectKind.CLASS, w.class_id), w.clock.now_ms()
        )
        assert decision.next_ms == NOW + 15 * 60_000
        await w.access.sharing.explain_pause(teacher, w.class_id, pause, "thay quần áo")
        with pytest.raises(NotFound):
            await w.access.sharing.explain_pause(Actor(w.mother, w.phone), w.class_id, pause, "xin chào")
        await w.access.sharing.resume(teacher, w.class_id)
        assert may_look(w, w.mother) == "role.guardian"


async def test_a_sixth_pause_needs_the_principal(tmp_path: Path) -> None:
    """Five pauses a day are the teacher's, her last one she may still end; the principal's come on top."""
    async with school(tmp_path) as w:
        teacher = await teacher_of(w)
        for _ in range(5):
            await w.access.sharing.pause(teacher, w.class_id)
            w.clock.tick(60)
        with pytest.raises(Denied) as refused:
            await w.access.sharing.pause(teacher, w.class_id)
        assert refused.value.fields["reason"] == "pause.too_many"
        await w.access.sharing.resume(teacher, w.class_id)
        assert may_look(w, w.mother) == "role.guardian"
        await w.access.sharing.pause(w.actor, w.class_id, minutes=None)
        await w.access.sharing.resume(teacher, w.class_id)
        assert may_look(w, w.mother) == "class.paused"
        await w.access.sharing.resume(w.actor, w.class_id)
        assert may_look(w, w.mother) == "role.guardian"


async def test_switches_and_their_ends(tmp_path: Path) -> None:
    """Stopping, hiding and revoking act at once; opening again brings back what was there."""
    async with school(tmp_path) as w:
        await w.access.sharing.stop_all(w.actor)
        assert may_look(w, w.mother) == "sharing.stopped"
        assert w.events[-1].type == "sharing.stopped.v1"
        await w.access.sharing.stop_all(w.actor, stopped=False)
        await w.access.sharing.hide_camera(w.actor, w.camera, minutes=5)
        assert (may_look(w, w.mother), may_look(w, w.principal)) == ("camera.private", "camera.private")
        await w.access.sharing.show_camera(w.actor, w.camera)
        assert may_look(w, w.mother) == "role.guardian"
        await w.access.people.disable(w.actor, w.mother)
        await w.access.people.disable(w.actor, w.mother, disabled=False)
        await w.access.children.revoke_guardian(w.actor, w.mother, w.child)
        assert may_look(w, w.mother) == "not_found"
        await w.access.children.add_guardian(w.actor, w.mother, w.child, kind=GuardianKind.GRANDMOTHER)
        assert may_look(w, w.mother) == "role.guardian"


async def test_unknown_ids_are_not_found(tmp_path: Path) -> None:
    """Changes that name nothing change nothing."""
    async with school(tmp_path) as w:
        a, me, no = w.access, w.actor, pid("nothere")
        version = a.store.current.version
        for act in (
            a.children.enrol(me, no, w.class_id),
            a.children.enrol(me, w.child, no),
            a.children.leave(me, no),
            a.children.consent(me, no),
            a.children.resolve(me, no, w.class_id),
            a.children.add(me, "Bé", no),
            a.children.add_guardian(me, no, w.child),
            a.people.disable(me, no),
            a.people.teach(me, no, w.class_id),
            a.classes.assign(me, w.camera, no),
            a.classes.set_windows(me, no, []),
            a.classes.set_plan(me, no, []),
            a.sharing.pause(me, no),
            a.sharing.hide_camera(me, no),
            a.exports.request(me, no, 0, 1, "x"),
            a.exports.approve(me, no),
        ):
            with pytest.raises(NotFound):
                await act
        assert a.store.current.version == version


async def test_roles_fit_their_ties(tmp_path: Path) -> None:
    """Only guardians stand for children, only teachers teach, only people order exports."""
    async with school(tmp_path) as w:
        with pytest.raises(BadInput):
            await w.access.children.add_guardian(w.actor, w.principal, w.child)
        with pytest.raises(BadInput):
            await w.access.people.teach(w.actor, w.mother, w.class_id)
        with pytest.raises(BadInput):
            await w.access.exports.request(CONSOLE, w.camera, 0, 1, "x")
        with pytest.raises(BadInput):
            await w.access.exports.approve(CONSOLE, pid("x"))


async def test_two_of_one_name_stop_each_other_only_while_both_are_there(tmp_path: Path) -> None:
    """Added a second time by a double tap: refused. After the first has left, another of that name may come."""
    async with school(tmp_path) as w:
        people = w.access.people
        first = await people.add(w.actor, Role.TEACHER, "Cô Hoa", alone=True)
        with pytest.raises(BadInput) as caught:
            await people.add(w.actor, Role.TEACHER, "CÔ  HOA", alone=True)
        assert caught.value.fields["case"] == "person_there"
        await people.disable(w.actor, first)
        second = await people.add(w.actor, Role.TEACHER, "Cô Hoa", alone=True)
        persons = w.access.store.current.index.persons
        assert (persons[first].disabled, persons[second].disabled) == (True, False)


async def test_the_whole_chain_of_a_school_verifies(tmp_path: Path) -> None:
    """Everything above is in one unbroken, signed audit."""
    async with school(tmp_path) as w:
        await w.look()
        await w.access.sharing.stop_all(w.actor)
        await w.db.write(lambda conn: audit.checkpoint(conn, KEY, w.clock.now_ms()))
        verdict = await w.db.read(lambda conn: audit.verify(conn, KEY.public_key()))
        assert (verdict.problem, verdict.checkpoints) == (None, 1)
        assert verdict.entries > 20
