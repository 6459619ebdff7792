"""Turns at the uplink: who is next, who stands up, and that nobody waits for ever."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.core.model import PublicId
from gateway.live.turns import AWAY_S, MOST_AWAY, REST_S, TURN_S, Moves, Turns

RATE = 500_000.0
A, B, C, D, E = map(PublicId, "abcde")


class Row:
    """Turns with a budget for `places` equal streams, and a clock of its own."""

    def __init__(self, places: float) -> None:
        self.turns, self.budget, self.now_s = Turns(), places * RATE, 0.0

    @property
    def now_ns(self) -> int:
        return int(self.now_s * 1e9)

    def come(self, *keys: PublicId, bps: float = RATE) -> None:
        for key in keys:
            self.turns.come(key, PublicId(f"person {key}"), bps, self.now_ns)
        self.step()

    def leave(self, key: PublicId) -> None:
        self.turns.leave(key, self.now_ns)
        self.step()

    def step(self) -> Moves:
        return self.turns.step(self.budget, self.now_ns)

    def wait(self, seconds: float) -> None:
        """Let time pass with a step each second."""
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s = min(until_s, self.now_s + 1)
            self.step()

    @property
    def seated(self) -> str:
        return "".join(sorted(self.turns.seated))

    @property
    def line(self) -> str:
        return "".join(self.turns.waiting)


def test_as_many_sit_as_the_budget_carries_and_the_others_wait_in_order() -> None:
    """Four come, two fit: the first two see video, the others wait as they came."""
    row = Row(2)
    row.come(A, B, C, D)
    assert (row.seated, row.line) == ("ab", "cd")
    assert row.turns.drawn_bps <= row.budget


def test_nobody_stands_up_before_the_turn_is_over() -> None:
    """A second before the two minutes everything is as it was; then both turns are over at once."""
    row = Row(2)
    row.come(A, B, C, D)
    row.wait(TURN_S - 1)
    assert (row.seated, row.line) == ("ab", "cd")
    row.wait(1)
    assert (row.seated, row.line) == ("cd", "ab")


def test_without_anybody_waiting_a_turn_does_not_end() -> None:
    """An hour later those who fit still watch."""
    row = Row(2)
    row.come(A, B)
    row.wait(3600)
    assert (row.seated, row.line) == ("ab", "")
    assert row.turns.left_s(A, row.now_ns) is None


def test_who_comes_after_an_hour_gets_the_seat_of_who_sat_longest() -> None:
    """One stands up, not both: the other goes on."""
    row = Row(2)
    row.come(A)
    row.wait(10)
    row.come(B)
    row.wait(3600)
    row.come(C)
    assert (row.seated, row.line) == ("bc", "a")


def test_who_has_just_had_a_turn_makes_nobody_stand_up_for_a_while() -> None:
    """Otherwise the two who sat for an hour would change places at once."""
    row = Row(2)
    row.come(A, B)
    row.wait(3600)
    row.come(C)
    assert (row.seated, row.line) == ("bc", "a")
    row.wait(REST_S - 1)
    assert (row.seated, row.line) == ("bc", "a")
    row.wait(1)
    assert (row.seated, row.line) == ("ac", "b")


def test_who_leaves_frees_the_seat_at_once() -> None:
    """The next in the line sits in the same step, rested or not."""
    row = Row(1)
    row.come(A, B, C)
    row.leave(A)
    assert (row.seated, row.line) == ("b", "c")
    row.wait(TURN_S)
    assert (row.seated, row.line) == ("c", "b")
    row.leave(C)
    assert (row.seated, row.line) == ("b", "")


def test_who_comes_back_soon_finds_the_old_place_in_the_line() -> None:
    """A dark screen costs no place; after a minute it does."""
    row = Row(1)
    row.come(A, B, C, D)
    row.leave(B)
    row.wait(AWAY_S - 1)
    row.come(B)
    assert row.line == "bcd"
    row.leave(B)
    row.wait(AWAY_S)
    row.turns.come(B, PublicId("person b"), RATE, row.now_ns)
    assert row.turns.waiting[-1] == B


def test_leaving_a_seat_and_coming_back_does_not_lengthen_a_turn() -> None:
    """Reloading the page leads to the end of the line."""
    row = Row(1)
    row.come(A, B, C)
    row.wait(5)
    row.leave(A)
    row.come(A)
    assert (row.seated, row.line) == ("b", "ca")


def test_a_stream_too_big_for_the_whole_budget_holds_up_nobody() -> None:
    """It waits, is known not to fit, and who comes after it sits."""
    row = Row(1)
    row.come(A, bps=2 * RATE)
    row.come(B)
    assert (row.seated, row.line) == ("b", "a")
    assert not row.turns.fits(A)
    assert row.turns.wait_s(A, row.now_ns) is None
    row.budget = 4 * RATE
    row.step()
    assert row.seated == "ab"


def test_nobody_stands_up_in_vain() -> None:
    """A bigger stream waits until the seats that it needs are all over their time."""
    row = Row(2)
    row.come(A)
    row.wait(60)
    row.come(B)
    row.come(C, bps=2 * RATE)
    row.wait(TURN_S - 60)
    assert (row.seated, row.line) == ("ab", "c")
    row.wait(60)
    assert (row.seated, row.line) == ("c", "ab")


def test_a_budget_that_shrinks_lets_the_longest_seated_stand_up() -> None:
    """When staff outside begin to watch; when they leave, the seat is given back at once."""
    row = Row(2)
    row.come(A)
    row.wait(1)
    row.come(B)
    row.budget = RATE
    assert row.step() == ((), (A,))
    row.budget = 2 * RATE
    assert row.step() == ((A,), ())
    row.budget = 0
    assert row.step() == ((), (B, A))


def test_a_rate_that_rises_counts_from_the_next_step() -> None:
    """Two that fitted do not any more."""
    row = Row(2)
    row.come(A, B)
    row.turns.rate(A, 1.5 * RATE)
    row.turns.rate(E, RATE)  # unknown: nothing
    assert row.step().stood_up == (A,)


def test_the_foretold_wait_comes_true() -> None:
    """What each of five in the line is told is when their video begins, to the second."""
    row = Row(2)
    row.come(A)
    row.wait(30)
    row.come(B, C, D, E)
    told = {key: row.turns.wait_s(key, row.now_ns) for key in row.turns.waiting}
    assert told == {C: 90, D: 120, E: 90 + TURN_S}
    seated_at: dict[PublicId, float] = {}
    for _ in range(400):
        for key in row.step()[0]:
            seated_at.setdefault(key, row.now_s - 30)
        row.now_s += 1
    assert {key: seated_at[key] for key in told} == told


def test_who_sits_is_told_the_rest_of_the_turn_only_where_somebody_waits() -> None:
    """The time left, never negative; unknown ones have none."""
    row = Row(1)
    row.come(A)
    assert row.turns.left_s(A, row.now_ns) is None
    row.come(B)
    row.wait(50)
    assert row.turns.left_s(A, row.now_ns) == TURN_S - 50
    assert row.turns.left_s(E, row.now_ns) is None
    assert row.turns.wait_s(A, row.now_ns) is None


def test_while_nobody_sits_no_time_is_foretold() -> None:
    """With a budget of nothing there is no turn that could end."""
    row = Row(0)
    row.come(A)
    assert row.turns.wait_s(A, row.now_ns) is None


def test_places_that_are_kept_are_bounded() -> None:
    """A crowd that comes and goes is not remembered without end."""
    row = Row(0)
    for number in range(MOST_AWAY + 50):
        key = PublicId(str(number))
        row.turns.come(key, key, RATE, 0)
        row.turns.leave(key, 0)
    assert len(row.turns._away) == MOST_AWAY


@pytest.mark.parametrize("seats", [1, 2, 5])
@given(st.lists(st.sampled_from(["come", "leave", "wait"]), max_size=60), st.randoms(use_true_random=False))
def test_nobody_starves(seats: int, acts: list[str], dice: random.Random) -> None:
    """Who stays in the line sits within the rounds of those before, however others come and go."""
    row = Row(seats)
    crowd = [PublicId(f"p{n}") for n in range(12)]
    deadline: dict[PublicId, float] = {}

    def check() -> None:
        for key in list(deadline):
            if key not in row.turns.waiting:
                del deadline[key]
        for place, key in enumerate(row.turns.waiting):
            # It may have come back to a place before others: then their places moved, never further than one.
            rounds = math.floor(place / seats) + 1
            deadline.setdefault(key, row.now_s + REST_S + (rounds + len(crowd)) * TURN_S)
            assert row.now_s <= deadline[key]

    for act in acts:
        key = dice.choice(crowd)
        if act == "come" and key not in row.turns:
            row.come(key)
        elif act == "leave":
            row.leave(key)
        else:
            row.wait(dice.choice([1, 20, 119]))
        check()
    waiting = row.turns.waiting
    for place, key in enumerate(waiting):
        foretold_s = row.turns.wait_s(key, row.now_ns)
        assert foretold_s is not None
        assert foretold_s <= REST_S + (place // seats + 1) * TURN_S
    had = set()
    for _ in range(int(REST_S + (len(waiting) / seats + 1) * TURN_S)):
        row.wait(1)
        had |= set(row.turns.seated)
    assert set(waiting) <= had


class AnyTurns(RuleBasedStateMachine):
    """Comes, goes, rates, budgets and time in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.turns, self.twin = Turns(), Turns()
        self.budget, self.now_ns = 3 * RATE, 0
        self.stepped = True

    def both(self, name: str, *args: object) -> None:
        results = [getattr(turns, name)(*args) for turns in (self.turns, self.twin)]
        assert results[0] == results[1]

    @rule(key=st.sampled_from("abcdefgh"), bps=st.sampled_from([RATE, 2 * RATE, 9 * RATE]))
    def come(self, key: str, bps: float) -> None:
        if PublicId(key) not in self.turns:
            self.both("come", PublicId(key), PublicId(key.upper()), bps, self.now_ns)
            self.stepped = False

    @rule(key=st.sampled_from("abcdefgh"))
    def leave(self, key: str) -> None:
        self.both("leave", PublicId(key), self.now_ns)

    @rule(key=st.sampled_from("abcdefgh"), bps=st.sampled_from([RATE, 2 * RATE]))
    def rate(self, key: str, bps: float) -> None:
        self.both("rate", PublicId(key), bps)
        self.stepped = False

    @rule(budget=st.sampled_from([0.0, RATE, 3 * RATE, 10 * RATE]))
    def shrink_or_grow(self, budget: float) -> None:
        self.budget, self.stepped = budget, False

    @rule(seconds=st.integers(0, 200))
    def step(self, seconds: int) -> None:
        self.now_ns += seconds * 10**9
        seated, before = set(self.turns.seated), self.turns.waiting
        sizes = {key: self.turns._line[key].bps for key in before}
        self.both("step", self.budget, self.now_ns)
        given = [key for key in before if self.turns.is_seated(key)]
        passed = [key for key in before if key not in given and sizes[key] <= self.budget]
        # Whoever fits at all is overtaken by nobody who waited behind.
        assert not passed or not given or before.index(given[-1]) < before.index(passed[0])
        assert set(self.turns.seated) <= seated | set(before)
        self.stepped = True

    @invariant()
    def never_more_than_the_budget(self) -> None:
        """The seated draw no more than there is, and nobody is in two places."""
        if self.stepped:
            assert self.turns.drawn_bps <= self.budget
        assert not set(self.turns.seated) & set(self.turns.waiting)


TestAnyTurns = AnyTurns.TestCase
