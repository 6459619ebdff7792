"""`vuon kiem-tra` and live video: what a person can mend, and that a silent daemon is not counted as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.health.livefaults import LIVE_FAULTS
from tests.fakes.cli_box import cli_box
from tests.unit.test_cli_doctor import ONE_WAY, PLACES, School

RELAYED = [row | {"path": "relay"} for row in ONE_WAY]


def answers(places: dict[str, Any], rows: list[dict[str, Any]] = ONE_WAY) -> dict[str, Any]:
    return School().answers() | {"live": {"status": {"places": PLACES | places, "open": rows}}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            answers({"waiting": 3, "wanted_bps": 5_500_000}),
            "3 guardians wait for their turn: the uplink has 4 Mbit/s, about 5.5 Mbit/s are wanted",
        ),
        (answers({"full": True, "cpu": 0.93}), "live video uses all the machine has (93 % of a core)"),
        (answers({}, RELAYED), "all 2 viewers outside come through a relay (TURN)"),
    ],
)
def test_a_fault_of_live_video_is_told_with_why_and_what_to_do(tmp_path: Path, given: Any, said: str) -> None:
    """Yellow, with its figures and a remedy for a person; status 1."""
    with cli_box(tmp_path, given) as box:
        done = box.vuon("doctor")
    assert done.code == 1
    assert f"! {said}" in done.out
    assert "vuon tinh-trang" in done.out
    assert "0 grave faults, 1 lesser ones" in done.out


def test_a_silent_daemon_leaves_live_video_unknown(tmp_path: Path) -> None:
    """Nothing is claimed of it, and the cameras are examined all the same."""
    without = School().answers()
    del without["live"]
    with cli_box(tmp_path, without) as box:
        done, found = box.vuon("doctor"), box.vuon("doctor", "--json").json()
    assert done.code == 0
    assert found["live"] == {"faults": [], "unknown": list(LIVE_FAULTS), "fine": []}
    assert "? not known: uplink for viewers, the machine while people watch, the way to viewers outside" in done.out


def test_one_camera_is_examined_without_live_video(tmp_path: Path) -> None:
    """Whoever asks about a camera is told about that camera."""
    with cli_box(tmp_path, answers({"full": True})) as box:
        done, found = box.vuon("doctor", "Mầm"), box.vuon("doctor", "Mầm", "--json").json()
    assert (done.code, found["live"]) == (0, None)
    assert "Live video" not in done.out
