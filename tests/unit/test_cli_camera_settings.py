"""`vuon cai-dat-camera`: the plan first, then apply and undo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from drivers.settings import ORDER, Block, Why
from gateway.cli import camera_settings
from gateway.cli.camera_settings import value_text
from gateway.core.errors import NotFound
from gateway.core.i18n import catalogue
from tests.fakes.cli_box import Answer, CliBox, Result, cli_box, columns_of

CAMERA = "a" * 16
LIST: Answer = {"cameras": [{"id": CAMERA, "name": "Lớp Mầm 1"}]}


def change(setting: str, before: str, after: str, blocked: str = "") -> dict[str, Any]:
    return {"setting": setting, "before": before, "after": after, "blocked": blocked}


def outcome(item: dict[str, Any], now: str | None = None, why: str = "") -> dict[str, Any]:
    return {**item, "applied": not why, "now": item["after"] if now is None else now, "why": why}


GOP, NTP = change("main.gop", "100", "30"), change("time.ntp", "", "192.168.1.2")
SMART = change("codec.smart", "", "off", "not_offered")
RIGHT = {"changes": [SMART]}
PLAN = {"changes": [NTP, SMART, GOP]}
DONE = {"outcomes": [outcome(NTP), outcome(SMART, "", "blocked"), outcome(GOP)]}


def answers(**more: Answer) -> dict[str, dict[str, Answer]]:
    return {"recorder": {"camera.list": LIST, "camera.plan": PLAN, "camera.apply": DONE, **more}}


def run(box: CliBox, *arguments: str, typed: str = "") -> Result:
    return box.vuon("cai-dat-camera", "Lớp Mầm 1", *arguments, typed=typed, COLUMNS="100")


def test_without_apply_it_is_a_dry_run(tmp_path: Path) -> None:
    """Setting, before, after; what cannot be set with its reason; the next command; and nothing is applied."""
    with cli_box(tmp_path, answers()) as box:
        done = run(box)
    assert done.code == 0
    lines = done.out.splitlines()
    assert "time server" in lines[1]
    assert lines[1].split() == ["+", "time", "server", "–", "→", "192.168.1.2"]
    assert "main: key-frame distance" in lines[2]
    assert "100 pictures" in lines[2]
    assert "30 pictures" in lines[2]
    assert lines[3].startswith("! smart codec")
    assert "vuon cai-dat-camera 'Lớp Mầm 1' --ap-dung" in done.out
    assert columns_of(done.out) <= 100
    assert box.asked("camera.apply") == []
    assert box.asked("camera.plan") == [{"camera": CAMERA, "who": "console"}]


def test_a_camera_that_is_right_needs_nothing(tmp_path: Path) -> None:
    """That is said, with what cannot be set from here; also with --apply nothing is sent."""
    with cli_box(tmp_path, answers(**{"camera.plan": RIGHT})) as box:
        done = run(box)
        applied = run(box, "--ap-dung")
    for result in (done, applied):
        assert result.code == 0
        assert "✔ Lớp Mầm 1 is set right" in result.out
        assert "--ap-dung" not in result.out
    assert box.asked("camera.apply") == []


def test_apply_asks_and_a_pipe_cannot_agree(tmp_path: Path) -> None:
    """Nobody at the terminal: the error names --yes, and nothing is sent."""
    with cli_box(tmp_path, answers()) as box:
        done = run(box, "--ap-dung", typed="y\n")
    assert done.code == 1
    assert "--yes" in done.err
    assert box.asked("camera.apply") == []


@pytest.mark.parametrize(("says", "sent"), [(True, 1), (False, 0)])
def test_a_person_agrees_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: bool, sent: int) -> None:
    """After the plan was shown."""
    monkeypatch.setattr(camera_settings, "_agrees", lambda _: says)
    with cli_box(tmp_path, answers()) as box:
        done = run(box, "--apply")
    assert done.code == 0
    assert "100 pictures" in done.out
    assert len(box.asked("camera.apply")) == sent
    assert ("Nothing was changed" in done.out) is not says


def test_apply_shows_each_outcome_and_how_to_go_back(tmp_path: Path) -> None:
    """A mark for each, the count, the command that takes it back."""
    with cli_box(tmp_path, answers()) as box:
        done = run(box, "--ap-dung", "--co")
    assert done.code == 0
    assert [line[0] for line in done.out.splitlines()[1:3]] == ["✔", "✔"]
    assert "Set 2 settings on Lớp Mầm 1" in done.out
    assert "--hoan-tac" in done.out
    assert box.asked("camera.plan") == [], "agreed beforehand: planned once, by the recorder"


def test_what_the_camera_did_not_take_is_an_error(tmp_path: Path) -> None:
    """With the reason in words, also for codes of errors; the exit status is 1."""
    outcomes = [outcome(NTP, "", "camera_unreachable"), outcome(GOP, "100", "untouched")]
    with cli_box(tmp_path, answers(**{"camera.apply": {"outcomes": outcomes}})) as box:
        done = run(box, "--ap-dung", "--co")
    assert done.code == 1
    assert catalogue("en").error("camera_unreachable")[0] in done.out
    assert "not tried" in done.out
    assert "--hoan-tac" not in done.out


def test_only_chosen_settings(tmp_path: Path) -> None:
    """Keys are passed on as they are; the recorder knows which there are."""
    with cli_box(tmp_path, answers()) as box:
        run(box, "--chi", " main.gop, audio,")
    assert box.asked("camera.plan")[0]["settings"] == ["main.gop", "audio"]


def test_the_factory_password_is_printed_once(tmp_path: Path) -> None:
    """With the account and the order to write it down."""
    login = {"username": "admin", "password": "Abcdefgh12345678"}
    done = {"outcomes": [outcome(change("user.factory", "", "random"))], "factory_login": login}
    with cli_box(tmp_path, answers(**{"camera.apply": done})) as box:
        out = run(box, "--only", "user.factory", "--ap-dung", "--co").out
    assert out.count("Abcdefgh12345678") == 1
    assert "--hoan-tac" not in out, "nobody can take that back"
    assert "admin" in out


def test_undo(tmp_path: Path) -> None:
    """It stands alone, shows what was taken back, and says when there is nothing."""
    back = {"outcomes": [outcome(change("main.gop", "30", "100"))]}
    with cli_box(tmp_path, answers(**{"camera.undo": back})) as box:
        done = run(box, "--hoan-tac")
        refused = run(box, "--hoan-tac", "--ap-dung")
    assert done.code == 0
    assert "Took back 1 settings" in done.out
    assert refused.code == 1
    assert len(box.asked("camera.undo")) == 1
    with cli_box(tmp_path, answers(**{"camera.undo": NotFound("nothing")})) as box:
        assert run(box, "--undo").code == 1


def test_json_is_what_the_recorder_said(tmp_path: Path) -> None:
    """Plan, apply and undo."""
    with cli_box(tmp_path, answers(**{"camera.undo": DONE})) as box:
        assert run(box, "--json").json() == PLAN
        assert run(box, "--ap-dung", "--co", "--json").json() == DONE
        assert run(box, "--hoan-tac", "--json").json() == DONE


def test_adoption_suggests_it(tmp_path: Path) -> None:
    """For cameras that can be set."""
    adopted: Answer = {"cameras": [{"id": CAMERA, "name": "Bếp", "driver": "onvif", "streams": []}]}
    with cli_box(tmp_path, {"recorder": {"adopt": adopted}}) as box:
        out = box.vuon("nhan", "10.0.0.9", "--user", "").out
    assert f"vuon cai-dat-camera {CAMERA}" in out


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_setting_and_code_has_words(language: str) -> None:
    """Whatever the recorder answers can be read by a person."""
    texts = catalogue(language).texts
    assert {f"setting.{key}" for key in ORDER} <= set(texts)
    assert {f"setting.block.{code}" for code in Block} <= set(texts)
    assert {f"setting.why.{code}" for code in Why} <= set(texts)


@pytest.mark.parametrize(
    ("setting", "value", "shown"),
    [
        ("main.codec", "h265", "H.265"),
        ("main.size", "640x360", "640×360"),
        ("sub.fps", "12.5", "12,5 hình/s"),
        ("sub.bitrate", "400000", "400 kb/s"),
        ("time.clock", "ntp", "theo máy chủ giờ"),
        ("time.clock", "manual -3600 s", "chỉnh tay (lệch -3600 s)"),
        ("codec.smart", "on", "bật"),
        ("audio", "off", "tắt"),
        ("audio", "main=a%20b", "bật"),
        ("osd.label", "Lớp Lá 1 +date", "Lớp Lá 1 + ngày giờ"),
        ("mask", "0,0 1,0 1,1; 0,0 1,0 0,1", "2 vùng"),
        ("user.factory", "random", "ngẫu nhiên"),
        ("user.own", "vuon", "vuon"),
        ("main.profile", "", "–"),
    ],
)
def test_values_in_vietnamese(setting: str, value: str, shown: str) -> None:
    """Units and words of the reader's language."""
    assert value_text(catalogue("vi"), setting, value) == shown
