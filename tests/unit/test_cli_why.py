"""`vuon why`, `observe`, `rules`: what is asked and what is said."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.fakes.cli_box import Answer, cli_box

NAP = 1_795_062_600_000
"""2026-11-19 11:30 in Việt Nam."""
TOLD: dict[str, Any] = {
    "person": "g" * 16, "name": "Lan", "role": "guardian", "camera": "c" * 16, "camera_name": "Lớp Mầm 1", "at_ms": NAP,
    "allowed": False, "reason": "plan.nap", "until_ms": NAP + 9_000_000, "at_least": False,
    "next_ms": NAP + 10_800_000,
    "links": [
        {"code": "tie", "holds": True, "class": "Mầm 1", "child": "Bé An"},
        {"code": "nap", "holds": False, "class": "Mầm 1", "child": ""},
    ],
}  # fmt: skip
NO_TIMES = {"until_ms": None, "at_least": False, "next_ms": None}
NAP_TIMES = {"until_ms": NAP, "at_least": False, "next_ms": NAP}
ROWS: dict[str, Any] = {
    "people": [
        {"name": "Cô Hà", "role": "principal", "allowed": True, "reason": "role.principal"} | NO_TIMES,
        {"name": "Lan", "role": "guardian", "allowed": False, "reason": "plan.nap"} | NAP_TIMES,
    ]
}  # fmt: skip
SESSION = {
    "id": "s" * 16,
    "person": "Cô Thanh",
    "class": "Mầm 1",
    "since_ms": NAP,
    "until_ms": NAP + 1,
    "said": "waits",
    "ended": False,
    "came": False,
}
GATEWAY: dict[str, Answer] = {
    "why": TOLD,
    "observation.make": {"session": "s" * 16},
    "observation.list": {"sessions": [SESSION]},
    "observation.assent": {},
    "observation.end": {},
    "observation.code": {"code": "abcd-efgh", "until_ms": NAP, "url": "https://vuon.test/vao"},
    "class.rules": {"class": "k" * 16},
}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["quyen", "--ai", "Lan", "--camera", "Lớp Mầm 1", "--luc", "2026-11-19 11:30"], "Lan"),
        (["why", "--who", "Lan", "--camera", "Lớp Mầm 1", "--at", "2026-11-19 11:30", "--on-site"], "nap"),
    ],
)
def test_why_says_the_answer_its_times_and_its_chain(tmp_path: Path, arguments: list[str], says: str) -> None:
    """Refused, the reason in words, when next, and each fact with a mark."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        done = box.vuon(*arguments)
        (asked,) = box.asked("why")
    assert done.code == 0, done.err
    assert asked == {"person": "Lan", "camera": "Lớp Mầm 1", "at_ms": NAP, "on_site": "--on-site" in arguments}
    assert says in done.out
    assert "14:30" in done.out
    assert "Bé An" in done.out


def test_an_answer_that_was_searched_no_further_says_at_least(tmp_path: Path) -> None:
    """The 14 days of the search are no end: in one answer and in a list."""
    open_end = {"allowed": True, "reason": "role.guardian", "until_ms": NAP, "at_least": True, "next_ms": None}
    with cli_box(tmp_path, {"gateway": GATEWAY | {"why": TOLD | open_end}}) as box:
        assert "at least until 11:30" in box.vuon("why", "--who", "Lan", "--camera", "Lớp Mầm 1").out
        assert "ít nhất đến 11:30" in box.vuon("quyen", "--ai", "Lan", "--camera", "Mầm 1", VUON_LANG="vi").out
    listed = {"people": [{"name": "Lan", "role": "guardian"} | open_end]}
    with cli_box(tmp_path, {"gateway": GATEWAY | {"why": listed}}) as box:
        assert "at least until 11:30" in box.vuon("why", "--camera", "Lớp Mầm 1").out


def test_why_of_a_camera_lists_everybody(tmp_path: Path) -> None:
    """Who sees it and who does not, a line each."""
    with cli_box(tmp_path, {"gateway": GATEWAY | {"why": ROWS}}) as box:
        done = box.vuon("why", "--camera", "Lớp Mầm 1")
        assert box.asked("why") == [{"camera": "Lớp Mầm 1", "on_site": False}]
    assert [line.split()[1] for line in done.out.splitlines()] == ["Cô", "Lan"]


def test_why_of_a_person_lists_cameras(tmp_path: Path) -> None:
    """What she sees; nothing at all is said as such."""
    with cli_box(tmp_path, {"gateway": GATEWAY | {"why": {"cameras": []}}}) as box:
        done = box.vuon("why", "--who", "Lan")
    assert "Nobody" in done.out


def test_why_needs_a_question(tmp_path: Path) -> None:
    """Without a person and a camera nothing is asked."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        done = box.vuon("why")
        assert box.calls == []
    assert done.code == 1
    assert "--who" in done.err


def test_sessions_and_rules_go_over_as_said(tmp_path: Path) -> None:
    """A session is made, listed, assented to, ended; rules are set as a whole."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        span = ("--from", "2026-11-19 11:30", "--to", "2026-11-19 12:30")
        made = box.vuon("observe", "new", "Cô Thanh", "Mầm 1", *span)
        assert box.vuon("du-gio", "tao", "Thầy Vũ", "Mầm 1", *span, "--khach-moi", "--ly-do", "thao giảng").code == 0
        listed = box.vuon("du-gio", "danh-sach")
        assert box.vuon("observe", "assent", "s" * 16).code == 0
        assert box.vuon("du-gio", "tu-choi", "s" * 16).code == 0
        coded = box.vuon("observe", "code", "s" * 16)
        assert box.vuon("du-gio", "ket-thuc", "s" * 16).code == 0
        words = box.asked("observation.assent")
        assert box.vuon("quy-dinh", "Mầm 1", "--phut", "30", "--chi-o-truong").code == 0
        asked = box.asked("observation.make")
        rules = box.asked("class.rules")
    times = {"class": "Mầm 1", "from_ms": NAP, "to_ms": NAP + 3_600_000, "invited": ""}
    assert asked == [
        {"person": "Cô Thanh", "new": False, "reason": ""} | times,
        {"person": "Thầy Vũ", "new": True, "reason": "thao giảng"} | times,
    ]
    assert words == [{"session": "s" * 16}, {"session": "s" * 16, "given": False}]
    assert "abcd-efgh" in coded.out
    assert "https://vuon.test/vao" in coded.out
    assert rules == [{"class": "Mầm 1", "on_site_only": True, "daily_minutes": 30, "adaptation_days": None}]
    assert "s" * 16 in made.out
    assert "Cô Thanh" in listed.out


def test_a_time_without_a_date_is_todays(tmp_path: Path) -> None:
    """`--luc 11:30`, as the help and the README have it: half past eleven at the school."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        assert box.vuon("quyen", "--ai", "Lan", "--camera", "Lớp Mầm 1", "--luc", "11:30").code == 0
        (asked,) = box.asked("why")
        at = dt.datetime.fromtimestamp(asked["at_ms"] / 1000, ZoneInfo("Asia/Ho_Chi_Minh"))
        assert (at.hour, at.minute, at.second) == (11, 30, 0)
