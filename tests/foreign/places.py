"""Where the foreign programs are, and how they are started; a missing one skips its test with the remedy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
FOREIGN = Path(sys.prefix) / "foreign"
"""Filled by `make foreign`."""
PYTHON, NODE = FOREIGN / "python", FOREIGN / "node" / "node_modules"
HANG_S = 90.0


def need(there: object, what: str, remedy: str = "make foreign") -> None:
    """Skip the test if a program is not there."""
    if not there:
        pytest.skip(f"{what} is missing: {remedy}")


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment with the foreign packages first: `onvif` is then onvif-python's."""
    return {**os.environ, "PYTHONPATH": str(PYTHON), "NODE_PATH": str(NODE), "PYTHONWARNINGS": "ignore", **more}


def program(name: str, package: str = "") -> str:
    """Return the path of a Debian program; skips if it is missing."""
    found = shutil.which(name)
    need(found, name, f"apt-get install {package or name}")
    assert found is not None
    return found


def run(command: list[str], password: str, **more: str) -> str:
    """Run a client to its end; returns what it printed, fails with what it complained of."""
    done = subprocess.run(
        command,
        env=environment(PASSWORD=password, **more),
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
