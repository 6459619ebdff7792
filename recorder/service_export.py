"""Control calls about copies: order, list, sign, fetch, cancel; and one MP4 at once for the console.

Owns the translation between the control socket and the orders. Invariants: an order begins, and its bytes leave,
only against a signed grant for exactly this camera and span; the manifest is given to the gateway alone
(the socket is its own), which signs it; a page is bounded.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import anyio.to_thread

from gateway.core.errors import BadInput, GrantRefused, NotFound
from gateway.core.model import Action, Grant, PublicId, StreamRole
from gateway.core.ticket import require
from gateway.core.wire import Handler, Reply, Request
from recorder.export import Part, export, plan
from recorder.exportbook import ExportBook, Job, State
from recorder.exportjob import ExportJobs, next_chunk
from recorder.exportzip import Bytes
from recorder.holds import HoldBook
from recorder.params import (
    OpenTicket,
    camera_param,
    granted_span,
    id_param,
    known_camera,
    role_of,
    segment_of_path,
    span_of,
    stream_of,
)
from recorder.registry import Camera, Registry
from recorder.rows import SegmentRow
from recorder.slot import Slot
from recorder.store import Found, Store

MAX_FACTS_CHARS = 16_000


class ExportService:
    """Handlers of the calls about copies."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        jobs: ExportJobs,
        book: ExportBook,
        holds: HoldBook,
        open_ticket: OpenTicket,
    ) -> None:
        self._registry, self._store, self._jobs, self._book = registry, store, jobs, book
        self._holds, self._open_ticket = holds, open_ticket

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {
            "export": self.export,
            "export.plan": self.export_plan,
            "export.start": self.start,
            "export.list": self.list_orders,
            "export.manifest": self.manifest,
            "export.sign": self.sign,
            "export.cancel": self.cancel,
            "export.size": self.size,
            "export.file": self.file,
        }

    def _grant(self, request: Request) -> Grant:
        ticket = request.params.get("ticket")
        if not isinstance(ticket, dict):
            raise GrantRefused("a signed grant is needed", reason="grant.missing")
        grant = self._open_ticket(ticket)
        require(grant, Action.EXPORT, grant.camera)
        granted_span(grant)
        return grant

    # orders

    async def start(self, request: Request) -> Reply:
        """Take an approved order: the grant's camera and span, under a hold that covers it."""
        grant, order, hold = self._grant(request), id_param(request, "order"), id_param(request, "hold")
        camera = await known_camera(self._registry, grant.camera)
        placed = next((item for item in await self._holds.placed(grant.camera) if item.id == hold), None)
        if placed is None:
            raise BadInput("the order's hold is not placed", key="hold")
        facts = request.params.get("facts")
        if not isinstance(facts, dict) or len(str(facts)) > MAX_FACTS_CHARS:
            raise BadInput("facts must be an object of a bearable size", key="facts")
        about = facts | {"audit": dict(facts.get("audit") or {}) | {"grant": grant.audit_seq}}
        job = await self._jobs.start(order, camera, granted_span(grant), placed, about)
        return Reply({"order": self._shown(job)})

    async def list_orders(self, request: Request) -> Reply:
        """List all orders, with the progress of the one in work."""
        del request
        return Reply({"orders": [self._shown(job) for job in await self._book.all()]})

    def _shown(self, job: Job) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "order": job.id,
            "camera": job.camera_id,
            "hold": job.hold,
            "from_ms": job.start_ms,
            "to_ms": job.end_ms,
            "queued_ms": job.queued_ms,
            "state": job.state.value,
            "why": job.why,
            "ready_ms": job.ready_ms,
            "expires_ms": job.expires_ms,
        }
        progress = self._jobs.progress
        if progress is not None and progress.job == job.id and job.state is State.QUEUED:
            shown |= {"state": "working", "done_bytes": progress.done_bytes, "total_bytes": progress.total_bytes}
            shown["seconds"] = self._jobs.seconds()
        return shown

    async def manifest(self, request: Request) -> Reply:
        """Return the bytes of a measured order's manifest, to be signed."""
        order = id_param(request, "order")
        manifest = await self._book.sealed(order, "manifest")
        if manifest is None:
            raise NotFound("the order is not measured", key="order")
        return Reply({"bytes": len(manifest)}, manifest)

    async def sign(self, request: Request) -> Reply:
        """Offer a measured order under the signature in the call's body."""
        return Reply({"order": self._shown(await self._jobs.sign(id_param(request, "order"), request.blob))})

    async def cancel(self, request: Request) -> Reply:
        """End an order; nobody can fetch it from now on."""
        return Reply({"cancelled": await self._jobs.cancel(id_param(request, "order"))})

    # fetching

    async def _own(self, request: Request) -> PublicId:
        """Return the order, whose camera and span the grant must name."""
        grant, job = self._grant(request), await self._book.get(id_param(request, "order"))
        if (grant.camera, grant.from_ms, grant.to_ms) != (job.camera_id, job.start_ms, job.end_ms):
            raise GrantRefused("the grant is for another copy", reason="grant.other")
        return job.id

    async def size(self, request: Request) -> Reply:
        """Return how long a finished copy is; NotFound while it is not there."""
        archive = await self._jobs.archive(await self._own(request))
        return Reply({"bytes": archive.size_bytes})

    async def file(self, request: Request) -> AsyncIterator[bytes]:
        """Stream `length` bytes of a finished copy from `offset` on."""
        archive = await self._jobs.archive(await self._own(request))
        offset, length = request.number("offset", 0), request.number("length", archive.size_bytes)
        if offset < 0 or length < 1 or offset + length > archive.size_bytes:
            raise BadInput("that is outside the copy", key="offset", bytes=archive.size_bytes)
        return self._jobs.read(archive, offset, length)

    # one MP4 at once

    async def export(self, request: Request) -> AsyncIterator[bytes]:
        """Stream one playable MP4 of the granted time, or of one whole segment in it."""
        grant = self._grant(request)
        from_ms, to_ms = granted_span(grant)
        camera = await known_camera(self._registry, grant.camera)
        segment = request.text("segment", "")
        if segment:
            return await self._one(camera, grant, segment)
        role = role_of(request.text("stream", StreamRole.MAIN.value))
        require(grant, Action.EXPORT, grant.camera, role)
        found = await self._store.find([stream_of(camera, role).id], from_ms, to_ms)
        return _chunks(await anyio.to_thread.run_sync(_clip, found, from_ms, to_ms))

    async def export_plan(self, request: Request) -> Reply:
        """Say which parts an export of this span has: one file holds one disk and one format of the picture.

        `export` of the whole span sends the first part only; each part, asked for by its own span, comes whole.
        """
        camera = await known_camera(self._registry, camera_param(request))
        role = role_of(request.text("stream", StreamRole.MAIN.value))
        from_ms, to_ms = span_of(request)
        found = await self._store.find([stream_of(camera, role).id], from_ms, to_ms)
        parts = await anyio.to_thread.run_sync(_parts, found, from_ms, to_ms)
        return Reply({"parts": [part._asdict() for part in parts]})

    async def _one(self, camera: Camera, grant: Grant, path: str) -> AsyncIterator[bytes]:
        number, name = segment_of_path(path)
        stream = next((item for item in camera.streams if item.id == number), None)
        if stream is None:
            raise NotFound("no such segment", key="segment")
        require(grant, Action.EXPORT, grant.camera, stream.role)
        from_ms, to_ms = granted_span(grant)
        found = await self._store.find([stream.id], from_ms, to_ms)
        mine = [item for item in found if (item.row.start_ms, item.row.run) == (name.start_ms, name.run)]
        if not mine or mine[0].row.begin_ms < from_ms or mine[0].row.end_ms > to_ms:
            raise NotFound("no such segment in the granted time", key="segment")
        return _chunks(await anyio.to_thread.run_sync(_clip, mine, None, None))


def _clip(found: Sequence[Found], from_ms: int | None, to_ms: int | None) -> Iterator[bytes | memoryview]:
    """Return the bytes of the first clip; NotFound without footage. Reads heads of files: worker threads only."""
    if not found:
        raise NotFound("no footage of this time", case="empty")
    slot, rows = next(_by_disk(found))
    opened = slot.require()
    return export(opened.volume.files, opened.ring, rows, from_ms, to_ms)


def _parts(found: Sequence[Found], from_ms: int, to_ms: int) -> list[Part]:
    """Return what each clip of a span covers. Reads heads of files: worker threads only."""
    parts: list[Part] = []
    for slot, rows in _by_disk(found):
        with contextlib.suppress(NotFound):  # a disk may hold nothing of it that can be shown
            parts += [clip.part for clip in plan(slot.require().volume.files, rows, from_ms, to_ms)]
    if not parts:
        raise NotFound("no footage of this time", case="empty")
    return parts


def _by_disk(found: Sequence[Found]) -> Iterator[tuple[Slot, list[SegmentRow]]]:
    """Yield stretches of rows that lie on one disk, in order."""
    for slot, items in groupby(found, key=lambda item: item.slot):
        yield slot, [item.row for item in items]


async def _chunks(pieces: Iterator[Bytes]) -> AsyncIterator[bytes]:
    """Read the next pieces in a worker thread, in chunks of a useful size."""
    while chunk := await anyio.to_thread.run_sync(next_chunk, pieces):
        yield chunk
