"""Drafts of lists: whose they are, for how long, what is told of one that is no more, and that one is applied once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.access.audit import Actor
from gateway.access.roster.acts import Act
from gateway.access.roster.imports import DRAFT_NS, MOST_DRAFTS, MOST_GONE, Gone, Imports, Preview
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import PublicId, Role, new_public_id
from tests.fakes.access_world import World, add_class, school
from tests.fakes.school_lists import pupils, smas
from tests.unit.test_access_import import apply, desk

pytestmark = pytest.mark.anyio


@dataclass
class Desk:
    """The desk of a principal who reads lists, and a second principal."""

    w: World
    imports: Imports
    deputy: Actor

    async def open(self) -> Preview:
        """Look at a good list of two children."""
        return await self.imports.open(self.w.actor, smas(pupils(2)), "a")

    async def another(self) -> PublicId:
        """Look at one more; returns its draft."""
        return (await self.open()).draft.id

    async def crowd(self) -> None:
        """Look at as many as are kept, one second after the other."""
        for _ in range(MOST_DRAFTS):
            self.w.clock.tick(1)
            await self.another()

    def drop(self, draft: PublicId) -> None:
        self.imports.drop(self.w.actor, draft)

    async def look(self, draft: PublicId) -> Preview:
        return await self.imports.look(self.w.actor, draft)


@pytest.fixture
async def d(tmp_path: Path) -> AsyncIterator[Desk]:
    async with school(tmp_path) as w:
        yield Desk(w, desk(w), Actor(await w.access.people.add(w.actor, Role.PRINCIPAL, "Cô Phó"), "other"))


async def test_drafts_are_their_owners_few_and_short_lived(d: Desk) -> None:
    """Another principal does not find a draft; the oldest makes room; half an hour ends it; it can be dropped."""
    first = await d.another()
    with pytest.raises(NotFound):
        await d.imports.look(d.deputy, first)
    await d.crowd()
    with pytest.raises(NotFound):
        await d.look(first)
    dropped = await d.another()
    d.drop(dropped)
    with pytest.raises(NotFound):
        await d.look(dropped)
    last = await d.another()
    d.w.clock.tick(DRAFT_NS / 1e9)
    with pytest.raises(NotFound):
        await d.look(last)


async def test_a_list_that_is_refused_is_not_kept_and_takes_nobodys_place(d: Desk) -> None:
    """While two classes have one name, and for a list without a row: the drafts of others stay, all of them."""
    good = [await d.another() for _ in range(MOST_DRAFTS - 1)]
    twin = await add_class(d.w.access, d.w.actor, "Lớp Tạm", [])

    async def call(name: str) -> None:
        sql = "UPDATE class SET name = ? WHERE id = ?"
        await d.w.access.store.db.write(lambda conn: conn.execute(sql, (name, twin)))

    for name, refused in (("MẦM 1", smas(pupils(2))), ("Lớp Tạm", smas([]))):
        await call(name)
        for _ in range(MOST_DRAFTS):
            d.w.clock.tick(1)
            with pytest.raises(BadInput):
                await d.imports.open(d.w.actor, refused, "b")
    good.append(await d.another())
    for draft in good:
        assert (await d.look(draft)).ready


async def test_a_draft_that_is_no_more_says_what_became_of_it(d: Desk) -> None:
    """Applied: by whom, when and with what counts, to all who may see acts, also after a restart; else to its owner."""
    first = await d.open()
    with pytest.raises(NotFound):
        await d.imports.became(d.w.actor, first.draft.id)
    act, counts = await apply(d.w, d.imports, first)
    for who, desks in ((d.w.actor, d.imports), (d.deputy, desk(d.w))):
        became = await desks.became(who, first.draft.id)
        assert isinstance(became, Act)
        said = (became.id, became.by, dict(became.counts), became.at_ms)
        assert said == (act, d.w.principal, dict(counts), d.w.clock.now_ms())
        with pytest.raises(NotFound):
            await desks.became(who, new_public_id())
    with pytest.raises(Denied):
        await d.imports.became(Actor(d.w.mother, d.w.phone), first.draft.id)


async def test_a_draft_that_was_not_applied_says_so_to_its_owner(d: Desk) -> None:
    """Dropped on another page, too old, or pushed out by newer ones; remembered of few, and to nobody else."""
    dropped, late = await d.another(), await d.another()
    d.drop(dropped)
    d.w.clock.tick(DRAFT_NS / 1e9)
    crowded = await d.another()
    await d.crowd()
    for draft, ending in ((dropped, "dropped"), (late, "late"), (crowded, "crowded")):
        gone = await d.imports.became(d.w.actor, draft)
        assert isinstance(gone, Gone)
        assert gone.ending == ending
        with pytest.raises(NotFound):
            await d.imports.became(d.deputy, draft)
    while len(d.imports._gone) < MOST_GONE:  # reading as many files would take long
        d.imports._gone[new_public_id()] = Gone("another", "late", 0)
    d.drop(await d.another())
    with pytest.raises(NotFound):
        await d.imports.became(d.w.actor, dropped)


async def test_a_draft_is_applied_once(d: Desk) -> None:
    """Two tabs press at the same moment: one act, one audit row; the other finds that it is done."""
    preview = await d.open()
    done: list[str] = []

    async def press() -> None:
        try:
            await apply(d.w, d.imports, preview)
            done.append("applied")
        except NotFound:
            done.append("done already")

    async with anyio.create_task_group() as both:
        both.start_soon(press)
        both.start_soon(press)
    assert sorted(done) == ["applied", "done already"]
    assert len(d.w.rows("SELECT 1 FROM roster_act")) == 1


async def test_a_draft_that_is_dropped_while_its_columns_are_corrected_stays_gone(d: Desk) -> None:
    """The correction waits for the disk; when that is through the draft is gone, and answered like any that is."""
    w, imports, draft = d.w, d.imports, await d.another()
    real, waits, goes_on = w.db.write, anyio.Event(), anyio.Event()

    async def write(run: Any) -> Any:
        waits.set()
        await goes_on.wait()
        return await real(run)

    answers: list[type[BaseException]] = []

    async def correct() -> None:
        try:
            await imports.map(w.actor, draft, 0, {0: None})
        except NotFound as error:
            answers.append(type(error))

    w.db.write = write  # type: ignore[method-assign,assignment]  # a disk that takes its time
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(correct)
        await waits.wait()
        imports.drop(w.actor, draft)
        goes_on.set()
    w.db.write = real  # type: ignore[method-assign]  # put back
    assert answers == [NotFound]
    with pytest.raises(NotFound):
        await imports.look(w.actor, draft)
    gone = await imports.became(w.actor, draft)
    assert isinstance(gone, Gone)
    assert gone.ending == "dropped"
