"""The audit as people read it: by group, person, class, camera and day, in pages that end."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.access import audit, audit_ledger
from gateway.access.audit_ledger import END, Group, Page, Wanted, group_of, labels, looks_at, of_person
from gateway.access.audit_lines import Line
from gateway.access.migrations import MIGRATIONS
from gateway.core.db import Database
from gateway.core.model import PublicId
from tests.fakes.access_world import World, school
from tests.fakes.memory_disk import in_memory
from tests.fakes.school import CAM, CAM2, CHOI, MAM, MOTHER, NOW, OTHER, PRINCIPAL, TEACHER

pytestmark = pytest.mark.anyio
DAY = 86_400_000
ALL = Wanted()
KINDS: tuple[dict[str, Any], ...] = (
    {"what": "granted", "action": "live", "kind": "camera", "object": CAM, "camera": CAM, "classes": [MAM]},
    {"what": "granted", "action": "export", "kind": "export", "object": "x", "camera": CAM2, "classes": [CHOI]},
    {"what": "denied", "action": "live", "kind": "camera", "object": CAM2, "reason": "not_found"},
    {"what": "key.unlock.refused", "kind": "box", "object": "box", "reason": "wrong"},
    {"what": "person.add", "kind": "box", "object": "box", "who": OTHER, "role": "guardian"},
    {"what": "slip.create", "kind": "person", "object": MOTHER},
    {"what": "class.plan", "kind": "box", "object": "box", "class": MAM, "rows": 3},
    {
        "what": "ended",
        "action": "live",
        "kind": "camera",
        "object": CAM,
        "grant": "g",
        "seconds": 3,
        "reason": "viewer.left",
    },
)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Four days of rows by three people."""
    database = Database(in_memory(tmp_path_factory.mktemp("ledger")) / "gateway.db", [MIGRATIONS])
    database.open()

    def fill(conn: sqlite3.Connection) -> None:
        for n in range(240):
            who = (PRINCIPAL, TEACHER, MOTHER)[n % 3]
            audit.append(conn, {"at_ms": NOW + n * DAY // 60, "person": who, "device": "d"} | KINDS[n % len(KINDS)])

    database.write_sync(fill)
    yield database
    database.close()


def everything(db: Database, wanted: Wanted = ALL, lines: int = 7) -> list[Line]:
    """Turn all pages; each must end or lead on."""
    found: list[Line] = []
    before: int | None = wanted.before
    while before is not None:
        asked = Wanted(
            wanted.group, wanted.person, wanted.class_id, wanted.camera, wanted.from_ms, wanted.to_ms, before
        )
        page: Page = db.read_sync(lambda conn, asked=asked: audit_ledger.page(conn, asked, lines=lines))  # type: ignore[misc]  # bound here
        assert len(page.lines) <= lines
        assert page.older is None or page.older < before
        found += page.lines
        before = page.older
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.none() | st.sampled_from(list(Group)),
    st.none() | st.sampled_from([PRINCIPAL, TEACHER, MOTHER, OTHER]),
    st.none() | st.sampled_from([MAM, CHOI]),
    st.none() | st.sampled_from([CAM, CAM2]),
    st.none() | st.integers(0, 3),
    st.integers(1, 60),
)
def test_every_filter_gives_exactly_what_fits_in_order(
    db: Database,
    group: Group | None,
    person: PublicId | None,
    class_id: PublicId | None,
    camera: PublicId | None,
    day: int | None,
    lines: int,
) -> None:
    """The pages together are the rows that fit, newest first, each once, however long a page is."""
    span = (None, None) if day is None else (NOW + day * DAY, NOW + (day + 1) * DAY)
    got = [line.seq for line in everything(db, Wanted(group, person, class_id, camera, *span), lines)]
    want = []
    for line in everything(db, lines=500):
        at_ms = line.at_ms or 0
        keeps = group is None or (group_of(line) is group and (group is not Group.LOOK or line.what != "ended.live"))
        keeps &= person is None or person in {line.text("person"), *line.people}
        keeps &= class_id is None or class_id in line.classes
        keeps &= camera is None or camera == line.camera
        keeps &= day is None or (span[0] or 0) <= at_ms < (span[1] or 0)
        want += [line.seq] if keeps else []
    assert got == want == sorted(want, reverse=True)


def test_each_act_has_one_group() -> None:
    """Looks, copies, refusals, rights, settings; what nobody thought of is a setting."""
    groups = [group_of(Line(1, body)).value for body in KINDS]
    assert groups == ["look", "copy", "denied", "denied", "people", "people", "config", "look"]
    assert group_of(Line(1, {"what": "of.tomorrow"})) is Group.CONFIG
    assert Line(1, {"erased": 5}).what == "erased"
    assert Line(1, {"erased": 5}).at_ms is None


def test_a_page_looks_at_so_many_rows_and_then_goes_on(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that nothing fits costs as much as one that everything fits, and still ends."""
    monkeypatch.setattr(audit_ledger, "LOOKED_AT", 25)
    first = db.read_sync(lambda conn: audit_ledger.page(conn, Wanted(camera=PublicId("nowhere"))))
    assert first.lines == ()
    assert first.older == 240 - 25 + 1
    assert everything(db, Wanted(camera=PublicId("nowhere"))) == []
    assert len(everything(db, Wanted(group=Group.DENIED))) == 60


def test_the_day_and_the_person_are_found_by_an_index(db: Database) -> None:
    """No page of a day or of a person reads the whole table."""
    seen: list[str] = []

    def plans(conn: sqlite3.Connection) -> None:
        conn.set_trace_callback(seen.append)
        audit_ledger.page(conn, Wanted(from_ms=NOW, to_ms=NOW + DAY))
        of_person(conn, MOTHER, Wanted())
        conn.set_trace_callback(None)
        for sql in [text for text in seen if text.startswith("SELECT seq")]:
            steps = [row["detail"] for row in conn.execute("EXPLAIN QUERY PLAN " + sql)]
            assert not any(step.startswith("SCAN") for step in steps), steps

    db.read_sync(plans)
    assert len(seen) >= 2


async def test_who_looked_at_my_class(tmp_path: Path) -> None:
    """The mother's look and the principal's, with how long the ended one was; not what was refused, not other acts."""
    async with school(tmp_path) as w:
        await w.look()
        await w.clock.advance(2)
        (session,) = [watch.session for watch in w.access.open.watches()]
        assert await w.access.open.leave(str(session), w.phone)
        await w.access.grants.issue(w.principal, w.actor.device, _playback(), w.camera, from_ms=NOW, to_ms=NOW + 1000)
        page = await w.db.read(lambda conn: looks_at(conn, w.class_id, Wanted(from_ms=NOW, to_ms=NOW + DAY)))
    assert [(line.what, line.text("role"), line.seconds, line.ended) for line in page.lines] == [
        ("granted.playback", "principal", None, ""),
        ("granted.live", "guardian", 2, "viewer.left"),
    ]
    assert (page.lines[0].body["from_ms"], page.lines[0].camera) == (NOW, w.camera)


async def test_my_own_acts_and_what_was_done_about_me(tmp_path: Path) -> None:
    """My looks and logins, and who made me a guardian and gave me a slip; nothing of another family."""
    async with school(tmp_path) as w:
        await w.look()
        page = await w.db.read(lambda conn: of_person(conn, w.mother, Wanted()))
        theirs = await w.db.read(lambda conn: of_person(conn, w.father_of_mate, Wanted()))
        names = await w.db.read(lambda conn: labels(conn, {w.phone, "console", "nowhere"}))
    acts = [line.what for line in page.lines]
    assert acts[0] == "granted.live"
    assert set(acts) >= {"login", "slip.redeem", "slip.create", "guardian.add", "person.add"}
    assert not {line.seq for line in page.lines} & {line.seq for line in theirs.lines}
    assert names == {w.phone: "iPhone"}


async def test_a_blanked_row_has_its_line(tmp_path: Path) -> None:
    """It has no time and no person; the line says that it was erased, and by which row."""
    async with school(tmp_path) as w:
        await _erased(w)
        page = await w.db.read(lambda conn: audit_ledger.page(conn, Wanted(before=END), lines=500))
    blank = [line for line in page.lines if line.what == "erased"]
    assert blank
    assert {line.body["erased"] for line in blank} == {page.lines[0].seq}
    assert page.lines[0].what == "audit.erase"
    assert page.lines[0].people == (w.child,)


def _playback() -> Any:
    from gateway.core.model import Action

    return Action.PLAYBACK


async def _erased(w: World) -> None:
    from gateway.access.audit_erase import Asked, Erasures, Why
    from tests.fakes.access_world import KEY

    desk = Erasures(w.access.store, KEY)
    await desk.erase(w.actor, "child", w.child, typed="Bé An", why=Why.LEFT, asked=Asked.SCHOOL)
