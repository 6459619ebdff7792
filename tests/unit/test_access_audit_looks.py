"""One look is one row for people: which rows belong together, and that none is lost."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import audit_ledger
from gateway.access.audit_ledger import Page, Wanted
from gateway.access.audit_lines import Line
from gateway.access.audit_looks import GAP_MS, STILL_MS, TOGETHER, Seam, key_of, looks
from gateway.core.model import Action, PublicId
from tests.fakes.access_world import World, school
from tests.fakes.school import CAM, CAM2, MOTHER, NOW, PRINCIPAL

pytestmark = pytest.mark.anyio


def row(seq: int, at_ms: int, action: str = "live", seconds: int | None = None, **changes: Any) -> Line:
    """A granted row of the mother's phone at her class's camera."""
    body = {"what": "granted", "action": action, "at_ms": at_ms, "person": MOTHER, "device": "phone", "camera": CAM}
    return Line(seq, body | {"grant": f"g{seq}"} | changes, seconds)


def together(*lines: Line) -> list[list[int]]:
    """Return the numbers of the rows of each look."""
    return [[line.seq for line in look.lines] for look in looks(lines)]


def test_the_still_and_the_live_video_are_one_look() -> None:
    """With the row of its end, under the words of the live picture, from the still on, as long as was watched."""
    end = row(3, NOW + 90_000, grant="g2", what="ended", reason="viewer.left")
    (look,) = looks([end, row(2, NOW + 900, seconds=89), row(1, NOW, "snapshot")])
    assert [line.seq for line in look.lines] == [3, 2, 1]
    assert (look.head.seq, look.at_ms, look.seconds) == (2, NOW, 89)


def test_stills_of_a_weak_network_are_one_look_until_they_cease() -> None:
    """A row a minute goes on being one look; the same class an hour later is another."""
    minutes = [row(n, NOW + n * (STILL_MS + 2000), "snapshot") for n in range(5)]
    later = row(9, NOW + 3_600_000, "snapshot")
    assert together(later, *reversed(minutes)) == [[9], [4, 3, 2, 1, 0]]
    look = looks(minutes[::-1])[0]
    assert (look.head.seq, look.at_ms, look.seconds) == (0, NOW, None)


def test_a_stream_that_was_opened_again_at_once_is_the_same_look() -> None:
    """What was watched is added up; one that still runs leaves the sum open."""
    first, second = row(1, NOW, seconds=60), row(2, NOW + 60_000 + GAP_MS, seconds=30)
    (look,) = looks([second, first])
    assert look.seconds == 90
    assert looks([row(2, NOW + 70_000), first])[0].seconds is None
    assert together(row(2, NOW + 60_000 + GAP_MS + 1, seconds=30), first) == [[2], [1]]


@pytest.mark.parametrize(
    "other", [{"person": PRINCIPAL}, {"device": "tablet"}, {"camera": CAM2}, {"action": "playback"}]
)
def test_nobody_elses_and_nothing_else_is_taken_in(other: dict[str, Any]) -> None:
    """Another person, device or camera, or recorded pictures, are looks of their own."""
    assert together(row(2, NOW + 500, **other), row(1, NOW, "snapshot")) == [[2], [1]]


def test_an_end_without_its_beginning_is_a_row_of_its_own() -> None:
    """The look began on an older page or day: its end is not lost."""
    assert together(row(3, NOW, grant="g0", what="ended"), row(2, NOW, seconds=3)) == [[3], [2]]


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["live", "snapshot", "playback", "ended", "denied"]), st.integers(0, 90_000),
        st.sampled_from([MOTHER, PRINCIPAL]), st.sampled_from([CAM, CAM2]), st.none() | st.integers(0, 300),
    ), max_size=40,
)  # fmt: skip


@given(ROWS)
def test_every_row_is_in_exactly_one_look(rows: list[tuple[str, int, PublicId, PublicId, int | None]]) -> None:
    """Whatever stands in a page: nothing lost or doubled, one key a look, newest first, and ends with their grants."""
    lines, at_ms = [], NOW
    for seq, (kind, step_ms, person, camera, seconds) in enumerate(rows):
        at_ms += step_ms
        known: dict[str, Any] = {"person": person, "camera": camera}
        if kind == "ended":
            lines.append(row(seq, at_ms, what="ended", grant=f"g{seq // 2}", **known))
        elif kind == "denied":
            lines.append(row(seq, at_ms, what="denied", **known))
        else:
            lines.append(row(seq, at_ms, kind, seconds, **known))
    found = looks(lines[::-1])
    assert sorted(line.seq for look in found for line in look.lines) == [line.seq for line in lines]
    assert [look.lines[-1].seq for look in found] == sorted((look.lines[-1].seq for look in found), reverse=True)
    for look in found:
        starts = [line for line in look.lines if line.what in TOGETHER]
        assert len({key_of(line) for line in starts}) <= 1
        assert len(look.lines) == 1 or starts
        grants = {line.text("grant") for line in starts}
        assert len(look.lines) == 1 or all(line.text("grant") in grants for line in look.lines)


def read(w: World, before: int, lines: int, most: int) -> Page:
    """Read a page of the looks at the class."""
    wanted = Wanted(before=before)
    return w.db.read_sync(lambda conn: audit_ledger.looks_at(conn, w.class_id, wanted, lines=lines, most=most))


async def test_a_page_ends_between_looks_and_the_audit_keeps_every_row(tmp_path: Path) -> None:
    """Still and live of one look are never on two pages; row by row they are all there, as before."""
    async with school(tmp_path) as w:
        for _ in range(9):
            for action in (Action.SNAPSHOT, Action.LIVE):
                await w.access.grants.issue(w.mother, w.phone, action, w.camera)
                w.clock.tick(1)
            w.clock.tick(200)
        before: int | None = audit_ledger.END
        found = []
        while before is not None:
            page = read(w, before, 3, 9)
            found += [[line.what for line in look.lines] for look in looks(page.lines)]
            before = page.older
        assert found == [["granted.live", "granted.snapshot"]] * 9
        assert len(read(w, audit_ledger.END, 99, 0).lines) == 18


@pytest.mark.parametrize("whole", [True, False], ids=["everything", "class"])
async def test_a_long_look_that_is_opened_again_is_counted_once(tmp_path: Path, *, whole: bool) -> None:
    """Forty minutes, a pause of seconds, and on: however small the pages, and though others looked meanwhile."""
    async with school(tmp_path) as w:

        async def others() -> None:
            for _ in range(8):
                w.clock.tick(300)
                await w.access.grants.issue_console_look(w.camera, knowingly=True)

        await others()
        w.clock.tick(300)
        _, grant = await w.access.grants.issue(w.mother, w.phone, Action.LIVE, w.camera)
        await others()
        assert grant is not None
        await w.access.grants.closed([grant], "viewer.left")
        w.clock.tick(10)
        await w.access.grants.issue(w.mother, w.phone, Action.LIVE, w.camera)
        await others()

        def page(conn: sqlite3.Connection) -> Page:
            wanted = Wanted(before=before, camera=w.camera)
            if whole:
                return audit_ledger.page(conn, wanted, lines=2, most=40)
            return audit_ledger.looks_at(conn, w.class_id, wanted, lines=2, most=40)

        before, pages = audit_ledger.END, []
        while before:
            found = w.db.read_sync(page)
            pages.append(looks(found.lines))
            before = found.older or 0
        mothers = [look for some in pages for look in some if look.head.text("person") == w.mother]
        assert [[line.what for line in look.lines if line.what in TOGETHER] for look in mothers] == [
            ["granted.live"] * 2
        ]
        assert sum(line.text("what") == "granted" for some in pages for look in some for line in look.lines) == 26
        assert len(pages) > 7, "between the looks of others there are ends of pages"


@given(ROWS, st.integers(1, 10))
def test_no_look_is_on_both_sides_of_a_seam(
    rows: list[tuple[str, int, PublicId, PublicId, int | None]], least: int
) -> None:
    """Whoever looked, in whatever order streams began and ended: pages have the looks that the whole list has."""
    lines: list[Line] = []
    running: dict[tuple[PublicId, PublicId], int] = {}
    at_ms = NOW
    for seq, (kind, step_ms, person, camera, _) in enumerate(rows):
        at_ms += step_ms
        known: dict[str, Any] = {"person": person, "camera": camera}
        if kind == "ended":
            if (grant := running.pop((person, camera), None)) is not None:
                at = next(n for n, line in enumerate(lines) if line.seq == grant)
                lines[at] = replace(lines[at], seconds=(at_ms - (lines[at].at_ms or 0)) // 1000)
                lines.append(row(seq, at_ms, what="ended", grant=f"g{grant}", **known))
            continue
        if kind == "live":
            if (person, camera) in running:
                continue  # a stream takes the place of the one before, which ends first
            running[person, camera] = seq
        lines.append(row(seq, at_ms, kind, **known))
    pages: list[list[Line]] = [[]]
    seam = Seam()
    for line in reversed(lines):
        if len(pages[-1]) >= least and seam.before(line):
            pages.append([])
            seam = Seam()
        seam.take(line, shown=True)
        pages[-1].append(line)
    apart = [look.lines for page in pages for look in looks(page)]
    assert sorted(apart, key=str) == sorted((look.lines for look in looks(lines[::-1])), key=str)
