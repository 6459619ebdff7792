"""Reading a status into conditions: what holds, when it is told, what hides what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.health.conditions import (
    BOX,
    CONDITIONS,
    LOSS_SHARE,
    PACKET_BITS,
    Packets,
    Raised,
    Severity,
    losing_cameras,
    packets_of,
    read_status,
    visible,
)

CAM = "cameracameraaaaa"


def camera(state: str = "up", *, connected: bool = True, recording: bool = True, name: str = CAM) -> dict[str, Any]:
    return {"id": name, "state": state, "connected": connected, "recording": recording, "streams": []}


def status(*cameras: dict[str, Any], volume: str = "ok", **more: Any) -> dict[str, Any]:
    recorder = {"cameras": list(cameras), "volumes": [{"state": volume}]}
    return {"recorder": recorder, "live": {}, "hub_ok": None, "clock_trusted": True} | more


def status_of_volume(*, retention: dict[str, Any] | None = None, **flags: bool) -> dict[str, Any]:
    found = status(camera())
    recorder = {"cameras": [camera()], "volumes": [{"state": "ok", **flags}], "retention": retention or {"unknown": []}}
    return found | {"recorder": recorder}


def codes(found: set[Raised]) -> set[str]:
    return {item.code for item in found}


def test_a_healthy_box_has_no_conditions() -> None:
    """Also without a hub: standing alone is no fault."""
    assert read_status(status(camera())) == set()


@pytest.mark.parametrize(
    ("given_status", "expected"),
    [
        (status(camera(), clock_trusted=False), {"clock.untrusted"}),
        (status(camera(), hub_ok=False), {"hub.unreachable"}),
        (status(camera(), hub_ok=True), set()),
        (status(camera(), live=None), {"live.down"}),
        (status(camera(), volume="missing"), {"volume.missing"}),
        (status(camera(), volume="wrong"), {"volume.missing"}),
        (status(camera(), volume="read_only"), {"volume.read_only"}),
        (status(camera(), volume="full"), {"volume.full"}),
        (status(camera(), volume="a state of tomorrow"), set()),
        (status_of_volume(full_by_hold=True), {"volume.full_by_hold"}),
        (status_of_volume(event_footage_going=True), {"volume.event_footage_going"}),
        (status_of_volume(full_by_hold=False, event_footage_going=False), set()),
        (status_of_volume(retention={"unknown": [{"kind": "class", "name": "x"}]}), {"retention.rule_unknown"}),
        (
            status(camera("login_refused", connected=False, recording=False)),
            {"camera.login_refused", "camera.down", "camera.not_recording"},
        ),
        (status(camera("down", connected=False, recording=False)), {"camera.down", "camera.not_recording"}),
        (status(camera(recording=False)), {"camera.not_recording"}),
        (status(camera(), losing={CAM}), {"camera.losing_packets"}),
        (status(camera() | {"frozen": True}), {"camera.frozen"}),
        (status(camera() | {"skew_ms": 5_001}), {"camera.clock_off"}),
        (status(camera() | {"skew_ms": -86_400_000}), {"camera.clock_off"}),
        (status(camera() | {"skew_ms": -5_000}), set()),
        (status(camera() | {"skew_ms": None}), set()),
        (status(), set()),
    ],
)
def test_a_status_is_read_into_codes(given_status: dict[str, Any], expected: set[str]) -> None:
    """Each fault has its code; a camera's carries its id, the rest the box."""
    found = read_status(given_status)
    assert codes(found) == expected
    assert all(item.subject == (CAM if item.code.startswith("camera.") else BOX) for item in found)


def test_what_the_recorder_saw_stays_while_it_is_down() -> None:
    """Nobody sees cameras and disks then: neither healed nor broken; the rest is read as ever."""
    before = {Raised("camera.down", CAM), Raised("volume.full", BOX), Raised("clock.untrusted", BOX)}
    found = read_status(status() | {"recorder": None}, before)
    assert found == {Raised("recorder.down", BOX), Raised("camera.down", CAM), Raised("volume.full", BOX)}


def test_dependencies_exist_and_end() -> None:
    """Every parent is registered; nobody hides itself, not even in a circle."""

    def ancestors(code: str, path: tuple[str, ...] = ()) -> None:
        assert code not in path
        for parent in CONDITIONS[code].depends_on:
            ancestors(parent, (*path, code))

    for code in CONDITIONS:
        ancestors(code)


def test_all_that_the_recorder_sees_hides_behind_its_being_down() -> None:
    """One dead process is one alarm, not one for each camera."""
    for kind in CONDITIONS.values():
        if kind.code.startswith(("camera.", "volume.")):
            assert "recorder.down" in kind.depends_on


def test_red_is_what_costs_footage_or_viewing() -> None:
    """Live and the hub can wait till the morning; footage cannot."""
    yellow = {kind.code for kind in CONDITIONS.values() if kind.severity is Severity.YELLOW}
    assert yellow == {
        "live.down",
        "live.uplink_small",
        "live.cpu_full",
        "live.relay_only",
        "camera.losing_packets",
        "camera.clock_off",
        "hub.unreachable",
        "retention.rule_unknown",
        "consent.overdue",
    }


@pytest.mark.parametrize(
    ("overdue", "before", "raised"),
    [(0, False, False), (1, False, True), (2, True, True), (0, True, False), (None, False, False), (None, True, True)],
)
def test_an_overdue_case_is_a_condition_of_the_box(overdue: int | None, before: bool, raised: bool) -> None:
    """One for all of them, without a number or a name; while the date is not known it is as it was."""
    late = Raised("consent.overdue", BOX)
    assert (late in read_status(status(camera(), cases_overdue=overdue), {late} if before else set())) is raised


@pytest.mark.parametrize("code", sorted(CONDITIONS))
def test_a_condition_is_told_after_its_time_and_not_before(code: str) -> None:
    """A reconnect of two seconds is no news."""
    item = Raised(code, CAM)
    after_s = CONDITIONS[code].visible_after_s
    assert visible({item: after_s}) == {item}
    if after_s:
        assert visible({item: after_s - 0.001}) == set()


def test_a_greater_condition_hides_the_lesser_from_its_first_moment() -> None:
    """Even before it is told itself: the lesser would be told for seconds and be wrong."""
    lesser, greater = Raised("camera.not_recording", CAM), Raised("camera.down", CAM)
    assert visible({lesser: 100, greater: 1}) == set()
    assert visible({lesser: 100, greater: 16}) == {greater}
    assert visible({lesser: 100, Raised("camera.down", "a" * 16): 16}) == {lesser, Raised("camera.down", "a" * 16)}
    assert visible({lesser: 100, Raised("volume.full", BOX): 6}) == {Raised("volume.full", BOX)}


holding = st.dictionaries(
    st.builds(Raised, st.sampled_from(sorted(CONDITIONS)), st.sampled_from([BOX, CAM, "b" * 16])),
    st.floats(0, 500),
    max_size=8,
)


@given(holding)
def test_what_is_told_holds_is_ripe_and_has_no_greater_one(held: dict[Raised, float]) -> None:
    """For anything that may hold together."""
    told = visible(held)
    for item, seconds in held.items():
        kind = CONDITIONS[item.code]
        ripe = seconds >= kind.visible_after_s
        hidden = any(Raised(parent, where) in held for parent in kind.depends_on for where in (item.subject, BOX))
        assert (item in told) is (ripe and not hidden)
    assert told <= held.keys()


@given(holding, st.floats(0, 100))
def test_time_alone_only_adds(held: dict[Raised, float], more_s: float) -> None:
    """What is told now is told later, as long as the same things hold."""
    assert visible(held) <= visible({item: seconds + more_s for item, seconds in held.items()})


class TestLosingPackets:
    """A share of packets, read from two looks."""

    RATE = 2_000_000.0

    def test_a_share_above_the_limit_is_losing(self) -> None:
        """Counted between the looks, of what arrived at the stream's bit rate."""
        arrived = self.RATE * 3 / PACKET_BITS
        limit = LOSS_SHARE * arrived / (1 - LOSS_SHARE)
        before = {(CAM, "main"): Packets(100, self.RATE)}
        for lost, expected in ((int(limit), frozenset()), (int(limit) + 1, frozenset({CAM}))):
            assert losing_cameras(before, {(CAM, "main"): Packets(100 + lost, self.RATE)}, 3) == expected

    def test_what_was_lost_before_the_first_look_does_not_count(self) -> None:
        """Nor does a counter that began anew with the connection."""
        after = {(CAM, "main"): Packets(5_000, self.RATE)}
        assert losing_cameras({}, after, 3) == frozenset()
        assert losing_cameras({(CAM, "main"): Packets(9_000, self.RATE)}, after, 3) == frozenset()

    def test_all_lost_and_nothing_arrived_is_losing(self) -> None:
        """There is no division that could fail."""
        before = {(CAM, "sub"): Packets(0, 0.0)}
        assert losing_cameras(before, {(CAM, "sub"): Packets(9, 0.0)}, 0) == frozenset({CAM})

    def test_figures_come_from_the_recorders_status(self) -> None:
        """A stream that is not connected has none yet."""
        streams = [{"stream": "main", "lost_packets": 3, "bitrate_bps": 5}, {"stream": "sub", "lost_packets": None}]
        found = packets_of({"cameras": [{"id": CAM, "streams": streams}, {"id": "b" * 16}]})
        assert found == {(CAM, "main"): (3, 5), (CAM, "sub"): (0, 0)}


def test_a_swapped_camera_is_one_alarm_at_once() -> None:
    """Its lost picture and footage are hidden behind it, and nobody waits to tell."""
    found = read_status(status(camera("swapped", connected=False, recording=False)))
    assert codes(found) == {"camera.swapped", "camera.down", "camera.not_recording"}
    assert codes(visible(dict.fromkeys(found, 0.0))) == {"camera.swapped"}
    assert codes(visible(dict.fromkeys(found, 3600.0))) == {"camera.swapped"}
