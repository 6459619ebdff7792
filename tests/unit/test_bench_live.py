"""The bench of live: how late a picture was, and which rows cannot run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.harness import Options
from bench.live import Bench
from bench.live_peers import janus, pion
from bench.live_viewer import lateness_ms

TICKS = 6000
DUE_S = [n / 15 for n in range(100)]


@pytest.mark.parametrize("offset", [0, 12_345, (1 << 32) - 30_000])
def test_lateness_is_from_hand_over_to_last_packet(offset: int) -> None:
    """Wherever a viewer's RTP time begins, also across its wrap, and whatever picture it saw first."""
    late_ms = [3.0, 7.0, 40.0, 2.0] * 5
    arrivals = [((offset + n * TICKS) & 0xFFFFFFFF, DUE_S[30 + n] + late / 1000) for n, late in enumerate(late_ms)]
    assert lateness_ms(arrivals, DUE_S, TICKS) == pytest.approx(late_ms)


def test_a_picture_later_than_the_next_ones_hand_over_is_late() -> None:
    """A viewer's stutter is not taken for other pictures."""
    late_ms = [2.0] * 10 + [180.0, 120.0, 60.0] + [2.0] * 10
    arrivals = [(n * TICKS, DUE_S[5 + n] + late / 1000) for n, late in enumerate(late_ms)]
    assert lateness_ms(arrivals, DUE_S, TICKS) == pytest.approx(late_ms)
    assert lateness_ms([], DUE_S, TICKS) == []


def test_a_peer_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The row stays, with the reason."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "apt-get install janus" in str(janus())
    assert pion(tmp_path) == "not run: no go"
    monkeypatch.setattr("bench.live.encode_nals", lambda *_: (b"s", b"p", [[b"\x65"]]))
    reading = Bench(Options(), "127.0.0.1").peer_variant("Pion", pion(tmp_path)).measure()
    assert (dict(reading.figures), reading.invalid) == ({}, "not run: no go")
