"""The main job on the demo: discover, adopt, record, export, index; and what survives `kill -9`."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.core.model import is_public_id
from tests.fakes.demo_box import HERE, DemoBox, demo_box, eventually
from tests.fakes.exposition import parse
from tests.fakes.hub_door import sign_in_hub
from tests.fakes.listening import listeners
from tests.fakes.media_facts import probe

pytestmark = pytest.mark.system

GOP_S = 2.0
FRAME_S = 1 / 15


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoBox]:
    with demo_box(tmp_path_factory.mktemp("demo")) as running:
        yield running


def closed(box: DemoBox, *, stream: str = "main", after_ms: int = 0) -> list[dict[str, Any]]:
    """Return closed segments of a stream that began after an instant."""
    rows = box.json("segments")["segments"]
    return [row for row in rows if row["stream"] == stream and row["start_ms"] >= after_ms]


def test_the_ready_file_names_everything_and_is_private(box: DemoBox) -> None:
    """Addresses, one-use codes and the data directory are there, for the owner's eyes only."""
    assert {"web", "hub", "principal_code", "guardian_slip", "data"} <= set(box.ready)
    assert box.ready["guardian_slip"].startswith(box.ready["web"] + "/p/moi#")
    path = box.data.parent / "ready.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_status_shows_every_camera_found_adopted_and_recording(box: DemoBox) -> None:
    """All cameras were found by discovery, adopted by ONVIF and record; all daemons tell of themselves."""
    status = box.well()
    assert len(status["cameras"]) == 3
    for camera in status["cameras"]:
        assert is_public_id(camera["id"])
        assert camera["connected"] is True
        assert camera["recording"] is True
        assert camera["driver"] in {"onvif", "simulated"}
        assert {stream["stream"] for stream in camera["streams"]} == {"main", "sub"}
        assert {"fps", "bitrate_bps", "last_segment_ms", "gaps_today", "viewers"} <= set(camera)
    for daemon in status["daemons"].values():
        assert daemon["running"]
        assert {"pid", "uptime_s", "rss_bytes", "version"} <= set(daemon)
    table = box.vuon("status")
    assert "Lớp Mầm 1" in table
    assert "\x1b" not in table


def test_one_scrape_tells_of_cameras_disks_and_daemons(box: DemoBox) -> None:
    """`/metrics` answers a program on the box: all is up, each camera records, the disk has room; without any name."""
    status = box.well()

    def scrape() -> str:
        with urllib.request.urlopen(box.ready["web"] + "/metrics", timeout=30) as answer:
            return str(answer.read().decode())

    text = str(eventually(lambda: (t := scrape()) and "vuon_cameras_recording 3\n" in t and t, what="all record"))
    figures = parse(text)
    assert [figures["vuon_up", (name,)] for name in ("recorder", "live", "gateway")] == [1, 1, 1]
    for camera in status["cameras"]:
        assert figures["vuon_camera_recording", (camera["id"],)] == 1
        assert ("vuon_stream_bits_per_second", (camera["id"], "main")) in figures
        assert camera["name"] not in text
        assert camera["address"] not in text
    assert [value > 0 for (name, _), value in figures.items() if name == "vuon_volume_free_bytes"] == [True]
    assert figures["vuon_live_full", ()] == 0
    forwarded = urllib.request.Request(box.ready["web"] + "/metrics", headers={"X-Forwarded-For": "198.51.100.7"})
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(forwarded, timeout=30)


def test_discovery_again_knows_what_is_adopted(box: DemoBox) -> None:
    """A second search finds the same devices and names them as ours."""
    found = box.json("discover")["found"]
    ours = {camera["id"] for camera in box.status()["cameras"]}
    assert ours <= {item["adopted_as"] for item in found}


def test_the_footage_is_encrypted_on_disk(box: DemoBox) -> None:
    """No file of the volume holds a fragment's own bytes, nor a NAL unit's start in clear."""
    eventually(box.files, what="a file")
    for path in (box.data / "footage").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"moof" not in content
            assert b"mdat" not in content


def test_any_closed_segment_exports_to_a_file_that_plays(box: DemoBox, tmp_path: Path) -> None:
    """Every closed segment of every stream comes out as MP4 that ffprobe decodes without a word."""
    rows = eventually(
        lambda: len(r := box.json("segments")["segments"]) >= 6 and r, seconds=150, what="closed segments"
    )
    seen = set()
    for row in rows:
        if (row["camera"], row["stream"]) in seen:
            continue
        seen.add((row["camera"], row["stream"]))
        out = tmp_path / f"{len(seen)}.mp4"
        box.vuon("trich-xuat", row["path"], "-o", str(out))
        media = probe(out)
        assert media.codec == "h264"
        assert media.decoded == len(media.times_s) > 0
        assert media.times_s[0] == pytest.approx(0, abs=0.001)
        assert media.times_s[-1] == pytest.approx(row["duration_ms"] / 1000, abs=0.2)
    assert {stream for _, stream in seen} == {"main", "sub"}


def test_an_export_of_nothing_leaves_no_file(box: DemoBox, tmp_path: Path) -> None:
    """A span without footage, and a segment that does not exist, are said so and write nothing."""
    camera = box.status()["cameras"][0]["name"]
    out = tmp_path / "none.mp4"
    span = ("--camera", camera, "--tu", "2020-01-01T00:00:00", "--den", "2020-01-01T00:01:00")
    box.vuon("export", *span, "-o", str(out), good=False)
    box.vuon("export", "9/2026-01-01/00/1-1.seg", "-o", str(out), good=False)
    box.vuon("export", "../../../etc/passwd", "-o", str(out), good=False)
    assert list(tmp_path.iterdir()) == []


def test_the_index_equals_the_files_after_reindex(box: DemoBox) -> None:
    """Rebuilding from the files changes nothing and finds nothing damaged; every file has its row."""
    box.well()
    result = box.json("reindex")
    assert (result["added"], result["removed"], result["damaged"]) == (0, 0, [])
    assert result["segments"] == result["files"]
    paths = {row["path"] for row in box.json("segments")["segments"]}
    assert paths <= box.files()


def test_exports_are_in_the_audit_and_the_chain_is_whole(box: DemoBox) -> None:
    """The console's export left a row, and the chain verifies."""
    result = box.json("audit", "verify")
    assert result["ok"] is True
    assert result["rows"] > 10


def test_killing_gateway_and_live_costs_no_frame(box: DemoBox, tmp_path: Path) -> None:
    """`kill -9` of both while recording: no gap, no new run, no picture missing in the footage."""
    before = box.well()
    runs = {(c["id"], s["stream"]): s["run"] for c in before["cameras"] for s in c["streams"]}
    started_ms = time.time_ns() // 1_000_000
    killed = {name: box.kill(name) for name in ("gateway", "live")}
    for name, pid in killed.items():
        box.back(name, pid)
    ended_ms = time.time_ns() // 1_000_000
    after = box.well()
    assert {(c["id"], s["stream"]): s["run"] for c in after["cameras"] for s in c["streams"]} == runs
    assert [c["gaps_today"] for c in after["cameras"]] == [c["gaps_today"] for c in before["cameras"]]
    camera = after["cameras"][0]
    rows = eventually(
        lambda: [
            row
            for row in closed(box)
            if row["camera"] == camera["id"] and row["start_ms"] + row["duration_ms"] >= started_ms
        ],
        seconds=150,
        what="the segment over the kill is closed",
    )
    assert rows[0]["start_ms"] <= ended_ms
    out = tmp_path / "over.mp4"
    box.vuon("export", rows[0]["path"], "-o", str(out))
    media = probe(out)
    assert media.longest_step_s() < 1.5 * FRAME_S
    assert media.decoded == round(rows[0]["duration_ms"] / 1000 / FRAME_S)


def test_killing_the_recorder_loses_at_most_a_gop_and_says_why(box: DemoBox, tmp_path: Path) -> None:
    """Back by itself; what it had stays but the last GOP; no orphan file or row; the hole has its cause."""
    box.well()
    pid = box.kill("recorder")
    killed_ms = time.time_ns() // 1_000_000
    box.back("recorder", pid)
    after = box.well()
    result = box.json("reindex")
    assert (result["added"], result["removed"], result["damaged"]) == (0, 0, [])
    assert {row["path"] for row in box.json("segments")["segments"]} <= box.files()
    assert not list((box.data / "footage").rglob("*.part")) or all(
        path.stat().st_mtime * 1000 > killed_ms for path in (box.data / "footage").rglob("*.part")
    )
    for camera in after["cameras"]:
        ends = [
            row["start_ms"] + row["duration_ms"]
            for row in closed(box)
            if row["camera"] == camera["id"] and row["start_ms"] < killed_ms
        ]
        assert killed_ms - max(ends) <= (2 * GOP_S + 1) * 1000
        assert camera["gaps_today"] >= 1
    log = (box.data / "log" / "recorder.log").read_text()
    assert "Traceback" not in log


def test_events_reach_the_hub_also_over_its_death(box: DemoBox) -> None:
    """While the hub is dead nothing is lost: once it is back nothing waits in any lane."""
    eventually(lambda: (box.status()["upstream"] or {}).get("connected"), what="hub connected")
    with sign_in_hub(box.ready["hub"], box.ready["hub_code"]) as door:
        board = eventually(
            lambda: (b := door.board())["sites"] and len(b["sites"][0]["cameras"]) == 3 and b, what="the board"
        )
    assert {camera["state"] for camera in board["sites"][0]["cameras"]} == {"up"}
    hub = [int(p) for p in _pids("gateway.roofs.hub", str(box.data))]
    assert len(hub) == 1
    os.kill(hub[0], signal.SIGKILL)
    box.vuon("chia-se", "dung")
    box.vuon("chia-se", "mo")
    eventually(
        lambda: (u := box.status()["upstream"]) and u["connected"] and not any(u["waiting"].values()),
        seconds=120,
        what="everything sent",
    )


def _pids(module: str, marker: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if module in line and marker in line:
            found.append(folder.name)
    return found


def test_a_second_start_says_what_is_taken(box: DemoBox, tmp_path: Path) -> None:
    """The same directory, the same port and a directory with other files are each named with a way out."""

    def refused(*arguments: str) -> str:
        command = [sys.executable, "-m", "gateway", "demo", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=HERE, check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        return done.stderr

    assert str(box.data) in refused("--data", str(box.data), "--port", "65000")
    port = box.ready["web"].rpartition(":")[2]
    assert f"127.0.0.1:{port}" in refused("--data", str(tmp_path / "new"), "--port", port)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    assert "other files" in refused("--data", str(tmp_path / "full"), "--port", "65000")
    assert (tmp_path / "full" / "letter.txt").read_text() == "mine"


def test_every_server_listens_on_loopback_only(box: DemoBox) -> None:
    """No daemon of the demo accepts a connection on another address than 127.x."""
    pids = {pid for module in ("gateway", "drivers.simulated") for pid in _pids(module, str(box.data))}
    assert len(pids) >= 5
    listening = _listening_addresses({int(pid) for pid in pids})
    assert listening
    assert {address for address in listening if not address.startswith("127.")} == set()


def _listening_addresses(pids: set[int]) -> set[str]:
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(link.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    return {item.address for item in listeners() if item.inode in inodes}


def test_a_camera_is_seen_and_the_sheet_has_all_of_them(box: DemoBox, tmp_path: Path) -> None:
    """A look after acceptance must be meant and is audited; the sheet has every camera's picture and no secret."""
    box.well()
    assert "--after-acceptance" in box.vuon("preview", "1", good=False)
    said = box.vuon("preview", "1", "--after-acceptance")
    assert "Lớp Mầm 1" in said
    assert "Picture of" in said
    assert "1280×720" in said
    out = tmp_path / "sheet.html"
    box.vuon("handover", "--out", str(out), "--after-acceptance")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    page = out.read_text(encoding="utf-8")
    assert page.count('src="data:image/jpeg;base64,/9j/') == 3
    for name in ("Lớp Mầm 1", "Lớp Mầm 2", "Lớp Chồi 1"):
        assert name in page
    secret = (box.data / "state" / "demo-camera.key").read_bytes().hex()
    assert secret not in page
    assert box.ready["guardian_slip"].rpartition("#")[2] not in page
