"""Who may change what: every change against every role, with what a refusal leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.access.audit import Actor
from gateway.access.people import MANAGE
from gateway.access.reasons import Reason
from gateway.access.rules_staff import IN_CARE
from gateway.core.errors import BadInput, CodeRefused, Denied, NotFound
from gateway.core.model import Role
from tests.fakes.access_mutations import MUTATIONS, THE_TEACHERS, Mutation, Staff, dump, hire
from tests.fakes.access_world import World, school

pytestmark = pytest.mark.anyio

THE_PRINCIPALS = {
    "calendar.clear",
    "wall.replace",
    "wall.end",
    "box.accept",
    "class.add",
    "class.rename",
    "class.end",
    "cameras.sync",
    "camera.assign",
    "camera.release",
    "class.windows",
    "class.plan",
    "class.rules",
    "calendar.set",
    "camera.hide",
    "camera.show",
}
"""Accepting the box and setting up classes and cameras: not the vice-principal's."""
MAY = {
    "teacher": {"class.pause", "class.resume", "pause.explain", "pause.ask"} | THE_TEACHERS,
    "installer": set[str](),
    "authority": set[str](),
    "observer": set[str](),
    "guardian": {"consent.give", "consent.withdraw"},
    "vice": {mutation.code for mutation in MUTATIONS} - THE_PRINCIPALS - THE_TEACHERS,
    "deputy": {mutation.code for mutation in MUTATIONS} - THE_TEACHERS,
}
"""With the box accepted: an installer may configure nothing any more."""
NEEDS_OWN = {"class.resume", "pause.explain"}
"""Made ready by the actor's own pause, which only some may set."""


@pytest.mark.parametrize("role", MAY)
async def test_each_role_changes_what_is_its_own_and_nothing_else(role: str, tmp_path: Path) -> None:
    """A change that is not the role's is refused, written once as a refusal, and changes no fact."""
    async with school(tmp_path) as w:
        staff: Staff = await hire(w)
        actor: Actor = getattr(staff, role)
        for mutation in MUTATIONS:
            if mutation.code in NEEDS_OWN and mutation.code not in MAY[role]:
                continue
            await mutation.before(w, actor)
            if mutation.code in MAY[role]:
                await mutation.act(w, actor)
            else:
                await refused(w, mutation, actor)
            w.clock.tick(61)  # the next refusal is a new row


async def refused(w: World, mutation: Mutation, actor: Actor) -> None:
    version, rows = w.access.store.current.version, len(w.rows("SELECT seq FROM audit"))
    with pytest.raises((Denied, NotFound)) as error:
        await mutation.act(w, actor)
    assert w.access.store.current.version == version, mutation.code
    (row,) = w.rows("SELECT body FROM audit_body WHERE seq > ?", rows)
    body = json.loads(row["body"])
    assert (body["what"], body["person"]) == ("denied", actor.person)
    assert body["reason"] == ("not_found" if isinstance(error.value, NotFound) else error.value.fields["reason"])
    assert w.events[-1].type == "access.denied.v1"


async def test_the_installer_works_until_the_box_is_accepted(tmp_path: Path) -> None:
    """Before the acceptance sheet the installer sets up cameras and classes, but no people and no sharing."""
    async with school(tmp_path) as w:
        staff = await hire(w)
        await w.db.write(
            lambda conn: conn.execute("UPDATE access_state SET accepted_ms = NULL, facts_version = facts_version + 1")
        )
        await w.access.store.refresh()
        may = {"camera.hide", "camera.show", "class.add", "cameras.sync", "camera.assign", "calendar.set"}
        for mutation in MUTATIONS:
            if mutation.code in {"class.windows", "class.plan"} | may:
                await mutation.before(w, w.actor)
                await mutation.act(w, staff.installer)
        with pytest.raises(Denied):
            await w.access.people.add(staff.installer, Role.TEACHER, "Cô Hoa")
        await w.access.sharing.accept_box(w.actor)
        with pytest.raises(Denied) as late:
            await w.access.classes.add(staff.installer, "Chồi 2")
        assert late.value.fields["reason"] == "box.accepted"


async def test_a_teacher_has_her_own_class_only(tmp_path: Path) -> None:
    """Another class is not there for her: neither to pause nor to explain; the principal's pause is not hers to end."""
    async with school(tmp_path) as w:
        staff = await hire(w)
        other = await w.access.classes.add(w.actor, "Chồi 1")
        with pytest.raises(NotFound):
            await w.access.sharing.pause(staff.teacher, other)
        pause = await w.access.sharing.pause(w.actor, w.class_id, minutes=None)
        await w.access.sharing.resume(staff.teacher, w.class_id)
        assert any(row.holds(w.clock.now_ms()) for row in w.access.store.current.pauses)
        with pytest.raises(NotFound):
            await w.access.sharing.explain_pause(staff.teacher, w.class_id, pause, "không phải của tôi")
        await w.access.sharing.resume(w.actor, w.class_id)
        assert not any(row.holds(w.clock.now_ms()) for row in w.access.store.current.pauses)


async def test_a_guardian_answers_for_her_own_child_only(tmp_path: Path) -> None:
    """Consent of another family's child cannot be given, withdrawn or even found."""
    async with school(tmp_path) as w:
        mother, before = Actor(w.mother, w.phone), w.access.store.current.version
        for act in (w.access.children.consent, w.access.children.withdraw):
            with pytest.raises(NotFound):
                await act(mother, w.mate)
        assert w.access.store.current.version == before
        await w.access.children.withdraw(mother, w.child)
        await w.access.children.consent(mother, w.child)


async def test_codes_and_slips_refused_are_written(tmp_path: Path) -> None:
    """Asking for somebody's code or slip without the right is a row in the audit, and its repeats are counted."""
    async with school(tmp_path) as w:
        staff = await hire(w)
        rows = len(w.rows("SELECT seq FROM audit"))
        for _ in range(3):
            with pytest.raises(Denied):
                await w.access.codes.create(staff.teacher, w.principal)
        for _ in range(2):
            with pytest.raises(Denied):
                await w.access.invitations.create(staff.observer, w.mother)
        found = [json.loads(row["body"]) for row in w.rows("SELECT body FROM audit_body WHERE seq > ?", rows)]
        assert [(row["what"], row["action"], row["object"]) for row in found] == [
            ("denied", "approve", w.principal),
            ("denied", "approve", w.mother),
        ]
        w.clock.tick(60)
        assert await w.access.store.write_repeats() == 2


async def test_ending_others_logins_and_devices_needs_the_right(tmp_path: Path) -> None:
    """A stranger's session or phone is not there; the refusal is written and the session lives on."""
    async with school(tmp_path) as w:
        staff = await hire(w)
        (session,) = w.access.logins.sessions(w.mother)
        (device,) = await w.access.devices.of(w.mother)
        for role in (staff.teacher, staff.observer, staff.installer):
            with pytest.raises(NotFound):
                await w.access.logins.end(role, session.id)
        for role in (staff.observer, staff.installer):  # the class's teacher may: a lost phone is told to her first
            with pytest.raises(NotFound):
                await w.access.devices.end(role, device.id)
        assert w.access.logins.sessions(w.mother) == (session,)
        assert w.rows("SELECT count(*) FROM audit_body WHERE json_extract(body, '$.what') = 'denied'")[0][0] == 3
        await w.access.devices.end(staff.deputy, device.id)
        assert w.access.logins.sessions(w.mother) == ()


async def test_nobody_disables_herself(tmp_path: Path) -> None:
    """A school is never left without the principal who is at the desk; a second one may do it."""
    async with school(tmp_path) as w:
        staff = await hire(w)
        before = dump(w)
        with pytest.raises(BadInput):
            await w.access.people.disable(w.actor, w.principal)
        assert dump(w) == before
        await w.access.people.disable(staff.deputy, w.principal)
        with pytest.raises(Denied) as gone:
            await w.access.people.add(w.actor, Role.TEACHER, "Cô Hoa")
        assert gone.value.fields["reason"] == "person.disabled"
        with pytest.raises(Denied):
            await w.access.store.demand(w.actor, MANAGE)
        code = await w.access.codes.create(staff.deputy, w.principal)
        with pytest.raises(CodeRefused):
            await w.access.codes.sign_in(code.text.reveal(), address="192.0.2.1", label="desk")


async def test_a_vice_principal_raises_nobody_to_her_own_rank(tmp_path: Path) -> None:
    """She adds and disables those in her care; who runs the school or looks after the box is the principal's."""
    async with school(tmp_path) as w:
        staff = await hire(w)
        hers = [await w.access.people.add(staff.vice, role, "Ai Đó") for role in sorted(IN_CARE)]
        for role in sorted(set(Role) - IN_CARE):
            with pytest.raises(Denied):
                await w.access.people.add(staff.vice, role, "Ai Đó")
        for person in hers:
            await w.access.people.disable(staff.vice, person)
        for actor in (w.actor, staff.deputy, staff.authority, staff.installer):
            assert actor.person is not None
            with pytest.raises(Denied) as refusal:
                await w.access.people.disable(staff.vice, actor.person)
            assert refusal.value.fields["reason"] == "role.leadership"
            with pytest.raises(Denied):
                await w.access.codes.create(staff.vice, actor.person)


async def test_giving_rights_back_asks_who_one_is(tmp_path: Path) -> None:
    """Disabling is never held up; enabling, like adding, wants a fresh login."""
    async with school(tmp_path) as w:
        w.access.store.stale = lambda _actor: Reason.LOGIN_STALE
        await w.access.people.disable(w.actor, w.mother)
        with pytest.raises(Denied) as refusal:
            await w.access.people.disable(w.actor, w.mother, disabled=False)
        assert refusal.value.fields["reason"] == Reason.LOGIN_STALE
        assert w.access.store.current.index.persons[w.mother].disabled
