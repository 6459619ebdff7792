"""Pictures through an uplink: spread, within the budget, late ones dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import PublicId, StreamRole
from gateway.live.sender import Numbers, Outlet, SendFrame, Viewer, send_frame
from gateway.live.stream import BurstBudget, LiveStream
from gateway.live.uplink import CHUNK_PACKETS, MOST_BEHIND_S, MOST_QUEUED_BYTES, WIRE_SHARE, Uplink, is_outside
from tests.fakes.clock import FakeClock
from tests.fakes.wire import FakeSocket

CONFIG = CodecConfig(Codec.H264, b"\x67s", b"\x68p")
HOME, AWAY = ("192.168.1.9", 9), ("203.0.113.9", 9)


class Watcher:
    """A viewer somewhere, and when its packets left."""

    def __init__(self, clock: FakeClock, address: tuple[str, int], *, relayed: bool = False) -> None:
        self.sink, self.clock = FakeSocket(), clock
        self.times_s: list[float] = []
        outlet = Outlet(self, address, relayed)
        self.viewer = Viewer(Numbers(1, 99, 100, 0), lambda packet: packet, lambda: outlet)

    def sendto(self, data: bytes, flags: int, address: tuple[str, int], /) -> int:
        self.times_s.append(self.clock.mono_ns() / 1e9)
        return self.sink.sendto(data, flags, address)

    def most_at_once(self) -> int:
        return max(self.times_s.count(at) for at in self.times_s)


class Scene:
    """A stream behind an uplink."""

    def __init__(self, bps: float = 10_000_000, send: SendFrame = send_frame) -> None:
        self.clock = FakeClock()
        self.uplink = Uplink(bps)
        self.stream = LiveStream(PublicId("c"), StreamRole.SUB, self.clock, send, uplink=self.uplink)
        self.number = 0

    async def watch(self, address: tuple[str, int], **more: Any) -> Watcher:
        watcher = Watcher(self.clock, address, **more)
        await self.stream.join(watcher.viewer, BurstBudget())
        return watcher

    def feed(self, *, key: bool = False, size: int = 5000) -> None:
        nal = bytes([0x65 if key else 0x41]) + bytes([self.number % 256]) * size
        self.number += 1
        self.stream.take(AccessUnit((nal,), self.number * 4500, key, self.clock.mono_ns() + 1, CONFIG), skipped=False)

    async def play(self, count: int, *, gop: int = 20, key_bytes: int = 50_000, size: int = 10_000) -> None:
        for n in range(count):
            self.feed(key=n % gop == 0, size=key_bytes if n % gop == 0 else size)
            await self.clock.advance(0.05)


def run(scenario: Callable[[Scene], Awaitable[None]], scene: Scene | None = None) -> Scene:
    async def body() -> Scene:
        made = scene or Scene()
        assert made.stream.line is not None
        pacing = asyncio.create_task(made.stream.line.run())
        await scenario(made)
        pacing.cancel()
        return made

    return asyncio.run(body())


def whole(watcher: Watcher) -> bool:
    seqs = [packet.seq for packet in watcher.sink.packets()]
    return bool(seqs) and seqs == list(range(seqs[0], seqs[0] + len(seqs)))


@pytest.mark.parametrize(
    ("address", "outside"),
    [
        ("192.168.1.4", False),
        ("10.0.0.4", False),
        ("172.20.0.4", False),
        ("fd12::4", False),
        ("127.0.0.1", False),
        ("8.8.4.4", True),
        ("2400:cb00::4", True),
    ],
)
def test_who_is_outside(address: str, outside: bool) -> None:
    """Private addresses are the school's own network; all others are beyond its uplink."""
    assert is_outside(address) is outside


def test_the_lan_is_not_paced_and_the_outside_is() -> None:
    """At home a whole key frame leaves at once; outside it leaves in chunks, both without a hole."""

    async def scenario(scene: Scene) -> None:
        home, away = await scene.watch(HOME), await scene.watch(("8.8.4.4", 9))
        await scene.play(60)
        await scene.clock.advance(2)
        assert home.most_at_once() > 20
        assert away.most_at_once() <= CHUNK_PACKETS
        assert whole(home)
        assert whole(away)
        assert [packet.payload for packet in home.sink.packets()] == [packet.payload for packet in away.sink.packets()]

    assert run(scenario).uplink.dropped_frames == 0


def test_a_relayed_viewer_is_outside_wherever_the_relay_stands() -> None:
    """Its address says nothing."""

    async def scenario(scene: Scene) -> None:
        away = await scene.watch(HOME, relayed=True)
        await scene.play(20)
        await scene.clock.advance(2)
        assert away.most_at_once() <= CHUNK_PACKETS

    run(scenario)


def test_all_viewers_together_stay_within_the_budget() -> None:
    """Eight viewers of 1.7 Mbit/s behind 4 Mbit/s: never more than the budget, the rest is dropped and counted."""
    budget = 4_000_000

    async def scenario(scene: Scene) -> None:
        watchers = [await scene.watch(("8.8.4.4", port)) for port in range(8)]
        await scene.play(100)
        await scene.clock.advance(5)
        sent = sorted(
            (at, len(data)) for each in watchers for at, data in zip(each.times_s, each.sink.sent, strict=True)
        )
        passed_s = sent[-1][0] - sent[0][0]
        chunk_bits = 8 * CHUNK_PACKETS * 1212 * 8
        assert sum(size for _, size in sent) * 8 <= budget * passed_s * WIRE_SHARE + chunk_bits
        assert all(whole(each) for each in watchers)
        assert all(each.viewer.too_late for each in watchers)

    assert run(scenario, Scene(budget)).uplink.dropped_frames > 0


def test_a_join_from_outside_is_paced_too() -> None:
    """The cached GOP leaves in chunks, and live follows without a hole."""

    async def scenario(scene: Scene) -> None:
        await scene.play(15)
        watcher = Watcher(scene.clock, ("8.8.4.4", 9))
        joining = asyncio.create_task(scene.stream.join(watcher.viewer, BurstBudget()))
        for _ in range(30):
            scene.feed()
            await scene.clock.advance(0.05)
        await joining
        scene.feed()
        await scene.clock.advance(1)
        assert watcher.most_at_once() <= CHUNK_PACKETS
        assert whole(watcher)
        assert watcher.viewer.frames == 46

    run(scenario)


def test_whose_repairs_come_out_of_the_budget() -> None:
    """Those of viewers beyond the uplink; at home there is none to spare."""

    async def scenario(scene: Scene) -> None:
        home, away = await scene.watch(HOME), await scene.watch(("8.8.4.4", 9))
        assert scene.stream.uplink_of(home.viewer) is None
        assert scene.stream.uplink_of(away.viewer) is scene.uplink

    run(scenario)


def test_a_paused_viewer_gets_nothing_of_what_is_queued() -> None:
    """Pictures of a stream that a viewer was taken off are not sent to it, however long they waited."""

    async def scenario(scene: Scene) -> None:
        away = await scene.watch(("8.8.4.4", 9))
        scene.feed(key=True, size=50_000)
        await scene.clock.advance(0.02)
        scene.stream.pause(away.viewer)
        before = len(away.sink.sent)
        await scene.clock.advance(5)
        assert len(away.sink.sent) == before > 0

    run(scenario)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    pictures=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 400_000), st.booleans()), min_size=1, max_size=40),
    bps=st.sampled_from([100_000, 2_000_000, 50_000_000]),
)
def test_the_queue_never_grows_beyond_its_bound(pictures: list[tuple[int, int, bool]], bps: int) -> None:
    """Whatever comes however fast: what waits is not older than its bound and not larger, and its bytes are counted."""

    async def scenario(scene: Scene) -> None:
        away = await scene.watch(("8.8.4.4", 9))
        line = scene.stream.line
        assert line is not None
        for later_ms, size, key in pictures:
            scene.feed(key=key, size=size)
            waiting = [item[0] for item in line._frames]
            assert line.queued_bytes == sum(frame.size_bytes for frame in waiting)
            assert line.queued_bytes <= MOST_QUEUED_BYTES
            if waiting:
                assert waiting[-1].received_mono_ns - waiting[0].received_mono_ns <= MOST_BEHIND_S * 1e9
            await scene.clock.advance(later_ms / 1000)
        await scene.clock.advance(60)
        assert line.queued_bytes == 0 or bps < 1_000_000
        assert not away.sink.sent or whole(away)

    run(scenario, Scene(bps))


def test_what_one_read_brings_is_bounded_too() -> None:
    """Pictures that were all received in one moment are never late: their bytes are the bound then."""

    async def scenario(scene: Scene) -> None:
        away = await scene.watch(("8.8.4.4", 9))
        scene.feed(key=True, size=1000)
        for _ in range(30):
            scene.feed(size=400_000)
        assert away.viewer.too_late == 2
        line = scene.stream.line
        assert line is not None
        assert line.queued_bytes <= MOST_QUEUED_BYTES

    assert run(scenario, Scene(100_000)).uplink.dropped_frames > 0
