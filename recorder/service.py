"""The recorder as one object: everything wired, started in order, stopped in order.

Owns the life of the recorder's parts and the calls of `<run>/recorder.sock`. Invariants: start order is
database, disks (with recovery), the accounts of what happened while it was off, vision, sockets,
cameras; stop order is the reverse, so that every picture taken is written and every segment closed before
the disks go; a part that fails is started again alone, none ends the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.model import PublicId, StreamId
from gateway.core.secrets import SealKey
from gateway.core.supervise import Backoff, FaultSink, supervise
from gateway.core.wire import ControlServer, Handler
from recorder.camera import Tools
from recorder.cameraevents import CameraEvents, Listen
from recorder.cameras import Cameras
from recorder.cleaner import AgeGate, Cleaner
from recorder.discovery import Discovery
from recorder.eraser import Around, Eraser
from recorder.erasures import ErasureBook
from recorder.exportbook import ExportBook
from recorder.exportjob import ExportJobs, Pace, gently
from recorder.feedserver import FeedServer
from recorder.finder import Finder, FindRule
from recorder.gaps import GapCause, GapLedger
from recorder.holdreasons import HoldReasons
from recorder.holds import HoldBook
from recorder.journal import Journal
from recorder.keystore import KeyStore
from recorder.pending import PendingLogins
from recorder.registry import Registry, Stream
from recorder.retention import Hold, Rule
from recorder.runs import RunBook
from recorder.service_activate import ActivateService, Activator
from recorder.service_cameras import CameraService, Learn
from recorder.service_discovery import DiscoveryService
from recorder.service_doctor import Doctor, DoctorService
from recorder.service_erase import EraseService
from recorder.service_export import ExportService
from recorder.service_footage import FootageService, OpenTicket
from recorder.service_holds import HoldService
from recorder.service_keys import KeyService
from recorder.service_settings import SettingsService
from recorder.service_status import StatusService
from recorder.settingbook import SettingBook
from recorder.settings import CameraSetter
from recorder.store import Store
from recorder.vision.client import VisionClient

TELL_LOSSES_S = 5.0
TRIM_S = 3600.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says about the recorder's own behaviour."""

    control_socket: Path
    feed_socket: Path
    zone: ZoneInfo
    rule: Rule
    search_s: float
    sub_streams: bool
    find: FindRule | None = None
    """When a camera that is away is searched for; None = the usual rule."""
    allowed_uids: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What the roof built."""

    db: Database
    journal: Journal
    registry: Registry
    runs: RunBook
    ledger: GapLedger
    store: Store
    vision: VisionClient | None
    tools: Tools
    discovery: Discovery
    learn: Learn
    activator: Activator
    pending: PendingLogins
    open_ticket: OpenTicket
    watched: Callable[[bool], None]
    """Called with whether somebody watches live: pictures may then not wait."""
    daemon: Callable[[], dict[str, Any]]
    clock: Clock
    on_fault: FaultSink
    seal: SealKey
    """Seals what people write about footage."""
    keys: KeyStore | None = None
    """The school's footage key; None: footage is not encrypted."""
    listen: Listen | None = None
    """Hears what cameras report; None: nobody listens."""
    settings: tuple[SettingBook, CameraSetter] | None = None
    """The book of settings on cameras and who speaks to them; None: their calls are not offered."""
    doctor: Doctor | None = None
    """Judges cameras; None: the doctor's calls are unknown."""
    exports: ExportBook | None = None
    """The book of copies; None: their calls are not offered."""
    export_pace: Pace = gently
    """How copies rest between records."""
    lan: Callable[[], dict[str, Any]] | None = None
    """What the box serves on the cameras' network, for the status."""


class Recorder:
    """Entered = recording and answering; left = every segment closed. The database is open already."""

    def __init__(self, parts: Parts, settings: Settings) -> None:
        self._parts, self._settings = parts, settings
        self.cameras = Cameras(parts.tools, parts.vision, parts.store.set_offset)
        self.finding = DiscoveryService(self.cameras, parts.registry, parts.discovery, search_s=settings.search_s)
        gate = AgeGate(parts.clock)
        self._gate = gate
        self.cleaner = Cleaner(parts.store.slots, self._rules, self._holds, gate, parts.clock)
        self.holds = HoldBook(parts.db, parts.store.slots, parts.clock, self.cleaner.deleting, HoldReasons(parts.seal))
        self.erasures = ErasureBook(parts.db, parts.journal)
        self.eraser = Eraser(self.erasures, self._around())
        self.exports: ExportJobs | None = None
        if parts.exports is not None:
            own = (parts.db, parts.exports, parts.registry, parts.store, parts.clock)
            self.exports = ExportJobs(*own, pace=parts.export_pace)
        self._stack = contextlib.AsyncExitStack()
        self._started_ms, self._died_of = 0, GapCause.RECORDER_RESTART
        self._late: set[Stream] = set()
        """Streams whose last footage lies on a disk that was not there at the start."""

    async def __aenter__(self) -> Self:
        parts, settings = self._parts, self._settings
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._tell_losses, everything=True)  # when the disks took their last picture
            await self.holds.start()
            await stack.enter_async_context(parts.store.opened())
            await self._account()
            if self.exports is not None:
                stack.push_async_callback(self.exports.close)  # its threads read from the disks
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            await stack.enter_async_context(self.cameras)
            if parts.vision is not None:
                tasks.start_soon(self._supervised, "vision", parts.vision.run)
            tasks.start_soon(self._supervised, "volumes", self._look_at_disks)
            tasks.start_soon(self._supervised, "cleaner", self.cleaner.run)
            if self.exports is not None:
                tasks.start_soon(self._supervised, "exports", self.exports.run)
            tasks.start_soon(self._supervised, "eraser", self.eraser.run)
            tasks.start_soon(self._supervised, "losses", self._keep_telling)
            tasks.start_soon(self._supervised, "journal", self._trim)
            finder = Finder(self.cameras, self.finding.quietly, parts.clock, parts.tools.jitter, settings.find)
            tasks.start_soon(self._supervised, "finder", finder.run)
            tasks.start_soon(self._supervised, "discovery", self.finding.listen)
            feeds = FeedServer(
                settings.feed_socket,
                self.cameras.find_feed,
                allowed_uids=settings.allowed_uids,
                watched=parts.watched,
                on_fault=parts.on_fault,
            )
            await stack.enter_async_context(feeds)
            control = ControlServer(
                settings.control_socket,
                "recorder",
                self.handlers(),
                allowed_uids=settings.allowed_uids,
                on_fault=parts.on_fault,
            )
            await stack.enter_async_context(control)
            if parts.listen is not None:  # last: cameras are slower for whoever asks them more
                events = CameraEvents(self.cameras.all, parts.listen, parts.journal, parts.clock, parts.on_fault)
                tasks.start_soon(self._supervised, "camera events", events.run)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def healthy(self) -> bool:
        """Say whether every thread that keeps footage runs; whoever watches the daemon asks."""
        return self._parts.db.alive and all(slot.alive for slot in self._parts.store.slots)

    def handlers(self) -> Mapping[str, Handler]:
        """Return every call of the control socket."""
        parts, settings = self._parts, self._settings
        cameras = CameraService(
            self.cameras,
            parts.registry,
            last=lambda: self.finding.last,
            learn=parts.learn,
            pending=parts.pending,
            sub_streams=settings.sub_streams,
        )
        activate = ActivateService(parts.activator, parts.pending, parts.registry)
        footage = FootageService(
            parts.registry, parts.db, parts.store, self.cleaner, parts.vision, parts.open_ticket, parts.clock
        )
        status = StatusService(
            self.cameras,
            parts.store,
            self.cleaner,
            parts.vision,
            (parts.db, parts.journal),
            parts.clock,
            zone=settings.zone,
            beside=lambda: {"daemon": parts.daemon(), "lan": parts.lan() if parts.lan is not None else None},
        )
        holds = HoldService(parts.registry, self.holds, self.exports)
        keys = KeyService(parts.keys, parts.store.forget_keys, parts.journal)
        erase = EraseService(parts.registry, self.holds, self.erasures, self.eraser)
        told = {
            **cameras.handlers(),
            **activate.handlers(),
            **self.finding.handlers(),
            **footage.handlers(),
            **holds.handlers(),
            **keys.handlers(),
            **erase.handlers(),
            **status.handlers(),
        }
        if parts.exports is not None and self.exports is not None:
            told |= ExportService(
                parts.registry, parts.store, self.exports, parts.exports, self.holds, parts.open_ticket
            ).handlers()
        if parts.settings is not None:
            told |= SettingsService(self.cameras, parts.registry, *parts.settings).handlers()
        if parts.doctor is not None:
            told |= DoctorService(self.cameras, parts.tools, parts.vision, parts.db, parts.doctor).handlers()
        return told

    def _around(self) -> Around:
        parts = self._parts

        async def stop(camera: PublicId) -> None:
            for item in [camera] if camera else [task.camera.public_id for task in self.cameras.all()]:
                await self.cameras.retire(item)

        return Around(
            slots=parts.store.slots,
            clock=parts.clock,
            deleting=self.cleaner.deleting,
            stop=stop,
            known_volumes=parts.registry.volumes,
            destroy_keys=parts.keys.destroy if parts.keys is not None else lambda: None,
            lifted=self.holds.copy,
        )

    async def _supervised(self, name: str, run: Callable[[], Any]) -> None:
        backoff = Backoff(first_s=1.0, most_s=30.0)
        await supervise(name, run, clock=self._parts.clock, on_fault=self._parts.on_fault, backoff=backoff)

    async def _streams(self) -> tuple[Stream, ...]:
        return tuple(stream for camera in await self._parts.registry.cameras() for stream in camera.streams)

    async def _account(self) -> None:
        """Account for the time since the recorder last ran, before anything new is recorded.

        A stream whose last run lies on a disk that is not there yet is missing from now on, and the rest is
        added when the disk comes and says where its footage ends.
        """
        parts, streams = self._parts, await self._streams()
        ends = await self._ends(streams)
        recording = await parts.runs.unfinished()
        same_boot = await parts.runs.recover(ends)
        self._started_ms, sure = parts.clock.now_ms(), parts.clock.trusted()
        self._died_of = GapCause.RECORDER_RESTART if same_boot else GapCause.POWER
        if any(slot.opened is None for slot in parts.store.slots):
            self._late = {item for item in streams if recording.get(item.id, 0) > ends.get(item.id, 0)}
        last = {item: self._started_ms if item in self._late else ends.get(item.id) for item in streams}
        await parts.ledger.recover(last.items(), self._started_ms, same_boot=same_boot, sure=sure)
        self._gate.newest_was(max(ends.values(), default=None))

    async def _ends(self, streams: Iterable[Stream]) -> dict[StreamId, int]:
        """Return the end of each stream's last footage on the disks that are there."""

        def read() -> dict[StreamId, int | None]:
            return {stream.id: self._parts.store.last_end_ms(stream.id) for stream in streams}

        ends = await anyio.to_thread.run_sync(read)
        return {stream: end_ms for stream, end_ms in ends.items() if end_ms is not None}

    async def _account_late(self) -> None:
        """Account for what streams missed before the start, now that their disk has come and tells."""
        ends = await self._ends(self._late)
        for stream in [item for item in self._late if item.id in ends]:
            self._late.discard(stream)
            await self._parts.ledger.fill(stream, ends[stream.id], self._started_ms, self._died_of)
        self._gate.newest_was(max(ends.values(), default=None))

    async def _look_at_disks(self) -> None:
        await self._parts.store.run(self._disk_came)

    async def _disk_came(self) -> None:
        await self._account_late()
        for task in self.cameras.all():
            await task.cut(GapCause.DISK)

    async def _keep_telling(self) -> None:
        while True:
            await self._parts.clock.sleep(TELL_LOSSES_S)
            await self._tell_losses()

    async def _tell_losses(self, *, everything: bool = False) -> None:
        losses = self._parts.store.losses.take(everything=everything)
        streams = {stream.id: stream for stream in await self._streams()} if losses else {}
        for loss in losses:
            if loss.stream in streams:
                await self._parts.ledger.add(streams[loss.stream], loss.start_ms, loss.end_ms, loss.cause)

    async def _trim(self) -> None:
        while True:
            await self._parts.clock.sleep(TRIM_S)
            await self._parts.journal.trim()

    async def _rules(self) -> Mapping[StreamId, Rule]:
        return {stream.id: self._settings.rule for stream in await self._streams()}

    async def _holds(self) -> Sequence[Hold]:
        return await self.holds.active()
