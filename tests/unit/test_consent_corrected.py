"""A no that was put in wrongly and is corrected on paper; a case that is settled twice: one truth on every page."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.consent_paper import Line
from gateway.access.consent_rules import Fate, Remedy, Standing, on_paper, paper_fate
from gateway.access.facts import Purpose
from gateway.access.localtime import moment
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import PublicId, new_public_id
from tests.fakes.consent_world import VIEW, ConsentWorld, consent_school

TODAY = dt.date(2026, 11, 19)
MOTHER, FATHER = PublicId("motheraaaaaaaaaa"), PublicId("fatheraaaaaaaaaa")
DAY = (1_000_000, 2_000_000)
STANDING = st.lists(
    st.builds(
        Standing,
        st.sampled_from([None, MOTHER, FATHER]),
        st.booleans(),
        st.sampled_from([500_000, 1_000_000, 1_500_000, 2_500_000]),
    ),
    max_size=3,
    unique_by=lambda item: item.person,
)


async def on_a_sheet(c: ConsentWorld, *rows: Line, sign: bool = True) -> PublicId:
    """Put a sheet in and countersign it; each has an instant of its own."""
    c.w.clock.tick(1)
    sheet = await c.papers.enter(c.teacher, c.w.class_id, TODAY, "PH 1", rows)
    if sign:
        await c.papers.countersign(c.w.actor, c.w.class_id, sheet)
    return sheet


@given(STANDING, st.booleans(), st.sampled_from([None, MOTHER, FATHER]))
def test_what_is_shown_to_come_of_a_line_is_what_comes_of_it(
    found: list[Standing], given: bool, signer: PublicId | None
) -> None:
    """A yes lifts a no only where both are the same guardian's, or the no is nobody's by name."""
    fate = paper_fate(given, signer, DAY, found)
    then = on_paper(given, signer, found)
    others_no = any(not item.given and item.person not in {signer, None} for item in found)
    assert then is (given and not others_no)
    if fate is Fate.SIGNER:
        assert given
        assert signer is None
        assert others_no
    if given and signer is None and others_no:
        assert fate is not Fate.COUNTS, "an unsigned yes never stands beside a named no"


@pytest.mark.anyio
async def test_an_unsigned_yes_does_not_lift_a_named_no(tmp_path: Path) -> None:
    """The wrong no has a name: a yes of nobody is refused with the child named; with the name, all pages say yes."""
    async with consent_school(tmp_path) as c:
        await on_a_sheet(c, Line(c.w.child, VIEW, False, c.w.mother))
        with pytest.raises(BadInput) as refused:
            await c.papers.enter(c.teacher, c.w.class_id, TODAY, "PH 2", [Line(c.w.child, VIEW, True)])
        assert (refused.value.fields["case"], refused.value.fields["children"]) == ("sheet_signer", (c.w.child,))
        assert len(c.w.rows("SELECT 1 FROM consent_sheet")) == 1, "nothing is kept of it"
        await on_a_sheet(c, Line(c.w.child, VIEW, True, c.w.mother))
        assert c.sees(c.w.mother) == "role.guardian"
        principal = await c.caller(c.w.actor)
        (kid,) = [row for row in await c.door.children(principal, c.w.class_id) if row.child == c.w.child]
        assert (kid.answers["view"], kid.waits) == (True, False)
        newest, oldest = await c.door.sheets(principal, c.w.class_id)
        assert [(line.given, line.now) for line in (*newest.lines, *oldest.lines)] == [(True, True), (False, True)]


@pytest.mark.anyio
async def test_a_sheet_overtaken_while_it_waits_says_so_and_does_not_count(tmp_path: Path) -> None:
    """The no comes in between, on another paper: preview, countersignature, class and phone all say no."""
    async with consent_school(tmp_path) as c:
        second = await c.second_guardian()
        assert second.person is not None
        waits = await on_a_sheet(c, Line(c.w.child, VIEW, True), sign=False)
        await on_a_sheet(c, Line(c.w.child, VIEW, False, c.w.mother))
        (row,) = await c.papers.rows(c.w.class_id, waiting=True)
        assert [(line.now, line.then, line.fate) for line in row.lines] == [(False, False, Fate.SIGNER)]
        assert await c.papers.countersign(c.w.actor, c.w.class_id, waits) == 0
        for sheet in await c.papers.rows(c.w.class_id):
            assert [line.now for line in sheet.lines] == [False]
        assert [line.fate for sheet in await c.papers.rows(c.w.class_id) for line in sheet.lines if line.given] == [
            Fate.SIGNER
        ], "why it did not count is kept"
        assert c.sees(c.w.mother) == "consent.missing"
        mine = [item for item in await c.consents.mine(second.person) if item.purpose is VIEW]
        assert [item.given for item in mine] == [None], "the family's paper is not this guardian's yes"


@pytest.mark.anyio
async def test_why_a_line_did_not_count_is_kept_whatever_is_answered_later(tmp_path: Path) -> None:
    """As it was when the principal signed: overtaken, or unsigned; of a sheet from before causes only that it did not."""
    async with consent_school(tmp_path) as c:
        await c.say(c.mother, c.w.child, given=False)
        day = c.w.access.store.current.zone
        old = moment(day, c.w.clock.now_ms()).date - dt.timedelta(days=3)
        waits = await c.papers.enter(c.teacher, c.w.class_id, old, "7", [Line(c.w.child, VIEW, True, c.w.mother)])
        await c.papers.countersign(c.w.actor, c.w.class_id, waits)
        await c.say(c.mother, c.w.child, given=True)
        (row,) = await c.papers.rows(c.w.class_id)
        assert [(line.counts, line.fate) for line in row.lines] == [(False, Fate.NEWER)]
        (line,) = (await c.door.sheets(await c.caller(c.w.actor), c.w.class_id))[0].lines
        assert line.fate == "newer"
        await c.w.db.write(lambda conn: conn.execute("UPDATE consent_sheet_line SET why = NULL"))
        (row,) = await c.papers.rows(c.w.class_id)
        assert [(line.counts, line.fate) for line in row.lines] == [(False, Fate.OTHER)]


@pytest.mark.anyio
async def test_one_guardians_yes_beside_the_others_no_is_shown_as_a_no(tmp_path: Path) -> None:
    """The preview tells what will stand, not what the line says: the other guardian's no holds."""
    async with consent_school(tmp_path) as c:
        second = await c.second_guardian()
        await c.say(second, c.w.child, given=False)
        sheet = await on_a_sheet(c, Line(c.w.child, VIEW, True, c.w.mother), sign=False)
        (row,) = await c.papers.rows(c.w.class_id, waiting=True)
        assert [(line.given, line.now, line.then, line.counts) for line in row.lines] == [(True, False, False, True)]
        await c.papers.countersign(c.w.actor, c.w.class_id, sheet)
        (row,) = await c.papers.rows(c.w.class_id)
        assert [(line.given, line.now, line.counts) for line in row.lines] == [(True, False, True)]


@pytest.mark.anyio
async def test_an_unsigned_yes_from_before_is_nobodys_yes(tmp_path: Path) -> None:
    """A box that let one count earlier: whoever has not answered is asked, not told that the family agreed."""
    async with consent_school(tmp_path) as c:
        second = await c.second_guardian()
        assert second.person is not None
        await c.say(c.mother, c.w.child, given=False)
        sql = "INSERT INTO consent (child, purpose, text_version, since_ms, given, via) VALUES (?, 'view', '1', ?, 1, 'paper')"
        await c.w.db.write(lambda conn: conn.execute(sql, (c.w.child, c.w.clock.now_ms() - 1)))
        mine = [item for item in await c.consents.mine(second.person) if item.purpose is VIEW]
        assert [(item.given, item.due) for item in mine] == [(None, True)]


@pytest.mark.anyio
async def test_a_case_is_settled_once(tmp_path: Path) -> None:
    """The second tap, or the second tab with other words, writes nothing and is told what was agreed."""
    async with consent_school(tmp_path) as c:
        await c.consents.withdraw(c.mother, c.w.child, VIEW)
        for again in (False, True, True):
            act = c.cases.settle(c.w.actor, c.w.child, c.w.class_id, Remedy.MASK, f"Che góc {again}", VIEW)
            if not again:
                await act
                continue
            with pytest.raises(BadInput) as told:
                await act
            assert told.value.fields["case"] == "settled"
            assert not isinstance(told.value, NotFound)
        kept = await c.cases.rows(closed_since_ms=0)
        assert [(row.remedy, row.agreed) for row in kept] == [(Remedy.MASK, "Che góc False")]
        with pytest.raises(BadInput) as told:
            await c.cases.hold_class(c.w.actor, c.w.child, c.w.class_id)
        assert told.value.fields["case"] == "settled"
        assert c.sees(c.w.father_of_mate) == "role.guardian", "what was settled stays settled"


@pytest.mark.anyio
async def test_what_needs_no_settling_is_not_settled(tmp_path: Path) -> None:
    """A family that agrees, or agreed meanwhile; recording that was talked over; a child of nowhere."""
    async with consent_school(tmp_path) as c:
        settle = c.cases.settle
        with pytest.raises(BadInput) as told:
            await settle(c.w.actor, c.w.child, c.w.class_id, Remedy.ROOM, "x", VIEW)
        assert told.value.fields["case"] == "settled"
        assert await c.cases.rows(closed_since_ms=0) == ()
        with pytest.raises(NotFound):
            await settle(c.w.actor, c.w.child, c.w.class_id, Remedy.TALKED, "x", Purpose.RECORD)
        await c.say(c.mother, c.w.child, given=False, purpose=Purpose.RECORD)
        await settle(c.w.actor, c.w.child, c.w.class_id, Remedy.TALKED, "x", Purpose.RECORD)
        with pytest.raises(BadInput) as told:
            await settle(c.w.actor, c.w.child, c.w.class_id, Remedy.TALKED, "x", Purpose.RECORD)
        assert told.value.fields["case"] == "settled"
        with pytest.raises(NotFound):
            await settle(c.w.actor, new_public_id(), c.w.class_id, Remedy.ROOM, "x", VIEW)


@pytest.mark.anyio
async def test_a_silent_family_is_settled_once_and_again_after_a_new_no(tmp_path: Path) -> None:
    """Without a case the principal's word opens the class once; what the family says later is a new case."""
    async with consent_school(tmp_path, agreed=False) as c:
        for child in (c.w.child, c.w.mate):
            await c.cases.settle(c.w.actor, child, c.w.class_id, Remedy.ANGLE, "Xoay máy", VIEW)
        with pytest.raises(BadInput):
            await c.cases.settle(c.w.actor, c.w.child, c.w.class_id, Remedy.ROOM, "Khác", VIEW)
        await c.say(c.mother, c.w.child, given=False)
        await c.cases.settle(c.w.actor, c.w.child, c.w.class_id, Remedy.ROOM, "Đổi lớp", VIEW)
        words = [row.agreed for row in await c.cases.rows(closed_since_ms=0) if row.child == c.w.child]
        assert sorted(words) == ["Xoay máy", "Đổi lớp"]


@pytest.mark.anyio
async def test_a_sheet_is_countersigned_or_taken_back_once(tmp_path: Path) -> None:
    """The second tap is told what became of the sheet; a sheet of nowhere is not there."""
    async with consent_school(tmp_path, agreed=False) as c:
        signed = await on_a_sheet(c, Line(c.w.child, VIEW, True, c.w.mother))
        dropped = await on_a_sheet(c, Line(c.w.child, VIEW, True, c.w.mother), sign=False)
        await c.papers.drop(c.teacher, c.w.class_id, dropped)
        principal = await c.caller(c.w.actor)
        for sheet, case in ((signed, "sheet_signed"), (dropped, "sheet_dropped")):
            for act in (
                c.door.countersign(principal, c.w.class_id, sheet),
                c.door.drop(principal, c.w.class_id, sheet),
            ):
                with pytest.raises(BadInput) as told:
                    await act
                assert told.value.fields["case"] == case
        other = await c.w.access.classes.add(c.w.actor, "Chồi 1")
        for class_id, sheet in ((other, signed), (c.w.class_id, new_public_id())):
            for act in (c.door.countersign(principal, class_id, sheet), c.door.drop(principal, class_id, sheet)):
                with pytest.raises(NotFound):
                    await act
        assert len(await c.consents.history(c.w.child)) == 1
