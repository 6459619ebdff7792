"""Where things lie on a volume: paths built from integers only.

Owns the folder scheme `<stream id>/<UTC YYYY-MM-DD>/<HH>/<start_ms>-<run id>.seg`, relative to the
volume's root. Invariants: no text from a camera, a person or a request ever becomes part of a path; a
segment lies in the hour of its own uncorrected start; the running file ends in `.part`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.core.errors import BadInput
from gateway.core.model import RunId, StreamId

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LAST_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z: four digits of a year in every path."""
MARKER_NAME = ".vuon-volume.json"
HOLDS_NAME = "holds.json"
KEY_NAME = "key"
PUT_ASIDE = ".damaged"
"""Ending of a book of the disk that could not be read and was put aside."""
SEGMENT_SUFFIX, PART_SUFFIX = ".seg", ".part"

_NAME = re.compile(r"(0|[1-9][0-9]{0,14})-([1-9][0-9]{0,18})(\.seg|\.part)")
_STREAM = re.compile(r"[1-9][0-9]{0,18}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOUR = re.compile(r"[01][0-9]|2[0-3]")


class Hour(NamedTuple):
    """One stream-hour: a folder with its segments and the key that encrypts them."""

    stream: StreamId
    number: int
    """Hours since 1970 (UTC, uncorrected run time)."""

    @property
    def folder(self) -> str:
        """Folder of the hour, relative to the volume."""
        return hour_folder(self)


class SegmentName(NamedTuple):
    """What the file name of a segment says."""

    start_ms: int
    run: RunId
    part: bool


def hour_of(stream: StreamId, start_ms: int) -> Hour:
    """Return the stream-hour a segment with this start belongs to."""
    return Hour(stream, start_ms // HOUR_MS)


def hour_folder(hour: Hour) -> str:
    """Return the folder of a stream-hour; BadInput outside 1970-9999 or for a stream id below 1."""
    start_ms = hour.number * HOUR_MS
    if hour.stream < 1 or not 0 <= start_ms <= LAST_MS:
        raise BadInput("no such stream-hour", stream=int(hour.stream), hour=hour.number)
    at = datetime.fromtimestamp(start_ms // 1000, UTC)
    return f"{int(hour.stream)}/{at:%Y-%m-%d}/{at:%H}"


def segment_path(stream: StreamId, start_ms: int, run: RunId, *, part: bool = False) -> str:
    """Return the path of a segment file (closed, or still running when `part`)."""
    if run < 1:
        raise BadInput("run ids count from 1", run=int(run))
    suffix = PART_SUFFIX if part else SEGMENT_SUFFIX
    return f"{hour_folder(hour_of(stream, start_ms))}/{int(start_ms)}-{int(run)}{suffix}"


def parse_name(name: str) -> SegmentName | None:
    """Read a file name; None for what is not a segment (keys, strangers)."""
    match = _NAME.fullmatch(name)
    return SegmentName(int(match[1]), RunId(int(match[2])), match[3] == PART_SUFFIX) if match else None


def parse_stream(name: str) -> StreamId | None:
    """Read a stream folder's name; None for anything else in the root."""
    return StreamId(int(name)) if _STREAM.fullmatch(name) else None


def parse_hour(stream: StreamId, day: str, hour: str) -> Hour | None:
    """Read the two folder names of a stream-hour; None if they are not ours."""
    if not (_DAY.fullmatch(day) and _HOUR.fullmatch(hour)):
        return None
    try:
        at = datetime.strptime(f"{day} {hour}", "%Y-%m-%d %H").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Hour(stream, int(at.timestamp()) // 3600)
