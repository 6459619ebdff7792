"""The outbox: numbering, journal copies, settling with the hub."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.core.db import Database
from gateway.core.events import Event, Lane, uuid7
from gateway.upstream import outbox
from tests.fakes.clock import NOON_MS
from tests.fakes.events import CAMERA, numbered
from tests.fakes.upstream_db import fill, kept, memory, state


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = memory()
    yield connection
    connection.close()


def test_numbers_of_a_lane_begin_at_one_and_have_no_holes(db: sqlite3.Connection) -> None:
    """Three lanes count each for themselves; the document carries its number."""
    for lane in Lane:
        fill(db, lane, 3)
    for lane in Lane:
        found = outbox.pending(db, state(db, lane), 10)
        assert [item.seq for item in found] == [1, 2, 3]
        assert [json.loads(item.body)["sequence"] for item in found] == [1, 2, 3]


def test_an_event_that_may_not_leave_has_no_document(db: sqlite3.Connection) -> None:
    """It is in the box's own events, and uses no number."""
    outbox.put(db, Event(uuid7(NOON_MS), "access.changed.v1", NOON_MS, True, 1, {"what": "person.added", "version": 2}))
    assert db.execute("SELECT count(*) FROM event").fetchone()[0] == 1
    assert outbox.lanes(db) == []


def test_the_event_goes_with_the_transaction_of_its_fact(tmp_path: Path) -> None:
    """A fact that is rolled back leaves neither event nor number."""
    base = Database(tmp_path / "gateway.db", [outbox.MIGRATIONS])
    base.open()

    def broken(conn: sqlite3.Connection) -> None:
        fill(conn, Lane.ALARM, 2)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        base.write_sync(broken)
    base.write_sync(lambda conn: fill(conn, Lane.ALARM, 1))
    assert base.read_sync(lambda conn: state(conn).last) == 1
    base.close()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**40])
def test_a_figure_that_is_no_number_does_not_break_the_fact(db: sqlite3.Connection, value: float) -> None:
    """The event is written with null, the document without the field."""
    outbox.put(db, Event(uuid7(NOON_MS), "clock.step.v1", NOON_MS, True, 1, {"step_ms": value}))
    (body,) = db.execute("SELECT body FROM outbox").fetchone()
    assert json.loads(body)["data"] == {}


def test_the_same_event_put_twice_is_one(db: sqlite3.Connection) -> None:
    """The second uses no number."""
    event = numbered(Lane.ALARM, 1)
    outbox.put(db, event)
    outbox.put(db, event)
    assert state(db).last == 1


def test_a_batch_is_bounded_in_number_and_bytes(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """But it always holds at least one document."""
    fill(db, Lane.ALARM, 20)
    assert len(outbox.pending(db, state(db), 7)) == 7
    monkeypatch.setattr(outbox, "MAX_BATCH_BYTES", 1)
    assert len(outbox.pending(db, state(db), 7)) == 1


def test_a_batch_ends_before_a_hole(db: sqlite3.Connection) -> None:
    """What the hub gets is always contiguous, even from a damaged table."""
    fill(db, Lane.ALARM, 9)
    db.execute("DELETE FROM outbox WHERE seq = 4")
    assert [item.seq for item in outbox.pending(db, state(db), 9)] == [1, 2, 3]


def test_alarms_go_first(db: sqlite3.Connection) -> None:
    """However much routine waits, the next batch is the alarm lane's, then the report's."""
    fill(db, Lane.ROUTINE, 50)
    fill(db, Lane.REPORT, 1)
    fill(db, Lane.ALARM, 1)
    order = []
    while (found := outbox.next_batch(db, 30)) is not None:
        order.append((found[0].lane, len(found[1])))
        outbox.acknowledge(db, found[0].lane, found[0].stream, found[1][-1].seq)
    assert order == [(Lane.ALARM, 1), (Lane.REPORT, 1), (Lane.ROUTINE, 30), (Lane.ROUTINE, 20)]


def test_an_acknowledgement_for_an_older_stream_changes_nothing(db: sqlite3.Connection) -> None:
    """It came late; and one above the last number is cut to it."""
    fill(db, Lane.ALARM, 3)
    outbox.acknowledge(db, Lane.ALARM, uuid7(1), 3)
    assert state(db).acked == 0
    outbox.acknowledge(db, Lane.ALARM, state(db).stream, 99)
    assert state(db).acked == 3


class TestJournal:
    """Copies of the recorder's journal."""

    @staticmethod
    def row(seq: int, kind: str = "clock.step.v1", name: str = "") -> dict[str, Any]:
        return {
            "seq": seq,
            "id": name or uuid7(NOON_MS + seq),
            "type": kind,
            "at_ms": NOON_MS,
            "time_trusted": True,
            "mono_ms": seq,
            "subject": CAMERA,
            "data": {"step_ms": seq},
        }

    def test_a_page_is_copied_once(self, db: sqlite3.Connection) -> None:
        """The same page again, or one that overlaps, adds only what is new."""
        rows = [self.row(seq) for seq in range(1, 6)]
        assert outbox.copy_journal(db, "j", rows[:3]) == 3
        assert outbox.copy_journal(db, "j", rows[:3]) == 0
        assert outbox.copy_journal(db, "j", rows) == 2
        assert outbox.journal_position(db, "j") == (5, rows[-1]["id"])
        assert kept(db, Lane.ROUTINE) == [1, 2, 3, 4, 5]

    def test_an_unknown_type_is_passed_over(self, db: sqlite3.Connection) -> None:
        """A newer recorder does not stop an older gateway."""
        assert outbox.copy_journal(db, "j", [self.row(1, "camera.dreamt.v1"), self.row(2)]) == 2
        assert kept(db, Lane.ROUTINE) == [1]

    def test_a_forgotten_journal_is_copied_again_without_doubles(self, db: sqlite3.Connection) -> None:
        """After the recorder's restore only facts never seen become events."""
        rows = [self.row(seq) for seq in range(1, 4)]
        outbox.copy_journal(db, "j", rows)
        outbox.forget_journal(db, "j")
        outbox.copy_journal(db, "j", [*rows[:2], self.row(3), self.row(4)])
        assert state(db, Lane.ROUTINE).last == 5

    def test_journals_have_positions_of_their_own(self, db: sqlite3.Connection) -> None:
        """A new database of the recorder starts at nothing."""
        outbox.copy_journal(db, "j", [self.row(7)])
        assert outbox.journal_position(db, "k") == (0, "")


class TestSettling:
    """Taking over the hub's cursor, and both restore traps."""

    def test_a_hub_behind_makes_the_box_rewind(self, db: sqlite3.Connection) -> None:
        """It was restored from a backup: everything since goes again, under the same name."""
        ids = fill(db, Lane.ALARM, 10)
        name = state(db).stream
        outbox.acknowledge(db, Lane.ALARM, name, 10)
        assert outbox.settle(db, Lane.ALARM, name, 6, ids[5], uuid7(1)) is False
        assert (state(db).acked, state(db).stream) == (6, name)
        assert [item.seq for item in outbox.pending(db, state(db), 99)] == [7, 8, 9, 10]

    def test_a_hub_ahead_means_a_new_stream(self, db: sqlite3.Connection) -> None:
        """This box was restored: its next numbers were used before, so they need another name."""
        fill(db, Lane.ALARM, 10)
        old, fresh = state(db).stream, uuid7(1)
        outbox.acknowledge(db, Lane.ALARM, old, 9)
        assert outbox.settle(db, Lane.ALARM, old, 14, uuid7(2), fresh) is True
        assert state(db) == (Lane.ALARM, fresh, 0, 10, 0)

    def test_another_event_at_the_cursor_means_a_new_stream(self, db: sqlite3.Connection) -> None:
        """The restored box made up the numbers before it spoke: only the id tells."""
        fill(db, Lane.ALARM, 20)
        old = state(db).stream
        assert outbox.settle(db, Lane.ALARM, old, 14, uuid7(2), uuid7(1)) is True
        assert state(db).stream != old

    def test_what_is_pruned_is_jumped_over_by_a_new_stream(self, db: sqlite3.Connection) -> None:
        """A hub that lost its database gets all that is kept, instead of waiting for what is gone."""
        fill(db, Lane.ALARM, 10)
        outbox.acknowledge(db, Lane.ALARM, state(db).stream, 10)
        db.execute("DELETE FROM outbox WHERE seq <= 4")
        assert outbox.settle(db, Lane.ALARM, state(db).stream, 0, "", uuid7(1)) is True
        assert (state(db).base, state(db).acked, state(db).last) == (4, 4, 10)

    def test_everything_pruned_and_a_hub_that_forgot_is_an_empty_lane(self, db: sqlite3.Connection) -> None:
        """The next number still goes on: none is used twice."""
        fill(db, Lane.ALARM, 3)
        db.execute("DELETE FROM outbox")
        assert outbox.settle(db, Lane.ALARM, state(db).stream, 0, "", uuid7(1)) is True
        fill(db, Lane.ALARM, 1)
        assert [item.seq for item in outbox.pending(db, state(db), 9)] == [4]

    def test_agreeing_is_no_change(self, db: sqlite3.Connection) -> None:
        """Also with a pruned document at the cursor, and with an empty lane."""
        ids = fill(db, Lane.ALARM, 3)
        name = state(db).stream
        assert outbox.settle(db, Lane.ALARM, name, 3, ids[-1], uuid7(1)) is False
        db.execute("DELETE FROM outbox")
        assert outbox.settle(db, Lane.ALARM, name, 3, ids[-1], uuid7(1)) is False
        assert state(db) == (Lane.ALARM, name, 0, 3, 3)

    def test_an_answer_about_an_old_stream_is_ignored(self, db: sqlite3.Connection) -> None:
        """It was renewed meanwhile."""
        fill(db, Lane.ALARM, 3)
        assert outbox.settle(db, Lane.ALARM, uuid7(5), 99, "x", uuid7(1)) is False
        assert state(db).acked == 0


def test_single_values_are_replaced(db: sqlite3.Connection) -> None:
    """The id the hub gave us is one."""
    assert outbox.read_meta(db, "gateway") is None
    outbox.write_meta(db, "gateway", "a")
    outbox.write_meta(db, "gateway", "b")
    assert outbox.read_meta(db, "gateway") == "b"
