"""The fast suite of the decision: a table of answers, and every leg broken alone.

`check(decide)` is run on the real policy and on every mutant of it; it raises AssertionError at the first
wrong answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from gateway.access.ask import Asking
from gateway.access.facts import Facts
from gateway.core.model import Action, Decision, ObjectRef, PublicId
from tests.fakes.access_guardian_cases import guardian_cases, shifted_cases
from tests.fakes.access_narrowed_cases import narrowed_cases
from tests.fakes.access_notice_cases import notice_cases
from tests.fakes.access_observer_cases import observer_cases
from tests.fakes.access_staff_cases import staff_cases
from tests.fakes.school import short

Decide = Callable[[Facts, PublicId, Action, ObjectRef, int, Asking], Decision]

CASES = [*guardian_cases(), *staff_cases(), *shifted_cases(), *narrowed_cases(), *observer_cases(), *notice_cases()]


def check(decide: Decide) -> None:
    """Raise AssertionError at the first case answered otherwise.

    Each time of fresh facts: what one decision worked out must not help another.
    """
    for item in CASES:
        got = short(
            decide(dataclasses.replace(item.facts), item.person, item.action, item.obj, item.now_ms, item.asking)
        )
        assert got == item.expected, f"{item.name}: {got} instead of {item.expected}"
