"""What a line of the audit says to whom: every name to the principal, staff by name to families, guardians to nobody."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.audit import CONSOLE, Actor
from gateway.access.audit_erase import Erasures
from gateway.access.policy import BOX
from gateway.access.roster.acts import RosterActs
from gateway.access.roster.imports import Imports
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role, new_public_id
from gateway.roofs.audit_watch import AuditWatch
from gateway.roofs.ledger_port import LedgerPort, in_minutes
from gateway.roofs.names import Names
from gateway.roofs.web_ports import RightsPort
from tests.fakes.access_world import KEY, World, add_class, add_family, school
from tests.fakes.clock import FakeClock
from tests.fakes.school import NOW
from tests.fakes.school_lists import pupils, smas
from tests.fakes.web_client import browser
from tests.fakes.web_services import CLASS_MAM, MOTHER, PRINCIPAL, TEACHER, FakeBox
from web.caller import Caller
from web.i18n import Words
from web.ledger_services import LedgerLine, LedgerPage, LedgerWish, Named
from web.ledger_words import about_of, note_of

pytestmark = pytest.mark.anyio
SPAN = re.compile(r"\d\d:\d\d:\d\d–\d\d:\d\d:\d\d")
TODAY = LedgerWish(from_ms=NOW - 9 * 3_600_000, to_ms=NOW + 15 * 3_600_000)


@dataclass
class Desk:
    """A school with looks of everybody, and the port over it."""

    w: World
    port: LedgerPort
    names: Names
    teacher: PublicId

    def caller(self, person: PublicId, role: Role, device: str = "") -> Caller:
        return Caller(person, role, "", device)

    @property
    def principal(self) -> Caller:
        return self.caller(self.w.principal, Role.PRINCIPAL, self.w.actor.device)

    @property
    def mother(self) -> Caller:
        return self.caller(self.w.mother, Role.GUARDIAN, self.w.phone)

    @property
    def father(self) -> Caller:
        return self.caller(self.w.father_of_mate, Role.GUARDIAN)


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    async with school(folder) as w:
        access = w.access
        teacher = await access.people.add(CONSOLE, Role.TEACHER, "Cô Hạnh")
        await access.people.teach(w.actor, teacher, w.class_id)
        await access.notices.sign(Actor(teacher, "t"))
        names = Names(access.store, access.people, access.children, access.classes)
        watch = AuditWatch(w.db, KEY.public_key(), w.clock)
        port = LedgerPort(access.store, names, watch, Erasures(access.store, KEY), lambda: True)
        bound = await w.join(w.father_of_mate, "Galaxy")
        await w.look()
        await access.open.open(w.father_of_mate, bound.session.id, w.camera, "offer")
        code = await access.codes.create(CONSOLE, teacher)
        signed = await access.codes.sign_in(code.text.reveal(), address="192.0.2.2", label="Máy lớp")
        await access.grants.issue(teacher, signed.session.id, Action.LIVE, w.camera)
        await access.grants.issue(
            w.principal, w.actor.device, Action.PLAYBACK, w.camera, from_ms=NOW - 60_000, to_ms=NOW
        )
        await access.grants.issue_console_look(w.camera, knowingly=True)
        await names.load()
        yield Desk(w, port, names, teacher)


def said(lines: tuple[LedgerLine, ...]) -> list[tuple[str, str, str]]:
    return [(line.act, line.who, line.role) for line in lines]


async def test_a_family_learns_of_staff_by_name_and_of_no_guardian(tmp_path: Path) -> None:
    """The principal's look and the console's are there; the other guardian has no name, device or number of a row."""
    async with desk(tmp_path) as d:
        lines = (await d.port.class_looks(d.mother, d.w.class_id, TODAY)).lines
        assert said(lines) == [
            ("granted.aim", "", "console"),
            ("granted.playback", "Cô Hiệu Trưởng", "principal"),
            ("granted.live", "Cô Hạnh", "teacher"),
            ("granted.live", "", "family"),
            ("granted.live", "", "self"),
        ]
        assert {(line.device, line.reason, line.seq, line.about) for line in lines} == {("", "", 0, ("Mầm 1",))}
        theirs = (await d.port.class_looks(d.father, d.w.class_id, TODAY)).lines
        assert [line.role for line in theirs][-2:] == ["self", "family"]
        teachers = (await d.port.class_looks(d.caller(d.teacher, Role.TEACHER), d.w.class_id, TODAY)).lines
        assert [line.who for line in teachers] == ["", "Cô Hiệu Trưởng", "", "", ""]
        assert [line.role for line in teachers][-2:] == ["family", "family"]


async def test_one_look_is_one_line_that_opens_and_the_file_has_every_row(tmp_path: Path) -> None:
    """Still and live of the mother's phone: one line to her, the other family and the principal; never to the file.

    To others of the class it does not open: rows to the second, joined by a phone, would tell which family it was.
    """
    async with desk(tmp_path) as d:
        w = d.w
        w.clock.tick(300)
        for action in (Action.SNAPSHOT, Action.LIVE):
            await w.access.grants.issue(w.mother, w.phone, action, w.camera)
            w.clock.tick(1)
        parts = ["granted.snapshot", "granted.live"]
        for page in (
            await d.port.class_looks(d.mother, w.class_id, TODAY),
            await d.port.own(d.mother, TODAY),
            await d.port.everything(d.principal, replace(TODAY, group="look")),
        ):
            line = page.lines[0]
            assert (line.act, [part.act for part in line.parts]) == ("granted.live", parts)
            assert line.at_ms == line.parts[0].at_ms
            assert {(part.who, part.role, part.device) for part in line.parts} == {(line.who, line.role, line.device)}
        (named,) = {part.who for part in page.lines[0].parts}
        assert named == "Mẹ An"
        for other in (d.father, d.caller(d.teacher, Role.TEACHER)):
            line = (await d.port.class_looks(other, w.class_id, TODAY)).lines[0]
            assert (line.act, line.role, line.parts) == ("granted.live", "family", ())
        everything = (await d.port.everything(d.principal, TODAY)).lines
        rows = [row.seq for line in everything for row in (line.parts or (line,))]
        filed = (await d.port.export(d.principal, TODAY)).lines
        assert sorted(rows) == sorted(line.seq for line in filed if line.act != "audit.export")
        assert not any(line.parts for line in filed)


async def test_people_of_a_class_learn_of_each_others_looks_in_minutes(tmp_path: Path) -> None:
    """Staff's, another guardian's, one's own alike, in no line and no part to the second; the principal reads all."""
    async with desk(tmp_path) as d:
        grant = next(watch.grant for watch in d.w.access.open.watches() if watch.grant.person == d.w.father_of_mate)
        d.w.clock.tick(4)
        assert await d.w.access.open.leave(d.w.media.sessions[grant.id], grant.device)
        for reader in (d.mother, d.father, d.caller(d.teacher, Role.TEACHER)):
            lines = (await d.port.class_looks(reader, d.w.class_id, TODAY)).lines
            assert {line.seconds for line in lines} | {part.seconds for line in lines for part in line.parts} == {None}
            theirs = next(line for line in lines if line.minutes is not None)
            assert (theirs.act, theirs.minutes, note_of(theirs, Words("vi", "UTC"))) == (
                "granted.live",
                0,
                "dưới 1 phút",
            )
        for page in (await d.port.everything(d.principal, TODAY), await d.port.own(d.father, TODAY)):
            assert 4 in {line.seconds for line in page.lines}


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(None, None), (0, 0), (59, 0), (60, 1), (89, 1), (90, 2), (7_000, 117)]
)
def test_a_length_is_rounded_and_its_seconds_are_gone(seconds: int | None, minutes: int | None) -> None:
    """The line and each row of its look."""
    part = LedgerLine(1, NOW, "granted.live", "look", "", "self", seconds=seconds)
    found = in_minutes(replace(part, parts=(part,)))
    assert [(item.seconds, item.minutes) for item in (found, *found.parts)] == [(None, minutes)] * 2


@given(st.lists(st.integers(0, 2**42), min_size=1, max_size=5).map(sorted))
def test_times_are_cut_to_the_minute_and_keep_their_order(times: list[int]) -> None:
    """The line and each row of its look; a row without a time has none afterwards either."""
    rows = [LedgerLine(seq, at_ms, "granted.live", "look", "", "self") for seq, at_ms in enumerate(times)]
    found = in_minutes(replace(rows[0], parts=(*rows, replace(rows[0], at_ms=None))))
    assert [part.at_ms for part in found.parts] == [*(at_ms // 60_000 * 60_000 for at_ms in times), None]
    assert [part.seq for part in found.parts[:-1]] == [*range(len(times))]
    assert all(item.to_the_minute for item in (found, *found.parts))


async def test_no_page_of_a_class_tells_a_look_of_somebody_named_to_the_second(tmp_path: Path) -> None:
    """A still, live pictures of 8:13 and their end: the page has minutes only; the principal's has the seconds."""
    async with desk(tmp_path) as d:
        w = d.w
        before = next(watch.grant for watch in w.access.open.watches() if watch.grant.person == w.mother)
        assert await w.access.open.leave(w.media.sessions[before.id], w.phone)
        w.clock.tick(309)
        await w.access.grants.issue(w.mother, w.phone, Action.SNAPSHOT, w.camera)
        w.clock.tick(2)
        grant = await w.look()
        w.clock.tick(493)
        assert await w.access.open.leave(w.media.sessions[grant], w.phone)
        teacher = d.caller(d.teacher, Role.TEACHER)
        mothers = await rendered(MOTHER, "/p/nhat-ky", await d.port.class_looks(d.mother, w.class_id, TODAY))
        teachers = await rendered(TEACHER, "/nhat-ky", await d.port.class_looks(teacher, w.class_id, TODAY))
        principals = await rendered(PRINCIPAL, "/nhat-ky", await d.port.everything(d.principal, TODAY))
        for page in (mothers, teachers):
            assert "8 phút" in page
            assert "09:05" in page
            times = re.findall(r"\d\d:\d\d:\d\d| \d+ giây", SPAN.sub("", page))
            assert times == [], "only the recorded time that staff asked for is to the second"
        assert "<details" in mothers, "one's own look opens, and its rows are cut too"
        assert "8 phút 13 giây" in principals
        assert "09:05:09" in principals


async def rendered(reader: Caller, path: str, read: LedgerPage) -> str:
    """Return the page on which a reader sees these lines."""
    box = FakeBox(FakeClock(NOW))
    box.ledger.known[reader.person] = [Named(CLASS_MAM, "Mầm 1")]
    box.ledger.lines = list(read.lines)
    async with browser(box, reader) as client:
        return (await client.get(path)).text


async def test_who_may_not_read_a_ledger_gets_none_of_it(tmp_path: Path) -> None:
    """Another class is not there, the whole is the principal's, and a file leaves its row first."""
    async with desk(tmp_path) as d:
        other = await add_class(d.w.access, d.w.actor, "Chồi 1", [])
        stranger = await add_family(d.w.access, d.w.actor, other, "Bé Lạ", "Mẹ Lạ")
        await d.names.load()
        for caller in (d.caller(stranger.guardian, Role.GUARDIAN), d.caller(new_public_id(), Role.GUARDIAN)):
            with pytest.raises((NotFound, Denied)):
                await d.port.class_looks(caller, d.w.class_id, TODAY)
        for caller in (d.mother, d.caller(d.teacher, Role.TEACHER)):
            with pytest.raises(Denied):
                await d.port.everything(caller, TODAY)
            with pytest.raises(Denied):
                await d.port.export(caller, TODAY)
        assert [row.name for row in d.port.classes(d.mother)] == ["Mầm 1"]
        assert [row.name for row in d.port.classes(d.principal)] == ["Chồi 1", "Mầm 1"]
        page = await d.port.export(d.principal, TODAY)
        assert page.lines[0].act == "audit.export"
        assert (page.lines[0].who, page.older) == ("Cô Hiệu Trưởng", None)


async def test_a_leaving_a_list_and_a_camera_say_what_they_did(tmp_path: Path) -> None:
    """At once or with the last day, how many children, which camera of which class: in words of both languages."""
    async with desk(tmp_path) as d:
        access, cameras = d.w.access, {d.w.camera: "Camera sân"}
        await access.classes.release(d.w.actor, d.w.camera, d.w.class_id)
        await access.children.leave(d.w.actor, d.w.child)
        await access.children.leave(d.w.actor, d.w.mate, at_once=True)
        imports = Imports(access.store, RosterActs(access.store))
        draft = await imports.open(d.w.actor, smas(pupils(3)), "ds.xlsx")
        assert draft.plan is not None
        await imports.apply(d.w.actor, draft.draft.id, draft.plan.fingerprint(), absent_leave=False)
        acts = {"roster.import", "child.leave", "camera.release"}
        lines = [line for line in (await d.port.everything(d.principal, TODAY)).lines if line.act in acts]
        words = [Words(lang, d.w.access.store.current.zone.key) for lang in ("vi", "en")]
        told = [[(note_of(line, each), about_of(line, cameras)) for line in lines] for each in words]
        assert [note for note, _ in told[0]] == ["3 mới", "ngay lúc đó", "hết ngày học cuối", ""]
        assert [note for note, _ in told[1]] == ["3 new", "at once", "at the end of the last day", ""]
        assert told[0][3][1] == "Camera sân, Mầm 1"


async def test_the_principal_reads_every_name_and_device(tmp_path: Path) -> None:
    """Whoever acted, on what, about whom; the console and the box have no name."""
    async with desk(tmp_path) as d:
        lines = (await d.port.everything(d.principal, TODAY)).lines
        acts = {line.act: line for line in reversed(lines)}
        assert acts["granted.live"].who in {"Mẹ An", "Bố Bình", "Cô Hạnh"}
        assert {line.device for line in lines} >= {"iPhone", "Galaxy", "Máy lớp", "desk"}
        tied = next(line for line in lines if line.act == "guardian.add" and "Bé An" in line.about)
        assert tied.about == ("Mẹ An", "Bé An")
        assert acts["person.add"].role == "console"
        assert acts["granted.playback"].span == (NOW - 60_000, NOW)
        mine = (await d.port.everything(d.principal, LedgerWish(group="look", person=d.w.mother))).lines
        assert {line.who for line in mine} == {"Mẹ An"}


async def test_ones_own_rows_name_staff_and_ones_own_children(tmp_path: Path) -> None:
    """What the school did about me is told with who did it; no other family's name comes in."""
    async with desk(tmp_path) as d:
        lines = (await d.port.own(d.mother, LedgerWish())).lines
        about = {name for line in lines for name in line.about}
        assert about <= {"Bé An", "Mầm 1"}
        assert "Bé An" in about
        assert {(line.who, line.role) for line in lines} == {("", "self"), ("Cô Hiệu Trưởng", "principal")}
        assert "iPhone" in {line.device for line in lines if line.role == "self"}
        assert {line.device for line in lines if line.role != "self"} == {""}


async def test_the_chain_and_an_erasure_through_the_door(tmp_path: Path) -> None:
    """Not known before the first walk; afterwards counted, also what was erased; words that are no reason are refused."""
    async with desk(tmp_path) as d:
        assert d.port.chain().ok is None
        assert d.port.chain().kept_elsewhere
        plan = await d.port.erasable(d.principal, "person", d.w.mother)
        assert (plan.name, plan.erased_ms) == ("Mẹ An", None)
        with pytest.raises(BadInput) as caught:
            await d.port.erase(d.principal, "person", d.w.mother, typed="Mẹ An", why="because", asked="self")
        assert caught.value.fields["case"] == "erase_why"
        with pytest.raises(Denied):
            await d.port.erasable(d.mother, "person", d.w.father_of_mate)
        _, count = await d.port.erase(
            d.principal, "person", d.w.mother, typed="Mẹ An", why="withdrawn", asked="guardian"
        )
        await d.port.check()
        chain = d.port.chain()
        assert (chain.ok, chain.erased, chain.findings) == (True, count, ())
        await d.names.load()
        lines = (await d.port.everything(d.principal, LedgerWish(group="look"))).lines
        assert {(line.who, line.role) for line in lines if line.role in {"erased", "guardian"}} == {
            ("", "erased"),
            ("Bố Bình", "guardian"),
        }
        assert {row.name for row in d.port.people()} == {"Cô Hiệu Trưởng", "Cô Hạnh", "Bố Bình · Bé Bình"}
        assert [row.name for row in d.port.children()] == ["Bé An · Mầm 1", "Bé Bình · Mầm 1"]


async def test_a_refusal_at_a_page_is_a_row_and_its_repeats_are_counted(tmp_path: Path) -> None:
    """A guardian who tries the principal's switch a hundred times, or guesses a hundred ids, is two rows."""
    async with desk(tmp_path) as d:
        rights = RightsPort(d.w.access.store, d.w.access.grants)

        def rows() -> int:
            return int(d.w.rows("SELECT count(*) AS n FROM audit")[0]["n"])

        before = rows()
        for _ in range(100):
            await rights.refused(d.mother, Action.STOP_ALL, BOX)
            await rights.refused(d.mother, Action.LIVE, ObjectRef(ObjectKind.CAMERA, new_public_id()))
        assert rows() == before + 2
        await rights.refused(d.mother, Action.LIVE, ObjectRef(ObjectKind.CAMERA, d.w.camera))
        assert rows() == before + 2
        lines = (await d.port.everything(d.principal, LedgerWish(group="denied", person=d.w.mother))).lines
        assert {line.act for line in lines} == {"denied"}
