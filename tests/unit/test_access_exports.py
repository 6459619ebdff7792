"""Copies out of the box: two people, one span, and nothing a request could widen."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from gateway.access import audit
from gateway.access.audit import CONSOLE, Actor
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Action, PublicId, Role, new_public_id
from tests.fakes.access_world import World, grant_of, school
from tests.fakes.school import HOUR, MINUTE, NOW

pytestmark = pytest.mark.anyio


async def deputy(w: World) -> Actor:
    person = await w.access.people.add(w.actor, Role.PRINCIPAL, "Cô Phó")
    code = await w.access.codes.create(CONSOLE, person)
    signed_in = await w.access.codes.sign_in(code.text.reveal(), address="192.0.2.9", label="desk 2")
    return Actor(person, signed_in.session.id)


async def ordered(w: World) -> PublicId:
    return await w.access.exports.request(w.actor, w.camera, NOW - HOUR, NOW, "xem lại lúc 8 giờ")


async def test_the_flow_of_two_people(tmp_path: Path) -> None:
    """Ordered by one, approved by another, then either may fetch exactly the approved span of that camera."""
    async with school(tmp_path) as w:
        second, order = await deputy(w), await ordered(w)
        for actor in (w.actor, second):
            with pytest.raises(Denied) as early:
                await w.access.export_ticket(actor, order)
            assert early.value.fields["reason"] == "export.two_people"
            w.clock.tick(61)
        await w.access.exports.approve(second, order)
        for actor in (w.actor, second):
            fields = grant_of(await w.access.export_ticket(actor, order))
            assert (fields["action"], fields["camera"]) == ("export", w.camera)
            assert (fields["from_ms"], fields["to_ms"]) == (NOW - HOUR, NOW)
            assert fields["person"] == actor.person


async def test_nobody_approves_her_own_order(tmp_path: Path) -> None:
    """The requester's approval is refused by the decision, and by the database if that were gone."""
    async with school(tmp_path) as w:
        order = await ordered(w)
        with pytest.raises(Denied) as refused:
            await w.access.exports.approve(w.actor, order)
        assert refused.value.fields["reason"] == "export.same_person"
        with pytest.raises(sqlite3.IntegrityError):
            await w.db.write(lambda conn: conn.execute("UPDATE export_order SET approver = requester"))
        with pytest.raises(Denied):
            await w.access.export_ticket(w.actor, order)


async def test_an_approval_stays_with_whoever_gave_it(tmp_path: Path) -> None:
    """A second approval changes nothing of the first: not its person, not its time."""
    async with school(tmp_path) as w:
        second, third, order = await deputy(w), await deputy(w), await ordered(w)
        await w.access.exports.approve(second, order)
        first = w.rows("SELECT approver, approved_ms FROM export_order")[0]
        w.clock.tick(10)
        await w.access.exports.approve(third, order)
        assert tuple(w.rows("SELECT approver, approved_ms FROM export_order")[0]) == tuple(first)


async def test_what_cannot_be_ordered(tmp_path: Path) -> None:
    """No backward span, no unknown camera, no order by nobody, no empty reason; nothing is left behind."""
    async with school(tmp_path) as w:
        exports = w.access.exports
        version = w.access.store.current.version
        for wrong in (
            exports.request(w.actor, w.camera, NOW, NOW, "x"),
            exports.request(w.actor, w.camera, NOW, NOW - 1, "x"),
            exports.request(CONSOLE, w.camera, NOW - 1, NOW, "x"),
            exports.request(w.actor, w.camera, NOW - 1, NOW, " \n "),
            exports.approve(CONSOLE, new_public_id()),
        ):
            with pytest.raises(BadInput):
                await wrong
        for unknown in (
            exports.request(w.actor, new_public_id(), NOW - 1, NOW, "x"),
            exports.approve(w.actor, new_public_id()),
        ):
            with pytest.raises(NotFound):
                await unknown
        assert w.rows("SELECT * FROM export_order") == []
        assert w.access.store.current.version == version


async def test_why_is_sealed_and_in_no_audit_row(tmp_path: Path) -> None:
    """The reason in somebody's words is in the order only, sealed to it; audit and events carry ids."""
    async with school(tmp_path) as w:
        order = await ordered(w)
        row = w.rows("SELECT why_sealed FROM export_order")[0]
        assert "xem lại".encode() not in row["why_sealed"]
        assert w.access.store.unseal("export_order.why", order, row["why_sealed"]) == "xem lại lúc 8 giờ"
        assert not any("xem lại" in item["body"] for item in w.rows("SELECT body FROM audit_body"))
        assert not any("xem lại" in json.dumps(event.data, ensure_ascii=False) for event in w.events)


async def test_an_order_for_a_camera_that_is_gone_opens_nothing(tmp_path: Path) -> None:
    """What was approved yesterday is decided again today: another order id or a disabled approver's own ticket fail."""
    async with school(tmp_path) as w:
        second, order = await deputy(w), await ordered(w)
        await w.access.exports.approve(second, order)
        with pytest.raises(NotFound):
            await w.access.export_ticket(w.actor, new_public_id())
        await w.access.people.disable(w.actor, PublicId(str(second.person)))
        with pytest.raises(Denied) as gone:
            await w.access.export_ticket(second, order)
        assert gone.value.fields["reason"] == "person.disabled"
        await w.access.export_ticket(w.actor, order)


async def test_each_ticket_is_a_row_with_its_span(tmp_path: Path) -> None:
    """Fetching twice is two rows: who, which camera, which class, from when to when."""
    async with school(tmp_path) as w:
        second, order = await deputy(w), await ordered(w)
        await w.access.exports.approve(second, order)
        rows = len(w.rows("SELECT seq FROM audit"))
        for actor in (w.actor, second):
            await w.access.export_ticket(actor, order)
        found = [json.loads(row["body"]) for row in w.rows("SELECT body FROM audit_body WHERE seq > ?", rows)]
        assert [body["person"] for body in found] == [w.principal, second.person]
        for body in found:
            assert (body["what"], body["object"], body["camera"]) == ("granted", order, w.camera)
            assert (body["from_ms"], body["to_ms"], body["classes"]) == (NOW - HOUR, NOW, [w.class_id])
        seen = await w.db.read(lambda conn: audit.looks(conn, w.class_id))
        assert len(seen) == 2


async def test_a_camera_without_an_order_is_played_back_but_not_copied(tmp_path: Path) -> None:
    """The principal looks at recordings alone; copying a span needs an order, whatever the span is."""
    async with school(tmp_path) as w:
        span = {"from_ms": NOW - MINUTE, "to_ms": NOW}
        assert grant_of(await w.access.ticket(w.actor, Action.PLAYBACK, w.camera, **span))["from_ms"] == NOW - MINUTE
        with pytest.raises(Denied):
            await w.access.ticket(w.actor, Action.EXPORT, w.camera, **span)
        for person in (w.mother, w.father_of_mate):
            with pytest.raises((Denied, NotFound)):
                await w.access.ticket(Actor(person, w.phone), Action.PLAYBACK, w.camera, **span)


async def test_the_console_copies_and_is_written_down(tmp_path: Path) -> None:
    """Whoever holds the box's socket needs no second person, has a minute, and is in the audit as console."""
    async with school(tmp_path) as w:
        grant = await w.access.grants.issue_console(w.camera, from_ms=NOW - HOUR, to_ms=NOW)
        assert (grant.until_ms, grant.lease_ms) == (NOW + MINUTE, MINUTE)
        body = json.loads(w.rows("SELECT body FROM audit_body WHERE seq = ?", grant.audit_seq)[0]["body"])
        assert (body["what"], body["person"], body["device"]) == ("granted", None, "console")
        with pytest.raises(BadInput):
            await w.access.grants.issue_console(w.camera, from_ms=NOW, to_ms=NOW)
        with pytest.raises(NotFound):
            await w.access.grants.issue_console(new_public_id(), from_ms=0, to_ms=1)


async def test_two_approvals_at_once_are_one(tmp_path: Path) -> None:
    """Two people approving in the same moment leave one approver, and both are in the audit."""
    async with school(tmp_path) as w:
        people = [await deputy(w) for _ in range(2)]
        order = await ordered(w)
        await asyncio.gather(*(w.access.exports.approve(actor, order) for actor in people))
        approver = w.rows("SELECT approver FROM export_order")[0]["approver"]
        assert w.access.store.current.index.exports[order].approver == approver
        assert approver in [actor.person for actor in people]
        told = w.rows("SELECT person FROM audit_body WHERE json_extract(body, '$.what') = 'export.approve'")
        assert {row["person"] for row in told} == {actor.person for actor in people}


async def test_an_order_of_somebody_who_left_is_not_approved(tmp_path: Path) -> None:
    """Two people decide: a wish alone, of a login that is gone, is no second person. It can still be refused."""
    async with school(tmp_path) as w:
        second = await deputy(w)
        order = await w.access.exports.request(second, w.camera, NOW - HOUR, NOW, "xem lại")
        await w.access.people.disable(w.actor, PublicId(str(second.person)))
        with pytest.raises(Denied) as alone:
            await w.access.exports.approve(w.actor, order)
        assert alone.value.fields["reason"] == "export.two_people"
        assert w.rows("SELECT approver FROM export_order")[0]["approver"] is None
        with pytest.raises(Denied):
            await w.access.export_ticket(w.actor, order)
        await w.access.exports.refuse(w.actor, order, "người yêu cầu đã nghỉ")
