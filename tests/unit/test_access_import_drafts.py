"""Drafts of lists: whose they are, for how long, what is told of one that is no more, and that one is applied once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.access.audit import Actor
from gateway.access.roster.acts import Act
from gateway.access.roster.imports import DRAFT_NS, MOST_DRAFTS, MOST_GONE, Gone
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import PublicId, Role, new_public_id
from tests.fakes.access_world import add_class, school
from tests.fakes.school_lists import pupils, smas
from tests.unit.test_access_import import apply, desk

pytestmark = pytest.mark.anyio


async def test_drafts_are_their_owners_few_and_short_lived(tmp_path: Path) -> None:
    """Another principal does not find a draft; the oldest makes room; half an hour ends it; it can be dropped."""
    async with school(tmp_path) as w:
        imports = desk(w)
        deputy = Actor(await w.access.people.add(w.actor, Role.PRINCIPAL, "Cô Phó"), "other")
        first = await imports.open(w.actor, smas(pupils(2)), "a")
        with pytest.raises(NotFound):
            await imports.look(deputy, first.draft.id)
        for _ in range(MOST_DRAFTS):
            w.clock.tick(1)
            await imports.open(w.actor, smas(pupils(2)), "a")
        with pytest.raises(NotFound):
            await imports.look(w.actor, first.draft.id)
        last = await imports.open(w.actor, smas(pupils(2)), "a")
        imports.drop(w.actor, last.draft.id)
        with pytest.raises(NotFound):
            await imports.look(w.actor, last.draft.id)
        last = await imports.open(w.actor, smas(pupils(2)), "a")
        w.clock.tick(DRAFT_NS / 1e9)
        with pytest.raises(NotFound):
            await imports.look(w.actor, last.draft.id)


async def test_a_list_that_is_refused_is_not_kept_and_takes_nobodys_place(tmp_path: Path) -> None:
    """While two classes have one name, and for a list without a row: the drafts of others stay, all of them."""
    async with school(tmp_path) as w:
        imports = desk(w)
        good = [(await imports.open(w.actor, smas(pupils(2)), "a")).draft.id for _ in range(MOST_DRAFTS - 1)]
        twin = await add_class(w.access, w.actor, "Lớp Tạm", [])

        async def call(name: str) -> None:
            sql = "UPDATE class SET name = ? WHERE id = ?"
            await w.access.store.db.write(lambda conn: conn.execute(sql, (name, twin)))

        for name, refused in (("MẦM 1", smas(pupils(2))), ("Lớp Tạm", smas([]))):
            await call(name)
            for _ in range(MOST_DRAFTS):
                w.clock.tick(1)
                with pytest.raises(BadInput):
                    await imports.open(w.actor, refused, "b")
        good.append((await imports.open(w.actor, smas(pupils(2)), "c")).draft.id)
        for draft in good:
            assert (await imports.look(w.actor, draft)).ready


async def test_a_draft_that_is_no_more_says_what_became_of_it(tmp_path: Path) -> None:
    """Applied: by whom, when and with what counts, to all who may see acts, also after a restart; else to its owner."""
    async with school(tmp_path) as w:
        imports = desk(w)
        deputy = Actor(await w.access.people.add(w.actor, Role.PRINCIPAL, "Cô Phó"), "other")
        first = await imports.open(w.actor, smas(pupils(2)), "a")
        with pytest.raises(NotFound):
            await imports.became(w.actor, first.draft.id)
        act, counts = await apply(w, imports, first)
        for who, desks in ((w.actor, imports), (deputy, desk(w))):
            became = await desks.became(who, first.draft.id)
            assert isinstance(became, Act)
            said = (became.id, became.by, dict(became.counts), became.at_ms)
            assert said == (act, w.principal, dict(counts), w.clock.now_ms())
            with pytest.raises(NotFound):
                await desks.became(who, new_public_id())
        with pytest.raises(Denied):
            await imports.became(Actor(w.mother, w.phone), first.draft.id)


async def test_a_draft_that_was_not_applied_says_so_to_its_owner(tmp_path: Path) -> None:
    """Dropped on another page, too old, or pushed out by newer ones; remembered of few, and to nobody else."""
    async with school(tmp_path) as w:
        imports = desk(w)
        deputy = Actor(await w.access.people.add(w.actor, Role.PRINCIPAL, "Cô Phó"), "other")

        async def another() -> PublicId:
            return (await imports.open(w.actor, smas(pupils(2)), "a")).draft.id

        dropped, late = await another(), await another()
        imports.drop(w.actor, dropped)
        w.clock.tick(DRAFT_NS / 1e9)
        crowded = await another()
        for _ in range(MOST_DRAFTS):
            w.clock.tick(1)
            await another()
        for draft, ending in ((dropped, "dropped"), (late, "late"), (crowded, "crowded")):
            gone = await imports.became(w.actor, draft)
            assert isinstance(gone, Gone)
            assert gone.ending == ending
            with pytest.raises(NotFound):
                await imports.became(deputy, draft)
        while len(imports._gone) < MOST_GONE:  # reading as many files would take long
            imports._gone[new_public_id()] = Gone("another", "late", 0)
        imports.drop(w.actor, await another())
        with pytest.raises(NotFound):
            await imports.became(w.actor, dropped)


async def test_a_draft_is_applied_once(tmp_path: Path) -> None:
    """Two tabs press at the same moment: one act, one audit row; the other finds that it is done."""
    async with school(tmp_path) as w:
        imports = desk(w)
        preview = await imports.open(w.actor, smas(pupils(2)), "a")
        done: list[str] = []

        async def press() -> None:
            try:
                await apply(w, imports, preview)
                done.append("applied")
            except NotFound:
                done.append("done already")

        async with anyio.create_task_group() as both:
            both.start_soon(press)
            both.start_soon(press)
        assert sorted(done) == ["applied", "done already"]
        assert len(w.rows("SELECT 1 FROM roster_act")) == 1


async def test_a_draft_that_is_dropped_while_its_columns_are_corrected_stays_gone(tmp_path: Path) -> None:
    """The correction waits for the disk; when that is through the draft is gone, and answered like any that is."""
    async with school(tmp_path) as w:
        imports = desk(w)
        draft = (await imports.open(w.actor, smas(pupils(2)), "a")).draft.id
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
