"""How often strangers on the camera network are answered."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from drivers.lan.pace import Turns

SECOND = 1_000_000_000


def turns(most: int = 8) -> Turns:
    return Turns(burst=2, per_s=1, all_burst=6, all_per_s=3, most=most)


def test_an_asker_has_his_burst_and_then_his_pace() -> None:
    """Two at once, then one a second."""
    each = turns()
    assert [each.take("a", 0) for _ in range(4)] == [True, True, False, False]
    assert [each.take("a", SECOND) for _ in range(2)] == [True, False]


def test_one_asker_does_not_use_up_the_others_turns() -> None:
    """However often he asks: refused turns cost nobody anything."""
    each = turns()
    assert sum(each.take("a", 0) for _ in range(1000)) == 2
    assert each.take("b", 0)


def test_all_together_have_a_pace_too() -> None:
    """Many forged addresses get no more than the total."""
    each = turns(most=10_000)
    assert sum(each.take(number, 0) for number in range(500)) == 6
    assert sum(each.take(number, SECOND) for number in range(500)) == 3


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3 * SECOND)), max_size=200))
def test_memory_and_turns_are_bounded(asked: list[tuple[int, int]]) -> None:
    """In any order, also with a clock that goes back: no more askers than the limit, no more turns than the rule."""
    each, given_turns = turns(), 0
    for asker, at_ns in asked:
        given_turns += each.take(asker, at_ns)
        assert len(each) <= 8
    span_s = (max((at for _, at in asked), default=0)) / SECOND
    steps = sum(max(0, b[1] - a[1]) for a, b in pairwise(asked)) / SECOND
    assert given_turns <= 6 + 3 * max(span_s, steps) + 1
