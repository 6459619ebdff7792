"""Bench `streams`: `record` with main and sub streams, both encrypted, synced and indexed; nobody looks at them."""

from __future__ import annotations

from bench.harness import Options, Table
from bench.record import run as run_record


def run(options: Options) -> list[Table]:
    """Run the bench for both ways of arriving."""
    return run_record(options, sub=True)
