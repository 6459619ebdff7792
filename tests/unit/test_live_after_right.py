"""Pictures received after a viewer's right ended leave towards it on no way, however late its end is noticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import Role
from gateway.live.ends import End
from gateway.live.leases import Lease
from gateway.live.sender import FOREVER_NS, SendFrame
from gateway.live.stream import BurstBudget
from gateway.live.uplink import Uplink
from tests.fakes.clock import FakeClock
from tests.fakes.live_box import make_grant
from tests.fakes.live_scene import OFFER
from tests.fakes.live_scene import Scene as Sessions
from tests.fakes.live_scene import play as play_sessions
from tests.unit.test_live_before_right import SENDERS, Scene, run

LEASE_MS = 5_000


async def watched(scene: Scene) -> None:
    """Let the viewer join with two pictures seen; its right ends a second after it began."""
    await scene.stream.join(scene.viewer, BurstBudget())
    scene.viewer.not_after_ns = scene.viewer.not_before_ns + 1_000_000_000
    scene.feed(-0.1, key=True)
    scene.feed(-0.2)


@SENDERS
def test_the_picture_of_the_last_moment_is_the_last(send: SendFrame) -> None:
    """One received a nanosecond before the end is shown; from the end on neither pictures nor key frames are."""

    async def scenario(scene: Scene) -> None:
        await watched(scene)
        scene.feed(-0.999_999_999)
        assert scene.shown == [0, 1, 2]
        scene.feed(-1)
        scene.feed(-1.1, key=True)
        scene.feed(-1.2)
        assert scene.shown == [0, 1, 2]
        assert scene.viewer.skipped_frames == 3

    run(Scene(send), scenario)


@SENDERS
def test_a_right_renewed_late_goes_on_at_the_next_key_frame(send: SendFrame) -> None:
    """What was refused meanwhile is not made up for; the sequence numbers have no hole."""

    async def scenario(scene: Scene) -> None:
        await watched(scene)
        scene.feed(-1)
        scene.viewer.not_after_ns = FOREVER_NS
        scene.feed(-1.1)
        scene.feed(-1.2, key=True)
        scene.feed(-1.3)
        assert scene.shown == [0, 1, 4, 5]
        numbers = [packet.seq for packet in scene.sink.packets()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))

    run(Scene(send), scenario)


@SENDERS
def test_what_waits_for_the_uplink_is_judged_by_when_it_was_received(send: SendFrame) -> None:
    """A viewer outside: of frames queued together only those of within its right leave."""

    async def scenario(scene: Scene) -> None:
        await watched(scene)
        scene.feed(-0.9)
        scene.feed(-1)
        assert scene.stream.line is not None
        assert scene.stream.line.queued_bytes
        for _ in range(20):
            await scene.clock.advance(0.1)
        assert scene.stream.line.queued_bytes == 0
        assert scene.shown == [0, 1, 2]

    run(Scene(send, Uplink(10_000_000, lambda _address: True)), scenario)


@pytest.mark.parametrize("end", ["lease", "until"])
def test_a_loop_that_looks_late_sends_nothing_more(tmp_path: Path, end: str) -> None:
    """Nobody looks whose time is up (a starved box): pictures go to others alone, and the end has its reason."""

    async def scenario(scene: Sessions) -> None:
        now_ms = scene.clock.now_ms()
        rights = {"lease": {"lease_ms": LEASE_MS}, "until": {"until_ms": now_ms + LEASE_MS}}[end]
        short, stream, _ = await scene.watching(role=Role.GUARDIAN, **rights)
        await scene.sessions.open(make_grant(scene.clock, role=Role.GUARDIAN), None, OFFER)
        long = scene.connections.made[-1]
        long.connect()
        await scene.settle()
        scene.picture(stream, key=True)
        scene.clock.tick(LEASE_MS / 1000 - 0.001)
        scene.picture(stream)
        before, others = len(short.sink.packets()), len(long.sink.packets())
        scene.clock.tick(0.001)  # no sleeper is woken: the sweep stands still
        scene.picture(stream)
        scene.picture(stream, key=True)
        assert len(short.sink.packets()) == before
        assert len(long.sink.packets()) > others
        await scene.sessions.sweep()
        assert scene.sessions.ended == {End.LEASE if end == "lease" else End.UNTIL: 1}

    play_sessions(tmp_path, scenario)


def test_a_renewal_moves_the_end_for_the_sender_too(tmp_path: Path) -> None:
    """Renewed in time nothing is missing; a new `until_ms` holds from the renewal on."""

    async def scenario(scene: Sessions) -> None:
        grant = make_grant(scene.clock, lease_ms=LEASE_MS)
        connection, stream, _ = await scene.watching_by(grant)
        for _ in range(3):
            scene.clock.tick(LEASE_MS / 1000 - 0.001)
            assert scene.sessions.renew(grant)
            count = len(connection.sink.packets())
            scene.picture(stream)
            assert len(connection.sink.packets()) > count
        assert scene.sessions.renew(replace(grant, until_ms=scene.clock.now_ms() + 1_000))
        scene.clock.tick(1)
        count = len(connection.sink.packets())
        scene.picture(stream, key=True)
        assert len(connection.sink.packets()) == count

    play_sessions(tmp_path, scenario)


def test_a_renewal_after_the_end_asks_the_camera_for_a_key_frame(tmp_path: Path) -> None:
    """Pictures were refused, so the viewer waits for a key frame: with long groups it would see a still; asked once."""

    async def scenario(scene: Sessions) -> None:
        grant = make_grant(scene.clock, lease_ms=LEASE_MS)
        connection, stream, _ = await scene.watching_by(grant)
        asked: list[int] = []
        stream.ask_key = lambda: asked.append(scene.clock.mono_ns())
        scene.clock.tick(LEASE_MS / 1000 - 0.001)
        assert scene.sessions.renew(grant)
        assert asked == [], "renewed in time nobody waits"
        scene.clock.tick(LEASE_MS / 1000)
        scene.picture(stream)
        assert scene.sessions.renew(grant)
        assert asked == [scene.clock.mono_ns()]
        count = len(connection.sink.packets())
        scene.picture(stream)
        assert len(connection.sink.packets()) == count
        scene.picture(stream, key=True)
        assert len(connection.sink.packets()) > count
        assert len(asked) == 1

    play_sessions(tmp_path, scenario)


@given(
    lease_ms=st.integers(1, 60_000),
    until_in_ms=st.none() | st.integers(0, 60_000),
    renewed_ms=st.integers(0, 60_000),
    asked_ms=st.integers(0, 120_000),
)
def test_the_sender_and_the_sweep_have_one_end(
    lease_ms: int, until_in_ms: int | None, renewed_ms: int, asked_ms: int
) -> None:
    """For every grant, renewal and instant: over exactly from `ends_ns` on, while the wall clock keeps step."""
    clock = FakeClock()
    until_ms = None if until_in_ms is None else clock.now_ms() + until_in_ms
    lease = Lease(make_grant(clock, lease_ms=lease_ms, until_ms=until_ms), mono_ns=clock.mono_ns())
    clock.tick(renewed_ms / 1000)
    lease.renew(lease.grant, next(iter(lease.grant.streams)), mono_ns=clock.mono_ns())
    ends_ns = lease.ends_ns(mono_ns=clock.mono_ns(), now_ms=clock.now_ms())
    now_ms, mono_ns = clock.now_ms() + asked_ms, clock.mono_ns() + asked_ms * 1_000_000
    assert (lease.over(mono_ns=mono_ns, now_ms=now_ms) is not None) == (mono_ns >= ends_ns)
