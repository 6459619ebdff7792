"""Making copies: one order at a time, slowly enough that recording never feels it.

Owns the loop over the orders and reading from a finished one. Invariants: an order begins only under a hold that
covers its span; one order is worked on at a time, in one thread of low priority; everything a kill leaves
behind is a queued order, which is then done again from its plan and gives the same bytes; nothing is offered
before it is measured and signed; an order can be cancelled at any record; disks and keys that are away make it
wait, not fail. Finished orders end after `keep_days`; their holds go on by their own term.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, TypeVar

import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import BadInput, NotFound, StorageError, VolumeMissing, VuonError
from gateway.core.log import get_logger
from gateway.core.model import PublicId, StreamRole
from gateway.core.version import __version__
from recorder.exportbook import ExportBook, Job, State
from recorder.exportpackage import Measured, decode_measured, encode_measured, entries, measure
from recorder.exportplan import CopyPlan, Disk, decode_plan, encode_plan
from recorder.exportzip import Archive, Bytes
from recorder.gaps import gaps_between
from recorder.holds import Placed
from recorder.layout import DAY_MS
from recorder.manifest import MANIFEST_NAME, PAGE_NAME, SIGNATURE_NAME, check_signature, make_manifest
from recorder.registry import Camera, Registry
from recorder.rows import SegmentRow
from recorder.runs import worth_of
from recorder.store import Store

log = get_logger("recorder.export")
T = TypeVar("T")
KEEP_DAYS = 14
LOOK_S = 30.0
MAX_SPAN_MS = 6 * 3_600_000
"""Longer spans are several orders: the tables of one stay small."""
READERS = 2
"""Downloads at once: a slow browser must not hold more of the box."""
CHUNK_BYTES = 256 << 10
NICE = 10
BYTES_PER_S = 64 << 20
"""How fast the first pass reads at most: disks have something more important to do."""

Pace = Callable[[int], None]
"""Called in the working thread after each record with its bytes; may wait."""


def gently(count: int) -> None:
    """Rest after a record, so that reading stays below `BYTES_PER_S`."""
    time.sleep(count / BYTES_PER_S)


class _StoppedError(Exception):
    """The order was cancelled while it was worked on."""


@dataclass(slots=True)
class Progress:
    """How far the order in work is."""

    job: PublicId
    total_bytes: int = 0
    done_bytes: int = 0
    began_ns: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    pace: Pace = gently

    def step(self, count: int) -> None:
        """Count what is read; raises if the order is to stop."""
        self.done_bytes += count
        self.pace(count)
        if self.stop.is_set():
            raise _StoppedError


def page() -> bytes:
    """Return `kiem-tra.html`: each copy keeps the one it was measured with."""
    return (files("recorder") / PAGE_NAME).read_bytes()


def _low_priority() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


class ExportJobs:
    """Takes orders, works through them, reads finished ones; event loop only."""

    def __init__(
        self,
        db: Database,
        book: ExportBook,
        registry: Registry,
        store: Store,
        clock: Clock,
        *,
        pace: Pace = gently,
    ) -> None:
        self._pace = pace
        self._db, self._book, self._registry, self._store, self._clock = db, book, registry, store, clock
        self._wake = asyncio.Event()
        self._readers = asyncio.Semaphore(READERS)
        self._work = ThreadPoolExecutor(1, "export", _low_priority)
        self._reading = ThreadPoolExecutor(READERS, "export-read", _low_priority)
        self.progress: Progress | None = None

    async def close(self) -> None:
        """Stop what is in work at its next record and let the threads end."""
        if self.progress is not None:
            self.progress.stop.set()

        def join() -> None:
            self._work.shutdown(cancel_futures=True)
            self._reading.shutdown(cancel_futures=True)

        await anyio.to_thread.run_sync(join)

    # orders

    async def start(
        self, order: PublicId, camera: Camera, span: tuple[int, int], hold: Placed, facts: dict[str, Any]
    ) -> Job:
        """Take an order; again with the same id: nothing. BadInput unless the hold covers it, or if it is too long."""
        start_ms, end_ms = span
        wanted = hold.order
        if hold.camera != camera.public_id or wanted.start_ms > start_ms or wanted.end_ms < end_ms:
            raise BadInput("the hold does not cover what is to be copied", key="hold")
        if not start_ms < end_ms or end_ms - start_ms > MAX_SPAN_MS:
            raise BadInput("an order covers at most six hours", key="to_ms", case="export_long")
        now_ms = self._clock.now_ms()
        if end_ms > now_ms:
            raise BadInput("what is to come cannot be copied", key="to_ms", case="export_future")
        job = Job(order, camera.id, camera.public_id, camera.name, hold.id, start_ms, end_ms, now_ms, State.QUEUED)
        kept = await self._book.add(job, json.dumps(facts, ensure_ascii=False).encode())
        self._wake.set()
        return kept

    async def cancel(self, order: PublicId) -> bool:
        """End an order, also a finished one; False if it is over already."""
        if self.progress is not None and self.progress.job == order:
            self.progress.stop.set()
        return await self._book.advance(order, State.CANCELLED)

    async def sign(self, order: PublicId, signature: bytes) -> Job:
        """Offer a measured order under this signature; BadInput if it is not measured."""
        job = await self._book.get(order)
        if job.state is State.READY:
            return job
        if job.state is not State.MEASURED:
            raise BadInput("the order is not measured", key="order")
        now_ms = self._clock.now_ms()
        manifest = await self._book.sealed(order, "manifest")
        if manifest is None or check_signature(manifest, signature)[0] is not None:
            raise BadInput("the signature does not fit the manifest", key="signature")
        until_ms = now_ms + KEEP_DAYS * DAY_MS
        parts = {"signature": signature}
        await self._book.advance(order, State.READY, parts, ready_ms=now_ms, expires_ms=until_ms)
        return await self._book.get(order)

    async def uses(self, hold: PublicId) -> bool:
        """Say whether an order that is not over needs a hold."""
        undone = {State.QUEUED, State.MEASURED, State.READY}
        return any(job.hold == hold and job.state in undone for job in await self._book.all())

    def seconds(self) -> float:
        """Return how long the order in work has been worked on."""
        began_ns = self.progress.began_ns if self.progress is not None else self._clock.mono_ns()
        return round((self._clock.mono_ns() - began_ns) / 1e9, 1)

    # the loop

    async def run(self) -> None:
        """Work through the orders for ever, oldest first."""
        while True:
            self._wake.clear()
            await self.round()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()

    async def round(self) -> None:
        """Do every order that can be done now, and end what is too old."""
        await self._expire()
        for job in await self._book.all():
            if job.state is State.QUEUED:
                await self._do(job)

    async def _expire(self) -> None:
        if not self._clock.trusted():
            return
        now_ms = self._clock.now_ms()
        for job in await self._book.all():
            if job.state is State.READY and job.expires_ms is not None and job.expires_ms <= now_ms:
                await self._book.advance(job.id, State.EXPIRED)

    async def _do(self, job: Job) -> None:
        try:
            await self._measure(job)
        except _StoppedError:
            return  # cancelled, or the recorder stops: its row says which
        except StorageError as error:  # a disk or a key that may come back; a damaged record does not come here
            log.error("export.waits", error)
            await self._book.advance(job.id, None, why=error.code)
        except VuonError as error:
            log.error("export.failed", error)
            await self._book.advance(job.id, State.FAILED, why=error.code)
        finally:
            self.progress = None

    async def _measure(self, job: Job) -> None:
        progress = self.progress = Progress(job.id, began_ns=self._clock.mono_ns(), pace=self._pace)
        stored = await self._book.sealed(job.id, "plan")
        plan = decode_plan(stored) if stored is not None else await self._plan(job)
        if stored is None:
            await self._book.keep(job.id, "plan", encode_plan(plan))
        progress.total_bytes = 3 * plan.footage_bytes
        found = await self._in_thread(lambda: measure(plan, self._disk, progress.step))
        here = page()
        parts = {"measured": encode_measured(found), "manifest": make_manifest(plan, found, here), "page": here}
        await self._book.advance(job.id, State.MEASURED, parts, found.films, why="")

    async def _plan(self, job: Job) -> CopyPlan:
        facts = await self._book.sealed(job.id, "facts")
        (camera,) = [item for item in await self._registry.cameras(removed=True) if item.id == job.camera]
        streams = {stream.role: stream.id for stream in camera.streams}
        rows = {role: await self._store.find([stream], job.start_ms, job.end_ms) for role, stream in streams.items()}
        found = {
            role.value: [(item.slot.require().volume.marker.volume, item.row) for item in items]
            for role, items in rows.items()
        }
        ids = list(streams.values())
        gaps = await self._db.read(lambda conn: gaps_between(conn, ids, job.start_ms, job.end_ms)) if ids else ()
        runs = await self._runs(row for items in found.values() for _, row in items)
        plan = CopyPlan(
            json.loads(facts or b"{}")
            | {
                "order": job.id,
                "camera": {"id": job.camera_id, "name": job.camera_name},
                "asked": {"from_ms": job.start_ms, "to_ms": job.end_ms},
                "hold": job.hold,
                "software": f"vuon {__version__}",
                "streams": {str(int(stream)): role.value for role, stream in streams.items()},
                "ledger": [
                    [gap.stream, gap.start_ms, job.end_ms if gap.end_ms is None else gap.end_ms, gap.cause.value]
                    for gap in gaps
                ],
                "runs": runs,
            }
        )
        return await self._in_thread(lambda: self._fill(plan, found, job))

    def _fill(self, plan: CopyPlan, found: dict[str, list[tuple[PublicId, SegmentRow]]], job: Job) -> CopyPlan:
        """Take the main stream; the sub stream where there is no other, or where few can play the main one."""
        for role in (StreamRole.MAIN.value, StreamRole.SUB.value):
            if role == StreamRole.MAIN.value or not plan.cuts or plan.has_h265:
                rows = [(self._disk(volume), row) for volume, row in found.get(role, [])]
                plan.add(role, rows, job.start_ms, job.end_ms)
        if not plan.cuts:
            raise NotFound("no footage of this time")
        return plan

    async def _runs(self, rows: Iterator[SegmentRow]) -> dict[str, str]:
        return {str(int(run)): worth for run, worth in (await worth_of(self._db, (row.run for row in rows))).items()}

    def _disk(self, volume: str) -> Disk:
        for slot in self._store.slots:
            opened = slot.opened
            if opened is not None and opened.volume.marker.volume == volume:
                return Disk(volume, opened.volume.files, opened.ring)
        raise VolumeMissing("the disk of this footage is not there", volume=volume)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._work, work)

    # reading a finished order

    async def archive(self, order: PublicId) -> Archive:
        """Return the copy as one file; NotFound unless it is finished and signed."""
        job = await self._book.get(order)
        names = ("plan", "measured", "manifest", "signature", "page")
        parts = {name: await self._book.sealed(order, name) for name in names}
        if job.state is not State.READY or any(part is None for part in parts.values()):
            raise NotFound("the copy is not there", key="order")
        plan, films = decode_plan(_sure(parts["plan"])), await self._book.films(order)
        found: Measured = decode_measured(_sure(parts["measured"]), films)
        pages = [
            (PAGE_NAME, _sure(parts["page"])),
            (MANIFEST_NAME, _sure(parts["manifest"])),
            (SIGNATURE_NAME, _sure(parts["signature"])),
        ]
        return Archive(entries(plan, found, self._disk, pages, f"trich-xuat-{order}"))

    async def read(self, archive: Archive, offset: int, length: int) -> AsyncIterator[bytes]:
        """Yield part of a copy in chunks of a useful size; a slow reader holds one of `READERS` places."""
        pieces, loop = archive.read(offset, length), asyncio.get_running_loop()
        async with self._readers:
            while chunk := await loop.run_in_executor(self._reading, next_chunk, pieces):
                yield chunk


def next_chunk(pieces: Iterator[Bytes]) -> bytes:
    """Read pieces until they make a chunk of a useful size; empty at the end. Blocks."""
    chunk = bytearray()
    for piece in pieces:
        chunk += piece
        if len(chunk) >= CHUNK_BYTES:
            break
    return bytes(chunk)


def _sure(part: bytes | None) -> bytes:
    assert part is not None
    return part
