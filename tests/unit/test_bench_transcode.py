"""The transcode bench: its source, its counting, what it throws away."""

from __future__ import annotations

import asyncio
import time

import pytest

from bench import transcode
from bench.schedstat import Meter
from bench.transcode import SHAPES, Clocked, control, ffmpeg, ours, pictures_in, source
from gateway.core.media import Codec

SMALLEST = next(iter(SHAPES))


def test_the_source_is_a_loop_of_h265() -> None:
    """Whole groups of two seconds, each begun by a key frame, with their sets apart."""
    units = source(SMALLEST)
    assert len(units) == transcode.LOOP_S * transcode.SOURCE_FPS
    assert [n for n, unit in enumerate(units) if unit.is_key] == [0, 40]
    assert {unit.config.codec for unit in units} == {Codec.H265}
    assert units[0].config.vps[0] >> 1 & 63 == 32


def test_pictures_are_counted_by_their_slices() -> None:
    """Parameter sets are none."""
    nals = (b"\x67set", b"\x68set", b"\x06sei", b"\x65key", b"\x41one", b"\x41two")
    assert pictures_in(b"".join(b"\0\0\0\1" + nal for nal in nals)) == 3


def test_a_round_with_pictures_missing_is_no_result() -> None:
    """And one that has them all has every figure."""
    meter = Meter([], time.monotonic)
    meter.look()
    time.sleep(0.01)
    meter.look()
    whole = Clocked(late_s=[0.001] * 20, octets=1000).reading(meter, meter, 5_000_000, 2.0)
    assert whole.invalid == ""
    assert whole.figures["late p99 ms"] == 1.0
    assert Clocked(late_s=[0.001] * 10).reading(meter, meter, 0, 2.0).invalid == "10 pictures missing"
    slow = Clocked(late_s=[0.001] * 20, behind_s=0.8).reading(meter, meter, 0, 2.0)
    assert slow.invalid == "0.8 s behind at the end"


def test_both_ways_make_the_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of each, at its own pace."""
    monkeypatch.setattr(transcode, "SETTLE_S", 0.5)
    for way in (ours, control):
        reading = asyncio.run(way(SMALLEST, 1.0))
        assert reading.figures["kbit/s out"] > 10
    assert "libx264" in ffmpeg()
