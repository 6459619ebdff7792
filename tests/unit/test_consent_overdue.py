"""Cases that nobody settled in time: a condition of the box, without a name, gone when the last one is settled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.access.consent_rules import Remedy
from gateway.health.tracker import Edges, Tracker
from tests.fakes.consent_world import VIEW, ConsentWorld, consent_school

pytestmark = pytest.mark.anyio
DAY_S = 86_400


async def look(c: ConsentWorld, tracker: Tracker) -> Edges:
    """One look of the gateway at itself, ten seconds later."""
    c.w.clock.tick(10)
    status: Mapping[str, Any] = {"recorder": {"cameras": [], "volumes": []}, "live": {}, "clock_trusted": True}
    edges = tracker.look({**status, "cases_overdue": await c.door.overdue()})
    tracker.done(edges)
    return edges


async def test_a_case_past_its_day_is_told_until_it_is_settled(tmp_path: Path) -> None:
    """Two school days are quiet, then one condition without a child in it; the settlement clears it."""
    async with consent_school(tmp_path) as c:
        tracker = Tracker(c.w.clock)
        await c.consents.withdraw(c.mother, c.w.child, VIEW)
        (case,) = await c.cases.rows()
        before_s = (case.due_ms - c.w.clock.now_ms()) / 1000 - 60
        c.w.clock.tick(before_s)
        assert (await look(c, tracker)).events == ()
        c.w.clock.tick(60)
        await look(c, tracker)
        (raised,) = (await look(c, tracker)).events
        assert (raised.type, raised.data["condition"], raised.data["about"]) == (
            "condition.raised.v1", "consent.overdue", "box",
        )  # fmt: skip
        assert not any(word in repr(raised) for word in (c.w.child, c.w.class_id, "Bé An"))
        assert [item.code for item in tracker.current()] == ["consent.overdue"]
        await c.cases.settle(c.w.actor, c.w.child, c.w.class_id, Remedy.MASK, "Che góc chơi", VIEW)
        (cleared,) = (await look(c, tracker)).events
        assert (cleared.type, tracker.current()) == ("condition.cleared.v1", [])


async def test_a_child_that_left_leaves_nothing_to_settle(tmp_path: Path) -> None:
    """Its case is in no list any more, so it alarms nobody; a new yes ends an overdue one as well."""
    async with consent_school(tmp_path) as c:
        await c.consents.withdraw(c.mother, c.w.child, VIEW)
        await c.consents.withdraw(c.father, c.w.mate, VIEW)
        c.w.clock.tick(9 * DAY_S)
        assert await c.door.overdue() == 2
        await c.say(c.father, c.w.mate, given=True)
        assert await c.door.overdue() == 1
        await c.w.access.children.leave(c.w.actor, c.w.child, at_once=True)
        principal = await c.caller(c.w.actor)
        assert (await c.door.overdue(), list(await c.door.cases(principal))) == (0, [])
