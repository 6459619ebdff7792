"""A right to see ends while the picture runs: each cutter, each revoking act, each failure."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.access.audit import CONSOLE, Actor
from gateway.access.classes import Hours, at
from gateway.access.migrations import MIGRATIONS
from gateway.access.reasons import Reason
from gateway.core.db import Database
from gateway.core.errors import DaemonUnavailable, Denied, NotFound
from gateway.core.model import Action, Decision, Role, StreamRole, WallPlace
from tests.fakes.access_world import KEY, MAKERS, FakeMedia, World, access_on, grant_of, school
from tests.fakes.clock import FakeClock
from tests.fakes.memory_disk import in_memory
from tests.fakes.school import NOW

pytestmark = pytest.mark.anyio

Act = Callable[[World], Awaitable[object]]


async def test_staff_keep_what_guardians_lose(tmp_path: Path) -> None:
    """Stopping all sharing and an untrusted clock end guardians' streams, the principal's goes on."""
    async with school(tmp_path) as w:
        kept, _ = await w.access.open.open(w.principal, w.actor.device, w.camera, "offer")
        lost = await w.look()
        await w.access.sharing.stop_all(w.actor)
        await w.until(lambda: lost not in w.media.sessions)
        w.clock.distrust()
        await w.clock.advance(0.25)
        await w.beats(2)
        assert [watch.grant.id for watch in w.access.open.watches()] == [kept.id]
        assert w.media.renewals[-1] == [kept.id]


async def test_a_tile_of_a_wall_is_a_stream_of_its_own(tmp_path: Path) -> None:
    """Its place goes to the live daemon, its grant is held and cut like any other."""
    async with school(tmp_path) as w:
        place = WallPlace(None, 2)
        kept, opened = await w.access.open.open(w.principal, w.actor.device, w.camera, "offer", place=place)
        assert (opened.wall, opened.answer) == ("wall", "answer to offer")
        assert w.media.places[kept.id] == place
        assert await w.access.open.leave(opened.session, w.actor.device)
        assert w.media.why(kept.id) == Reason.VIEWER_LEFT


async def test_reaper_renews_and_sees_what_no_listener_told(tmp_path: Path) -> None:
    """A change written past the store's own door is found by the beat, from the database."""
    async with school(tmp_path) as w:
        grant = await w.look()
        await w.beats(2)
        assert w.media.renewals[-1] == [grant]

        def behind(conn: sqlite3.Connection) -> None:
            conn.execute("UPDATE access_state SET sharing_stopped = 1, facts_version = facts_version + 1")

        await w.db.write(behind)
        await w.until(lambda: grant not in w.media.sessions, step_s=0.25)
        assert w.media.why(grant) == Reason.SHARING_STOPPED


async def test_the_reaper_alone_is_enough(tmp_path: Path) -> None:
    """With the listeners deaf, the next beat ends what a change of facts revoked."""
    async with school(tmp_path) as w:
        grant = await w.look()
        w.access.store.listeners.clear()
        await w.access.sharing.stop_all(w.actor)
        assert grant in w.media.sessions
        await w.access.open.reap()
        assert w.media.why(grant) == Reason.SHARING_STOPPED
        w.access.store.listeners.append(w.access.open._facts_changed)


async def test_facts_of_unknown_age_decide_nothing(tmp_path: Path) -> None:
    """If the database does not answer for three seconds, what we know counts as unknown."""
    async with school(tmp_path) as w:
        still = MAKERS.get()[1](w.access.store, w.access.grants, w.media, KEY, on_fault=lambda _name, _error: None)
        still._fresh_ns = w.clock.mono_ns()
        grant, _ = await still.open(w.mother, w.phone, w.camera, "offer")
        w.clock.tick(3)
        await still.cut(list(still._held.values()))
        assert w.media.why(grant.id) is None
        w.clock.tick(0.001)
        await still.cut(list(still._held.values()))
        assert w.media.why(grant.id) == Reason.POLICY_ERROR


async def test_undecided_rights_of_staff_end_at_their_time(tmp_path: Path) -> None:
    """Even a teacher's stream that cannot be decided about ends at the `until_ms` it was granted with."""
    async with school(tmp_path) as w:
        _, grant = await w.access.grants.issue(w.principal, w.actor.device, Action.LIVE, w.camera)
        assert grant is not None
        ending = w.access.grants.renewed(grant, Decision(True, Reason.TEACHER, NOW + 1_000))
        module = sys.modules[MAKERS.get()[1].__module__]
        assert module.verdict(grant, None, NOW) is None
        assert module.verdict(ending, None, NOW + 999) is None
        assert module.verdict(ending, None, NOW + 1_000) == Reason.POLICY_ERROR
        assert module.verdict(ending, Decision(False, Reason.CAMERA_PRIVATE), NOW) == Reason.CAMERA_PRIVATE


async def test_unreadable_facts_end_guardians_and_keep_staff(tmp_path: Path) -> None:
    """When the database cannot be asked, guardians' streams end and staff's leases are renewed."""
    async with school(tmp_path) as w:
        staff, _ = await w.access.open.open(w.principal, w.actor.device, w.camera, "offer")
        grant = await w.look()
        await w.db.write(lambda conn: conn.execute("ALTER TABLE access_state RENAME TO gone"))
        began_ms = w.clock.now_ms()
        await w.until(lambda: grant not in w.media.sessions, step_s=0.25)
        assert w.media.why(grant) == Reason.POLICY_ERROR
        assert w.clock.now_ms() - began_ms <= 2_000
        await w.beats(2)
        assert w.media.renewals[-1] == [staff.id]
        assert {name for name, _ in w.faults} >= {"access.freshen"}


async def test_policy_error_ends_guardians(tmp_path: Path) -> None:
    """A decision that raises is a refusal for guardians, never a yes."""
    async with school(tmp_path) as w:
        grant = await w.look()
        staff, _ = await w.access.open.open(w.principal, w.actor.device, w.camera, "offer")
        w.clock.step_wall(10**18)  # beyond what a calendar can say
        await w.until(lambda: grant not in w.media.sessions, step_s=0.25)
        assert w.media.why(grant) == Reason.POLICY_ERROR
        assert staff.id in w.media.sessions


async def test_newest_device_wins(tmp_path: Path) -> None:
    """A guardian's second device takes over; the first is told that another device watches."""
    async with school(tmp_path) as w:
        tablet = await w.join(w.mother, "iPad")
        first = await w.look()
        second = await w.look(tablet.session.id)
        assert w.media.why(first) == Reason.DEVICE_OTHER
        assert [watch.grant.id for watch in w.access.open.watches()] == [second]


async def test_the_same_device_replaces_its_stream(tmp_path: Path) -> None:
    """Opening again on one device ends the older stream as replaced, not as stolen."""
    async with school(tmp_path) as w:
        first = await w.look()
        second = await w.look()
        assert w.media.why(first) == Reason.STREAM_REPLACED
        assert list(w.media.sessions) == [second]


async def test_staff_may_watch_many_rooms(tmp_path: Path) -> None:
    """The principal's grid has many streams at once."""
    async with school(tmp_path) as w:
        for _ in range(3):
            await w.access.open.open(w.principal, w.actor.device, w.camera, "offer", stream=StreamRole.MAIN)
        assert len(w.media.sessions) == 3
        assert set(w.media.streams.values()) == {StreamRole.MAIN}


async def test_guardians_get_no_main_stream(tmp_path: Path) -> None:
    """A guardian who asks for the main stream gets a grant and an order for the sub stream only."""
    async with school(tmp_path) as w:
        grant, _ = await w.access.open.open(w.mother, w.phone, w.camera, "offer", stream=StreamRole.MAIN)
        assert grant.streams == {StreamRole.SUB}
        assert w.media.streams[grant.id] is None


async def test_a_cut_while_opening_leaves_nothing_open(tmp_path: Path) -> None:
    """If the right ends while live still answers the offer, the stream is ended and the page is told why."""
    async with school(tmp_path) as w:
        w.media.gate = asyncio.Event()
        opening = asyncio.create_task(w.look())
        await w.until(lambda: len(w.access.open.watches()) == 1)
        await w.access.sharing.stop_all(w.actor)
        await w.until(lambda: w.access.open.watches() == ())
        w.media.gate.set()
        with pytest.raises(Denied) as refused:
            await opening
        assert refused.value.fields["reason"] == Reason.SHARING_STOPPED
        assert w.media.sessions == {}


async def test_a_failed_open_leaves_no_right(tmp_path: Path) -> None:
    """If live cannot open the stream, nothing stays open and the audit says so."""
    async with school(tmp_path) as w:
        w.media.broken = True
        with pytest.raises(DaemonUnavailable):
            await w.look()
        assert w.access.open.watches() == ()
        assert w.rows("SELECT * FROM open_grant") == []


async def test_live_that_does_not_answer_is_told_again(tmp_path: Path) -> None:
    """An ending that live did not confirm is repeated at each beat; no lease is renewed meanwhile."""
    async with school(tmp_path) as w:
        grant = await w.look()
        w.media.broken = True
        await w.access.sharing.stop_all(w.actor)
        await w.until(lambda: w.access.open.watches() == ())
        assert grant in w.media.sessions
        w.media.broken = False
        await w.beats(2)
        assert w.media.why(grant) == Reason.SHARING_STOPPED
        assert all(grant not in renewed for renewed in w.media.renewals[-2:])


async def test_a_viewer_that_vanished_is_forgotten(tmp_path: Path) -> None:
    """A session that live no longer reports ends here too."""
    async with school(tmp_path) as w:
        await w.look()
        w.media.sessions.clear()
        await w.beats(2)
        assert w.access.open.watches() == ()
        assert w.rows("SELECT * FROM open_grant") == []


async def test_a_session_nobody_granted_is_ended(tmp_path: Path) -> None:
    """What live reports and nobody here knows is closed."""
    async with school(tmp_path) as w:
        w.media.sessions["strangegrantaaaa"] = "session-x"
        await w.beats(2)
        assert w.media.closed == [("strangegrantaaaa", Reason.GRANT_UNKNOWN)]


async def test_hanging_up_is_the_viewers_own(tmp_path: Path) -> None:
    """A session is ended by the device it belongs to, not by another one."""
    async with school(tmp_path) as w:
        grant = await w.look()
        session = w.media.sessions[grant]
        assert not await w.access.open.leave(session, "another-device")
        assert await w.access.open.leave(session, w.phone)
        assert w.media.why(grant) == Reason.VIEWER_LEFT


async def restarted(folder: Path, media: FakeMedia, change: Act) -> tuple[list[str], list[tuple[str, str]]]:
    """Open one stream, stop the gateway, change something, start again; returns what runs and what was ended."""
    async with school(folder) as w:
        w.access.open._media = media
        await w.look()
        await w.access.open.open(w.principal, w.actor.device, w.camera, "offer")
        ids, actor, now_ms = (w.mother, w.class_id, w.camera), w.actor, w.clock.now_ms()
    clock = FakeClock(now_ms + 2_000)
    async with Database(in_memory(folder) / "gateway.db", [MIGRATIONS]) as db:
        again = World(db, clock, media, access_on(db, clock, media, [], []), actor=actor)
        again.mother, again.class_id, again.camera = ids
        await again.access.store.load()
        await change(again)
        media.closed.clear()
        async with again.access:
            await again.beats(3)
            return [str(watch.grant.role) for watch in again.access.open.watches()], list(media.closed)


async def test_a_restart_adopts_what_is_still_granted(tmp_path: Path) -> None:
    """After a restart, streams that live still has go on if they would be granted now."""

    async def nothing(w: World) -> None:
        return None

    media = FakeMedia()
    running, closed = await restarted(tmp_path, media, nothing)
    assert sorted(running) == ["guardian", "principal"]
    assert closed == []
    assert len(media.renewals[-1]) == 2


async def test_a_restart_ends_what_is_no_longer_granted(tmp_path: Path) -> None:
    """A right that ended while the gateway was down ends its stream at the first beat."""
    media = FakeMedia()
    running, closed = await restarted(tmp_path, media, lambda w: w.access.sharing.stop_all(CONSOLE))
    assert running == ["principal"]
    assert [reason for _, reason in closed] == [Reason.SHARING_STOPPED]


async def test_a_longer_right_is_renewed_with_its_new_end(tmp_path: Path) -> None:
    """When the windows change, the running grant carries the new `until_ms` to live."""
    async with school(tmp_path) as w:
        await w.look()
        before = w.access.open.watches()[0].grant
        await w.access.classes.set_windows(w.actor, w.class_id, [Hours(at("07:30"), at("09:10"))])
        await w.until(lambda: w.access.open.watches()[0].grant.until_ms == NOW + 10 * 60_000)
        after = w.access.open.watches()[0].grant
        assert (after.id, after.audit_seq) == (before.id, before.audit_seq)
        assert after.facts_version > before.facts_version


async def test_every_stream_and_its_end_is_in_the_audit(tmp_path: Path) -> None:
    """Granting, ending and the change between them are rows, with an event for what was cut."""
    async with school(tmp_path) as w:
        grant = await w.look()
        await w.access.sharing.pause(w.actor, w.class_id)
        await w.until(lambda: w.rows("SELECT * FROM open_grant") == [])
        rows = [
            row["what"] for row in w.rows("SELECT json_extract(body, '$.what') AS what FROM audit_body ORDER BY seq")
        ]
        assert rows[-3:] == ["granted", "class.pause", "ended"]
        assert [event.data["reason"] for event in w.events if event.type == "access.revoked.v1"] == ["class.paused"]
        assert grant in w.rows("SELECT body FROM audit_body ORDER BY seq DESC LIMIT 1")[0]["body"]


async def test_an_observer_or_stranger_opens_nothing(tmp_path: Path) -> None:
    """Without a right there is no ticket at all."""
    async with school(tmp_path) as w:
        guest = await w.access.people.add(w.actor, Role.OBSERVER, "Khách dự giờ")
        for person, device in ((guest, w.phone), (w.mother, "no-session"), (w.father_of_mate, w.phone)):
            with pytest.raises((Denied, NotFound)):
                await w.access.open.open(person, device, w.camera, "offer")
        assert w.media.sessions == {}


async def test_tickets_say_what_the_grant_says(tmp_path: Path) -> None:
    """The signed form that live gets names person, camera, streams, lease and end."""
    async with school(tmp_path) as w:
        grant, _ = await w.access.open.open(w.mother, w.phone, w.camera, "offer")
        ticket = await w.access.ticket(Actor(w.mother, w.phone), Action.SNAPSHOT, w.camera)
        fields = grant_of(ticket)
        assert (fields["camera"], fields["streams"], fields["lease_ms"]) == (w.camera, ["sub"], 5000)
        assert fields["until_ms"] == grant.until_ms
