"""The gateway's control socket over a real database, beside a recorder that is answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.access import audit
from gateway.core.config import parse_config
from gateway.core.errors import BadInput, VuonError
from gateway.core.model import new_public_id
from gateway.core.wire import ControlClient, ControlServer, Handler, Reply, Request
from gateway.health.tracker import Tracker
from gateway.roofs.access_parts import Access, Base, access, base
from gateway.roofs.control_holds import HoldCalls
from gateway.roofs.gateway_control import Desk, handlers
from tests.fakes.clock import NOON_MS, FakeClock

CAMERA, GATE = new_public_id(), new_public_id()
SEGMENT = {"camera": CAMERA, "stream": "main", "path": "1/a.seg", "start_ms": NOON_MS, "duration_ms": 60_000}


@dataclass
class Recorder:
    """What the recorder answers, and the tickets it was given."""

    tickets: list[dict[str, Any]] = field(default_factory=list)
    error: VuonError | None = None
    holds: list[dict[str, Any]] = field(default_factory=list)
    """Calls about holds, as they came."""

    async def hold(self, request: Request) -> Reply:
        if self.error is not None:
            raise self.error
        self.holds.append({"method": request.method, **request.params})
        return Reply({"hold": {}})

    async def cameras(self, _request: Request) -> Reply:
        return Reply({"cameras": [{"id": CAMERA, "name": "Mầm 1"}, {"id": GATE, "name": "Cổng"}]})

    async def still(self, request: Request) -> Reply:
        self.tickets.append(dict(request.params))
        return Reply({"captured_ms": NOON_MS, "width": 320, "height": 180}, b"\xff\xd8 a picture")

    async def segments(self, request: Request) -> Reply:
        mine = request.text("camera") == CAMERA and request.text("path") == SEGMENT["path"]
        return Reply({"segments": [SEGMENT] if mine else []})

    async def export(self, request: Request) -> AsyncIterator[bytes]:
        self.tickets.append(dict(request.params))
        error = self.error

        async def chunks() -> AsyncIterator[bytes]:
            if error is not None:
                raise error
            yield b"ftyp"
            yield b"moof"

        return chunks()


@dataclass
class Box:
    """The gateway's desk behind its socket."""

    ground: Base
    parts: Access
    recorder: Recorder
    client: ControlClient
    sessions: int = 0

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        return (await self.client.call(method, params)).result

    async def school(self) -> None:
        """A principal, a class, a guardian with a child."""
        await self.call("person.add", name="Cô Hà", role="principal")
        await self.call("class.add", name="Mầm 1", cameras=[CAMERA], plan="open")
        await self.guardian("Lan")

    async def guardian(self, name: str) -> str:
        family = {"name": name, "kind": "mẹ", "child": "Bé", "class": "Mầm 1", "consent": True}
        return str((await self.call("guardian.add", **family))["person"])

    def rows(self) -> list[dict[str, Any]]:
        """The audit, oldest first."""
        entries = self.ground.db.read_sync(audit.entries)
        return [dict(entry.body) for entry in reversed(entries)]


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Box]:
    text = f'[paths]\nstate = "{folder}/state"\nrun = "{folder}/run"\n[site]\nname = "Hoa Sen"\n'
    config, clock, recorder = parse_config(text), FakeClock(), Recorder()
    answers: dict[str, Handler] = {
        "camera.list": recorder.cameras,
        "segments": recorder.segments,
        "export": recorder.export,
        "still": recorder.still,
        "hold.place": recorder.hold,
        "hold.lift": recorder.hold,
    }
    faults: list[BaseException] = []

    def sink(_name: str, error: BaseException) -> None:
        faults.append(error)

    config.paths.state.mkdir(parents=True)
    async with (
        ControlServer(config.paths.socket("recorder"), "recorder", answers, on_fault=sink),
        base(config, clock) as ground,
    ):
        parts = await access(ground)
        box = Box(ground, parts, recorder, ControlClient(config.paths.socket("gateway"), "gateway"))

        async def status() -> dict[str, Any]:
            return {"daemon": {"name": "gateway"}}

        methods = handlers(
            Desk(
                people=parts.people,
                children=parts.children,
                classes=parts.classes,
                sharing=parts.sharing,
                codes=parts.codes,
                slips=parts.slips,
                grants=parts.grants,
                tracker=Tracker(clock),
                db=ground.db,
                key=ground.key,
                recorder=ground.recorder,
                web_url="https://hop.local",
                code_minutes=30,
                slip_days=7,
                holds=HoldCalls(parts.copying, parts.names),
                status=status,
                sessions_of=lambda _person: box.sessions,
            )
        )
        methods |= parts.audit.handlers
        async with ControlServer(config.paths.socket("gateway"), "gateway", methods, on_fault=sink), box.client:
            yield box
    assert faults == []


async def refused(box: Box, method: str, **params: Any) -> BadInput:
    """Call and return the BadInput; nothing may have been written by it."""
    before = len(box.rows())
    with pytest.raises(BadInput) as caught:
        await box.call(method, **params)
    assert len(box.rows()) == before
    return caught.value
