"""The order of the files of tests: those that wait between those that compute.

Owns one pure rule. Invariants: nothing is left out; the order within a file stays; every process that collects
the same files finds the same order. Tests of browsers and daemons mostly wait, but three of them at once would
starve each other on two cores; at the end of the run, alone, they would keep the other processes idle.
"""

from __future__ import annotations

from collections.abc import Sequence

HEAVY = ("tests/browser/", "tests/system/", "tests/foreign/")


def mixed(files: Sequence[str]) -> list[str]:
    """Return the files with the heavy ones spread evenly over the first three quarters of the light ones."""
    heavy = [file for file in files if file.startswith(HEAVY)]
    light = [file for file in files if not file.startswith(HEAVY)]
    room = len(light) * 3 / 4 / max(1, len(heavy))
    places = [(number * room, 0, number, file) for number, file in enumerate(heavy)]
    places += [(float(number), 1, number, file) for number, file in enumerate(light)]
    return [file for *_, file in sorted(places)]
