"""How often a password may be tried: properties over all histories, on an injected clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.limits import MAX_BUCKETS, is_own_network, place_of
from gateway.access.signinpace import (
    ACCOUNT_BURST,
    ACCOUNT_EVERY_S,
    FREE,
    MOST_S,
    NETWORK_BURST,
    NETWORK_EVERY_S,
    SignInPace,
    delay_s,
)


class Time:
    """Monotonic time that tests move."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns

    def go(self, seconds: float) -> None:
        self.ns += int(seconds * 1e9)


ADDRESSES = ("192.168.1.5", "192.168.2.5", "203.0.113.4", "198.51.100.7", "2001:db8::1")
STEP = st.tuples(st.sampled_from(("ha", "lan", "")), st.sampled_from(ADDRESSES), st.floats(0, 40))


@given(st.lists(STEP, max_size=60))
def test_a_known_browser_waits_for_its_own_wrong_tries_alone(steps: list[tuple[str, str, float]]) -> None:
    """Whatever strangers did, the right password from a known browser is taken at once."""
    time = Time()
    pace = SignInPace(time)
    for account, address, wait_s in steps:
        pace.begin(account, address)
        time.go(wait_s)
    assert pace.begin("ha", "203.0.113.4", mark="m").wait_s == 0


@given(st.lists(STEP, max_size=60), st.integers(0, 40))
def test_the_right_password_waits_at_most_half_a_minute(steps: list[tuple[str, str, float]], wrong: int) -> None:
    """In one's own lane no history makes the wait longer than the bound, and after it the try is taken."""
    time = Time()
    pace = SignInPace(time)
    for _ in range(wrong):
        pace.begin("ha", "192.168.9.9", mark="m")
        time.go(0.5)
    for account, address, wait_s in steps:
        pace.begin(account, address)
        time.go(wait_s)
    asked = pace.begin("ha", "192.168.9.9", mark="m")
    assert asked.wait_s <= MOST_S
    if asked.wait_s:
        time.go(asked.wait_s)
        asked = pace.begin("ha", "192.168.9.9", mark="m")
    assert asked.wait_s == 0
    pace.right(asked)
    assert pace.begin("ha", "192.168.9.9", mark="m").wait_s == 0


@given(st.lists(STEP, max_size=60))
def test_on_the_schools_network_other_networks_hold_nobody_up(steps: list[tuple[str, str, float]]) -> None:
    """A new browser at school is not slowed down by tries at the same name from anywhere else."""
    time = Time()
    pace = SignInPace(time)
    for account, address, wait_s in steps:
        if not address.startswith("192.168.1."):
            pace.begin(account, address)
        time.go(wait_s)
    assert pace.begin("ha", "192.168.1.9").wait_s == 0


@pytest.mark.parametrize("gap_s", [0.25, 1.0, 3.7])
def test_guessing_is_slow(gap_s: float) -> None:
    """In ten minutes one lane tries a name 29 times at most, a network all names 221, all networks one name 121."""
    time = Time()
    one, many, spread = SignInPace(time), SignInPace(time), SignInPace(time)
    counts, n = [0, 0, 0], 0
    while time.ns < 600e9:
        counts[0] += one.begin("ha", "203.0.113.4").wait_s == 0
        counts[1] += many.begin(f"name{n % 1000}", "203.0.113.4").wait_s == 0
        counts[2] += spread.begin("ha", f"203.{n % 250}.113.4").wait_s == 0
        n += 1
        time.go(gap_s)
    assert counts[0] <= FREE + 6 + 600 / MOST_S
    assert counts[1] <= NETWORK_BURST + 1 + 600 / NETWORK_EVERY_S
    assert counts[2] <= ACCOUNT_BURST + 1 + 600 / ACCOUNT_EVERY_S


def test_the_delay_grows_to_its_bound() -> None:
    """Three tries are free, then the wait doubles."""
    assert [delay_s(n) for n in range(10)] == [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]
    assert delay_s(10**6) == MOST_S


def test_right_tries_cost_their_network_nothing() -> None:
    """Thirty teachers behind one address sign in one after another."""
    pace = SignInPace(Time())
    for n in range(3 * NETWORK_BURST):
        done = pace.begin(f"teacher{n}", "203.0.113.4")
        assert done.wait_s == 0
        pace.right(done)


def test_a_try_that_nobody_looked_at_counts_for_nothing() -> None:
    """Turned away a hundred times for want of a place: the next try is taken at once."""
    pace = SignInPace(Time())
    for _ in range(100):
        done = pace.begin("ha", "203.0.113.4")
        assert done.wait_s == 0
        pace.unmade(done)


def test_what_is_remembered_is_bounded() -> None:
    """A flood of names forgets the longest unused lanes, never more than so many are kept."""
    time = Time()
    pace = SignInPace(time)
    for n in range(MAX_BUCKETS + 500):
        pace.begin(f"n{n}", f"10.{n % 250}.{n // 250 % 250}.1")
    assert len(pace._lanes) == MAX_BUCKETS


def test_where_an_address_is() -> None:
    """The box, the school's network, outside; mapped addresses like their own."""
    assert [place_of(item) for item in ("127.0.0.1", "::1", "192.168.1.4", "fd00::1", "::ffff:10.1.2.3", "8.8.8.8", "x")] == [
        "box", "box", "school", "school", "school", "outside", "",
    ]  # fmt: skip
    assert is_own_network("172.16.3.4")
    assert not is_own_network("2001:db8::1")
