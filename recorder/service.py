"""The recorder as one object: everything wired, started in order, stopped in order.

Owns the life of the recorder's parts and the calls of `<run>/recorder.sock`. Invariants: start order is
database, disks (with recovery), the accounts of what happened while it was off, vision, sockets,
cameras; stop order is the reverse, so that every picture taken is written and every segment closed before
the disks go; a part that fails is started again alone, none ends the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.model import PublicId, StreamId, StreamRole
from gateway.core.secrets import SealKey
from gateway.core.supervise import Backoff, FaultSink, supervise
from gateway.core.wire import ControlServer, Handler
from recorder.agegate import AgeGate, CalmBook
from recorder.camera import Tools
from recorder.cameraevents import CameraEvents, Listen
from recorder.cameras import Cameras
from recorder.cleaner import Cleaned, Cleaner, Sources
from recorder.discovery import Discovery
from recorder.eraser import Around, Eraser
from recorder.erasures import ErasureBook
from recorder.feedserver import FeedServer
from recorder.finder import Finder, FindRule
from recorder.gaps import GapCause, GapLedger
from recorder.groups import GroupBook
from recorder.holdreasons import HoldReasons
from recorder.holds import HoldBook
from recorder.journal import Journal
from recorder.keystore import KeyStore
from recorder.motion import MotionBook
from recorder.pending import PendingLogins
from recorder.pins import PinBook
from recorder.playback_spans import footage_hours
from recorder.reckoning import last_known, set_right
from recorder.registry import Registry, Stream
from recorder.relief import Relief
from recorder.rules import RuleBook
from recorder.rulesource import RuleSource
from recorder.runs import RunBook
from recorder.schoolday import SchoolHours
from recorder.service_activate import ActivateService, Activator
from recorder.service_cameras import CameraService, Learn
from recorder.service_completeness import CompletenessService
from recorder.service_discovery import DiscoveryService
from recorder.service_doctor import Doctor, DoctorService
from recorder.service_erase import EraseService
from recorder.service_footage import FootageService, OpenTicket
from recorder.service_holds import HoldService
from recorder.service_keys import KeyService
from recorder.service_playback import PlaybackService
from recorder.service_retention import RetentionService
from recorder.service_settings import SettingsService
from recorder.service_status import Figures, StatusService
from recorder.service_volumes import VolumeService
from recorder.settingbook import SettingBook
from recorder.settings import CameraSetter
from recorder.skew import ClockReport, Skews
from recorder.store import Store
from recorder.vision.client import VisionClient

TELL_LOSSES_S = 5.0
TRIM_S = 3600.0
PAST_MS = 24 * 3_600_000
"""How far back the last footage is looked for when there is some in the future."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says about the recorder's own behaviour."""

    control_socket: Path
    feed_socket: Path
    zone: ZoneInfo
    rules: RuleBook
    search_s: float
    sub_streams: bool
    find: FindRule | None = None
    """When a camera that is away is searched for; None = the usual rule."""
    allowed_uids: frozenset[int] | None = None
    hours: SchoolHours | None = None
    """When school is, for completeness; None = the usual week."""


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
    groups: GroupBook
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
    lan: Callable[[], dict[str, Any]] | None = None
    """What the box serves on the cameras' network, for the status."""
    reports: Callable[[], Sequence[ClockReport]] | None = None
    """The last sender reports of all streams; None: nobody tells."""


class Recorder:
    """Entered = recording and answering; left = every segment closed. The database is open already."""

    def __init__(self, parts: Parts, settings: Settings) -> None:
        self._parts, self._settings = parts, settings
        self.cameras = Cameras(parts.tools, parts.vision, parts.store.set_offset)
        self.finding = DiscoveryService(self.cameras, parts.registry, parts.discovery, search_s=settings.search_s)
        self._gate, self._calm = AgeGate(parts.clock), CalmBook(parts.db)
        self._rules = RuleSource(settings.rules, parts.registry, parts.groups)
        deleting = asyncio.Lock()
        self.holds = HoldBook(parts.db, parts.store.slots, parts.clock, deleting, HoldReasons(parts.seal))
        self.pins = PinBook(parts.db, parts.clock)
        sources = Sources(
            self._rules.rules, self.holds.active, self.pins.active, parts.runs.unsure, self.holds.vouches_for
        )
        self.cleaner = Cleaner(
            parts.store.slots, sources, self._gate, parts.clock, deleting=deleting, after=self._cleaned
        )
        self.relief = Relief(
            parts.store, lambda: self._of_role(StreamRole.MAIN), lambda: self._of_role(StreamRole.SUB), self._cut
        )
        self._skews = Skews(parts.clock)
        hours = settings.hours or SchoolHours(settings.zone)
        self.completeness = CompletenessService(parts.registry, (parts.db, parts.journal), parts.clock, hours)
        self.erasures = ErasureBook(parts.db, parts.journal)
        self.eraser = Eraser(self.erasures, self._around())
        self.motion = MotionBook(parts.db, parts.clock)
        if parts.vision is not None:
            parts.vision.on_motion = self.motion.note
        self._playback: PlaybackService | None = None
        self._stack = contextlib.AsyncExitStack()
        self._started_ms, self._died_of = 0, GapCause.RECORDER_RESTART
        self._late: set[Stream] = set()
        """Streams whose last footage lies on a disk that was not there at the start."""

    async def __aenter__(self) -> Self:
        parts, settings = self._parts, self._settings
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._tell_losses, everything=True)  # when the disks took their last picture
            await self.holds.start()
            stack.push_async_callback(self.motion.flush)
            await stack.enter_async_context(parts.store.opened())
            await self._account()
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            await stack.enter_async_context(self.cameras)
            if parts.vision is not None:
                tasks.start_soon(self._supervised, "vision", parts.vision.run)
            tasks.start_soon(self._supervised, "volumes", self._look_at_disks)
            tasks.start_soon(self._supervised, "cleaner", self.cleaner.run)
            tasks.start_soon(self._supervised, "eraser", self.eraser.run)
            tasks.start_soon(self._supervised, "holds", self.holds.run)
            tasks.start_soon(self._supervised, "losses", self._keep_telling)
            tasks.start_soon(self._supervised, "journal", self._trim)
            tasks.start_soon(self._supervised, "completeness", self.completeness.run)
            if parts.reports is not None:
                tasks.start_soon(self._supervised, "skew", partial(self._skews.run, parts.reports))
            tasks.start_soon(self._supervised, "motion", self.motion.run)
            tasks.start_soon(self._supervised, "motion of old", self._forget_motion)
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
                events = CameraEvents(
                    self.cameras.all, parts.listen, parts.journal, parts.clock, parts.on_fault, pin=self.pins.reported
                )
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
        footage = FootageService(parts.registry, parts.db, parts.store, parts.vision, parts.open_ticket, parts.clock)
        books = (self.holds, self.pins, parts.groups)
        retention = RetentionService(
            parts.registry, parts.store, self.cleaner, self._gate, self._rules, books, parts.clock
        )
        status = StatusService(
            self.cameras,
            parts.store,
            (self.cleaner, self.relief, self._rules),
            parts.vision,
            (parts.db, parts.journal),
            parts.clock,
            zone=settings.zone,
            figures=Figures(
                self.completeness,
                self._skew_ms,
                lambda: {"daemon": parts.daemon(), "lan": parts.lan() if parts.lan is not None else None},
            ),
        )
        self._playback = playback = PlaybackService(
            parts.registry,
            parts.db,
            parts.store,
            self.motion,
            parts.vision,
            parts.open_ticket,
            parts.clock,
            settings.zone,
        )
        holds = HoldService(parts.registry, self.holds)
        keys = KeyService(parts.keys, self._forget_opened, parts.journal)
        erase = EraseService(parts.registry, self.holds, self.erasures, self.eraser)
        told = {
            **cameras.handlers(),
            **activate.handlers(),
            **self.finding.handlers(),
            **footage.handlers(),
            **playback.handlers(),
            **holds.handlers(),
            **keys.handlers(),
            **erase.handlers(),
            **retention.handlers(),
            **VolumeService(parts.store, self._disk_came).handlers(),
            **status.handlers(),
            **self.completeness.handlers(),
        }
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
                self.motion.forget(item)
            self._forget_pictures()

        return Around(
            slots=parts.store.slots,
            clock=parts.clock,
            deleting=self.cleaner.deleting,
            stop=stop,
            known_volumes=parts.registry.volumes,
            destroy_keys=parts.keys.destroy if parts.keys is not None else lambda: None,
            lifted=self.holds.copy,
        )

    def _skew_ms(self, stream: Stream) -> int | None:
        return self._skews.skew_ms(self._parts.tools.make_source(stream.spec))

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
        parts, cameras = self._parts, await self._parts.registry.cameras()
        streams = [stream for camera in cameras for stream in camera.streams]
        await set_right(parts.runs, parts.ledger, parts.store.set_offset, parts.clock)
        newest = await self._ends(streams)
        ends = await self._past(newest) if parts.clock.trusted() else newest
        recording = await parts.runs.unfinished()
        same_boot = await parts.runs.recover(ends)
        self._started_ms, sure = parts.clock.now_ms(), parts.clock.trusted()
        self._died_of = GapCause.RECORDER_RESTART if same_boot else GapCause.POWER
        if any(slot.opened is None for slot in parts.store.slots):
            self._late = {item for item in streams if recording.get(item.id, 0) > ends.get(item.id, 0)}
        last = last_known(cameras, ends, recording) | dict.fromkeys(self._late, self._started_ms)
        await parts.ledger.recover(last.items(), self._started_ms, same_boot=same_boot, sure=sure)
        self._gate.restore(await self._calm.load())
        self._gate.newest_was(max(newest.values(), default=None))

    async def _past(self, ends: Mapping[StreamId, int]) -> dict[StreamId, int]:
        """Return the ends with those in the future (the clock was ahead once) replaced by the last one before now."""
        now_ms, found = self._parts.clock.now_ms(), dict(ends)
        for stream in [stream for stream, end_ms in ends.items() if end_ms > now_ms]:
            rows = await self._parts.store.find([stream], now_ms - PAST_MS, now_ms)
            found[stream] = max((item.row.end_ms for item in rows if item.row.end_ms <= now_ms), default=now_ms)
        return found

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

    def _of_role(self, role: StreamRole) -> list[StreamId]:
        return [task.stream.id for camera in self.cameras.all() for task in camera.streams if task.stream.role is role]

    def _forget_opened(self) -> None:
        """Let go of what was opened with the footage key: data keys, and pictures made with them."""
        self._parts.store.forget_keys()
        self._forget_pictures()

    def _forget_pictures(self) -> None:
        if self._playback is not None and self._playback.thumbs is not None:
            self._playback.thumbs.forget()

    async def _forget_motion(self) -> None:
        while True:
            await self._parts.clock.sleep(TRIM_S)
            await self.forget_motion()

    async def forget_motion(self) -> None:
        """Let the motion of hours go whose footage is gone; nothing while a disk is away."""
        footage = dict[PublicId, frozenset[int]]()
        for camera in await self._parts.registry.cameras(removed=True):
            streams = [stream.id for stream in camera.streams]
            hours = await anyio.to_thread.run_sync(footage_hours, self._parts.store.slots, streams)
            if hours is None:
                return
            footage[camera.public_id] = hours
        await self.motion.keep_only(footage)

    async def _cut(self, streams: Collection[StreamId]) -> None:
        for camera in self.cameras.all():
            for task in camera.streams:
                if task.stream.id in streams:
                    await task.cut(GapCause.DISK)

    async def _cleaned(self, done: Sequence[Cleaned]) -> None:
        """Act on a pass of retention: what is tight, how long the clock is doubted, which pins are over."""
        slots = self._parts.store.slots
        await self.relief.apply(self.cleaner.tight, [slot for slot in slots if slot.opened is not None])
        await self._calm.save(self._gate.left_s)
        now_ms = self._gate.now_ms()
        if done and now_ms is not None:
            days = {stream: max(rule.days, rule.event_days) for stream, rule in (await self._rules.rules()).items()}
            await self.pins.forget(days, now_ms)
