"""A recorder that is killed while it makes a copy: says each record it has read, and waits to be told to go on.

Run as `python -m tests.fakes.copy_child <root>`; when its standard input ends, it no longer waits.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from tests.fakes.copies import KEY
from tests.fakes.recorder_box import recorder_box


def pace(count: int) -> None:
    """Say that a record was read, and wait for a line."""
    sys.stdout.write(f"{count}\n")
    sys.stdout.flush()
    sys.stdin.readline()


async def main() -> None:
    """Run a recorder over a folder until killed."""
    async with recorder_box(Path(sys.argv[1]), pace=pace) as box:
        box.key = KEY
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main)
