"""The benches of ingest and of starting: what they count and when a round is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import ingest, start
from bench.ingest_client import Counter, read_report
from bench.record import IN_FLIGHT
from drivers.simulated.counters import Call
from gateway.core.media import AccessUnit, Codec, CodecConfig

SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)).map(lambda pair: (pair[0], sum(pair))), max_size=20)
REACHED = {"found": [900.0, 1000.0], "learned": [1500.0], "main": [2000.0, 3000.0], "sub": [2500.0, 4000.0]}


def test_the_usual_numbers_of_cameras_and_the_one_asked_for() -> None:
    """Each once, in order."""
    assert ingest.sizes_up_to(32) == (8, 16, 32)
    assert ingest.sizes_up_to(4) == (4,)
    assert ingest.sizes_up_to(20) == (8, 16, 20)


def test_figures_are_a_camera_s_first() -> None:
    """The ratio is of the first."""
    figures = {
        "CPU, % of a core": 8.0, "PSS, MB": 80.0, "RSS, MB": 160.0, "turns/s": 3.0, "late sends, %": 0.5, "sends/s": 1.0
    }  # fmt: skip
    told = ingest.per_camera(figures, 8)
    assert list(told)[:2] == ["CPU a camera, % of a core", "PSS a camera, MB"]
    assert (told["CPU a camera, % of a core"], told["PSS a camera, MB"], told["RSS, MB"]) == (1.0, 10.0, 160.0)


def test_a_picture_that_a_parser_still_holds_is_not_lacking() -> None:
    """One more is."""
    sent = {(0, "main"): 100}
    held = 100 - ingest.HELD - IN_FLIGHT
    assert ingest.lacking(sent, {(0, "main"): held}) == ""
    assert ingest.lacking(sent, {(0, "main"): held - 1}) == "1 pictures lost"
    assert ingest.lacking(sent, {}) != ""


def test_what_ffmpeg_wrote_last_counts() -> None:
    """It writes its count again and again."""
    assert ingest.frames_in("frame=10\nfps=1\nprogress=continue\nframe=42\nprogress=end\n") == 42
    assert ingest.frames_in("") == 0


def test_the_control_keeps_nothing() -> None:
    """Copied over TCP into nothing."""
    words = " ".join(ingest.ffmpeg_command(554, 3, "sub", Path("/x")))
    assert "-rtsp_transport tcp -i rtsp://127.0.0.1:554/3/sub -an -c copy -f null -" in words


def test_a_client_tells_pictures_and_failures() -> None:
    """By camera and stream."""
    counts, failed = read_report(json.dumps({"counts": [[0, "main", 5], [1, "sub", 6]], "failed": ["gone", "too"]}))
    assert counts == {(0, "main"): 5, (1, "sub"): 6}
    assert failed == "gone"
    counter = Counter()
    counter.playing(None)
    counter.unit(AccessUnit((b"\x65",), 0, True, 0, CodecConfig(Codec.H264, b"", b"")))
    assert counter.units == 1


@given(SPANS)
def test_the_most_at_once_is_what_one_moment_shows(spans: list[tuple[int, int]]) -> None:
    """A span is there from its begin until before its end."""
    shown = [sum(begin <= moment < end for begin, end in spans) for moment in range(80)]
    assert start.most_at_once(spans) == max(shown)


def test_openings_are_read_from_a_camera_s_calls() -> None:
    """From OPTIONS to PLAY; what came before or is not RTSP does not count."""
    calls = [
        Call(1, "onvif", "GetProfiles"),
        Call(2, "rtsp", "OPTIONS"),
        Call(3, "rtsp", "DESCRIBE"),
        Call(6, "rtsp", "PLAY"),
        Call(7, "onvif", "GetStreamUri"),
        Call(8, "rtsp", "OPTIONS"),
        Call(9, "rtsp", "PLAY"),
    ]
    assert start.openings(calls) == [(2, 6), (8, 9)]
    assert start.learning(calls) == [(1, 7)]
    assert start.learning([]) == start.openings([]) == []


@pytest.mark.parametrize(("bad", "invalid"), [(0, ""), (2, "2 bad logins")])
def test_a_round_with_a_bad_login_is_none(bad: int, invalid: str) -> None:
    """The times are the slowest camera's."""
    calls = [
        [Call(1, "rtsp", "OPTIONS"), Call(5, "rtsp", "PLAY")],
        [Call(2, "rtsp", "OPTIONS"), Call(3, "rtsp", "PLAY")],
    ]
    read = start.reading(REACHED, calls, bad, 50_000_000, 60_000_000)
    assert read.invalid == invalid
    assert read.figures["first picture of all, s"] == 3.0
    assert read.figures["with sub streams, s"] == 4.0
    assert read.figures["sessions opened at once"] == 2
    assert read.figures["PSS, MB"] == 50
