"""Each change of facts is one step: fact, number, audit and event come together or not at all."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access import (
    audit,
    children,
    classes,
    exports,
    holds,
    narrowing,
    observing,
    pauses,
    people,
    schooldays,
    sharing,
    staffnotices,
    walls,
)
from gateway.access.audit import Actor
from gateway.access.store import FactStore
from gateway.core.events import Event
from gateway.core.secrets import SealKey
from tests.fakes.access_mutations import MUTATIONS, THE_TEACHERS, Mutation, dump
from tests.fakes.access_world import KEY, school
from tests.unit.test_access_store import normal

pytestmark = pytest.mark.anyio
EACH = pytest.mark.parametrize(
    "mutation", [m for m in MUTATIONS if m.code not in THE_TEACHERS], ids=lambda mutation: mutation.code
)


class OutboxFull(RuntimeError):
    """What the outbox raises when the disk does."""


def test_the_table_has_every_change() -> None:
    """No module of access changes facts under a code that is not proved here."""
    said = set()
    for module in (
        children,
        classes,
        exports,
        holds,
        narrowing,
        observing,
        people,
        sharing,
        pauses,
        schooldays,
        staffnotices,
        walls,
    ):
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        said |= set(
            re.findall(
                r'"((?:person|teacher|child|guardian|consent|class|cameras?|calendar|box|sharing|pause|export|hold|observation|wall|notice)\.[a-z]+)"',
                source,
            )
        )
    names = {
        "person.name",
        "child.name",
        "observation.reason",
        "observation.invited",
        "pause.reason",
        "export_order.why",
        "sharing.stopped",
    }
    names |= {"export.requested", "export.approved", "export.done", "notice.sign"}
    assert said - names == {mutation.code for mutation in MUTATIONS}


@EACH
async def test_a_change_is_one_step(mutation: Mutation, tmp_path: Path) -> None:
    """The version grows by exactly one, with one audit row, one event and one call of the listeners."""
    async with school(tmp_path) as w:
        await mutation.before(w, w.actor)
        store, heard = w.access.store, list[int]()
        before, rows, events = store.current.version, len(w.bodies()), len(w.events)
        store.listeners.append(lambda facts: heard.append(facts.version))
        await mutation.act(w, w.actor)
        assert (store.current.version, heard) == (before + 1, [before + 1])
        (row,) = w.bodies()[rows:]
        assert (row["what"], row["person"], row["device"]) == (mutation.code, w.principal, w.actor.device)
        changed = [event for event in w.events[events:] if event.type == "access.changed.v1"]
        assert [(event.data["what"], event.data["version"]) for event in changed] == [(mutation.code, before + 1)]


@EACH
async def test_a_change_that_cannot_be_told_is_not_made(mutation: Mutation, tmp_path: Path) -> None:
    """If the event cannot be kept, the fact is not either: the database is byte for byte what it was."""
    async with school(tmp_path) as w:
        await mutation.before(w, w.actor)
        store = w.access.store
        before, known = dump(w), store.current

        def full(_conn: sqlite3.Connection, _event: Event) -> None:
            raise OutboxFull

        store.emit = full
        with pytest.raises(OutboxFull):
            await mutation.act(w, w.actor)
        assert dump(w) == before
        assert store.current is known


@EACH
async def test_a_change_survives_a_restart(mutation: Mutation, tmp_path: Path) -> None:
    """What memory says after a change is what the database says to whoever reads it anew."""
    async with school(tmp_path) as w:
        await mutation.before(w, w.actor)
        await mutation.act(w, w.actor)
        again = FactStore(w.db, w.clock, zone=w.access.store.current.zone, seal=SealKey(bytes(32)))
        assert normal(await again.load()) == normal(w.access.store.current)


async def test_a_caller_that_goes_away_does_not_hide_a_change(tmp_path: Path) -> None:
    """A request that is cancelled while its change is written: the change stands and everybody knows of it."""
    async with school(tmp_path) as w:
        before = w.access.store.current.version
        task = asyncio.create_task(w.access.sharing.stop_all(w.actor))
        await asyncio.sleep(0)
        task.cancel()
        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
        assert w.rows("SELECT facts_version FROM access_state")[0][0] == before + 1
        assert w.access.store.current.version == before + 1
        assert w.access.store.current.sharing_stopped is True


async def test_changes_at_the_same_time_queue_up(tmp_path: Path) -> None:
    """Ten changes begun together are ten versions, in one order that audit and events agree on."""
    async with school(tmp_path) as w:
        before, rows = w.access.store.current.version, len(w.bodies())
        await asyncio.gather(*(w.access.classes.add(w.actor, f"Lớp {number}") for number in range(10)))
        assert w.access.store.current.version == before + 10
        versions = [event.data["version"] for event in w.events if event.type == "access.changed.v1"]
        assert versions[-10:] == list(range(before + 1, before + 11))
        told = [row["class"] for row in w.bodies()[rows:]]
        assert len(set(told)) == 10
        assert set(told) <= w.access.store.current.classes


ONCE = {"teacher.add", "pause.explain", "cameras.sync", "hold.renew", "hold.lift"}
ONCE |= {"observation.make", "observation.end", "observation.assent", "observation.withdraw", "observation.decline"}
ONCE |= {"export.approve", "export.refuse", "export.cancel", "teacher.end", "class.end"}
ONCE |= {"pause.ask", "pause.answer", "notice.paper", "calendar.clear"}
REPEATABLE = [mutation for mutation in MUTATIONS if mutation.code not in ONCE]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(REPEATABLE), st.booleans(), st.integers(0, 90)), max_size=8))
def test_any_order_of_changes_keeps_the_books(steps: list[tuple[Mutation, bool, int]]) -> None:
    """Whatever is changed in whatever order, some of it failing: versions count the successes, the chain is whole."""

    async def run(folder: Path) -> None:
        async with school(folder) as w:
            store, good = w.access.store, w.access.store.emit
            start, rows = store.current.version, len(w.bodies())
            done: list[str] = []
            for mutation, fails, seconds in steps:
                w.clock.tick(seconds)

                def full(_conn: sqlite3.Connection, _event: Event) -> None:
                    raise OutboxFull

                store.emit = full if fails else good
                if fails:
                    with pytest.raises(OutboxFull):
                        await mutation.act(w, w.actor)
                else:
                    await mutation.act(w, w.actor)
                    done.append(mutation.code)
                store.emit = good
                assert store.current.version == start + len(done)
            assert [row["what"] for row in w.bodies()[rows:] if row["what"] not in ("ended", "granted")] == done
            again = FactStore(w.db, w.clock, zone=store.current.zone, seal=SealKey(bytes(32)))
            assert normal(await again.load()).items() >= {"version": start + len(done)}.items()
            verdict = await w.db.read(lambda conn: audit.verify(conn, KEY.public_key()))
            assert verdict.problem is None

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


async def test_times_of_rows_are_the_moment_of_the_change(tmp_path: Path) -> None:
    """Audit rows and spans carry the clock's time at the transaction, not when the caller began."""
    async with school(tmp_path) as w:
        w.clock.tick(61)
        await w.access.children.leave(w.actor, w.mate, at_once=True)
        now_ms = w.clock.now_ms()
        assert w.bodies()[-1]["at_ms"] == now_ms
        assert w.rows("SELECT until_ms FROM enrolment WHERE child = ?", w.mate)[0][0] == now_ms


async def test_the_console_is_written_down_as_such(tmp_path: Path) -> None:
    """Whoever holds the box's socket acts without a person, and the audit says console."""
    async with school(tmp_path) as w:
        await w.access.sharing.stop_all(Actor(None, "console"))
        assert (w.bodies()[-1]["person"], w.bodies()[-1]["device"]) == (None, "console")
