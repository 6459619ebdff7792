"""How long a guardian may watch on one day.

Owns the arithmetic. Pure. Invariants: minutes are counted over all classes and devices of a guardian, from the site's
midnight; what is spent stays spent until the next one; a limit is one only where a class of the camera sets it, and
the smallest counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.access.ask import Ask
from gateway.access.facts import ClassRules, Span
from gateway.access.localtime import midnight, moment
from gateway.core.model import PublicId

MS_PER_MINUTE = 60_000


def limit_ms(rules: Iterable[ClassRules]) -> int | None:
    """Return how long these rules let one guardian watch on a day; None = without a limit."""
    limits = [row.daily_minutes for row in rules if row.daily_minutes is not None]
    return min(limits) * MS_PER_MINUTE if limits else None


def is_spent(ask: Ask, most_ms: int, at_ms: int) -> bool:
    """Say whether the day's time is used up at this instant."""
    start_ms = midnight(ask.facts.zone, moment(ask.facts.zone, at_ms).date)
    watched_ms = 0
    for span in ask.asking.viewed:
        since = max(start_ms, span.since_ms)
        until = at_ms if span.until_ms is None or span.until_ms > at_ms else span.until_ms
        if since < until:
            watched_ms += until - since
    return watched_ms >= most_ms


def spent_at(ask: Ask, classes: Iterable[PublicId], start_ms: int, end_ms: int) -> set[int]:
    """Return the UTC ms of a local day (midnight to midnight) at which the limit of one of these classes is reached."""
    rules = ask.facts.index.rules_of_class
    limits = {rules[name].daily_minutes for name in classes if name in rules}
    found: set[int] = set()
    for limit in limits:
        if limit is not None:
            end = spent_out_ms(ask.asking.viewed, start_ms, end_ms, limit * MS_PER_MINUTE)
            if end is not None:
                found.add(end)
    return found


def spent_out_ms(viewed: Sequence[Span], start_ms: int, end_ms: int, limit_ms: int) -> int | None:
    """Return the first UTC ms of [start, end) by which `limit_ms` were watched since its start; None if never.

    A limit of nothing at all is reached with the day, which is an instant of every answer anyhow.
    """
    steps: list[tuple[int, int]] = []
    for span in viewed:
        since, until = max(span.since_ms, start_ms), end_ms if span.until_ms is None else min(span.until_ms, end_ms)
        if since < until:
            steps += ((since, 1), (until, -1))
    watched_ms = running = 0
    last_ms = start_ms
    for at_ms, change in sorted(steps):
        if running and watched_ms + running * (at_ms - last_ms) >= limit_ms:
            reached = last_ms + -(-(limit_ms - watched_ms) // running)
            return reached if reached < end_ms else None
        watched_ms += running * (at_ms - last_ms)
        last_ms, running = at_ms, running + change
    return None
