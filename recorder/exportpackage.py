"""The files of a copy, made from held footage whenever somebody reads them; none of them lies on a disk.

Owns measuring (first pass: check every record, settle what is lost, hash every file) and the files themselves
(afterwards: the same bytes again, from any offset). Invariants: a file read later is byte for byte the one
that was hashed, or reading it ends with an error; one record is in memory at a time; a record that cannot be
authenticated is left out of both forms and named in the manifest. Files: `phim-NN.mp4` (films, for everybody),
`goc-C-dau.mp4` and `goc-C-<UTC>-<run>.m4s` (what was recorded, unaltered). Blocks: worker threads only.
"""

from __future__ import annotations

import errno
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gateway.core.errors import NotFound, SegmentCorrupt
from recorder.export import OpenedSegment
from recorder.exportplan import CopyPlan, Cut, Disks, Lost
from recorder.exportzip import Bytes, Entry, fixed
from recorder.faststart import Samples, SampleTable, samples_of
from recorder.files import storage_error
from recorder.fmp4 import init_segment
from recorder.rows import TICKS_PER_MS, Gop
from recorder.segment import RECORD_HEADER_BYTES

Step = Callable[[int], None]
"""Told how many bytes of footage were read since the last call; may raise to stop the work."""


class Sums(NamedTuple):
    """What the manifest says of a file."""

    name: str
    kind: str
    """film, init, fragments, page."""
    size_bytes: int
    sha256: str
    crc32: int


@dataclass(slots=True)
class Measured:
    """What the first pass found; with the plan it fixes every byte."""

    heads: list[list[int]] = field(default_factory=list)
    """For each cut, for each wanted record: bytes before its pictures; 0 = left out."""
    films: list[bytes] = field(default_factory=list)
    """The head of each film."""
    spans: list[tuple[int, int]] = field(default_factory=list)
    """True start and end of each film, 90 kHz; equal = nothing of it can be shown."""
    lost: list[Lost] = field(default_factory=list)
    sums: list[Sums] = field(default_factory=list)


def encode_measured(found: Measured) -> bytes:
    """Return the stored form, without the heads of the films (they are kept one by one)."""
    body = {"heads": found.heads, "spans": found.spans, "lost": found.lost, "sums": found.sums}
    return json.dumps(body, separators=(",", ":")).encode()


def decode_measured(data: bytes, films: Sequence[bytes]) -> Measured:
    """Return what `encode_measured` stored."""
    body = json.loads(data)
    lost, sums = [Lost(*item) for item in body["lost"]], [Sums(*item) for item in body["sums"]]
    return Measured(body["heads"], list(films), [(start, end) for start, end in body["spans"]], lost, sums)


def film_name(number: int, role: str) -> str:
    """Return a film's name; `number` counts from 0."""
    return f"phim-{number + 1:02d}{'-phu' if role == 'sub' else ''}.mp4"


def init_name(config: int) -> str:
    """Return the name of the head that a configuration's fragments need."""
    return f"goc-{config + 1}-dau.mp4"


def cut_name(cut: Cut) -> str:
    """Return the name of a segment's original fragments."""
    at = datetime.fromtimestamp(cut.start_ms // 1000, UTC)
    return f"goc-{cut.config + 1}-{at:%Y%m%dT%H%M%S}{cut.start_ms % 1000:03d}Z-{int(cut.row.run)}.m4s"


def _records(disks: Disks, cut: Cut, keep: Sequence[bool], step: Step) -> Iterator[tuple[int, Gop, bytes]]:
    """Yield the decrypted records of a cut; what goes wrong with one is raised."""
    disk = disks(cut.volume)
    try:
        opened = OpenedSegment(disk.files, cut.row)
    except FileNotFoundError as error:
        raise NotFound("the segment is gone", path=cut.row.path) from error
    except OSError as error:
        raise storage_error(error, cut.row.path) from error
    try:
        sealer = opened.sealer(disk.ring)
        for number, gop in enumerate(cut.row.table()):
            if keep[number]:
                step(gop.record_bytes)
                yield number, gop, opened.fragment(sealer, gop)
    finally:
        opened.close()


class _Surveyor:
    """The first half of the first pass: which records are whole, and what pictures they hold."""

    def __init__(self, plan: CopyPlan, disks: Disks, step: Step) -> None:
        self._plan, self._disks, self._step = plan, disks, step
        self.found = Measured(lost=list(plan.lost))
        self._tables = [SampleTable() for _ in plan.films]
        self._spans: list[list[int]] = [[] for _ in plan.films]
        self._broken = False
        """A record was lost: what follows needs a key frame first."""

    def run(self) -> Measured:
        for cut in self._plan.cuts:
            self.found.heads.append(self._cut(cut))
        for table, span, (_, config) in zip(self._tables, self._spans, self._plan.films, strict=True):
            self.found.films.append(table.head(self._plan.configs[config]) if table.pictures else b"")
            self.found.spans.append((span[0], span[1]) if span else (0, 0))
        return self.found

    def _cut(self, cut: Cut) -> list[int]:
        count = len(cut.row.table())
        heads = [0] * count
        at = 0
        while at < count:
            try:
                for number, gop, data in _records(
                    self._disks, cut, [number >= at for number in range(count)], self._step
                ):
                    at = number
                    heads[number] = self._take(cut, gop, data)
                break
            except (SegmentCorrupt, NotFound) as error:
                why = "corrupt" if isinstance(error, SegmentCorrupt) else "missing"
                at = self._lose(cut, heads, at, str(error.fields.get("why", why)))
            except OSError as error:
                if error.errno != errno.EIO:
                    raise storage_error(error, cut.row.path) from error
                at = self._lose(cut, heads, at, "unreadable")
        return heads

    def _take(self, cut: Cut, gop: Gop, data: bytes) -> int:
        samples: Samples = samples_of(data)
        start_90k = gop.start_90k + cut.row.offset_ms * TICKS_PER_MS
        span = self._spans[cut.film]
        if span and start_90k < span[1]:
            raise SegmentCorrupt("a record starts before the one before it ends", path=cut.row.path)
        if (self._broken or not self._tables[cut.film].pictures) and not samples.keys[0]:
            raise SegmentCorrupt("its key frame is lost", path=cut.row.path, why="no_key")
        self._broken = False
        self._tables[cut.film].add(start_90k, samples)
        end_90k = start_90k + sum(samples.durations_90k)
        self._spans[cut.film] = [span[0] if span else start_90k, end_90k]
        return samples.head_bytes

    def _lose(self, cut: Cut, heads: list[int], at: int, why: str) -> int:
        """Note the record that failed, or all of a file that is gone; returns where to go on."""
        table = cut.row.table()
        if why != "missing" and heads[at]:
            at += 1  # `at` was the last good one
        until = len(table) if why == "missing" else at + 1
        shift = cut.row.offset_ms * TICKS_PER_MS
        start_90k, end_90k = table[at].start_90k + shift, table[until - 1].end_90k + shift
        self.found.lost.append(Lost(cut.row.stream, start_90k // TICKS_PER_MS, -(-end_90k // TICKS_PER_MS), why))
        self._broken = True
        return until


def measure(plan: CopyPlan, disks: Disks, step: Step) -> Measured:
    """Read all footage of a plan twice and say what every file will be.

    NotFound if nothing at all can be shown; KeyLocked and StorageError while keys or disks are away.
    """
    found = _Surveyor(plan, disks, step).run()
    if not any(found.films):
        raise NotFound("no footage of this time can be read")
    for name, kind, read in _sources(plan, found, disks, step):
        digest, crc, size = hashlib.sha256(), 0, 0
        for piece in read(0):
            digest.update(piece)
            crc = zlib.crc32(piece, crc)
            size += len(piece)
        found.sums.append(Sums(name, kind, size, digest.hexdigest(), crc))
    return found


def _sources(
    plan: CopyPlan, found: Measured, disks: Disks, step: Step
) -> Iterator[tuple[str, str, Callable[[int], Iterator[Bytes]]]]:
    """Yield name, kind and reader of every file that holds footage, in order."""
    for number, head in enumerate(found.films):
        if head:
            cuts = [(cut, found.heads[at]) for at, cut in enumerate(plan.cuts) if cut.film == number]
            yield film_name(number, plan.films[number][0]), "film", _Film(head, cuts, disks, step).read
    used = sorted({cut.config for cut, heads in zip(plan.cuts, found.heads, strict=True) if any(heads)})
    for config in used:
        yield init_name(config), "init", fixed(init_segment(plan.configs[config]))
    for cut, heads in zip(plan.cuts, found.heads, strict=True):
        if any(heads):
            yield cut_name(cut), "fragments", _Fragments(cut, heads, disks, step).read


def entries(plan: CopyPlan, found: Measured, disks: Disks, pages: Sequence[tuple[str, bytes]], top: str) -> list[Entry]:
    """Return the files of the archive: the pages, then the footage as it was measured; `top` is their folder."""
    listed = [Entry(f"{top}/{name}", len(data), zlib.crc32(data), fixed(data)) for name, data in pages]
    sums = {item.name: item for item in found.sums}
    for name, _, read in _sources(plan, found, disks, lambda _: None):
        listed.append(Entry(f"{top}/{name}", sums[name].size_bytes, sums[name].crc32, read))
    return listed


class _Fragments:
    """The records of a segment as they were recorded, one after the other."""

    def __init__(self, cut: Cut, heads: Sequence[int], disks: Disks, step: Step) -> None:
        self._cut, self._heads, self._disks, self._step = cut, heads, disks, step

    def read(self, skip: int) -> Iterator[Bytes]:
        keep = [bool(head) for head in self._heads]
        for number, gop in enumerate(self._cut.row.table()):
            size = gop.record_bytes - RECORD_HEADER_BYTES - self._cut.tag_bytes
            if keep[number] and skip >= size:
                skip, keep[number] = skip - size, False
            elif keep[number]:
                break
        for _, _, data in _records(self._disks, self._cut, keep, self._step):
            yield memoryview(data)[skip:]
            skip = 0


class _Film:
    """The head, then the pictures of every record without their fragment's boxes."""

    def __init__(self, head: bytes, cuts: Sequence[tuple[Cut, Sequence[int]]], disks: Disks, step: Step) -> None:
        self._head, self._cuts, self._disks, self._step = head, cuts, disks, step

    def read(self, skip: int) -> Iterator[Bytes]:
        if skip < len(self._head):
            yield memoryview(self._head)[skip:]
        skip = max(0, skip - len(self._head))
        for cut, heads in self._cuts:
            keep = [bool(head) for head in heads]
            for number, gop in enumerate(cut.row.table()):
                size = gop.record_bytes - RECORD_HEADER_BYTES - cut.tag_bytes - heads[number]
                if keep[number] and skip >= size:
                    skip, keep[number] = skip - size, False
                elif keep[number]:
                    break
            for number, _, data in _records(self._disks, cut, keep, self._step):
                yield memoryview(data)[heads[number] + skip :]
                skip = 0


def film_facts(plan: CopyPlan, found: Measured) -> list[dict[str, Any]]:
    """Return what the manifest says of each film."""
    facts = []
    for number, ((role, config), head, span) in enumerate(zip(plan.films, found.films, found.spans, strict=True)):
        if head:
            shown = plan.configs[config]
            facts.append(
                {
                    "file": film_name(number, role),
                    "stream": role,
                    "codec": shown.codec.value,
                    "start_ms": span[0] // TICKS_PER_MS,
                    "end_ms": -(-span[1] // TICKS_PER_MS),
                }
            )
    return facts
