"""Days of real, small footage in seconds: segment files with their rows, as a recorder leaves them.

Each minute is a file of GOPs of 2 s that decode: a bar that stands further right in each GOP of a round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import Any

from gateway.core.media import AccessUnit, CodecConfig
from gateway.core.model import RunId, StreamId
from recorder.files import VolumeFiles
from recorder.fmp4 import Sample, fragment, rebase
from recorder.index import VolumeIndex
from recorder.keys import KeyRing
from recorder.layout import hour_of, segment_path
from recorder.rows import SegmentRow
from recorder.scan import row_of, scan
from recorder.segment import (
    ENC_AES256GCM,
    ENC_NONE,
    NO_KEY,
    NONCE_PREFIX_BYTES,
    FileHeader,
    Sealer,
    encode_footer,
    encode_header,
)
from recorder.slot import Slot
from tests.fakes.footage import encoded

GOP_MS = 2_000
GOP_90K = GOP_MS * 90
ROUND = 8
"""So many GOPs look different; then they come again."""
FPS = 5


@cache
def gops(codec: str = "libx264", size: int = 64) -> tuple[tuple[bytes, int], ...]:
    """Return (fragment, pictures) of a round of GOPs, to be given their time."""
    per_gop = FPS * GOP_MS // 1000
    units = encoded(codec, frames=ROUND * per_gop, fps=FPS, gop=per_gop, size=size)
    return tuple(_fragment(units[at : at + per_gop]) for at in range(0, len(units), per_gop))


def _fragment(units: Sequence[AccessUnit]) -> tuple[bytes, int]:
    assert units[0].is_key
    samples = [Sample(90_000 // FPS, sum(4 + len(nal) for nal in unit.nals), unit.is_key) for unit in units]
    return fragment(1, 0, samples, (nal for unit in units for nal in unit.nals)), len(units)


def config_of(codec: str = "libx264", size: int = 64) -> CodecConfig:
    """Return the parameter sets of seeded footage."""
    per_gop = FPS * GOP_MS // 1000
    return encoded(codec, frames=ROUND * per_gop, fps=FPS, gop=per_gop, size=size)[0].config


def seed(
    files: VolumeFiles, index: VolumeIndex, ring: KeyRing | None, stream: int, from_ms: int, to_ms: int, **how: Any
) -> list[SegmentRow]:
    """Write the files of one run and their rows, as `write` does; returns the rows."""
    rows = write(files, ring, stream, from_ms, to_ms, **how)
    index.add(rows)
    return rows


def write(
    files: VolumeFiles,
    ring: KeyRing | None,
    stream: int,
    from_ms: int,
    to_ms: int,
    *,
    run: int = 900_001,
    offset_ms: int = 0,
    codec: str = "libx264",
    size: int = 64,
    segment_ms: int = 60_000,
) -> list[SegmentRow]:
    """Write the files of one run without a hole; `vuon reindex` finds them. Returns their rows.

    `from_ms` is the run's own time: true time is `offset_ms` later. Nothing is synced.
    """
    rows: list[SegmentRow] = []
    starts = range(from_ms, to_ms, segment_ms)
    for hour, group in groupby(starts, key=lambda at_ms: hour_of(StreamId(stream), at_ms)):
        key = ring.for_writing(hour) if ring is not None else None
        if key is None:
            files.ensure_folder(hour.folder)
        for start_ms in group:
            header = FileHeader(
                StreamId(stream),
                RunId(run),
                start_ms,
                offset_ms,
                config_of(codec, size),
                ENC_NONE if key is None else ENC_AES256GCM,
                NO_KEY if key is None else key.id,
                start_ms.to_bytes(NONCE_PREFIX_BYTES, "big"),
            )
            end_ms = min(start_ms + segment_ms, to_ms)
            rows.append(_write(files, header, None if key is None else key.key, gops(codec, size), end_ms))
    return rows


def seed_slot(slot: Slot, stream: int, from_ms: int, to_ms: int, **how: Any) -> list[SegmentRow]:
    """Seed the disk of a recorder that runs in this process."""
    opened = slot.require()
    return seed(opened.volume.files, opened.index, opened.ring, stream, from_ms, to_ms, **how)


def _write(
    files: VolumeFiles, header: FileHeader, key: bytes | None, round_: Sequence[tuple[bytes, int]], end_ms: int
) -> SegmentRow:
    head = encode_header(header)
    sealer = Sealer(header, head, key)
    parts = [head]
    for number, start_ms in enumerate(range(header.start_ms, end_ms, GOP_MS)):
        payload, frames = round_[start_ms // GOP_MS % len(round_)]
        payload = b"".join(rebase(payload, number + 1, start_ms * 90))
        parts += sealer.seal(number, start_ms * 90, GOP_90K, frames, payload, is_key=True)
    data = b"".join(parts)
    found = scan(lambda length, at: data[at : at + length], len(data))
    assert found.good_bytes == len(data)
    data += encode_footer(found.gops, found.frames, 0, sealer)
    fd = files.create(segment_path(header.stream, header.start_ms, header.run))
    files.write(fd, [data], 0)
    files.close(fd)
    return row_of(lambda length, at: data[at : at + length], len(data))


def bar_of(at_ms: int) -> int:
    """Return which GOP of the round shows this instant (of the run's own time)."""
    return at_ms // GOP_MS % ROUND


def instants(rows: Sequence[SegmentRow]) -> Iterator[int]:
    """Yield the true start of each GOP, UTC ms."""
    for row in rows:
        for gop in row.table():
            yield gop.start_90k // 90 + row.offset_ms
