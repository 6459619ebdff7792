"""Guests: the way in of one visit, a login that ends with it, and every act that ends a guest's running picture."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.audit import CONSOLE, Actor
from gateway.access.audit_erase import Asked, Erasures, Why
from gateway.access.classday import observable
from gateway.access.codes import Code
from gateway.access.facts import Consent, Purpose
from gateway.access.guestpasses import GuestPasses
from gateway.access.login import FRESH_S, Logins
from gateway.access.observing import SHOWN, Visit
from gateway.access.reasons import Reason
from gateway.access.rules_observer import unwilling
from gateway.core.errors import BadInput, CodeRefused, Denied, NotFound
from gateway.core.model import PublicId, Role, StreamRole
from tests.fakes.access_world import KEY, World, add_teacher, school
from tests.fakes.school import CHILD, CHILD2, HOUR, MAM, MATE, NOW, facts

pytestmark = pytest.mark.anyio


@dataclass
class Lesson:
    """A visit that runs, agreed to by everybody, and its guest at the door."""

    world: World
    teacher: Actor
    visit: PublicId
    guest: PublicId
    device: PublicId

    async def watch(self) -> PublicId:
        """Open the picture; returns the grant."""
        grant, _ = await self.world.access.open.open(
            self.guest, self.device, self.world.camera, "offer", stream=StreamRole.MAIN
        )
        assert grant.streams == {StreamRole.SUB}
        return grant.id


async def enter(w: World, code: Code) -> PublicId:
    """Sign in with a code."""
    return (await w.access.codes.sign_in(code.text.reveal(), address="192.0.2.9", label="laptop")).session.id


async def arrange(w: World) -> Lesson:
    """Let families consent, make a visit of an hour, let the teacher agree and the guest in."""
    for child in (w.child, w.mate):
        await w.access.children.consent(CONSOLE, child, Purpose.OBSERVE)
    teacher, now_ms = await add_teacher(w.access, w.class_id), w.clock.now_ms()
    visit = await w.access.observing.make(w.actor, Visit(w.class_id, now_ms, now_ms + HOUR, name="Cô Thanh"))
    await w.access.observing.assent(teacher, visit)
    code = await w.access.passes.create(w.actor, visit)
    return Lesson(w, teacher, visit, code.person, await enter(w, code))


@asynccontextmanager
async def lesson(folder: Path) -> AsyncIterator[Lesson]:
    async with school(folder) as w:
        yield await arrange(w)


async def end_by_time(g: Lesson) -> None:
    g.world.clock.step_wall(NOW + HOUR - 300 - g.world.clock.now_ms())
    await g.world.clock.advance(0.5)


async def start_nap(g: Lesson) -> None:
    """Make the visit reach into the nap, which begins at 11:30."""
    w = g.world
    w.clock.step_wall(NOW + 2 * HOUR - w.clock.now_ms())
    visit = await w.access.observing.make(w.actor, Visit(w.class_id, NOW + 2 * HOUR, NOW + 3 * HOUR, g.guest))
    await w.access.observing.assent(g.teacher, visit)
    g.device = await enter(w, await w.access.passes.create(w.actor, visit))


async def into_the_nap(g: Lesson) -> None:
    g.world.clock.step_wall(NOW + 2 * HOUR + 30 * 60_000 - 300 - g.world.clock.now_ms())
    await g.world.clock.advance(0.5)


async def lose_clock(g: Lesson) -> None:
    g.world.clock.distrust()
    await g.world.clock.advance(0.25)


Act = Callable[[Lesson], Awaitable[object]]
ACTS: dict[str, tuple[Act, Reason]] = {
    "the teacher takes her word back": (
        lambda g: g.world.access.observing.assent(g.teacher, g.visit, given=False),
        Reason.OBSERVATION_ASSENT,
    ),
    "the principal ends the visit": (
        lambda g: g.world.access.observing.end(g.world.actor, g.visit),
        Reason.OBSERVATION_OVER,
    ),
    "its time is up": (end_by_time, Reason.OBSERVATION_OVER),
    "a family withdraws": (
        lambda g: g.world.access.children.withdraw(g.world.actor, g.world.mate, Purpose.OBSERVE),
        Reason.OBSERVATION_CONSENT,
    ),
    "a child joins without an answer": (
        lambda g: g.world.access.children.add(g.world.actor, "Bé Chưa Trả Lời", g.world.class_id),
        Reason.OBSERVATION_CONSENT,
    ),
    "sharing is stopped": (lambda g: g.world.access.sharing.stop_all(g.world.actor), Reason.SHARING_STOPPED),
    "the camera is hidden": (
        lambda g: g.world.access.sharing.hide_camera(g.world.actor, g.world.camera),
        Reason.CAMERA_PRIVATE,
    ),
    "the guest is disabled": (
        lambda g: g.world.access.people.disable(g.world.actor, g.guest),
        Reason.PERSON_DISABLED,
    ),
    "another code is made": (lambda g: g.world.access.passes.create(g.world.actor, g.visit), Reason.SESSION_ENDED),
    "the clock is not trusted": (lose_clock, Reason.CLOCK_UNTRUSTED),
}


@pytest.mark.parametrize("act", ACTS)
async def test_an_act_ends_the_guests_picture_before_the_next_beat(act: str, tmp_path: Path) -> None:
    """With its reason, without waiting for the reaper, and nothing opens again."""
    async with lesson(tmp_path) as g:
        w = g.world
        await w.beats()
        grant, beats = await g.watch(), len(w.media.renewals)
        run, reason = ACTS[act]
        await run(g)
        await w.until(lambda: grant not in w.media.sessions)
        assert w.media.why(grant) == reason
        assert len(w.media.renewals) == beats
        with pytest.raises((Denied, NotFound)):
            await g.watch()
        assert w.faults == []


async def test_the_nap_hides_the_class_from_a_guest_too(tmp_path: Path) -> None:
    """A visit that reaches into the nap goes dark at 11:30; the login goes on."""
    async with lesson(tmp_path) as g:
        await start_nap(g)
        grant = await g.watch()
        await into_the_nap(g)
        await g.world.until(lambda: grant not in g.world.media.sessions)
        assert g.world.media.why(grant) == Reason.PLAN_NAP
        assert g.world.access.logins.alive(g.device, g.guest) is None


async def test_hiding_a_class_from_families_is_not_hiding_it_from_a_guest(tmp_path: Path) -> None:
    """The teacher's pause concerns guardians; she ends the guest's view by taking her word back."""
    async with lesson(tmp_path) as g:
        grant = await g.watch()
        await g.world.access.sharing.pause(g.world.actor, g.world.class_id)
        await g.world.beats(2)
        assert grant in g.world.media.sessions


async def test_a_guest_has_one_picture(tmp_path: Path) -> None:
    """A second window takes the first one's place."""
    async with lesson(tmp_path) as g:
        first = await g.watch()
        second = await g.watch()
        assert g.world.media.why(first) == Reason.STREAM_REPLACED
        assert second in g.world.media.sessions


async def test_a_code_opens_once_until_the_visit_is_over(tmp_path: Path) -> None:
    """Days before too; not twice, and not after the end or the calling off."""
    async with school(tmp_path) as w:
        a, now_ms, hour = w.access, w.clock.now_ms(), HOUR
        visit = await a.observing.make(
            w.actor, Visit(w.class_id, now_ms + 47 * hour, now_ms + 48 * hour, name="Ông Ba")
        )
        code = await a.passes.create(w.actor, visit)
        assert code.expires_ms == now_ms + 48 * hour
        w.clock.step_wall(40 * hour)
        device = await enter(w, code)
        assert a.passes.visit_of(device) == visit
        with pytest.raises(CodeRefused):
            await enter(w, code)
        w.clock.tick(7 * 3600)  # a login of a guest needs no hand on the page
        assert a.logins.alive(device, code.person) is None
        again = await a.passes.create(CONSOLE, visit)
        assert a.logins.alive(device, code.person) == Reason.SESSION_ENDED
        await a.observing.end(w.actor, visit)
        with pytest.raises(CodeRefused):
            await enter(w, again)
        with pytest.raises(BadInput) as refused:
            await a.passes.create(CONSOLE, visit)
        assert refused.value.fields["case"] == "observation_past"


async def test_a_login_ends_with_its_own_visit_and_not_with_another(tmp_path: Path) -> None:
    """Another visit of the same guest tomorrow does not keep today's login; tomorrow's own code works."""
    async with lesson(tmp_path) as g:
        w, a, now_ms = g.world, g.world.access, g.world.clock.now_ms()
        later = await a.observing.make(w.actor, Visit(w.class_id, now_ms + 24 * HOUR, now_ms + 25 * HOUR, g.guest))
        code = await a.passes.create(w.actor, later)
        assert a.logins.alive(g.device, g.guest) is None, "the new code is of another visit"
        await a.observing.end(w.actor, g.visit)
        assert a.logins.alive(g.device, g.guest) == Reason.OBSERVATION_OVER
        await a.logins.keep()
        assert a.logins.sessions(g.guest) == ()
        w.clock.step_wall(24 * HOUR)
        assert a.passes.visit_of(await enter(w, code)) == later


async def test_a_clock_that_is_not_trusted_ends_no_login_for_good(tmp_path: Path) -> None:
    """Set wrong past the visit and not trusted: nothing is shown, but the login is there again with the time."""
    async with lesson(tmp_path) as g:
        w, logins = g.world, g.world.access.logins
        w.clock.distrust()
        w.clock.step_wall(30 * 24 * HOUR)
        await logins.keep()
        with pytest.raises(Denied):
            await g.watch()
        w.clock.step_wall(-30 * 24 * HOUR)
        w.clock.trust()
        assert logins.alive(g.device, g.guest) is None
        assert [item.id for item in logins.sessions(g.guest)] == [g.device]


async def test_which_visit_a_login_is_for_survives_a_restart(tmp_path: Path) -> None:
    """A gateway that starts again ends it with the same visit."""
    async with lesson(tmp_path) as g:
        a, w = g.world.access, g.world
        await a.observing.make(
            w.actor, Visit(w.class_id, w.clock.now_ms() + 2 * HOUR, w.clock.now_ms() + 3 * HOUR, g.guest)
        )
        logins = Logins(a.store)
        passes = GuestPasses(a.store, logins, a.codes, a.observing)
        await logins.load()
        await passes.load()
        assert (passes.visit_of(g.device), logins.alive(g.device, g.guest)) == (g.visit, None)
        await a.observing.end(w.actor, g.visit)
        assert logins.alive(g.device, g.guest) == Reason.OBSERVATION_OVER


async def test_an_ordinary_code_lets_a_guest_in_while_there_is_a_visit(tmp_path: Path) -> None:
    """Without one it opens nothing; for everybody else nothing is different."""
    async with school(tmp_path) as w:
        a, now_ms = w.access, w.clock.now_ms()
        guest = await a.people.add(CONSOLE, Role.OBSERVER, "Khách Quen")
        with pytest.raises(CodeRefused):
            await enter(w, await a.codes.create(CONSOLE, guest))
        await a.observing.make(w.actor, Visit(w.class_id, now_ms, now_ms + HOUR, guest))
        device = await enter(w, await a.codes.create(CONSOLE, guest))
        assert (a.passes.visit_of(device), a.logins.alive(device, guest)) == (None, None)
        w.clock.step_wall(HOUR)
        assert a.logins.alive(device, guest) == Reason.OBSERVATION_OVER
        assert a.logins.alive(w.actor.device, w.principal) is None


async def test_making_needs_a_fresh_login_and_ending_never(tmp_path: Path) -> None:
    """A visit and its code are refused as stale; calling off, the teacher's yes and no are not."""
    async with lesson(tmp_path) as g:
        w, a = g.world, g.world.access
        a.store.stale = a.logins.stale
        w.clock.tick(FRESH_S)
        now_ms = w.clock.now_ms()
        for work in (
            a.observing.make(w.actor, Visit(w.class_id, now_ms, now_ms + HOUR, name="Cô Tư")),
            a.passes.create(w.actor, g.visit),
        ):
            with pytest.raises(Denied) as refused:
                await work
            assert refused.value.fields["reason"] == "login.stale"
        await a.observing.assent(g.teacher, g.visit, given=False)
        await a.observing.assent(g.teacher, g.visit)
        await a.observing.end(w.actor, g.visit)


async def test_the_teachers_word_is_told_apart(tmp_path: Path) -> None:
    """Waiting, yes, no; who said so; what is over cannot be agreed to; nobody else's word counts."""
    async with lesson(tmp_path) as g:
        w, observing = g.world, g.world.access.observing

        async def said() -> tuple[bool, bool, str]:
            row = await observing.get(g.visit)
            return row.assented, row.refused, row.answered_by

        assert await said() == (True, False, g.teacher.person)
        await observing.assent(g.teacher, g.visit, given=False)
        assert await said() == (False, True, g.teacher.person)
        other = await w.access.classes.add(w.actor, "Chồi 1")
        stranger = await add_teacher(w.access, other, "Cô Lan")
        for actor in (stranger, w.actor, Actor(g.guest, g.device), Actor(w.mother, w.phone)):
            with pytest.raises((Denied, NotFound)):
                await observing.assent(actor, g.visit)
        w.clock.step_wall(HOUR)
        with pytest.raises(BadInput):
            await observing.assent(g.teacher, g.visit)


@given(st.lists(st.tuples(st.sampled_from((CHILD, MATE, CHILD2)), st.booleans(), st.booleans()), max_size=6))
def test_who_is_counted_is_who_keeps_the_class_shut(rows: list[tuple[PublicId, bool, bool]]) -> None:
    """The number that leaders read is 0 exactly where the policy lets guests in; another class's children do not count."""
    until = {True: None, False: NOW}
    consents = tuple(
        Consent(child=child, purpose=Purpose.OBSERVE, given=given, until_ms=until[runs]) for child, given, runs in rows
    )
    school_now = facts(consents=consents)
    found = unwilling(school_now, MAM, NOW)
    assert (found == 0) == observable(school_now, MAM, NOW)
    assert found <= 2


async def test_what_is_told_of_a_visit_is_sealed_and_goes_with_its_guest(tmp_path: Path) -> None:
    """Name, reason and inviter are nowhere in the clear; a new guest is a person; an ended visit stays in the list."""
    async with school(tmp_path) as w:
        now_ms, observing = w.clock.now_ms(), w.access.observing
        secret = Visit(w.class_id, now_ms, now_ms + HOUR, name="Cô Mười", reason="thao giảng", invited="Phòng Giáo dục")
        visit = await observing.make(w.actor, secret)
        row = await observing.get(visit)
        assert (row.reason, row.invited, row.made_by, row.came) == ("thao giảng", "Phòng Giáo dục", w.principal, False)
        assert await w.access.people.name(row.person) == "Cô Mười"
        kept = w.rows("SELECT * FROM observation")[0]
        told = b"".join(item if isinstance(item, bytes) else str(item).encode() for item in tuple(kept))
        assert not any(text.encode() in told for text in ("Mười", "thao", "Phòng"))
        await observing.end(w.actor, visit)
        ended = await observing.get(visit)
        assert (ended.ended_ms, ended.until_ms) == (now_ms, now_ms)
        assert await observing.open_rows() == ()
        assert [item.id for item in await observing.rows()] == [visit]


async def test_erasing_a_guest_leaves_no_word_of_the_visit_and_no_way_in(tmp_path: Path) -> None:
    """Name and notes are replaced, the code opens nothing, the login is over; the visit stays under a nameless id."""
    async with lesson(tmp_path) as g:
        w, a, now_ms = g.world, g.world.access, g.world.clock.now_ms()
        noted = Visit(w.class_id, now_ms, now_ms + HOUR, g.guest, reason="thao giảng", invited="Phòng Giáo dục")
        visit = await a.observing.make(w.actor, noted)
        code = await a.passes.create(w.actor, visit)
        desk = Erasures(a.store, KEY)
        await desk.erase(w.actor, "person", g.guest, typed="Cô Thanh", why=Why.LEFT, asked=Asked.SCHOOL)
        row = await a.observing.get(visit)
        assert (row.person, row.reason, row.invited) == (g.guest, "", "")
        assert a.logins.alive(g.device, g.guest) == Reason.PERSON_DISABLED
        with pytest.raises(CodeRefused):
            await enter(w, code)


async def test_a_running_visit_is_shown_however_many_come(tmp_path: Path) -> None:
    """Leaders and the teacher see every visit that runs or comes; only the past is cut."""
    async with lesson(tmp_path) as g:
        observing, now_ms = g.world.access.observing, g.world.clock.now_ms()
        for day in range(1, SHOWN + 10):
            since_ms = now_ms + day * 86_400_000
            await observing.make(CONSOLE, Visit(g.world.class_id, since_ms, since_ms + HOUR, g.guest))
        assert g.visit == (await observing.rows())[-1].id
        assert len(await observing.open_rows(g.world.class_id)) == SHOWN + 10
        for row in await observing.rows():
            await observing.end(CONSOLE, row.id)
        assert len(await observing.rows()) == SHOWN
