"""Answers, withdrawals and cases on a real database, with what every family sees of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.access.audit import CONSOLE, Actor
from gateway.access.consent_rules import CaseKind, Remedy
from gateway.access.consent_texts import clean_lines, shipped
from gateway.access.consents import Basis
from gateway.access.facts import Purpose
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Role
from tests.fakes.consent_world import VIEW, ConsentWorld, add_family, consent_school

pytestmark = pytest.mark.anyio
OK, CLOSED, MISSING = "role.guardian", "class.not_open", "consent.missing"


async def kinds(c: ConsentWorld) -> list[tuple[str, bool]]:
    return [(row.kind, row.waits) for row in await c.cases.rows()]


async def test_a_class_opens_only_when_every_child_has_an_answer(tmp_path: Path) -> None:
    """Nobody is shown before both families said yes; each yes names text, time and who was asked."""
    async with consent_school(tmp_path, agreed=False) as c:
        assert (c.sees(c.w.mother), c.sees(c.w.father_of_mate)) == (MISSING, MISSING)
        text = (await c.consents.texts.all())[VIEW]
        await c.consents.asked(c.w.mother, c.w.child, text)
        await c.consents.asked(c.w.mother, c.w.child, text)
        c.w.clock.tick(30)
        await c.say(c.mother, c.w.child, given=True)
        assert (c.sees(c.w.mother), c.sees(c.w.father_of_mate)) == (CLOSED, MISSING)
        await c.say(c.father, c.w.mate, given=True)
        assert (c.sees(c.w.mother), c.sees(c.w.father_of_mate)) == (OK, OK)
        (row,) = await c.consents.history(c.w.child)
        assert (row.person, row.via, row.sha256, row.given) == (c.w.mother, "phone", text.sha256, True)
        assert row.asked_ms == row.since_ms - 30_000
        assert await c.consents.shown(text.sha256) == text


async def test_a_withdrawal_closes_the_class_until_it_is_settled(tmp_path: Path) -> None:
    """The withdrawer loses the view, others see a paused class; the principal's remedy opens it to others only."""
    async with consent_school(tmp_path) as c:
        assert (c.sees(c.w.mother), c.sees(c.w.father_of_mate)) == (OK, OK)
        await c.consents.withdraw(c.mother, c.w.child, VIEW)
        assert (c.sees(c.w.mother), c.sees(c.w.father_of_mate)) == (MISSING, CLOSED)
        (case,) = await c.cases.rows()
        assert (case.kind, case.waits, case.due_ms > c.w.clock.now_ms()) == (CaseKind.WITHDRAWAL, True, True)
        await c.consents.withdraw(c.mother, c.w.child, VIEW)
        assert len(await c.cases.rows()) == 1, "pressing twice is one withdrawal"
        await c.cases.settle(c.w.actor, c.w.child, c.w.class_id, Remedy.ANGLE, "Xoay camera về phía bảng", VIEW)
        assert (c.sees(c.w.mother), c.sees(c.w.father_of_mate)) == (MISSING, OK)
        assert await c.cases.rows() == ()
        (closed,) = await c.cases.rows(closed_since_ms=0)
        assert (closed.remedy, closed.agreed) == (Remedy.ANGLE, "Xoay camera về phía bảng")
        dump = "\n".join(c.w.db.read_sync(lambda conn: list(conn.iterdump())))
        assert "Xoay camera" not in dump, "what was agreed is sealed"


async def test_a_second_withdrawal_does_not_close_the_class_again(tmp_path: Path) -> None:
    """A family that comes back and withdraws again opens a case; the class goes on until the principal decides."""
    async with consent_school(tmp_path) as c:
        for expected in ([(CaseKind.WITHDRAWAL, True)], [(CaseKind.REPEAT, False)], [(CaseKind.REPEAT, False)]):
            await c.consents.withdraw(c.mother, c.w.child, VIEW)
            assert await kinds(c) == expected
            c.w.clock.tick(60)
            others = CLOSED if expected[0][1] else OK
            assert (c.sees(c.w.mother), c.sees(c.w.father_of_mate)) == (MISSING, others)
            await c.say(c.mother, c.w.child, given=True)
            assert await kinds(c) == [], "the family's new yes closes its case"
            assert (c.sees(c.w.mother), c.sees(c.w.father_of_mate)) == (OK, OK)
        await c.consents.withdraw(c.mother, c.w.child, VIEW)
        await c.cases.hold_class(c.w.actor, c.w.child, c.w.class_id)
        assert (await kinds(c), c.sees(c.w.father_of_mate)) == ([(CaseKind.REPEAT, True)], CLOSED)
        with pytest.raises(NotFound):
            await c.cases.hold_class(c.w.actor, c.w.mate, c.w.class_id)


async def test_a_school_may_be_asked_first(tmp_path: Path) -> None:
    """With ask_principal a withdrawal leaves the class open until the principal decides; a first no never does."""
    async with consent_school(tmp_path, on_withdrawal="ask_principal") as c:
        await c.consents.withdraw(c.mother, c.w.child, VIEW)
        assert (await kinds(c), c.sees(c.w.father_of_mate)) == ([(CaseKind.WITHDRAWAL, False)], OK)
        late = await add_family(c.w.access, c.w.actor, c.w.class_id, "Bé Chi", "Mẹ Chi", consent=False)
        await c.say(Actor(late.guardian, "phone4"), late.child, given=False)
        assert c.sees(c.w.father_of_mate) == CLOSED
        assert (CaseKind.REFUSAL, True) in await kinds(c)


async def test_two_guardians_who_disagree(tmp_path: Path) -> None:
    """The stricter holds; only whoever said no can take it back, or no longer standing for the child does."""
    async with consent_school(tmp_path) as c:
        second = await c.second_guardian()
        await c.say(c.mother, c.w.child, given=True)
        await c.say(second, c.w.child, given=False)
        assert (c.sees(c.w.mother), c.sees(c.w.father_of_mate)) == (MISSING, CLOSED)
        assert await kinds(c) == [(CaseKind.DISAGREE, True)]
        await c.say(c.mother, c.w.child, given=True)
        assert c.sees(c.w.mother) == MISSING
        assert second.person is not None
        await c.w.access.children.revoke_guardian(c.w.actor, second.person, c.w.child)
        assert (c.sees(c.w.mother), c.sees(c.w.father_of_mate)) == (OK, OK)


async def test_whoever_takes_back_a_yes_reads_that_they_withdrew(tmp_path: Path) -> None:
    """Also where another guardian's no stood already; who only said no never reads that, and the class is not paused anew."""
    async with consent_school(tmp_path, agreed=False) as c:
        second = await c.second_guardian()
        await c.say(c.father, c.w.mate, given=True)
        await c.say(c.mother, c.w.child, given=True)
        await c.say(second, c.w.child, given=False)
        await c.cases.settle(c.w.actor, c.w.child, c.w.class_id, Remedy.ANGLE, "Xoay camera", VIEW)
        await c.consents.withdraw(c.mother, c.w.child, VIEW)
        assert c.sees(c.w.father_of_mate) == OK
        for actor, withdrawn in ((c.mother, True), (second, False)):
            assert actor.person is not None
            mine = next(item for item in await c.consents.mine(actor.person) if item.purpose is VIEW)
            assert (mine.given, mine.withdrawn) == (False, withdrawn)
            rows = await c.consents.history(c.w.child, own=actor.person)
            assert rows[-1].withdrawal is withdrawn
        await c.say(c.mother, c.w.child, given=True)
        await c.say(second, c.w.child, given=True)
        assert c.sees(c.w.father_of_mate) == OK
        await c.consents.withdraw(c.mother, c.w.child, VIEW)
        assert (await kinds(c))[0] == (CaseKind.REPEAT, False), "the first no of this family had closed the class"


async def test_refusing_recording_opens_a_case_and_touches_nothing_else(tmp_path: Path) -> None:
    """Recording is not consent's to stop: a case with a way to answer, and live viewing as before."""
    async with consent_school(tmp_path) as c:
        await c.consents.withdraw(c.mother, c.w.child, Purpose.RECORD)
        assert (c.sees(c.w.mother), c.sees(c.w.father_of_mate)) == (OK, OK)
        (case,) = await c.cases.rows()
        assert (case.purpose, case.kind, case.waits) == (Purpose.RECORD, CaseKind.REFUSAL, False)
        with pytest.raises(BadInput):
            await c.cases.settle(c.w.actor, c.w.child, c.w.class_id, Remedy.TALKED, "nói chuyện", VIEW)
        record = Purpose.RECORD
        await c.cases.settle(c.w.actor, c.w.child, c.w.class_id, Remedy.TALKED, "Đã trả lời", record)
        assert await c.cases.rows() == ()
        with pytest.raises(BadInput) as again:
            await c.cases.settle(c.w.actor, c.w.child, c.w.class_id, Remedy.TALKED, "lần nữa", record)
        assert again.value.fields["case"] == "settled"


async def test_the_basis_of_recording_decides_whether_it_is_a_question(tmp_path: Path) -> None:
    """By regulation it is a notice, by consent a question; stating it takes the principal and a reference."""
    async with consent_school(tmp_path) as c:
        record = next(item for item in await c.consents.mine(c.w.mother) if item.purpose is Purpose.RECORD)
        assert (record.notice, record.due, (await c.consents.basis()).set_ms) == (True, False, None)
        for reference in ("", " ", "x" * 121):
            with pytest.raises(BadInput):
                await c.consents.set_basis(c.w.actor, Basis.REGULATION, reference)
        with pytest.raises(Denied):
            await c.consents.set_basis(c.teacher, Basis.CONSENT, "")
        await c.consents.set_basis(c.w.actor, Basis.CONSENT, "")
        record = next(item for item in await c.consents.mine(c.w.mother) if item.purpose is Purpose.RECORD)
        assert (record.notice, record.due) == (False, True)


async def test_a_text_that_asks_for_more_asks_anew_and_the_old_answer_counts_till_then(tmp_path: Path) -> None:
    """Rewording asks nobody; widening asks everybody; the answer keeps its version, a stale page is refused."""
    async with consent_school(tmp_path, agreed=False) as c:
        await c.say(c.mother, c.w.child, given=True)
        old = (await c.consents.texts.all())[VIEW]
        vi, en = old.vi + "\nThêm một ý.", old.en + "\nOne more."
        new = await c.consents.texts.publish(c.w.actor, VIEW, vi, en, widens=False)
        assert (new.version, new.scope) == ("2", 1)
        assert not next(item for item in await c.consents.mine(c.w.mother) if item.purpose is VIEW).due
        with pytest.raises(BadInput, match="same"):
            await c.consents.texts.publish(c.w.actor, VIEW, vi, en, widens=True)
        await c.consents.texts.publish(c.w.actor, VIEW, vi + "\nVà nữa.", en + "\nAnd more.", widens=True)
        mine = next(item for item in await c.consents.mine(c.w.mother) if item.purpose is VIEW)
        assert (mine.due, mine.given, mine.text.version) == (True, True, "3")
        await c.say(c.father, c.w.mate, given=True)
        assert c.sees(c.w.mother) == OK, "the old answer counts"
        with pytest.raises(BadInput) as stale:
            await c.consents.answer(c.mother, c.w.child, VIEW, given=True, sha256=old.sha256)
        assert stale.value.fields["case"] == "text_changed"
        assert [row.version for row in await c.consents.history(c.w.child)] == ["1"]
        assert await c.consents.shown(old.sha256) == old


def test_shipped_texts_are_whole() -> None:
    """Each purpose has both languages with equally many points, names the school and the law, and a stable hash."""
    for purpose in Purpose:
        text = shipped(purpose)
        assert len(text.lines("vi")[1]) == len(text.lines("en")[1]) >= 4
        for language in (text.vi, text.en):
            assert "{school}" in language
            assert "91/2025/QH15" in language
        assert len({text.sha256, shipped(Purpose.VIEW).sha256}) == (1 if purpose is VIEW else 2)
    for bad in ("", "only a title", "a\n" + "b" * 6000):
        with pytest.raises(BadInput):
            clean_lines(bad, "vi")


async def test_nobody_answers_for_another_family(tmp_path: Path) -> None:
    """Another family's child is not there, nor is it for a teacher; the console answers nothing."""
    async with consent_school(tmp_path) as c:
        sha = (await c.consents.texts.all())[VIEW].sha256
        for actor in (c.father, c.teacher):
            with pytest.raises((NotFound, Denied)):
                await c.consents.answer(actor, c.w.child, VIEW, given=True, sha256=sha)
            with pytest.raises((NotFound, Denied)):
                await c.consents.withdraw(actor, c.w.child, VIEW)
            with pytest.raises(Denied):
                await c.cases.settle(actor, c.w.child, c.w.class_id, Remedy.MASK, "không", VIEW)
        for act in (
            c.consents.answer(CONSOLE, c.w.child, VIEW, given=True, sha256=sha),
            c.consents.withdraw(CONSOLE, c.w.child, VIEW),
        ):
            with pytest.raises(BadInput):
                await act


async def test_a_leader_gives_no_familys_word(tmp_path: Path) -> None:
    """Who may write down what a paper says does not answer in a family's place, nor withdraw in it."""
    async with consent_school(tmp_path, agreed=False) as c:
        text = (await c.consents.texts.all())[VIEW]
        with pytest.raises(BadInput):
            await c.consents.answer(c.w.actor, c.w.child, VIEW, given=True, sha256=text.sha256)
        with pytest.raises(BadInput):
            await c.consents.withdraw(c.w.actor, c.w.child, VIEW)
        assert await c.consents.history(c.w.child) == ()


async def test_the_audit_holds_no_name_and_no_word(tmp_path: Path) -> None:
    """Rows say who did what to which child by id; what was agreed is not in them."""
    async with consent_school(tmp_path) as c:
        await c.consents.withdraw(c.mother, c.w.child, VIEW)
        await c.cases.settle(c.w.actor, c.w.child, c.w.class_id, Remedy.ROOM, "Bé sang phòng bên", VIEW)
        rows = [json.loads(row["body"]) for row in c.w.rows("SELECT body FROM audit_body ORDER BY seq DESC LIMIT 2")]
        assert [row["what"] for row in rows] == ["consent.settle", "consent.withdraw"]
        assert rows[1]["person"] == c.w.mother
        assert not any(word in json.dumps(rows, ensure_ascii=False) for word in ("Bé", "An", "phòng"))


acts = st.lists(
    st.sampled_from(("mother yes", "mother no", "second yes", "second no", "settle", "paper yes", "paper no", "leave")),
    max_size=7,
)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(acts)
async def test_any_order_of_answers_and_settlements(tmp_path_factory: Any, order: list[str]) -> None:
    """After every act the class is open to others exactly if the child has consent or the principal settled it since.

    A family sees it only with consent of its own, and other families' answers are the same whichever act it was.
    """
    async with consent_school(tmp_path_factory.mktemp("order"), agreed=False) as c:
        second = await c.second_guardian()
        await c.say(c.father, c.w.mate, given=True)
        last: dict[str, bool] = {}
        settled = withdrew = enrolled = True
        settled = withdrew = False
        for act in order:
            who, _, said = act.partition(" ")
            before = bool(last) and all(last.values())
            if who == "leave":
                await c.w.access.children.leave(c.w.actor, c.w.child, at_once=True)
                enrolled = False
            elif who == "settle":
                if enrolled:
                    try:
                        await c.cases.settle(c.w.actor, c.w.child, c.w.class_id, Remedy.MASK, "che", VIEW)
                        settled = True
                    except BadInput as error:  # there is nothing to settle: it is open already
                        assert (error.fields["case"], before or settled) == ("settled", True), order
            elif not enrolled and who != "paper":
                with pytest.raises(NotFound):  # the ties to the child ended when it left
                    await c.say({"mother": c.mother, "second": second}[who], c.w.child, given=said == "yes")
            else:
                given_now = said == "yes"
                actor = {"mother": c.mother, "second": second, "paper": c.w.actor}[who]
                if who != "paper" and not enrolled:  # nobody stands for a child that has left
                    with pytest.raises(NotFound):
                        await c.say(actor, c.w.child, given=given_now)
                    continue
                if who == "paper":
                    await (c.w.access.children.consent if given_now else c.w.access.children.withdraw)(actor, c.w.child)
                else:
                    await c.say(actor, c.w.child, given=given_now)
                    last.pop("paper", None)
                last[who] = given_now
                after = all(last.values())
                if after:
                    settled = False
                elif before:
                    settled = settled or (withdrew and enrolled)
                    withdrew = True
            consented = bool(last) and all(last.values())
            open_to_others = consented or settled or not enrolled
            assert c.sees(c.w.father_of_mate) == (OK if open_to_others else CLOSED), (order, act)
            expected = "not_found" if not enrolled else OK if consented else MISSING
            assert c.sees(c.w.mother) == expected, (order, act)
            c.w.clock.tick(1)


async def test_an_old_schools_answers_count_as_before(tmp_path: Path) -> None:
    """Rows from before this was kept are the family's yes to version 1, and the console's entry still works."""
    async with consent_school(tmp_path) as c:
        (row,) = await c.consents.history(c.w.child)
        assert (row.given, row.person, row.via, row.version, row.sha256) == (True, None, "school", "1", None)
        assert not any(item.due for item in await c.consents.mine(c.w.mother) if item.purpose is VIEW)
        assert c.w.access.store.current.index.persons[c.w.mother].role is Role.GUARDIAN
