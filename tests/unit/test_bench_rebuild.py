"""The bench of rebuilding measures what it says."""

from __future__ import annotations

from bench.harness import Options
from bench.rebuild import run


def test_both_see_every_file() -> None:
    """A small tree: the rebuilt index has every segment, the control reads every file, no round is invalid."""
    (table,) = run(Options(rounds=1, rows=200, say=lambda text: None))
    assert "200 segments" in table.title
    assert [row.name for row in table.rows] == ["recorder.recovery", "bare reading"]
    assert all((row.rounds, row.reasons) == (1, ()) for row in table.rows)
