"""An hour of recorded footage as an HLS playlist (RFC 8216), for players without Media Source.

Owns the text. Invariants: an entry is a byte range that begins with a key frame and holds everything up to the next;
a new map and a discontinuity stand wherever run or configuration change or footage is missing; an hour that is over
ends with the end tag, the running one is asked for again; addresses are relative, and made of numbers only. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

HOUR_MS = 3_600_000
JOIN_MS = 500
"""A hole that no player notices."""


class Entry(NamedTuple):
    """One media segment of the playlist."""

    config: str
    segment: str
    run: str
    start_ms: int
    duration_ms: int
    offset: int
    size: int

    @property
    def end_ms(self) -> int:
        """End of the last picture, UTC ms."""
        return self.start_ms + self.duration_ms


def entries(segments: Sequence[Mapping[str, Any]], from_ms: int, to_ms: int) -> Iterator[Entry]:
    """Yield what begins in [from_ms, to_ms): one entry for each key frame, with what follows up to the next."""
    for item in segments:
        run = str(item["segment"]).partition("-")[2]
        waiting: Entry | None = None
        for start_ms, duration_ms, offset, size, is_key in item["gops"]:
            if waiting is not None and not is_key:
                waiting = waiting._replace(
                    duration_ms=start_ms + duration_ms - waiting.start_ms, size=waiting.size + size
                )
                continue
            if waiting is not None and from_ms <= waiting.start_ms < to_ms:
                yield waiting
            if is_key:
                waiting = Entry(item["config"], item["segment"], run, start_ms, duration_ms, offset, size)
        if waiting is not None and from_ms <= waiting.start_ms < to_ms:
            yield waiting


def forwards(found: Iterable[Entry]) -> Iterator[Entry]:
    """Leave out what begins before the last one ended: a clock that was set back must not send a player back."""
    end_ms = 0
    for item in found:
        if item.start_ms >= end_ms - JOIN_MS:
            end_ms = max(end_ms, item.end_ms)
            yield item


def playlist(segments: Sequence[Mapping[str, Any]], from_ms: int, to_ms: int, *, over: bool) -> str:
    """Return the playlist of [from_ms, to_ms); `over`: nothing will be added to it."""
    listed = list(forwards(entries(segments, from_ms, to_ms)))
    longest_ms = max((item.duration_ms for item in listed), default=1_000)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{-(-longest_ms // 1000)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        f"#EXT-X-PLAYLIST-TYPE:{'VOD' if over else 'EVENT'}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    last: Entry | None = None
    for item in listed:
        lines += _change(last, item)
        lines.append(f"#EXTINF:{item.duration_ms / 1000:.3f},")
        lines.append(f"#EXT-X-BYTERANGE:{item.size}@{item.offset}")
        lines.append(f"{item.segment}.m4s")
        last = item
    if over:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def _change(last: Entry | None, item: Entry) -> Iterator[str]:
    """Yield what must be said before an entry that does not simply go on."""
    goes_on = last is not None and (last.run, last.config) == (item.run, item.config)
    goes_on = goes_on and last is not None and abs(item.start_ms - last.end_ms) <= JOIN_MS
    if last is not None and not goes_on:
        yield "#EXT-X-DISCONTINUITY"
    if last is None or last.config != item.config:
        yield f'#EXT-X-MAP:URI="init-{item.config}.mp4"'
    if not goes_on:
        at = datetime.fromtimestamp(item.start_ms / 1000, UTC)
        yield f"#EXT-X-PROGRAM-DATE-TIME:{at:%Y-%m-%dT%H:%M:%S}.{item.start_ms % 1000:03d}Z"
