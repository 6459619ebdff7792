"""`vuon kiem-tra`: what, why and the remedy in words; fixes what it may; the exit status tells how it went."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.doctor.faults import BOX_FAULTS, CAMERA_FAULTS
from gateway.core.errors import CameraUnreachable
from tests.fakes.cli_box import Answer, cli_box

LA, MAM = "laaaaaaaaaaaaaaa", "mamaaaaaaaaaaaaa"
NAMES = {LA: "Lớp Lá [1]", MAM: "Mầm"}
LIST: Answer = {"cameras": [{"id": camera, "name": name} for camera, name in NAMES.items()]}


def fault(code: str, **figures: str | float) -> dict[str, Any]:
    """A finding as the recorder tells it."""
    known = CAMERA_FAULTS.get(code) or BOX_FAULTS[code]
    return {
        "code": code, "severity": known.severity.value, "fixable": known.fixable, "keys": list(known.keys),
        "command": known.command.format(camera="Mầm", address=""), "figures": figures,
    }  # fmt: skip


def row(
    camera: str, *faults: dict[str, Any], unknown: tuple[str, ...] = (), fine: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {
        "camera": camera, "name": NAMES.get(camera, ""), "checked_ms": 1, "faults": list(faults),
        "unknown": list(unknown), "fine": list(fine),
    }  # fmt: skip


WELL = {"checked_ms": 1, "faults": [], "unknown": ["exposed"], "fine": ["box_clock"]}


PLACES = {"cpu": 0.1, "full": False, "uplink_bps": 4_000_000, "waiting": 0, "wanted_bps": 0}
ONE_WAY = [{"state": "live", "path": "host", "outside": True}, {"state": "live", "path": "host", "outside": True}]
QUIET = {"places": PLACES, "open": ONE_WAY}


class School:
    """A recorder with two cameras, whose faults a fix takes away."""

    def __init__(self, *faults: dict[str, Any], settles_after: int = 0) -> None:
        self.faults, self.fixed, self.settles_after = list(faults), False, settles_after

    def examine(self, params: Mapping[str, Any]) -> dict[str, Any]:
        if params["camera"] == LA:
            return row(LA, fine=("frozen",))
        if not self.fixed:
            return row(MAM, *self.faults, fine=("frozen",))
        gone = [item["code"] for item in self.faults if item["keys"]]
        left = [item for item in self.faults if not item["keys"]]
        if self.settles_after:
            self.settles_after -= 1
            return row(MAM, *left, unknown=tuple(gone))
        return row(MAM, *left, fine=("frozen", *gone))

    def apply(self, params: Mapping[str, Any]) -> dict[str, Any]:
        self.fixed = True
        login = {"username": "admin", "password": "Zx81[b]"}
        outcomes = [{"setting": key, "applied": True} for key in params["settings"]]
        return {"outcomes": outcomes} | ({"factory_login": login} if "user.factory" in params["settings"] else {})

    def answers(self, **changes: Answer) -> dict[str, dict[str, Answer]]:
        calls: dict[str, Answer] = {
            "camera.list": LIST, "doctor.box": WELL, "doctor.camera": self.examine, "camera.apply": self.apply,
            "doctor.note": {},
        }  # fmt: skip
        live: dict[str, Answer] = {"status": QUIET}
        return {
            "recorder": calls | {name.replace("_", ".", 1): answer for name, answer in changes.items()},
            "live": live,
        }


def test_a_healthy_school_is_status_zero(tmp_path: Path) -> None:
    """No fault, and what could not be known is named, not counted as well."""
    with cli_box(tmp_path, School().answers()) as box:
        done = box.vuon("doctor")
        assert {call["camera"] for call in box.asked("doctor.camera")} == {LA, MAM}
    assert done.code == 0
    assert "No fault was found; 1 things are not known." in done.out
    assert "? not known: doors to the Internet" in done.out
    assert "✘" not in done.out


def test_a_fault_tells_what_why_and_the_command(tmp_path: Path) -> None:
    """Mark, words with figures, reason, advice, command; grave and lesser are told apart; status 1."""
    school = School(fault("audio_on"), fault("clock_skew", seconds=300.0), fault("sub_bitrate", mbps=2.04))
    with cli_box(tmp_path, school.answers()) as box:
        done = box.vuon("doctor", "Mầm")
        assert box.asked("doctor.box") == []
    assert done.code == 1
    assert "✘ records sound" in done.out
    assert "A classroom camera must not take sound without consent." in done.out
    assert "vuon kiem-tra Mầm --sua-loi" in done.out
    assert "! clock is off by 300 s" in done.out
    assert "! sub stream is too heavy: 2.0 Mb/s" in done.out
    assert "1 grave faults, 2 lesser ones" in done.out
    assert "Lớp Lá" not in done.out


def test_vietnamese_is_written_as_vietnamese(tmp_path: Path) -> None:
    """Words, decimal comma."""
    with cli_box(tmp_path, School(fault("sub_bitrate", mbps=2.04)).answers()) as box:
        done = box.vuon("kiem-tra", VUON_LANG="vi")
    assert "! luồng phụ quá nặng: 2,0 Mb/s" in done.out
    assert "Hộp và mạng" in done.out
    assert "Lớp Lá [1]" in done.out


def test_the_box_has_its_own_heading(tmp_path: Path) -> None:
    """What the modem lets in is a fault of the box."""
    box_row = WELL | {"faults": [fault("exposed", doors="8000 → 192.168.1.20:80")], "unknown": []}
    with cli_box(tmp_path, School().answers(doctor_box=box_row)) as box:
        done = box.vuon("doctor")
    assert done.code == 1
    assert done.out.startswith("Box and network\n  ✘ a camera or recorder can be reached")
    assert "8000 → 192.168.1.20:80" in done.out


def test_fixing_applies_the_keys_and_looks_again(tmp_path: Path) -> None:
    """Each key once, by name; the second look is fresh and decides what is called fixed."""
    school = School(fault("factory_password"), fault("clock_skew", seconds=9.0), fault("no_ntp"), fault("no_qcvn"))
    with cli_box(tmp_path, school.answers()) as box:
        done = box.vuon("doctor", "--fix")
        (order,) = box.asked("camera.apply")
        looks = [call for call in box.asked("doctor.camera") if call["camera"] == MAM]
    assert order["camera"] == MAM
    assert order["settings"] == ["user.own", "user.factory", "time.ntp", "time.clock"]
    assert [call["fresh"] for call in looks] == [False, True]
    assert "✔ fixed: factory password, clock, time server" in done.out
    assert "new password of account admin, shown only now, write it down: Zx81[b]" in done.out
    assert "vuon cai-dat-camera Mầm --hoan-tac" in done.out
    assert set(order) == {"camera", "settings", "who"}
    assert "number of its conformity certificate is not entered" in done.out
    assert done.code == 1


def test_a_stream_that_settles_is_waited_for(tmp_path: Path) -> None:
    """Right after a restart nothing is known: it looks again before it says fixed; all fixed is status 0."""
    school = School(fault("b_frames"), settles_after=1)
    with cli_box(tmp_path, school.answers()) as box:
        done = box.vuon("doctor", "Mầm", "--sua-loi", "--json")
        looks = box.asked("doctor.camera")
    found = done.json()
    assert done.code == 0
    assert found["ok"] is True
    assert found["cameras"][0]["fixed"] == ["b_frames"]
    assert found["cameras"][0]["left"] == []
    assert [call["fresh"] for call in looks] == [False, True, False]


def test_a_fix_that_fails_is_not_called_fixed(tmp_path: Path) -> None:
    """The fault is still there, with the reason; nothing else was tried."""
    school = School(fault("audio_on"))
    with cli_box(tmp_path, school.answers(camera_apply=CameraUnreachable("gone"))) as box:
        done = box.vuon("doctor", "--fix")
    assert done.code == 1
    assert "✘ not fixed: sound" in done.out
    assert "fixed: sound" not in done.out.replace("not fixed: sound", "")


def test_what_the_box_cannot_set_has_no_command_that_fixes_it(tmp_path: Path) -> None:
    """A clock without a time server, a camera without ONVIF: what is left to do is said instead."""
    beyond = {"keys": [], "fixable": False, "command": ""}
    school = School(fault("no_ntp") | beyond, fault("audio_on") | beyond)
    with cli_box(tmp_path, school.answers()) as box:
        out = box.vuon("doctor").out
    assert "--sua-loi" not in out
    assert "cameras.ntp_server" in out
    assert "on the camera's own page" in out


def test_the_next_command_is_for_the_camera_that_was_examined(tmp_path: Path) -> None:
    """Who examined one camera is not sent to change all of them."""
    with cli_box(tmp_path, School(fault("audio_on")).answers()) as box:
        assert "Next: vuon kiem-tra Mầm --sua-loi" in box.vuon("doctor", "Mầm").out
        assert "Next: vuon kiem-tra --sua-loi" in box.vuon("doctor").out


def test_without_anything_fixable_nothing_is_applied(tmp_path: Path) -> None:
    """`--sua-loi` on faults that need a person changes nothing."""
    with cli_box(tmp_path, School(fault("no_qcvn")).answers()) as box:
        assert box.vuon("doctor", "--fix").code == 1
        assert box.asked("camera.apply") == []


def test_json_is_what_the_recorder_said(tmp_path: Path) -> None:
    """`--json` has every row and whether all is well."""
    with cli_box(tmp_path, School(fault("no_qcvn")).answers()) as box:
        found = box.vuon("doctor", "--json").json()
    assert found["ok"] is False
    assert [item["camera"] for item in found["cameras"]] == [LA, MAM]
    assert found["box"] == WELL


@pytest.mark.parametrize("arguments", [("doctor",), ("doctor", "Mầm"), ("doctor", "--json")])
def test_what_could_not_be_examined_is_status_two(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """One camera that fails does not hide the others, but the examination is not whole."""
    with cli_box(tmp_path, School().answers(doctor_camera=CameraUnreachable("no"))) as box:
        done = box.vuon(*arguments)
    assert done.code == 2
    if "--json" in arguments:
        assert done.json()["cameras"][0]["error"] == "camera_unreachable"
    else:
        assert "could not be examined" in done.out


def test_an_unknown_camera_is_status_two(tmp_path: Path) -> None:
    """The error lists what there is."""
    with cli_box(tmp_path, School().answers()) as box:
        done = box.vuon("doctor", "Chồi")
    assert done.code == 2
    assert "Mầm" in done.err


@pytest.mark.parametrize(
    ("arguments", "noted"),
    [
        (("--qcvn", "QCVN 135:2024 no 7"), {"qcvn": "QCVN 135:2024 no 7"}),
        (("--can-che",), {"needs_mask": True}),
        (("--khong-can-che", "--duyet-hinh"), {"needs_mask": False, "approve": True}),
    ],
)
def test_what_only_a_person_knows_is_entered(tmp_path: Path, arguments: tuple[str, ...], noted: dict[str, Any]) -> None:
    """Certificate, need of a mask, the approved view: noted for that camera, nothing examined."""
    with cli_box(tmp_path, School().answers()) as box:
        done = box.vuon("doctor", "Mầm", *arguments)
        assert box.asked("doctor.note") == [{"camera": MAM, **noted}]
        assert box.asked("doctor.camera") == []
    assert done.code == 0
    assert "Noted for Mầm." in done.out


def test_a_note_needs_its_camera(tmp_path: Path) -> None:
    """Nothing is entered for all cameras by accident."""
    with cli_box(tmp_path, School().answers()) as box:
        done = box.vuon("doctor", "--can-che")
        assert box.calls == []
    assert done.code == 2
    assert "none is named" in done.err
