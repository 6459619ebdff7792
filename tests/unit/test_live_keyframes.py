"""When the camera of a stream is asked for a key frame."""

from __future__ import annotations

import asyncio
import itertools
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.media import AccessUnit
from gateway.core.model import PublicId, StreamRole
from gateway.live.feedclient import Feeds
from gateway.live.keyframes import COMPLAINTS_S, LEAST_S, LONG_GOP_S, SOON_S, STORM, KeyAsk
from gateway.live.rtcp import PSFB
from gateway.live.sender import Numbers, Viewer
from gateway.live.stream import BurstBudget, LiveStream
from tests.fakes.clock import FakeClock, HastyClock
from tests.fakes.feed import FakeFeed
from tests.fakes.live_scene import CONFIG, Scene, play
from tests.fakes.wire import FakeSocket

S = 1_000_000_000
PLI = struct.pack("!BBHII", 0x81, PSFB, 2, 1, 7)


def groups(gop_s: float, age_s: float) -> tuple[KeyAsk, int]:
    """Return a stream whose groups last so long, and the moment its present one is that old."""
    keys = KeyAsk()
    keys.saw(0, is_key=True, lost=False)
    keys.saw(int(gop_s * S), is_key=True, lost=False)
    return keys, int((gop_s + age_s) * S)


@pytest.mark.parametrize(
    ("gop_s", "age_s", "asks"),
    [
        (2, 0.1, False),
        (2, 1.9, False),
        (2, 2.5, False),  # a moment late
        (2, 4.1, True),  # it does not come
        (10, 0.5, True),
        (10, 7.9, True),
        (10, 8.5, False),
        (10, 13, True),
    ],
)
def test_a_key_frame_that_is_about_to_come_is_not_asked_for(gop_s: float, age_s: float, asks: bool) -> None:
    """Who waits is helped only where waiting would take seconds."""
    keys, now_ns = groups(gop_s, age_s)
    assert keys.wanted(now_ns) is asks
    assert keys.asked == asks


def test_before_the_first_group_ends_its_age_decides() -> None:
    """How long groups are is not known yet: a young one may end at once."""
    keys = KeyAsk()
    assert not keys.wanted(100 * S)
    keys.saw(100 * S, is_key=True, lost=False)
    assert not keys.wanted(int((100 + SOON_S) * S))
    assert keys.wanted(int((100.1 + SOON_S) * S))


def test_a_short_group_is_joined_as_it_is() -> None:
    """The kept pictures are sent at once: only a long group is worth a new one."""
    for age_s, asks in ((LONG_GOP_S, False), (LONG_GOP_S + 0.1, True)):
        keys, now_ns = groups(20, age_s)
        assert keys.joined(now_ns) is asks


def test_a_crowd_asks_once() -> None:
    """Twenty-five parents at half past four are one request."""
    keys, now_ns = groups(20, 5)
    assert [keys.joined(now_ns + n) for n in range(25)].count(True) == 1
    assert keys.joined(now_ns + int(LEAST_S * S))


def test_complaints_about_a_whole_group_are_answered_from_what_is_kept() -> None:
    """A viewer that lost packets on its own way is sent the group again: the camera has nothing to do with it."""
    keys, now_ns = groups(20, 5)
    assert not any(keys.complained(now_ns + n * S // 5, sent_again=False) for n in range(50))


def test_a_group_with_a_hole_is_complained_about_once() -> None:
    """Packets were lost between camera and box: sending it again helps nobody; a key frame mends it."""
    keys, now_ns = groups(20, 5)
    keys.saw(now_ns, is_key=False, lost=True)
    assert keys.complained(now_ns, sent_again=False)
    assert not keys.complained(now_ns + int(COMPLAINTS_S * S) - 1, sent_again=False)
    keys.saw(now_ns + S, is_key=True, lost=False)
    assert not keys.complained(now_ns + int(COMPLAINTS_S * S), sent_again=False)


def test_a_storm_after_the_group_was_sent_again_shows_a_broken_one() -> None:
    """Whoever sees nothing although it just got everything: the group itself cannot be decoded."""
    keys, now_ns = groups(20, 5)
    said = [keys.complained(now_ns + n * S // 5, sent_again=True) for n in range(STORM + 2)]
    assert said.index(True) == STORM
    assert said.count(True) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    acts=st.lists(st.tuples(st.integers(0, 3000), st.sampled_from(["join", "wait", "again", "complain", "key", "hole"])),
                  max_size=120)
)  # fmt: skip
def test_no_crowd_and_no_stranger_gets_more(acts: list[tuple[int, str]]) -> None:
    """Whatever is asked in whatever order: two requests are never closer than the least time."""
    keys, now_ns = groups(30, 0)
    asked: list[int] = []
    for later_ms, act in acts:
        now_ns += later_ms * 1_000_000
        if act in ("key", "hole"):
            keys.saw(now_ns, is_key=act == "key", lost=act == "hole")
        elif (
            keys.joined(now_ns) if act == "join"
            else keys.wanted(now_ns) if act == "wait"
            else keys.complained(now_ns, sent_again=act == "again")
        ):  # fmt: skip
            asked.append(now_ns)
    assert all(b - a >= LEAST_S * S for a, b in itertools.pairwise(asked))
    assert keys.asked == len(asked)


# through a stream


class Camera:
    """A stream fed by hand, whose camera answers or not."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked = 0
        self.stream = LiveStream(PublicId("c"), StreamRole.MAIN, self.clock, ask_key=self._ask)
        self._number = 0

    def _ask(self) -> None:
        self.asked += 1

    def pictures(self, seconds: float, *, key: bool = False) -> None:
        """Send two pictures a second for so long, the first one a key frame if told."""
        for n in range(int(seconds * 2)):
            self.clock.tick(0.5)
            self._number += 1
            nal = bytes([0x65 if key and n == 0 else 0x41]) * 100
            received, is_key = self.clock.mono_ns(), key and n == 0
            self.stream.take(AccessUnit((nal,), self._number * 45_000, is_key, received, CONFIG), skipped=False)

    def viewer(self) -> Viewer:
        return Viewer(Numbers(1, 99, 100, 0), lambda packet: packet, FakeSocket().outlet)


def test_joining_a_long_group_asks_the_camera_once() -> None:
    """The first viewer of a long group asks, the next ones of the same moment do not; nobody asks for a short one."""

    async def body() -> None:
        camera = Camera()
        camera.pictures(20, key=True)
        camera.pictures(6, key=True)
        await join(camera, 10)
        assert camera.asked == 1
        camera.pictures(1, key=True)
        await join(camera, 10)
        assert camera.asked == 1

    async def join(camera: Camera, count: int) -> None:
        tasks = [asyncio.create_task(camera.stream.join(camera.viewer(), BurstBudget())) for _ in range(count)]
        await camera.clock.advance(3)
        await asyncio.gather(*tasks)

    asyncio.run(body())


def test_who_waits_for_a_key_frame_is_remembered() -> None:
    """Taking up a stream in its long group asks at its next picture, also if the answer has to be asked for again."""
    camera = Camera()
    camera.pictures(20, key=True)
    camera.pictures(1, key=True)
    other = LiveStream(PublicId("c"), StreamRole.SUB, camera.clock)
    camera.stream.expect(camera.viewer(), other)
    camera.pictures(0.5)
    assert camera.asked == 1
    camera.pictures(LEAST_S)
    assert camera.asked == 2
    camera.pictures(0.5, key=True)
    camera.pictures(10)
    assert camera.asked == 2
    assert len(camera.stream.viewers) == 1


def test_lost_pictures_of_many_viewers_are_one_request(tmp_path: Path) -> None:
    """A hole on the camera's way, then every viewer's complaints: one request through the session, not one each."""

    async def scenario(scene: Scene) -> None:
        connection, stream, _ = await scene.watching()
        asked: list[int] = []
        stream.ask_key = lambda: asked.append(1)
        await scene.clock.advance(SOON_S + 1)
        scene.picture(stream)
        stream.keys.saw(scene.clock.mono_ns(), is_key=False, lost=True)
        for _ in range(50):
            connection.feedback(PLI)
        assert asked == [1]

    play(tmp_path, scenario)


def test_the_wish_goes_over_the_feed_and_ends_with_it(tmp_path: Path) -> None:
    """One KEY frame on the subscription; asking after the recorder has gone does no harm."""

    async def body() -> None:
        async with (
            FakeFeed(tmp_path / "feed.sock", play=False) as feed,
            Feeds(tmp_path / "feed.sock", clock=HastyClock(), on_fault=lambda *_: None) as feeds,
        ):
            stream = feeds.hold(PublicId("cameracameracame"), StreamRole.MAIN)
            async with asyncio.timeout(30):
                while not feed.readers:  # noqa: ASYNC110 - the fake tells nobody
                    await asyncio.sleep(0.01)
                stream.ask_key()
                while not feed.wishes:  # noqa: ASYNC110 - the same
                    await asyncio.sleep(0.01)
                feed.hang_up()
                stream.ask_key()
            assert feed.wishes[0].stream is StreamRole.MAIN

    asyncio.run(body())
