"""`vuon do-day`: the share of school hours that is recorded, with the causes of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.cli_box import all_well, camera, cli_box, columns_of, vuon


def row(name: str, percent: float | None, **missing_s: float) -> dict[str, Any]:
    stream = {"stream": "main", "expected_s": 39_600.0, "missing_s": missing_s, "percent": percent}
    return {"camera": camera(name)["id"], "name": name, "percent": percent, "streams": [stream]}


def answer(*days: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {"days": [{"day": day, "start_ms": 0, "end_ms": 1, "cameras": rows} for day, rows in days]}


WEEK = answer(
    ("2026-11-20", [row("Mầm 1", 99.9, camera=37.0), row("Chồi 2", 100.0)]),
    ("2026-11-19", [row("Mầm 1", 50.0, power=18_000.0, tomorrow=0.4), row("Chồi 2", None)]),
)


def asked(tmp_path: Path, *arguments: str, found: dict[str, Any] = WEEK, **env: str) -> tuple[int, str, list[Any]]:
    answers = all_well(camera("Mầm 1"))
    answers["recorder"]["completeness"] = found
    answers["recorder"]["camera.list"] = {"cameras": [camera("Mầm 1")]}
    with cli_box(tmp_path, answers) as box:
        done = box.vuon(*arguments, **env)
        return done.code, done.out, box.asked("completeness")


def test_each_camera_has_a_line_with_its_days(tmp_path: Path) -> None:
    """Oldest first; what is less than the whole never reads 100%; no school or no camera yet is a dash."""
    code, out, calls = asked(tmp_path, "completeness", COLUMNS="80")
    lines = out.splitlines()
    assert code == 0
    assert calls == [{"days": 7}]
    assert "06:30-17:30" in lines[0]
    assert lines[1].split()[-2:] == ["19/11", "20/11"]
    assert lines[2].split()[-2:] == ["50.0%", "99.9%"]
    assert lines[3].split()[-2:] == ["–", "100%"]
    assert lines[4].startswith("–: the camera was not adopted")
    assert columns_of(out) <= 80


def test_every_missing_second_has_a_cause(tmp_path: Path) -> None:
    """By day, the longest first; a cause of tomorrow is told by its code; less than a second is not nothing."""
    _, out, _ = asked(tmp_path, "do-day", VUON_LANG="vi")
    told = [line.strip() for line in out.splitlines() if "thiếu" in line]
    assert told == [
        "20/11: thiếu 0:00:37: Camera ngừng gửi hình",
        "19/11: thiếu 5:00:00: Mất điện",
        "19/11: thiếu <0:00:01: tomorrow",
    ]


def test_days_and_camera_are_passed_on(tmp_path: Path) -> None:
    """The recorder works it out."""
    _, _, calls = asked(tmp_path, "completeness", "--days", "30", "--camera", "Mầm 1")
    assert calls == [{"days": 30, "camera": camera("Mầm 1")["id"]}]


def test_json_is_the_recorders_answer(tmp_path: Path) -> None:
    """Seconds by cause and stream, for a program."""
    answers = all_well(camera("Mầm 1"))
    answers["recorder"]["completeness"] = WEEK
    with cli_box(tmp_path, answers) as box:
        assert box.vuon("completeness", "--json").json() == WEEK


def test_before_the_first_school_day_it_says_so(tmp_path: Path) -> None:
    """No empty table."""
    code, out, _ = asked(tmp_path, "completeness", found={"days": []})
    assert code == 0
    assert out.strip() == "There is no school day to count yet."


@pytest.mark.parametrize("days", ["0", "367", "x"])
def test_days_out_of_range_are_refused(days: str) -> None:
    """Before anyone is asked."""
    assert vuon("completeness", "--days", days).code == 2
