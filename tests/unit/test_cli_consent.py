"""`vuon dong-y` (`consent`): who has answered, and one child's statement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.cli_box import Answer, cli_box

CLASSES: list[dict[str, Any]] = [
    {"id": "c" * 16, "name": "Mầm 1", "children": 2, "agreed": 1, "refused": 0, "silent": 1, "waiting": 1, "sheets": 0}
]
CHILDREN: list[dict[str, Any]] = [
    {"id": "a" * 16, "name": "Bé An [x]", "answers": {"view": True, "record": None, "observe": False},
     "withdrawn": False, "settled": False, "waits": False},
    {"id": "b" * 16, "name": "Bé Bình", "answers": {"view": None, "record": None, "observe": None},
     "withdrawn": False, "settled": False, "waits": True},
]  # fmt: skip
ENTRY: dict[str, Any] = {
    "purpose": "view", "given": False, "withdrawal": True, "who": "", "via": "paper", "version": "1",
    "sha256": "d" * 64, "asked_ms": None, "since_ms": 1_790_219_732_000, "until_ms": None, "day": "2026-09-20",
    "scan": "PH-7", "entered_by": "Cô Hoa", "signed_by": "Cô Hà", "signed_ms": 1_790_219_732_000,
}  # fmt: skip


def answers(**more: Answer) -> dict[str, dict[str, Answer]]:
    listed: Answer = {"classes": CLASSES, "children": CHILDREN, "basis": "consent"}
    statement: Answer = {"child_name": "Bé An", "class_name": "Mầm 1", "entries": [ENTRY], "texts": []}
    return {"gateway": {"consent.list": listed, "consent.statement": statement, **more}}


def test_the_list_says_who_is_missing(tmp_path: Path) -> None:
    """No answer is written as none; the class that waits is marked; JSON is whole."""
    with cli_box(tmp_path, answers()) as box:
        done = box.vuon("consent", "Mầm 1")
        assert box.calls == [("gateway", "consent.list", {"class": "Mầm 1"})]
        assert done.code == 0
        assert "1 of 2 agreed" in done.out
        assert "Bé An [x]" in done.out
        assert "live viewing: no answer" in done.out
        assert "observers: no\n" in done.out
        assert '"waiting": 1' in box.vuon("dong-y", "--json").out


def test_a_class_without_children_has_no_tick(tmp_path: Path) -> None:
    """Where nobody is, nothing is done: a dash and words."""
    none = {"id": "e" * 16, "name": "Mầm 9", "children": 0, "agreed": 0, "refused": 0, "silent": 0, "waiting": 0}
    listed: Answer = {"classes": [*CLASSES, none], "children": []}
    with cli_box(tmp_path, answers(**{"consent.list": listed})) as box:
        assert "– Mầm 9: no children yet" in box.vuon("consent").out


def test_a_statement_is_printed(tmp_path: Path) -> None:
    """Each answer with when, how, paper and text; a class and a child at once is refused."""
    with cli_box(tmp_path, answers()) as box:
        done = box.vuon("dong-y", "--be", "Bé An")
        assert box.calls == [("gateway", "consent.statement", {"child": "Bé An"})]
        assert "withdrawn  the family, on paper 2026-09-20 PH-7" in done.out
        assert "text 1, hash dddddddddddddddd" in done.out
        assert "signed_by" in box.vuon("consent", "--child", "Bé An", "--json").out
        assert box.vuon("consent", "Mầm 1", "--child", "Bé An").code == 1


def test_nothing_yet_is_said(tmp_path: Path) -> None:
    """A school without classes, a child without answers."""
    empty: Answer = {"classes": [], "children": [], "basis": "regulation"}
    blank: Answer = {"child_name": "Bé An", "class_name": "", "entries": [], "texts": []}
    with cli_box(tmp_path, answers(**{"consent.list": empty, "consent.statement": blank})) as box:
        assert "no class yet" in box.vuon("consent").out
        assert "no answer yet" in box.vuon("consent", "--child", "Bé An").out


def test_what_is_told_and_not_asked_is_no_missing_answer(tmp_path: Path) -> None:
    """A school that records by its regulation asks nobody about it; a family that objected is still shown."""
    children = [CHILDREN[0], CHILDREN[1] | {"answers": {"view": None, "record": False, "observe": None}}]
    listed: Answer = {"classes": CLASSES, "children": children, "basis": "regulation"}
    with cli_box(tmp_path, answers(**{"consent.list": listed})) as box:
        lines = box.vuon("consent", "Mầm 1").out.splitlines()
    assert "recording: by the regulation" in lines[1]
    assert "recording: no " in lines[2]
    assert "observers: no answer" in lines[2]
