"""The fast suite of the decision: a table of answers, and every leg broken alone.

`check(decide)` is run on the real policy and on every mutant of it; it raises AssertionError at the first
wrong answer.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.access.facts import Facts
from gateway.core.model import Action, Decision, ObjectRef, PublicId
from tests.fakes.access_guardian_cases import guardian_cases, shifted_cases
from tests.fakes.access_staff_cases import staff_cases
from tests.fakes.school import short

Decide = Callable[[Facts, PublicId, Action, ObjectRef, int], Decision]

CASES = [*guardian_cases(), *staff_cases(), *shifted_cases()]


def check(decide: Decide) -> None:
    """Raise AssertionError at the first case answered otherwise."""
    for item in CASES:
        got = short(decide(item.facts, item.person, item.action, item.obj, item.now_ms))
        assert got == item.expected, f"{item.name}: {got} instead of {item.expected}"
