"""Every act leaves a row with who and from where, in words for people, and no word of theirs."""

from __future__ import annotations

import datetime as dt
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.access.accounts import Accounts
from gateway.access.acts import sealed_columns
from gateway.access.audit import CONSOLE, Actor
from gateway.access.audit_erase import Asked, Erasures, Why
from gateway.access.consent_cases import Cases
from gateway.access.consent_paper import Line, PaperSheets
from gateway.access.consent_rules import Remedy
from gateway.access.consent_texts import SchoolFacts, Texts
from gateway.access.consents import Basis, Consents
from gateway.access.departures import Departures
from gateway.access.facts import ClassRules, Purpose
from gateway.access.observing import Visit
from gateway.access.responsible import ResponsiblePersons
from gateway.core.errors import Denied, NotFound
from gateway.core.model import Action, PublicId, Role, Secret
from gateway.roofs.footage_desk import KEY_ACTS
from tests.fakes.access_world import KEY, World, school
from tests.fakes.acts_in_code import acts, methods_of_actors
from tests.fakes.device import Browser
from tests.fakes.school import NOW
from web.i18n import texts

pytestmark = pytest.mark.anyio
FILLED = {"key.{}": KEY_ACTS, "export.{}": ("failed", "cancelled", "expired")}
"""What the open part of a code can be."""
ASKS_OR_WRITES = {"change", "append", "carry_out", "demand", "_end", "_write_ends", "write", "_issue", "_relay", "end"}
ASKS_OR_WRITES |= {"_name", "set_password", "enrol", "_write"}  # of accounts and sign-in: each writes its row
ASKS_OR_WRITES |= {"pause", "resume", "explain"}  # of `Pauses`, which writes
ASKS_OR_WRITES |= {"may_end"}  # of `Devices`: asks the policy what a page is to say; its no is as if there was nothing
QUIET = {"signin.py:begin_second", "waiting.py:waits_of"}
"""The one only draws a secret for one's own session, in memory: nothing is switched on before `finish_second`. The other
counts what waits, each kind for whoever the policy would let decide it, on every page: no row for that."""


def codes() -> set[str]:
    found = acts()
    return found.codes | {pattern.replace("{}", part) for pattern in found.patterns for part in FILLED.get(pattern, ())}


def test_the_code_of_every_act_can_be_read() -> None:
    """No act is written under a code that this test cannot see; open parts are listed above."""
    found = acts()
    assert len(found.codes) > 40
    assert found.patterns - FILLED.keys() == set()
    known = {
        "roofs/footage_desk.py:name", "roofs/footage_desk.py:request.method.removeprefix('key.')",
        "access/login.py:what", "access/signin.py:what", "roofs/gateway_control.py:self._desk.key",
    }  # fmt: skip
    assert found.unread - known == set()


def test_every_act_has_words_in_both_languages() -> None:
    """The page calls none by its code."""
    wanted = {f"ledger.act.{code}" for code in codes() - {"granted", "ended"}}
    wanted |= {f"ledger.act.granted.{action}" for action in ("live", "snapshot", "aim", "playback", "export")}
    for language in ("vi", "en"):
        assert sorted(wanted - texts(language).texts.keys()) == []


def test_whoever_takes_an_actor_asks_the_policy_or_writes() -> None:
    """No method of access does something for somebody without a decision or a row."""
    quiet = [name for name, calls in methods_of_actors() if not calls & ASKS_OR_WRITES]
    assert set(quiet) == QUIET
    assert len(list(methods_of_actors())) > 30


async def everything(w: World) -> None:
    """Do each act of access once, by people and by the console."""
    a, actor = w.access, w.actor
    await w.look()
    teacher = await a.people.add(actor, Role.TEACHER, "Cô Hạnh")
    deputy = await a.people.add(CONSOLE, Role.PRINCIPAL, "Cô Phó Hiệu Trưởng")
    await a.people.teach(actor, teacher, w.class_id)
    await a.notices.sign(Actor(teacher, "t"))
    await rename_and_end(w, teacher)
    await observe(w)
    await consent(w)
    await accounts(w, teacher)
    await walls(w, teacher)
    await a.people.disable(actor, teacher)
    await a.people.disable(actor, teacher, disabled=False)
    child = await a.children.add(actor, "Bé Chim Yến", w.class_id)
    await a.children.enrol(actor, child, w.class_id)
    await a.children.resolve(actor, child, w.class_id)
    await a.children.unresolve(actor, child, w.class_id)
    await a.children.withdraw(Actor(w.mother, w.phone), w.child)
    await a.children.leave(actor, child, at_once=True)
    await leave(w)
    pause = await a.sharing.pause(actor, w.class_id)
    await a.sharing.explain_pause(actor, w.class_id, pause, "bé bị trớ, đang thay đồ")
    await a.sharing.resume(actor, w.class_id)
    await a.sharing.stop_all(actor)
    await a.sharing.hide_camera(actor, w.camera)
    await a.sharing.show_camera(actor, w.camera)
    await a.classes.set_day(actor, dt.date(2026, 11, 20), is_open=False, label="Ngày Nhà giáo")
    await a.days.clear(actor, dt.date(2026, 11, 20))
    hold = await a.holds.place(actor, w.camera, NOW - 60_000, NOW, "bé bị ngã ở cầu trượt")
    await a.holds.renew(actor, hold, days=31)
    await a.holds.lift(actor, hold, "đã xem xong")
    order = await a.exports.request(actor, w.camera, NOW - 60_000, NOW, "phụ huynh xin xem lại")
    await a.exports.approve(Actor(deputy, "desk2"), order)
    await a.exports.done(order, "ab" * 32)
    await a.exports.over(order, "expired")
    refused = await a.exports.request(actor, w.camera, NOW - 60_000, NOW, "nhầm buổi")
    await a.exports.refuse(Actor(deputy, "desk2"), refused, "không đủ lý do")
    cancelled = await a.exports.request(actor, w.camera, NOW - 60_000, NOW, "lớp khác")
    await a.exports.cancel(actor, cancelled, "thôi")
    _, player = await a.players.create(actor, teacher, "TV sảnh chính", days=3)
    await a.players.revoke(actor, player.id)
    with pytest.raises((Denied, NotFound)):
        await a.people.add(Actor(w.mother, w.phone), Role.TEACHER, "Kẻ Lạ Mặt")
    await a.grants.issue(w.mother, w.phone, Action.PLAYBACK, w.camera, from_ms=1, to_ms=2)
    (device,) = await a.devices.of(w.mother)
    await a.devices.end(actor, device.id)
    await a.logins.end(actor, w.actor.device)  # type: ignore[arg-type]  # the session's id
    desk = Erasures(a.store, KEY)
    await desk.erase(actor, "child", child, typed="Bé Chim Yến", why=Why.LEFT, asked=Asked.SCHOOL)


async def leave(w: World) -> None:
    """A guardian's last tie, and what ends with it."""
    await w.access.children.revoke_guardian(w.actor, w.father_of_mate)
    await Departures(w.access.store, w.access.logins).sweep()


async def rename_and_end(w: World, teacher: PublicId) -> None:
    """What people's pages do beside adding."""
    a, actor = w.access, w.actor
    await a.people.rename(actor, teacher, "Cô Hạnh Nhân")
    await a.people.stop_teaching(actor, teacher, w.class_id)
    child = await a.children.add(actor, "Bé Sáo Sậu", w.class_id)
    await a.children.rename(actor, child, "Bé Sáo Nâu")
    await a.children.enrol(actor, child, w.class_id)
    await a.children.leave(actor, child, at_once=True)
    class_id = await a.classes.add(actor, "Lớp Hoa Mai")
    await a.classes.rename(actor, class_id, "Lớp Hoa Đào")
    await a.narrowing.set(actor, ClassRules(class_id, daily_minutes=30))
    await a.classes.end(actor, class_id)
    await a.phones.set(actor, w.father_of_mate, "0912 345 678")
    responsible, day = ResponsiblePersons(a.store), dt.date(2026, 11, 2)
    row = await responsible.add(actor, "Thầy Lâm", "Phó hiệu trưởng", "Quyết định 12/QĐ", day, day)
    await responsible.end(actor, row)
    for approved in (True, False):
        bound = await Browser().redeem(
            a, (await a.invitations.create(actor, w.father_of_mate)).secret.reveal(), digits="5678"
        )
        await (a.approvals.approve if approved else a.approvals.refuse)(actor, bound.device)


async def observe(w: World) -> None:
    """A guest watches one lesson."""
    a, actor = w.access, w.actor
    guest = await a.people.add(actor, Role.OBSERVER, "Cô Phòng Giáo Dục")
    teacher = Actor(await a.people.add(actor, Role.TEACHER, "Cô Diệu"), "t")
    assert teacher.person is not None
    await a.people.teach(actor, teacher.person, w.class_id)
    visit = Visit(w.class_id, NOW + 60_000, NOW + 3_600_000, guest, reason="Thao Giảng", invited="Phòng Giáo Dục")
    session = await a.observing.make(actor, visit)
    await a.passes.create(actor, session)
    await a.observing.assent(teacher, session, given=False)
    await a.observing.assent(teacher, session)
    await a.observing.assent(teacher, session, given=False)
    await a.observing.end(actor, session)


async def consent(w: World) -> None:
    """Answers on the phone and on paper, the school's own text, a case that is settled."""
    actor, store, day = w.actor, w.access.store, dt.date(2026, 11, 2)
    consents = Consents(store, Texts(store, SchoolFacts("Hoa Sen", 30)))
    papers, cases, mother = PaperSheets(store, consents), Cases(store), Actor(w.mother, w.phone)
    text = await consents.texts.publish(
        actor, Purpose.VIEW, "Xin phép\n- Xem giờ học", "We ask\n- Watching lessons", widens=False
    )
    await consents.asked(w.mother, w.child, text)
    await consents.answer(mother, w.child, Purpose.VIEW, given=False, sha256=text.sha256)
    await cases.hold_class(actor, w.child, w.class_id)
    await cases.settle(actor, w.child, w.class_id, Remedy.ROOM, "Bé Sang Lớp Bên", Purpose.VIEW)
    await consents.answer(mother, w.child, Purpose.VIEW, given=True, sha256=text.sha256)
    await consents.set_basis(actor, Basis.REGULATION, "Nghị quyết 5, 2/11/2026")
    lines = [Line(w.child, Purpose.VIEW, given=True, signer=w.mother)]
    await papers.drop(actor, w.class_id, await papers.enter(actor, w.class_id, day, "PG-101", lines))
    await papers.countersign(actor, w.class_id, await papers.enter(actor, w.class_id, day, "PG-102", lines))


async def walls(w: World, teacher: PublicId) -> None:
    """The sheet on the wall, and a signature on paper."""
    a, actor = w.access, w.actor
    await a.walls.replace(actor, w.class_id)
    await a.walls.end(actor, w.class_id)
    await a.notices.sign_on_paper(actor, teacher, dt.date(2026, 11, 2), "Bản Quét Mười Hai")


async def accounts(w: World, teacher: PublicId) -> None:
    """Sign-in name, password, second step."""
    actor, kept = w.actor, Accounts(w.access.store)
    await kept.load()
    was = await kept.ensure(Actor(teacher, "t"), teacher, "Cô Hạnh")
    await kept.rename(actor, teacher, "hanh.nhan")
    await kept.set_password(Actor(teacher, "t"), was, "hash")
    await kept.enrol(Actor(teacher, "t"), teacher, Secret("JBSWY3DPEHPK3PXP"), 1)
    await kept.drop_second(CONSOLE, teacher)
    await kept.reset(actor, teacher)


async def test_each_act_leaves_a_row_with_who_and_from_where(tmp_path: Path) -> None:
    """Every row has an act, an hour, a person or the console or the box, and a device; most acts of the code are here."""
    async with school(tmp_path) as w:
        await everything(w)
        bodies = [json.loads(row["body"]) for row in w.rows("SELECT body FROM audit_body")]
    whole = [body for body in bodies if "erased" not in body]
    for body in whole:
        assert isinstance(body["at_ms"], int), body
        assert {"what", "person", "device", "action", "kind", "object"} <= body.keys(), body
        assert body["person"] or body["device"] in {"console", "box"}, body
        assert body["device"], body
    done = {body["what"] for body in whole}
    outside = {code for code in codes() if code.startswith(("key.", "turn.", "erase.", "audit.", "box.", "export."))}
    assert len(codes() - outside - done) <= 12, sorted(codes() - outside - done)


async def test_no_sealed_value_is_in_any_row(tmp_path: Path) -> None:
    """Names, reasons and labels of every sealed column, whole or in part, stand in no body, old or new."""
    async with school(tmp_path) as w:
        await everything(w)
        bodies = "\n".join(row["body"] for row in w.rows("SELECT body FROM audit_body"))
        values = await w.db.read(lambda conn: list(_opened(conn, w)))
    assert {"Mẹ An", "Cô Hạnh Nhân", "bé bị trớ, đang thay đồ", "bé bị ngã ở cầu trượt", "TV sảnh chính"} <= set(values)
    # Plain words may be a random id, and "An" a part of one; names and Vietnamese words stand apart.
    words = {
        word for value in values for word in value.split() if len(word) > 1 and not (word.isascii() and word.islower())
    }
    assert sorted(word for word in words if re.search(rf"(?<![\w+/=-]){re.escape(word)}(?![\w+/=-])", bodies)) == []


def _opened(conn: sqlite3.Connection, w: World) -> Iterator[str]:
    for table, column in sealed_columns(conn):
        context = f"{table}.{column.removesuffix('_sealed')}"
        for row in conn.execute(f"SELECT id, {column} FROM {table} WHERE {column} IS NOT NULL"):
            yield w.access.store.unseal(context, str(row[0]), row[1])
