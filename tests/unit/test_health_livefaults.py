"""What is wrong with live video: read from the status, never guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.i18n import catalogue
from gateway.health.conditions import BOX, CONDITIONS, Raised, read_status
from gateway.health.livefaults import LIVE_FAULTS, conditions_of, examine
from tests.fakes.live_box import make_grant
from tests.fakes.live_scene import OFFER, Scene, play

PLACES: dict[str, Any] = {"cpu": 0.2, "full": False, "uplink_bps": 4e6, "waiting": 0, "wanted_bps": 1e6}


def row(path: str = "host", *, outside: bool = True, state: str = "live", **more: str) -> dict[str, Any]:
    return {"state": state, "path": path, "outside": outside, **more}


def status(*rows: dict[str, Any], **places: Any) -> dict[str, Any]:
    return {"places": PLACES | places, "open": list(rows)}


@pytest.mark.parametrize(
    ("given", "code", "answer"),
    [
        (status(waiting=2), "live_uplink", True),
        (status(waiting=0), "live_uplink", False),
        (status(waiting=2, uplink_bps=0), "live_uplink", False),
        (status(waiting=2, full=True), "live_uplink", False),  # it is the processor they wait for
        (status(full=True), "live_cpu", True),
        (status(), "live_cpu", False),
        (status(cpu=None), "live_cpu", None),
        (status(row("relay"), row("relay", outside=False)), "live_relay", True),
        (status(row("relay"), row()), "live_relay", False),
        (status(row("relay", connection="a"), row("relay", connection="b")), "live_relay", True),
        (status(*(row("relay", connection="a"),) * 16), "live_relay", None),  # one wall of sixteen tiles
        (status(row("relay"), row(outside=False)), "live_relay", None),
        (status(row("relay"), row("relay", state="connecting")), "live_relay", None),
        (status(), "live_relay", None),
        ({}, "live_uplink", None),
        ({}, "live_cpu", None),
    ],
)
def test_each_fault_by_its_facts(given: dict[str, Any], code: str, answer: bool | None) -> None:
    """It is so, it is not, or it cannot be known."""
    assert LIVE_FAULTS[code].test(given) is answer
    heap = {True: "faults", False: "fine", None: "unknown"}[answer]
    found = examine(given)
    assert code in {item["code"] if isinstance(item, dict) else item for item in found[heap]}


def test_the_status_of_a_real_daemon_can_be_read(tmp_path: Path) -> None:
    """Also by the conditions: a quiet one has none."""

    async def scenario(scene: Scene) -> None:
        await scene.sessions.open(make_grant(scene.clock), None, OFFER)
        real = {"places": scene.sessions.places.facts(), "open": scene.sessions.facts()}
        assert examine(real) == {"faults": [], "unknown": ["live_cpu", "live_relay"], "fine": ["live_uplink"]}
        assert conditions_of(real) == set()

    play(tmp_path, scenario)


def test_what_is_not_known_now_stays_as_it_was() -> None:
    """Figures that are missing for a moment, and viewers who left, are no cure; a good figure is."""
    recorder: dict[str, Any] = {"cameras": [], "volumes": []}
    before = {Raised("live.cpu_full", BOX), Raised("live.relay_only", BOX)}
    assert read_status({"recorder": recorder, "live": {}}, before) == before
    assert read_status({"recorder": recorder, "live": status(cpu=None)}, before) == before
    assert read_status({"recorder": recorder, "live": status(row("host"), row("host"))}, before) == set()
    assert read_status({"recorder": recorder, "live": {}}) == set()


def test_faults_are_conditions_too() -> None:
    """Each has one, known to the registry, hidden while the daemon is down, and cleared with it."""
    recorder: dict[str, Any] = {"cameras": [], "volumes": []}
    bad = status(row("relay"), row("relay"), full=True)
    found = read_status({"recorder": recorder, "live": bad})
    assert found == {Raised("live.cpu_full", BOX), Raised("live.relay_only", BOX)}
    assert read_status({"recorder": recorder, "live": None}, found) == {Raised("live.down", BOX)}
    for fault in LIVE_FAULTS.values():
        assert CONDITIONS[fault.condition].depends_on == ("live.down",)


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("code", LIVE_FAULTS)
def test_every_fault_can_be_said(code: str, language: str) -> None:
    """Four texts in both languages, the figures filled in."""
    texts, fault = catalogue(language).texts, LIVE_FAULTS[code]
    figures = fault.figures(status(row("relay"), row("relay"), waiting=2, full=True))
    assert "{" not in texts[f"fault.{code}"].format(**figures)
    for part in (".why", ".do", ".topic"):
        assert texts[f"fault.{code}{part}"]
