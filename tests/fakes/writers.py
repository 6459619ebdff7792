"""A volume writer that tests feed by hand, and the wait for its thread."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.media import AccessUnit
from gateway.core.model import StreamId
from recorder.files import VolumeFiles
from recorder.gop import RunInfo
from recorder.syncer import FdatasyncSyncer
from recorder.writer import VolumeWriter, WriterOptions
from tests.fakes.disks import StepClock
from tests.fakes.footage import Box, run_of

ONE = StreamId(1)
MINUTE = WriterOptions(stagger=False)
SHORT = WriterOptions(segment_s=4, stagger=False, retry_s=0.001)


def writer_of(box: Box, options: WriterOptions = MINUTE, files: VolumeFiles | None = None) -> VolumeWriter:
    """Return a writer that is not yet running: what is offered before it starts comes in one order."""
    return VolumeWriter(
        files or box.files, box.index, box.ring, box.heard, StepClock(), options=options, syncer=FdatasyncSyncer()
    )


def offer(writer: VolumeWriter, units: Iterable[AccessUnit], run: RunInfo | None = None) -> None:
    """Offer a whole run."""
    run = run or run_of()
    writer.begin_run(run)
    for unit in units:
        writer.offer(run.stream, unit)
