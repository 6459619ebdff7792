"""Which process runs which files of tests: those with browsers and daemons one after another, the others beside them.

Owns the rule `choose` and the scheduler that applies it. Invariants: nothing is left out and nothing runs twice; each
file stays with one process. A test of the heavy lane starts whole programs and watches live video: two of them at once
starve each other on two cores, and then fail for want of a processor, which says nothing of what they try. Files that
compute need one core and wait for nothing, so they stand beside it. Only when the light ones are through do the other
processes help with the heavy ones, from the other end.
"""

from __future__ import annotations

from collections.abc import Iterable

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

HEAVY = ("tests/browser/", "tests/system/", "tests/foreign/")
CORES_A_LANE = 2
"""What a test with a browser, a box and its cameras keeps busy."""


def lanes(workers: int) -> int:
    """Return how many of so many processes run heavy files from the beginning."""
    return max(1, workers // CORES_A_LANE)


def choose(waiting: Iterable[str], *, heavy_lane: bool) -> str:
    """Return the file a process takes next; at least one must be waiting."""
    files = list(waiting)
    heavy = [file for file in files if file.startswith(HEAVY)]
    if heavy_lane:
        return next(iter(heavy), files[0])
    light = next((file for file in files if not file.startswith(HEAVY)), None)
    return heavy[-1] if light is None else light


class Lanes(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """pytest-xdist's distribution by file, with lanes."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        place = self.nodes.index(node)
        self.workqueue.move_to_end(choose(self.workqueue, heavy_lane=place < lanes(len(self.nodes))), last=False)
        super()._assign_work_unit(node)
