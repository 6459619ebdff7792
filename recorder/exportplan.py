"""What a copy will hold, settled once: which records of which files, in which films.

Owns `CopyPlan` and its stored form. Invariants: a plan names every record by its place in its file, so the
same plan gives the same bytes whenever it is carried out, also after a kill; a film has one codec
configuration, one disk or several, and no hole longer than `MAX_STILL_MS`; what cannot be read is listed as
lost with its cause, never left out in silence; plans hold no picture. Reads heads of files: worker threads only.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.core.errors import NotFound, SegmentCorrupt
from gateway.core.media import Codec, CodecConfig
from gateway.core.model import RunId, StreamId
from recorder.export import head_of, true_90k, wanted
from recorder.files import VolumeFiles
from recorder.keys import KeyRing
from recorder.rows import FLAG_RECOVERED, FLAG_SUSPECT, TICKS_PER_MS, SegmentRow, pack_gops
from recorder.segment import ENC_NONE, TAG_BYTES

FORMAT = 1
MAX_STILL_MS = 60_000
"""How long a picture may stand in a film where footage is missing; a longer hole begins another film."""


class Disk(NamedTuple):
    """A footage disk in use, by its marker's id."""

    volume: str
    files: VolumeFiles
    ring: KeyRing | None


Disks = Callable[[str], Disk]
"""Returns the disk with that id; VolumeMissing if it is not there now."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The wanted records of one segment file: `row.gops` holds those alone."""

    volume: str
    row: SegmentRow
    tag_bytes: int
    film: int
    config: int

    @property
    def start_90k(self) -> int:
        """True start."""
        return true_90k(self.row, self.row.table()[0].start_90k)

    @property
    def start_ms(self) -> int:
        """True start, UTC ms."""
        return self.start_90k // TICKS_PER_MS

    @property
    def end_ms(self) -> int:
        """True end, UTC ms, rounded up."""
        return -(-true_90k(self.row, self.row.table()[-1].end_90k) // TICKS_PER_MS)


class Lost(NamedTuple):
    """Footage that the index names and nobody can read: true time, UTC ms."""

    stream: StreamId
    start_ms: int
    end_ms: int
    why: str
    """corrupt, missing."""


@dataclass(slots=True)
class CopyPlan:
    """Everything that decides the bytes of a copy but the pictures themselves."""

    facts: dict[str, Any]
    """Put into the manifest as they are: order, site, camera, span, who, gaps, runs."""
    configs: list[CodecConfig] = field(default_factory=list)
    films: list[tuple[str, int]] = field(default_factory=list)
    """Role of the stream, number of the configuration."""
    cuts: list[Cut] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)

    @property
    def footage_bytes(self) -> int:
        """Bytes that have to be read once."""
        return sum(gop.record_bytes for cut in self.cuts for gop in cut.row.table())

    @property
    def has_h265(self) -> bool:
        """Say whether many phones and browsers will not show it."""
        return any(config.codec is Codec.H265 for config in self.configs)

    def add(self, role: str, found: Sequence[tuple[Disk, SegmentRow]], from_ms: int, to_ms: int) -> None:
        """Add a stream's segments, oldest first, as far as they show [from_ms, to_ms)."""
        end_90k, first = 0, True
        for disk, row in found:
            table = [gop for gop in row.table() if first or true_90k(row, gop.start_90k) >= end_90k]
            gops = wanted(row, table, from_ms, to_ms)
            if not gops:
                continue
            start_90k, stop_90k = true_90k(row, gops[0].start_90k), true_90k(row, gops[-1].end_90k)
            try:
                header = head_of(disk.files, row).header
            except (SegmentCorrupt, NotFound, FileNotFoundError) as error:
                why = "corrupt" if isinstance(error, SegmentCorrupt) else "missing"
                self.lost.append(Lost(row.stream, start_90k // TICKS_PER_MS, stop_90k // TICKS_PER_MS, why))
                continue
            config = self._config(header.config)
            hole_ms = (start_90k - end_90k) // TICKS_PER_MS
            if first or self.films[-1][1] != config or hole_ms > MAX_STILL_MS:
                self.films.append((role, config))
            tag_bytes = TAG_BYTES if header.enc != ENC_NONE else 0
            kept = row._replace(gops=pack_gops(row.start_ms, gops))
            self.cuts.append(Cut(disk.volume, kept, tag_bytes, len(self.films) - 1, config))
            end_90k, first = stop_90k, False

    def _config(self, config: CodecConfig) -> int:
        for number, known in enumerate(self.configs):
            if (known.codec, known.sps, known.pps, known.vps) == (config.codec, config.sps, config.pps, config.vps):
                return number
        self.configs.append(config)
        return len(self.configs) - 1


def flags_of(row: SegmentRow) -> dict[str, bool]:
    """Return what a court should know of a file."""
    return {"suspect": bool(row.flags & FLAG_SUSPECT), "recovered": bool(row.flags & FLAG_RECOVERED)}


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def encode_plan(plan: CopyPlan) -> bytes:
    """Return a plan's stored form."""
    configs = [
        [config.codec.value, _b64(config.sps), _b64(config.pps), _b64(config.vps), config.width, config.height]
        for config in plan.configs
    ]
    cuts = [[cut.volume, [*cut.row[:-1], _b64(cut.row.gops)], cut.tag_bytes, cut.film, cut.config] for cut in plan.cuts]
    body = {"format": FORMAT, "facts": plan.facts, "configs": configs, "films": plan.films, "cuts": cuts}
    return json.dumps(body | {"lost": plan.lost}, separators=(",", ":"), ensure_ascii=False).encode()


def decode_plan(data: bytes) -> CopyPlan:
    """Return a plan from its stored form, which only we can have written (it is sealed)."""
    body = json.loads(data)
    configs = [_config(item) for item in body["configs"]]
    cuts = [Cut(volume, _row(row), tag_bytes, film, config) for volume, row, tag_bytes, film, config in body["cuts"]]
    films = [(str(role), int(config)) for role, config in body["films"]]
    lost = [Lost(StreamId(stream), start_ms, end_ms, why) for stream, start_ms, end_ms, why in body["lost"]]
    return CopyPlan(body["facts"], configs, films, cuts, lost)


def _config(values: list[Any]) -> CodecConfig:
    codec, sps, pps, vps, width, height = values
    sets = (base64.b64decode(sps), base64.b64decode(pps), base64.b64decode(vps))
    return CodecConfig(Codec(codec), *sets, width=width, height=height)


def _row(values: list[Any]) -> SegmentRow:
    stream, run, start_ms, offset_ms, duration_ms, size_bytes, frames, config, flags, gops = values
    numbers = (start_ms, offset_ms, duration_ms, size_bytes, frames, config, flags)
    return SegmentRow(StreamId(stream), RunId(run), *numbers, base64.b64decode(gops))
