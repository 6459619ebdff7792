"""UDP packets in order again, in bounded room and time."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from drivers.rtsp.reorder import LONGEST_NS, MOST_HELD, Reorder
from tests.fakes.rtp import rtp


def numbered(*numbers: int) -> list[bytes]:
    return [rtp(number & 0xFFFF, 0, b"") for number in numbers]


def numbers_of(packets: list[bytes]) -> list[int]:
    return [int.from_bytes(packet[2:4], "big") for packet in packets]


def test_what_is_in_order_passes_at_once() -> None:
    """The very packets, no copies, nothing held."""
    packets = numbered(65_534, 65_535, 0, 1)
    reorder = Reorder()
    assert [id(packet) for packet in reorder.take(packets, 0)] == [id(packet) for packet in packets]
    assert reorder.early == 0


@given(st.integers(0, 65_535), st.integers(1, 8), st.integers(1, 60), st.integers(1, 9), st.integers())
def test_neighbours_that_swapped_come_out_sorted(begin: int, apart: int, count: int, read: int, seed: int) -> None:
    """Packets displaced by less than the buffer, in reads of any size: all of them, once, in order."""
    sent = numbered(*range(begin, begin + count))
    dice = random.Random(seed)
    mixed = sorted(range(count), key=lambda place: place + dice.random() * apart)
    first = mixed.index(0)
    mixed = [0, *mixed[:first], *mixed[first + 1 :]]  # before the first one nobody knows where a stream begins
    reorder, out = Reorder(), list[bytes]()
    for at in range(0, count, read):
        out += reorder.take([sent[place] for place in mixed[at : at + read]], at)
    assert out == sent


@given(st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, LONGEST_NS)), max_size=200))
def test_any_numbers_come_out_once_and_soon(steps: list[tuple[int, int]]) -> None:
    """Nothing is invented, nothing is kept for ever, the room is bounded; repeated ones may be dropped."""
    reorder, now_ns = Reorder(), 0
    seen, out = list[bytes](), list[bytes]()
    for number, (sequence, wait_ns) in enumerate(steps):
        now_ns += wait_ns
        packet = rtp(sequence, number, b"")
        seen.append(packet)
        out += reorder.take([packet], now_ns)
        assert len(reorder._held) <= MOST_HELD
    for _ in range(len(steps) + 1):
        now_ns += LONGEST_NS + 1
        out += reorder.look(now_ns)
    assert not reorder._held
    assert len(set(out)) == len(out)
    assert set(out) <= set(seen)


def test_a_lost_packet_holds_the_others_up_for_a_moment() -> None:
    """After 100 ms, or 64 packets, it goes on without it."""
    reorder = Reorder()
    assert numbers_of(reorder.take(numbered(5, 7, 8), 0)) == [5]
    assert reorder.look(LONGEST_NS) == []
    assert numbers_of(reorder.look(LONGEST_NS + 1)) == [7, 8]
    assert numbers_of(reorder.take(numbered(*range(10, 10 + MOST_HELD)), LONGEST_NS + 1)) == []
    assert numbers_of(reorder.take(numbered(10 + MOST_HELD), LONGEST_NS + 1)) == list(range(10, 11 + MOST_HELD))


def test_the_second_gap_has_its_own_time() -> None:
    """What waits behind two gaps waits for the second one from when the first was given up."""
    reorder = Reorder()
    assert numbers_of(reorder.take(numbered(1, 3, 5), 0)) == [1]
    assert numbers_of(reorder.look(LONGEST_NS + 1)) == [3]
    assert reorder.look(2 * LONGEST_NS) == []
    assert numbers_of(reorder.take(numbered(4), 2 * LONGEST_NS)) == [4, 5]


def test_late_and_repeated_packets_are_passed_on() -> None:
    """Whoever counts the loss has to know of them."""
    reorder = Reorder()
    reorder.take(numbered(10, 11, 12), 0)
    assert numbers_of(reorder.take(numbered(11, 9), 0)) == [11, 9]
    assert numbers_of(reorder.take(numbered(13), 0)) == [13]


def test_a_camera_that_counts_anew_is_followed() -> None:
    """Two packets in a row far behind are the new line: order is kept in it, too."""
    reorder = Reorder()
    reorder.take(numbered(40_000), 0)
    assert numbers_of(reorder.take(numbered(20_000, 20_001, 20_003, 20_002, 20_004), 0)) == [*range(20_000, 20_005)]


def test_the_first_read_may_be_mixed() -> None:
    """The lowest of the first packets is the beginning, also around the wrap."""
    assert numbers_of(Reorder().take(numbered(1, 0, 65_535, 2), 0)) == [65_535, 0, 1, 2]
