"""Logins grow old: by monotonic time while the box runs, by wall time over a restart, never the wrong way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.access.login import GUARDIAN_AGES, SEEN_EVERY_S, STAFF_AGES
from gateway.access.migrations import MIGRATIONS
from gateway.access.reasons import Reason
from gateway.core.db import Database
from gateway.core.model import PublicId
from tests.fakes.access_world import Access, FakeMedia, World, access_on, school
from tests.fakes.clock import FakeClock
from tests.fakes.device import Browser
from tests.fakes.memory_disk import in_memory
from tests.fakes.school import DAY, NOW

pytestmark = pytest.mark.anyio
Days = Callable[[World, str], Awaitable[None]]


async def sign_in(w: World) -> tuple[str, PublicId]:
    """Let the principal in; returns the token and the session's id."""
    code = await w.access.codes.create(w.actor, w.principal)
    signed_in = await w.access.codes.sign_in(code.text.reveal(), address="192.0.2.77", label="desk")
    return signed_in.token.reveal(), signed_in.session.id


async def restarted(folder: Path, off_ms: int, body: Callable[[Access, FakeClock], None], *, used_s: int = 0) -> None:
    """Sign in, use the login for some time, keep the books, stop for `off_ms` of wall time, and look again."""
    async with school(folder) as w:
        token, session = await sign_in(w)
        w.clock.tick(used_s)
        w.access.logins.who(token)
        await w.access.logins.keep()
        now_ms, ids = w.clock.now_ms(), (token, session, w.principal)
    clock = FakeClock(now_ms + off_ms)
    async with Database(in_memory(folder) / "gateway.db", [MIGRATIONS]) as db:
        access = access_on(db, clock, FakeMedia(), [], [])
        await access.store.load()
        await access.logins.load()
        KNOWN[:] = ids
        body(access, clock)


KNOWN: list[str] = []
"""Token, session and person of `restarted`, for its body."""


def answer(access: Access) -> str | None:
    """Why the session of `restarted` is over, None while it lives."""
    return access.logins.alive(KNOWN[1], PublicId(KNOWN[2]))


@pytest.mark.parametrize(
    ("off_s", "reason"),
    [
        (0, None),
        (STAFF_AGES.idle_s - 1, None),
        (STAFF_AGES.idle_s, Reason.SESSION_IDLE),
        (STAFF_AGES.absolute_s, Reason.SESSION_EXPIRED),
    ],
)
async def test_idle_time_goes_on_while_the_box_is_off(off_s: int, reason: Reason | None, tmp_path: Path) -> None:
    """A box that was off for so long counts that as time without a request, to the second."""

    def look(access: Access, _clock: FakeClock) -> None:
        assert answer(access) == reason
        assert (access.logins.who(KNOWN[0]) is None) is (reason is not None)

    await restarted(tmp_path, off_s * 1000, look)


async def test_the_day_of_a_login_is_one_day_over_restarts(tmp_path: Path) -> None:
    """Used for a while, off for a minute, used on and on: it ends twelve hours after the login, not after the restart."""

    def look(access: Access, clock: FakeClock) -> None:
        while access.logins.who(KNOWN[0]) is not None:
            clock.tick(600)
        assert answer(access) == Reason.SESSION_EXPIRED
        assert 0 <= clock.now_ms() - NOW - STAFF_AGES.absolute_s * 1000 < 600_000

    await restarted(tmp_path, 60_000, look, used_s=STAFF_AGES.idle_s - 10)


async def test_a_clock_that_was_set_back_over_a_restart_makes_nothing_younger_than_new(tmp_path: Path) -> None:
    """If the box wakes up in the past, a login has no negative age: it lasts as long as a fresh one, no longer."""

    def look(access: Access, clock: FakeClock) -> None:
        assert answer(access) is None
        clock.tick(STAFF_AGES.idle_s)
        assert answer(access) == Reason.SESSION_IDLE

    await restarted(tmp_path, -30 * DAY, look)


async def test_a_clock_that_was_set_on_over_a_restart_ends_it(tmp_path: Path) -> None:
    """If the box wakes up far in the future, nobody is still signed in: better to ask again."""

    def look(access: Access, _clock: FakeClock) -> None:
        assert answer(access) == Reason.SESSION_EXPIRED
        assert access.logins.sessions(PublicId(KNOWN[2])) == ()

    await restarted(tmp_path, 400 * DAY, look)


@pytest.mark.parametrize("step_ms", [-400 * DAY, -1, 1, 400 * DAY])
async def test_a_step_while_running_changes_no_age(step_ms: int, tmp_path: Path) -> None:
    """Setting the clock neither ends a login nor makes it longer: it ends after its own idle time."""
    async with school(tmp_path) as w:
        token, session = await sign_in(w)
        w.clock.tick(STAFF_AGES.idle_s - 1)
        w.clock.step_wall(step_ms)
        assert w.access.logins.alive(session, w.principal) is None
        w.clock.tick(1)
        assert w.access.logins.alive(session, w.principal) == Reason.SESSION_IDLE
        assert w.access.logins.who(token) is None


async def test_looking_on_is_no_sign_of_life(tmp_path: Path) -> None:
    """A page that polls by itself does not keep a login: only what its person does counts."""
    async with school(tmp_path) as w:
        token, session = await sign_in(w)
        for _ in range(STAFF_AGES.idle_s // 60):
            w.clock.tick(60)
            w.access.logins.who(token, active=False)
        assert w.access.logins.alive(session, w.principal) == Reason.SESSION_IDLE


async def test_signs_of_life_are_written_once_a_minute(tmp_path: Path) -> None:
    """A busy page costs one write a minute; nothing is written where nobody came."""
    async with school(tmp_path) as w:
        token, session = await sign_in(w)

        def seen() -> int:
            return int(w.rows("SELECT last_seen_ms FROM login_session WHERE id = ?", session)[0][0])

        first = seen()
        for _ in range(SEEN_EVERY_S - 1):
            w.clock.tick(1)
            w.access.logins.who(token)
        await w.access.logins.keep()
        assert seen() == first
        w.clock.tick(1)
        w.access.logins.who(token)
        await w.access.logins.keep()
        assert seen() == w.clock.now_ms()
        w.clock.tick(300)
        await w.access.logins.keep()
        assert seen() == w.clock.now_ms() - 300_000


async def test_a_guardians_phone_outlives_a_summer_not_a_half_year(tmp_path: Path) -> None:
    """A phone that looks in each month stays bound for its half-year; one that does not come for 45 days is out."""
    async with school(tmp_path) as w:
        logins, month_s = w.access.logins, 30 * 86_400
        slip, tablet = await w.access.invitations.create(w.actor, w.mother, checked=True), Browser("iPad")
        busy = (await tablet.redeem(w.access, slip.secret.reveal())).signed_in
        assert busy is not None
        for month in range(1, GUARDIAN_AGES.absolute_s // month_s):
            w.clock.tick(month_s)
            assert logins.alive(busy.session.id, w.mother) == Reason.SESSION_UNPROVEN
            assert (await tablet.enter(w.access)).session.id == busy.session.id
            idle = month * month_s >= GUARDIAN_AGES.idle_s
            assert logins.alive(w.phone, w.mother) == (Reason.SESSION_IDLE if idle else None)
        w.clock.tick(month_s)
        assert logins.alive(busy.session.id, w.mother) == Reason.SESSION_EXPIRED
        await logins.keep()
        assert w.rows("SELECT count(*) FROM login_session WHERE ended_ms IS NULL")[0][0] == 0


async def test_a_session_is_bound_to_its_person(tmp_path: Path) -> None:
    """Another person's id beside a living session is as good as none, and so is an invented one."""
    async with school(tmp_path) as w:
        _, session = await sign_in(w)
        assert w.access.logins.alive(session, w.mother) == Reason.SESSION_ENDED
        assert w.access.logins.alive("x" * 16, w.principal) == Reason.SESSION_ENDED
        await w.access.people.disable(w.actor, w.mother)
        assert w.access.logins.alive(w.phone, w.mother) == Reason.PERSON_DISABLED
        await w.access.people.disable(w.actor, w.mother, disabled=False)
        assert w.access.logins.alive(w.phone, w.mother) is None
