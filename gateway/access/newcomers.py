"""The adaptation weeks of a class: only families whose child has just joined it see it.

Owns the rule. Pure. Invariants: days are the site's local days, the day of joining is the first; a class that sets
none narrows nothing; another class's newcomer is none here. A day
ends at midnight, which is an instant of every answer that hours decide.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from gateway.access.facts import ClassRules, Enrolment, Facts
from gateway.access.localtime import midnight, moment
from gateway.core.model import PublicId


def may_see(facts: Facts, rules: ClassRules, children: Collection[PublicId], at_ms: int) -> bool:
    """Say whether the class does not ask for newcomers, or one of these children is one now."""
    if rules.adaptation_days is None:
        return True
    return any(
        row.class_id == rules.class_id and row.holds(at_ms) and at_ms < _end_ms(facts, row, rules.adaptation_days)
        for child in children
        for row in facts.index.enrolments_of_child.get(child, ())
    )


def _end_ms(facts: Facts, row: Enrolment, days: int) -> int:
    first = moment(facts.zone, row.since_ms).date
    return midnight(facts.zone, first + dt.timedelta(days=days))
