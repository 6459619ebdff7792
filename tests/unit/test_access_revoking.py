"""Every act that takes a right away ends the picture that runs under it, at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.access.audit import CONSOLE, Actor
from gateway.access.classes import Hours, PlanItem, at
from gateway.access.facts import BlockKind, ClassRules
from gateway.access.reasons import Reason
from gateway.core.errors import Denied, NotFound
from tests.fakes.access_world import World, school
from tests.fakes.school import NOW

pytestmark = pytest.mark.anyio

Act = Callable[[World], Awaitable[object]]


async def end_guardian_soon(w: World) -> None:
    await w.access.children.add_guardian(w.actor, w.mother, w.child, until_ms=w.clock.now_ms() + 400)
    await w.clock.advance(0.4)


async def move_child(w: World) -> None:
    other = await w.access.classes.add(w.actor, "Chồi 1")
    await w.access.children.enrol(w.actor, w.child, other)


async def end_window(w: World) -> None:
    w.clock.step_wall(NOW + (7 * 60 + 30) * 60_000 - w.clock.now_ms())  # 16:30 local
    await w.clock.advance(0.25)


async def start_nap(w: World) -> None:
    w.clock.step_wall(NOW + (2 * 60 + 30) * 60_000 - 300 - w.clock.now_ms())  # 300 ms before 11:30
    await w.clock.advance(0.5)


async def lose_clock(w: World) -> None:
    w.clock.distrust()
    await w.clock.advance(0.25)


async def reassign_camera(w: World) -> None:
    other = await w.access.classes.add(w.actor, "Chồi 1")
    await w.access.classes.assign(w.actor, w.camera, other)


async def end_session(w: World) -> None:
    await w.access.logins.end(Actor(w.mother, w.phone), w.access.logins.sessions(w.mother)[0].id)


async def end_device(w: World) -> None:
    device = (await w.access.devices.of(w.mother))[0]
    await w.access.devices.end(w.actor, device.id)


async def new_child(w: World) -> None:
    await w.access.children.add(w.actor, "Bé Chưa Trả Lời", w.class_id)


async def holiday(w: World) -> None:
    await w.access.classes.set_day(w.actor, dt.date(2026, 11, 19), is_open=False, label="Ngày hội")


async def hide_lesson(w: World) -> None:
    plan = [PlanItem(Hours(at("07:00"), at("17:00")), BlockKind.LESSON, guardian_visible=False)]
    await w.access.classes.set_plan(w.actor, w.class_id, plan)


ACTS: dict[str, tuple[Act, Reason]] = {
    "guardian removed": (lambda w: w.access.children.revoke_guardian(w.actor, w.mother, w.child), Reason.NOT_FOUND),
    "guardian removed from all": (lambda w: w.access.children.revoke_guardian(w.actor, w.mother), Reason.NOT_FOUND),
    "guardian ended by its date": (end_guardian_soon, Reason.NOT_FOUND),
    "enrolment moved": (move_child, Reason.NOT_FOUND),
    "child left": (lambda w: w.access.children.leave(w.actor, w.child, at_once=True), Reason.NOT_FOUND),
    "own consent withdrawn": (
        lambda w: w.access.children.withdraw(Actor(w.mother, w.phone), w.child),
        Reason.CONSENT_MISSING,
    ),
    "another family withdraws": (lambda w: w.access.children.withdraw(w.actor, w.mate), Reason.CLASS_NOT_OPEN),
    "a child joins without an answer": (new_child, Reason.CLASS_NOT_OPEN),
    "person disabled": (lambda w: w.access.people.disable(w.actor, w.mother), Reason.PERSON_DISABLED),
    "session ended": (end_session, Reason.SESSION_ENDED),
    "device ended": (end_device, Reason.SESSION_ENDED),
    "window ends": (end_window, Reason.WINDOW_CLOSED),
    "windows taken away": (lambda w: w.access.classes.set_windows(w.actor, w.class_id, []), Reason.WINDOW_NONE),
    "day-plan block starts": (start_nap, Reason.PLAN_NAP),
    "day plan hides": (hide_lesson, Reason.PLAN_HIDDEN),
    "holiday declared": (holiday, Reason.CALENDAR_CLOSED),
    "pause": (lambda w: w.access.sharing.pause(w.actor, w.class_id), Reason.CLASS_PAUSED),
    "privacy": (lambda w: w.access.sharing.hide_camera(w.actor, w.camera), Reason.CAMERA_PRIVATE),
    "stop all": (lambda w: w.access.sharing.stop_all(w.actor), Reason.SHARING_STOPPED),
    "class seen at the school only": (
        lambda w: w.access.narrowing.set(w.actor, ClassRules(w.class_id, on_site_only=True)),
        Reason.ON_SITE_ONLY,
    ),
    "no minutes left": (
        lambda w: w.access.narrowing.set(w.actor, ClassRules(w.class_id, daily_minutes=0)),
        Reason.QUOTA_SPENT,
    ),
    "camera reassigned": (reassign_camera, Reason.NOT_FOUND),
    "camera removed": (lambda w: w.access.classes.sync_cameras(CONSOLE, []), Reason.NOT_FOUND),
    "clock not trusted": (lose_clock, Reason.CLOCK_UNTRUSTED),
}


@pytest.mark.parametrize("act", ACTS)
async def test_a_revoking_act_ends_the_stream_before_the_next_beat(act: str, tmp_path: Path) -> None:
    """Each revoking act ends the guardian's running stream, with its reason, without waiting for the reaper."""
    async with school(tmp_path) as w:
        await w.beats()
        grant, beats = await w.look(), len(w.media.renewals)
        run, reason = ACTS[act]
        await run(w)
        await w.until(lambda: grant not in w.media.sessions)
        assert w.media.why(grant) == reason
        assert len(w.media.renewals) == beats
        assert w.access.open.watches() == ()
        with pytest.raises((Denied, NotFound)):
            await w.look()
        assert w.faults == []
