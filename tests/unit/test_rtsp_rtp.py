"""RTP arithmetic: time without end, payload bounds, sender reports."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.rtsp.rtp import JUMP_S, MOST_ODD, SenderReport, Unwrapper, payload_bounds, sender_report
from tests.fakes import rtp

SECOND = 1_000_000_000
JUMP_90K = JUMP_S * 90_000


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-JUMP_90K, JUMP_90K), max_size=50))
def test_unwrapping_follows_every_step(begin: int, steps: list[int]) -> None:
    """Steps of up to five seconds add up exactly, from 0, through any number of wraps."""
    unwrapper, stamp, total = Unwrapper(), begin, 0
    assert unwrapper.unwrap(begin, 0) == 0
    for step in steps:
        stamp, total = (stamp + step) % 2**32, total + step
        assert unwrapper.unwrap(stamp, 0) == total
    assert unwrapper.jumps == 0


@given(st.integers(0, 2**32 - 1), st.integers(JUMP_90K + 1, 2**31 - 1), st.integers(1 - JUMP_90K, JUMP_90K - 1))
def test_a_pause_that_the_clock_knows_of_is_no_jump(begin: int, step: int, late: int) -> None:
    """However long the camera was away: media time is its own as long as the receive clock agrees."""
    unwrapper = Unwrapper()
    unwrapper.unwrap(begin, 0)
    assert unwrapper.unwrap((begin + step) % 2**32, (step + late) * 100_000 // 9) == step
    assert unwrapper.jumps == 0


def frames(unwrapper: Unwrapper, stamps: list[int]) -> list[int]:
    """Unwrap stamps that come in every 100 ms."""
    return [unwrapper.unwrap(stamp % 2**32, number * SECOND // 10) for number, stamp in enumerate(stamps)]


@given(st.integers(0, 2**32 - 1), st.integers(10 * JUMP_90K, 2**31 - 10 * JUMP_90K), st.booleans())
def test_one_jump_is_stamped_by_the_receive_clock(begin: int, jump: int, back: bool) -> None:
    """A frame hours away gets the time it came at; the next one is in its old line again."""
    unwrapper, away = Unwrapper(), -jump if back else jump
    stamps = [begin, begin + 9_000, begin + 18_000 + away, begin + 27_000, begin + 36_000]
    assert frames(unwrapper, stamps) == [0, 9_000, 18_000, 27_000, 36_000]
    assert unwrapper.jumps == 1


@given(st.integers(0, 2**32 - 1), st.integers(10 * JUMP_90K, 2**31 - 10 * JUMP_90K))
def test_a_clock_that_was_set_is_a_new_line(begin: int, jump: int) -> None:
    """Three in a row: from then on the camera's time is believed again, without a hole in ours."""
    unwrapper = Unwrapper()
    stamps = [begin] + [begin + jump + number * 9_000 for number in range(1, 8)]
    assert frames(unwrapper, stamps) == [number * 9_000 for number in range(8)]
    assert unwrapper.jumps == MOST_ODD


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, SECOND)), max_size=60))
def test_whatever_a_camera_stamps_time_keeps_near_the_clock(frames: list[tuple[int, int]]) -> None:
    """Random times: from one frame to the next media time moves by at most five seconds more than the clock."""
    unwrapper, now_ns, before = Unwrapper(), 0, None
    for stamp, wait_ns in frames:
        now_ns += wait_ns
        pts = unwrapper.unwrap(stamp, now_ns)
        if before is not None:
            assert abs(pts - before) <= 2 * JUMP_90K + MOST_ODD * 90_000
        before = pts


def test_after_a_jump_time_does_not_run_back() -> None:
    """The frame that is in line again came sooner than the clock had thought: it is placed behind, once."""
    unwrapper = Unwrapper()
    unwrapper.unwrap(0, 0)
    assert unwrapper.unwrap(90_000 * 3600, SECOND) == 90_000
    assert unwrapper.unwrap(45_000, SECOND) == 90_001
    assert unwrapper.unwrap(90_000, SECOND) == 90_000


def test_other_clocks_count_in_their_own_ticks() -> None:
    """Sound at 8 kHz: five seconds are 40,000 ticks."""
    unwrapper = Unwrapper(8_000)
    assert unwrapper.unwrap(5, 0) == 0
    assert unwrapper.unwrap(5 + 40_001, 0) == 1


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
