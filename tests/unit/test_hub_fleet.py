"""What events make of a camera, in what order a board lists, and what its list of troubles says."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.events import EVENT_TYPES, Lane
from gateway.hub.fleet import STATES, CameraState, Kind, SiteBoard, SiteCondition, fold, worst_first
from gateway.hub.troubles import troubles

UP = CameraState("a" * 16, 1, "up", "", 100, recording=True)


def state(camera: CameraState, name: str, why: str = "", at_ms: int = 500) -> CameraState:
    return fold(camera, "vn.vuon.camera.state.v1", {"state": name, "why": why}, at_ms)


def started(camera: CameraState, stream: str = "main", at_ms: int = 500) -> CameraState:
    return fold(camera, "vn.vuon.recording.started.v1", {"stream": stream, "run": 1}, at_ms)


def stopped(camera: CameraState, why: str = "disk", stream: str = "main", at_ms: int = 500) -> CameraState:
    return fold(camera, "vn.vuon.recording.stopped.v1", {"stream": stream, "why": why}, at_ms)


def test_events_that_the_board_folds_share_one_lane() -> None:
    """Lanes overtake each other: in two lanes "started" could arrive after the "stopped" that followed it."""
    folded = ("camera.state", "camera.adopted", "camera.removed", "recording.started", "recording.stopped")
    assert {EVENT_TYPES[f"{name}.v1"].lane for name in folded} == {Lane.ALARM}
    assert {EVENT_TYPES[f"condition.{edge}.v1"].lane for edge in ("raised", "cleared")} == {Lane.ALARM}


def test_a_new_camera_becomes_good_when_it_is_connected_and_recorded() -> None:
    """Either alone is weak; since is when it became good."""
    new = CameraState("a" * 16, 1, since_ms=100)
    assert new.kind is Kind.WEAK
    connect = partial(state, name="up", at_ms=300)
    record = partial(started, at_ms=400)
    for first, second in ((connect, record), (record, connect)):
        half = first(new)
        assert (half.kind, half.since_ms) == (Kind.WEAK, 100)
        whole = second(half)
        assert whole.kind is Kind.GOOD
        assert whole.since_ms == (400 if second is record else 300)


@pytest.mark.parametrize("name", ["down", "login_refused", "silent"])
def test_a_lost_camera_says_since_when_and_why(name: str) -> None:
    """Since the moment it stopped being good; the reason may change without moving that."""
    lost = state(UP, name, "camera_closed", at_ms=500)
    assert (lost.kind, lost.since_ms, lost.why) == (Kind.LOST, 500, "camera_closed")
    later = state(lost, "login_refused", "camera_login", at_ms=900)
    assert (later.kind, later.since_ms, later.why) == (Kind.LOST, 500, "camera_login")


def test_back_up_is_good_again_only_with_its_recording() -> None:
    """The recorder says both; the reason goes with the trouble."""
    lost = stopped(state(UP, "down", "camera_unreachable", at_ms=500), "network", at_ms=501)
    assert lost.why == "camera_unreachable"
    back = state(lost, "up", at_ms=800)
    assert (back.kind, back.why, back.since_ms) == (Kind.WEAK, "", 500)
    good = started(back, at_ms=810)
    assert (good.kind, good.since_ms, good.why) == (Kind.GOOD, 810, "")


def test_not_recorded_while_connected_is_weak_with_the_gaps_cause() -> None:
    """A full disk is no lost camera, but since then there is no footage."""
    weak = stopped(UP, "disk", at_ms=700)
    assert (weak.kind, weak.why, weak.since_ms) == (Kind.WEAK, "disk", 700)
    again = state(weak, "up", at_ms=750)
    assert again.why == "disk"
    assert started(weak, at_ms=900).kind is Kind.GOOD


def test_the_small_stream_does_not_count() -> None:
    """A camera is recorded if its main stream is."""
    assert stopped(UP, stream="sub") == UP
    assert started(stopped(UP), stream="sub").recording is False


@pytest.mark.parametrize("kind", ["vn.vuon.clock.step.v1", "vn.vuon.camera.state.v2", "x", ""])
def test_an_unknown_event_changes_nothing(kind: str) -> None:
    """Whatever it carries."""
    assert fold(UP, kind, {"state": "down", "stream": "main"}, 900) == UP


def test_an_unknown_state_changes_nothing() -> None:
    """A newer box's new state is not a broken page."""
    assert state(UP, "dreaming") == UP


events = st.tuples(
    st.sampled_from([f"vn.vuon.{name}" for name in EVENT_TYPES]),
    st.fixed_dictionaries(
        {},
        optional={
            "state": st.sampled_from([*STATES, "?"]),
            "stream": st.sampled_from(["main", "sub"]),
            "why": st.text(),
        },
    ),
)


@given(st.lists(events, max_size=30))
def test_since_moves_exactly_when_good_begins_or_ends(history: list[tuple[str, dict[str, Any]]]) -> None:
    """For any history: the state is a known one, and since is the time of the last such turn."""
    camera, turn_ms = CameraState("a" * 16, 1, since_ms=0), 0
    for at_ms, (kind, data) in enumerate(history, start=1):
        after = fold(camera, kind, data, at_ms)
        if (after.kind is Kind.GOOD) is not (camera.kind is Kind.GOOD):
            turn_ms = at_ms
        camera = after
        assert camera.state in STATES
        assert camera.since_ms == turn_ms
        assert len(camera.why) <= 64


def cameras(*kinds: str) -> tuple[CameraState, ...]:
    """Build cameras: g good, w weak, l lost, r refused."""
    made = {
        "g": lambda n: CameraState(f"{n:016d}", n, "up", "", 10, recording=True),
        "w": lambda n: CameraState(f"{n:016d}", n, "up", "disk", 20 + n),
        "l": lambda n: CameraState(f"{n:016d}", n, "down", "camera_unreachable", 30 + n),
        "r": lambda n: CameraState(f"{n:016d}", n, "login_refused", "", 40 + n),
        "p": lambda n: CameraState(f"{n:016d}", n, "up", "", 10, recording=True, warning="camera.losing_packets"),
    }
    return tuple(made[kind](number) for number, kind in enumerate("".join(kinds), start=1))


def site(name: str, kinds: str = "ggg", *, lost: bool = False, conditions: tuple[str, ...] = ()) -> SiteBoard:
    told = tuple(SiteCondition(code, 5) for code in conditions)
    return SiteBoard(name, name, lost, 1, "0.1.0", 0, cameras(kinds), told)


def test_the_worst_school_is_first() -> None:
    """Lost box, most cameras lost, most that is weak, then by name."""
    sites = [site("calm b"), site("weak", "gww"), site("two lost", "llg"), site("gone", lost=True), site("calm a")]
    sites += [site("one lost", "lwww"), site("box trouble", conditions=("clock.untrusted",))]
    assert [item.site for item in worst_first(sites)] == [
        *("gone", "two lost", "one lost", "weak", "box trouble", "calm a", "calm b")
    ]


def test_without_a_box_or_its_recorder_no_camera_is_good() -> None:
    """A pip is never green from memory."""
    for item in (site("x", "gwl", lost=True), site("x", "gwl", conditions=("recorder.down",))):
        assert {item.kind_of(camera) for camera in item.cameras} == {Kind.LOST}
    assert site("x", "gwl").count(Kind.GOOD) == 1


class TestTroubles:
    """The list of what needs somebody."""

    def test_cameras_with_one_cause_are_one_line_since_the_first(self) -> None:
        """Four cameras behind one dead switch are one call to the school."""
        (line,) = troubles([site("MN Thủy Tiên", "glllg")])
        assert (line.kind, line.what, line.why, line.cameras) == ("lost", "down", "camera_unreachable", (2, 3, 4))
        assert line.since_ms == 32

    def test_different_causes_are_different_lines(self) -> None:
        """Loudest first, then more cameras, then older."""
        found = troubles([site("a", "gwwlrp"), site("b", lost=True)])
        assert [(line.site, line.kind, line.what, line.why) for line in found] == [
            ("b", "box", "box_lost", ""),
            ("a", "lost", "down", "camera_unreachable"),
            ("a", "lost", "login_refused", "camera_login"),
            ("a", "weak", "not_recording", "disk"),
            ("a", "weak", "weak", "camera.losing_packets"),
        ]

    def test_a_dead_recorder_is_one_line_for_all_its_cameras(self) -> None:
        """One root cause, one line."""
        (line,) = troubles([site("a", "glw", conditions=("recorder.down",))])
        assert (line.kind, line.what, line.cameras) == ("lost", "recorder.down", ())

    def test_conditions_of_the_box_are_lines(self) -> None:
        """Red ones among the lost, yellow ones among the weak."""
        found = troubles([site("a", "g", conditions=("volume.full", "live.down"))])
        assert [(line.kind, line.what, line.since_ms) for line in found] == [
            ("lost", "volume.full", 5),
            ("weak", "live.down", 5),
        ]

    @given(
        st.lists(
            st.builds(
                site,
                st.sampled_from(["a", "b", "c"]),
                st.text("gwlrp", max_size=8),
                lost=st.booleans(),
                conditions=st.lists(st.sampled_from(["recorder.down", "volume.full"]), unique=True).map(tuple),
            ),
            max_size=5,
        )
    )
    def test_every_camera_that_is_not_good_is_in_exactly_one_line(self, sites: list[SiteBoard]) -> None:
        """Unless a line about its box says it for all of them; a calm site has no line."""
        for item in sites:
            lines = troubles([item])
            named = [number for line in lines for number in line.cameras]
            assert len(named) == len(set(named))
            whole = item.lost or any(condition.code == "recorder.down" for condition in item.conditions)
            expected = [] if whole else [camera.number for camera in item.cameras if camera.kind is not Kind.GOOD]
            assert sorted(named) == expected
            assert bool(lines) is (item.lost or item.troubles > 0)


def test_a_swapped_camera_is_lost_to_the_fleet() -> None:
    """The board knows it as down, with the cause that says how."""
    after = state(UP, "swapped", "camera_swapped")
    assert (after.state, after.why, after.kind) == ("down", "camera_swapped", Kind.LOST)
    assert state(after, "up").kind is Kind.GOOD
