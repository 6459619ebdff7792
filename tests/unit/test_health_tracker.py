"""Raising and clearing: every edge one event, over flapping, restarts and failed writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.health import store
from gateway.health.conditions import BOX, CONDITIONS, Raised
from gateway.health.tracker import Edges, Tracker
from tests.fakes.clock import NOON_MS, FakeClock

CAM, OTHER = "cameracameraaaaa", "othercameraaaaaa"
DOWN, LOGIN = Raised("camera.down", CAM), Raised("camera.login_refused", CAM)


def status(*down: str, recorder: bool = True, refused: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    cameras = [
        {
            "id": name,
            "state": "login_refused" if name in refused else "down" if name in down else "up",
            "connected": name not in down and name not in refused,
            "recording": name not in down and name not in refused,
            "streams": [{"stream": "main", "lost_packets": more.get("lost", 0), "bitrate_bps": 1_000_000}],
        }
        for name in (CAM, OTHER)
    ]
    found = {"recorder": {"cameras": cameras, "volumes": []} if recorder else None, "live": {}, "hub_ok": None}
    return found | {"clock_trusted": True} | more


class Box:
    """A tracker, its clock and what it told."""

    def __init__(self, raised: dict[Raised, int] | None = None) -> None:
        self.clock = FakeClock()
        self.tracker = Tracker(self.clock, raised)
        self.told: list[tuple[str, str, str]] = []

    def look(self, seen: dict[str, Any], *, seconds: float = 3.0, written: bool = True) -> Edges:
        edges = self.tracker.look(seen)
        if written:
            self.tracker.done(edges)
            self.told += [
                (item.type.split(".")[1], str(item.data["condition"]), str(item.data["about"])) for item in edges.events
            ]
        self.clock.tick(seconds)
        return edges

    def looks(self, seen: dict[str, Any], seconds: float) -> None:
        for _ in range(int(seconds / 3)):
            self.look(seen)

    def current(self) -> list[tuple[str, str]]:
        return [(item.code, item.subject) for item in self.tracker.current()]


def test_a_lasting_fault_is_raised_once_and_cleared_once() -> None:
    """However often it is seen."""
    box = Box()
    box.looks(status(CAM), 90)
    assert box.told == [("raised", "camera.down", CAM)]
    box.looks(status(), 30)
    assert box.told[1:] == [("cleared", "camera.down", CAM)]
    assert box.current() == []


def test_flapping_faster_than_its_time_is_never_told() -> None:
    """Ten seconds away, three back, for an hour: a bad cable is seen in the gaps, not in an alarm a minute."""
    box = Box()
    for _ in range(200):
        box.look(status(CAM), seconds=10)
        box.look(status(), seconds=3)
    assert box.told == []


def test_an_event_says_what_about_whom_and_since_is_when_it_began() -> None:
    """The condition is told after its time, but it holds since its beginning."""
    box = Box()
    box.looks(status(CAM), 21)
    (condition,) = box.tracker.current()
    assert (condition.code, condition.subject, condition.severity) == ("camera.down", CAM, "red")
    assert condition.since_ms == NOON_MS
    edges = Box().tracker.look(status(refused=(CAM,)))
    assert [(event.subject, dict(event.data)) for event in edges.events] == [
        (CAM, {"condition": "camera.login_refused", "about": CAM})
    ]


def test_a_step_of_the_wall_clock_neither_raises_nor_hides() -> None:
    """Durations are monotonic."""
    box = Box()
    box.look(status(CAM))
    box.clock.step_wall(86_400_000)
    box.look(status(CAM))
    assert box.told == []
    box.clock.step_wall(-10 * 86_400_000)
    box.looks(status(CAM), 15)
    assert box.told == [("raised", "camera.down", CAM)]


def test_a_recorder_that_dies_is_one_alarm_and_clears_no_camera() -> None:
    """What it saw stays raised, hidden; when it is back and nothing healed, nothing is told twice."""
    box = Box()
    box.looks(status(CAM), 30)
    box.looks(status(recorder=False), 300)
    assert box.told == [("raised", "camera.down", CAM), ("raised", "recorder.down", BOX)]
    assert box.current() == [("recorder.down", BOX)]
    box.looks(status(CAM), 60)
    assert box.told[2:] == [("cleared", "recorder.down", BOX)]
    assert box.current() == [("camera.down", CAM)]


def test_a_greater_condition_does_not_heal_the_lesser() -> None:
    """A camera that is down and then refuses the login: the first is hidden, not cleared."""
    box = Box()
    box.looks(status(CAM), 30)
    box.looks(status(refused=(CAM,)), 30)
    assert box.told == [("raised", "camera.down", CAM), ("raised", "camera.login_refused", CAM)]
    assert box.current() == [("camera.login_refused", CAM)]


def test_edges_that_were_not_written_come_again() -> None:
    """The disk was full for a moment: the raise is not lost, and is told once when it can be."""
    box = Box()
    for _ in range(8):
        box.look(status(CAM), written=False)
    edges = box.look(status(CAM))
    assert [event.type for event in edges.events] == ["condition.raised.v1"]
    assert box.look(status(CAM)).events == ()
    assert box.look(status(), written=False).cleared == (DOWN,)
    assert box.look(status()).cleared == (DOWN,)
    assert [edge for edge, _, _ in box.told] == ["raised", "cleared"]


def test_after_a_restart_nothing_is_raised_twice_and_nothing_stays_for_ever() -> None:
    """What still holds is not news; what healed meanwhile is cleared at the first look."""
    box = Box({DOWN: NOON_MS - 60_000, LOGIN: NOON_MS - 50_000})
    box.looks(status(CAM), 60)
    assert box.told == [("cleared", "camera.login_refused", CAM)]
    assert [item.since_ms for item in box.tracker.current()] == [NOON_MS - 60_000]


def test_a_condition_of_an_older_version_is_cleared() -> None:
    """Its code is not known any more: it can neither hold nor be shown."""
    box = Box({Raised("camera.dreaming", CAM): 5})
    assert box.current() == []
    box.look(status())
    assert box.told == [("cleared", "camera.dreaming", CAM)]


def test_a_removed_camera_takes_its_conditions_along() -> None:
    """It is not in the status any more."""
    box = Box()
    box.looks(status(CAM), 30)
    seen = status()
    seen["recorder"]["cameras"] = []
    box.look(seen)
    assert box.told[-1] == ("cleared", "camera.down", CAM)


def test_red_is_listed_before_yellow_and_older_before_newer() -> None:
    """What a person should look at first is first."""
    box = Box()
    box.looks(status(hub_ok=False), 150)
    box.looks(status(CAM, hub_ok=False), 30)
    box.looks(status(CAM, hub_ok=False, clock_trusted=False), 60)
    assert [code for code, _ in box.current()] == ["camera.down", "clock.untrusted", "hub.unreachable"]


def test_a_stream_that_keeps_losing_packets_is_told_after_a_minute() -> None:
    """Read from the recorder's own counters, look by look."""
    box = Box()
    for look in range(1, 30):
        box.look(status(lost=look * 20))
    assert ("raised", "camera.losing_packets", CAM) in box.told
    box.look(status(lost=29 * 20))
    assert box.told[-1][0] == "cleared"


class TestStore:
    """The raised conditions over a restart of the process."""

    @pytest.fixture
    def db(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.row_factory = sqlite3.Row
        store.MIGRATIONS.apply(sqlite_utils.Database(connection))
        yield connection
        connection.close()

    def test_edges_are_written_and_read_back(self, db: sqlite3.Connection) -> None:
        """Raising again moves since; clearing what is not there is no error."""
        store.save(db, Edges({DOWN: 5, LOGIN: 6}, (), ()))
        store.save(db, Edges({DOWN: 7}, (LOGIN, Raised("clock.untrusted", BOX)), ()))
        assert store.load(db) == {DOWN: 7}

    def test_the_table_refuses_an_empty_code(self, db: sqlite3.Connection) -> None:
        """It would be raised for ever."""
        with pytest.raises(sqlite3.IntegrityError):
            store.save(db, Edges({Raised("", CAM): 5}, (), ()))


steps = st.lists(
    st.tuples(
        st.frozensets(st.sampled_from([CAM, OTHER])),
        st.booleans(),
        st.booleans(),
        st.sampled_from([3.0, 20.0, 130.0]),
        st.sampled_from(["written", "failed", "restart"]),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_each_edge_is_told_exactly_once(
    history: list[tuple[frozenset[str], bool, bool, float, str]],
) -> None:
    """Over any history with failed writes and restarts: raised and cleared alternate, and add up to what is stored."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.row_factory = sqlite3.Row
    store.MIGRATIONS.apply(sqlite_utils.Database(db))
    box = Box()
    open_now: set[tuple[str, str]] = set()
    for down, recorder, hub_ok, seconds, end in history:
        if end == "restart":
            box.tracker = Tracker(box.clock, store.load(db))
        edges = box.look(status(*down, recorder=recorder, hub_ok=hub_ok), seconds=seconds, written=end != "failed")
        if end == "failed":
            continue
        store.save(db, edges)
        for event in edges.events:
            item = (str(event.data["condition"]), str(event.data["about"]))
            if event.type == "condition.raised.v1":
                assert item not in open_now
                open_now.add(item)
            else:
                open_now.remove(item)
        assert {tuple(item) for item in store.load(db)} == open_now
        assert {(item.code, item.subject) for item in box.tracker.current()} <= open_now
        assert all(code in CONDITIONS for code, _ in open_now)
    db.close()
