"""`vuon status`: every daemon asked, every trouble told, exit status for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.cli.status import is_good
from gateway.core.errors import WireError
from tests.fakes.cli_box import Answer, all_well, camera, cli_box, columns_of

ROOMS = ("Lớp Mầm 1", "Lớp Chồi 2")


def rooms(**changes: Any) -> tuple[dict[str, Any], ...]:
    """Two cameras; the second one as said."""
    return camera(ROOMS[0]), camera(ROOMS[1], **changes)


def test_a_healthy_box_says_so(tmp_path: Path) -> None:
    """All daemons, all cameras, the disk and the hub on one screen; status 0."""
    with cli_box(tmp_path, all_well(*rooms())) as box:
        done = box.vuon("status", COLUMNS="80")
    assert done.code == 0
    assert all(f"✔ vuon-{name}" in done.out for name in ("recorder", "live", "gateway"))
    assert all(name in done.out for name in ROOMS)
    assert "1:01:01" in done.out
    assert "70%" in done.out
    assert "30.0 GiB" in done.out
    assert "connected, 2 items wait" in done.out
    assert "✘" not in done.out
    assert columns_of(done.out) <= 80


def test_figures_are_in_the_schools_language_and_zone(tmp_path: Path) -> None:
    """Vietnamese decimals, the school's clock, a dash where nobody watches."""
    with cli_box(tmp_path, all_well(*rooms())) as box:
        lines = box.vuon("tinh-trang", VUON_LANG="vi").out.splitlines()
    first, second = (next(line for line in lines if name in line) for name in ROOMS)
    assert {"1,7", "15", "12:00:00", "3"} <= set(first.split())
    assert second.split()[-1] == "–"


def test_json_says_the_same(tmp_path: Path) -> None:
    """`--json` has daemons, cameras with viewers, volumes, conditions and upstream."""
    with cli_box(tmp_path, all_well(*rooms())) as box:
        found = box.vuon("status", "--json").json()
    assert found["ok"] is True
    assert found["daemons"]["live"]["running"] is True
    assert [row["viewers"] for row in found["cameras"]] == [3, 0]
    assert found["volumes"][0]["state"] == "ok"
    assert found["upstream"]["connected"] is True


@pytest.mark.parametrize("down", ["recorder", "live", "gateway"])
def test_a_dead_daemon_hides_nothing_else(tmp_path: Path, down: str) -> None:
    """The others are shown, the dead one is named with the way to start it; status 1."""
    answers = all_well(*rooms())
    del answers[down]
    with cli_box(tmp_path, answers) as box:
        done, found = box.vuon("status"), box.vuon("status", "--json")
    assert (done.code, found.code) == (1, 1)
    assert f"✘ vuon-{down}" in done.out
    assert done.out.count("✔ vuon-") == 2
    assert "vuon run" in done.out
    assert (ROOMS[0] in done.out) == (down != "recorder")
    assert found.json()["daemons"][down] == {"running": False, "why": "daemon_unavailable"}


def test_all_daemons_down_is_still_an_answer(tmp_path: Path) -> None:
    """Nothing runs: three lines say so, no empty table, no claim that there are no cameras."""
    with cli_box(tmp_path, {}) as box:
        done = box.vuon("status")
    assert done.code == 1
    assert done.out.count("✘ vuon-") == 3
    assert "discover" not in done.out


def test_a_daemon_of_another_version_is_told_apart(tmp_path: Path) -> None:
    """A daemon that speaks another protocol is not "not running"."""
    answers = all_well(*rooms())
    answers["live"] = {"status": WireError("protocol 2")}
    with cli_box(tmp_path, answers) as box:
        done = box.vuon("status")
    assert done.code == 1
    assert "vuon-live runs another version" in done.out


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"connected": False, "recording": False, "why": "camera_silent"}, "Camera sends no picture"),
        ({"recording": False, "why": ""}, "not recording"),
        ({"connected": False, "why": "from the future"}, "not recording"),
    ],
)
def test_a_camera_in_trouble_is_marked_and_explained(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    """A ✘ in the table and a line that says why; a code nobody knows is no crash."""
    with cli_box(tmp_path, all_well(*rooms(**changes))) as box:
        done = box.vuon("status")
    assert done.code == 1
    told = [line for line in done.out.splitlines() if ROOMS[1] in line]
    assert [line[0] for line in told] == ["✘", "✘"]
    assert says.lower() in told[1].lower()
    assert not is_good(camera("x", **changes))


def test_footage_that_is_missing_shows_in_the_share_of_today(tmp_path: Path) -> None:
    """A gap of minutes is never shown as 100%."""
    with cli_box(tmp_path, all_well(*rooms(gap_seconds_today=0.5, gaps_today=1))) as box:
        lines = box.vuon("status").out.splitlines()
    assert "100%" in next(line for line in lines if ROOMS[0] in line)
    assert "100%" not in next(line for line in lines if ROOMS[1] in line)


def test_the_school_day_has_a_column_of_its_own(tmp_path: Path) -> None:
    """How complete it is: 100% only of the whole, a dash before the first school day."""
    whole, torn = {"day": "2026-11-20", "percent": 100.0}, {"day": "2026-11-20", "percent": 99.9}
    cameras = (camera("A", complete=whole), camera("B", complete=torn), camera("C", complete=None), camera("D"))
    with cli_box(tmp_path, all_well(*cameras)) as box:
        out = box.vuon("status", COLUMNS="80").out
        vietnamese = box.vuon("tinh-trang", VUON_LANG="vi", COLUMNS="80").out
    cells = {line.split()[1]: line.split()[4] for line in out.splitlines() if line.startswith("✔  ")}
    assert cells == {"A": "100%", "B": "99.9%", "C": "–", "D": "–"}
    assert " Giờ học " in vietnamese
    assert max(columns_of(out), columns_of(vietnamese)) <= 80


def conditions(*rows: tuple[str, str]) -> dict[str, dict[str, Answer]]:
    """A box whose health tracker holds conditions."""
    answers = all_well(*rooms(connected=False))
    status = answers["gateway"]["status"]
    assert isinstance(status, dict)
    status["conditions"] = [{"code": code, "subject": about} for code, about in rows]
    return answers


def test_conditions_name_their_camera_and_are_not_said_twice(tmp_path: Path) -> None:
    """A condition of a camera that is bad anyway is left out; others are told, also of unknown codes."""
    good, bad = (row["id"] for row in rooms())
    rows = (("camera.losing_packets", good), ("camera.down", bad), ("clock.untrusted", ""), ("new.thing", "box"))
    with cli_box(tmp_path, conditions(*rows)) as box:
        out = box.vuon("status").out
    looks = [line for line in out.splitlines() if line.startswith("! ")]
    assert len(looks) == 3
    assert looks[0].startswith(f"! {ROOMS[0]}: ")
    assert looks[2] == "! new.thing"


@pytest.mark.parametrize("state", ["missing", "wrong", "read_only", "full", "on fire"])
def test_a_disk_in_trouble_is_told_in_words(tmp_path: Path, state: str) -> None:
    """The disk's line is a ✘ with the catalogue's title instead of a bar."""
    answers = all_well(*rooms())
    status = answers["recorder"]["status"]
    assert isinstance(status, dict)
    status["volumes"] = [{"path": "/disk", "state": state, "free_bytes": 0, "total_bytes": 0}]
    with cli_box(tmp_path, answers) as box:
        out = box.vuon("status").out
    assert "✘ /disk: " in out
    assert "━" not in out


def test_a_box_without_cameras_says_what_to_do(tmp_path: Path) -> None:
    """The next command is in the text; a box that stands alone says nothing of a hub."""
    answers = all_well()
    status = answers["gateway"]["status"]
    assert isinstance(status, dict)
    status["upstream"] = {"configured": False, "connected": None, "waiting": {}}
    with cli_box(tmp_path, answers) as box:
        done = box.vuon("status")
    assert done.code == 0
    assert "vuon discover" in done.out or "vuon tim" in done.out
    assert "Upstream" not in done.out


def test_an_unreachable_hub_is_told_with_what_waits(tmp_path: Path) -> None:
    """Nobody needs to fear for the events."""
    answers = all_well(*rooms())
    status = answers["gateway"]["status"]
    assert isinstance(status, dict)
    status["upstream"] = {"configured": True, "connected": False, "waiting": {"alarm": 4, "routine": 6}}
    with cli_box(tmp_path, answers) as box:
        out = box.vuon("status").out
    assert "! Upstream: not connected, 10 items wait" in out


def test_a_long_name_does_not_push_the_figures_off(tmp_path: Path) -> None:
    """At 80 columns a name of 80 characters is cut with an ellipsis, its figures stay."""
    with cli_box(tmp_path, all_well(camera("Phòng " + "rất " * 19))) as box:
        out = box.vuon("status", COLUMNS="80").out
    line = next(line for line in out.splitlines() if "Phòng" in line)
    assert "…" in line
    assert "1.7" in line
    assert columns_of(out) <= 80


def test_a_camera_that_never_wrote_shows_no_time(tmp_path: Path) -> None:
    """No segment yet is a dash, not 1970."""
    with cli_box(tmp_path, all_well(camera("A", last_segment_ms=None))) as box:
        out = box.vuon("status").out
    assert "07:00:00" not in out
    assert "–" in next(line for line in out.splitlines() if line.startswith("✔  A"))


def test_a_picture_that_stands_still_is_no_good_camera(tmp_path: Path) -> None:
    """It is connected and recorded, and still it is trouble: status 1, with the words for it."""
    with cli_box(tmp_path, all_well(*rooms(frozen=True))) as box:
        done = box.vuon("status")
        assert box.vuon("status", "--json").json()["ok"] is False
    assert done.code == 1
    assert f"✘ {ROOMS[1]}: The camera's picture stands still" in done.out


def test_what_is_served_to_cameras_is_told_with_its_remedy(tmp_path: Path) -> None:
    """Time and addresses, and for a port that is taken: which, by whom, what to do; the box is well all the same."""
    taken = {
        "code": "address_taken",
        "message": "UDP 123 is in use",
        "fields": {"case": "time_port", "port": 123, "address": "192.168.10.18", "network": "192.168.10.0/24"},
    }
    answers = all_well(*rooms())
    recorder = answers["recorder"]["status"]
    assert isinstance(recorder, dict)
    recorder["lan"] = {
        "time": {"served": ["10.0.0.7"], "answered": 4, "errors": [taken]},
        "addresses": {"interface": "eth1", "serving": True, "leases": 3, "full": False, "errors": []},
    }
    with cli_box(tmp_path, answers) as box:
        done = box.vuon("status")
        recorder["lan"]["addresses"]["full"] = True
        full = box.vuon("status").out
    assert "Time for cameras: 10.0.0.7" in done.out
    assert "Addresses for cameras: 3 given on eth1" in done.out
    assert "UDP port 123 of 192.168.10.18" in done.out
    assert "allow 192.168.10.0/24" in done.out
    assert (done.code, "widen camera_lan.range" in full) == (0, True)


def test_who_watches_and_what_they_draw(tmp_path: Path) -> None:
    """A line for the viewers, one for the uplink where there is one; the sessions themselves as JSON, without a person."""
    answers = all_well(*rooms())
    session = {"session": "s", "camera": "c", "stream": "sub", "path": "relay", "frames": 9, "rtt_ms": 21.5}
    places = {"outside": 2, "waiting": 1, "uplink_bps": 8_000_000, "uplink_drawn_bps": 1_250_000}
    figures = {
        "open": [session] * 3,
        "places": places,
        "totals": {"frames": 27},
        "ended": {},
        "paths": {},
        "dropped": {},
    }
    assert isinstance(answers["live"]["status"], dict)
    answers["live"]["status"] |= figures
    with cli_box(tmp_path, answers) as box:
        done, found = box.vuon("status"), box.vuon("status", "--json").json()
        vietnamese = box.vuon("tinh-trang", VUON_LANG="vi").out
    assert "Live pictures watched: 3, outside the school 2, waiting for a turn 1" in done.out
    assert "Uplink for viewers outside: 1.3 / 8.0 Mbit/s" in done.out or "1.2 / 8.0 Mbit/s" in done.out
    assert "Đang xem: 3 hình trực tiếp, ngoài trường 2, chờ lượt 1" in vietnamese
    assert found["live"] == figures


def test_while_nobody_watches_nothing_is_said_of_it(tmp_path: Path) -> None:
    """Neither a line nor a figure; an older daemon, or one that is down, has none to tell."""
    with cli_box(tmp_path, all_well(*rooms())) as box:
        done, found = box.vuon("status"), box.vuon("status", "--json").json()
    assert "Watching" not in done.out
    assert set(found["live"].values()) == {None}


def test_transcodes_are_told_where_there_are_any(tmp_path: Path) -> None:
    """How many of how many; whoever found no place is a warning; a box without them says nothing."""
    answers = all_well(*rooms())
    with cli_box(tmp_path, answers) as box:
        assert "Transcoding" not in box.vuon("status").out
    told = answers["live"]["status"]
    assert isinstance(told, dict)
    for refused, words in ((0, "Transcoding (cameras without H.264): 2 of 4"), (3, "3 times there was no place")):
        told["transcodes"] = {"most": 4, "processes": 2, "refused": refused}
        with cli_box(tmp_path, answers) as box:
            assert words in " ".join(box.vuon("status").out.split())
            assert box.vuon("status", "--json").json()["transcodes"]["processes"] == 2
