"""Copies for tests: a plan over a box's footage, the finished folder, and what a tester does to its files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.clock import SystemClock
from recorder.exportjob import page
from recorder.exportpackage import Measured, entries, measure
from recorder.exportplan import CopyPlan, Disk
from recorder.exportzip import Archive
from recorder.manifest import MANIFEST_NAME, PAGE_NAME, SIGNATURE_NAME, make_manifest, sign_manifest
from recorder.rows import SegmentRow
from recorder.writer import VolumeWriter, WriterOptions
from tests.fakes.footage import START_MS, Box, encoded, run_of

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VOLUME = "v" * 16
ASKED = (START_MS, START_MS + 60_000)
TOP = "trich-xuat-test"


def disk(root: Path) -> Box:
    """A footage disk in a folder of its own, beside what a test unpacks."""
    (root / "disk").mkdir()
    return Box(root / "disk")


def record(box: Box, runs: Sequence[tuple[int, int, int]], frames: int = 90, size: int = 64) -> list[SegmentRow]:
    """Record for each (run, start after START_MS, offset) some GOPs of 2 s; returns all rows of the box."""
    for number, start_ms, offset_ms in runs:
        options = WriterOptions(segment_s=2, stagger=False)
        with VolumeWriter(box.files, box.index, box.ring, box.heard, SystemClock(), options=options) as writer:
            run = run_of(run=number, start_ms=START_MS + start_ms - offset_ms, offset_ms=offset_ms)
            writer.begin_run(run)
            for unit in encoded(frames=frames, size=size):
                assert writer.offer(run.stream, unit)
    return sorted(box.heard.closed, key=lambda row: row.begin_ms)


def facts(asked: tuple[int, int] = ASKED, **more: Any) -> dict[str, Any]:
    """What the recorder puts before a plan."""
    return {
        "order": "o" * 16,
        "site": {"name": "Trường Mầm non Hoa Sen", "zone": "Asia/Ho_Chi_Minh"},
        "camera": {"id": "c" * 16, "name": "Lớp Mầm 1"},
        "asked": {"from_ms": asked[0], "to_ms": asked[1]},
        "who": {"requester": "r" * 16, "approver": "p" * 16},
        "audit": {"request": 3, "approve": 4, "grant": 5},
        "hold": "h" * 16,
        "ordered_ms": asked[1],
        "software": "vuon test",
        "streams": {"1": "main"},
        "ledger": [[1, START_MS + 12_000, START_MS + 19_000, "network"]],
        "runs": {"1": "trusted", "2": "stepped", "3": "unsynchronised"},
    } | more


def planned(box: Box, rows: Sequence[SegmentRow], asked: tuple[int, int] = ASKED, **more: Any) -> CopyPlan:
    """A plan of one stream on one disk."""
    plan = CopyPlan(facts(asked, **more))
    plan.add("main", [(disk_of(box), row) for row in rows], *asked)
    return plan


def disk_of(box: Box) -> Disk:
    return Disk(VOLUME, box.files, box.ring)


def no_step(_count: int) -> None:
    """Nobody counts."""


def archive_of(box: Box, plan: CopyPlan, found: Measured, key: Ed25519PrivateKey = KEY) -> Archive:
    """The finished copy."""
    manifest = make_manifest(plan, found, page())
    pages = [(PAGE_NAME, page()), (MANIFEST_NAME, manifest), (SIGNATURE_NAME, sign_manifest(manifest, key))]
    return Archive(entries(plan, found, lambda _: disk_of(box), pages, TOP))


def finished(box: Box, plan: CopyPlan) -> Archive:
    """Measure and finish a copy."""
    return archive_of(box, plan, measure(plan, lambda _: disk_of(box), no_step))


def unpack(archive: Archive, into: Path) -> Path:
    """Read the whole copy as a browser would and unpack it; returns its folder."""
    data = b"".join(archive.read(0, archive.size_bytes))
    assert len(data) == archive.size_bytes
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.testzip() is None
        opened.extractall(into)
    return into / TOP


def over_a_gap(box: Box) -> list[SegmentRow]:
    """Six segments of three runs: 6 s, 6 s right after it with a corrected clock, 7 s of nothing, 6 s."""
    return record(box, [(1, 0, 0), (2, 6_000, 86_400_000), (3, 19_000, 0)], frames=90)


def copy_over_a_gap(root: Path) -> Path:
    """Return a finished folder over a gap and nine segments of three runs, unpacked below `root`."""
    with disk(root) as box:
        return unpack(finished(box, planned(box, over_a_gap(box))), root)
