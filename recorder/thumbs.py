"""Pictures of recorded footage by time: the key frame at or before an instant, as a small JPEG.

Owns the choice of the key frame and the cache. Invariants: a thumbnail is made of footage that is there and that
the grant covers, also when it is in the cache; it is kept in memory only, at most `most_bytes` of them,
the longest unused goes first; only the vision child decodes. Reading blocks, in a worker thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import anyio
import anyio.to_thread

from gateway.core.errors import NotFound
from gateway.core.media import CodecConfig
from gateway.core.model import StreamId
from recorder.export import Piece, fragments, head_of
from recorder.fmp4 import first_nals
from recorder.playback import Fragment, Span, layout, told, within
from recorder.store import Found
from recorder.vision.pipe import Jpeg

WIDTHS = (160, 320)
LOOK_BACK_MS = 60_000
"""How old a picture may be that stands for an instant: older ones would fill a gap with what was not so."""
CACHE_BYTES = 16 << 20
"""About 2,500 pictures 320 wide."""

Decode: TypeAlias = Callable[[CodecConfig, tuple[bytes, ...], int], Awaitable[Jpeg]]
"""`VisionClient.show`."""


class KeyFrame(NamedTuple):
    """Where the picture of an instant lies."""

    found: Found
    fragment: Fragment

    @property
    def captured_ms(self) -> int:
        """True time of the picture, UTC ms."""
        return self.fragment.start_ms


class Thumb(NamedTuple):
    """A picture with its time."""

    captured_ms: int
    jpeg: Jpeg


def key_frame(found: Sequence[Found], at_ms: int, span: Span) -> KeyFrame | None:
    """Return the newest key frame at or before an instant that the granted span covers.

    `found` are segments of one stream, oldest first, that touch the minute before the instant.
    """
    for item in reversed(found):
        # Offsets are of no use here, so the cipher's share of the sizes is not needed either.
        for fragment in reversed(within(layout(item.row, 0), span)):
            if fragment.gop.is_key and fragment.start_ms <= at_ms:
                return KeyFrame(item, fragment) if fragment.end_ms > at_ms - LOOK_BACK_MS else None
    return None


def best(frames: Sequence[KeyFrame], at_ms: int) -> KeyFrame:
    """Return the first stream's key frame that stands for the instant, else the newest of any; NotFound of none."""
    if not frames:
        raise NotFound("there is no picture of this time", key="at_ms")
    covering = [frame for frame in frames if frame.found.row.end_ms > at_ms]
    return covering[0] if covering else max(frames, key=lambda frame: frame.captured_ms)


class Thumbs:
    """Makes and keeps them; `of` belongs to the event loop."""

    def __init__(self, decode: Decode, limiter: anyio.CapacityLimiter, *, most_bytes: int = CACHE_BYTES) -> None:
        self._decode, self._limiter, self._most_bytes = decode, limiter, most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[StreamId, int, int, int, int], Jpeg] = OrderedDict()
        self.bytes = 0
        self._forgotten = 0
        """How often all was forgotten: what was under way then is shown once and not kept."""

    async def of(self, frame: KeyFrame, width: int) -> Thumb:
        """Return the picture; KeyLocked, SegmentCorrupt, NotFound for a file that is gone, DaemonUnavailable."""
        row = frame.found.row
        name = (row.stream, row.run, row.start_ms, frame.fragment.gop.offset, width)
        with self._lock:
            before = self._forgotten
            if (known := self._kept.get(name)) is not None:
                self._kept.move_to_end(name)
                return Thumb(frame.captured_ms, known)
        config, nals = await anyio.to_thread.run_sync(partial(_read, frame), limiter=self._limiter)
        jpeg = await self._decode(config, nals, width)
        with self._lock:
            if name not in self._kept and before == self._forgotten:
                self._kept[name] = jpeg
                self.bytes += len(jpeg.data)
            while self.bytes > self._most_bytes:
                self.bytes -= len(self._kept.popitem(last=False)[1].data)
        return Thumb(frame.captured_ms, jpeg)

    def forget(self) -> None:
        """Forget every picture: the keys they were made with are locked, or their footage erased. Any thread."""
        with self._lock:
            self._forgotten += 1
            self._kept.clear()
            self.bytes = 0


def _read(frame: KeyFrame) -> tuple[CodecConfig, tuple[bytes, ...]]:
    opened, row = frame.found.slot.require(), frame.found.row
    with told(row):
        config = head_of(opened.volume.files, row).header.config
        ((_, data),) = fragments(opened.volume.files, opened.ring, Piece(row, (frame.fragment.gop,), 0))
    return config, first_nals(data)
