"""`vuon code`, `slip`, `hours`, `revoke`, `sharing`, `people`, and the hub's commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.cli.people import RESUME, STOP
from gateway.core.errors import BadInput
from tests.fakes.cli_box import Answer, cli_box

PEOPLE: dict[str, Any] = {
    "people": [
        {"id": "p" * 16, "name": "Cô Hà [a]", "role": "principal", "disabled": False, "classes": []},
        {"id": "g" * 16, "name": "Lan", "role": "guardian", "disabled": True, "classes": ["Mầm 1", "Mầm 2"]},
        {"id": "o" * 16, "name": "Ai", "role": "of another version", "disabled": False, "classes": []},
    ],
    "classes": [],
}
GATEWAY: dict[str, Answer] = {
    "code.new": {"code": "aaaa-bbbb", "minutes": 30, "url": "http://box/vao"},
    "hours.change": {"hours": [{"start": "08:00", "end": "11:00", "days": "2,3"}]},
    "class.hide": {},
    "class.show": {},
    "wall.new": {"url": "https://box/tuong/secret"},
    "wall.end": {},
    "notice.list": {
        "teachers": [
            {"name": "Cô Hoa", "signed_ms": 1, "paper": True},
            {"name": "Cô Mai", "signed_ms": None, "paper": False},
        ]
    },
    "notice.paper": {},
    "slip.new": {"url": "https://box/p/moi#secret", "code": "ABCD-EFGH-JKLM", "days": 7, "checked": False},
    "revoke": {"sessions": 2},
    "sharing": {},
    "people.list": PEOPLE,
    "person.add": {"person": "d" * 16},
    "person.disable": {"person": "d" * 16},
}
HUB: dict[str, Answer] = {"claim.new": {"claim": "CLAIM-1"}, "code.new": {"code": "HUB-1"}}


@pytest.mark.parametrize(
    ("arguments", "method", "params", "says"),
    [
        (["code"], "code.new", {}, "aaaa-bbbb"),
        (["ma", "Cô Mai"], "code.new", {"person": "Cô Mai"}, "Enter it at http://box/vao"),
        (["people", "--add", "Cô Mai"], "person.add", {"name": "Cô Mai", "role": "vice_principal"}, "Cô Mai"),
        (
            ["tai-khoan", "--them", "Cô Hoa", "--vai", "giao-vien"],
            "person.add",
            {"name": "Cô Hoa", "role": "teacher"},
            "Cô Hoa",
        ),
        (["tai-khoan", "--ngung", "Mai"], "person.disable", {"person": "Mai", "disabled": True}, "at once"),
        (["people", "--enable", "Mai"], "person.disable", {"person": "Mai", "disabled": False}, "again"),
        (["slip", "Lan"], "slip.new", {"guardian": "Lan", "checked": False}, "https://box/p/moi#secret"),
        (
            ["phieu", "Lan", "--dien-thoai", "0912345678", "--da-kiem-tra"],
            "slip.new",
            {"guardian": "Lan", "checked": True, "phone": "0912345678"},
            "ABCD-EFGH-JKLM",
        ),
        (["revoke", "Lan"], "revoke", {"guardian": "Lan"}, "2"),
        (["sharing", "stop"], "sharing", {"stop": True}, "topped"),
        (["chia-se", "dung"], "sharing", {"stop": True}, "topped"),
        (["sharing", "resume"], "sharing", {"stop": False}, "gain"),
        (["chia-se", "mo"], "sharing", {"stop": False}, "gain"),
        (["tam-an", "Mầm 1", "--phut", "10"], "class.hide", {"class": "Mầm 1", "minutes": 10}, "10"),
        (["hide", "Mầm 1"], "class.hide", {"class": "Mầm 1"}, "--show"),
        (["tam-an", "Mầm 1", "--hien-lai"], "class.show", {"class": "Mầm 1"}, "again"),
        (["dan-tuong", "Mầm 1"], "wall.new", {"class": "Mầm 1"}, "/tuong/"),
        (["wall", "Mầm 1", "--end"], "wall.end", {"class": "Mầm 1"}, "nothing"),
        (["thong-bao"], "notice.list", {}, "Cô Hoa: signed"),
        (
            ["notice", "--teacher", "Hoa", "--date", "2026-09-01", "--scan", "12"],
            "notice.paper",
            {"teacher": "Hoa", "date": "2026-09-01", "scan": "12"},
            "Hoa",
        ),
    ],
)
def test_each_command_asks_one_thing(
    tmp_path: Path, arguments: list[str], method: str, params: dict[str, Any], says: str
) -> None:
    """The gateway is asked once, with these parameters, and its answer is told."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        done = box.vuon(*arguments)
        assert box.calls == [("gateway", method, params)]
    assert done.code == 0
    assert says in done.out


def test_hours_go_over_as_they_were_said(tmp_path: Path) -> None:
    """What was not said is not sent, so that it stays; without anything said, the hours are told."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        assert box.vuon("hours", "Mầm 1").code == 0
        done = box.vuon("gio-xem", "Mầm 1", "--tu", "08:00", "--den", "11:00")
        hours = {"class": "Mầm 1", "start": "08:00", "end": "11:00"}
        assert box.asked("hours.change") == [{"class": "Mầm 1"}, hours]
    assert "08:00–11:00" in done.out


def test_showing_a_class_again_takes_no_minutes(tmp_path: Path) -> None:
    """Two wishes that contradict each other reach nobody."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        assert box.vuon("hide", "Mầm 1", "--show", "--minutes", "5").code != 0
        assert box.calls == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("dungmostpresume", max_size=8).filter(lambda word: word not in (*STOP, *RESUME)))
def test_a_typing_error_never_opens_sharing(tmp_path: Path, word: str) -> None:
    """Any other word than the four changes nothing and says so."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        done = box.vuon("sharing", word)
        assert box.calls == []
    assert done.code == 1
    assert "Nothing was changed" in done.err


def test_one_person_is_changed_at_a_time(tmp_path: Path) -> None:
    """Two wishes at once change nothing."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        done = box.vuon("people", "--add", "Cô Mai", "--disable", "Cô Hà")
        assert box.calls == []
    assert done.code == 1
    assert "--disable" in done.err


def test_people_are_listed_in_columns_with_their_ids(tmp_path: Path) -> None:
    """Mark, name, role in words, id (two may share a name), classes; a role nobody knows is shown as it is."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        lines = box.vuon("people").out.splitlines()
        assert box.vuon("people", "--json").json() == PEOPLE
    assert [line[0] for line in lines] == ["✔", "✘", "✔"]
    assert "Cô Hà [a]" in lines[0]
    assert "principal" in lines[0]
    assert lines[1].endswith("Mầm 1, Mầm 2")
    assert "of another version" in lines[2]
    assert len({line.index(letter * 16) for line, letter in zip(lines, "pgo", strict=True)}) == 1


def test_an_empty_school_says_so(tmp_path: Path) -> None:
    """Nobody yet is a sentence."""
    with cli_box(tmp_path, {"gateway": {"people.list": {"people": [], "classes": []}}}) as box:
        assert "nobody" in box.vuon("people").out


@pytest.mark.parametrize("verb", [["code"], ["slip", "Lan"], ["people"]])
def test_each_answer_can_be_had_as_json(tmp_path: Path, verb: list[str]) -> None:
    """`--json` prints the gateway's answer alone."""
    with cli_box(tmp_path, {"gateway": GATEWAY}) as box:
        done = box.vuon(*verb, "--json")
        answer = GATEWAY[box.calls[0][1]]
    assert done.json() == answer


def test_the_gateways_no_is_told_in_words(tmp_path: Path) -> None:
    """A guardian two families share a name with: the ids are listed and nothing was revoked."""
    several = BadInput("x", case="several", name="Lan", known="aaaa, bbbb")
    with cli_box(tmp_path, {"gateway": {"revoke": several}}) as box:
        done = box.vuon("revoke", "Lan", VUON_LANG="vi")
    assert done.code == 1
    assert "aaaa, bbbb" in done.err
    assert "Dùng mã thay cho tên" in done.err


def test_the_hubs_commands_speak_to_the_hub(tmp_path: Path) -> None:
    """Claim and code, by both names, in words and as JSON; without a hub it is named."""
    with cli_box(tmp_path, {"hub": HUB}) as box:
        assert "CLAIM-1" in box.vuon("hub", "ghi-danh", "Hoa Sen").out
        assert box.vuon("hub", "claim", "Hoa Sen", "--json").json() == {"claim": "CLAIM-1"}
        assert "HUB-1" in box.vuon("hub", "ma").out
        assert box.vuon("hub", "code", "--json").json() == {"code": "HUB-1"}
        assert box.asked("claim.new") == [{"site": "Hoa Sen"}] * 2
    with cli_box(tmp_path, {}) as box:
        assert "vuon-hub" in box.vuon("hub", "ma").err
