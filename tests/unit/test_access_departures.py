"""Guardians whose last tie ended: what let them in ends too, the account stays; and who was erased stays erased."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.access.audit_erase import Asked, Erasures, Why
from gateway.access.departures import AGAIN_S, Departures
from gateway.access.enrolment import tonight
from gateway.access.facts import Purpose
from gateway.access.login import Logins
from gateway.core.errors import BadInput, CodeRefused, NotFound
from gateway.core.model import Action, PublicId, Role
from tests.fakes.access_world import KEY, World, school
from tests.fakes.device import Browser
from tests.fakes.school import NOW, ZONE, pid

pytestmark = pytest.mark.anyio


def open_things(w: World, person: PublicId) -> dict[str, int]:
    """What could let a guardian in, now or later."""
    counted = {
        "devices": "SELECT count(*) FROM device WHERE person = ? AND ended_ms IS NULL",
        "keys": "SELECT count(*) FROM device_key JOIN device ON device.id = device WHERE person = ?",
        "slips": "SELECT count(*) FROM slip WHERE person = ? AND used_ms IS NULL AND ended_ms IS NULL",
        "sessions": "SELECT count(*) FROM login_session WHERE person = ? AND ended_ms IS NULL",
    }
    return {name: int(w.rows(sql, person)[0][0]) for name, sql in counted.items()}


NOTHING = {"devices": 0, "keys": 0, "slips": 0, "sessions": 0}


async def case_of(act: Awaitable[object]) -> str:
    """Why an act was refused."""
    with pytest.raises(BadInput) as refused:
        await act
    return str(refused.value.fields["case"])


async def invited(w: World) -> Browser:
    """The mother with a bound browser of its own key, and a second slip still out."""
    phone = Browser("Android")
    slip = await w.access.invitations.create(w.actor, w.mother, checked=True)
    await phone.redeem(w.access, slip.secret.reveal())
    await w.access.invitations.create(w.actor, w.mother)
    return phone


async def test_with_the_last_tie_all_ends_at_once_and_one_row_says_so(tmp_path: Path) -> None:
    """Sessions, keys, devices and slips are gone after one look; the key proves in vain; another family keeps all."""
    async with school(tmp_path) as w:
        phone, desk = await invited(w), Departures(w.access.store, w.access.logins)
        other = await w.join(w.father_of_mate)
        assert await desk.sweep() == 0
        before = open_things(w, w.father_of_mate)
        before_logins = open_things(w, w.mother)["sessions"]
        assert before_logins > 0
        await w.access.children.revoke_guardian(w.actor, w.mother)
        assert (await desk.sweep(), await desk.sweep()) == (1, 0)
        assert open_things(w, w.mother) == NOTHING
        assert open_things(w, w.father_of_mate) == before
        assert w.access.logins.who(other.token.reveal()) is not None
        assert w.access.logins.sessions(w.mother) == ()
        with pytest.raises(CodeRefused):
            await phone.enter(w.access)
        bodies = [json.loads(row["body"]) for row in w.rows("SELECT body FROM audit_body ORDER BY seq")]
        (left,) = [body for body in bodies if body["what"] == "guardian.left"]
        assert (left["who"], left["device"], left["devices"], left["slips"]) == (w.mother, "box", 2, 1)
        assert (left["codes"], left["logins"]) == (0, before_logins)
        assert not w.access.store.current.index.persons[w.mother].disabled


async def test_the_logins_end_with_the_row_that_says_so(tmp_path: Path) -> None:
    """A gateway killed right after it wrote the departure finds no login of theirs when it starts again."""
    async with school(tmp_path) as w:
        await invited(w)
        killed = Logins(w.access.store)  # what the running gateway knows is lost with it
        await w.access.children.revoke_guardian(w.actor, w.mother)
        assert await Departures(w.access.store, killed).sweep() == 1
        assert open_things(w, w.mother) == NOTHING
        again = Logins(w.access.store)
        await again.load()
        assert again.sessions(w.mother) == ()


async def test_a_child_that_leaves_today_takes_its_family_out_the_same_night(tmp_path: Path) -> None:
    """Until midnight everything stays as it is; the loop ends it within a minute after, by time alone."""
    async with school(tmp_path) as w:
        await invited(w)
        desk = Departures(w.access.store, w.access.logins)
        w.access.store.listeners.append(lambda _facts: desk.changed())
        running = asyncio.ensure_future(desk.run())
        await w.access.children.leave(w.actor, w.child)
        await w.clock.advance(AGAIN_S)
        assert open_things(w, w.mother)["devices"] == 2
        w.clock.tick((tonight(ZONE, NOW) - w.clock.now_ms()) / 1000)
        await w.until(lambda: open_things(w, w.mother) == NOTHING, step_s=5)
        assert w.clock.now_ms() < tonight(ZONE, NOW) + 10 * AGAIN_S * 1000
        running.cancel()


async def test_a_tie_that_there_is_not_is_not_ended(tmp_path: Path) -> None:
    """Another child's guardian, nobody, and one whose tie ended before: not found, and nothing is written."""
    async with school(tmp_path) as w:
        version = w.access.store.current.version
        for person in (w.father_of_mate, w.principal, pid("nobody")):
            with pytest.raises(NotFound):
                await w.access.children.revoke_guardian(w.actor, person, w.child)
        assert w.access.store.current.version == version
        await w.access.children.revoke_guardian(w.actor, w.mother, w.child)
        with pytest.raises(NotFound):
            await w.access.children.revoke_guardian(w.actor, w.mother, w.child)


async def test_who_comes_back_needs_a_tie_and_a_slip_and_is_the_same_person(tmp_path: Path) -> None:
    """No slip for whoever left, with words on what to do; tied again, a new slip opens the class as before."""
    async with school(tmp_path) as w:
        await invited(w)
        desk = Departures(w.access.store, w.access.logins)
        await w.access.children.revoke_guardian(w.actor, w.mother)
        await desk.sweep()
        assert await case_of(w.access.invitations.create(w.actor, w.mother)) == "guardian_left"
        await w.access.children.add_guardian(w.actor, w.mother, w.child)
        await w.access.children.consent(w.actor, w.child, Purpose.VIEW)
        session = (await w.join(w.mother)).session
        assert await desk.sweep() == 0
        decision, _ = await w.access.grants.issue(w.mother, session.id, Action.LIVE, w.camera)
        assert decision.allowed


@pytest.mark.parametrize("keeps", ["a sister", "a tie to come", "no tie yet", "no trusted clock"])
async def test_what_ends_nothing(tmp_path: Path, keeps: str) -> None:
    """Another child here, or nothing that ended at all; and no clock of doubtful time ends what cannot be undone."""
    async with school(tmp_path) as w:
        person, desk = w.mother, Departures(w.access.store, w.access.logins)
        if keeps == "a sister":
            sister = await w.access.children.add(w.actor, "Bé Em", w.class_id)
            await w.access.children.add_guardian(w.actor, person, sister)
        elif keeps == "no tie yet":
            person = await w.access.people.add(w.actor, Role.GUARDIAN, "Bà An")
            await w.access.invitations.create(w.actor, person)
        if keeps == "a tie to come":
            later = NOW + 86_400_000
            sql = "INSERT INTO guardian (person, child, kind, since_ms) VALUES (?, ?, 'parent', ?)"
            await w.db.write(lambda conn: conn.execute(sql, (person, w.mate, later)))
        if keeps != "no tie yet":
            await w.access.children.leave(w.actor, w.child, at_once=True)
        if keeps == "no trusted clock":
            w.clock.distrust()
        before = open_things(w, person)
        assert (await desk.sweep(), open_things(w, person)) == (0, before)
        assert before != NOTHING


async def test_nothing_begins_anew_for_who_was_erased(tmp_path: Path) -> None:
    """Enabled, named, given a class or tied again: each is refused with what to do instead; a new person is a new one."""
    async with school(tmp_path) as w:
        a, teacher = w.access, await w.access.people.add(w.actor, Role.TEACHER, "Cô Hoa")
        desk = Erasures(a.store, KEY)
        for kind, subject, name in (
            ("person", w.mother, "Mẹ An"),
            ("person", teacher, "Cô Hoa"),
            ("child", w.child, "Bé An"),
        ):
            await desk.erase(w.actor, kind, subject, typed=name, why=Why.LEFT, asked=Asked.SELF)
        version = a.store.current.version
        acts: list[Callable[[], Awaitable[object]]] = [
            lambda: a.people.disable(w.actor, w.mother, disabled=False),
            lambda: a.people.rename(w.actor, w.mother, "Mẹ An"),
            lambda: a.people.teach(w.actor, teacher, w.class_id),
            lambda: a.children.add_guardian(w.actor, w.mother, w.mate),
            lambda: a.children.add_guardian(w.actor, w.father_of_mate, w.child),
            lambda: a.children.rename(w.actor, w.child, "Bé An"),
            lambda: a.children.enrol(w.actor, w.child, w.class_id, dt.date(2026, 12, 1)),
        ]
        assert [await case_of(act()) for act in acts] == ["person_erased"] * len(acts)
        assert a.store.current.version == version
        assert a.store.current.index.persons[w.mother].disabled
        await a.people.disable(w.actor, w.mother)
