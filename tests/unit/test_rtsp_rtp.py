"""RTP arithmetic: time without end, payload bounds, sender reports."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.rtsp.rtp import SenderReport, Unwrapper, payload_bounds, sender_report
from tests.fakes import rtp


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-(2**31) + 1, 2**31 - 1), max_size=50))
def test_unwrapping_follows_every_step(begin: int, steps: list[int]) -> None:
    """Any steps below half the range add up exactly, from 0, through any number of wraps."""
    unwrapper, stamp, total = Unwrapper(), begin, 0
    assert unwrapper.unwrap(begin, 0) == 0
    for step in steps:
        stamp, total = (stamp + step) % 2**32, total + step
        assert unwrapper.unwrap(stamp, 0) == total


def test_a_restart_goes_on_by_the_receive_clock() -> None:
    """After a new timeline, media time has moved as far as the clock; at least by one tick."""
    unwrapper = Unwrapper()
    unwrapper.restart(5, 0)  # before anything: nothing to go on from
    assert unwrapper.unwrap(77, 1_000_000_000) == 0
    unwrapper.restart(9_999, 3_000_000_000)
    assert unwrapper.unwrap(9_999, 3_000_000_000) == 180_000
    unwrapper.restart(1, 3_000_000_000)
    assert unwrapper.unwrap(91, 3_000_000_000) == 180_091


def test_a_sender_report_is_remembered_with_its_read_time() -> None:
    """NTP, RTP and SSRC as the camera claims them."""
    report = rtp.sender_report(7, 2**63 + 5, 90_000)
    assert sender_report(b"xx" + report, 2, 2 + len(report), 42) == SenderReport(7, 2**63 + 5, 90_000, 42)


@given(st.binary(max_size=60))
def test_any_rtcp_bytes_are_read_or_left(data: bytes) -> None:
    """Receiver reports, goodbyes and rubbish are no sender report."""
    found = sender_report(data, 0, len(data), 1)
    assert found is None or data[1] == 200


@given(st.binary(min_size=12, max_size=80))
def test_payload_bounds_lie_within_the_packet(data: bytes) -> None:
    """Whatever the header claims, the payload is inside or there is none."""
    bounds = payload_bounds(data, 0, len(data))
    assert bounds is None or 12 <= bounds[0] <= bounds[1] <= len(data)
