"""What a new school year takes from guardians, told before it is done: exactly what it then takes, and nothing is kept."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.access.audit import CONSOLE
from gateway.access.classes import Hours, at
from gateway.access.consent_years import ConsentYears
from gateway.access.departures import Departures
from gateway.access.enrolment import Rows
from gateway.access.roster import rollover
from gateway.access.roster.acts import RosterActs
from gateway.access.roster.rollover import LEAVES, STAYS, Rollover, Turn
from gateway.access.roster.yearclosing import Closing, Hindrance, closing, week
from gateway.core.errors import BadInput
from gateway.core.model import PublicId, new_public_id
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
    found = await year_of(w).rehearse(targets, day=day)
    assert (tables(w), w.access.store.current) == (before, facts)
    return found.closings[again]


async def test_a_look_at_the_new_year_names_what_closes_and_changes_nothing(tmp_path: Path) -> None:
    """Two children come to a new class without a camera, one leaves: the classes, the families, the logins, by name."""
    async with school(tmp_path) as w:
        await w.join(w.father_of_mate, "Galaxy")
        big = await add_class(w.access, w.actor, "Lá 1", [])
        leaver = await add_family(w.access, w.actor, big, "Bé Lớn", "Mẹ Lớn")
        await w.join(leaver.guardian, "Oppo")
        assert week(w.access.store.current, NOW).hindrances[big] is Hindrance.CAMERA
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
        found = await year.rehearse(targets, ask_again=again)
        told = found.closings[again and found.plan.consents > 0]
        asked = again if found.plan.consents else None
        await year.apply(w.actor, targets, found.shown(), ask_again=asked)
        happened = closing(before, store.current, NOW)
        assert (told.classes, told.children, told.leavers) == (happened.classes, happened.children, happened.leavers)
        open_before = len(w.rows("SELECT 1 FROM login_session WHERE ended_ms IS NULL"))
        await Departures(store, w.access.logins).sweep()
        assert open_before - len(w.rows("SELECT 1 FROM login_session WHERE ended_ms IS NULL")) == told.logins


async def next_year(w: World) -> tuple[PublicId, dict[PublicId, str]]:
    """A class of next year with its own camera, hours and plan, still empty: this year's children come to it."""
    camera = new_public_id()
    await w.access.classes.sync_cameras(CONSOLE, [w.camera, camera])
    target = await add_class(w.access, w.actor, "Chồi 1", [camera])
    return target, {w.class_id: "Chồi 1", target: STAYS}


async def test_children_that_come_to_a_class_without_a_plan_are_told_as_seen_no_more(tmp_path: Path) -> None:
    """Hours and a camera alone open nothing: with the plan nobody loses the picture, without it both children do."""
    async with school(tmp_path) as w:
        target, targets = await next_year(w)
        assert (await rehearsed(w, targets)).children == 0
        await w.access.classes.set_plan(w.actor, target, [])
        assert (await rehearsed(w, targets)).children == 2


async def test_what_would_close_is_a_part_of_what_was_shown(tmp_path: Path) -> None:
    """Hours or the camera taken from next year's class between look and press: refused whole, shown anew, then done."""
    async with school(tmp_path) as w:
        target, targets = await next_year(w)
        year = year_of(w)

        async def apply(shown: str) -> None:
            await year.apply(w.actor, targets, shown, ask_again=False)

        first = await year.rehearse(targets)
        await w.access.classes.set_windows(w.actor, target, [])
        second = await year.rehearse(targets)
        (camera,) = (row.camera for row in w.access.store.current.class_cameras if row.class_id == target)
        await w.access.classes.set_windows(w.actor, target, [Hours(at("07:30"), at("16:30"))])
        assert (await year.rehearse(targets)).shown() == first.shown()
        await w.access.classes.release(w.actor, camera, target)
        before = tables(w)[:-1]  # but for the audit
        with pytest.raises(BadInput) as refused:
            await apply(first.shown())
        assert (refused.value.fields["case"], tables(w)[:-1]) == ("import_moved", before)
        assert (await year.rehearse(targets)).shown() == second.shown()  # the same two children lose the same class
        await w.access.logins.end_person(w.actor, w.mother)  # logins come and go
        await apply(second.shown())


async def test_what_one_answer_closes_was_not_shown_for_the_other(tmp_path: Path) -> None:
    """Each answer has its own name: none is taken for the other, and none but these is taken."""
    async with school(tmp_path) as w:
        found = await year_of(w).rehearse({w.class_id: STAYS})
        keep, again = found.shown().split(".")
        assert keep != again
        for shown, ask_again in ((keep, True), (again, False), ("", False), (".", True)):
            with pytest.raises(BadInput):
                await year_of(w).apply(w.actor, {w.class_id: STAYS}, shown, ask_again=ask_again)
        await year_of(w).apply(w.actor, {w.class_id: STAYS}, again, ask_again=True)


async def test_a_look_keeps_the_writer_for_the_rows_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are opened and facts compared by other threads than the one that writes for everybody."""
    async with school(tmp_path) as w:
        writer = await w.db.write(lambda _conn: threading.get_ident())
        store, threads = w.access.store, dict[str, set[int]]()

        def noted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any) -> Any:
                threads.setdefault(name, set()).add(threading.get_ident())
                return real(*args)

            return call

        monkeypatch.setattr(store, "unseal", noted("unseal", store.unseal))
        monkeypatch.setattr(rollover, "closing", noted("closing", closing))
        await rehearsed(w, {w.class_id: "Chồi 1"})
        assert set(threads) == {"unseal", "closing"}
        assert not any(writer in found for found in threads.values())


async def test_a_change_during_a_look_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that comes after the names were opened is counted: they are read again with the rows."""
    async with school(tmp_path) as w:
        real, came = w.db.read, list[PublicId]()

        async def read(fn: Callable[[sqlite3.Connection], Any]) -> Any:
            found = await real(fn)
            if not came:
                came.append(w.class_id)
                await add_family(w.access, w.actor, w.class_id, "Bé Mới", "Mẹ Mới")
            return found

        monkeypatch.setattr(w.db, "read", read)
        plan = (await year_of(w).rehearse({w.class_id: STAYS})).plan
        assert (came, len(plan.steps[0].children)) == ([w.class_id], 3)


async def test_a_full_disk_in_a_look_is_told_as_such(tmp_path: Path) -> None:
    """SQLite rolls all of it back by itself then: the cause is raised, not that there is nothing to roll back to."""

    class Full(ConsentYears):
        def end(self, conn: sqlite3.Connection, rows: Rows, turn: Turn) -> None:
            conn.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")

    async with school(tmp_path) as w:
        before, store = tables(w), w.access.store
        with pytest.raises(sqlite3.OperationalError, match="full") as caught:
            await Rollover(store, RosterActs(store), Full()).rehearse({w.class_id: "Chồi 1"})
        assert caught.value.__context__ is None
        assert tables(w) == before
        assert await rehearsed(w, {w.class_id: STAYS}) == Closing(NOW)
