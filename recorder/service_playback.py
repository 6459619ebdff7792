"""Control calls about playing recorded footage: days, timeline, index, init, media, thumbnails.

Owns the translation between the control socket and `playback`, `playback_spans`, `thumbs` and `motion`.
Invariants: bytes and pictures leave only against a signed grant for playback whose camera, stream and recorded
span cover what is asked; what the calls without a grant tell is when there was footage, never what
it shows; reading footage takes at most `MOST_READERS` threads, so that it never stands in the way of recording;
an answer is bounded and says where the next begins.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import BadInput, GrantRefused, NotFound, StorageError
from gateway.core.model import Action, Grant, RunId, StreamId, StreamRole
from gateway.core.ticket import require
from gateway.core.wire import Handler, Reply, Request
from recorder.fmp4 import init_segment
from recorder.gaps import gaps_between
from recorder.layout import DAY_MS, LAST_MS
from recorder.mime import mime_of
from recorder.motion import STEP_MS, MotionBook
from recorder.params import OpenTicket, camera_param, granted_span, known_camera
from recorder.playback import (
    Fragment,
    HeadFacts,
    Heads,
    Span,
    asked,
    layout,
    parse_segment,
    playable,
    read,
    size_bytes,
    within,
)
from recorder.playback_spans import midnights, oldest_ms, recorded_ms, shown_gaps, spans
from recorder.registry import Camera, Registry, Stream
from recorder.rows import SegmentRow
from recorder.runs import TimeQuality, worth_of
from recorder.store import Found, Store
from recorder.thumbs import LOOK_BACK_MS, WIDTHS, Thumbs, best, key_frame
from recorder.vision.client import VisionClient
from recorder.vision.shows import unavailable

LONGEST_MS = 26 * 3_600_000
"""A school's longest local day, and an hour on each side."""
MOST_GOPS = 12_000
"""Of one index answer: about 600 kB of JSON, below the frame's cap; six hours of GOPs of 2 s."""
MOST_READERS = 4
MOST_PLAYING = 64
"""Answers under way at once; each holds a file open and one record in memory."""
YEAR_MS = 366 * DAY_MS


class PlaybackService:
    """Handlers of the playback calls."""

    def __init__(
        self,
        registry: Registry,
        db: Database,
        store: Store,
        motion: MotionBook,
        vision: VisionClient | None,
        open_ticket: OpenTicket,
        clock: Clock,
        zone: ZoneInfo,
    ) -> None:
        self._registry, self._db, self._store, self._motion = registry, db, store, motion
        self._open_ticket, self._clock, self._zone = open_ticket, clock, zone
        self._limiter = anyio.CapacityLimiter(MOST_READERS)
        self._heads = Heads()
        self.playing = 0
        self.thumbs = Thumbs(vision.show, self._limiter) if vision is not None else None

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {
            "playback.streams": self.streams,
            "playback.days": self.days,
            "playback.timeline": self.timeline,
            "playback.index": self.index,
            "playback.init": self.init,
            "playback.segment": self.segment,
            "playback.media": self.media,
            "playback.thumb": self.thumb,
        }

    # --- when there was footage: no picture, no grant ---

    async def streams(self, request: Request) -> Reply:
        """Say which streams a camera has."""
        camera = await known_camera(self._registry, camera_param(request))
        return Reply({"streams": [stream.role.value for stream in camera.streams]})

    async def days(self, request: Request) -> Reply:
        """Say how much of each of the site's days is recorded; days without footage are left out."""
        stream = _stream_param(await known_camera(self._registry, camera_param(request)), request)
        slots, now_ms = self._store.slots, self._clock.now_ms()

        def sums() -> dict[str, Any]:
            oldest, newest = oldest_ms(slots, stream.id), self._store.last_end_ms(stream.id)
            to_ms = request.number("to_ms", max(now_ms, newest or 0) + 1)
            from_ms = request.number("from_ms", max(to_ms - 1 if oldest is None else oldest, to_ms - YEAR_MS))
            _check(from_ms, to_ms)
            found = [
                {"day": day.isoformat(), "start_ms": span[0], "recorded_ms": recorded_ms(slots, stream.id, *span)}
                for day, span in midnights(self._zone, from_ms, to_ms)
            ]
            days = [item for item in found if item["recorded_ms"]]
            return {"days": days, "oldest_ms": oldest, "newest_ms": newest}

        return Reply(await anyio.to_thread.run_sync(sums))

    async def timeline(self, request: Request) -> Reply:
        """Say where footage is and where it is missing and why, and how much moved."""
        camera = await known_camera(self._registry, camera_param(request))
        stream = _stream_param(camera, request)
        from_ms, to_ms = _span(request)
        if to_ms - from_ms > LONGEST_MS:
            raise BadInput("at most 26 hours at once", key="to_ms")
        found, newest = await self._found(stream.id, from_ms, to_ms)
        gaps = await self._db.read(lambda connection: gaps_between(connection, [stream.id], from_ms, to_ms))
        levels = await self._motion.levels(camera.public_id, from_ms, to_ms)
        worth = await worth_of(self._db, (item.row.run for item in found))
        return Reply(
            {
                "stream": stream.role.value,
                "spans": spans((item.row for item in found), from_ms, to_ms),
                "unsure": _unsure(found, worth, from_ms, to_ms),
                "gaps": shown_gaps(gaps, from_ms, to_ms, self._clock.now_ms()),
                "motion": {"start_ms": from_ms // STEP_MS * STEP_MS, "step_ms": STEP_MS, "levels": levels},
                "newest_ms": newest,
            }
        )

    async def _found(self, stream: StreamId, from_ms: int, to_ms: int) -> tuple[list[Found], int | None]:
        """Return what can be played of a span and the newest instant, never newer than what is listed with it.

        The camera goes on between the two questions; told of a picture that is not listed, a page would see a hole.
        """
        before = await anyio.to_thread.run_sync(self._store.last_end_ms, stream)
        found = playable(await self._store.find([stream], from_ms, to_ms))
        return found, max((*(item.row.end_ms for item in found), *([] if before is None else [before])), default=None)

    # --- against a grant ---

    async def index(self, request: Request) -> Reply:
        """List the segments of a span with their GOPs; `next_ms`, if there, is where to ask on from."""
        stream, granted = await self._granted(request)
        from_ms, to_ms = request.number("from_ms", granted[0]), request.number("to_ms", granted[1])
        _check(from_ms, to_ms)
        if from_ms < granted[0] or to_ms > granted[1]:
            raise GrantRefused("the grant does not cover this time", reason="grant.other")
        found, newest = await self._found(stream.id, from_ms, to_ms)
        worth = await worth_of(self._db, (item.row.run for item in found))
        told = await anyio.to_thread.run_sync(partial(self._listed, found, granted, worth), limiter=self._limiter)
        return Reply(told | {"newest_ms": newest})

    def _listed(self, found: Sequence[Found], granted: Span, worth: Mapping[RunId, str]) -> dict[str, Any]:
        """Return the answer of `index`; opens one file of each run and configuration."""
        segments, configs, count, unreadable = list[dict[str, Any]](), dict[str, dict[str, Any]](), 0, 0
        for key, group in groupby(found, key=lambda item: (item.slot, item.row.run, item.row.config)):
            items = list(group)
            try:
                facts = self._heads.first_of(items)
            except (StorageError, NotFound):
                unreadable += len(items)  # every file of it is gone or broken: what cannot be played is not listed
                continue
            config = f"{key[2]:08x}"
            configs[config] = {"config": config, **_shape(facts)}
            for item in items:
                laid = layout(item.row, facts.tag_bytes)
                wanted = within(laid, granted)
                if count and count + len(wanted) > MOST_GOPS:
                    told = {"segments": segments, "configs": list(configs.values()), "unreadable": unreadable}
                    return told | {"next_ms": item.row.begin_ms}
                count += len(wanted)
                if wanted:
                    segments.append(_segment(item, config, laid, wanted) | {"time_quality": worth.get(key[1])})
        return {"segments": segments, "configs": list(configs.values()), "unreadable": unreadable}

    async def init(self, request: Request) -> Reply:
        """Return ftyp and moov of a configuration that the granted span holds."""
        stream, granted = await self._granted(request)
        config = request.text("config")
        found = playable(await self._store.find([stream.id], *granted))
        mine = [item for item in found if f"{item.row.config:08x}" == config]
        facts = await anyio.to_thread.run_sync(self._heads.first_of, mine, limiter=self._limiter)
        return Reply(_shape(facts), init_segment(facts.config))

    async def segment(self, request: Request) -> Reply:
        """Say how long a segment is, in plaintext bytes, and whether more will come."""
        stream, granted = await self._granted(request)
        found, laid = await self._laid(stream, request)
        if not within(laid, granted):
            raise GrantRefused("the segment lies outside the granted time", reason="grant.other")
        return Reply({"size_bytes": size_bytes(laid), "closed": found.row.closed})

    async def media(self, request: Request) -> AsyncIterator[bytes]:
        """Stream plaintext bytes of a segment, with true times."""
        stream, granted = await self._granted(request)
        found, laid = await self._laid(stream, request)
        size = request.number("size") if "size" in request.params else None
        wanted, skip, count = asked(laid, granted, request.number("offset", 0), size)
        if self.playing >= MOST_PLAYING:
            raise unavailable("too much is played at once")
        opened = found.slot.require()
        pieces = read(opened.volume.files, opened.ring, found.row, wanted, skip, count)
        return self._chunks(pieces)

    async def thumb(self, request: Request) -> Reply:
        """Return the key frame at or before an instant, of the smallest stream that has one."""
        grant, camera = await self._grant(request)
        granted, at_ms, width = granted_span(grant), request.number("at_ms"), request.number("width", WIDTHS[-1])
        if width not in WIDTHS:
            raise BadInput(f"width is one of {WIDTHS}", key="width")
        if not granted[0] <= at_ms < granted[1]:
            raise GrantRefused("the grant does not cover this time", reason="grant.other")
        streams = [stream for stream in reversed(camera.streams) if stream.role in grant.streams]
        frames = []
        for stream in streams:
            found = playable(await self._store.find([stream.id], at_ms - LOOK_BACK_MS, at_ms + 1))
            if (frame := key_frame(found, at_ms, granted)) is not None:
                frames.append(frame)
        chosen = best(frames, at_ms)
        if self.thumbs is None:
            raise unavailable("vision is switched off")
        made = await self.thumbs.of(chosen, width)
        head = {"captured_ms": made.captured_ms, "width": made.jpeg.width, "height": made.jpeg.height}
        return Reply(head, made.jpeg.data)

    # --- inside ---

    async def _grant(self, request: Request) -> tuple[Grant, Camera]:
        ticket = request.params.get("ticket")
        if not isinstance(ticket, dict):
            raise GrantRefused("a signed grant is needed", reason="grant.missing")
        grant = self._open_ticket(ticket)
        require(grant, Action.PLAYBACK, grant.camera)
        return grant, await known_camera(self._registry, grant.camera)

    async def _granted(self, request: Request) -> tuple[Stream, Span]:
        """Return the stream that is asked for and the span the grant covers."""
        grant, camera = await self._grant(request)
        stream = _stream_param(camera, request)
        require(grant, Action.PLAYBACK, camera.public_id, stream.role)
        return stream, granted_span(grant)

    async def _laid(self, stream: Stream, request: Request) -> tuple[Found, list[Fragment]]:
        name = parse_segment(request.text("segment"))
        found = await self._store.segment(stream.id, *name)
        facts = await anyio.to_thread.run_sync(self._heads.of, found, limiter=self._limiter)
        return found, layout(found.row, facts.tag_bytes)

    async def _chunks(self, pieces: Generator[memoryview]) -> AsyncIterator[bytes]:
        """Read the next piece in a worker thread when the reader of the last one has taken it."""

        def following() -> bytes | None:
            piece = next(pieces, None)
            return None if piece is None else bytes(piece)

        self.playing += 1
        try:
            while (chunk := await anyio.to_thread.run_sync(following, limiter=self._limiter)) is not None:
                yield chunk
        finally:
            self.playing -= 1
            pieces.close()  # and with it the file, as soon as its reader is gone


def _shape(facts: HeadFacts) -> dict[str, Any]:
    """Say what a configuration is to a player."""
    config = facts.config
    return {"mime": mime_of(config), "width": config.width, "height": config.height}


def _segment(item: Found, config: str, laid: Sequence[Fragment], wanted: Sequence[Fragment]) -> dict[str, Any]:
    row = item.row
    return {
        "segment": f"{row.start_ms}-{row.run}",
        "config": config,
        "start_ms": row.begin_ms,
        "end_ms": row.end_ms,
        "closed": row.closed,
        "size_bytes": size_bytes(laid),
        "gops": [
            [part.start_ms, part.end_ms - part.start_ms, part.offset, part.size, part.gop.is_key] for part in wanted
        ],
    }


def _unsure(found: Sequence[Found], worth: Mapping[RunId, str], from_ms: int, to_ms: int) -> list[dict[str, Any]]:
    """Return the spans whose time is worth less than that of a clock that was right, and what it is worth."""
    by_worth: dict[str, list[SegmentRow]] = {}
    for item in found:
        if (told := worth.get(item.row.run)) not in {None, TimeQuality.TRUSTED}:
            by_worth.setdefault(str(told), []).append(item.row)
    listed = [(span, told) for told, rows in by_worth.items() for span in spans(rows, from_ms, to_ms)]
    return [{"start_ms": span[0], "end_ms": span[1], "time_quality": told} for span, told in sorted(listed)]


def _stream_param(camera: Camera, request: Request) -> Stream:
    """Return the stream that is asked for; without a wish the first."""
    text = request.text("stream", "")
    if text not in {"", *StreamRole}:
        raise BadInput("stream must be main or sub", key="stream")
    found = next((stream for stream in camera.streams if text in {"", stream.role.value}), None)
    if found is None:
        raise NotFound("the camera has no such stream", key="stream")
    return found


def _span(request: Request) -> Span:
    from_ms, to_ms = request.number("from_ms"), request.number("to_ms")
    _check(from_ms, to_ms)
    return from_ms, to_ms


def _check(from_ms: int, to_ms: int) -> None:
    if not 0 <= from_ms < to_ms <= LAST_MS:
        raise BadInput("from_ms must be before to_ms, both UTC ms", key="from_ms")
