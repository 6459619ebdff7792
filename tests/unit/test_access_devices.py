"""Bound devices: two at most, a lost one, the key and the cookie, the app on the home screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.access.audit import CONSOLE, Actor
from gateway.access.devicekeys import Purpose
from gateway.access.devices import HANDOVER_S, TOLD_S, Ended
from gateway.access.login import GUARDIAN_AGES, PROOF_S, Logins
from gateway.access.reasons import Reason
from gateway.core.errors import CodeRefused, NotFound
from gateway.core.model import PublicId, Role
from tests.fakes.access_world import World, add_class, school
from tests.fakes.device import Browser
from tests.fakes.school import pid
from tests.unit.test_access_slips import shut_out, slip_of

pytestmark = pytest.mark.anyio


async def device_of(w: World, browser: Browser) -> PublicId:
    assert browser.key is not None
    return PublicId(w.rows("SELECT device FROM device_key WHERE id = ?", browser.key)[0]["device"])


async def test_a_third_device_names_the_one_that_ends(tmp_path: Path) -> None:
    """Two at most, waiting ones counted; the named one goes on until the school approves the new one."""
    async with school(tmp_path) as w:
        w.clock.tick(1)
        await w.join(w.mother, "iPad")
        w.clock.tick(1)
        third = await slip_of(w, w.mother)
        with pytest.raises(CodeRefused) as error:
            await Browser("mới").redeem(w.access, third)
        assert error.value.fields["reason"] == Reason.DEVICE_LIMIT
        named = error.value.fields["devices"]
        assert isinstance(named, tuple)
        assert [label for _, label in named] == ["iPhone", "iPad"]
        phone = (await w.access.devices.of(w.mother))[0].id
        newer = Browser("mới")
        bound = await newer.redeem(w.access, third, replaces=phone)
        assert w.access.logins.alive(w.phone, w.mother) is None
        await w.access.approvals.approve(w.actor, bound.device)
        assert w.access.logins.alive(w.phone, w.mother) == Reason.SESSION_ENDED
        assert [item.label for item in await w.access.devices.of(w.mother)] == ["iPad", "mới"]
        await newer.enter(w.access)


async def test_a_checked_slip_replaces_at_once(tmp_path: Path) -> None:
    """Handed over after a look at the card: no waiting, and the named device is out."""
    async with school(tmp_path) as w:
        w.clock.tick(1)
        await w.join(w.mother, "iPad")
        phone = (await w.access.devices.of(w.mother))[0].id
        grant = await w.look()
        bound = await Browser("mới").redeem(w.access, await slip_of(w, w.mother, checked=True), replaces=phone)
        assert bound.signed_in is not None
        await w.until(lambda: w.media.why(grant) == Reason.SESSION_ENDED)


async def test_a_lost_phone_is_ended_from_the_other_one(tmp_path: Path) -> None:
    """Its stream ends at once, its key proves in vain; another family's device is not there."""
    async with school(tmp_path) as w:
        lost = Browser("mất")
        bound = await lost.redeem(w.access, await slip_of(w, w.mother, checked=True))
        assert bound.signed_in is not None
        grant = await w.look(bound.signed_in.session.id)
        with pytest.raises(NotFound):
            await w.access.devices.end(Actor(w.father_of_mate, ""), bound.device)
        await w.access.devices.end(Actor(w.mother, w.phone), bound.device)
        await w.until(lambda: w.media.why(grant) == Reason.SESSION_ENDED)
        assert await shut_out(w, lost) == Reason.DEVICE_UNKNOWN
        with pytest.raises(NotFound):
            await w.access.devices.standing(bound.key)
        with pytest.raises(NotFound):
            await w.access.devices.end(Actor(w.mother, w.phone), bound.device)


async def test_a_teacher_ends_a_device_of_her_class_only(tmp_path: Path) -> None:
    """The school can end it too; for a teacher of another class it does not exist."""
    async with school(tmp_path) as w:
        teacher = await w.access.people.add(w.actor, Role.TEACHER, "Cô Hoa")
        other_class = await add_class(w.access, w.actor, "Chồi 1", [])
        await w.access.people.teach(w.actor, teacher, other_class)
        (phone,) = await w.access.devices.of(w.mother)
        with pytest.raises(NotFound):
            await w.access.devices.end(Actor(teacher, "x"), phone.id)
        await w.access.people.teach(w.actor, teacher, w.class_id)
        assert await w.access.devices.just_ended(Actor(teacher, "x"), phone.id) is None
        await w.access.devices.end(Actor(teacher, "x"), phone.id)
        said = await w.access.devices.just_ended(Actor(teacher, "x"), phone.id)
        assert said == Ended(w.mother, phone.label, w.clock.now_ms())
        other = Actor(await w.access.people.add(w.actor, Role.TEACHER, "Cô Lan"), "y")
        for stranger in (other, Actor(w.father_of_mate, "")):
            assert await w.access.devices.just_ended(stranger, phone.id) is None
            assert not w.access.devices.may_end(stranger, w.mother)
        for tick_s, is_told in ((TOLD_S - 1, True), (1, False), (7 * 86_400, False)):
            w.clock.tick(tick_s)
            later = await w.access.devices.just_ended(w.actor, phone.id)
            assert later == (said if is_told else None), "an address opened again later does not say it as if now"
        assert w.access.logins.alive(w.phone, w.mother) == Reason.SESSION_ENDED


# the key and the cookie


async def test_a_copied_cookie_dies_at_the_owners_next_proof(tmp_path: Path) -> None:
    """The proof gives a new token; the session, and so its stream, goes on."""
    async with school(tmp_path) as w:
        browser = Browser()
        bound = await browser.redeem(w.access, await slip_of(w, w.mother, checked=True))
        assert bound.signed_in is not None
        copied, grant = bound.signed_in.token.reveal(), await w.look(bound.signed_in.session.id)
        fresh = await browser.enter(w.access)
        assert w.access.logins.who(copied) is None
        assert w.access.logins.who(fresh.token.reveal()) is not None
        assert fresh.session.id == bound.signed_in.session.id
        await w.beats(2)
        assert w.media.why(grant) is None


async def test_without_a_proof_a_session_sleeps_after_an_hour(tmp_path: Path) -> None:
    """Whoever copied the cookie is out then, also after a restart; the owner's key wakes the same session."""
    async with school(tmp_path) as w:
        browser = Browser()
        bound = await browser.redeem(w.access, await slip_of(w, w.mother, checked=True))
        assert bound.signed_in is not None
        token, session = bound.signed_in.token.reveal(), bound.signed_in.session
        w.clock.tick(PROOF_S - 1)
        assert w.access.logins.who(token) is not None
        w.clock.tick(1)
        assert w.access.logins.who(token) is None
        assert w.access.logins.alive(session.id, w.mother) == Reason.SESSION_UNPROVEN
        await w.access.logins.keep()
        again = Logins(w.access.store)
        await again.load()
        assert again.who(token) is None
        assert (await browser.enter(w.access)).session.id == session.id
        assert len(w.rows("SELECT 1 FROM login_session WHERE device = ? AND ended_ms IS NULL", bound.device)) == 1


async def test_a_key_outlives_its_session(tmp_path: Path) -> None:
    """After a holiday of months the bound phone comes in by itself, with a session of its own."""
    async with school(tmp_path) as w:
        browser = Browser()
        bound = await browser.redeem(w.access, await slip_of(w, w.mother, checked=True))
        assert bound.signed_in is not None
        w.clock.tick(GUARDIAN_AGES.idle_s)
        await w.access.logins.keep()
        assert (await browser.enter(w.access)).session.id != bound.signed_in.session.id


async def test_a_login_that_somebody_ended_does_not_come_back_by_its_key(tmp_path: Path) -> None:
    """Whoever ends a guardian's login in the list of logins has ended it: the browser's key opens nothing any more."""
    async with school(tmp_path) as w:
        browser = Browser("mất")
        bound = await browser.redeem(w.access, await slip_of(w, w.mother, checked=True))
        assert bound.signed_in is not None
        await w.access.logins.end(Actor(w.mother, w.phone), bound.signed_in.session.id)
        with pytest.raises(CodeRefused) as refused:
            await browser.enter(w.access)
        assert refused.value.fields["reason"] == Reason.DEVICE_UNKNOWN
        assert bound.device not in [item.id for item in await w.access.devices.of(w.mother)]
        assert w.access.logins.alive(w.phone, w.mother) is None


async def test_ending_all_other_logins_keeps_ones_own_device(tmp_path: Path) -> None:
    """The app of the same phone is out, the browser that asked goes on and proves its key as before."""
    async with school(tmp_path) as w:
        browser, app = Browser(), Browser("app")
        bound = await browser.redeem(w.access, await slip_of(w, w.mother, checked=True))
        assert bound.signed_in is not None
        token = w.access.devices.hand_over(w.mother, bound.device).reveal()
        proof = app.proof(w.access.devices.challenge(), Purpose.BIND)
        app.key, _ = await w.access.devices.take_over(token, app.point, proof, label="app")
        here = bound.signed_in.session.id
        assert await w.access.logins.end_person(Actor(w.mother, here), w.mother, but=here) == 2
        assert (await browser.enter(w.access)).session.id == here
        with pytest.raises(CodeRefused):
            await app.enter(w.access)
        assert bound.device in [item.id for item in await w.access.devices.of(w.mother)]


async def test_another_key_enters_nobodys_session(tmp_path: Path) -> None:
    """The id of a key is no secret; what counts is the signature, made for entering."""
    async with school(tmp_path) as w:
        bound = await (mine := Browser()).redeem(w.access, await slip_of(w, w.mother, checked=True))
        thief = Browser()
        thief.key = bound.key
        assert await shut_out(w, thief) == Reason.DEVICE_PROOF
        proof = mine.proof(w.access.devices.challenge(), Purpose.BIND)
        with pytest.raises(CodeRefused):
            await w.access.devices.enter(bound.key, proof, label="x")
        for key in ("", "x" * 16, pid("nobody")):
            thief.key = PublicId(key)
            assert await shut_out(w, thief) == Reason.DEVICE_UNKNOWN


# the app on the home screen


async def test_the_app_becomes_a_part_of_its_device(tmp_path: Path) -> None:
    """One token, one use, own key, no second place taken; ending the device ends both."""
    async with school(tmp_path) as w:
        bound = await Browser().redeem(w.access, await slip_of(w, w.mother, checked=True))
        app, devices = Browser("app"), w.access.devices
        old = devices.hand_over(w.mother, bound.device).reveal()
        token = devices.hand_over(w.mother, bound.device).reveal()

        async def take(text: str) -> None:
            proof = app.proof(devices.challenge(), Purpose.BIND)
            app.key, _ = await devices.take_over(text, app.point, proof, label="app")

        with pytest.raises(CodeRefused) as error:
            await take(old)
        assert error.value.fields["reason"] == Reason.HANDOVER_UNKNOWN
        await take(token)
        assert await device_of(w, app) == bound.device
        assert len(await devices.of(w.mother)) == 2
        with pytest.raises(CodeRefused):
            await take(token)
        await app.enter(w.access)
        await devices.end(Actor(w.mother, w.phone), bound.device)
        assert await shut_out(w, app) == Reason.DEVICE_UNKNOWN


async def test_a_token_for_the_app_lasts_ten_minutes(tmp_path: Path) -> None:
    """Later, and for a device that has ended, it binds nothing."""
    async with school(tmp_path) as w:
        bound = await Browser().redeem(w.access, await slip_of(w, w.mother, checked=True))
        app, devices = Browser("app"), w.access.devices
        late = devices.hand_over(w.mother, bound.device).reveal()
        w.clock.tick(HANDOVER_S)
        for token in (late, devices.hand_over(w.mother, bound.device).reveal()):
            proof = app.proof(devices.challenge(), Purpose.BIND)
            with pytest.raises(CodeRefused):
                await devices.take_over(token, app.point, proof, label="app")
            if token == late:
                await devices.end(CONSOLE, bound.device)
