"""Facts change through one door: decided, written, audited, announced and numbered together."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.access.audit import CONSOLE, Actor
from gateway.access.facts import Facts, Purpose
from gateway.access.migrations import MIGRATIONS
from gateway.access.people import MANAGE
from gateway.access.rows import pack_days, unpack_days
from gateway.access.store import FactStore, clean_name
from gateway.core.db import Database
from gateway.core.errors import BadInput, Denied, KeyLocked, NotFound
from gateway.core.model import Role
from gateway.core.secrets import SealKey
from tests.fakes.access_world import World, school
from tests.fakes.clock import FakeClock
from tests.fakes.memory_disk import in_memory
from tests.fakes.school import DAY, NOW, pid

pytestmark = pytest.mark.anyio


def last_body(w: World) -> dict[str, object]:
    body: dict[str, object] = json.loads(w.rows("SELECT body FROM audit_body ORDER BY seq DESC LIMIT 1")[0]["body"])
    return body


async def test_a_change_is_one_transaction(tmp_path: Path) -> None:
    """Fact, audit row, event, version and snapshot move together, and listeners hear of it once."""
    async with school(tmp_path) as w:
        heard: list[int] = []
        w.access.store.listeners.append(lambda facts: heard.append(facts.version))
        before = w.access.store.current
        person = await w.access.people.add(w.actor, Role.TEACHER, "Cô Hoa")
        after = w.access.store.current
        assert (after.version, heard) == (before.version + 1, [before.version + 1])
        assert person in after.index.persons
        assert person not in before.index.persons
        assert last_body(w) | {"what": "person.add", "who": person, "person": w.principal} == last_body(w)
        assert (w.events[-1].type, w.events[-1].data["version"]) == ("access.changed.v1", after.version)


async def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    """A change that raises half-way leaves no row, no audit, no event and no new version."""
    async with school(tmp_path) as w:
        rows, events = len(w.rows("SELECT * FROM audit")), len(w.events)
        version = w.access.store.current.version

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            conn.execute("UPDATE access_state SET sharing_stopped = 1")
            raise BadInput("changed my mind")

        with pytest.raises(BadInput):
            await w.access.store.change(w.actor, "test", MANAGE, run)
        await w.access.store.refresh()
        assert not w.access.store.current.sharing_stopped
        assert (len(w.rows("SELECT * FROM audit")), len(w.events)) == (rows, events)
        assert w.access.store.current.version == version


async def test_a_change_without_the_right_is_refused_and_written(tmp_path: Path) -> None:
    """A guardian changes nothing but her own; the refusal is a row, its repeats are counted."""
    async with school(tmp_path) as w:
        mother, before = Actor(w.mother, w.phone), len(w.rows("SELECT * FROM audit"))
        for _ in range(3):
            with pytest.raises(Denied) as refused:
                await w.access.people.add(mother, Role.PRINCIPAL, "Tôi")
            assert refused.value.fields["reason"] == "role.action"
        assert len(w.rows("SELECT * FROM audit")) == before + 1
        assert last_body(w)["reason"] == "role.action"
        with pytest.raises(NotFound):
            await w.access.children.withdraw(mother, w.mate)
        assert w.events[-1].data["reason"] == "not_found"


async def test_the_decision_is_made_in_the_transaction(tmp_path: Path) -> None:
    """A right that ended between the question and the write does not slip through."""
    async with school(tmp_path) as w:
        store = w.access.store

        def behind(conn: sqlite3.Connection) -> None:
            conn.execute("UPDATE person SET disabled = 1 WHERE id = ?", (w.principal,))
            conn.execute("UPDATE access_state SET facts_version = facts_version + 1")

        await w.db.write(behind)
        assert not store.current.index.persons[w.principal].disabled
        with pytest.raises(Denied):
            await w.access.sharing.stop_all(w.actor)
        assert w.rows("SELECT sharing_stopped FROM access_state")[0][0] == 0


async def test_refresh_sees_other_hands(tmp_path: Path) -> None:
    """The version in the database tells whether the snapshot is old."""
    async with school(tmp_path) as w:
        store = w.access.store
        assert not await store.refresh()

        def behind(conn: sqlite3.Connection) -> None:
            conn.execute("UPDATE access_state SET accepted_ms = NULL, facts_version = facts_version + 1")

        await w.db.write(behind)
        assert await store.refresh()
        assert not store.current.accepted


async def test_facts_survive_a_restart(tmp_path: Path) -> None:
    """What was set up is read back as the same facts."""
    async with school(tmp_path) as w:
        await w.access.children.consent(w.actor, w.child, Purpose.RECORD)
        await w.access.sharing.pause(w.actor, w.class_id)
        await w.access.exports.request(w.actor, w.camera, 0, 1, "xem lại")
        again = FactStore(w.db, w.clock, zone=w.access.store.current.zone, seal=SealKey(bytes(32)))
        assert normal(await again.load()) == normal(w.access.store.current)
        now = again.current
        assert all((now.windows, now.blocks, now.pauses, now.exports, now.guardians, now.consents, now.class_cameras))


def normal(facts: Facts) -> dict[str, object]:
    """A snapshot without its indexes and order."""
    fields = {name: getattr(facts, name) for name in facts.__dataclass_fields__ if name != "index"}
    return {name: frozenset(value) if isinstance(value, tuple) else value for name, value in fields.items()}


async def test_old_spans_leave_the_snapshot(tmp_path: Path) -> None:
    """Links that ended days ago stay in the database and out of memory."""
    async with school(tmp_path) as w:
        await w.access.children.leave(w.actor, w.child, at_once=True)
        assert any(row.child == w.child for row in w.access.store.current.enrolments)
        w.clock.step_wall(4 * DAY)
        await w.access.people.add(CONSOLE, Role.TEACHER, "Cô Hoa")
        assert not any(row.child == w.child for row in w.access.store.current.enrolments)
        assert w.rows("SELECT count(*) FROM enrolment WHERE child = ?", w.child)[0][0] == 1


async def test_the_clocks_trust_is_part_of_the_facts(tmp_path: Path) -> None:
    """Facts say whether the clock may be believed at the moment they are asked for."""
    async with school(tmp_path) as w:
        assert w.access.store.current.clock_trusted
        w.clock.distrust()
        assert not w.access.store.current.clock_trusted


async def test_names_are_sealed_to_their_row(tmp_path: Path) -> None:
    """A name moved to another person does not open; neither does it with another box's key."""
    async with school(tmp_path) as w:
        assert await w.access.people.name(w.mother) == "Mẹ An"

        def swap(conn: sqlite3.Connection) -> None:
            conn.execute(
                "UPDATE person SET name_sealed = (SELECT name_sealed FROM person WHERE id = ?) WHERE id = ?",
                (w.principal, w.mother),
            )

        await w.db.write(swap)
        with pytest.raises(KeyLocked):
            await w.access.people.name(w.mother)
        with pytest.raises(NotFound):
            await w.access.people.name(pid("nobody"))


async def test_nothing_is_answered_before_loading(tmp_path: Path) -> None:
    """A store that was not loaded has no facts to decide from."""
    async with Database(in_memory(tmp_path) / "gateway.db", [MIGRATIONS]) as db:
        store = FactStore(db, FakeClock(NOW), zone=ZoneInfo("UTC"), seal=SealKey(bytes(32)))
        with pytest.raises(RuntimeError):
            _ = store.current


@pytest.mark.parametrize("bad", ["", "   ", "x" * 81, "a\x00b", "\u202eevil"])
def test_names_are_one_printable_line(bad: str) -> None:
    """A name that could break a page, a slip or a log is refused."""
    with pytest.raises(BadInput) as caught:
        clean_name(bad)
    assert caught.value.fields == {"case": "name", "most": 80}
    assert clean_name("  Bé   An ") == "Bé An"


def test_weekdays_fit_a_column() -> None:
    """Every set of weekdays survives the database."""
    for bits in range(128):
        assert pack_days(unpack_days(bits)) == bits
