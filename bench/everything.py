"""Bench `everything`: `record` with sub streams recorded too and the vision child looking at key frames."""

from __future__ import annotations

from bench.harness import Options, Table
from bench.record import run as run_record


def run(options: Options) -> list[Table]:
    """Run the bench for both ways of arriving."""
    return run_record(options, sub=True, vision=True)
