"""The small picture of one camera: its source, its process, who gets what."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from gateway.core.clock import SystemClock
from gateway.core.errors import ConfigError, DaemonUnavailable, WireError
from gateway.core.media import AccessUnit, Codec
from gateway.core.model import StreamRole
from gateway.live.ends import End
from gateway.live.smallpicture import STALE_EVERY_NS, STALE_NS, Pace, SmallPicture
from gateway.live.transcoder.pipe import MOST_UNIT_BYTES
from gateway.live.transcoder.process import Transcoder
from tests.fakes.feed import FakeFeed
from tests.fakes.h264 import Clip, clip
from tests.fakes.h265 import h265_clip
from tests.fakes.live_box import CAMERA
from tests.fakes.live_scene import CONFIG
from tests.unit.test_live_feedclient import until

H265 = h265_clip()
MAIN, SUB = StreamRole.MAIN, StreamRole.SUB


class Unhurried(SystemClock):
    """Real sleeps, but nothing is ever late: a busy machine changes no result."""

    def mono_ns(self) -> int:
        return 0


class Taker:
    """Somebody who watches."""

    def __init__(self) -> None:
        self.ended: End | None = None
        self.got: list[AccessUnit] = []

    def take(self, unit: AccessUnit, *, skipped: bool) -> None:
        assert not skipped
        self.got.append(unit)

    @property
    def whole(self) -> bool:
        """Whether it began with a key frame and never got an older unit after a newer one."""
        times = [unit.received_mono_ns for unit in self.got]
        return self.got[0].is_key and times == sorted(times)


class Scene:
    """A feed by hand, and a small picture with a fake process."""

    def __init__(self, folder: Path, what: Clip, behaviour: str, *, room: bool) -> None:
        self.feed = FakeFeed(folder / "feed.sock", what, play=False)
        self.made = 0
        self.room = room
        self.taken = 0
        command = (sys.executable, "-m", "tests.fakes.transcoder_child", behaviour)

        @contextlib.asynccontextmanager
        async def place() -> AsyncIterator[bool]:
            self.taken += 1
            try:
                yield self.room
            finally:
                assert not self.alive, "given back while the process lives"
                self.taken -= 1

        def make() -> Transcoder:
            self.made += 1
            return Transcoder(command, answer_timeout_s=30)

        self.picture = SmallPicture(CAMERA, folder / "feed.sock", clock=Unhurried(), place=place, make=make)

    @property
    def alive(self) -> bool:
        """Whether the process, if there is one, has not been waited for yet."""
        return self.picture.pid is not None and Path(f"/proc/{self.picture.pid}").exists()

    def send(self, count: int) -> None:
        for _ in range(count):
            self.feed.send(self.feed.next_unit())


def play(
    folder: Path,
    scenario: Callable[[Scene, asyncio.Task[None]], Awaitable[None]],
    what: Clip = H265,
    behaviour: str = "well",
    *,
    room: bool = True,
) -> Scene:
    async def body() -> Scene:
        scene = Scene(folder, what, behaviour, room=room)
        async with scene.feed:
            running = asyncio.create_task(scene.picture.run())
            try:
                await scenario(scene, running)
            finally:
                running.cancel()
                await asyncio.wait([running])
        assert (scene.picture.pid, scene.taken) == (None, 0)
        return scene

    return asyncio.run(body())


def watching(scene: Scene) -> tuple[Taker, asyncio.Task[None]]:
    taker = Taker()
    return taker, asyncio.create_task(scene.picture.show(taker))


def test_an_h265_sub_stream_is_transcoded_for_all_who_watch(tmp_path: Path) -> None:
    """One process and one subscription for three; a late one begins with a key frame asked for its sake."""

    async def scenario(scene: Scene, _: asyncio.Task[None]) -> None:
        watchers = [watching(scene) for _ in range(2)]
        await until(lambda: scene.feed.readers == 1)
        scene.send(5)
        await until(lambda: all(len(taker.got) == 5 for taker, _ in watchers))
        late, showing = watching(scene)
        await asyncio.sleep(0)
        scene.send(3)
        await until(lambda: len(late.got) == 3)
        assert all(taker.whole for taker in (late, *(taker for taker, _ in watchers)))
        assert {unit.config.codec for unit in late.got} == {Codec.H264}
        assert (scene.made, [item.stream for item in scene.feed.subscribed]) == (1, [SUB])
        assert scene.picture.source == (SUB, Codec.H265)
        assert scene.picture.pid is not None
        for task in (showing, *(task for _, task in watchers)):
            task.cancel()

    play(tmp_path, scenario)


def test_without_a_sub_stream_the_main_one_is_made_small(tmp_path: Path) -> None:
    """Whatever its codec: a small picture is small."""

    async def scenario(scene: Scene, _: asyncio.Task[None]) -> None:
        taker, showing = watching(scene)
        await until(lambda: scene.feed.readers == 1)
        scene.send(3)
        await until(lambda: len(taker.got) == 3)
        assert [item.stream for item in scene.feed.subscribed] == [SUB, MAIN]
        assert scene.picture.source == (MAIN, scene.feed.clip.config.codec)
        assert scene.made == 1
        showing.cancel()

    for number, what in enumerate((H265, clip())):
        folder = tmp_path / str(number)
        folder.mkdir()

        async def absent(scene: Scene, running: asyncio.Task[None]) -> None:
            await scenario(scene, running)

        def once(scene: Scene, running: asyncio.Task[None]) -> Awaitable[None]:
            scene.feed.absent = {SUB}
            return absent(scene, running)

        play(folder, once, what)


def test_an_h264_sub_stream_is_handed_on_without_a_process(tmp_path: Path) -> None:
    """Who asked for a main stream in H.265 gets the sub stream as it is."""

    async def scenario(scene: Scene, _: asyncio.Task[None]) -> None:
        taker, showing = watching(scene)
        await until(lambda: scene.feed.readers == 1)
        scene.send(4)
        await until(lambda: len(taker.got) == 4)
        assert taker.got[0].nals == scene.feed.clip.pictures[0][0]
        assert scene.made == 0
        showing.cancel()

    play(tmp_path, scenario, clip(), room=False)


def test_where_no_place_is_left_the_viewers_are_told_why(tmp_path: Path) -> None:
    """No process is started, and they are shown stills."""

    async def scenario(scene: Scene, running: asyncio.Task[None]) -> None:
        taker, showing = watching(scene)
        await until(lambda: scene.feed.readers == 1)
        scene.send(1)
        await until(lambda: taker.ended is End.TRANSCODES)
        assert scene.made == 0
        assert not showing.done(), "a place may become free"
        await running
        scene.room = True
        again = asyncio.create_task(scene.picture.run())
        await until(lambda: len(taker.got) == 1 and taker.ended is None)
        again.cancel()
        await asyncio.wait([again])
        showing.cancel()

    play(tmp_path, scenario, room=False)


def test_a_place_is_held_as_long_as_a_process_lives(tmp_path: Path) -> None:
    """Not while the sub stream is H.264 and sent as it is, though somebody watches."""

    async def scenario(scene: Scene, _: asyncio.Task[None]) -> None:
        taker, showing = watching(scene)
        await until(lambda: scene.feed.readers == 1)
        for what, taken in ((H265, 1), (clip(), 0), (H265, 1)):
            want = len(taker.got) + 3
            scene.feed.turn_into(what)
            scene.send(3)
            await until(lambda: len(taker.got) == want)  # noqa: B023 - awaited here
            assert (scene.taken, scene.picture.pid is not None) == (taken, bool(taken))
        assert scene.made == 2
        assert taker.whole
        assert [unit.is_key for unit in taker.got] == 3 * [True, False, False]
        showing.cancel()

    play(tmp_path, scenario)


def test_a_machine_that_cannot_cage_shows_stills(tmp_path: Path) -> None:
    """The setting that is wrong is named in the fault, once a try."""

    async def scenario(scene: Scene, running: asyncio.Task[None]) -> None:
        taker, showing = watching(scene)
        await until(lambda: scene.feed.readers == 1)
        scene.send(1)
        with pytest.raises(ConfigError):
            await running
        assert taker.ended is End.CODEC
        showing.cancel()

    play(tmp_path, scenario, behaviour="refuse")


@pytest.mark.parametrize("code", ["camera_closed", "not_found"])
def test_when_the_feed_ends_everybody_looks_for_a_stream_again(tmp_path: Path, code: str) -> None:
    """The camera may come back as H.264; one that is gone is said to be gone."""

    async def scenario(scene: Scene, running: asyncio.Task[None]) -> None:
        taker, showing = watching(scene)
        await until(lambda: scene.feed.readers == 1)
        scene.send(1)
        await until(lambda: len(taker.got) == 1)
        scene.feed.absent = {SUB, MAIN}
        scene.feed.end(code)
        await showing
        await running
        assert taker.ended is (End.CAMERA_GONE if code == "not_found" else None)

    play(tmp_path, scenario)


def test_a_lost_recorder_and_a_dead_process_are_raised(tmp_path: Path) -> None:
    """So that the whole is started anew at a key frame."""

    async def lost(scene: Scene, running: asyncio.Task[None]) -> None:
        await until(lambda: scene.feed.readers == 1)
        scene.feed.hang_up()
        with pytest.raises(DaemonUnavailable):
            await running

    async def dead(scene: Scene, running: asyncio.Task[None]) -> None:
        await until(lambda: scene.feed.readers == 1)
        scene.send(1)
        with pytest.raises(WireError):
            await running

    for number, (scenario, behaviour) in enumerate(((lost, "well"), (dead, "die"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        play(folder, scenario, behaviour=behaviour)


def test_started_anew_nobody_gets_a_picture_twice_or_one_without_its_reference(tmp_path: Path) -> None:
    """The feed repeats its current group: what was delivered is decoded in silence, and the next is a key frame."""

    async def scenario(scene: Scene, running: asyncio.Task[None]) -> None:
        taker, showing = watching(scene)
        await until(lambda: scene.feed.readers == 1)
        scene.send(6)
        await until(lambda: len(taker.got) == 6)
        running.cancel()
        await asyncio.wait([running])
        again = asyncio.create_task(scene.picture.run())
        await until(lambda: len(scene.feed.subscribed) == 2 and scene.feed.readers == 1)
        scene.send(2)
        await until(lambda: len(taker.got) == 8)
        assert taker.whole
        assert [unit.is_key for unit in taker.got] == [True, False, False, False, False, False, True, False]
        again.cancel()
        await asyncio.wait([again])
        showing.cancel()

    play(tmp_path, scenario)


def test_a_unit_too_large_costs_the_pictures_up_to_the_next_key_frame(tmp_path: Path) -> None:
    """It is not handed over, and nothing that refers to it is."""

    async def scenario(scene: Scene, _: asyncio.Task[None]) -> None:
        taker, showing = watching(scene)
        await until(lambda: scene.feed.readers == 1)
        scene.send(2)
        large = scene.feed.next_unit()
        scene.feed.send(dataclasses.replace(large, nals=(bytes(MOST_UNIT_BYTES // 2 + 1),)))
        scene.send(18)
        await until(lambda: len(taker.got) == 3)
        assert [unit.pts_90k // 4500 for unit in taker.got] == [0, 1, 20]
        assert scene.picture.bad == 18
        showing.cancel()

    play(tmp_path, scenario)


def test_pictures_too_late_are_decoded_in_silence_but_one_a_second() -> None:
    """The first one of a feed is shown at once, however old; then only what is of now, or a sign of life."""
    pace = Pace()

    def unit(received_ns: int) -> AccessUnit:
        return AccessUnit((b"\x41",), 0, False, received_ns, CONFIG)

    start = 10_000_000_000
    behind = start + 2 * STALE_NS
    assert not pace.quiet(unit(start), behind)
    assert pace.quiet(unit(start + 1), behind)
    assert pace.quiet(unit(start + STALE_EVERY_NS - 1), start + STALE_EVERY_NS + 2 * STALE_NS)
    assert not pace.quiet(unit(start + STALE_EVERY_NS), start + STALE_EVERY_NS + 2 * STALE_NS)
    now = start + 3 * STALE_EVERY_NS
    assert not pace.quiet(unit(now), now)
    pace.floor_ns = now
    assert pace.quiet(unit(now), now)
    assert not pace.quiet(unit(now + 1), now + 1)
