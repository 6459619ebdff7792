"""All small pictures: how many, how long, and what is said of them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.core.errors import LiveFull, WireError
from gateway.core.model import PublicId, StreamRole, new_public_id
from gateway.live.ends import End
from gateway.live.feedclient import Feeds
from gateway.live.stream import LiveStream
from gateway.live.transcodes import BACKOFF, LINGER_S, REMEMBER_S, Transcodes
from tests.fakes.clock import FakeClock
from tests.fakes.feed import FakeFeed
from tests.fakes.h264 import clip
from tests.fakes.h265 import h265_clip
from tests.unit.test_live_feedclient import until

SUB, MAIN = StreamRole.SUB, StreamRole.MAIN
H265 = h265_clip()
HANG_S = 60.0


class Scene:
    """Feeds and small pictures on a fake clock, a feed by hand, fake processes."""

    def __init__(self, folder: Path, most: int, behaviour: str) -> None:
        self.clock = FakeClock()
        self.faults: list[BaseException] = []
        self.feed = FakeFeed(folder / "feed.sock", H265, play=False)
        self.transcodes = Transcodes(
            folder / "feed.sock",
            clock=self.clock,
            on_fault=lambda _name, error: self.faults.append(error),
            most=most,
            process=(sys.executable, "-m", "tests.fakes.transcoder_child", behaviour),
            jitter=lambda: 0.0,
        )
        self.feeds = Feeds(
            folder / "feed.sock",
            clock=self.clock,
            on_fault=lambda _name, error: self.faults.append(error),
            transcodes=self.transcodes,
            jitter=lambda: 0.0,
        )
        self._ns = self.clock.mono_ns()

    def picture(self) -> None:
        """Send one picture of every camera, received now, but after the one before."""
        self._ns = max(self._ns + 1_000_000, self.clock.mono_ns())
        self.feed.send(self.feed.clip.unit(self.feed.number, self._ns))
        self.feed.number += 1

    async def watch(self, camera: PublicId, role: StreamRole = SUB) -> LiveStream:
        """Hold a stream until its first picture is there, or it has ended."""
        held = self.feeds.hold(camera, role)
        async with asyncio.timeout(HANG_S):
            while held.history.last is None and held.ended is None:
                self.picture()
                await asyncio.sleep(0.01)
                await self.clock.advance(0.001)
        return held

    @property
    def processes(self) -> int:
        return int(self.transcodes.facts()["processes"])

    async def advance_until(self, what: Callable[[], bool], step_s: float = 0.25) -> None:
        """Let time pass, and sockets and processes with it, until something is true."""
        async with asyncio.timeout(HANG_S):
            while not what():
                self.picture()
                await self.clock.advance(step_s)
                await asyncio.sleep(0.01)


def play(
    folder: Path, scenario: Callable[[Scene], Awaitable[None]], *, most: int = 2, behaviour: str = "well"
) -> Scene:
    async def body() -> Scene:
        scene = Scene(folder, most, behaviour)
        async with scene.feed, scene.transcodes, scene.feeds:
            await scenario(scene)
        assert scene.processes == 0
        return scene

    return asyncio.run(body())


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_of(scene: Scene, camera: PublicId) -> int:
    pid = scene.transcodes._shown[camera].picture.pid
    assert pid is not None
    return pid


def test_it_runs_while_somebody_watches_and_ten_seconds_longer(tmp_path: Path) -> None:
    """Not one process before the first viewer, one for main and sub alike, none ten seconds after the last."""

    async def scenario(scene: Scene) -> None:
        camera = new_public_id()
        assert scene.processes == 0
        sub, main = await scene.watch(camera, SUB), await scene.watch(camera, MAIN)
        assert scene.processes == 1
        pid = pid_of(scene, camera)
        scene.feeds.release(sub)
        await scene.clock.advance(2 * LINGER_S)
        assert scene.processes == 1
        scene.feeds.release(main)
        await scene.clock.advance(LINGER_S - 0.5)
        assert scene.processes == 1
        await scene.clock.advance(1)
        await until(lambda: not alive(pid))
        await until(lambda: scene.transcodes.facts()["cameras"] == {} and scene.feed.readers == 0)

    assert play(tmp_path, scenario).faults == []


def test_who_comes_back_in_time_finds_it_running(tmp_path: Path) -> None:
    """The same process goes on, with a key frame for who came."""

    async def scenario(scene: Scene) -> None:
        camera = new_public_id()
        first = await scene.watch(camera)
        pid = pid_of(scene, camera)
        scene.feeds.release(first)
        await scene.clock.advance(LINGER_S - 1)
        again = await scene.watch(camera)
        await scene.clock.advance(3 * LINGER_S)
        assert pid_of(scene, camera) == pid
        assert alive(pid)
        assert again.history.gop_start is not None
        assert scene.transcodes.facts()["started"] == 1

    assert play(tmp_path, scenario).faults == []


def test_beyond_the_number_viewers_are_refused_with_the_reason(tmp_path: Path) -> None:
    """The stream of the one too many ends for its reason, the next viewer is refused at the door, the others go on."""

    async def scenario(scene: Scene) -> None:
        first, second, third = (new_public_id() for _ in range(3))
        await scene.watch(first)
        kept = await scene.watch(second)
        refused = await scene.watch(third)
        assert refused.ended is End.TRANSCODES
        assert refused.history.last is None
        facts = scene.transcodes.facts()
        assert (facts["processes"], facts["most"], facts["refused"]) == (2, 2, 1)
        scene.feeds.release(refused)
        await until(lambda: (third, SUB) in scene.transcodes._refused_ns)
        with pytest.raises(LiveFull) as caught:
            scene.transcodes.require(third, SUB)
        assert caught.value.fields["reason"] == "live.transcodes"
        scene.transcodes.require(third, MAIN)
        scene.transcodes.require(first, SUB)
        units = kept.counters.units
        await scene.advance_until(lambda: kept.counters.units > units + 3)
        await scene.clock.advance(REMEMBER_S + 1)
        scene.transcodes.require(third, SUB)

    assert play(tmp_path, scenario).faults == []


def test_a_place_that_nobody_watches_is_given_to_who_does(tmp_path: Path) -> None:
    """At once, and only when the process that had it is dead."""

    async def scenario(scene: Scene) -> None:
        first, second = new_public_id(), new_public_id()
        old = await scene.watch(first)
        pid = pid_of(scene, first)
        scene.feeds.release(old)
        new = await scene.watch(second)
        assert new.ended is None
        assert not alive(pid)
        assert list(scene.transcodes.facts()["cameras"]) == [second]

    assert play(tmp_path, scenario, most=1).faults == []


@pytest.mark.parametrize("returns", [False, True])
def test_who_gave_its_place_up_is_not_ended_twice(tmp_path: Path, *, returns: bool) -> None:
    """Whether it stays away or is asked for again, who has the place keeps it, and the next is refused as ever."""

    async def scenario(scene: Scene) -> None:
        first, second = new_public_id(), new_public_id()
        scene.feeds.release(await scene.watch(first))
        await until(lambda: scene.transcodes._idle() is not None)
        stream, kept = await scene.watch(second), second
        if returns:
            scene.feeds.release(stream)
            await until(lambda: scene.transcodes._idle() is not None)
            stream, kept = await scene.watch(first), first
        pid = pid_of(scene, kept)
        await scene.clock.advance(2 * LINGER_S)
        assert list(scene.transcodes.facts()["cameras"]) == [kept]
        assert (await scene.watch(new_public_id())).ended is End.TRANSCODES
        units = stream.counters.units
        await scene.advance_until(lambda: stream.counters.units > units)
        assert pid_of(scene, kept) == pid
        assert scene.transcodes._ending == []

    assert play(tmp_path, scenario, most=1).faults == []


def test_none_at_all_can_be_configured(tmp_path: Path) -> None:
    """Then cameras without H.264 show stills, and no process is ever started."""

    async def scenario(scene: Scene) -> None:
        assert (await scene.watch(new_public_id())).ended is End.TRANSCODES
        assert scene.transcodes.facts()["started"] == 0

    play(tmp_path, scenario, most=0)


def test_a_killed_process_is_replaced_and_the_picture_goes_on(tmp_path: Path) -> None:
    """After the pause of its supervisor, at a key frame, without anybody doing anything."""

    async def scenario(scene: Scene) -> None:
        camera = new_public_id()
        stream = await scene.watch(camera)
        pid, units = pid_of(scene, camera), stream.counters.units
        os.kill(pid, signal.SIGKILL)
        await scene.advance_until(lambda: scene.transcodes.facts()["started"] == 2 and stream.counters.units > units)
        assert pid_of(scene, camera) != pid
        assert scene.transcodes.facts()["failed"] == 1

    scene = play(tmp_path, scenario)
    assert [type(error) for error in scene.faults] == [WireError]


def test_a_process_that_dies_of_every_picture_is_started_ever_more_rarely(tmp_path: Path) -> None:
    """A camera whose video kills the decoder costs little, and its viewers' streams stand."""

    async def scenario(scene: Scene) -> None:
        scene.feeds.hold(new_public_id(), SUB)
        await scene.advance_until(lambda: scene.transcodes.facts()["failed"] >= 1, step_s=0.05)
        for failures in range(1, 6):
            assert scene.transcodes.facts()["failed"] == failures
            before_ns = scene.clock.mono_ns()
            more = lambda: scene.transcodes.facts()["failed"] > failures  # noqa: B023 - awaited here
            await scene.advance_until(more, step_s=0.05)
            pause_s = (scene.clock.mono_ns() - before_ns) / 1e9
            assert pause_s >= BACKOFF.wait_s(failures, jitter=0.0) - 0.05  # seen at the end of its step
        assert BACKOFF.wait_s(5, jitter=0.0) >= 8 * BACKOFF.wait_s(1, jitter=0.0)

    play(tmp_path, scenario, behaviour="die")


def test_a_sub_stream_that_is_not_there_is_made_of_the_main_one(tmp_path: Path) -> None:
    """Guardians, who are shown the sub stream only, see cameras that have none."""

    async def scenario(scene: Scene) -> None:
        scene.feed.absent = {SUB}
        camera = new_public_id()
        assert (await scene.watch(camera, SUB)).ended is None
        assert scene.transcodes.facts()["cameras"][camera]["source"] == "main"

    assert play(tmp_path, scenario).faults == []


def test_an_h264_camera_needs_none(tmp_path: Path) -> None:
    """Nothing of this runs for cameras that browsers can play."""

    async def scenario(scene: Scene) -> None:
        scene.feed.clip = clip()
        await scene.watch(new_public_id())
        assert scene.transcodes.facts()["cameras"] == {}

    play(tmp_path, scenario)


def test_a_camera_that_comes_back_as_h264_is_sent_as_it_is(tmp_path: Path) -> None:
    """Once the app's setting is right no process is left, ten seconds after."""

    async def scenario(scene: Scene) -> None:
        camera = new_public_id()
        stream = await scene.watch(camera)
        scene.feed.clip = clip()
        scene.feed._gop = []
        scene.feed.end("camera_closed")
        await scene.advance_until(lambda: scene.transcodes.facts()["cameras"] == {} and scene.processes == 0)
        units = stream.counters.units
        await scene.advance_until(lambda: stream.counters.units > units)
        assert stream.ended is None

    play(tmp_path, scenario)


def test_a_watched_camera_that_needs_no_process_keeps_no_place(tmp_path: Path) -> None:
    """Its sub stream was set to H.264: others are let in at once, its viewers go on."""

    async def scenario(scene: Scene) -> None:
        stream, other = await scene.watch(new_public_id(), MAIN), new_public_id()
        scene.feeds.release(await scene.watch(other, MAIN))
        await until(lambda: (other, MAIN) in scene.transcodes._refused_ns)
        with pytest.raises(LiveFull):
            scene.transcodes.require(other, MAIN)
        scene.feed.turn_into(clip())
        await scene.advance_until(lambda: scene.processes == 0, 0.001)
        scene.transcodes.require(other, MAIN)
        units = stream.counters.units
        await scene.advance_until(lambda: stream.counters.units > units, 0.001)
        assert stream.ended is None

    assert play(tmp_path, scenario, most=1).faults == []


def test_a_key_frame_can_be_asked_of_a_running_one_only(tmp_path: Path) -> None:
    """It says whether there is one to ask."""

    async def scenario(scene: Scene) -> None:
        camera = new_public_id()
        stream = await scene.watch(camera)
        await until(lambda: stream.history.last is not None)
        before = stream.history.last
        assert scene.transcodes.ask_key(camera)
        assert not scene.transcodes.ask_key(new_public_id())
        await scene.advance_until(
            lambda: (
                stream.history.gop_start is not None
                and before is not None
                and stream.history.gop_start.number > before.number
            ),
            0.001,
        )

    assert play(tmp_path, scenario).faults == []


def test_coming_and_going_leaves_nothing_behind(tmp_path: Path) -> None:
    """After eight cameras were watched and left, descriptors and tasks are what they were after the first."""

    async def scenario(scene: Scene) -> None:
        after: list[tuple[int, int]] = []
        for _ in range(8):
            scene.feeds.release(await scene.watch(new_public_id()))
            await scene.clock.advance(LINGER_S + 1)
            await until(lambda: scene.transcodes.facts()["cameras"] == {} and scene.feed.readers == 0)
            await until(lambda: not scene.transcodes._ending)
            await asyncio.sleep(0.05)  # the far ends of what was closed
            after.append((len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks())))
        assert after[-1] == after[0]
        assert scene.transcodes.facts()["started"] == 8

    assert play(tmp_path, scenario, most=1).faults == []


def test_figures_go_up_only_and_name_each_camera(tmp_path: Path) -> None:
    """What ended is still counted; source, codec and whether it is watched are there for each."""

    async def scenario(scene: Scene) -> None:
        camera = new_public_id()
        stream = await scene.watch(camera)
        facts = scene.transcodes.facts()
        assert facts["cameras"][camera] == {"source": "sub", "codec": "h265", "transcoded": True, "watched": True}
        made = facts["made"]
        assert made >= 1
        scene.feeds.release(stream)
        await until(lambda: scene.transcodes.facts()["cameras"][camera]["watched"] is False)
        await scene.clock.advance(LINGER_S + 1)
        await until(lambda: scene.transcodes.facts()["cameras"] == {})
        assert scene.transcodes.facts()["made"] >= made
        assert scene.transcodes.facts()["started"] == 1

    assert play(tmp_path, scenario).faults == []
