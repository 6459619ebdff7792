"""The recorder as one object: everything wired, started in order, stopped in order.

Owns the life of the recorder's parts and the calls of `<run>/recorder.sock`. Invariants: start order is
database, disks (with recovery), the accounts of what happened while it was off, vision, sockets,
cameras; stop order is the reverse, so that every picture taken is written and every segment closed before
the disks go; a part that fails is started again alone, none ends the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from gateway.core.model import PublicId
from gateway.core.supervise import Backoff, supervise
from gateway.core.wire import ControlServer, Handler
from recorder.accounts import Accounts
from recorder.cameraevents import CameraEvents
from recorder.cameras import Cameras
from recorder.eraser import Around, Eraser
from recorder.erasures import ErasureBook
from recorder.exportjob import ExportJobs
from recorder.feedserver import FeedServer
from recorder.finder import Finder
from recorder.keeping import Keeping
from recorder.keyframes import KeyFrames, target_in
from recorder.motion import MotionBook
from recorder.motionsweep import MotionSweep
from recorder.parts import Parts, Settings
from recorder.registry import Stream
from recorder.schoolday import SchoolHours
from recorder.service_activate import ActivateService
from recorder.service_cameras import CameraService
from recorder.service_completeness import CompletenessService
from recorder.service_discovery import DiscoveryService
from recorder.service_doctor import DoctorService
from recorder.service_erase import EraseService
from recorder.service_export import ExportService
from recorder.service_footage import FootageService
from recorder.service_holds import HoldService
from recorder.service_keys import KeyService
from recorder.service_playback import PlaybackService
from recorder.service_settings import SettingsService
from recorder.service_status import Figures, StatusService
from recorder.service_volumes import VolumeService
from recorder.skew import Skews

TRIM_S = 3600.0


class Recorder:
    """Entered = recording and answering; left = every segment closed. The database is open already."""

    def __init__(self, parts: Parts, settings: Settings) -> None:
        self._parts, self._settings = parts, settings
        self.cameras = Cameras(parts.tools, parts.vision, parts.store.set_offset)
        self.finding = DiscoveryService(self.cameras, parts.registry, parts.discovery, search_s=settings.search_s)
        self.keeping = Keeping(parts, settings.rules, self.cameras)
        self.holds, self.cleaner = self.keeping.holds, self.keeping.cleaner
        self.accounts = Accounts(parts.store, parts.registry, parts.runs, parts.ledger, self.keeping.gate, parts.clock)
        self._skews = Skews(parts.clock)
        hours = settings.hours or SchoolHours(settings.zone)
        self.completeness = CompletenessService(parts.registry, (parts.db, parts.journal), parts.clock, hours)
        self.erasures = ErasureBook(parts.db, parts.journal)
        self.eraser = Eraser(self.erasures, self._around())
        self.motion = MotionBook(parts.db, parts.clock)
        self.motion_sweep = MotionSweep(self.motion, parts.registry, parts.store, parts.clock)
        if parts.vision is not None:
            parts.vision.on_motion = self.motion.note
        self.playback = PlaybackService(
            parts.registry,
            parts.db,
            parts.store,
            self.motion,
            parts.vision,
            parts.open_ticket,
            parts.clock,
            settings.zone,
        )
        self.exports: ExportJobs | None = None
        if parts.exports is not None:
            own = (parts.db, parts.exports, parts.registry, parts.store, parts.clock)
            self.exports = ExportJobs(*own, pace=parts.export_pace)
        self.key_frames: KeyFrames | None = None
        if parts.ask_key_frame is not None:
            self.key_frames = KeyFrames(target_in(self.cameras), parts.ask_key_frame, parts.clock, parts.on_fault)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        parts, settings = self._parts, self._settings
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(
                self.accounts.tell_losses, everything=True
            )  # when the disks took their last picture
            await self.keeping.load()
            stack.push_async_callback(self.motion.flush)
            await stack.enter_async_context(parts.store.opened())
            await self.accounts.start()
            if self.exports is not None:
                stack.push_async_callback(self.exports.close)  # its threads read from the disks
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            await stack.enter_async_context(self.cameras)
            self._start_loops(tasks)
            feeds = FeedServer(
                settings.feed_socket,
                self.cameras.find_feed,
                allowed_uids=settings.allowed_uids,
                watched=parts.watched,
                wants_key=self.key_frames.want if self.key_frames is not None else lambda _: None,
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
                    self.cameras.all,
                    parts.listen,
                    parts.journal,
                    parts.clock,
                    parts.on_fault,
                    pin=self.keeping.pins.reported,
                )
                tasks.start_soon(self._supervised, "camera events", events.run)
            self._stack = stack.pop_all()
        return self

    def _start_loops(self, tasks: TaskGroup) -> None:
        parts, settings = self._parts, self._settings
        if parts.vision is not None:
            tasks.start_soon(self._supervised, "vision", parts.vision.run)
        tasks.start_soon(self._supervised, "volumes", self._look_at_disks)
        tasks.start_soon(self._supervised, "indexes", parts.store.run_rebuilding)
        tasks.start_soon(self._supervised, "cleaner", self.cleaner.run)
        if self.exports is not None:
            tasks.start_soon(self._supervised, "exports", self.exports.run)
        if self.key_frames is not None:
            tasks.start_soon(self._supervised, "key frames", self.key_frames.run)
        tasks.start_soon(self._supervised, "eraser", self.eraser.run)
        tasks.start_soon(self._supervised, "holds", self.holds.run)
        tasks.start_soon(self._supervised, "losses", self.accounts.run)
        tasks.start_soon(self._supervised, "journal", self._trim)
        tasks.start_soon(self._supervised, "completeness", self.completeness.run)
        if parts.reports is not None:
            tasks.start_soon(self._supervised, "skew", partial(self._skews.run, parts.reports))
        tasks.start_soon(self._supervised, "motion", self.motion.run)
        tasks.start_soon(self._supervised, "motion of old", self.motion_sweep.run)
        finder = Finder(self.cameras, self.finding.quietly, parts.clock, parts.tools.jitter, settings.find)
        tasks.start_soon(self._supervised, "finder", finder.run)
        tasks.start_soon(self._supervised, "discovery", self.finding.listen)

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
        holds = HoldService(parts.registry, self.holds, self.exports)
        keys = KeyService(parts.keys, self._forget_opened, parts.journal)
        erase = EraseService(parts.registry, self.erasures, self.eraser)
        told = {
            **cameras.handlers(),
            **activate.handlers(),
            **self.finding.handlers(),
            **footage.handlers(),
            **self.playback.handlers(),
            **holds.handlers(),
            **keys.handlers(),
            **erase.handlers(),
            **self.keeping.service().handlers(),
            **VolumeService(parts.store, self.accounts.disk_came).handlers(),
            **self._status().handlers(),
            **self.completeness.handlers(),
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

    def _status(self) -> StatusService:
        parts = self._parts
        return StatusService(
            self.cameras,
            parts.store,
            (self.cleaner, self.keeping.relief, self.keeping.rules),
            parts.vision,
            (parts.db, parts.journal),
            parts.clock,
            zone=self._settings.zone,
            figures=Figures(
                self.completeness,
                self._skew_ms,
                lambda: {
                    "daemon": parts.daemon(),
                    "lan": parts.lan() if parts.lan is not None else None,
                    "key_frames": self.key_frames.facts() if self.key_frames is not None else {},
                },
            ),
        )

    def _around(self) -> Around:
        parts = self._parts

        async def stop(cameras: Sequence[PublicId]) -> None:
            for item in cameras:
                await self.cameras.retire(item)
                self.motion.forget(item)
            self._forget_pictures()

        return Around(
            slots=parts.store.slots,
            clock=parts.clock,
            deleting=self.cleaner.deleting,
            stop=stop,
            known_volumes=parts.registry.volumes,
            destroy_keys=self._destroy_keys,
            lifted=self.holds.copy,
        )

    def _skew_ms(self, stream: Stream) -> int | None:
        return self._skews.skew_ms(self._parts.tools.make_source(stream.spec))

    async def _supervised(self, name: str, run: Callable[[], Any]) -> None:
        backoff = Backoff(first_s=1.0, most_s=30.0)
        await supervise(name, run, clock=self._parts.clock, on_fault=self._parts.on_fault, backoff=backoff)

    async def _look_at_disks(self) -> None:
        await self._parts.store.run(self.accounts.disk_came)

    async def _trim(self) -> None:
        while True:
            await self._parts.clock.sleep(TRIM_S)
            await self._parts.journal.trim()

    def _destroy_keys(self) -> None:
        if self._parts.keys is not None:
            self._parts.keys.destroy()
            self._parts.store.forget_keys()

    def _forget_opened(self) -> None:
        """Let go of what was opened with the footage key: data keys, and pictures made with them."""
        self._parts.store.forget_keys()
        self._forget_pictures()

    def _forget_pictures(self) -> None:
        if self.playback.thumbs is not None:
            self.playback.thumbs.forget()
