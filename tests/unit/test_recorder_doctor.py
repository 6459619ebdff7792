"""The recorder's side of the doctor: what it gathers, what a person may enter, and who judges."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.core.errors import BadInput, CameraClosed, CameraOverloaded, NotFound
from gateway.core.model import PublicId, StreamRole
from gateway.core.unixdoor import Peer
from gateway.core.wire import Request
from recorder.checklist import ChecklistBook
from recorder.feed import Feed
from recorder.host import Gate
from recorder.registry import Camera
from recorder.service_doctor import DOORS, HOUR_NS, DoctorService, Seen
from recorder.vision.client import STALE_MS, VisionClient, _note
from recorder.vision.pipe import Look
from tests.fakes.clock import FakeClock
from tests.fakes.recorder_box import RecorderBox, adopt, recorder_box

pytestmark = pytest.mark.anyio

LOOK = Look(640, 360, 1.5, 0.25, 100.0, 40.0, 7, 38.0, 0.2, 0.01, bytes(range(256)) * 2 + bytes(64))


@dataclass
class FakeDoctor:
    """Keeps what it is shown."""

    seen: list[Seen] = field(default_factory=list)
    visits: list[tuple[str, Gate]] = field(default_factory=list)
    boxes: list[tuple[list[str], bool]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def visit(self, camera: Camera, gate: Gate) -> Any:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await anyio.sleep(0.01)
        self.at_once -= 1
        self.visits.append((camera.name, gate))
        return f"word of {camera.name}"

    def judge(self, seen: Seen, said: Any) -> dict[str, Any]:
        assert said == f"word of {seen.camera.name}"
        self.seen.append(seen)
        return {"faults": [], "unknown": ["frozen"], "fine": []}

    async def box(self, cameras: Sequence[Camera], *, time_trusted: bool) -> dict[str, Any]:
        self.boxes.append(([camera.name for camera in cameras], time_trusted))
        return {"faults": [], "unknown": [], "fine": ["uplink"]}


class Practice:
    """A recorder in this process with a doctor, and a vision client nobody feeds but the test."""

    def __init__(self, box: RecorderBox, doors: frozenset[int] = frozenset()) -> None:
        self.box, self.doctor, self.knocked = box, FakeDoctor(), list[int]()
        self.clock = FakeClock()
        self.vision = VisionClient(self.clock)
        parts = box.recorder._parts

        async def knock(host: str, port: int) -> bool:
            self.knocked.append(port)
            return port in doors

        tools = replace(parts.tools, knock=knock)
        self.service = DoctorService(box.recorder.cameras, tools, self.vision, parts.db, self.doctor)
        self.book = ChecklistBook(parts.db)

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        reply = await self.service.handlers()[method](Request(method, params, b"", Peer(1, 1, 1)))
        return dict(reply.result)  # type: ignore[union-attr]  # see above

    async def seen(self, camera: str) -> Seen:
        await self.call("doctor.camera", camera=camera)
        return self.doctor.seen[-1]

    def show(self, camera: str, look: Look = LOOK, role: StreamRole = StreamRole.SUB) -> None:
        """Let the vision client have seen a picture just now."""
        if PublicId(camera) not in self.vision._eyes:
            self.vision.attach(Feed(PublicId(camera), role))
        _note(self.vision._eyes[PublicId(camera)], look, role, self.clock.mono_ns())


@asynccontextmanager
async def practice(root: Path, doors: frozenset[int] = frozenset()) -> AsyncIterator[Practice]:
    async with recorder_box(root) as box:
        yield Practice(box, doors)


async def up(made: Practice, number: int = 1) -> str:
    """Adopt a camera and let it play for a while."""
    camera = await adopt(made.box, number)
    session = await made.box.player.wait_for(2 * number - 1)
    await made.box.show(session, 12)

    async def plays() -> bool:
        rows = (await made.box.call("status"))["cameras"]
        return any(row["id"] == camera and row["state"] == "up" for row in rows)

    await made.box.until(plays)
    return camera


async def test_a_camera_that_plays_is_measured(tmp_path: Path) -> None:
    """State, streams with what adoption promised and what arrives, doors, gate: in the doctor's hands."""
    async with practice(tmp_path, frozenset({23, 9527})) as made:
        camera = await up(made)
        row = await made.call("doctor.camera", camera=camera)
        (seen,) = made.doctor.seen
    assert (row["camera"], row["name"], row["unknown"]) == (camera, "Lớp 1", ["frozen"])
    assert row["checked_ms"] > 0
    assert seen.state.value == "up"
    assert set(seen.streams) == {StreamRole.MAIN, StreamRole.SUB}
    main = seen.streams[StreamRole.MAIN]
    assert (main.spec.width, main.spec.fps) == (1920, 15.0)
    assert main.meter.fps is not None
    assert main.meter.key_gap_s is not None
    assert seen.doors == (23, 9527)
    assert set(made.knocked) == set(DOORS)
    assert made.doctor.visits[0][1] is not None


async def test_a_camera_that_is_down_is_examined_without_knocking(tmp_path: Path) -> None:
    """What is known from before counts; its doors are unknown and nobody knocks."""
    async with practice(tmp_path) as made:
        camera = await adopt(made.box)
        seen = await made.seen(camera)
    assert seen.state.value != "up"
    assert seen.doors is None
    assert made.knocked == []
    assert seen.sight is None


async def test_ends_of_sessions_are_counted_by_kind(tmp_path: Path) -> None:
    """Refusals for want of room in the last hour; the camera's absence as an outage of the day."""
    async with practice(tmp_path) as made:
        camera = await up(made)
        (task,) = made.box.recorder.cameras.all()
        for code in ("camera_overloaded", "camera_closed", "camera_overloaded"):
            task.streams[1].meter.ended(code)
        old = made.box.clock.mono_ns() - 2 * HOUR_NS
        task.streams[0].meter._ends.append((old, CameraOverloaded.code))
        (await made.box.player.wait_for(1)).fail(CameraClosed("gone"))

        async def accounted() -> bool:
            return (await made.seen(camera)).outages == 1

        await made.box.until(accounted)
        assert (await made.seen(camera)).refusals == 2


async def test_one_visit_at_a_time(tmp_path: Path) -> None:
    """Two who ask about one camera stand in a line."""
    async with practice(tmp_path) as made:
        camera = await up(made)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(made.seen, camera)
    assert len(made.doctor.visits) == 3
    assert made.doctor.most_at_once == 1


async def test_a_fresh_look_forgets_old_key_frames(tmp_path: Path) -> None:
    """After a change of settings the distance of before is not held against the camera."""
    async with practice(tmp_path) as made:
        camera = await up(made)
        assert (await made.seen(camera)).streams[StreamRole.MAIN].meter.key_gap_s is not None
        await made.call("doctor.camera", camera=camera, fresh=True)
        assert made.doctor.seen[-1].streams[StreamRole.MAIN].meter.key_gap_s is None


async def test_what_a_person_enters_is_kept(tmp_path: Path) -> None:
    """Certificate and need of a mask, each by itself; nobody said is neither yes nor no."""
    async with practice(tmp_path) as made:
        camera = await up(made)
        assert (await made.seen(camera)).checklist.needs_mask is None
        await made.call("doctor.note", camera=camera, qcvn="  QCVN  135 ")
        await made.call("doctor.note", camera=camera, needs_mask=False)
        first = (await made.seen(camera)).checklist
        await made.call("doctor.note", camera=camera, needs_mask=True, qcvn="")
        second = (await made.seen(camera)).checklist
    assert (first.qcvn, first.needs_mask, first.view) == ("QCVN 135", False, None)
    assert (second.qcvn, second.needs_mask) == ("", True)


async def test_an_approved_picture_is_compared_with(tmp_path: Path) -> None:
    """Only its outline is kept; another stream or a stale picture is not compared."""
    async with practice(tmp_path) as made:
        camera = await up(made)
        with pytest.raises(NotFound):
            await made.call("doctor.note", camera=camera, approve=True)
        made.show(camera)
        assert (await made.seen(camera)).likeness is None
        await made.call("doctor.note", camera=camera, approve=True)
        assert (await made.seen(camera)).likeness == 1.0
        made.show(camera, replace(LOOK, outline=LOOK.outline[::-1]))
        turned = (await made.seen(camera)).likeness
        assert turned is not None
        assert turned < 0.5
        made.show(camera, role=StreamRole.MAIN)
        assert (await made.seen(camera)).likeness is None
        made.clock.tick(STALE_MS / 1000 + 1)
        assert (await made.seen(camera)).sight is None
        view = (await made.book.of(made.doctor.seen[-1].camera.id)).view
    assert view is not None
    assert (view.role, view.outline, view.detail) == (StreamRole.SUB, LOOK.outline, 0.2)


@pytest.mark.parametrize(
    "params", [{"qcvn": "x" * 81}, {"qcvn": "a\x00b"}, {"qcvn": 7}, {"needs_mask": "yes"}, {"approve": 3}]
)
async def test_nonsense_is_not_entered(tmp_path: Path, params: dict[str, object]) -> None:
    """Too long, unprintable or of another kind."""
    async with practice(tmp_path) as made:
        camera = await adopt(made.box)
        with pytest.raises(BadInput):
            await made.call("doctor.note", camera=camera, **params)
        assert (await made.seen(camera)).checklist.qcvn == ""


async def test_the_box_is_asked_with_its_cameras(tmp_path: Path) -> None:
    """All names, and whether the clock may be trusted."""
    async with practice(tmp_path) as made:
        await adopt(made.box, 1)
        await adopt(made.box, 2)
        assert (await made.call("doctor.box"))["fine"] == ["uplink"]
    assert made.doctor.boxes == [(["Lớp 1", "Lớp 2"], True)]


async def test_an_unknown_camera_is_not_found(tmp_path: Path) -> None:
    """No visit, no note."""
    async with practice(tmp_path) as made:
        for method in ("doctor.camera", "doctor.note"):
            with pytest.raises(NotFound):
                await made.call(method, camera="z" * 16, qcvn="1")
        assert made.doctor.visits == []


async def test_without_a_doctor_the_calls_do_not_exist(tmp_path: Path) -> None:
    """A recorder that was built without one says so."""
    async with recorder_box(tmp_path) as box:
        with pytest.raises(BadInput):
            await box.call("doctor.box")
