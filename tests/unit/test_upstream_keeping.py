"""How long documents are kept, and what goes first: age and quota."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from gateway.core.events import Lane, uuid7
from gateway.upstream import keeping, outbox
from tests.fakes.clock import NOON_MS
from tests.fakes.events import numbered
from tests.fakes.upstream_db import fill, kept, memory, state

DAY_MS = 86_400_000


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = memory()
    yield connection
    connection.close()


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
