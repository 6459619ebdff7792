"""A whole recorder in this process: real database, disks and sockets; cameras conducted by the test."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import anyio.lowlevel
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.clock import SystemClock
from gateway.core.errors import CameraClosed, CameraError, CameraUnreachable
from gateway.core.media import AccessUnit
from gateway.core.model import Action, Grant, PublicId, Role, StreamRole, new_public_id
from gateway.core.secrets import SealKey
from gateway.core.ticket import open_ticket, sign
from gateway.core.wire import ControlClient
from recorder.adoption import AdoptOrder, Device
from recorder.budget import StartBudget
from recorder.camera import Tools
from recorder.discovery import FoundCamera
from recorder.exportbook import ExportBook
from recorder.exportjob import Pace, gently
from recorder.groups import GroupBook
from recorder.host import Witness
from recorder.keystore import KeyStore
from recorder.losses import Losses
from recorder.parts import Parts, Settings
from recorder.pending import PendingLogins
from recorder.registry import NewCamera
from recorder.rules import usual
from recorder.service import Recorder
from recorder.settingbook import SettingBook
from recorder.slot import Slot, SlotOptions
from recorder.store import Store
from recorder.writer import WriterOptions
from tests.fakes.activator import FakeActivator
from tests.fakes.camera_setter import FakeSetter
from tests.fakes.discovery import FakeDiscovery
from tests.fakes.h264 import clip
from tests.fakes.recording import Books, FakeGate, FakePlayer, Session, books, new_camera


class Wait:
    """Wait for ever: a test ends waits itself."""

    kind = "stop"
    seconds = 0.0


class RecorderBox:
    """The recorder with its player, its search results and a client of its socket."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = SystemClock()
        self.player = FakePlayer()
        self.discovery = FakeDiscovery()
        self.learnable: dict[str, NewCamera | Device | CameraError] = {}
        self.orders: list[AdoptOrder] = []
        self.activator = FakeActivator()
        self.faults: list[BaseException] = []
        self.key = Ed25519PrivateKey.generate()
        self.client = ControlClient(root / "run" / "recorder.sock", "recorder")
        self.recorder: Recorder
        self.books: Books
        self.watched: list[bool] = []
        self.witness: Witness | None = None
        """Set before the recorder starts: says who answers at a camera's address."""
        self.setter = FakeSetter()
        self.pace: Pace = gently
        """How copies rest between records."""
        self.keys: KeyStore | None = None
        """Set before the recorder starts: footage is encrypted."""
        self._shown = 0

    @property
    def found(self) -> list[FoundCamera]:
        """What a search finds."""
        return self.discovery.found

    @found.setter
    def found(self, found: list[FoundCamera]) -> None:
        self.discovery.found = found

    async def learn(self, order: AdoptOrder) -> Device:
        self.orders.append(order)
        learned = self.learnable.get(order.address, CameraUnreachable("nothing there"))
        if isinstance(learned, CameraError):
            raise learned
        return learned if isinstance(learned, Device) else Device((learned,))

    def open_ticket(self, ticket: Mapping[str, Any]) -> Grant:
        return open_ticket(ticket, self.key.public_key(), now_ms=self.clock.now_ms())

    def ticket(self, camera: str, action: Action, **fields: Any) -> dict[str, str]:
        now_ms = self.clock.now_ms()
        values: dict[str, Any] = {
            "id": new_public_id(), "person": new_public_id(), "role": Role.PRINCIPAL, "device": "d", "action": action,
            "camera": PublicId(camera), "streams": frozenset(StreamRole), "issued_ms": now_ms,
            "until_ms": now_ms + 60_000, "lease_ms": 5_000, "facts_version": 1, "audit_seq": 1,
        }  # fmt: skip
        return sign(Grant(**values | fields), self.key)

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        return (await self.client.call(method, params)).result

    async def until(self, check: Callable[[], Awaitable[Any]]) -> Any:
        """Repeat an async check until it is true."""
        with anyio.fail_after(20):
            while not (found := await check()):  # noqa: ASYNC110 - states of many parts, none of them tells
                await anyio.sleep(0.02)
        return found

    async def camera(self) -> dict[str, Any]:
        """Return the only camera's status."""
        (camera,) = (await self.call("status"))["cameras"]
        return dict(camera)

    async def show(self, session: Session, seconds: float) -> None:
        """Deliver pictures of a real clip at once, as if that time had passed before now."""
        what = clip(count=40)
        count = int(seconds * what.fps)
        start_ns = time.monotonic_ns() - int(seconds * 1e9)
        for number in range(count):
            unit = what.unit(self._shown + number, start_ns + number * 1_000_000_000 // what.fps)
            session.sink.unit(AccessUnit(unit.nals, unit.pts_90k, unit.is_key, unit.received_mono_ns, unit.config))
        self._shown += count
        await anyio.lowlevel.checkpoint()


def parts_of(box: RecorderBox, own: Books) -> Parts:
    """Build what the roof builds."""
    losses = Losses(box.clock)
    options = SlotOptions(
        box.root / "footage",
        PublicId("b" * 16),
        1,
        create=True,
        writer=WriterOptions(segment_s=5, sync_s=0.2, stagger=False),
    )
    school = box.keys.load() if box.keys is not None else None
    store = Store([Slot(options, school, losses, box.clock)], losses, own.runs, own.registry, own.journal, box.clock)
    tools = Tools(
        clock=box.clock,
        player=box.player,
        make_gate=FakeGate,
        make_source=lambda spec: spec,
        retry=lambda error, failures, jitter: Wait(),
        knock=_nobody,
        jitter=lambda: 0.5,
        budget=StartBudget(box.clock, max_logins=32, connects_per_s=100),
        footage=store,
        runs=own.runs,
        ledger=own.ledger,
        journal=own.journal,
        registry=own.registry,
        on_fault=lambda _, error: box.faults.append(error),
        witness=box.witness,
    )
    return Parts(
        db=own.db,
        journal=own.journal,
        registry=own.registry,
        runs=own.runs,
        ledger=own.ledger,
        store=store,
        vision=None,
        tools=tools,
        discovery=box.discovery,
        learn=box.learn,
        activator=box.activator,
        pending=PendingLogins(own.db, SealKey(b"k" * 32), box.clock),
        groups=GroupBook(own.db, SealKey(b"k" * 32)),
        open_ticket=box.open_ticket,
        watched=box.watched.append,
        daemon=lambda: {"name": "vuon-recorder"},
        clock=box.clock,
        on_fault=tools.on_fault,
        export_pace=lambda count: box.pace(count),  # noqa: PLW0108 - a test may set another one later
        exports=ExportBook(own.db, SealKey(b"k" * 32)),
        seal=SealKey(b"k" * 32),
        keys=box.keys,
        settings=(SettingBook(own.db, SealKey(b"k" * 32), own.journal, box.clock), box.setter),
    )


async def _nobody(host: str, port: int) -> bool:
    return False


@asynccontextmanager
async def recorder_box(
    root: Path, witness: Witness | None = None, pace: Pace = gently, *, keys: KeyStore | None = None
) -> AsyncIterator[RecorderBox]:
    """Run a recorder in this process; whatever a part threw away fails the test."""
    box = RecorderBox(root)
    box.witness, box.pace, box.keys = witness, pace, keys
    settings = Settings(
        control_socket=root / "run" / "recorder.sock",
        feed_socket=root / "run" / "feed.sock",
        zone=ZoneInfo("Asia/Ho_Chi_Minh"),
        rules=usual(30, event_days=90),
        search_s=1.0,
        sub_streams=True,
    )
    async with books(root, box.clock) as own:
        box.books = own
        async with Recorder(parts_of(box, own), settings) as box.recorder, box.client:
            yield box
    assert box.faults == []


async def adopt(box: RecorderBox, number: int = 1, *, streams: int = 2) -> str:
    """Adopt camera `number`; returns its id."""
    box.learnable[f"10.0.0.{number}"] = new_camera(number, streams=streams)
    answer = await box.call("adopt", address=f"10.0.0.{number}", port=80, username="admin", password="Mat-khau 1")
    return str(answer["camera"]["id"])


async def recorded(box: RecorderBox, seconds: float = 12) -> tuple[str, int, int]:
    """Adopt a camera with one stream and record something; returns it and the span of its footage."""
    camera = await adopt(box, streams=1)
    session = await box.player.wait_for(1)
    await box.show(session, seconds)
    session.fail(CameraClosed("over"))

    async def closed() -> list[dict[str, Any]]:
        rows = (await box.call("segments", camera=camera, closed_only=True))["segments"]
        return list(rows) if len(rows) >= math.ceil(seconds / 5) else []

    rows = await box.until(closed)
    return camera, rows[0]["start_ms"], rows[-1]["start_ms"] + rows[-1]["duration_ms"]
