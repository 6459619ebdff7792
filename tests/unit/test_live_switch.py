"""From main to sub and back: numbers, times, holds."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import PublicId, StreamRole
from gateway.live.ends import End
from gateway.live.sender import Numbers, Viewer
from gateway.live.stream import BurstBudget, LiveStream
from gateway.live.switch import ARRIVE_WITHIN_S, Switch
from tests.fakes.clock import FakeClock
from tests.fakes.live_box import BOTH, make_grant
from tests.fakes.wire import FakeSocket, Packet

CONFIG = CodecConfig(Codec.H264, b"\x67s", b"\x68p")
MAIN, SUB = StreamRole.MAIN, StreamRole.SUB
SUB_ONLY = frozenset({SUB})
STEP_NS = 50_000_000
ORIGIN_90K = {MAIN: 0, SUB: 7_000_000}
"""Each stream has a time line of its own."""


class Scene:
    """A camera with two streams, both fed by hand, and one viewer of them."""

    def __init__(self, role: StreamRole = MAIN, streams: frozenset[StreamRole] = BOTH) -> None:
        self.clock = FakeClock()
        self.streams = {each: LiveStream(PublicId("c"), each, self.clock) for each in (MAIN, SUB)}
        self.holds: Counter[StreamRole] = Counter()
        self.grant = make_grant(self.clock, streams=streams)
        self.sink = FakeSocket()
        self.viewer = Viewer(Numbers(1, 99, 100, 0), lambda packet: packet, self.sink.outlet)
        self.switch = Switch(self, self.hold(PublicId("c"), role), self.clock.mono_ns())

    def hold(self, camera: PublicId, role: StreamRole) -> LiveStream:
        self.holds[role] += 1
        return self.streams[role]

    def release(self, stream: LiveStream) -> None:
        self.holds[stream.role] -= 1

    def feed(self, role: StreamRole, *, key: bool = False, ago_ns: int = 0) -> None:
        received = self.clock.mono_ns() - ago_ns
        nal = bytes([0x65 if key else 0x41, role is MAIN]) + bytes(2000)
        pts = ORIGIN_90K[role] + received * 9 // 100_000
        self.streams[role].take(AccessUnit((nal,), pts, key, received, CONFIG), skipped=False)

    def tick(self, count: int = 1, *, keys: tuple[StreamRole, ...] = (), only: StreamRole | None = None) -> None:
        """Let both streams send a picture, 50 ms on, and look at the link."""
        for _ in range(count):
            self.clock.tick(STEP_NS / 1e9)
            for role in (MAIN, SUB):
                if self.holds[role] and only in (None, role):
                    self.feed(role, key=role in keys)
            self.follow()

    def follow(self) -> None:
        self.switch.follow(self.viewer, self.grant, self.clock.mono_ns())

    def lose(self) -> None:
        for _ in range(2):
            self.switch.link.reported(0.5, self.clock.mono_ns())
        self.follow()

    def calm(self, seconds: float) -> None:
        self.clock.tick(seconds)
        self.follow()

    def sent(self) -> list[tuple[StreamRole, Packet]]:
        """Return the packets that begin a picture, with the stream each is of."""
        return [
            (MAIN if packet.payload[2] else SUB, packet)
            for packet in self.sink.packets()
            if packet.payload[0] & 0x1F == 28 and packet.payload[1] & 0x80
        ]

    def whole(self) -> bool:
        seqs = [packet.seq for packet in self.sink.packets()]
        return seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def play(scenario: Callable[[Scene], Awaitable[None]], scene: Scene | None = None) -> Scene:
    async def body() -> Scene:
        made = scene or Scene()
        made.feed(made.switch.now.role, key=True)
        await made.switch.now.join(made.viewer, BurstBudget())
        await scenario(made)
        return made

    return asyncio.run(body())


def test_a_weak_link_gets_the_sub_stream_at_its_key_frame() -> None:
    """Main stops at once, sub begins with a key frame; the sequence has no hole and time goes on."""

    async def scenario(scene: Scene) -> None:
        scene.tick(5)
        scene.lose()
        scene.tick(3)
        scene.tick(keys=(SUB,))
        scene.tick(3)

    scene = play(scenario)
    roles = [role for role, _ in scene.sent()]
    assert roles == [MAIN] * 6 + [SUB] * 4
    assert scene.whole()
    times = [packet.ts for _, packet in scene.sent()]
    assert [b - a for a, b in itertools.pairwise(times[5:])] == [4 * 4500, 4500, 4500, 4500]
    assert scene.holds == Counter({SUB: 1, MAIN: 0})
    assert (scene.switch.now.role, scene.switch.switched) == (SUB, 1)


def test_the_way_back_is_seamless() -> None:
    """Sub goes on until main's next key frame: no picture is left out in between."""

    async def scenario(scene: Scene) -> None:
        scene.lose()
        scene.tick(keys=(SUB,))
        scene.calm(20)
        scene.tick(3)
        scene.tick(keys=(MAIN,))
        scene.tick(2)

    scene = play(scenario)
    assert [role for role, _ in scene.sent()] == [MAIN, SUB, SUB, SUB, SUB, MAIN, MAIN, MAIN]
    assert scene.whole()
    times = [packet.ts for _, packet in scene.sent()]
    assert all(b > a for a, b in itertools.pairwise(times))
    assert scene.holds == Counter({MAIN: 1, SUB: 0})


def test_an_old_key_frame_does_not_turn_time_back() -> None:
    """A new subscription repeats the current GOP: what is older than the last picture sent is not begun with."""

    async def scenario(scene: Scene) -> None:
        scene.tick(5)
        scene.lose()
        scene.feed(SUB, key=True, ago_ns=4 * STEP_NS)
        scene.feed(SUB, ago_ns=3 * STEP_NS)
        assert scene.viewer not in scene.streams[SUB].viewers
        scene.tick(keys=(SUB,))

    scene = play(scenario)
    assert [role for role, _ in scene.sent()] == [MAIN] * 6 + [SUB]


def test_repairs_are_of_the_stream_that_was_sent() -> None:
    """From the key frame on, packet numbers lead into the new stream's history, before any loop has looked."""

    async def scenario(scene: Scene) -> None:
        scene.tick(2)
        scene.lose()
        scene.clock.tick(0.05)
        scene.feed(SUB, key=True)
        assert scene.switch.now.role is MAIN
        assert scene.viewer.source is scene.streams[SUB].history
        for packet in scene.sink.packets()[-2:]:
            index = scene.viewer.index_of(packet.seq)
            assert index is not None
            place = scene.viewer.source.packet(index)
            assert place is not None
            assert place[0].payloads[place[1]] == packet.payload

    play(scenario)


def test_an_uplink_that_is_full_means_less() -> None:
    """Frames dropped before they left are as bad as frames lost on the way."""

    async def scenario(scene: Scene) -> None:
        for _ in range(2):
            scene.viewer.too_late += 1
            scene.follow()
        scene.tick(keys=(SUB,))

    assert play(scenario).switch.now.role is SUB


def test_what_was_before_the_right_began_is_not_shown_by_a_change() -> None:
    """The other stream's cached key frame is older than the right to see: the next one is waited for."""

    async def scenario(scene: Scene) -> None:
        scene.viewer.last_sent = None
        scene.viewer.not_before_ns = scene.clock.mono_ns()
        scene.lose()
        scene.feed(SUB, key=True, ago_ns=STEP_NS)
        assert scene.viewer not in scene.streams[SUB].viewers
        scene.tick(keys=(SUB,))
        assert scene.viewer in scene.streams[SUB].viewers

    play(scenario)


def test_guardians_never_get_main() -> None:
    """A grant of sub alone has no other stream; a link too slow for it drains up to the next key frame."""

    async def scenario(scene: Scene) -> None:
        scene.calm(100)
        assert scene.switch.coming is None
        scene.lose()
        assert (scene.switch.coming, scene.viewer.waits_for_key, scene.switch.pauses) == (None, True, 1)

    scene = play(scenario, Scene(SUB, SUB_ONLY))
    assert scene.holds == Counter({SUB: 1})


def test_who_asked_for_sub_stays_there() -> None:
    """A small tile is not made big because its link is good."""

    async def scenario(scene: Scene) -> None:
        scene.calm(100)

    assert play(scenario, Scene(SUB)).switch.coming is None


def test_a_camera_without_a_sub_stream_keeps_main() -> None:
    """The stream that ends is given back, main goes on at its next key frame, and nobody asks again."""

    async def scenario(scene: Scene) -> None:
        scene.lose()
        scene.streams[SUB].ended = End.CAMERA_GONE
        scene.follow()
        scene.tick(2)
        scene.tick(keys=(MAIN,))
        scene.lose()
        assert scene.switch.coming is None

    scene = play(scenario)
    assert [role for role, _ in scene.sent()] == [MAIN, MAIN]
    assert scene.holds == Counter({MAIN: 1, SUB: 0})
    assert scene.streams[MAIN].ended is None


def test_a_grant_that_names_main_no_longer_calls_it_off() -> None:
    """Renewed for sub alone while main is on its way: main is not begun, also when its key frame was there first."""

    async def scenario(scene: Scene) -> None:
        scene.lose()
        scene.tick(keys=(SUB,))
        scene.calm(20)
        assert scene.switch.coming is scene.streams[MAIN]
        scene.grant = make_grant(scene.clock, streams=SUB_ONLY)
        scene.follow()
        scene.feed(MAIN, key=True)
        scene.tick(keys=(SUB,))

    scene = play(scenario)
    assert [role for role, _ in scene.sent()] == [MAIN, SUB, SUB]
    assert scene.holds == Counter({SUB: 1, MAIN: 0})


def test_a_change_called_off_after_it_began_goes_back_in_order() -> None:
    """Main's key frame was sent, then the grant lost it: sub goes on at its next one, time and numbers with it."""

    async def scenario(scene: Scene) -> None:
        scene.lose()
        scene.tick(keys=(SUB,))
        scene.calm(20)
        scene.clock.tick(0.05)
        scene.feed(MAIN, key=True)
        scene.grant = make_grant(scene.clock, streams=SUB_ONLY)
        scene.follow()
        scene.tick(2)
        scene.tick(keys=(SUB,))
        scene.tick()

    scene = play(scenario)
    assert [role for role, _ in scene.sent()] == [MAIN, SUB, MAIN, SUB, SUB]
    assert scene.whole()
    times = [packet.ts for _, packet in scene.sent()]
    assert [b - a for a, b in itertools.pairwise(times)][2:] == [3 * 4500, 4500]


def test_a_stream_that_never_comes_is_given_up() -> None:
    """Without a key frame in time the old one goes on."""

    async def scenario(scene: Scene) -> None:
        scene.lose()
        scene.calm(ARRIVE_WITHIN_S + 1)
        scene.feed(SUB, key=True)
        scene.tick(keys=(MAIN,), only=MAIN)

    scene = play(scenario)
    assert [role for role, _ in scene.sent()] == [MAIN, MAIN]
    assert scene.holds == Counter({MAIN: 1, SUB: 0})


def test_a_cut_in_the_middle_of_a_change_leaves_nothing_behind() -> None:
    """Whoever leaves while a stream is coming gets no packet of either, and both holds are given back."""

    async def scenario(scene: Scene) -> None:
        scene.lose()
        scene.switch.release()
        scene.switch.leave(scene.viewer)
        before = len(scene.sink.sent)
        for role in (MAIN, SUB):
            scene.clock.tick(0.05)
            scene.feed(role, key=True)
        assert len(scene.sink.sent) == before

    scene = play(scenario)
    assert scene.holds == Counter({MAIN: 0, SUB: 0})
    assert scene.streams[SUB].viewers == scene.streams[MAIN].viewers == []
