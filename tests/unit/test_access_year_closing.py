"""What a new school year takes from guardians, told before it is done: exactly what it then takes, and nothing is kept."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from gateway.access.consent_years import ConsentYears
from gateway.access.departures import Departures
from gateway.access.roster.acts import RosterActs
from gateway.access.roster.rollover import LEAVES, STAYS, Rollover
from gateway.access.roster.yearclosing import Closing, Hindrance, closing, hindrance
from gateway.core.model import PublicId
from tests.fakes.access_world import World, add_class, add_family, school
from tests.fakes.school import NOW

pytestmark = pytest.mark.anyio
TABLES = ("child", "class", "enrolment", "guardian", "teaching", "consent", "resolution", "access_state", "audit")
LATER = dt.date(2026, 12, 1)


def tables(w: World) -> list[list[tuple[object, ...]]]:
    return [[tuple(row) for row in w.rows(f"SELECT * FROM {name}")] for name in TABLES]


def year_of(w: World) -> Rollover:
    return Rollover(w.access.store, RosterActs(w.access.store), ConsentYears())


async def rehearsed(
    w: World, targets: dict[PublicId, str], *, again: bool = False, day: dt.date | None = None
) -> Closing:
    """Rehearse, and prove that nothing of it is left."""
    before, facts = tables(w), w.access.store.current
    _, closings = await year_of(w).rehearse(targets, day=day)
    assert (tables(w), w.access.store.current) == (before, facts)
    return closings[again]


async def test_a_look_at_the_new_year_names_what_closes_and_changes_nothing(tmp_path: Path) -> None:
    """Two children come to a new class without a camera, one leaves: the classes, the families, the logins, by name."""
    async with school(tmp_path) as w:
        await w.join(w.father_of_mate, "Galaxy")
        big = await add_class(w.access, w.actor, "Lá 1", [])
        leaver = await add_family(w.access, w.actor, big, "Bé Lớn", "Mẹ Lớn")
        await w.join(leaver.guardian, "Oppo")
        assert hindrance(w.access.store.current, big, NOW) is Hindrance.CAMERA
        found = await rehearsed(w, {w.class_id: "Chồi 1", big: LEAVES})
        assert found == Closing(NOW, ((w.class_id, Hindrance.NOBODY),), 2, frozenset({leaver.guardian}), 1)
        later = await rehearsed(w, {w.class_id: "Chồi 1", big: LEAVES}, day=LATER)
        assert (later.classes, later.children, later.logins) == (found.classes, 2, 1)
        assert later.at_ms > NOW


async def test_asking_again_closes_the_classes_that_stay_open_otherwise(tmp_path: Path) -> None:
    """Both answers of the school to the question of consent are rehearsed: the page shows what each of them closes."""
    async with school(tmp_path) as w:
        stays: dict[PublicId, str] = {w.class_id: STAYS}
        assert await rehearsed(w, stays) == Closing(NOW)
        found = await rehearsed(w, stays, again=True)
        assert (found.classes, found.children, found.logins) == (((w.class_id, Hindrance.ANSWERS),), 2, 0)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("target", ["Chồi 1", "Lá 1", STAYS, LEAVES])
async def test_what_was_told_is_what_happens(tmp_path: Path, target: str, again: bool) -> None:
    """The year is turned as it was rehearsed: the same classes are closed, and as many logins end within a minute."""
    async with school(tmp_path) as w:
        store, year = w.access.store, year_of(w)
        other = await add_class(w.access, w.actor, "Lá 1", [])
        targets = {w.class_id: target, other: STAYS}
        before = store.current
        plan, closings = await year.rehearse(targets, ask_again=again)
        told = closings[again and plan.consents > 0]
        asked = again if plan.consents else None
        await year.apply(w.actor, targets, plan.fingerprint(), ask_again=asked)
        happened = closing(before, store.current, NOW)
        assert (told.classes, told.children, told.leavers) == (happened.classes, happened.children, happened.leavers)
        open_before = len(w.rows("SELECT 1 FROM login_session WHERE ended_ms IS NULL"))
        await Departures(store, w.access.logins).sweep()
        assert open_before - len(w.rows("SELECT 1 FROM login_session WHERE ended_ms IS NULL")) == told.logins
