"""What a stream does over time: key frames, order, rate, loss, ends; unknown until enough was seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.media import AccessUnit, Codec, CodecConfig
from recorder.meter import BUCKETS, GOPS, MOST_ENDS, StreamMeter

CONFIG = CodecConfig(Codec.H264, b"\x67\x42", b"\x68")


class Stage:
    """A meter, a clock and a camera of a steady rate."""

    def __init__(self, fps: int = 10, gop: int = 20) -> None:
        self.now_ns, self.fps, self.gop, self.number = 5_000_000_000, fps, gop, 0
        self.meter = StreamMeter(lambda: self.now_ns)

    def play(self, count: int, *, lost: int = 0, size: int = 1400, swap: bool = False) -> None:
        """Deliver pictures; with `swap` each pair of non-key ones comes the wrong way round, as B-frames do."""
        for _ in range(count):
            place = self.number % self.gop
            shown = self.number + (1 if swap and place % 2 == 1 else -1 if swap and place and place % 2 == 0 else 0)
            unit = AccessUnit((bytes(size),), shown * 90_000 // self.fps, place == 0, self.now_ns, CONFIG, lost)
            self.meter.offer(unit)
            self.number += 1
            self.now_ns += 1_000_000_000 // self.fps


def test_nothing_is_known_of_a_stream_that_never_played() -> None:
    """None, not zero."""
    facts = Stage().meter.facts()
    assert (facts.config, facts.key_gap_s, facts.b_frames, facts.fps, facts.loss, facts.ends) == (None,) * 5 + ((),)


def test_a_steady_stream_is_measured() -> None:
    """Distance of key frames, order, rate and loss of a camera that does as it says."""
    stage = Stage()
    stage.play(100)
    facts = stage.meter.facts()
    assert facts.config == CONFIG
    assert facts.key_gap_s == 2.0
    assert facts.b_frames is False
    assert facts.fps == pytest.approx(10, rel=0.05)
    assert facts.loss == 0


def test_one_gop_must_be_whole_to_be_known() -> None:
    """Before the second key frame nothing is said of distance and order."""
    stage = Stage()
    stage.play(20)
    assert (stage.meter.facts().key_gap_s, stage.meter.facts().b_frames) == (None, None)
    stage.play(1)
    assert stage.meter.facts().key_gap_s == 2.0


def test_the_running_gop_counts_when_it_is_the_longest() -> None:
    """A smart codec that just stretches is seen before its next key frame."""
    stage = Stage()
    stage.play(41)
    stage.gop = 10_000
    stage.play(300)
    gap_s = stage.meter.facts().key_gap_s
    assert gap_s is not None
    assert gap_s == pytest.approx(30, abs=0.2)


def test_pictures_out_of_order_are_b_frames() -> None:
    """Shown earlier than one that came before."""
    stage = Stage()
    stage.play(61, swap=True)
    assert stage.meter.facts().b_frames is True
    assert stage.meter.facts().key_gap_s == 2.0


def test_loss_is_a_share_of_packets() -> None:
    """One packet lost for each picture of one packet and its like is about a third."""
    stage = Stage()
    stage.play(100, lost=1)
    assert stage.meter.facts().loss == pytest.approx(1 / 3, abs=0.02)


def test_old_minutes_are_forgotten() -> None:
    """After five good minutes an hour-old loss is history, and memory did not grow."""
    stage = Stage()
    stage.play(200, lost=2)
    stage.now_ns += 3_600_000_000_000
    assert stage.meter.facts().fps is None
    stage.play(600)
    facts = stage.meter.facts()
    assert facts.loss == 0
    stage.play(10 * (BUCKETS + 5) * 10)
    assert len(stage.meter._buckets) == BUCKETS
    assert len(stage.meter._gops) == GOPS


def test_a_new_session_counts_media_time_anew() -> None:
    """The jump of media time between sessions is no key-frame distance; the pause is no low rate."""
    stage = Stage()
    stage.play(100)
    stage.meter.ended("camera_closed")
    assert stage.meter.facts().key_gap_s is None
    stage.now_ns += 30_000_000_000
    stage.number = 0
    stage.play(100)
    facts = stage.meter.facts()
    assert facts.key_gap_s == 2.0
    assert facts.fps == pytest.approx(10, rel=0.1)
    assert [code for _, code in facts.ends] == ["camera_closed"]


def test_ends_are_kept_with_their_time_and_bounded() -> None:
    """The last ones, oldest first."""
    stage = Stage()
    for number in range(MOST_ENDS + 10):
        stage.now_ns += 1
        stage.meter.ended(f"code{number}")
    ends = stage.meter.facts().ends
    assert len(ends) == MOST_ENDS
    assert ends[-1] == (stage.now_ns, f"code{MOST_ENDS + 9}")


def test_key_frames_can_be_measured_anew() -> None:
    """After a change of settings the old distance is forgotten, also within one session."""
    stage = Stage(gop=60)
    stage.play(130)
    assert stage.meter.facts().key_gap_s == 6.0
    stage.meter.forget_gops()
    assert stage.meter.facts().key_gap_s is None
    stage.gop, stage.number = 20, 1000
    stage.play(41)
    assert stage.meter.facts().key_gap_s == 2.0


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.booleans(), st.integers(0, 5000)), max_size=60), st.booleans())
def test_no_stream_breaks_the_meter(units: list[tuple[int, bool, int]], end: bool) -> None:
    """Whatever times and orders a camera invents, figures stay in their ranges."""
    stage = Stage()
    for pts, is_key, lost in units:
        stage.now_ns += 100_000_000
        stage.meter.offer(AccessUnit((b"x",), pts, is_key, stage.now_ns, CONFIG, lost))
    if end:
        stage.meter.ended("x")
    facts = stage.meter.facts()
    assert facts.loss is None or 0 <= facts.loss <= 1
    assert facts.key_gap_s is None or facts.key_gap_s > 0
    assert facts.fps is None or facts.fps >= 0
