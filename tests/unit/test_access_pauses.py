"""Hiding a class: how long, how often, by whom, and over a clock that is set or a box that restarts."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.audit import Actor
from gateway.access.classes import Classes
from gateway.access.facts import Pause
from gateway.access.pauserules import (
    A_DAY,
    LEAST_STEP_MS,
    WALL,
    Standing,
    checked_minutes,
    running,
    used_today,
    wall_device,
)
from gateway.access.policy import decide
from gateway.access.walls import BURST
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Action, PublicId, Role
from gateway.core.onlink import OnLink
from gateway.roofs.names import Names
from gateway.roofs.observe_port import VisitList
from gateway.roofs.room_port import RoomPort
from gateway.roofs.wall_port import WallPort
from tests.fakes.access_world import World, add_teacher, school
from tests.fakes.school import MAM, MINUTE, NOW, PRINCIPAL, TEACHER, class_, facts
from web.caller import Caller

pytestmark = pytest.mark.anyio
ZONES = [ZoneInfo(name) for name in ("Asia/Ho_Chi_Minh", "Europe/Berlin", "America/St_Johns", "Pacific/Apia")]
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@given(
    st.sampled_from(ZONES),
    st.lists(
        st.tuples(st.integers(-40 * 60, 40 * 60), st.sampled_from([TEACHER, PRINCIPAL, WALL, "console"])), max_size=14
    ),
    st.integers(-20 * 60, 20 * 60),
)
@settings(deadline=None)
def test_the_sixth_of_a_local_day_is_refused_and_midnight_gives_five_more(
    zone: ZoneInfo, begun: list[tuple[int, str]], at_min: int
) -> None:
    """Whatever the zone: a teacher is refused exactly if five pauses by teachers or wall began on this local day."""
    at_ms = NOW + at_min * MINUTE
    pauses = tuple(
        Pause(class_id=MAM, by=by, since_ms=NOW + off * MINUTE, until_ms=NOW + off * MINUTE + MINUTE)
        for off, by in begun
    )
    world = facts(pauses=pauses, zone=zone)

    def day(ms: int) -> dt.date:
        return dt.datetime.fromtimestamp(ms / 1000, zone).date()

    naive = sum(by in {TEACHER, WALL} and day(NOW + off * MINUTE) == day(at_ms) for off, by in begun)
    assert used_today(world, MAM, at_ms) == naive
    decision = decide(world, TEACHER, Action.PAUSE, class_(), at_ms)
    assert decision.allowed is (naive < A_DAY)
    assert decide(world, PRINCIPAL, Action.PAUSE, class_(), at_ms).allowed
    if not decision.allowed and decision.next_ms is not None:
        assert decide(world, TEACHER, Action.PAUSE, class_(), decision.next_ms).allowed
        assert day(decision.next_ms - 1) != day(decision.next_ms)


@pytest.mark.parametrize(("minutes", "free", "good"), [
    (5, False, True), (15, False, True), (16, False, False), (0, False, False), (None, False, False), (-5, True, False),
    (None, True, True), (600, True, True), (2000, True, False),
])  # fmt: skip
def test_who_may_hide_for_how_long(minutes: int | None, free: bool, good: bool) -> None:
    """Teachers and walls have 15 minutes, the principal a day or no end."""
    if good:
        assert checked_minutes(minutes, free=free) == minutes
    else:
        with pytest.raises(BadInput) as refused:
            checked_minutes(minutes, free=free)
        assert refused.value.fields["key"] == "minutes"


@given(st.lists(st.tuples(st.integers(1, 5_000), st.integers(-DAY_MS, DAY_MS), st.booleans()), max_size=20))
def test_steps_of_the_clock_add_up(looks: list[tuple[int, int, bool]]) -> None:
    """What is found over all looks is how far wall time was set, but for less than the least step."""
    standing, wall, mono = Standing(), NOW, 0
    assert standing.step_ms(wall, mono, trusted=True) is None
    base = found = 0
    for passed_ms, set_ms, trusted in [*looks, (1, 0, True)]:
        wall, mono, base = wall + passed_ms + set_ms, mono + passed_ms * 1_000_000, base + set_ms
        step = standing.step_ms(wall, mono, trusted=trusted)
        assert step is not None
        found += step
    assert abs(found - base) < LEAST_STEP_MS


async def shown(w: World) -> str:
    return decide(w.access.store.current, w.mother, Action.LIVE, class_(w.class_id), w.clock.now_ms()).reason


@contextlib.asynccontextmanager
async def kept(w: World) -> AsyncIterator[None]:
    """Run the keeper of pauses meanwhile, past its first look."""
    task = asyncio.create_task(w.access.sharing.pauses.keep())
    await w.until(lambda: w.clock.sleeping > 0)
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("step_ms", [-3 * HOUR_MS, -7 * MINUTE, 2 * HOUR_MS])
async def test_a_pause_is_as_long_as_promised_when_the_clock_is_set(step_ms: int, tmp_path: Path) -> None:
    """Set back or forth while the class is hidden: fifteen minutes by monotonic time, no more and no less."""
    async with school(tmp_path, now_ms=NOW) as w, kept(w):
        teacher = await add_teacher(w.access, w.class_id)
        await w.clock.advance(2)
        await w.access.sharing.pause(teacher, w.class_id)
        w.clock.tick(300)
        version = w.access.store.current.version
        w.clock.step_wall(step_ms)
        await w.clock.advance(2)
        await w.until(lambda: w.access.store.current.version > version)
        now_ms = w.clock.now_ms()
        pause = running(w.access.store.current, w.class_id, now_ms)
        assert pause is not None
        assert pause.until_ms is not None
        assert abs(pause.until_ms - now_ms - 598_000) <= 1_000
        w.clock.tick(600)
        assert running(w.access.store.current, w.class_id, w.clock.now_ms()) is None


async def test_a_pause_survives_a_restart_and_a_clock_that_was_set_back_meanwhile(tmp_path: Path) -> None:
    """After a start it hides the class at once, for no longer than was promised when it began."""
    async with school(tmp_path) as w:
        teacher = await add_teacher(w.access, w.class_id)
        await w.access.sharing.pause(teacher, w.class_id, minutes=10)
        w.clock.step_wall(-2 * HOUR_MS)
        assert running(w.access.store.current, w.class_id, w.clock.now_ms()) is None
        async with kept(w):
            await w.until(lambda: running(w.access.store.current, w.class_id, w.clock.now_ms()) is not None)
        pause = running(w.access.store.current, w.class_id, w.clock.now_ms())
        assert pause is not None
        assert pause.until_ms == w.clock.now_ms() + 10 * MINUTE


async def test_a_clock_that_is_not_believed_moves_nothing(tmp_path: Path) -> None:
    """Until it is set nobody of the guardians sees anything anyway; then the pause is where it was promised."""
    async with school(tmp_path) as w:
        await w.access.sharing.pause(w.actor, w.class_id)
        version = w.access.store.current.version
        async with kept(w):
            w.clock.distrust()
            w.clock.step_wall(-HOUR_MS)
            await w.clock.advance(3)
            assert await shown(w) != "role.guardian"
            w.clock.step_wall(HOUR_MS)
            w.clock.trust()
            await w.clock.advance(3)
        assert w.access.store.current.version == version
        assert await shown(w) == "class.paused"


async def test_nobody_cuts_anothers_longer_pause_short(tmp_path: Path) -> None:
    """A teacher's fifteen minutes beside the principal's open end leave the class hidden when they are over."""
    async with school(tmp_path) as w:
        teacher = await add_teacher(w.access, w.class_id)
        await w.access.sharing.pause(w.actor, w.class_id, minutes=None)
        await w.access.sharing.pause(teacher, w.class_id)
        w.clock.tick(16 * 60)
        assert await shown(w) == "class.paused"
        await w.access.sharing.resume(w.actor, w.class_id)
        assert await shown(w) == "role.guardian"


async def test_a_second_tap_is_no_second_pause(tmp_path: Path) -> None:
    """Two taps within a moment use up one of the five."""
    async with school(tmp_path) as w:
        teacher = await add_teacher(w.access, w.class_id)
        first = await w.access.sharing.pause(teacher, w.class_id)
        assert await w.access.sharing.pause(teacher, w.class_id) == first
        assert used_today(w.access.store.current, w.class_id, w.clock.now_ms()) == 1
        w.clock.tick(5)
        assert await w.access.sharing.pause(teacher, w.class_id) != first


async def five(w: World, actor: Actor) -> None:
    for _ in range(A_DAY):
        await w.access.sharing.pause(actor, w.class_id, minutes=5)
        w.clock.tick(301)


async def test_the_sixth_is_asked_for_and_granted_at_one_tap(tmp_path: Path) -> None:
    """The wish waits once, the grant hides at once for what was asked, and the teacher may end it and say why."""
    async with school(tmp_path) as w:
        teacher, pauses = await add_teacher(w.access, w.class_id), w.access.sharing.pauses
        with pytest.raises(BadInput) as early:
            await pauses.ask(teacher, w.class_id)
        assert early.value.fields["case"] == "pauses_left"
        await five(w, teacher)
        wish = await pauses.ask(teacher, w.class_id, minutes=10)
        assert await pauses.ask(teacher, w.class_id) == wish
        names = Names(w.access.store, w.access.people, w.access.children, Classes(w.access.store))
        await names.load()
        visits = VisitList(w.access.store, w.access.observing, names)
        port = RoomPort(w.access.store, pauses, w.access.walls, names, tuple, visits)
        waiting = [await port.wishes(Caller(who.person or w.principal, role, "", PublicId(who.device))) for who, role in
                ((w.actor, Role.PRINCIPAL), (teacher, Role.TEACHER), (Actor(w.mother), Role.GUARDIAN))]  # fmt: skip
        assert [[(item.name, item.wish.id, item.wish.minutes, item.most) for item in some] for some in waiting] == [
            [("Mầm 1", wish, 10, A_DAY)], [], [],
        ]  # fmt: skip
        with pytest.raises(Denied):
            await pauses.answer(teacher, w.class_id, wish, granted=True)
        assert await pauses.granted_today() == {}
        await pauses.answer(w.actor, w.class_id, wish, granted=True)
        assert await shown(w) == "class.paused"
        (room,) = await port.rooms(Caller(w.principal, Role.PRINCIPAL, "", PublicId(w.actor.device)))
        sheet = await w.access.walls.replace(w.actor, w.class_id)
        wall = WallPort(w.access.store, pauses, w.access.walls, names, OnLink(w.clock.mono_ns), lambda: "")
        for told in (room, await wall.room(sheet)):
            assert (told.used, told.most, told.granted) == (A_DAY, A_DAY, 1)
        (row, *_) = await pauses.since(NOW)
        assert (row.wished_by, row.until_ms) == (teacher.person, w.clock.now_ms() + 10 * MINUTE)
        await pauses.explain(teacher, w.class_id, row.id, "bé sốt")
        assert (await pauses.since(NOW))[0].reason == "bé sốt"
        await pauses.resume(teacher, w.class_id)
        assert await shown(w) == "role.guardian"
        with pytest.raises(NotFound):
            await pauses.answer(w.actor, w.class_id, wish, granted=True)
        assert await pauses.granted_today() == {w.class_id: 1}
        w.clock.tick(DAY_MS / 1000)
        assert await pauses.granted_today() == {}


async def test_a_wish_is_refused_or_lapses(tmp_path: Path) -> None:
    """Refused, nothing is hidden; after a quarter of an hour nobody can grant what is not wanted any more."""
    async with school(tmp_path) as w:
        teacher, pauses = await add_teacher(w.access, w.class_id), w.access.sharing.pauses
        await five(w, teacher)
        await pauses.answer(w.actor, w.class_id, await pauses.ask(teacher, w.class_id), granted=False)
        assert await shown(w) == "role.guardian"
        late = await pauses.ask(teacher, w.class_id)
        w.clock.tick(15 * 60)
        assert await pauses.wishes() == ()
        with pytest.raises(NotFound):
            await pauses.answer(w.actor, w.class_id, late, granted=True)


async def test_guardians_and_strangers_ask_for_nothing(tmp_path: Path) -> None:
    """A guardian may not hide, so she may not ask; a teacher of another class finds no class."""
    async with school(tmp_path) as w:
        other = await w.access.classes.add(w.actor, "Chồi 1")
        stranger = await add_teacher(w.access, other)
        with pytest.raises(Denied):
            await w.access.sharing.pauses.ask(Actor(w.mother, w.phone), w.class_id)
        with pytest.raises(NotFound):
            await w.access.sharing.pauses.ask(stranger, w.class_id)


async def test_the_wall_hides_its_class_and_is_written_down_as_such(tmp_path: Path) -> None:
    """Its pauses count with the teachers' five, a teacher of the class ends them, and no person is named."""
    async with school(tmp_path) as w:
        teacher, wall = await add_teacher(w.access, w.class_id), Actor(None, wall_device(w.class_id))
        await w.access.sharing.pause(wall, w.class_id)
        (row,) = w.rows("SELECT body FROM audit_body WHERE body LIKE '%class.pause%'")
        assert f'"device":"{wall_device(w.class_id)}"' in row["body"].replace(" ", "")
        await w.access.sharing.resume(teacher, w.class_id)
        assert await shown(w) == "role.guardian"
        w.clock.tick(10)
        for _ in range(A_DAY - 1):
            await w.access.sharing.pause(wall, w.class_id)
            w.clock.tick(10)
        for actor in (wall, teacher):
            with pytest.raises(Denied) as refused:
                await w.access.sharing.pause(actor, w.class_id)
            assert refused.value.fields["reason"] == "pause.too_many"
        with pytest.raises(BadInput):
            await w.access.sharing.pause(wall, w.class_id, minutes=None)


async def test_a_sheet_is_good_for_one_class_until_it_is_replaced(tmp_path: Path) -> None:
    """A new sheet ends the old one, a restart knows the good one, and the database holds no secret."""
    async with school(tmp_path) as w:
        walls = w.access.walls
        first = (await walls.replace(w.actor, w.class_id)).reveal()
        assert walls.class_of(first) == w.class_id
        second = (await walls.replace(w.actor, w.class_id)).reveal()
        assert walls.class_of(first) is None
        walls._classes = {}
        await walls.load()
        assert walls.class_of(second) == w.class_id
        assert walls.has_sheet(w.class_id)
        assert [walls.class_of(text) for text in ("", "a" * 26, second.upper(), second + "a", "ă" * 26)] == [None] * 5
        assert second not in "\n".join(w.db.read_sync(lambda conn: list(conn.iterdump())))
        await walls.end(w.actor, w.class_id)
        assert walls.class_of(second) is None
        with pytest.raises(NotFound):
            await walls.replace(w.actor, PRINCIPAL)


async def test_hammering_on_a_sheet_ends_for_a_while_and_leaves_other_classes_alone(tmp_path: Path) -> None:
    """A sheet has a few tries and gets them back slowly."""
    async with school(tmp_path) as w:
        other = await w.access.classes.add(w.actor, "Chồi 1")
        assert all(w.access.walls.actor(w.class_id) for _ in range(BURST))
        assert w.access.walls.actor(w.class_id) is None
        assert w.access.walls.actor(other) is not None
        w.clock.tick(20)
        assert w.access.walls.actor(w.class_id) is not None
