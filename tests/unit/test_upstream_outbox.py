"""The outbox: numbering, journal copies, settling with the hub, keeping and dropping."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.core.db import Database
from gateway.core.events import Event, Lane, uuid7
from gateway.upstream import keeping, outbox
from gateway.upstream.protocol import Announced
from tests.fakes.clock import NOON_MS
from tests.fakes.events import CAMERA, numbered
from tests.fakes.hub_link import FakeHub

DAY_MS = 86_400_000


def memory() -> sqlite3.Connection:
    """Return an empty gateway database in memory."""
    import sqlite_utils

    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    outbox.MIGRATIONS.apply(sqlite_utils.Database(connection))
    return connection


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = memory()
    yield connection
    connection.close()


def fill(db: sqlite3.Connection, lane: Lane, count: int, *, start: int = 1, now_ms: int = NOON_MS) -> list[str]:
    events = [numbered(lane, number, now_ms=now_ms) for number in range(start, start + count)]
    for event in events:
        outbox.put(db, event)
    return [event.id for event in events]


def state(db: sqlite3.Connection, lane: Lane = Lane.ALARM) -> outbox.LaneState:
    return next(item for item in outbox.lanes(db) if item.lane is lane)


def kept(db: sqlite3.Connection, lane: Lane = Lane.ALARM) -> list[int]:
    return [row[0] for row in db.execute("SELECT seq FROM outbox WHERE lane = ? ORDER BY seq", (lane.value,))]


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


class TestKeeping:
    """Age and quota."""

    def test_only_what_is_acknowledged_and_old_goes(self, db: sqlite3.Connection) -> None:
        """The rest stays for a hub that is restored from its backup."""
        fill(db, Lane.ALARM, 5, now_ms=NOON_MS - 40 * DAY_MS)
        fill(db, Lane.ALARM, 5, start=6)
        outbox.acknowledge(db, Lane.ALARM, state(db).stream, 3)
        assert keeping.prune(db, NOON_MS - 30 * DAY_MS) == 3
        assert kept(db) == [4, 5, 6, 7, 8, 9, 10]

    def test_a_clock_that_was_wrong_makes_no_hole(self, db: sqlite3.Connection) -> None:
        """Documents from 1970 are dropped only with what came before them."""
        fill(db, Lane.ALARM, 2)
        for number in range(3, 6):
            outbox.put(db, numbered(Lane.ALARM, number, now_ms=number, trusted=False))
        fill(db, Lane.ALARM, 2, start=6)
        outbox.acknowledge(db, Lane.ALARM, state(db).stream, 7)
        assert keeping.prune(db, NOON_MS - DAY_MS) == 0
        assert kept(db) == [1, 2, 3, 4, 5, 6, 7]
        assert keeping.prune(db, NOON_MS + DAY_MS) == 7

    def test_a_box_that_stands_alone_does_not_fill_its_disk(self, db: sqlite3.Connection) -> None:
        """Nobody will acknowledge: old documents go; a hub that comes later gets the rest."""
        fill(db, Lane.ALARM, 5, now_ms=NOON_MS - 40 * DAY_MS)
        fill(db, Lane.ALARM, 2, start=6)
        assert keeping.prune(db, NOON_MS - 30 * DAY_MS, alone=True) == 5
        assert db.execute("SELECT count(*) FROM event").fetchone()[0] == 2
        assert outbox.settle(db, Lane.ALARM, state(db).stream, 0, "", uuid7(1)) is True
        assert [item.seq for item in outbox.pending(db, state(db), 9)] == [6, 7]

    def test_the_quota_drops_the_oldest_routine_and_says_so(self, db: sqlite3.Connection) -> None:
        """One event with the number of unsent documents; alarms and reports are never dropped."""
        for lane in Lane:
            fill(db, lane, 30)
        outbox.acknowledge(db, Lane.ROUTINE, state(db, Lane.ROUTINE).stream, 5)
        event = keeping.enforce_quota(db, now_ms=NOON_MS, mono_ns=1, trusted=True, most=10)
        assert event is not None
        assert dict(event.data) == {"lane": "routine", "documents": 15}
        assert kept(db, Lane.ROUTINE) == list(range(21, 31))
        assert len(kept(db, Lane.ALARM)) == 31
        assert len(kept(db, Lane.REPORT)) == 30
        assert keeping.enforce_quota(db, now_ms=NOON_MS, mono_ns=1, trusted=True, most=10) is None

    def test_dropping_what_the_hub_has_is_no_loss(self, db: sqlite3.Connection) -> None:
        """No event is made of it; nor of an empty lane."""
        assert keeping.enforce_quota(db, now_ms=NOON_MS, mono_ns=1, trusted=True, most=10) is None
        fill(db, Lane.ROUTINE, 12)
        outbox.acknowledge(db, Lane.ROUTINE, state(db, Lane.ROUTINE).stream, 12)
        assert keeping.enforce_quota(db, now_ms=NOON_MS, mono_ns=1, trusted=True, most=10) is None
        assert len(kept(db, Lane.ROUTINE)) == 10


def test_single_values_are_replaced(db: sqlite3.Connection) -> None:
    """The id the hub gave us is one."""
    assert outbox.read_meta(db, "gateway") is None
    outbox.write_meta(db, "gateway", "a")
    outbox.write_meta(db, "gateway", "b")
    assert outbox.read_meta(db, "gateway") == "b"


def dump(db: sqlite3.Connection) -> sqlite3.Connection:
    """Return a copy, as an image of the disk."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    copy.row_factory = sqlite3.Row
    db.backup(copy)
    copy.execute("PRAGMA foreign_keys = ON")
    return copy


class Conversation(RuleBasedStateMachine):
    """Any order of putting, sending, losing, pruning, and restoring either side from old copies."""

    def __init__(self) -> None:
        super().__init__()
        self.box, self.hub = memory(), FakeHub()
        self.count = 0
        self.images = [dump(self.box)]
        self.backups = [self.hub.backup()]

    @initialize()
    def begin(self) -> None:
        outbox.ensure_lanes(self.box, NOON_MS)

    @rule(lane=st.sampled_from(list(Lane)), count=st.integers(1, 5))
    def put(self, lane: Lane, count: int) -> None:
        self.put_into(lane, count)

    def put_into(self, lane: Lane, count: int) -> None:
        for _ in range(count):
            self.count += 1
            outbox.put(self.box, numbered(lane, self.count, now_ms=NOON_MS + self.count))

    def agree(self) -> None:
        for _ in range(4):
            states = outbox.lanes(self.box)
            cursors = self.hub.answer_hello([Announced(s.lane.value, s.stream, s.base, s.last) for s in states])
            renewed = [
                outbox.settle(self.box, s.lane, s.stream, cursors[s.stream].acked, cursors[s.stream].id, uuid7(NOON_MS))
                for s in states
            ]
            if not any(renewed):
                return
        raise AssertionError("no agreement")

    def send(self, size: int, *, answer_lost: bool = False) -> bool:
        found = outbox.next_batch(self.box, size)
        if found is None:
            return False
        lane, documents = found
        ack = self.hub.take(lane.stream, documents[0].seq, [item.body for item in documents])
        if answer_lost:
            return True
        if ack.gap or not lane.acked < ack.acked <= documents[-1].seq:
            self.agree()
        else:
            outbox.acknowledge(self.box, lane.lane, lane.stream, ack.acked)
        return True

    @rule(size=st.integers(1, 7), lost=st.booleans())
    def one_batch(self, size: int, lost: bool) -> None:
        self.send(size, answer_lost=lost)

    @rule()
    def restart(self) -> None:
        self.agree()

    def work(self, count: int) -> None:
        """Put into one lane and send everything."""
        self.put_into(Lane.ALARM, count)
        self.drain()

    def drain(self) -> None:
        self.agree()
        for _ in range(10_000):
            if not self.send(50):
                return
        raise AssertionError("the outbox does not empty")

    @rule(count=st.integers(1, 9))
    def a_quiet_day(self, count: int) -> None:
        self.work(count)

    @rule(before=st.integers(1, 9), after=st.integers(0, 12), offline=st.booleans())
    def yesterdays_image_is_put_back(self, before: int, after: int, offline: bool) -> None:
        image = dump(self.box)
        self.work(before)
        self.box.close()
        self.box = image
        self.put_into(Lane.ALARM, after)
        if not offline:
            self.agree()

    @rule(count=st.integers(1, 9), lost=st.booleans())
    def yesterdays_backup_of_the_hub_is_put_back(self, count: int, lost: bool) -> None:
        backup = self.hub.backup()
        self.work(count)
        self.put_into(Lane.ALARM, 2)
        self.send(9, answer_lost=lost)
        self.hub.restore(backup)

    @rule()
    def image_of_the_box(self) -> None:
        self.images.append(dump(self.box))

    @rule()
    def backup_of_the_hub(self) -> None:
        self.backups.append(self.hub.backup())

    @rule(data=st.data())
    def box_is_restored(self, data: st.DataObject) -> None:
        self.box = dump(data.draw(st.sampled_from(self.images)))
        outbox.ensure_lanes(self.box, NOON_MS)

    @rule(data=st.data())
    def hub_is_restored(self, data: st.DataObject) -> None:
        self.hub.restore(data.draw(st.sampled_from(self.backups)))

    @rule()
    def hub_loses_everything(self) -> None:
        self.hub.restore(self.backups[0])

    @rule(before=st.integers(0, 60))
    def prune(self, before: int) -> None:
        keeping.prune(self.box, NOON_MS + before)

    @invariant()
    def nothing_twice(self) -> None:
        ids = [name for _, name in self.hub.kept.events]
        assert len(ids) == len(set(ids))

    def teardown(self) -> None:
        """At last both are well: every event the box still has is at the hub, once, in its order."""
        self.drain()
        for lane in Lane:
            mine = [row["id"] for row in self.box.execute("SELECT id FROM outbox WHERE lane = ? ORDER BY seq", (lane,))]
            at_hub = self.hub.ids(lane.value)
            assert [name for name in at_hub if name in set(mine)] == mine
        for connection in (self.box, *self.images):
            connection.close()


Conversation.TestCase.settings = settings(
    max_examples=80, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestConversation = Conversation.TestCase


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(Lane)), st.booleans()), max_size=60), st.integers(1, 9))
def test_lost_answers_never_double_and_never_lose(steps: list[tuple[Lane, bool]], size: int) -> None:
    """Each event arrives once and in order, whichever answers are lost."""
    db, hub = memory(), FakeHub()
    outbox.ensure_lanes(db, NOON_MS)
    hub.answer_hello([Announced(s.lane.value, s.stream, s.base, s.last) for s in outbox.lanes(db)])
    ids: dict[Lane, list[str]] = {lane: [] for lane in Lane}
    for number, (lane, lost) in enumerate([*steps, *[(Lane.ALARM, False)] * 20], start=1):
        event = numbered(lane, number)
        outbox.put(db, event)
        ids[lane].append(event.id)
        found = outbox.next_batch(db, size)
        assert found is not None
        ack = hub.take(found[0].stream, found[1][0].seq, [item.body for item in found[1]])
        if not lost:
            outbox.acknowledge(db, found[0].lane, found[0].stream, ack.acked)
    while (found := outbox.next_batch(db, size)) is not None:
        ack = hub.take(found[0].stream, found[1][0].seq, [item.body for item in found[1]])
        outbox.acknowledge(db, found[0].lane, found[0].stream, ack.acked)
    assert {lane: hub.ids(lane.value) for lane in Lane} == ids
    db.close()
