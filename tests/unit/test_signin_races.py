"""Passwords changed, reset and typed at the same moment: one act counts, and a reset is undone by nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.access.audit import CONSOLE, Actor
from gateway.access.reasons import Reason
from gateway.access.signin import Browser
from gateway.core.errors import BadInput, LoginRefused, VuonError
from tests.fakes.signin_world import HOME, PASSWORD, Staff, staff_room

pytestmark = pytest.mark.anyio
NEW, OTHER = "một câu khác hẳn", "thêm một câu nữa"


class Gate:
    """Holds what hashing is asked to do until it is opened, and says when so many wait."""

    def __init__(self, staff: Staff, waiters: int = 1) -> None:
        self._left = waiters
        self._hasher, self._hash, self._verify = staff.hasher, staff.hasher.hash, staff.hasher.verify
        self.waiting, self._open = asyncio.Event(), asyncio.Event()

    def hold_hash(self) -> None:
        async def hash_later(password: str, *, lane: str = "") -> str:
            await self._wait()
            return await self._hash(password, lane=lane)

        self._hasher.hash = hash_later  # type: ignore[method-assign]  # held

    def hold_verify(self) -> None:
        async def verify_later(kept: str, password: str, *, lane: str = "") -> object:
            done = await self._verify(kept, password, lane=lane)
            await self._wait()
            return done

        self._hasher.verify = verify_later  # type: ignore[method-assign,assignment]  # held

    async def _wait(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.waiting.set()
        await self._open.wait()

    def open(self) -> None:
        self._hasher.hash, self._hasher.verify = self._hash, self._verify  # type: ignore[method-assign]  # put back
        self._open.set()


@asynccontextmanager
async def known(tmp_path: Path) -> AsyncIterator[tuple[Staff, str, Actor]]:
    """A school with a teacher who has a password and is signed in."""
    async with staff_room(tmp_path) as s:
        name = await s.with_password(s.teacher)
        yield s, name, s.actor(await s.enter(name))


async def outcome(act: asyncio.Task[object]) -> str:
    """How a choice ended: kept, or the case or reason of its refusal."""
    try:
        await act
    except VuonError as error:
        return str(error.fields.get("case") or error.fields.get("reason") or error.code)
    return "kept"


def choose(s: Staff, actor: Actor, new: str, current: str = PASSWORD) -> asyncio.Task[object]:
    return asyncio.ensure_future(s.signins.choose_password(actor, current, new, HOME))


async def held(s: Staff, actor: Actor, current: str = PASSWORD) -> tuple[Gate, asyncio.Task[object]]:
    """A change that has proved the old password and waits for its hash, until the gate is opened."""
    gate = Gate(s)
    gate.hold_hash()
    change = choose(s, actor, NEW, current)
    await gate.waiting.wait()
    return gate, change


async def test_of_two_changes_at_once_one_counts(tmp_path: Path) -> None:
    """Both proved the old password; one new one stands, the other is told that it was changed meanwhile."""
    async with known(tmp_path) as (s, name, actor):
        gate = Gate(s, 2)
        gate.hold_hash()
        both = [choose(s, actor, NEW), choose(s, actor, OTHER)]
        await gate.waiting.wait()
        gate.open()
        ends = [await outcome(act) for act in both]
        assert sorted(ends) == ["kept", "password_changed"]
        kept, lost = (NEW, OTHER) if ends[0] == "kept" else (OTHER, NEW)
        assert [await s.refused(name, text) for text in (kept, lost)] == ["entered", Reason.LOGIN_UNKNOWN]


async def test_a_change_that_began_before_a_reset_does_not_undo_it(tmp_path: Path) -> None:
    """The leader forgot the password while the new one was hashed: it stays forgotten, and the code is the way in."""
    async with known(tmp_path) as (s, name, actor):
        gate, change = await held(s, actor)
        await s.accounts.reset(CONSOLE, s.teacher)
        gate.open()
        assert await outcome(change) == "password_changed"
        account = s.accounts.of(s.teacher)
        assert account is not None
        assert account.password_hash is None
        assert [await s.refused(name, text) for text in (NEW, PASSWORD)] == [Reason.LOGIN_UNKNOWN] * 2
        await s.with_password(s.teacher, OTHER)
        assert await s.refused(name, OTHER) == "entered"


async def test_a_first_password_does_not_outlive_a_reset_either(tmp_path: Path) -> None:
    """There was none before and there is none after: what was chosen in between under the old login is not kept."""
    async with staff_room(tmp_path) as s:
        gate, first = await held(s, s.actor(await s.by_code(s.teacher)), current="")
        await s.accounts.reset(CONSOLE, s.teacher)
        gate.open()
        assert await outcome(first) == "password_changed"


async def test_a_login_that_was_ended_meanwhile_chooses_nothing(tmp_path: Path) -> None:
    """Ended by the school while the new one was hashed: nothing is kept."""
    async with known(tmp_path) as (s, name, actor):
        gate, change = await held(s, actor)
        await s.world.access.logins.end_person(CONSOLE, s.teacher)
        gate.open()
        assert await outcome(change) == "password_changed"
        assert await s.refused(name, PASSWORD) == "entered"


async def test_a_password_that_was_reset_while_it_was_checked_opens_nothing(tmp_path: Path) -> None:
    """It fitted when it was compared; when the session would begin it is gone, with and without a second factor."""
    async with known(tmp_path) as (s, name, actor):
        gate = Gate(s)
        gate.hold_verify()
        entering = asyncio.ensure_future(s.signins.by_password(name, PASSWORD, Browser(HOME, "Chrome")))
        await gate.waiting.wait()
        await s.accounts.reset(CONSOLE, s.teacher)
        gate.open()
        with pytest.raises(LoginRefused):
            await entering
        await s.with_password(s.teacher)
        secret, _ = await s.enrol(s.actor(await s.enter(name)))
        half = await s.half(name)
        await s.accounts.reset(CONSOLE, s.teacher)
        with pytest.raises(LoginRefused):
            await s.signins.second(half, s.digits(secret, later_s=30), Browser(HOME, "Chrome"))
        assert actor.person == s.teacher


async def test_two_logins_at_once_both_get_in_though_the_hash_is_made_anew(tmp_path: Path) -> None:
    """A hash of a former cost is renewed by the first; the second finds the renewed one fitting too."""
    async with known(tmp_path) as (s, name, _actor):
        s.hasher.mark = "later"
        gate = Gate(s, 2)
        gate.hold_hash()
        both = [asyncio.ensure_future(s.enter(name)) for _ in range(2)]
        await gate.waiting.wait()
        gate.open()
        assert len({entered.signed_in.session.id for entered in await asyncio.gather(*both)}) == 2


async def test_what_is_wrong_is_told_by_its_case(tmp_path: Path) -> None:
    """The refusal names the field and the case, and holds neither password."""
    async with known(tmp_path) as (s, _name, actor):
        gate, change = await held(s, actor)
        await s.accounts.reset(CONSOLE, s.teacher)
        gate.open()
        with pytest.raises(BadInput) as refused:
            await change
        assert (refused.value.fields["key"], refused.value.fields["case"]) == ("new", "password_changed")
        assert NEW not in str(refused.value) + repr(refused.value.fields)
