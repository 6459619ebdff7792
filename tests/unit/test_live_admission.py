"""What a viewer is given: the rule, its edges, and that the principal always gets in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import Role
from gateway.live.admission import (
    CPU_CALM,
    CPU_FULL,
    LATE_CALM,
    LATE_FULL,
    Load,
    Place,
    Verdict,
    Why,
    Wish,
    admit,
    is_full,
)

MAIN, SUB = 2_000_000.0, 400_000.0
VIDEO = Verdict(Place.VIDEO)


def wish(role: Role = Role.TEACHER, *, outside: bool = True, asked: float = MAIN, sub: float | None = SUB) -> Wish:
    return Wish(role, outside, asked, sub)


@pytest.mark.parametrize("role", Role)
def test_with_room_everybody_on_the_lan_gets_what_was_asked(role: Role) -> None:
    """No budget concerns them, however full the uplink is."""
    assert admit(wish(role, outside=False), full=False, free_bps=0.0) == VIDEO


@pytest.mark.parametrize("role", Role)
def test_without_a_configured_uplink_outside_is_like_inside(role: Role) -> None:
    """A budget that nobody stated bounds nobody."""
    assert admit(wish(role), full=False, free_bps=None) == VIDEO


def test_guardians_outside_take_turns() -> None:
    """Whether there is room now is for the turns to say."""
    assert admit(wish(Role.GUARDIAN, asked=SUB, sub=None), full=False, free_bps=9e9) == Verdict(Place.TURN, Why.UPLINK)


def test_at_the_limit_guardians_outside_still_take_turns_and_those_inside_see_stills() -> None:
    """A change of turns costs nothing more; another viewer would."""
    guardian = wish(Role.GUARDIAN, asked=SUB, sub=None)
    assert admit(guardian, full=True, free_bps=1e6).place is Place.TURN
    inside = wish(Role.GUARDIAN, asked=SUB, sub=None, outside=False)
    assert admit(inside, full=True, free_bps=1e6) == Verdict(Place.STILLS, Why.CPU)
    assert admit(guardian, full=True, free_bps=None) == Verdict(Place.STILLS, Why.CPU)


@pytest.mark.parametrize(
    ("free", "given_sub", "expected"),
    [
        (MAIN, SUB, VIDEO),
        (MAIN - 1, SUB, Verdict(Place.SMALLER, Why.UPLINK)),
        (SUB, SUB, Verdict(Place.SMALLER, Why.UPLINK)),
        (SUB - 1, SUB, Verdict(Place.STILLS, Why.UPLINK)),
        (MAIN - 1, None, Verdict(Place.STILLS, Why.UPLINK)),
        (-1.0, SUB, Verdict(Place.STILLS, Why.UPLINK)),
    ],
)
def test_staff_outside_get_what_still_fits(free: float, given_sub: float | None, expected: Verdict) -> None:
    """As asked, smaller, or stills; at the very edge it fits."""
    assert admit(wish(sub=given_sub), full=False, free_bps=free) == expected


def test_at_the_limit_staff_get_the_smaller_stream() -> None:
    """And stills where there is none."""
    assert admit(wish(outside=False), full=True, free_bps=None) == Verdict(Place.SMALLER, Why.CPU)
    assert admit(wish(outside=False, sub=None), full=True, free_bps=None) == Verdict(Place.STILLS, Why.CPU)


@given(st.booleans(), st.booleans(), st.none() | st.floats(-1e9, 1e9), st.floats(0, 1e8), st.none() | st.floats(0, 1e7))
def test_the_principal_always_gets_video(
    outside: bool, full: bool, free: float | None, asked: float, sub: float | None
) -> None:
    """At any load, with any uplink; smaller at the least."""
    verdict = admit(wish(Role.PRINCIPAL, outside=outside, asked=asked, sub=sub), full=full, free_bps=free)
    assert verdict.place in (Place.VIDEO, Place.SMALLER)
    assert verdict.place is Place.VIDEO or sub is not None


def test_less_is_given_only_with_a_reason() -> None:
    """Every verdict but plain video says why."""
    for role in Role:
        for outside in (True, False):
            for full in (True, False):
                for free in (None, 0.0, 1e9):
                    verdict = admit(wish(role, outside=outside), full=full, free_bps=free)
                    assert (verdict.place is Place.VIDEO) == (verdict.why is Why.NONE)


@pytest.mark.parametrize(
    ("load", "was", "now"),
    [
        (Load(CPU_FULL, 0), False, True),
        (Load(CPU_FULL - 0.01, 0), False, False),
        (Load(CPU_FULL - 0.01, 0), True, True),
        (Load(CPU_CALM, 0), True, True),
        (Load(CPU_CALM - 0.01, 0), True, False),
        (Load(0, LATE_FULL), False, True),
        (Load(0, LATE_CALM), True, True),
        (Load(0, LATE_CALM - 0.01), True, False),
        (Load(), False, False),
    ],
)
def test_the_limit_is_left_well_below_where_it_was_reached(load: Load, was: bool, now: bool) -> None:
    """Between the two marks it stays as it was: the state does not flicker."""
    assert is_full(load, was_full=was) is now
