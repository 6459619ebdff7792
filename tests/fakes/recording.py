"""Hand-written stand-ins around the recorder's camera tasks: a player a test conducts, a disk in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import CameraError
from gateway.core.media import AccessUnit
from gateway.core.model import Login, Secret, StreamId, StreamRole
from gateway.core.secrets import SealKey
from recorder.adoption import Device
from recorder.erasures import MIGRATIONS as ERASURES
from recorder.exportbook import MIGRATIONS as EXPORTS
from recorder.gaps import GapCause, GapLedger
from recorder.holdreasons import MIGRATIONS as HOLDS
from recorder.identity import Identity
from recorder.journal import Journal
from recorder.motion import MIGRATIONS as MOTION
from recorder.pending import MIGRATIONS as PENDING
from recorder.registry import MIGRATIONS, Camera, LoginState, NewCamera, Registry, StreamSpec
from recorder.retentiondb import MIGRATIONS as RETENTION
from recorder.runs import MIGRATIONS as RUNS
from recorder.runs import Run, RunBook

BOOT = "0b0b0b0b-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class Books:
    """cameras.db with everything that writes to it."""

    db: Database
    journal: Journal
    registry: Registry
    ledger: GapLedger
    runs: RunBook


@asynccontextmanager
async def books(path: Path, clock: Clock, boot: str = BOOT) -> AsyncIterator[Books]:
    """Open cameras.db in a folder."""
    async with Database(
        path / "cameras.db", [MIGRATIONS, PENDING, HOLDS, ERASURES, RETENTION, RUNS, MOTION, EXPORTS]
    ) as db:
        journal = Journal(db, clock)
        await journal.load()
        registry = Registry(db, SealKey(b"k" * 32), journal, clock)
        yield Books(db, journal, registry, GapLedger(journal), RunBook(db, boot))


def new_camera(number: int = 1, *, streams: int = 2, login: bool = True) -> NewCamera:
    """Return what adoption would have learned of camera `number`."""
    specs = (
        StreamSpec(StreamRole.MAIN, f"10.0.0.{number}", 554, "/main", "h264", 1920, 1080, 15.0, 2_000_000, "t0"),
        StreamSpec(StreamRole.SUB, f"10.0.0.{number}", 554, "/sub?a=1", "h264", 640, 360, 15.0, 400_000, "t1"),
    )
    return NewCamera(
        name=f"Lớp {number}",
        driver="simulated",
        address=f"10.0.0.{number}",
        port=80,
        identity=Identity(f"urn:uuid:{number}", f"02:00:00:00:00:{number:02x}", f"S{number}"),
        login=Login("admin", Secret("Mat-khau 1")) if login else None,
        streams=specs[:streams],
    )


def new_recorder(channels: int, *, number: int = 1, streams: int = 2) -> Device:
    """Return what adoption would have learned of a recorder: one device, a camera for each channel."""
    one = new_camera(number, streams=streams)
    return Device(
        tuple(
            replace(
                one,
                name="",
                identity=replace(one.identity, channel=channel),
                streams=tuple(replace(spec, path=f"{spec.path}/{channel}") for spec in one.streams),
            )
            for channel in range(1, channels + 1)
        )
    )


class FakeFootage:
    """Keeps runs and pictures instead of a disk."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.units: dict[StreamId, list[AccessUnit]] = {}
        self.walls_90k: dict[StreamId, list[int]] = {}
        self.ended: list[tuple[StreamId, GapCause]] = []

    def begin_run(self, run: Run) -> None:
        self.runs.append(run)

    def offer(self, stream: StreamId, unit: AccessUnit, wall_90k: int) -> None:
        self.units.setdefault(stream, []).append(unit)
        self.walls_90k.setdefault(stream, []).append(wall_90k)

    def end_run(self, stream: StreamId, cause: GapCause) -> None:
        self.ended.append((stream, cause))


@dataclass
class Session:
    """One call of `play`, conducted by the test."""

    path: str
    gate: Any
    sink: Any
    over: asyncio.Future[CameraError] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    ended: bool = False

    def fail(self, error: CameraError) -> None:
        self.over.set_result(error)


class FakePlayer:
    """Every `play` waits in `open` until the test feeds or ends it."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.left = 0
        self.plays_at_once = False
        """PLAY is accepted without the test saying so."""
        self._more = asyncio.Event()

    async def play(self, source: Any, gate: Any, sink: Any) -> None:
        session = Session(source.path, gate, sink)
        self.sessions.append(session)
        self._more.set()
        if self.plays_at_once:
            sink.playing(None)
        try:
            raise await session.over
        finally:
            session.ended = True
            self.left += 1

    async def wait_for(self, count: int) -> Session:
        """Wait until `play` was called `count` times in all; returns the newest."""
        async with asyncio.timeout(20):  # a test must fail, not hang, when nobody plays
            while len(self.sessions) < count:
                self._more.clear()
                await self._more.wait()
        return self.sessions[count - 1]


@dataclass
class FakeGate:
    """A gate that only remembers."""

    login: Login | None
    state: LoginState
    pin: str = ""
    retired: bool = False

    def retire(self) -> None:
        self.retired = True


def camera_of(cameras: tuple[Camera, ...], number: int = 0) -> Camera:
    """Return one of the cameras (for readable tests)."""
    return cameras[number]
