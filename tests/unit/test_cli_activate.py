"""`vuon activate`: said first, asked, done; the password once, and what a search says comes next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import activate
from gateway.cli.cameras import state_of
from gateway.core.errors import CameraUnreachable
from tests.fakes.cli_box import Answer, cli_box, columns_of
from tests.unit.test_cli_cameras import STREAMS, found

ADDRESS = "10.0.0.9"
PASSWORD = "A1b2C3d4E5f6G7h8"


def recorder(needs: list[str], *, kept: bool = False, trouble: dict[str, str] | None = None) -> dict[str, Answer]:
    base = {"vendor": "hikvision", "address": ADDRESS, "port": 8080, "needs": needs, "kept": kept, "done": []}

    def activate(params: Mapping[str, Any]) -> dict[str, Any]:
        if params.get("go") is not True:
            return base
        ours = {"username": "admin", "password": PASSWORD} if kept or "password" in needs else {}
        done = [need for need in needs if trouble is None or need == "password"]
        return base | {"done": done} | ours | ({"trouble": trouble} if trouble else {})

    camera = {"id": "c" * 16, "name": "Cam", "streams": STREAMS}
    return {"camera.activate": activate, "adopt": {"camera": camera}}


def searched(rows: list[dict[str, Any]]) -> dict[str, Answer]:
    return {"discover.run": [json.dumps({"found": rows}).encode()], "discover.ranges": {"ranges": []}}


def test_what_will_be_done_is_said_and_nothing_done(tmp_path: Path) -> None:
    """Without a terminal and without --yes: the explanation, a refusal, and one call that only looks."""
    with cli_box(tmp_path, {"recorder": recorder(["password", "onvif"])}) as box:
        done = box.vuon("activate", ADDRESS)
        assert box.asked("camera.activate") == [{"address": ADDRESS}]
        assert box.asked("adopt") == []
    assert done.code == 1
    assert "Hikvision" in done.out
    assert "It has no password yet" in done.out
    assert "does not answer ONVIF" in done.out
    assert "--dong-y" in done.err


def test_a_new_camera_is_activated_adopted_and_its_password_told_once(tmp_path: Path) -> None:
    """One yes: password, ONVIF, adoption without a login of ours on the wire, and what is recorded."""
    with cli_box(tmp_path, {"recorder": recorder(["password", "onvif"])}) as box:
        done = box.vuon("kich-hoat", ADDRESS, "--port", "8080", "--dong-y")
        assert box.asked("camera.activate")[1] == {"address": ADDRESS, "port": 8080, "go": True}
        assert box.asked("adopt") == [{"address": ADDRESS, "port": 8080}]
    assert done.code == 0
    assert done.out.count(PASSWORD) == 1
    assert "main  1920×1080" in done.out
    assert done.out.count("vuon tinh-trang") == 1
    assert PASSWORD not in done.err


def test_a_camera_with_a_password_is_asked_for_it(tmp_path: Path) -> None:
    """ONVIF only: the password comes by the pipe, goes into both calls and is printed nowhere."""
    with cli_box(tmp_path, {"recorder": recorder(["onvif"])}) as box:
        done = box.vuon("activate", ADDRESS, "--yes", typed="von mir\n")
        login = {"username": "admin", "password": "von mir"}
        assert box.asked("camera.activate")[1] == {"address": ADDRESS, "go": True} | login
        assert box.asked("adopt") == [{"address": ADDRESS, "port": 8080} | login]
    assert done.code == 0
    assert "von mir" not in done.out + done.err


def test_an_interrupted_activation_goes_on_without_a_password(tmp_path: Path) -> None:
    """The box knows it: nobody is asked, and it is told again, as it may never have been seen."""
    with cli_box(tmp_path, {"recorder": recorder([], kept=True)}) as box:
        done = box.vuon("activate", ADDRESS, "--yes")
        assert box.asked("adopt") == [{"address": ADDRESS, "port": 8080}]
    assert PASSWORD in done.out


def test_another_password_than_the_kept_one(tmp_path: Path) -> None:
    """What the box keeps for an address may be another camera's: a person can give this one's."""
    with cli_box(tmp_path, {"recorder": recorder(["onvif"], kept=True)}) as box:
        box.vuon("activate", ADDRESS, "--yes", "--other-password", typed="von mir\n")
        login = {"username": "admin", "password": "von mir"}
        assert box.asked("camera.activate")[1] == {"address": ADDRESS, "go": True} | login
        assert box.asked("adopt") == [{"address": ADDRESS, "port": 8080} | login]


@pytest.mark.parametrize(("said", "calls"), [("c", 2), ("k", 1)])
def test_a_person_is_asked_in_his_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, calls: int
) -> None:
    """What will be done stands above the question; a program that reads JSON is asked nothing."""
    monkeypatch.setattr(activate, "is_a_terminal", lambda: True)
    with cli_box(tmp_path, {"recorder": recorder(["password"])}) as box:
        done = box.vuon("kich-hoat", ADDRESS, "--khong-nhan", typed=f"{said}\n", VUON_LANG="vi")
        assert len(box.asked("camera.activate")) == calls
        assert "[c/K]" in done.err
        silent = box.vuon("kich-hoat", ADDRESS, "--json", typed="c\n")
        assert len(box.asked("camera.activate")) == calls + 1
    assert silent.code == 1
    assert "--dong-y" in silent.err


def test_a_ready_camera_is_sent_to_adoption(tmp_path: Path) -> None:
    """Nothing is lacking: nothing is done, and the next command is named."""
    with cli_box(tmp_path, {"recorder": recorder([])}) as box:
        done = box.vuon("activate", ADDRESS)
        assert len(box.asked("camera.activate")) == 1
    assert done.code == 0
    assert f"vuon nhan {ADDRESS} --port 8080 --user admin" in done.out


def test_adoption_can_be_left_for_later(tmp_path: Path) -> None:
    """--khong-nhan stops before it and names the command."""
    with cli_box(tmp_path, {"recorder": recorder(["password"])}) as box:
        done = box.vuon("activate", ADDRESS, "--yes", "--khong-nhan")
        assert box.asked("adopt") == []
    assert f"vuon nhan {ADDRESS} --port 8080 --user ''" in done.out


def test_trouble_after_the_password_still_tells_it(tmp_path: Path) -> None:
    """The camera has a password but no ONVIF: the password, what went wrong, status 1, no adoption."""
    trouble = {"code": "camera_unsupported", "message": "the camera has no switch for ONVIF"}
    with cli_box(tmp_path, {"recorder": recorder(["password", "onvif"], trouble=trouble)}) as box:
        done = box.vuon("activate", ADDRESS, "--yes")
        told = box.vuon("activate", ADDRESS, "--yes", "--json")
        assert box.asked("adopt") == []
    assert done.code == told.code == 1
    assert PASSWORD in done.out
    assert "the camera has no switch for ONVIF" in done.err
    assert told.json()["password"] == PASSWORD


def test_json_is_one_document(tmp_path: Path) -> None:
    """What was done, the password and the camera, and nothing around it."""
    with cli_box(tmp_path, {"recorder": recorder(["password", "onvif"])}) as box:
        told = box.vuon("activate", ADDRESS, "--yes", "--json").json()
        ready = box.vuon("activate", ADDRESS, "--yes", "--json").json()
    assert (told["done"], told["password"], told["camera"]["name"]) == (["password", "onvif"], PASSWORD, "Cam")
    assert ready["vendor"] == "hikvision"


def test_an_error_of_the_camera_is_explained(tmp_path: Path) -> None:
    """Title and remedy, status 1."""
    with cli_box(tmp_path, {"recorder": {"camera.activate": CameraUnreachable("no answer")}}) as box:
        done = box.vuon("activate", ADDRESS)
    assert done.code == 1
    assert "→" in done.err


@pytest.mark.parametrize("address", ["camera", "10.0.0", "10.0.0.9/24", "::1"])
def test_no_address_no_call(tmp_path: Path, address: str) -> None:
    """Refused here."""
    with cli_box(tmp_path, {"recorder": recorder([])}) as box:
        assert box.vuon("activate", address).code == 1
        assert box.calls == []


# what a search says


def test_a_search_names_what_each_camera_lacks(tmp_path: Path) -> None:
    """A word in the table, a sentence for each kind, and the whole command for each camera."""
    rows = [
        found("10.0.0.21", remedy="activate", command="vuon kich-hoat 10.0.0.21"),
        found("10.0.0.22", remedy="onvif_on", command="vuon kich-hoat 10.0.0.22 --port 8080"),
        found("10.0.0.23", remedy="activate", command="vuon kich-hoat 10.0.0.23"),
        found("192.168.1.64", reachable=False, remedy="reach", command="sudo ip address add 192.168.1.250/24 dev eth0"),
    ]
    with cli_box(tmp_path, {"recorder": searched(rows)}) as box:
        done = box.vuon("discover", COLUMNS="80")
    assert "no password yet" in done.out
    assert "ONVIF off" in done.out
    assert "2 cameras have no password yet" in done.out
    assert "1 cameras do not answer ONVIF" in done.out
    for row in rows:
        assert f"  {row['command']}" in done.out.splitlines()
    assert "vuon nhan" not in done.out
    assert columns_of(done.out.partition("\n\n")[0].splitlines()[1]) <= 80


def test_cameras_at_one_address_are_told_apart(tmp_path: Path) -> None:
    """One sentence and one command for both; neither is offered for adoption."""
    rows = [found("192.168.1.64", remedy="apart", command="vuon tim", mac=mac) for mac in ("02:1", "02:2")]
    with cli_box(tmp_path, {"recorder": searched(rows)}) as box:
        out = box.vuon("discover").out
    assert "2 cameras share an address" in out
    assert out.count("vuon tim") == 1
    assert "vuon nhan" not in out


def test_a_search_in_vietnamese(tmp_path: Path) -> None:
    """The same in the language of the house."""
    rows = [found("10.0.0.21", remedy="activate", command="vuon kich-hoat 10.0.0.21")]
    with cli_box(tmp_path, {"recorder": searched(rows)}) as box:
        done = box.vuon("tim", VUON_LANG="vi")
    assert "chưa kích hoạt" in done.out
    assert "1 camera chưa có mật khẩu" in done.out


def test_what_is_ours_needs_no_step() -> None:
    """An adopted camera is adopted whatever a search says of its state."""
    assert state_of({"adopted_as": "a" * 16, "remedy": "onvif_on"}) == "adopted"
    assert state_of({"remedy": "onvif_on"}) == "onvif_on"
    assert state_of({"remedy": "reach", "reachable": False}) == "unreachable"
