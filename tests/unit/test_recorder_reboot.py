"""A camera that reboots, falls silent or sends rubbish: what that costs, by the rules that are shipped."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.retry import KNOCK_S, after_failure
from drivers.rtsp.protocol import Timeouts
from gateway.core.errors import CameraBadReply, CameraClosed, CameraError, CameraSilent, CameraUnreachable
from gateway.core.media import AccessUnit, Codec, CodecConfig
from recorder.camera import CameraTask, State
from recorder.gaps import GapCause, gaps_between
from tests.fakes.clock import FakeClock
from tests.fakes.recording import Session, books, new_camera
from tests.unit.test_recorder_camera import CONFIG, Wait, World

pytestmark = pytest.mark.anyio

GOP_S = 2.0
BACK_S = 5.0
"""What coming back may cost beyond the outage and the wait for a key frame (RELIABILITY, row 14)."""
REFUSED = CameraUnreachable("x", reason="ECONNREFUSED")


class Rebooting(World):
    """The world of a camera task with the retry rule of the drivers, and a camera that is away for a while."""

    def _retry(self, error: CameraError, failures: int, jitter: float) -> Wait:
        self.retries.append((error.code, failures))
        told = after_failure(error, failures, jitter)
        return Wait(told.kind.value, told.seconds)

    async def passes(self, seconds: float) -> None:
        """Let time go by; a session that is opened while the camera is away is refused by its host."""
        for _ in range(round(seconds / 0.25)):
            await self.clock.advance(0.25)
            await asyncio.sleep(0.002)
            for session in self.player.sessions:
                if not self.answers and not session.over.done():
                    session.fail(REFUSED)

    async def shows(self, session: Session) -> None:
        """Deliver a GOP."""
        await self.feed(session)
        await self.until(lambda: self.task.state is State.UP)

    async def lengths(self) -> list[tuple[str, float]]:
        """Return cause and seconds of the gaps that are over."""
        stream = self.main.stream.id
        found = await self.own.db.read(lambda db: gaps_between(db, [stream], 0, 10**15))
        return [(gap.cause.value, (gap.end_ms - gap.start_ms) / 1_000) for gap in found if gap.end_ms is not None]


@asynccontextmanager
async def rebooting(tmp_path: Path) -> AsyncIterator[Rebooting]:
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        made = Rebooting(own, clock)
        made.task = CameraTask(await own.registry.add(new_camera(streams=1)), made.tools())
        made.answers = True
        running = asyncio.create_task(made.task.run())
        try:
            await made.shows(await made.player.wait_for(1))
            yield made
        finally:
            running.cancel()
            await asyncio.wait([running])
        assert made.faults == []


@pytest.mark.parametrize("outage_s", [6, 37, 300])
async def test_a_reboot_costs_its_outage_and_a_few_seconds(tmp_path: Path, outage_s: int) -> None:
    """Knocked at every two seconds, no login until it answers: gap <= outage + 5 s + one GOP, cause camera."""
    async with rebooting(tmp_path) as made:
        made.answers = False
        made.player.sessions[0].fail(CameraClosed("x"))
        await made.until(lambda: len(made.retries) == 1)
        await made.passes(outage_s)
        tried = len(made.player.sessions)
        assert tried <= 2, "one try finds out that it is away"
        assert len(made.knocks) >= outage_s / KNOCK_S - 2
        made.answers = True
        await made.passes(KNOCK_S + 0.5)
        session = await made.player.wait_for(tried + 1)
        await made.passes(GOP_S)
        await made.shows(session)
        await made.until(lambda: made.main.run_number is not None)
        ((cause, seconds),) = await made.lengths()
    assert cause == "camera"
    assert outage_s - 1 <= seconds <= outage_s + BACK_S + GOP_S


async def test_a_camera_that_is_connected_but_silent_costs_fifteen_seconds(tmp_path: Path) -> None:
    """The watchdog of the session ends it after ten, one pause, and it plays again (row 17)."""
    async with rebooting(tmp_path) as made:
        await made.passes(Timeouts().silent_s + 0.25)  # the watchdog is looked at four times a second
        made.player.sessions[0].fail(CameraSilent("x"))
        await made.until(lambda: len(made.retries) == 1)
        await made.passes(1.25)
        session = await made.player.wait_for(2)
        await made.passes(GOP_S)
        await made.shows(session)
        ((cause, seconds),) = await made.lengths()
    assert cause == "camera"
    assert Timeouts().silent_s <= seconds <= 15


async def test_garbage_costs_its_own_stream_five_seconds(tmp_path: Path) -> None:
    """A reply that cannot be read ends the session; the next one is opened at once (row 16)."""
    async with rebooting(tmp_path) as made:
        made.player.sessions[0].fail(CameraBadReply("x"))
        await made.until(lambda: len(made.retries) == 1)
        await made.passes(1.25)
        session = await made.player.wait_for(2)
        await made.passes(GOP_S)
        await made.shows(session)
        ((cause, seconds),) = await made.lengths()
    assert (cause, seconds <= 5) == ("camera", True)


async def test_another_codec_or_size_ends_neither_session_nor_run(tmp_path: Path) -> None:
    """Its pictures go to the disk with their configuration: the writer begins a new segment."""
    async with rebooting(tmp_path) as made:
        session, run = made.player.sessions[0], made.main.run_number
        other = CodecConfig(Codec.H265, b"\x42", b"\x44", b"\x40", width=640, height=360, epoch=1)
        for number, config in enumerate((CONFIG, other, other)):
            made.clock.tick(0.1)
            unit = AccessUnit((b"\x26",), (3 + number) * 9_000, number < 2, made.clock.mono_ns(), config)
            session.sink.unit(unit)
        await made.clock.settle()
        assert [item.config for item in made.footage.units[made.main.stream.id]][-2:] == [other, other]
        assert (made.main.run_number, len(made.player.sessions), made.footage.ended) == (run, 1, [])
        assert await made.lengths() == []


async def test_timestamps_that_jump_cost_nothing_and_are_marked(tmp_path: Path) -> None:
    """The receive clock takes over, the run goes on, its quality says so (row 18)."""
    async with rebooting(tmp_path) as made:
        session = made.player.sessions[0]
        for number in range(100):
            made.clock.tick(0.1)
            pts_90k = (3 + number) * 9_000 + (number // 10) * 90_000_000
            session.sink.unit(AccessUnit((b"\x65",), pts_90k, number % 20 == 0, made.clock.mono_ns(), CONFIG))
        await made.until(lambda: made.main.time_quality == "arrival")
        walls_90k = made.footage.walls_90k[made.main.stream.id]
        assert max(new - old for old, new in itertools.pairwise(walls_90k)) < 90_000
        assert await made.lengths() == []

        async def kept() -> list[int]:
            return await made.own.db.read(lambda db: [row[0] for row in db.execute("SELECT by_arrival FROM run")])

        async with asyncio.timeout(20):
            while await kept() != [1]:
                await made.clock.settle()
        assert GapCause.CAMERA not in [cause for _, cause in made.footage.ended]
