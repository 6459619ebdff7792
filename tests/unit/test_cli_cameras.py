"""`vuon discover`, `adopt`, `camera-password`, `remove`: finding cameras and making them ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import searching
from gateway.cli.cameras import describe, state_of
from gateway.cli.context import Context
from gateway.core.errors import BadInput, CameraUnreachable, NotPermitted
from gateway.core.model import PublicId
from gateway.core.typed import tidy
from gateway.roofs.lookup import only
from tests.fakes.cli_box import Answer, cli_box, columns_of

STREAMS = [
    {"stream": "main", "codec": "h264", "width": 1920, "height": 1080, "fps": 15, "bitrate_bps": 0},
    {"stream": "sub", "codec": "h265", "width": 0, "height": 0, "fps": 0, "bitrate_bps": 0},
]
LIST: dict[str, Answer] = {
    "camera.list": {"cameras": [{"id": "a" * 16, "name": "Lớp Mầm 1"}, {"id": "b" * 16, "name": "Sân"}]},
    "camera.login": {},
    "camera.remove": {},
    "adopt": {"cameras": [{"id": "c" * 16, "name": "Bếp [ăn]", "streams": STREAMS}]},
}


def found(address: str, **changes: Any) -> dict[str, Any]:
    row = {"endpoint": address, "address": address, "port": 80, "name": "Cam", "hardware": "DS-2CD", "mac": ""}
    return row | {"reachable": True, "adopted_as": None} | changes


# discover


STEP = {"step": "multicast", "interface": "eth0", "network": "10.0.0.0/24", "done": 3, "every": 3}


def searched(rows: list[dict[str, Any]], **more: Any) -> dict[str, Answer]:
    """A recorder that finds these devices."""
    result = {"found": rows, "steps": [STEP], "failed": [], "dropped": 0} | more
    ranges = [{"interface": "eth0", "network": "10.0.0.0/24", "hosts": 253}]
    return {
        "discover.run": [json.dumps(item).encode() for item in ({"step": STEP}, result)],
        "discover.ranges": {"ranges": ranges},
    }


def test_discover_lists_what_is_new_ours_and_elsewhere(tmp_path: Path) -> None:
    """Where was searched, a table with a mark and a word for each, a sum, and the command that comes next."""
    rows = [
        found("10.0.0.21", adopted_as="a" * 16),
        found("10.0.0.22", name="", hardware="", port=8899, maker="Dahua", profiles=["S", "T"]),
        found("10.0.0.23", name="", hardware="", port=0, rtsp_port=8554),
        found("10.0.0.24", name="", hardware="", port=0, maker="Hikvision"),
        found("169.254.3.4", reachable=False),
    ]
    with cli_box(tmp_path, {"recorder": searched(rows)}) as box:
        done = box.vuon("discover", COLUMNS="80")
    assert done.code == 0
    lines = done.out.splitlines()
    assert "WS-Discovery" in lines[0]
    assert "eth0 10.0.0.0/24" in lines[0]
    assert [line[0] for line in lines[2:7]] == ["✔", "+", "+", "!", "!"]
    assert "10.0.0.22:8899" in lines[3]
    assert "Dahua" in lines[3]
    assert "S T" in lines[3]
    assert "10.0.0.23:8554" in lines[4]
    assert "Found 5 cameras: 1 adopted, 2 new" in done.out
    assert "1 cameras are on another network" in done.out
    assert "1 devices look like cameras" in done.out
    assert "vuon nhan 10.0.0.22 --port 8899 --user admin" in done.out
    assert columns_of(done.out) <= 80
    assert done.err == ""


def test_nothing_found_says_what_to_look_at(tmp_path: Path) -> None:
    """No table; where was searched, then power and cable."""
    with cli_box(tmp_path, {"recorder": searched([])}) as box:
        done = box.vuon("discover")
    assert done.code == 0
    assert len(done.out.splitlines()) == 2


def test_all_ours_needs_no_next_step(tmp_path: Path) -> None:
    """Where every camera is adopted nothing is suggested; the default port is not shown."""
    with cli_box(tmp_path, {"recorder": searched([found("10.0.0.21", adopted_as="a" * 16)])}) as box:
        out = box.vuon("discover").out
    assert "vuon nhan" not in out
    assert ":80" not in out


def test_discover_json_is_what_the_recorder_said(tmp_path: Path) -> None:
    """`--json` passes the rows on, each with what comes next; the search is as long as was said."""
    with cli_box(tmp_path, {"recorder": searched([found("10.0.0.21", name="[x]")])}) as box:
        result = box.vuon("discover", "--json", "--seconds", "2.5").json()
        assert box.asked("discover.run") == [{"seconds": 2.5}]
        assert box.asked("discover.ranges") == []
    assert result["found"] == [found("10.0.0.21", name="[x]") | {"next": "vuon nhan 10.0.0.21 --user admin"}]
    assert result["steps"] == [STEP]


@pytest.mark.parametrize("seconds", ["0", "-1", "61", "x"])
def test_a_search_has_a_sensible_length(tmp_path: Path, seconds: str) -> None:
    """A wrong --seconds is refused here and nothing is sent."""
    with cli_box(tmp_path, {"recorder": searched([])}) as box:
        assert box.vuon("discover", "--seconds", seconds).code == 2
        assert box.calls == []


@pytest.mark.parametrize("option", ["--quet", "--sweep", "--cong", "--ports"])
def test_nobody_is_asked_one_by_one_without_agreement(tmp_path: Path, option: str) -> None:
    """A script that did not agree is told the range and how to agree; nothing is searched."""
    with cli_box(tmp_path, {"recorder": searched([])}) as box:
        done = box.vuon("discover", option)
        assert box.asked("discover.run") == []
    assert done.code == 1
    assert "eth0 10.0.0.0/24 (253)" in done.err
    assert "--yes" in done.err


def test_agreed_ranges_are_what_is_asked(tmp_path: Path) -> None:
    """Exactly the ranges that were named; the interface of a temporary address goes along."""
    with cli_box(tmp_path, {"recorder": searched([])}) as box:
        box.vuon("tim", "--quet", "--cong", "--dong-y", "--dia-chi-tam", "eth1")
        assert box.asked("discover.run") == [{"sweep": ["10.0.0.0/24"], "ports": ["10.0.0.0/24"], "temporary": "eth1"}]


@pytest.mark.parametrize(("answer", "searches"), [("y", 1), ("có", 1), ("what?\nC", 1), ("n", 0), ("k", 0), ("", 0)])
def test_a_person_is_asked_with_the_range_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, searches: int
) -> None:
    """Yes searches, no and Enter do not, in the languages of the house; what is neither is asked again."""
    monkeypatch.setattr(searching, "is_a_terminal", lambda: True)
    with cli_box(tmp_path, {"recorder": searched([])}) as box:
        done = box.vuon("discover", "--sweep", typed=f"{answer}\n")
        assert len(box.asked("discover.run")) == searches
    assert "eth0 10.0.0.0/24 (253)" in done.err
    assert done.code == 1 - searches
    assert ("Nothing was sent." in done.err) == (not searches)


def test_a_step_is_one_line_with_all_its_ranges(tmp_path: Path) -> None:
    """Interface and network of each."""
    steps = [STEP, STEP | {"interface": "eth1", "network": "10.0.1.0/24"}, STEP | {"step": "sadp"}]
    with cli_box(tmp_path, {"recorder": searched([], steps=steps)}) as box:
        lines = box.vuon("discover").out.splitlines()
    assert [line.split()[-1] for line in lines[:2]] == ["10.0.1.0/24", "10.0.0.0/24"]
    assert "eth0 10.0.0.0/24, eth1 10.0.1.0/24" in lines[0]
    assert lines[1].startswith("✔ sadp ")


def test_a_step_that_failed_and_what_did_not_fit_are_named(tmp_path: Path) -> None:
    """Beside what was found; an unknown step by its own name."""
    answers = searched([], failed=[{"step": "sadp", "code": "address_taken"}], dropped=7)
    with cli_box(tmp_path, {"recorder": answers}) as box:
        out = box.vuon("discover").out
    assert "✘ sadp: A port or directory is in use" in out
    assert "7 more devices" in out


def test_a_missing_right_is_explained(tmp_path: Path) -> None:
    """With the command that a person can type instead."""
    fields = {"case": "net_admin", "address": "192.168.1.250/24", "interface": "eth1"}
    with cli_box(tmp_path, {"recorder": {"discover.run": NotPermitted("no", **fields)}}) as box:
        done = box.vuon("discover", "--temporary", "eth1")
    assert done.code == 1
    assert "sudo ip address add 192.168.1.250/24 dev eth1 valid_lft 600" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({}, "vuon nhan 10.0.0.9 --user admin"),
        ({"port": 2020}, "vuon nhan 10.0.0.9 --port 2020 --user admin"),
        ({"port": 0, "rtsp_port": 554}, "vuon nhan 10.0.0.9 --user admin"),
        ({"port": 0, "rtsp_port": 5554}, "vuon nhan 10.0.0.9 --rtsp :5554 --user admin"),
        ({"port": 0}, ""),
        ({"adopted_as": "a" * 16}, ""),
        ({"reachable": False}, ""),
        (
            {"address": "192.168.1.64", "reachable": False, "interface": "eth1", "how": ["passive"]},
            "vuon tim --dia-chi-tam eth1",
        ),
        ({"address": "192.168.1.64", "reachable": False, "interface": "eth1", "how": ["passive", "multicast"]}, ""),
        (
            {"address": "192.168.1.64", "reachable": False, "interface": "a;b", "how": []},
            "vuon tim --dia-chi-tam 'a;b'",
        ),
    ],
)
def test_what_comes_next(changes: dict[str, Any], command: str) -> None:
    """One command, of addresses and ports only."""
    assert searching.next_command(found("10.0.0.9", name="$(reboot)") | changes) == command


@given(st.booleans(), st.one_of(st.none(), st.just("a" * 16)), st.sampled_from([0, 80]), st.sampled_from([0, 554]))
def test_the_state_of_a_found_device(reachable: bool, ours: str | None, port: int, rtsp_port: int) -> None:
    """Ours is ours wherever it is; else its network counts, then what it speaks."""
    state = state_of({"reachable": reachable, "adopted_as": ours, "port": port, "rtsp_port": rtsp_port})
    if ours or not reachable:
        assert state == ("adopted" if ours else "unreachable")
    else:
        assert state == ("new" if port else "rtsp" if rtsp_port else "closed")


# adopt


def test_adopting_sends_the_password_from_the_pipe(tmp_path: Path) -> None:
    """One line of stdin, without its end; what was adopted is told stream by stream."""
    with cli_box(tmp_path, {"recorder": LIST}) as box:
        done = box.vuon("adopt", "10.0.0.9", "--name", "Bếp", "--port", "8000", typed="s3cret\r\n")
        order = {"address": "10.0.0.9", "username": "admin", "password": "s3cret", "port": 8000, "name": "Bếp"}
        assert box.asked("adopt") == [order]
    assert done.code == 0
    assert "Bếp [ăn]" in done.out
    assert "main  1920×1080  15 fps  H.264" in done.out
    assert "sub  H.265" in done.out
    assert "s3cret" not in done.out + done.err
    assert done.out.count("vuon tinh-trang") == 1


def test_an_address_may_name_its_driver(tmp_path: Path) -> None:
    """A film is adopted by its name and asked for no password; other drivers' cameras have one."""
    with cli_box(tmp_path, {"recorder": LIST}) as box:
        assert box.vuon("nhan", "file:lop-la.mp4").code == 0
        assert box.vuon("nhan", "simulated:127.0.1.11", typed="s3cret\n").code == 0
        login = {"username": "admin", "password": "s3cret"}
        assert box.asked("adopt") == [{"address": "file:lop-la.mp4"}, {"address": "simulated:127.0.1.11"} | login]


def test_the_environment_comes_before_the_pipe(tmp_path: Path) -> None:
    """$VUON_CAMERA_PASSWORD wins, and JSON is the camera alone."""
    with cli_box(tmp_path, {"recorder": LIST}) as box:
        done = box.vuon("adopt", "10.0.0.9", "--json", typed="pipe\n", VUON_CAMERA_PASSWORD="env")
        assert box.asked("adopt")[0]["password"] == "env"
    assert done.json()["streams"] == STREAMS


@pytest.mark.parametrize("typed", ["", "\n", "\r\n"])
def test_an_empty_password_is_never_tried(tmp_path: Path, typed: str) -> None:
    """A pipe that gives nothing must not use up one of the camera's tries."""
    with cli_box(tmp_path, {"recorder": LIST}) as box:
        done = box.vuon("adopt", "10.0.0.9", typed=typed)
        again = box.vuon("camera-password", "Sân", typed=typed)
        assert box.calls == []
    assert (done.code, again.code) == (1, 1)
    assert "VUON_CAMERA_PASSWORD" in done.err


def test_a_camera_without_a_login_is_asked_without_one(tmp_path: Path) -> None:
    """`--user ''` sends no user, no password, and does not read the pipe."""
    with cli_box(tmp_path, {"recorder": LIST}) as box:
        assert box.vuon("adopt", "10.0.0.9", "--user", "", "--rtsp", "/live").code == 0
        assert box.asked("adopt") == [{"address": "10.0.0.9", "rtsp_path": "/live"}]


def test_an_engine_is_asked_for_and_what_was_pinned_is_told(tmp_path: Path) -> None:
    """With the reason, if the probe found one; without the option nothing of it is said."""
    for why in ("", "camera_silent"):
        camera = {"id": "c" * 16, "name": "Sân", "streams": STREAMS, "engine": "pyav", "engine_why": why}
        with cli_box(tmp_path, {"recorder": LIST | {"adopt": {"cameras": [camera]}}}) as box:
            done = box.vuon("adopt", "10.0.0.9", "--user", "", "--engine", "auto")
            assert box.asked("adopt") == [{"address": "10.0.0.9", "engine": "auto"}]
        assert "FFmpeg" in done.out
        assert ("camera_silent" in done.out) == bool(why)
    with cli_box(tmp_path, {"recorder": LIST}) as box:
        assert "FFmpeg" not in box.vuon("adopt", "10.0.0.9", "--user", "").out


@pytest.mark.parametrize("address", ["abc", "10.0.0", "10.0.0.256", "", "http://10.0.0.9"])
def test_what_is_no_address_is_refused_before_the_password(tmp_path: Path, address: str) -> None:
    """A name or half an address is told so; nothing is asked or sent."""
    with cli_box(tmp_path, {"recorder": LIST}) as box:
        done = box.vuon("adopt", address, typed="pw\n")
        assert box.calls == []
    assert done.code == 1
    assert "IP" in done.err


def test_the_channels_of_a_recorder_are_told_one_by_one(tmp_path: Path) -> None:
    """What was adopted, what was ours already, and which channels have no picture."""
    cameras = [{"id": f"{n:016d}", "name": f"Đầu ghi kênh {n}", "streams": STREAMS} for n in (1, 2)]
    answer = {"cameras": cameras, "empty": [5, 6], "already": 3}
    with cli_box(tmp_path, {"recorder": {"adopt": answer}}) as box:
        done = box.vuon("adopt", "10.0.0.9", "--channels", "1-6", typed="pw\n")
        assert box.asked("adopt")[0]["channels"] == "1-6"
        as_json = box.vuon("nhan", "10.0.0.9", "--kenh", "1-6", "--json", typed="pw\n")
    assert done.code == 0
    assert "Đầu ghi kênh 1" in done.out
    assert "Đầu ghi kênh 2" in done.out
    assert "5, 6" in done.out
    assert "3 channels" in done.out
    assert as_json.json() == cameras


def test_a_camera_takes_the_place_of_another(tmp_path: Path) -> None:
    """By name, with or without a new address; channels left over are told."""
    answer = {"cameras": [{"id": "c" * 16, "name": "Sân", "streams": []}], "left": ["d" * 16]}
    with cli_box(tmp_path, {"recorder": LIST | {"camera.replace": answer}}) as box:
        done = box.vuon("adopt", "--replace", "Sân", typed="pw\n")
        assert box.vuon("nhan", "10.0.0.9", "--thay", "Sân", typed="pw\n").code == 0
        first, second = box.asked("camera.replace")
        assert "address" not in first
        assert second["address"] == "10.0.0.9"
        assert first["camera"] == second["camera"]
        assert box.asked("adopt") == []
    assert done.code == 0
    assert "Sân is the new camera now" in done.out
    assert "1 cameras of the old recorder" in done.out


def test_without_an_address_nothing_is_asked(tmp_path: Path) -> None:
    """Neither a password nor a daemon."""
    with cli_box(tmp_path, {"recorder": LIST}) as box:
        done = box.vuon("adopt", typed="pw\n")
        assert box.calls == []
    assert done.code == 1
    assert "--replace" in done.err


def test_a_camera_that_does_not_answer_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """The recorder's typed error ends the command with status 1."""
    with cli_box(tmp_path, {"recorder": {"adopt": CameraUnreachable("no route")}}) as box:
        done = box.vuon("adopt", "10.0.0.9", typed="pw\n")
    assert done.code == 1
    assert "no route" in done.err


# the others


def test_a_new_login_goes_to_the_named_camera(tmp_path: Path) -> None:
    """A name becomes an id, composed or decomposed, in any case."""
    with cli_box(tmp_path, {"recorder": LIST}) as box:
        for name in ("Lớp Mầm 1", "lớp  mầm 1", "Lớp Mầm 1".encode().decode(), "a" * 16):
            assert box.vuon("camera-password", name, "--user", "root", typed="pw\n").code == 0
        expected = {"camera": "a" * 16, "username": "root", "password": "pw"}
        assert box.asked("camera.login") == [expected] * 4


def test_an_unknown_camera_lists_the_known_ones(tmp_path: Path) -> None:
    """Nothing is removed by a name that is none, or by a part of one."""
    with cli_box(tmp_path, {"recorder": LIST}) as box:
        for name in ("Lớp", "Lớp Mầm", "x" * 16):
            done = box.vuon("remove", name)
            assert done.code == 1
            assert "Lớp Mầm 1, Sân" in done.err
        assert box.asked("camera.remove") == []
        assert box.vuon("remove", "Sân").code == 0
        assert box.asked("camera.remove") == [{"camera": "b" * 16}]


def test_streams_say_only_what_is_known(tmp_path: Path) -> None:
    """A camera that tells nothing of a stream gives its name alone; a strange codec is shown as it is."""
    (tmp_path / "config.toml").write_text('[site]\nlanguage = "en"\n')
    context = Context(None, tmp_path)
    assert describe(context, {"stream": "sub"}) == "sub"
    assert describe(context, {"stream": "main", "codec": "mjpeg", "fps": 12.5}).split("  ")[-1] == "mjpeg"


# the rule of names

NAMES = st.lists(st.tuples(st.text("ab", min_size=16, max_size=16), st.text("aầ B", min_size=1, max_size=4)))


@given(NAMES, st.text("aầ B", max_size=4))
def test_only_one_or_an_error(rows: list[tuple[str, str]], name: str) -> None:
    """A name gives the id of the only row it fits, and BadInput otherwise: never the first of several."""
    known = [(PublicId(row_id), text) for row_id, text in rows]
    fitting = [row_id for row_id, text in known if tidy(text) == tidy(name)]
    try:
        chosen = only(name, known, "person")
    except BadInput as error:
        assert len(fitting) != 1
        assert error.fields["case"] == ("several" if fitting else "person")
    else:
        assert [chosen] == fitting


def test_an_id_always_finds_its_row() -> None:
    """Where two share a name their ids tell them apart, and the error names both; a list of names says it once."""
    rows = [(PublicId("a" * 16), "Nguyễn Thị Lan"), (PublicId("b" * 16), "Nguyễn Thị Lan")]
    assert only("b" * 16, rows, "person") == "b" * 16
    with pytest.raises(BadInput, match="a" * 16) as caught:
        only("nguyễn thị lan", rows, "person")
    assert "b" * 16 in caught.value.message
    with pytest.raises(BadInput) as caught:
        only("Lan", rows, "person")
    assert caught.value.fields["known"] == "Nguyễn Thị Lan"
