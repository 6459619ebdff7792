"""Control calls of the doctor: gather what the recorder knows of a camera, and let the doctor judge it.

Owns the gathering of what was measured while recording. Invariants: the doctor (an object of the roof) is given
facts and the camera's one login gate, it never reaches into the recorder; one visit to a camera at a time; a
visit knocks at doors without sending a byte, within the box's budget of connections; what was not measured is
None. A camera that is down is still examined: what is known of it from before counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.core.db import Database
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import PublicId, StreamRole
from gateway.core.wire import Handler, Reply, Request
from recorder.camera import CameraTask, State, Tools
from recorder.cameras import Cameras
from recorder.checklist import Checklist, ChecklistBook, View, likeness
from recorder.gaps import GapCause, gaps_between
from recorder.host import Gate
from recorder.layout import DAY_MS
from recorder.meter import MeterFacts
from recorder.params import camera_param, text_param
from recorder.registry import Camera, StreamSpec
from recorder.vision.client import Sight, VisionClient

HOUR_NS = 3_600_000_000_000
DOORS = (21, 23, 2323, 8000, 9527, 34567, 37777)
"""FTP, telnet (2323 too), and the makers' own protocols: Hikvision, Xiongmai (two), Dahua."""
_GONE = frozenset({GapCause.CAMERA, GapCause.NETWORK})


@dataclass(frozen=True, slots=True)
class StreamSeen:
    """One stream: what the camera promised at adoption and what was measured."""

    spec: StreamSpec
    meter: MeterFacts


@dataclass(frozen=True, slots=True)
class Seen:
    """What the recorder knows of a camera by itself."""

    camera: Camera
    state: State
    streams: Mapping[StreamRole, StreamSeen]
    sight: Sight | None
    likeness: float | None
    """Of the picture now to the approved one, -1 to 1; None: nothing to compare."""
    checklist: Checklist
    outages: int
    """Times it was gone in the last 24 hours."""
    refusals: int
    """Times it had no room for a session in the last hour."""
    doors: tuple[int, ...] | None
    """Ports of `DOORS` that answer; None when the camera does not."""


class Doctor(Protocol):
    """Asks cameras, and judges. Reports are JSON: `{faults, unknown, fine}`."""

    async def visit(self, camera: Camera, gate: Gate) -> Any:
        """Ask a camera what it is set to, slowly and through its login budget; a camera's silence never raises."""

    def judge(self, seen: Seen, said: Any) -> dict[str, Any]:
        """Return the report of a camera, from what was measured and what `visit` brought."""

    async def box(self, cameras: Sequence[Camera], *, time_trusted: bool) -> dict[str, Any]:
        """Return the report of the box and its network."""


class DoctorService:
    """Handlers of the doctor's calls."""

    def __init__(
        self, cameras: Cameras, tools: Tools, vision: VisionClient | None, db: Database, doctor: Doctor
    ) -> None:
        self._cameras, self._tools, self._vision, self._doctor = cameras, tools, vision, doctor
        self._db, self._book, self._clock = db, ChecklistBook(db), tools.clock
        self._visits: dict[PublicId, asyncio.Lock] = {}

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {"doctor.camera": self.camera, "doctor.box": self.box, "doctor.note": self.note}

    async def camera(self, request: Request) -> Reply:
        """Examine one camera; takes some fifteen seconds, since it is asked once a second at the most.

        With `fresh` only key frames from now on count: something was changed just before.
        """
        task = self._cameras.get(camera_param(request))
        camera = task.camera.public_id
        if request.params.get("fresh") is True:
            for stream in task.streams:
                stream.meter.forget_gops()
        async with self._visits.setdefault(camera, asyncio.Lock()):
            said = await self._doctor.visit(task.camera, task.gate)
            report = self._doctor.judge(await self._seen(task), said)
        return Reply({"camera": camera, "name": task.camera.name, "checked_ms": self._clock.now_ms(), **report})

    async def box(self, request: Request) -> Reply:
        """Examine the box and its network: what the modem lets in, the line, the clock."""
        del request
        cameras = [task.camera for task in self._cameras.all()]
        report = await self._doctor.box(cameras, time_trusted=self._clock.trusted())
        return Reply({"checked_ms": self._clock.now_ms(), **report})

    async def note(self, request: Request) -> Reply:
        """Enter what no measurement tells: `qcvn`, `needs_mask`, or `approve` the picture as it is."""
        task = self._cameras.get(camera_param(request))
        number = text_param(request, "qcvn") if "qcvn" in request.params else None
        needed, approve = request.params.get("needs_mask"), request.params.get("approve")
        if needed not in (None, True, False) or approve not in (None, True, False):
            raise BadInput("needs_mask and approve are true or false", key="needs_mask")
        if number is not None:
            await self._book.set_qcvn(task.camera.id, number)
        if needed is not None:
            await self._book.set_needs_mask(task.camera.id, needed=bool(needed))
        if approve:
            sight = self._sight(task)
            if sight is None:
                raise NotFound("there is no picture to approve", key="camera")
            view = View(sight.role, sight.look.outline, sight.look.detail, self._clock.now_ms())
            await self._book.approve(task.camera.id, view)
        return Reply({})

    async def _seen(self, task: CameraTask) -> Seen:
        camera = task.camera
        streams = {item.stream.role: StreamSeen(item.stream.spec, item.meter.facts()) for item in task.streams}
        checklist = await self._book.of(camera.id)
        sight = self._sight(task)
        since_ns = self._clock.mono_ns() - HOUR_NS
        ends = [end for item in streams.values() for end in item.meter.ends]
        return Seen(
            camera=camera,
            state=task.state,
            streams=streams,
            sight=sight,
            likeness=_compared(sight, checklist.view),
            checklist=checklist,
            outages=await self._outages(task),
            refusals=sum(at_ns >= since_ns and code == "camera_overloaded" for at_ns, code in ends),
            doors=await self._doors(camera) if task.state is State.UP else None,
        )

    def _sight(self, task: CameraTask) -> Sight | None:
        """Return how the camera's picture looks now; None if it sends none."""
        sight = self._vision.sight(task.camera.public_id) if self._vision is not None else None
        return sight if task.state is State.UP else None

    async def _outages(self, task: CameraTask) -> int:
        now_ms, stream = self._clock.now_ms(), task.streams[0].stream.id
        gaps = await self._db.read(lambda connection: gaps_between(connection, [stream], now_ms - DAY_MS, now_ms))
        return sum(gap.cause in _GONE for gap in gaps)

    async def _doors(self, camera: Camera) -> tuple[int, ...]:
        """Knock at the doors that a camera of ours has no business to keep open.

        One after the other: cameras that have to be connected again stand in the same queue.
        """
        expected = {camera.about.port, *(stream.spec.port for stream in camera.streams)}
        found: list[int] = []
        for port in (door for door in DOORS if door not in expected):
            await self._tools.budget.connect()
            if await self._tools.knock(camera.about.address, port):
                found.append(port)
        return tuple(found)


def _compared(sight: Sight | None, view: View | None) -> float | None:
    if sight is None or view is None or sight.role is not view.role:
        return None
    return likeness(sight.look.outline, view.outline)
