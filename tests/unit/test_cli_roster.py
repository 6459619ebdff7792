"""`vuon nhap`, `lop`, `tre`, `nam-hoc`, `phu-trach`: what they ask the gateway, and what they say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import roster
from gateway.core.errors import BadInput
from tests.fakes.cli_box import Answer, cli_box

COUNTS = {"new": 2, "moved": 1, "back": 0, "changed": 3, "left": 0, "same": 4}
COLUMNS = [
    {"column": 0, "letter": "A", "label": "Họ tên", "field": "name"},
    {"column": 5, "letter": "F", "label": "ĐT", "field": ""},
]
PLAN: dict[str, Any] = {
    "shown": "f" * 64,
    "counts": COUNTS,
    "questions": [],
    "new_classes": ["Lá 4"],
    "changes": [{"kind": "moved", "name": "Bé Chuyển", "from": "Mầm 1", "to": "Lá 4"}],
    "absent": [{"name": "Bé Vắng", "place": "Mầm 1"}],
    "closes": [{"name": "Lớp Mầm 1", "n": 2}],
}
VIEW: dict[str, Any] = {
    "skipped": ["GIOI_TINH"], "draft": "d" * 16, "name": "ds.xlsx", "rows": 10, "problems": [], "problem_count": 0, "ready": True,
    "sheets": [{"name": "", "columns": COLUMNS}], "plan": PLAN,
}  # fmt: skip
BAD = {
    "sheet": "DSHS", "row": 12, "column": "D", "heading": "Ngày sinh", "value": "31/02/2022", "what": "birth", "other": 0,
}  # fmt: skip
ASK = {"key": "0:7", "row": 7, "name": "An", "place": "Lá 1", "choices": [{"id": "c" * 16, "place": "Mầm 1"}]}
CLOSING = {
    "at_ms": 1_796_058_000_000, "classes": [{"name": "Mầm 1", "why": "nobody"}], "children": 2, "people": 1, "logins": 3,
}  # fmt: skip
STEP = {"class": "l" * 16, "name": "Mầm 1", "target": "Chồi 1", "children": 27}
NAMED = {
    "id": "r" * 16, "name": "Lê Thị Hằng", "title": "Hiệu trưởng", "decision": "12/QĐ", "decision_day": "2026-08-20",
    "since": "2026-09-01", "until": None,
}  # fmt: skip
KIN = {"name": "Mai", "kind": "mother", "phone": "09•• ••• 563", "state": "bound"}
GATEWAY: dict[str, Answer] = {
    "roster.open": VIEW,
    "roster.columns": VIEW,
    "roster.answer": VIEW,
    "roster.apply": {"act": "a" * 16, "counts": COUNTS},
    "roster.acts": {"acts": []},
    "roster.undo": {"counts": {}, "blockers": []},
    "roster.year": {
        "consents": 25,
        "shown": "s" * 64,
        "act": "a" * 16,
        "counts": COUNTS,
        "steps": [STEP],
        "new_classes": ["Lá 1"],
        "now": True,
        "closings": {"keep": CLOSING, "again": CLOSING | {"classes": [], "people": 0}},
    },
    "roster.classes": {
        "classes": [{"id": "l" * 16, "name": "Mầm 1", "children": 27, "teachers": [{"name": "Cô Hoa"}]}]
    },
    "roster.children": {"children": [{"id": "c" * 16, "name": "An Nhiên", "birth": None, "guardians": [KIN]}]},
    "roster.staff": {"people": [], "classes": [], "responsible": [NAMED]},
    "people.act": {},
}


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "ds.xlsx"
    path.write_bytes(b"PK")
    return str(path)


def test_a_file_is_only_looked_at_until_it_is_applied(tmp_path: Path, file: str) -> None:
    """Without --ap-dung the differences are told and nothing else is asked."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        done = box.vuon("nhap", file)
        assert [method for _, method, _ in box.calls] == ["roster.open"]
        assert done.code == 0
        assert "2 new, 1 moved" in done.out
        assert "1 children of these classes" in done.out
        shut = "until those families agree or the principal has settled it: Lớp Mầm 1 (children: 2)"
        assert shut in done.out
        for told in ("Moved: Bé Chuyển (Mầm 1 → Lá 4)", "Not in the file: Bé Vắng (Mầm 1)", "Lá 4", "GIOI_TINH"):
            assert told in done.out
        done = box.vuon("import", file, "--apply", "--absent", "leave")
        assert box.asked("roster.apply") == [{"draft": "d" * 16, "shown": "f" * 64, "absent": "leave"}]
    assert "vuon import --undo " + "a" * 16 in done.out
    assert shut in done.out


def test_bad_rows_and_questions_are_told_and_end_with_one(tmp_path: Path, file: str) -> None:
    """Row, column, value and remedy of each; nothing is applied although --apply was said."""
    bad = {**VIEW, "ready": False, "problems": [BAD], "problem_count": 1, "plan": None}
    with cli_box(tmp_path, {"gateway": {**GATEWAY, "roster.open": bad}}) as box:
        done = box.vuon("import", file, "--apply")
        assert [method for _, method, _ in box.calls] == ["roster.open"]
    assert done.code == 1
    assert "DSHS row 12 D [31/02/2022]: Birth date cannot be read. Write day/month/year" in done.out
    asks = {**VIEW, "ready": False, "plan": {**PLAN, "questions": [ASK]}}
    with cli_box(tmp_path, {"gateway": {**GATEWAY, "roster.open": asks}}) as box:
        done = box.vuon("import", file)
    assert done.code == 1
    assert "--answer 0:7=new" in done.out


def test_columns_and_answers_go_over_as_they_were_said(tmp_path: Path, file: str) -> None:
    """A letter becomes the column's number; a word without = is refused before anything is asked of it."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        box.vuon("import", file, "--column", "f=mother_phone", "--answer", "0:7=new")
        assert box.asked("roster.columns") == [{"draft": "d" * 16, "sheet": 0, "fields": {"5": "mother_phone"}}]
        assert box.asked("roster.answer") == [{"draft": "d" * 16, "answers": {"0:7": "new"}}]
        assert box.vuon("import", file, "--column", "f").code == 1
        assert box.vuon("import", file, "--absent", "maybe").code == 1


def test_undoing_says_what_stands_in_the_way(tmp_path: Path) -> None:
    """Done is said; blockers are named and end with 1."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        assert "as before" in box.vuon("import", "--undo", "a" * 16).out
    blocked = {"counts": {}, "blockers": [{"name": "An Nhiên", "what": "consent"}]}
    with cli_box(tmp_path, {"gateway": {**GATEWAY, "roster.undo": blocked}}) as box:
        done = box.vuon("nhap", "--hoan-tac", "a" * 16)
    assert (done.code, "An Nhiên: has an answer about consent" in done.out) == (1, True)


def test_what_was_imported_is_listed_with_how_it_is_undone(tmp_path: Path) -> None:
    """Open, undone, over: each in words; with --json as the gateway said it; none yet says how to begin."""
    act = {"id": "a" * 16, "kind": "import", "at_ms": 1_795_000_000_000, "counts": COUNTS, "undone_ms": None}
    acts = [
        {**act, "until_ms": 1_795_500_000_000},
        {**act, "until_ms": None},
        {**act, "until_ms": None, "undone_ms": 1_795_100_000_000},
    ]
    with cli_box(tmp_path, {"gateway": {**GATEWAY, "roster.acts": {"acts": acts}}}) as box:
        told = box.vuon("import").out
        assert box.vuon("import", "--json").out.count('"kind": "import"') == 3
    assert "2 new, 1 moved, 3 changed, 4 unchanged" in told
    assert told.count("vuon import --undo " + "a" * 16) == 1
    assert ("can no longer be undone" in told, "    undone" in told) == (True, True)
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        assert "vuon import FILE" in box.vuon("import").out


def test_a_file_that_is_not_there_or_too_big_is_never_sent(tmp_path: Path) -> None:
    """Both are said in a sentence with a remedy; nothing goes to the gateway."""
    film = tmp_path / "film.xlsx"
    film.write_bytes(b"")
    os.truncate(film, 50 << 20)
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        missing, big = box.vuon("import", str(tmp_path / "none.xlsx")), box.vuon("import", str(film))
        assert box.calls == []
    assert (missing.code, big.code) == (1, 1)
    assert "none.xlsx" in missing.out + missing.err
    assert "over 5 MB" in big.out + big.err


@pytest.mark.parametrize(
    ("arguments", "act", "fields"),
    [
        (["lop", "--them", "Lá 3"], "class.add", {"name": "Lá 3"}),
        (["classes", "--rename", "Lá 3", "Lá 4"], "class.rename", {"class": "Lá 3", "name": "Lá 4"}),
        (["classes", "--close", "Lá 3"], "class.end", {"class": "Lá 3"}),
        (["lop", "--giao", "Lá 3", "Cô Hoa"], "teach", {"class": "Lá 3", "person": "Cô Hoa"}),
        (["tre", "--chuyen", "An", "Lá 3"], "child.move", {"child": "An", "class": "Lá 3", "day": ""}),
        (["children", "--leave", "An", "--now"], "child.leave", {"child": "An", "day": "", "when": "now"}),
        (["responsible", "--end", "r" * 16], "responsible.end", {"row": "r" * 16, "day": ""}),
    ],
)
def test_each_act_is_one_call(tmp_path: Path, arguments: list[str], act: str, fields: dict[str, str]) -> None:
    """The gateway is asked once; it looks names up and decides."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        assert box.vuon(*arguments).code == 0
        assert box.asked("people.act") == [{"act": act, "fields": fields}]


def test_lists_are_printed(tmp_path: Path) -> None:
    """Classes with teachers, children with guardians and masked numbers, the persons of the unit, the year's steps."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        assert "Cô Hoa" in box.vuon("lop").out
        assert "Mai (mother, 09•• ••• 563, bound)" in box.vuon("tre", "--lop", "Mầm 1").out
        assert "12/QĐ 2026-08-20" in box.vuon("phu-trach").out
        assert "Mầm 1 (27 children) → Chồi 1" in box.vuon("school-year").out
        assert "New classes: Lá 1. They have no camera" in box.vuon("school-year").out
        assert box.vuon("nam-hoc", "--ap-dung", "--lop", "Mầm 1=-").code == 0
        assert [call.get("shown") for call in box.asked("roster.year")] == [None, None, None, "s" * 64]


def test_the_new_year_says_when_and_what_ends_before_it_is_done(tmp_path: Path) -> None:
    """Right now or from a day on, for each answer about consent that is still open."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        looked = box.vuon("school-year").out
        assert "RIGHT NOW" in looked
        keep, again = looked.index("If families' consent is kept"), looked.index("If every family is asked again")
        assert keep < looked.index("NOT open to guardians any more: Mầm 1 (no child") < again
        assert "of their logins these end: 3" in looked[keep:again]
        assert "No class that is open to guardians closes" in looked[again:]
        assert looked.index("RIGHT NOW") < looked.index("Nothing has changed; to do it: --apply")
    planned = GATEWAY | {"roster.year": {**GATEWAY["roster.year"], "now": False}}  # type: ignore[dict-item]  # a dict
    with cli_box(tmp_path, {"gateway": planned}) as box:
        assert "NGAY BÂY GIỜ" not in box.vuon("nam-hoc", VUON_LANG="vi").out
        assert "Có hiệu lực từ 0 giờ ngày 01/12/2026" in box.vuon("nam-hoc", VUON_LANG="vi").out


@pytest.mark.parametrize("consents", ["giu", "hoi-lai"])
def test_what_the_new_year_will_do_is_said_before_it_is_done(tmp_path: Path, consents: str) -> None:
    """Nothing of the future after the act, no if about an answer that was given; a refused one is not told as done."""
    arguments = ("nam-hoc", "--ap-dung", "--dong-y", consents)
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        lines = box.vuon(*arguments, VUON_LANG="vi").out.splitlines()
    now = next(n for n, line in enumerate(lines) if "NGAY BÂY GIỜ" in line)
    assert (lines[now + 1].startswith("  "), any("--dong-y" in line for line in lines)) == (True, False)
    assert lines[-1].startswith("✔"), lines
    assert "NGAY BÂY GIỜ" not in lines[-1]

    def changed(params: Mapping[str, Any]) -> dict[str, Any]:
        if "shown" in params:
            raise BadInput("the school has changed", case="import_moved", key="shown")
        return GATEWAY["roster.year"]  # type: ignore[return-value]  # a dict

    with cli_box(tmp_path, {"gateway": GATEWAY | {"roster.year": changed}}) as box:
        refused = box.vuon(*arguments, VUON_LANG="vi")
    assert (refused.code, "NGAY BÂY GIỜ" in refused.out, "✔" in refused.out) == (1, True, False)


@pytest.mark.parametrize(("typed", "calls"), [("c\n", 2), ("\n", 1)])
def test_whoever_is_at_the_terminal_agrees_to_the_new_year(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, calls: int
) -> None:
    """After reading what it does; a no leaves all as it was and says so. A program is not asked."""
    monkeypatch.setattr(roster, "is_a_terminal", lambda: True)
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        said = box.vuon("school-year", "--apply", "--consents", "keep", typed=typed)
        assert (said.code, len(box.asked("roster.year"))) == (0, calls)
        assert ("RIGHT NOW" in said.out, "Step the whole school" in said.err) == (True, True)
        assert ("Nothing was done" in said.out, "✔" in said.out) == (calls == 1, calls == 2)
        assert box.vuon("school-year", "--apply", "--consents", "keep", "--json").json() == GATEWAY["roster.year"]
