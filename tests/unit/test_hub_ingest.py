"""Taking events in: cursor, gaps, quarantine, hostile documents, and what the board makes of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import BadInput
from gateway.core.events import EVENT_TYPES, uuid7
from gateway.hub import batch, ingest
from gateway.hub.store import MIGRATIONS
from tests.fakes.clock import NOON_MS
from tests.fakes.events import CAMERA

BOX = "boxboxboxboxboxb"
STREAM = uuid7(NOON_MS, bytes(10))
OTHER = uuid7(NOON_MS, b"\1" * 10)


def memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    MIGRATIONS.apply(sqlite_utils.Database(connection))
    connection.execute(
        "INSERT INTO gateway (id, site, public_key, enrolled_at) VALUES (?, 'MN Hoa Sen', ?, 1)", (BOX, bytes(32))
    )
    ingest.hello(connection, BOX, [{"lane": "alarm", "stream": STREAM, "base": 0}])
    return connection


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = memory()
    yield connection
    connection.close()


def doc(number: int, kind: str = "clock.step.v1", data: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"event-{number}",
        "type": f"vn.vuon.{kind}",
        "time": "2026-11-21T04:00:00.000+00:00",
        "timetrusted": True,
        "monoms": "77",
        "sequence": number,
        "data": {"step_ms": number} if data is None else data,
    }
    return found | more


def take(db: sqlite3.Connection, *documents: Any, first: int | None = None, stream: str = STREAM) -> ingest.Ack:
    begin = first if first is not None else documents[0]["sequence"]
    return ingest.ingest(db, BOX, stream, begin, documents, now_ms=NOON_MS)


def stored(db: sqlite3.Connection) -> list[int]:
    return [row["seq"] for row in db.execute("SELECT seq FROM event ORDER BY seq")]


class TestCursor:
    """The cursor decides what is new."""

    def test_a_batch_is_stored_with_its_cursor(self, db: sqlite3.Connection) -> None:
        """Rows, number and the id at it."""
        assert take(db, doc(1), doc(2), doc(3)) == (3, False)
        row = db.execute("SELECT acked, last_id FROM cursor").fetchone()
        assert tuple(row) == (3, "event-3")
        assert stored(db) == [1, 2, 3]

    def test_a_repeated_or_overlapping_batch_adds_only_what_is_new(self, db: sqlite3.Connection) -> None:
        """The answer was lost, or the box was killed before it wrote it down."""
        take(db, doc(1), doc(2), doc(3))
        assert take(db, doc(1), doc(2), doc(3)) == (3, False)
        assert take(db, doc(2), doc(3), doc(4), doc(5)) == (5, False)
        assert stored(db) == [1, 2, 3, 4, 5]

    def test_a_batch_beyond_the_cursor_is_a_gap(self, db: sqlite3.Connection) -> None:
        """Nothing of it is stored; the answer says where we are."""
        take(db, doc(1))
        assert take(db, doc(3)) == (1, True)
        assert stored(db) == [1]

    def test_a_stream_never_announced_is_a_gap(self, db: sqlite3.Connection) -> None:
        """The hub was restored to a day before it: the box has to say hello."""
        assert take(db, doc(1), stream=OTHER) == (0, True)

    def test_an_empty_batch_changes_nothing(self, db: sqlite3.Connection) -> None:
        """It only asks where we are."""
        take(db, doc(1))
        assert ingest.ingest(db, BOX, STREAM, 2, [], now_ms=NOON_MS) == (1, False)

    def test_another_event_under_a_number_we_have_is_a_gap(self, db: sqlite3.Connection) -> None:
        """A box restored without a restart counts again: without this its events vanish unseen."""
        take(db, doc(1), doc(2))
        fresh = [doc(1), doc(2, id="another"), doc(3, id="new")]
        assert take(db, *fresh) == (2, True)
        assert stored(db) == [1, 2]

    def test_too_many_events_are_refused(self, db: sqlite3.Connection) -> None:
        """Before anything is looked at."""
        with pytest.raises(BadInput):
            take(db, *[doc(1)] * (batch.MAX_BATCH + 1))

    def test_an_event_comes_once_even_under_a_new_stream(self, db: sqlite3.Connection) -> None:
        """The box was restored and sends all it keeps again: only what is new is added."""
        take(db, doc(1), doc(2))
        ingest.hello(db, BOX, [{"lane": "alarm", "stream": OTHER, "base": 0}])
        assert take(db, doc(1), doc(2), doc(3, id="new"), stream=OTHER) == (3, False)
        rows = db.execute("SELECT event.id FROM event JOIN cursor USING (gateway, stream) ORDER BY number, seq")
        assert [row["id"] for row in rows] == ["event-1", "event-2", "new"]


class TestHello:
    """Announcing streams."""

    def test_a_known_stream_is_answered_with_its_cursor(self, db: sqlite3.Connection) -> None:
        """Its base no longer matters."""
        take(db, doc(1), doc(2))
        found = ingest.hello(db, BOX, [{"lane": "alarm", "stream": STREAM, "base": 9}])
        assert found == [{"stream": STREAM, "lane": "alarm", "acked": 2, "id": "event-2"}]

    def test_a_new_stream_starts_at_its_base(self, db: sqlite3.Connection) -> None:
        """What came before it belongs to an earlier one, or is pruned."""
        found = ingest.hello(db, BOX, [{"lane": "report", "stream": OTHER, "base": 41}])
        assert found[0]["acked"] == 41
        assert take(db, doc(42), stream=OTHER) == (42, False)

    @pytest.mark.parametrize(
        "lane",
        [
            None,
            [],
            {},
            {"lane": "loud", "stream": STREAM, "base": 0},
            {"lane": "alarm", "stream": "short", "base": 0},
            {"lane": "alarm", "stream": 5, "base": 0},
            {"lane": "alarm", "stream": "ạ" * 36, "base": 0},
            {"lane": "alarm", "stream": STREAM, "base": -1},
            {"lane": "alarm", "stream": STREAM, "base": 2**63},
            {"lane": "alarm", "stream": STREAM, "base": True},
            {"lane": "alarm", "stream": STREAM, "base": "0"},
            {"lane": [], "stream": STREAM, "base": 0},
        ],
        ids=str,
    )
    def test_a_malformed_lane_is_bad_input(self, db: sqlite3.Connection, lane: object) -> None:
        """Not an error of the database."""
        with pytest.raises(BadInput):
            ingest.hello(db, BOX, [lane])

    def test_streams_of_a_box_are_bounded(self, db: sqlite3.Connection) -> None:
        """A box gone mad cannot fill the hub with cursors."""
        lanes = [{"lane": "alarm", "stream": uuid7(NOON_MS), "base": 0} for _ in range(ingest.MAX_STREAMS)]
        with pytest.raises(BadInput):
            ingest.hello(db, BOX, lanes)


BAD: dict[str, tuple[Any, str]] = {
    "no object": ([1], "not_an_object"),
    "null": (None, "not_an_object"),
    "no number": ({"id": "x"}, "sequence"),
    "true as number": (doc(1, sequence=True), "sequence"),
    "another number": (doc(7), "sequence"),
    "no id": (doc(1, id=None), "attribute"),
    "empty id": (doc(1, id=""), "attribute"),
    "id of a kilobyte": (doc(1, id="x" * 1024), "attribute"),
    "lone surrogate": (doc(1, id="\ud800"), "attribute"),
    "surrogate in a value": (doc(1, data={"why": "\udfff"}), "data"),
    "surrogate in a key": (doc(1, data={"\udfff": 1}), "data"),
    "list as type": (doc(1, type=["x"]), "attribute"),
    "subject as number": (doc(1, subject=5), "attribute"),
    "no data": (doc(1, data=None) | {"data": None}, "data"),
    "nested data": (doc(1, data={"a": {"b": 1}}), "data"),
    "NaN": (doc(1, data={"a": float("nan")}), "data"),
    "infinite": (doc(1, data={"a": float("-inf")}), "data"),
    "huge number": (doc(1, data={"a": 10**400}), "data"),
    "too long": (doc(1, data={str(n): "x" * 100 for n in range(100)}), "too_long"),
    "no time": (doc(1, time="yesterday"), "time"),
    "time without zone": (doc(1, time="2026-01-01T00:00:00"), "time"),
}


class TestQuarantine:
    """Documents that are no events."""

    @pytest.mark.parametrize("name", BAD)
    def test_a_bad_document_is_put_aside_and_the_cursor_passes_it(self, db: sqlite3.Connection, name: str) -> None:
        """One bad event cannot stop a school: the ones after it arrive."""
        document, why = BAD[name]
        assert take(db, document, doc(2), first=1) == (2, False)
        assert stored(db) == [2]
        row = db.execute("SELECT * FROM quarantine").fetchone()
        assert (row["seq"], row["why"]) == (1, why)
        assert len(row["body"]) <= batch.MAX_DATA_CHARS

    def test_the_cursor_passes_even_when_the_last_one_is_bad(self, db: sqlite3.Connection) -> None:
        """And the next batch goes on after it."""
        assert take(db, doc(1), {"sequence": 2}, first=1) == (2, False)
        assert take(db, doc(3)) == (3, False)

    def test_an_unknown_type_is_stored_as_it_is(self, db: sqlite3.Connection) -> None:
        """A newer box may know more than this hub."""
        take(db, doc(1, "dream.started.v7", {"colour": "green"}))
        row = db.execute("SELECT type, data FROM event").fetchone()
        assert tuple(row) == ("vn.vuon.dream.started.v7", '{"colour":"green"}')

    def test_times_keep_whether_they_are_trusted(self, db: sqlite3.Connection) -> None:
        """And the monotonic time that repairs them."""
        take(db, doc(1), doc(2, timetrusted=False, monoms="x"))
        rows = db.execute("SELECT time_trusted, mono_ms FROM event ORDER BY seq").fetchall()
        assert [tuple(row) for row in rows] == [(1, 77), (0, 0)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            json_values,
            st.dictionaries(st.sampled_from(list(doc(1))), json_values),
            st.builds(
                lambda change, kind, data: doc(1, kind, data) | change,
                st.dictionaries(st.sampled_from([*doc(1), "subject"]), json_values, max_size=2),
                st.sampled_from([*EVENT_TYPES, "x.v1"]),
                st.dictionaries(
                    st.sampled_from(["camera", "state", "stream", "why", "cameras", "condition", "about", "version"]),
                    json_values | st.sampled_from([CAMERA, "up", "down", "main", "box"]),
                ),
            ),
        ),
        max_size=6,
    )
)
def test_nothing_a_box_sends_stops_the_hub(documents: list[Any]) -> None:
    """Any JSON whatever: every number is either an event or in quarantine, and the cursor is at the end."""
    db = memory()
    for at, document in enumerate(documents, start=1):
        if isinstance(document, dict) and document.get("sequence") == 1:
            document["sequence"] = at
    ack = ingest.ingest(db, BOX, STREAM, 1, documents, now_ms=NOON_MS)
    assert ack == (len(documents), False)
    aside = db.execute("SELECT count(*) FROM quarantine").fetchone()[0]
    assert aside <= len(documents)
    for row in db.execute("SELECT data FROM event"):
        json.loads(row["data"])
    db.close()


class TestBoard:
    """What events change of a box's line."""

    @staticmethod
    def camera(db: sqlite3.Connection) -> sqlite3.Row:
        found: sqlite3.Row = db.execute("SELECT * FROM camera WHERE camera = ?", (CAMERA,)).fetchone()
        return found

    def test_a_camera_appears_with_its_first_event(self, db: sqlite3.Connection) -> None:
        """Numbered in the order of appearance: names stay in the school."""
        take(
            db,
            doc(1, "camera.adopted.v1", {"camera": CAMERA, "driver": "onvif"}),
            doc(2, "camera.state.v1", {"camera": "a" * 16, "state": "down", "why": "camera_closed"}),
        )
        rows = db.execute("SELECT camera, number, state FROM camera ORDER BY number").fetchall()
        assert [tuple(row) for row in rows] == [(CAMERA, 1, "connecting"), ("a" * 16, 2, "down")]

    def test_a_removed_camera_stays_away_until_it_is_adopted_again(self, db: sqlite3.Connection) -> None:
        """A straggling event does not bring it back."""
        take(
            db,
            doc(1, "camera.state.v1", {"camera": CAMERA, "state": "up"}),
            doc(2, "condition.raised.v1", {"condition": "camera.down", "about": CAMERA}),
            doc(3, "camera.removed.v1", {"camera": CAMERA}),
            doc(4, "recording.stopped.v1", {"camera": CAMERA, "stream": "main", "why": "recorder_stopped"}),
        )
        assert self.camera(db)["removed"] == 1
        assert db.execute("SELECT count(*) FROM condition").fetchone()[0] == 0
        take(db, doc(5, "camera.adopted.v1", {"camera": CAMERA, "driver": "onvif"}))
        assert self.camera(db)["removed"] == 0

    def test_an_event_that_came_before_does_not_turn_the_board_back(self, db: sqlite3.Connection) -> None:
        """The restored box sends its history again: yesterday's outage is not news."""
        take(
            db,
            doc(1, "camera.state.v1", {"camera": CAMERA, "state": "down", "why": "camera_closed"}),
            doc(2, "camera.state.v1", {"camera": CAMERA, "state": "up"}),
        )
        ingest.hello(db, BOX, [{"lane": "alarm", "stream": OTHER, "base": 0}])
        take(db, doc(1, "camera.state.v1", {"camera": CAMERA, "state": "down"}), stream=OTHER)
        assert self.camera(db)["state"] == "up"

    @pytest.mark.parametrize(
        ("time", "trusted", "expected"),
        [
            ("2026-11-21T04:59:00Z", True, NOON_MS - 60_000),
            ("2026-11-21T04:59:00Z", False, NOON_MS),
            ("2031-01-01T00:00:00Z", True, NOON_MS),
            ("1970-01-01T00:00:00Z", True, NOON_MS),
        ],
    )
    def test_since_is_the_boxs_time_only_if_it_can_be(
        self, db: sqlite3.Connection, time: str, trusted: bool, expected: int
    ) -> None:
        """A box in 1970 or in the future must not date its troubles there."""
        take(db, doc(1, "camera.state.v1", {"camera": CAMERA, "state": "up"}, time=time, timetrusted=trusted))
        take(
            db,
            doc(
                2,
                "recording.started.v1",
                {"camera": CAMERA, "stream": "main", "run": 1},
                time=time,
                timetrusted=trusted,
            ),
        )
        assert self.camera(db)["since_at"] == expected

    def test_summary_and_start_are_kept_of_the_box(self, db: sqlite3.Connection) -> None:
        """A figure that is missing or absurd leaves the last good one."""
        take(
            db,
            doc(1, "box.started.v1", {"version": "0.1.0"}),
            doc(2, "box.summary.v1", {"cameras": 12, "recording": 12, "viewers": 3}),
            doc(3, "box.summary.v1", {"recording": 0, "viewers": -5, "cameras": 2**62}),
        )
        row = db.execute("SELECT version, cameras, recording, viewers FROM gateway").fetchone()
        assert tuple(row) == ("0.1.0", 12, 0, 3)

    def test_conditions_are_raised_once_and_cleared(self, db: sqlite3.Connection) -> None:
        """Raised twice keeps the first since; about something unnameable is ignored."""
        raised = {"condition": "volume.missing", "about": "box"}
        take(db, doc(1, "condition.raised.v1", raised, time="2026-11-21T04:00:00Z"))
        take(db, doc(2, "condition.raised.v1", raised, time="2026-11-21T04:30:00Z"))
        take(db, doc(3, "condition.raised.v1", raised | {"about": "Cô Hạnh"}))
        rows = db.execute("SELECT code, about, since_at FROM condition").fetchall()
        assert [tuple(row) for row in rows] == [("volume.missing", "box", NOON_MS - 3_600_000)]
        take(db, doc(4, "condition.cleared.v1", raised))
        assert db.execute("SELECT count(*) FROM condition").fetchone()[0] == 0

    def test_the_board_of_a_box_has_room_for_so_many_cameras(self, db: sqlite3.Connection) -> None:
        """A box that invents cameras does not fill the hub."""
        ids = [f"{number:016d}".translate(str.maketrans("0123456789", "abcdefghij")) for number in range(600)]
        take(db, *[doc(n, "camera.state.v1", {"camera": name, "state": "up"}) for n, name in enumerate(ids, start=1)])
        assert db.execute("SELECT count(*) FROM camera").fetchone()[0] == ingest.MAX_CAMERAS
        assert len(stored(db)) == 600
