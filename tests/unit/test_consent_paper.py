"""Consent on paper: put in whole, countersigned, taken back, overtaken; and the school's lists over it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.access.audit import Actor
from gateway.access.consent_paper import KEEP_OPEN, Line
from gateway.access.consent_rules import CaseKind
from gateway.access.facts import Purpose
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import PublicId, Role, new_public_id
from gateway.core.unixdoor import Peer
from gateway.core.wire import Request
from gateway.roofs.control_consent import ConsentCalls
from tests.fakes.consent_world import VIEW, ConsentWorld, consent_school

pytestmark = pytest.mark.anyio
TODAY = dt.date(2026, 11, 19)


def lines(c: ConsentWorld, *, mate: bool = True, child: bool = True) -> list[Line]:
    return [
        Line(c.w.child, VIEW, child, c.w.mother),
        Line(c.w.child, Purpose.OBSERVE, False),
        Line(c.w.mate, VIEW, mate),
    ]


async def test_a_sheet_goes_from_the_teacher_to_the_principal_and_back_to_the_family(tmp_path: Path) -> None:
    """Nothing counts before the countersignature; then each line is the family's answer with date, scan and text."""
    async with consent_school(tmp_path, agreed=False) as c:
        sheet = await c.papers.enter(c.teacher, c.w.class_id, TODAY, " PH-2026/11 ", lines(c))
        assert c.sees(c.w.mother) == "consent.missing"
        (row,) = await c.papers.rows(waiting=True)
        assert (row.scan, row.entered_by, row.waits, len(row.lines)) == ("PH-2026/11", c.teacher.person, True, 3)
        assert all(line.now is None and line.counts for line in row.lines)
        with pytest.raises(Denied):
            await c.papers.countersign(c.teacher, c.w.class_id, sheet)
        assert await c.papers.countersign(c.w.actor, c.w.class_id, sheet) == 3
        assert (c.sees(c.w.mother), c.sees(c.w.father_of_mate)) == ("role.guardian", "role.guardian")
        (answer,) = [item for item in await c.consents.history(c.w.child) if item.purpose is VIEW]
        assert (answer.via, answer.person, answer.day, answer.scan) == ("paper", c.w.mother, str(TODAY), "PH-2026/11")
        assert (answer.entered_by, answer.signed_by) == (c.teacher.person, c.w.principal)
        assert answer.sha256 == (await c.consents.texts.all())[VIEW].sha256
        mine = {item.purpose: item for item in await c.consents.mine(c.w.mother)}
        assert (mine[VIEW].given, mine[VIEW].due, mine[Purpose.OBSERVE].given) == (True, False, False)
        for act in (
            c.papers.countersign(c.w.actor, c.w.class_id, sheet),
            c.papers.drop(c.w.actor, c.w.class_id, sheet),
        ):
            with pytest.raises(BadInput) as done:
                await act
            assert done.value.fields["case"] == "sheet_signed"


async def test_a_sheet_is_taken_back_before_it_counts(tmp_path: Path) -> None:
    """The teacher undoes her entry; what she put in stays written and never counts."""
    async with consent_school(tmp_path, agreed=False) as c:
        sheet = await c.papers.enter(c.teacher, c.w.class_id, TODAY, "1", lines(c))
        await c.papers.drop(c.teacher, c.w.class_id, sheet)
        with pytest.raises(BadInput, match="does not wait"):
            await c.papers.countersign(c.w.actor, c.w.class_id, sheet)
        (row,) = await c.papers.rows(c.w.class_id)
        assert (row.waits, row.dropped_ms is not None) == (False, True)
        assert await c.consents.history(c.w.child) == ()


async def test_a_no_on_paper_closes_the_class_like_any_other(tmp_path: Path) -> None:
    """A family that agreed and ticks no has withdrawn: the class waits, with a case."""
    async with consent_school(tmp_path) as c:
        sheet = await c.papers.enter(c.teacher, c.w.class_id, TODAY, "2", lines(c, child=False))
        (row,) = await c.papers.rows(waiting=True)
        shown = [(line.now, line.given) for line in row.lines if line.child == c.w.child and line.purpose is VIEW]
        assert shown == [(True, False)], "the principal sees what would change"
        await c.papers.countersign(c.w.actor, c.w.class_id, sheet)
        assert (c.sees(c.w.mother), c.sees(c.w.father_of_mate)) == ("consent.missing", "class.not_open")
        assert [row.kind for row in await c.cases.rows()] == [CaseKind.WITHDRAWAL]


async def test_a_later_withdrawal_is_not_undone_by_an_older_paper(tmp_path: Path) -> None:
    """The mother withdraws on her phone after the meeting: the sheet's yes is kept, marked, and does not count."""
    async with consent_school(tmp_path) as c:
        await c.consents.withdraw(c.mother, c.w.child, VIEW)
        day = TODAY - dt.timedelta(days=3)
        sheet = await c.papers.enter(c.teacher, c.w.class_id, day, "3", lines(c))
        (row,) = await c.papers.rows(waiting=True)
        assert [line.counts for line in row.lines if line.child == c.w.child and line.purpose is VIEW] == [False]
        assert await c.papers.countersign(c.w.actor, c.w.class_id, sheet) == 1, (
            "the observers' no; the mate's yes was newer too"
        )
        assert c.sees(c.w.mother) == "consent.missing"
        (row,) = await c.papers.rows(c.w.class_id)
        assert [line.counts for line in row.lines if line.child == c.w.child and line.purpose is VIEW] == [False]


async def test_a_sheet_wrong_in_one_line_is_refused_whole(tmp_path: Path) -> None:
    """Another class's child, a stranger's signature, a bad date or number: nothing is kept."""
    async with consent_school(tmp_path, agreed=False) as c:
        other = await c.w.access.children.add(c.w.actor, "Bé Lạ")
        good = lines(c)
        wrong: list[tuple[dt.date, str, list[Line]]] = [
            (TODAY, "1", [*good, Line(other, VIEW, True)]),
            (TODAY, "1", [*good[1:], Line(c.w.child, VIEW, True, c.w.father_of_mate)]),
            (TODAY, "1", [*good, good[0]]),
            (TODAY, "1", []),
            (TODAY, "", good),
            (TODAY, "=cmd|x", good),
            (TODAY, "x" * 41, good),
            (TODAY + dt.timedelta(days=1), "1", good),
            (TODAY - dt.timedelta(days=400), "1", good),
        ]
        for day, scan, rows in wrong:
            with pytest.raises((BadInput, NotFound)):
                await c.papers.enter(c.teacher, c.w.class_id, day, scan, rows)
        assert c.w.rows("SELECT 1 FROM consent_sheet") == []
        for _ in range(KEEP_OPEN):
            await c.papers.enter(c.teacher, c.w.class_id, TODAY, "1", good)
        with pytest.raises(BadInput) as full:
            await c.papers.enter(c.teacher, c.w.class_id, TODAY, "1", good)
        assert full.value.fields["case"] == "sheets_many"


async def test_a_teacher_puts_in_her_own_class_only(tmp_path: Path) -> None:
    """Another class is not there for her, a guardian puts in nothing."""
    async with consent_school(tmp_path, agreed=False) as c:
        other = await c.w.access.classes.add(c.w.actor, "Chồi 1")
        for actor, class_id in ((c.teacher, other), (c.mother, c.w.class_id)):
            with pytest.raises((Denied, NotFound)):
                await c.papers.enter(actor, class_id, TODAY, "1", lines(c))


# the pages' adapter


async def test_lists_count_and_name_who_is_missing(tmp_path: Path) -> None:
    """Tallies, children and cases are told with names to the principal; a teacher has her own class."""
    async with consent_school(tmp_path, agreed=False) as c:
        await c.say(c.mother, c.w.child, given=True)
        await c.say(c.father, c.w.mate, given=False)
        await c.w.access.classes.add(c.w.actor, "Chồi 1")
        principal, teacher = await c.caller(c.w.actor), await c.caller(c.teacher)
        rows = await c.door.classes(principal)
        assert [(row.name, row.children, row.agreed, row.refused, row.silent, row.waiting) for row in rows] == [
            ("Chồi 1", 0, 0, 0, 0, 0),
            ("Mầm 1", 2, 1, 1, 0, 1),
        ]
        assert [row.name for row in await c.door.classes(teacher)] == ["Mầm 1"]
        kids = await c.door.children(teacher, c.w.class_id)
        assert [(kid.name, kid.answers["view"], kid.waits, kid.guardians[0][1]) for kid in kids] == [
            ("Bé An", True, False, "Mẹ An"),
            ("Bé Bình", False, True, "Bố Bình"),
        ]
        with pytest.raises(NotFound):
            await c.door.children(teacher, rows[0].id)
        (case,) = await c.door.cases(principal)
        assert (case.child_name, case.class_name, case.kind, case.waits) == ("Bé Bình", "Mầm 1", "refusal", True)
        with pytest.raises(Denied):
            await c.door.cases(teacher)
        await c.door.settle(principal, c.w.mate, c.w.class_id, "view", "mask", "Che góc phải")
        (past,) = await c.door.settled(principal)
        assert (past.child_name, past.class_name, past.remedy, past.agreed) == (
            "Bé Bình",
            "Mầm 1",
            "mask",
            "Che góc phải",
        )
        assert past.closed_ms == c.w.clock.now_ms()
        with pytest.raises(Denied):
            await c.door.settled(teacher)
        assert [row.waiting for row in await c.door.classes(principal)] == [0, 0]
        for bad in ("", "agreed", "talked"):
            with pytest.raises(BadInput):
                await c.door.settle(principal, c.w.mate, c.w.class_id, "view", bad, "x")


async def test_a_guardians_statement_has_no_other_guardian(tmp_path: Path) -> None:
    """She sees her own answers and the family's paper; the school's statement has everybody's."""
    async with consent_school(tmp_path) as c:
        second = await c.second_guardian()
        await c.say(second, c.w.child, given=False)
        await c.say(c.mother, c.w.child, given=True)
        mother, principal = await c.caller(c.mother), await c.caller(c.w.actor)
        (own,) = await c.door.statements(mother)
        assert {row.who for row in own.entries} == {"", "Mẹ An"}
        whole = await c.door.statement(principal, c.w.child)
        assert {row.who for row in whole.entries} == {"", "Mẹ An", "Bố An"}
        assert {text.sha256 for text in whole.texts} == {row.sha256 for row in whole.entries if row.sha256}
        with pytest.raises(Denied):
            await c.door.statement(await c.caller(c.teacher), c.w.child)
        with pytest.raises(NotFound):
            await c.door.statement(principal, new_public_id())
        questions = await c.door.questions(mother)
        assert "Bố" not in repr(questions)
        assert next(item for item in questions if item.purpose == "view").given is True


async def test_another_familys_answer_changes_nothing_a_guardian_is_told(tmp_path: Path) -> None:
    """Whichever of two other families withdraws, a third is told the same: questions, statement, decision, hints."""
    told = []
    for which in ("mate", "late"):
        folder = tmp_path / which
        folder.mkdir()
        async with consent_school(folder) as c:
            late_guardian = await c.w.access.people.add(c.w.actor, Role.GUARDIAN, "Mẹ Chi")
            late = await c.w.access.children.add(c.w.actor, "Bé Chi", c.w.class_id)
            await c.w.access.children.add_guardian(c.w.actor, late_guardian, late)
            await c.w.access.children.consent(c.w.actor, late)
            before = len(c.w.events)
            if which == "mate":
                await c.consents.withdraw(c.father, c.w.mate, VIEW)
            else:
                await c.consents.withdraw(Actor(late_guardian, "phone4"), late, VIEW)
            mother = await c.caller(c.mother)
            questions = [(item.purpose, item.given, item.due) for item in await c.door.questions(mother)]
            events = [(event.type, event.data) for event in c.w.events[before:]]
            told.append(
                (
                    c.sees(c.w.mother),
                    questions,
                    [row.purpose for row in (await c.door.statements(mother))[0].entries],
                    [(kind, {k: v for k, v in data.items() if k != "version"}) for kind, data in events],
                )
            )
    assert told[0] == told[1]
    assert told[0][0] == "class.not_open"


async def test_the_console_lists_and_prints(tmp_path: Path) -> None:
    """The control socket tells how classes stand and one child's statement, by name; it answers for nobody."""
    async with consent_school(tmp_path) as c:
        calls = ConsentCalls(c.door, c.names).handlers()

        async def call(method: str, **params: str) -> dict[str, Any]:
            reply = await cast(Any, calls[method])(Request(method, params, b"", Peer(0, 0, 0)))
            return dict(reply.result)

        found = await call("consent.list")
        assert found["children"] == []
        found = await call("consent.list", **{"class": "Mầm 1"})
        assert [row["name"] for row in found["children"]] == ["Bé An", "Bé Bình"]
        statement = await call("consent.statement", child="Bé An")
        assert statement["child_name"] == "Bé An"
        with pytest.raises(BadInput):
            await call("consent.statement", child="Bé Không")


async def test_texts_and_basis_through_the_adapter(tmp_path: Path) -> None:
    """The principal publishes and states; texts are shown filled in, drafts as they are written."""
    async with consent_school(tmp_path) as c:
        principal = await c.caller(c.w.actor)
        drafts = await c.door.drafts()
        assert "{school}" in drafts["view"][0]
        assert all(
            "{school}" not in point
            for text in await c.door.texts()
            for point in (*text.points("vi"), *text.points("en"))
        )
        await c.door.publish(principal, "view", drafts["view"][0] + "\nThêm", drafts["view"][1] + "\nMore", widens=True)
        assert next(text.version for text in await c.door.texts() if text.purpose == "view") == "2"
        await c.door.set_basis(principal, "regulation", "12/QC-MN")
        assert (await c.door.basis()).reference == "12/QC-MN"
        with pytest.raises(BadInput):
            await c.door.set_basis(principal, "because", "12")
        (question, *_) = await c.door.questions(await c.caller(c.mother))
        await c.door.put(await c.caller(c.mother), question)
        assert len(c.w.rows("SELECT 1 FROM consent_asked")) == 1
        sheet = await c.papers.enter(c.teacher, c.w.class_id, TODAY, "1", lines(c))
        with pytest.raises(NotFound):
            await c.door.countersign(principal, PublicId("x" * 16), sheet)
        (shown,) = await c.door.sheets(principal, c.w.class_id)
        assert (shown.state, shown.entered_by, shown.lines[0].child_name) == ("waits", "Cô Hoa", "Bé An")
        await c.door.countersign(principal, c.w.class_id, sheet)
        (shown,) = await c.door.sheets(principal, c.w.class_id)
        assert (shown.state, shown.signed_by) == ("counts", "Cô Hiệu Trưởng")


async def test_looking_at_cases_asks_for_no_password_and_settling_does(tmp_path: Path) -> None:
    """Whoever signed in a while ago reads what waits; only what changes something asks again who it is."""
    async with consent_school(tmp_path) as c:
        await c.consents.withdraw(c.mother, c.w.child, VIEW)
        principal = await c.caller(c.w.actor)
        c.w.access.store.stale = lambda _actor: "login.stale"
        assert [case.kind for case in await c.door.cases(principal)] == ["withdrawal"]
        assert await c.door.settled(principal) == []
        with pytest.raises(Denied) as refused:
            await c.door.settle(principal, c.w.child, c.w.class_id, "view", "room", "Sang lớp khác")
        assert refused.value.fields["reason"] == "login.stale"
        with pytest.raises(Denied):
            await c.door.statement(principal, c.w.child)


async def test_a_sheets_lines_come_in_the_order_of_the_paper(tmp_path: Path) -> None:
    """The principal compares with the paper line by line: child by child, the first question first."""
    async with consent_school(tmp_path, agreed=False) as c:
        wanted = [
            Line(child, purpose, True, None)
            for purpose in (Purpose.OBSERVE, Purpose.VIEW)
            for child in (c.w.mate, c.w.child)
        ]
        await c.papers.enter(c.teacher, c.w.class_id, TODAY, "PH-9", wanted)
        (sheet,) = await c.door.sheets(await c.caller(c.w.actor), c.w.class_id)
        assert [(line.child_name, line.purpose) for line in sheet.lines] == [
            (child, purpose) for child in ("Bé An", "Bé Bình") for purpose in ("view", "observe")
        ]
