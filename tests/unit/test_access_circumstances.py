"""Where a session is and what its guardian watched, with running streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.access.audit import CONSOLE, Actor
from gateway.access.circumstances import MOST, Circumstances
from gateway.access.facts import ClassRules, Purpose
from gateway.access.observing import Visit
from gateway.access.policy import decide
from gateway.access.store import FactStore, Need
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId
from gateway.core.secrets import SealKey
from tests.fakes.access_mutations import hire
from tests.fakes.access_world import school
from tests.fakes.school import HOUR, MINUTE, NOW, ZONE

pytestmark = pytest.mark.anyio
LAN = "192.168.7."


async def test_minutes_are_counted_from_streams_and_end_them(tmp_path: Path) -> None:
    """The stream ends when the day's minutes are used up, with its reason; the next day they are new."""
    async with school(tmp_path) as w:
        await w.access.narrowing.set(w.actor, ClassRules(w.class_id, daily_minutes=1))
        grant = await w.look()
        assert w.access.open.watches()[0].grant.until_ms == w.clock.now_ms() + MINUTE
        await w.until(lambda: grant not in w.media.sessions, step_s=1)
        assert w.media.why(grant) == "quota.spent"
        with pytest.raises(Denied) as refused:
            await w.look()
        assert refused.value.fields["reason"] == "quota.spent"
        w.clock.step_wall(24 * HOUR)
        await w.look()


async def test_minutes_survive_a_second_phone_and_a_restart(tmp_path: Path) -> None:
    """Half a minute on one phone and a restart leave half a minute, whatever device asks."""
    async with school(tmp_path) as w:
        await w.access.narrowing.set(w.actor, ClassRules(w.class_id, daily_minutes=1))
        await w.look()
        half_ms = w.clock.now_ms() + 30_000
        await w.until(lambda: w.clock.now_ms() >= half_ms, step_s=1)
        await w.access.open.leave(w.access.open.watches()[0].session or "", w.phone)
        again = FactStore(w.db, w.clock, zone=ZONE, seal=SealKey(bytes(32)))
        await again.load()
        for store in (w.access.store, again):
            now_ms = w.clock.now_ms()
            asking = store.circumstances.of(w.mother, "another", begins_ms=now_ms)
            camera = ObjectRef(ObjectKind.CAMERA, w.camera)
            decision = decide(store.current, w.mother, Action.LIVE, camera, now_ms, asking)
            assert (decision.allowed, decision.until_ms) == (True, now_ms + 30_000)


async def test_a_class_seen_at_school_only_follows_the_phone(tmp_path: Path) -> None:
    """The picture is there on the school's network, and ends when the phone's next request comes from elsewhere."""
    async with school(tmp_path) as w:
        here = w.access.store.circumstances
        here.on_site = lambda address: address.startswith(LAN)
        await w.access.narrowing.set(w.actor, ClassRules(w.class_id, on_site_only=True))
        with pytest.raises(Denied) as refused:
            await w.look()
        assert refused.value.fields["reason"] == "on_site.only"
        here.came_from(w.phone, LAN + "44")
        grant = await w.look()
        beats = len(w.media.renewals)
        here.came_from(w.phone, LAN + "45")
        here.came_from(w.phone, "203.0.113.9")
        await w.until(lambda: grant not in w.media.sessions)
        assert (w.media.why(grant), len(w.media.renewals)) == ("on_site.only", beats)
        need = Need(Action.LIVE, ObjectRef(ObjectKind.CAMERA, w.camera))
        answer = w.access.store.answer(w.access.store.current, Actor(w.mother, w.phone), need, w.clock.now_ms())
        assert answer.reason == "on_site.only"


def test_the_longest_silent_session_is_forgotten() -> None:
    """Sessions are remembered up to a bound; who is forgotten is not at the school."""
    here = Circumstances(lambda _address: True)
    for number in range(MOST + 1):
        here.came_from(str(number), "x")
    assert [here.at(name).on_site for name in ("0", "1", str(MOST))] == [False, True, True]


async def test_an_observer_sees_within_the_session_and_while_the_teacher_agrees(tmp_path: Path) -> None:
    """Refused before, without assent and after; taking the assent back ends the running picture."""
    async with school(tmp_path) as w:
        staff, observing = await hire(w), w.access.observing
        guest = staff.observer.person
        assert guest is not None
        for child in (w.child, w.mate):
            await w.access.children.consent(CONSOLE, child, Purpose.OBSERVE)
        now_ms = w.clock.now_ms()
        session = await observing.make(staff.vice, Visit(w.class_id, now_ms + 1000, now_ms + HOUR, guest))
        code = await w.access.codes.create(staff.vice, guest)
        desk = await w.access.codes.sign_in(code.text.reveal(), address="192.0.2.9", label="desk")

        async def look() -> PublicId:
            grant, _ = await w.access.open.open(guest, desk.session.id, w.camera, "offer")
            assert grant.lease_ms == 5000
            return grant.id

        async def refused(reason: str) -> None:
            with pytest.raises(Denied) as error:
                await look()
            assert error.value.fields["reason"] == reason

        await refused("observation.closed")
        await w.clock.advance(1)
        await refused("observation.assent")
        for actor in (staff.vice, staff.installer, staff.guardian, staff.observer):
            with pytest.raises((Denied, NotFound)):
                await observing.assent(actor, session)
        await observing.assent(staff.teacher, session)
        grant = await look()
        await observing.assent(staff.teacher, session, given=False)
        await w.until(lambda: grant not in w.media.sessions)
        assert w.media.why(grant) == "observation.assent"
        await observing.assent(staff.teacher, session)
        grant = await look()
        await observing.end(w.actor, session)
        await w.until(lambda: grant not in w.media.sessions)
        assert w.media.why(grant) == "observation.over"
        await refused("observation.over")


async def test_sessions_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    """Too long, past, backwards, or for somebody who is no observer: nothing is written."""
    async with school(tmp_path) as w:
        staff, make = await hire(w), w.access.observing.make
        guest, now_ms = staff.observer.person, w.clock.now_ms()
        assert guest is not None
        for person, since_ms, until_ms in (
            (guest, now_ms, now_ms + 4 * HOUR + 1),
            (guest, now_ms - HOUR, now_ms),
            (guest, now_ms + HOUR, now_ms),
            (w.mother, now_ms, now_ms + HOUR),
        ):
            with pytest.raises(BadInput):
                await make(w.actor, Visit(w.class_id, since_ms, until_ms, person))
        far_ms = now_ms + 93 * 24 * HOUR
        with pytest.raises(BadInput):
            await make(w.actor, Visit(w.class_id, far_ms - HOUR, far_ms, guest))
        with pytest.raises(BadInput):
            await make(w.actor, Visit(w.class_id, now_ms, now_ms + HOUR, name=" "))
        with pytest.raises(NotFound):
            await make(w.actor, Visit(w.camera, now_ms, now_ms + HOUR, guest))
        await w.access.people.disable(w.actor, guest)
        with pytest.raises(BadInput):
            await make(w.actor, Visit(w.class_id, now_ms, now_ms + HOUR, guest))
        with pytest.raises(Denied):
            await make(staff.teacher, Visit(w.class_id, now_ms, now_ms + HOUR, guest))
        with pytest.raises(NotFound):
            await w.access.observing.end(w.actor, w.camera)
        assert await w.access.observing.rows() == ()


@pytest.mark.parametrize("wrong", [{"daily_minutes": -1}, {"daily_minutes": 1441}, {"adaptation_days": 0}])
async def test_rules_that_make_no_sense_are_refused(wrong: dict[str, int], tmp_path: Path) -> None:
    """Nothing changes, and a vice-principal sets no rule at all."""
    async with school(tmp_path) as w:
        staff = await hire(w)
        version = w.access.store.current.version
        with pytest.raises(BadInput):
            await w.access.narrowing.set(w.actor, ClassRules(w.class_id, False, **wrong))
        with pytest.raises(Denied):
            await w.access.narrowing.set(staff.vice, ClassRules(w.class_id, on_site_only=True))
        assert w.access.store.current.rules == ()
        assert w.access.store.current.version == version


async def test_holds_are_things_the_policy_knows(tmp_path: Path) -> None:
    """A hold may be asked about by its id while it lasts."""
    async with school(tmp_path) as w:
        hold = await w.access.holds.place(w.actor, w.camera, NOW - HOUR, NOW, "bé ngã")
        obj = ObjectRef(ObjectKind.HOLD, hold)
        assert decide(w.access.store.current, w.principal, Action.HOLD, obj, NOW).allowed
