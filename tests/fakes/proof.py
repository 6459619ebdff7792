"""What must hold after a disaster, proved by the ordinary start of the recorder on what is left.

Owns the one list of checks that kills, cuts and failing disks share: nothing acknowledged is lost, every file
plays, the index is what the disk says, and starting once more changes nothing.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import av

from gateway.core.model import StreamId
from recorder.export import export, fragments, plan
from recorder.index import VolumeIndex
from recorder.recovery import RecoveryReport, reindex
from recorder.rows import FLAG_MISSING, SegmentRow
from recorder.school import SchoolKey
from recorder.slot import Opened, Slot
from tests.fakes.lockstep import STREAMS, slot_on


def files_of(root: Path) -> list[str]:
    """Return all segment files, closed and running."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*-*.*") if path.suffix in {".seg", ".part"})


def play(opened: Opened, rows: Iterable[SegmentRow], decoded: int = 2) -> None:
    """Authenticate every record of every file; decode the first pictures of a few."""
    for number, row in enumerate(rows):
        (clip,) = plan(opened.volume.files, [row])
        for piece in clip.pieces:
            assert len([data for _, data in fragments(opened.volume.files, opened.ring, piece)]) == len(row.table())
        if number < decoded:
            film = export(opened.volume.files, opened.ring, [row], row.begin_ms, row.end_ms)
            with av.open(io.BytesIO(b"".join(film)), "r") as container:
                assert len(list(container.decode(video=0))) == row.frames


def _quiet(report: RecoveryReport) -> bool:
    return not (report.adopted or report.missing or report.damaged or report.garbage or report.removed_empty)


def prove_start(
    root: Path, school: SchoolKey, acknowledged: Iterable[SegmentRow] = (), *, fresh: Path
) -> dict[StreamId, list[SegmentRow]]:
    """Start on a disk, twice, and prove the promises; returns what it holds, by stream.

    `fresh` is where an index made anew from the files is put.
    """
    with _started(root, school) as (slot, report):
        assert (report.missing, report.damaged) == ([], [])
        opened = slot.require()
        rows = list(opened.index.all_rows())
        assert sorted(row.path for row in rows) == files_of(root)
        assert not any(row.flags & FLAG_MISSING for row in rows)
        assert set(acknowledged) <= set(rows)
        play(opened, rows)
        with VolumeIndex(fresh) as index:
            assert reindex(opened.volume.files, index).damaged == []
            assert list(index.all_rows()) == rows
    with _started(root, school) as (slot, second):
        assert _quiet(second)
        assert list(slot.require().index.all_rows()) == rows
    assert files_of(root) == sorted(row.path for row in rows)
    return {stream: [row for row in rows if row.stream == stream] for stream in STREAMS}


@contextlib.contextmanager
def _started(root: Path, school: SchoolKey) -> Iterator[tuple[Slot, RecoveryReport]]:
    slot = slot_on(root, school)
    report = slot.open({})
    assert report is not None, slot.state
    try:
        yield slot, report
    finally:
        slot.close()
