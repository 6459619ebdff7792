"""What waits for a leader: counted for whoever decides it, and for nobody else."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from gateway.access.audit import CONSOLE, Actor
from gateway.access.consent_paper import Line
from gateway.access.consent_rules import Remedy
from gateway.access.consents import Basis
from gateway.access.pauserules import A_DAY
from gateway.access.waiting import Waits, waits_of
from gateway.core.model import PublicId, Role
from gateway.roofs.waits_port import WaitsPort
from tests.fakes.access_world import World
from tests.fakes.consent_world import VIEW, consent_school
from tests.fakes.device import Browser
from tests.fakes.school import HOUR, NOW
from web.caller import Caller

pytestmark = pytest.mark.anyio


async def leader(w: World, role: Role, name: str) -> Actor:
    person = await w.access.people.add(CONSOLE, role, name)
    code = await w.access.codes.create(CONSOLE, person)
    signed_in = await w.access.codes.sign_in(code.text.reveal(), address="192.0.2.9", label="desk 2")
    return Actor(person, signed_in.session.id)


async def test_each_thing_that_waits_counts_until_it_is_decided(tmp_path: Path) -> None:
    """A phone, a sheet and a case, a wish, a copy: one each for the principal, and none when they are settled."""
    async with consent_school(tmp_path) as c:
        w, store = c.w, c.w.access.store
        deputy = await leader(w, Role.VICE_PRINCIPAL, "Cô Phó")
        assert await waits_of(store, w.actor) == Waits(consent=1), "what recording is based on"
        await c.consents.set_basis(w.actor, Basis.REGULATION, "12/QC-HS")
        assert await waits_of(store, w.actor) == Waits()

        slip = await w.access.invitations.create(w.actor, w.father_of_mate)
        bound = await Browser().redeem(w.access, slip.secret.reveal())
        assert await waits_of(store, w.actor) == Waits(devices=1)

        today = dt.date(2026, 11, 19)
        sheet = await c.papers.enter(c.teacher, w.class_id, today, "PH-1", [Line(w.mate, VIEW, True)])
        await c.consents.withdraw(c.mother, w.child, VIEW)
        assert await waits_of(store, w.actor) == Waits(devices=1, consent=2)

        for _ in range(A_DAY):
            await w.access.sharing.pause(c.teacher, w.class_id, minutes=5)
            w.clock.tick(301)
        await w.access.sharing.pauses.ask(c.teacher, w.class_id)
        order = await w.access.exports.request(w.actor, w.camera, NOW - HOUR, NOW, "xem lại lúc 8 giờ")
        assert await waits_of(store, w.actor) == Waits(devices=1, wishes=1, consent=2), "one's own copy is another's"
        assert await waits_of(store, deputy) == Waits(devices=1, wishes=1, orders=1), "cases are the principal's"
        for actor in (c.teacher, c.mother):
            assert await waits_of(store, actor) == Waits()

        await w.access.approvals.approve(w.actor, bound.device)
        await c.papers.countersign(w.actor, w.class_id, sheet)
        await c.cases.settle(w.actor, w.child, w.class_id, Remedy.ANGLE, "bàn phía cửa sổ", VIEW)
        await w.access.exports.refuse(deputy, order, "không cần nữa")
        w.clock.tick(15 * 60)  # the wish lapses by itself
        for actor in (w.actor, deputy):
            assert await waits_of(store, actor) == Waits()


async def test_a_case_of_a_child_that_left_waits_for_nobody(tmp_path: Path) -> None:
    """The list of cases does not show it, so the number does not count it."""
    async with consent_school(tmp_path) as c:
        w, store = c.w, c.w.access.store
        await c.consents.set_basis(w.actor, Basis.CONSENT, "")
        await c.consents.withdraw(c.mother, w.child, VIEW)
        assert (await waits_of(store, w.actor)).consent == 1 == len(await c.door.cases(await c.caller(w.actor)))
        await w.access.children.leave(w.actor, w.child, at_once=True)
        assert (await waits_of(store, w.actor)).consent == 0 == len(await c.door.cases(await c.caller(w.actor)))


async def test_pages_get_the_numbers_by_place(tmp_path: Path) -> None:
    """The name of the place, and nothing where nothing waits."""
    async with consent_school(tmp_path) as c:
        caller, port = await c.caller(c.w.actor), WaitsPort(c.w.access.store)
        assert await port.counts(caller) == {"consent": 1}
        await c.consents.set_basis(c.w.actor, Basis.CONSENT, "")
        assert await port.counts(caller) == {}
        await c.consents.withdraw(c.mother, c.w.child, VIEW)
        assert await port.counts(caller) == {"consent": 1}
        nobody = Caller(PublicId("a" * 16), Role.PRINCIPAL, "", "")
        assert await port.counts(nobody) == {}
