"""The text format, and what of the daemons' statuses becomes a figure."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import DaemonUnavailable, VuonError, WireError
from gateway.health.exposition import Metric, Sample, exposition
from gateway.health.metrics import METRICS, samples_of
from gateway.health.tracker import Tracker
from gateway.roofs import metrics_port
from gateway.roofs.metrics_port import MetricsPort
from tests.fakes.clock import FakeClock
from tests.fakes.exposition import parse
from tests.fakes.live_box import make_grant
from tests.fakes.live_scene import OFFER, Scene, play

CAMERA = "cameracameracame"
NAMES = ("Lớp Mầm", "Hoa Sen", "Trần Thị Mai", "192.168.1.64", "/srv/vuon")
RECORDER: Mapping[str, Any] = {
    "daemon": {"name": "vuon-recorder", "uptime_s": 61.5, "rss_bytes": 1 << 26},
    "time_trusted": True,
    "cameras": [
        {
            "id": CAMERA, "name": "Lớp Mầm", "address": "192.168.1.64", "connected": True, "recording": False,
            "frozen": False, "gaps_today": 2, "gap_seconds_today": 12.5, "skew_ms": -1500, "complete": {"percent": 99.5},
            "streams": [
                {"stream": "main", "fps": 14.9, "bitrate_bps": 2_000_000, "lost_packets": 3, "reader_drops": 1,
                 "last_segment_ms": 1_795_237_200_500},
                {"stream": "sub", "fps": None, "bitrate_bps": 0, "lost_packets": None, "last_segment_ms": None},
            ],
        }
    ],
    "volumes": [
        {"id": "volumevolumevolu", "path": "/srv/vuon", "state": "ok", "free_bytes": 10, "total_bytes": 100},
        {"id": "", "path": "/srv/vuon2", "state": "missing", "free_bytes": 5, "total_bytes": 7},
    ],
    "vision": {"running": True, "looked": 7, "dropped": 1, "bad": 0},
}  # fmt: skip
GATEWAY: Mapping[str, Any] = {
    "daemon": {"name": "gateway", "uptime_s": 5, "rss_bytes": 1},
    "upstream": {"configured": True, "connected": False, "waiting": {"alarm": 0, "routine": 3}},
}


def text_of(live: Mapping[str, Any] | None, recorder: Mapping[str, Any] | None = RECORDER) -> str:
    daemons = {"recorder": recorder, "live": live, "gateway": GATEWAY}
    conditions = [{"code": "camera.not_recording", "subject": CAMERA, "severity": "red"}]
    return exposition(METRICS, samples_of(daemons, conditions, {"routine": 3}))


def live_status(folder: Path) -> Mapping[str, Any]:
    """The status of a live daemon's sessions as they really are, with one viewer."""
    found: dict[str, Any] = {}

    async def scenario(scene: Scene) -> None:
        await scene.watching()
        await scene.sessions.open(make_grant(scene.clock), None, OFFER)
        rows = scene.sessions.facts()
        found.update(
            viewers=scene.sessions.viewers(), open=rows, places=scene.sessions.places.facts(), paths={"host": 4},
            totals=scene.sessions.totals.of(rows), ended={"live.gone": 2}, dropped={"stranger": 9},
        )  # fmt: skip

    play(folder, scenario)
    return found


def test_one_scrape_tells_what_is_wrong() -> None:
    """Which camera is not recorded, how long footage is missing, how full the disk is, that the hub is away."""
    figures = parse(text_of(None))
    assert figures["vuon_up", ("recorder",)] == 1
    assert figures["vuon_up", ("live",)] == 0
    assert figures["vuon_camera_up", (CAMERA,)] == 1
    assert figures["vuon_camera_recording", (CAMERA,)] == 0
    assert figures["vuon_camera_gap_seconds_today", (CAMERA,)] == 12.5
    assert figures["vuon_camera_complete_ratio", (CAMERA,)] == 0.995
    assert figures["vuon_camera_clock_skew_seconds", (CAMERA,)] == -1.5
    assert figures["vuon_stream_fps", (CAMERA, "main")] == 14.9
    assert figures["vuon_stream_last_segment_seconds", (CAMERA, "main")] == 1_795_237_200.5
    assert figures["vuon_volume_free_bytes", ("volumevolumevolu",)] == 10
    assert figures["vuon_volume_ok", ("2",)] == 0
    assert figures["vuon_condition", ("camera.not_recording", CAMERA, "red")] == 1
    assert figures["vuon_upstream_connected", ()] == 0
    assert figures["vuon_upstream_waiting", ("routine",)] == 3
    assert (figures["vuon_cameras", ()], figures["vuon_cameras_up", ()], figures["vuon_cameras_recording", ()]) == (
        1,
        1,
        0,
    )


def test_what_is_not_known_is_left_out() -> None:
    """No figure for a stream without packets yet, for a disk that is not ours, for a daemon that is down."""
    figures = parse(text_of(None))
    assert ("vuon_stream_fps", (CAMERA, "sub")) not in figures
    assert ("vuon_stream_lost_packets_total", (CAMERA, "sub")) not in figures
    assert ("vuon_volume_free_bytes", ("2",)) not in figures
    assert not [name for name, _ in figures if name.startswith("vuon_live_")]
    assert not [name for name, _ in parse(text_of(None, None)) if name.startswith(("vuon_camera", "vuon_volume"))]


def test_a_box_without_a_hub_says_nothing_of_it() -> None:
    """Standing alone is no fault."""
    alone = {**GATEWAY, "upstream": {"configured": False, "connected": None, "waiting": {}}}
    found = {item.name for item in samples_of({"gateway": alone}, [], {})}
    assert "vuon_upstream_connected" not in found


def test_live_video_tells_its_sessions_and_totals(tmp_path: Path) -> None:
    """Read from the status that the daemon really gives; every announced live metric is there."""
    status = live_status(tmp_path)
    figures = parse(text_of(status))
    (watching,) = [row for row in status["open"] if row["state"] == "live"]
    label = (watching["camera"], "sub", "host")
    assert figures["vuon_live_open_sessions", label] == 2
    assert figures["vuon_live_open_frames", label] == 1
    assert figures["vuon_live_open_age_seconds", label] == 0
    assert figures["vuon_live_sessions", ("live",)] == figures["vuon_live_sessions", ("connecting",)] == 1
    assert figures["vuon_live_viewers", (CAMERA,)] == 2
    assert figures["vuon_live_frames_total", ()] == 1
    assert figures["vuon_live_ended_total", ("live.gone",)] == 2
    assert figures["vuon_live_dropped_packets_total", ("stranger",)] == 9
    assert figures["vuon_live_full", ()] == 0
    told = {name for name, _ in figures}
    absent = {item.name for item in METRICS if item.name.startswith("vuon_live")} - told
    assert absent == {
        "vuon_live_cpu_ratio",  # this scene measures no load
        "vuon_live_late_ratio",
        "vuon_live_open_rtt_seconds",  # no report yet
        "vuon_live_uplink_limit_bits_per_second",  # viewers are on the LAN only
        "vuon_live_uplink_bits_per_second",
        "vuon_live_uplink_dropped_frames_total",
    }


def test_open_sessions_make_no_series_of_their_own() -> None:
    """A thousand viewers of a camera are one line: sums, and the worst of what does not add up; no session is named."""
    row = {"camera": CAMERA, "stream": "sub", "path": "host", "state": "live", "frames": 2, "loss_pct": 1.0}
    rows = [row | {"session": f"s{n}", "rtt_ms": float(n) or None, "age_s": n} for n in range(1000)]
    text = text_of({"open": [*rows, row | {"session": "far", "path": "relay"}]})
    assert text.count("vuon_live_open_frames{") == 2
    assert "far" not in text
    figures, label = parse(text), (CAMERA, "sub", "host")
    assert figures["vuon_live_open_sessions", label] == 1000
    assert figures["vuon_live_open_frames", label] == 2000
    assert figures["vuon_live_open_rtt_seconds", label] == pytest.approx(0.999)
    assert figures["vuon_live_open_loss_ratio", label] == pytest.approx(0.01)


def test_an_uplink_has_its_figures() -> None:
    """What may be drawn, what is, and what was dropped."""
    places = {"uplink_bps": 8e6, "uplink_drawn_bps": 2e6, "uplink_dropped_frames": 4, "cpu": 0.25, "late": 0.0}
    figures = parse(text_of({"places": places}))
    assert figures["vuon_live_uplink_limit_bits_per_second", ()] == 8e6
    assert figures["vuon_live_uplink_bits_per_second", ()] == 2e6
    assert figures["vuon_live_uplink_dropped_frames_total", ()] == 4
    assert figures["vuon_live_cpu_ratio", ()] == 0.25


def test_no_name_no_address_no_grant(tmp_path: Path) -> None:
    """Neither of a person nor of a class, camera, school, disk folder or network; the id of a grant neither."""
    status = live_status(tmp_path)
    text = text_of(status)
    assert [name for name in NAMES if name in text] == []
    assert [row["grant"] for row in status["open"] if row["grant"] in text] == []
    assert text.isascii()


@pytest.mark.parametrize("error", [DaemonUnavailable("gone"), WireError("another version")], ids=["gone", "odd"])
def test_a_daemon_that_hangs_is_down_or_odd_hides_no_other(error: VuonError, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is asked at the same time as the others and given up after a while."""

    async def well() -> Mapping[str, Any]:
        return RECORDER

    async def down() -> Mapping[str, Any]:
        raise error

    async def hangs() -> Mapping[str, Any]:
        await asyncio.sleep(3600)
        return {}

    monkeypatch.setattr(metrics_port, "ASK_S", 0.05)
    port = MetricsPort({"recorder": well, "live": down, "gateway": hangs}, Tracker(FakeClock()))
    figures = parse(asyncio.run(port.text()))
    assert [figures["vuon_up", (name,)] for name in ("recorder", "live", "gateway")] == [1, 0, 0]


LABELLED = Metric("vuon_x", "gauge", "A figure.", ("a", "b"))


@given(st.text(), st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_any_label_and_value_comes_back(first: str, second: str, value: float) -> None:
    """Quotes, backslashes and line ends are escaped; a reader of the format gets what was put in."""
    text = exposition([LABELLED], [Sample("vuon_x", (first, second), value)])
    assert parse(text) == {("vuon_x", (first, second)): value}
    assert text.count("\n") == 3


def test_a_family_stands_together_and_unknown_values_are_left_out() -> None:
    """Samples that come mixed are sorted by family; NaN, infinity and None are no figures."""
    other = Metric("vuon_y", "counter", "Another.")
    samples = [
        Sample("vuon_y", (), 1),
        Sample("vuon_x", ("1", "2"), 0.5),
        Sample("vuon_x", ("3", "4"), None),
        Sample("vuon_x", ("5", "6"), float("nan")),
        Sample("vuon_x", ("7", "8"), float("inf")),
    ]
    assert exposition([LABELLED, other], samples) == (
        '# HELP vuon_x A figure.\n# TYPE vuon_x gauge\nvuon_x{a="1",b="2"} 0.5\n'
        "# HELP vuon_y Another.\n# TYPE vuon_y counter\nvuon_y 1\n"
    )
    assert exposition([LABELLED, other], []) == ""


def test_a_sample_that_was_not_announced_is_an_error() -> None:
    """A typing error in a name, or a label too many, fails at once."""
    with pytest.raises(KeyError):
        exposition([LABELLED], [Sample("vuon_z", (), 1)])
    with pytest.raises(ValueError, match="zip"):
        exposition([LABELLED], [Sample("vuon_x", ("1",), 1)])


def test_every_metric_has_a_source() -> None:
    """Each announced name is written somewhere in the module that reads the statuses."""
    source = (Path(__file__).parents[2] / "gateway" / "health" / "metrics.py").read_text(encoding="utf-8")
    body = source.split("_CAMERA_FLAGS = ")[1]
    for item in METRICS:
        made = re.sub(r"^vuon_(live|vision)_(.*)_total$", r"\2", item.name)
        assert item.name in body or f'"{made}"' in body, item.name
