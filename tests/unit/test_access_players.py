"""Tokens of players: made once, staff's, ended by date, by hand and with their person; streams end with them."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from gateway.access.audit import CONSOLE, Actor
from gateway.access.localtime import MS_PER_DAY
from gateway.access.players import MOST_TOKENS, Players, token_hash
from gateway.access.reasons import Reason
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Action, PublicId, Role, new_public_id
from tests.fakes.access_world import World, full_disk, school

pytestmark = pytest.mark.anyio


async def test_a_token_is_shown_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    """Neither token nor label stands in the database in clear; the audit tells who made it for whom, until when."""
    async with school(tmp_path) as w:
        token, player = await w.access.players.create(CONSOLE, w.principal, "TV sảnh", days=3)
        assert len(token.reveal()) == 43
        assert "***" in repr(token)
        row = w.rows("SELECT * FROM player_token")[0]
        assert row["token_hash"] == token_hash(token.reveal())
        assert token.reveal() not in str(tuple(row))
        assert "TV" not in str(tuple(row))
        assert row["expires_ms"] == player.expires_ms == w.clock.now_ms() + 3 * MS_PER_DAY
        told = (w.rows("SELECT body FROM audit_body ORDER BY seq DESC LIMIT 1"))[0]["body"]
        assert '"player.create"' in told.replace(" ", "")
        assert player.id in told
        assert w.access.players.who(token.reveal()) == player
        assert w.access.players.who("another") is None
        assert w.access.players.players() == (player,)


async def test_a_label_is_one_screen(tmp_path: Path) -> None:
    """A second token of a label, however it is written, is refused until the first has ended."""
    async with school(tmp_path) as w:
        players = w.access.players
        _, first = await players.create(CONSOLE, w.principal, "TV sảnh", days=3)
        for label in ("TV sảnh", "tv SẢNH", " TV  sảnh "):
            with pytest.raises(BadInput) as caught:
                await players.create(CONSOLE, w.principal, label, days=3)
            assert caught.value.fields["case"] == "player_label"
        both = await asyncio.gather(
            *(players.create(CONSOLE, w.principal, "Bếp", days=3) for _ in range(2)), return_exceptions=True
        )
        assert [isinstance(item, BadInput) for item in both] == [False, True]
        await players.revoke(CONSOLE, first.id)
        await players.create(CONSOLE, w.principal, "TV sảnh", days=3)


async def test_a_token_lives_over_a_restart_and_ends_at_its_date(tmp_path: Path) -> None:
    """Read again from the database; over at its date, and not alive again when the clock is set back."""
    async with school(tmp_path) as w:
        token, player = await w.access.players.create(CONSOLE, w.principal, "TV", days=1)
        again = Players(w.access.store)
        await again.load()
        assert again.who(token.reveal()) == player
        w.clock.tick(86_400)
        assert again.who(token.reveal()) is None
        assert again.alive(player.id, w.principal) == Reason.SESSION_EXPIRED
        assert again.players() == ()
        w.clock.step_wall(-3_600_000)
        assert again.who(token.reveal()) is None, "a clock set back revives nothing"
        await again.keep()
        assert ended_at(w, player.id) is not None, "nor does a restart with that clock"
        with pytest.raises(NotFound):
            await again.revoke(CONSOLE, player.id)


def ended_at(w: World, player: PublicId) -> int | None:
    ended_ms: int | None = w.rows("SELECT ended_ms FROM player_token WHERE id = ?", player)[0]["ended_ms"]
    return ended_ms


def times_told(w: World, what: str) -> int:
    return sum(f'"{what}"' in row["body"] for row in w.rows("SELECT body FROM audit_body"))


async def test_taking_back_lasts_although_the_disk_is_full(tmp_path: Path) -> None:
    """The token opens nothing from then on, can be taken back again, and is never alive after a restart."""
    async with school(tmp_path) as w:
        players = w.access.players
        token, player = await players.create(CONSOLE, w.principal, "TV", days=300)
        rechecked: list[None] = []
        players.listeners.append(lambda: rechecked.append(None))
        with full_disk(w), pytest.raises(sqlite3.OperationalError):
            await players.revoke(CONSOLE, player.id)
        assert len(rechecked) == 1, "what it watches ends all the same"
        assert players.who(token.reveal()) is None
        assert players.alive(player.id, w.principal) == Reason.SESSION_ENDED
        assert players.players() == ()
        assert players.unended() == (player,)
        assert await players.revoke(CONSOLE, player.id) == player
        assert players.unended() == ()
        assert ended_at(w, player.id) is not None
        assert times_told(w, "player.end") == 1
        again = Players(w.access.store)
        await again.load()
        assert again.who(token.reveal()) is None
        with pytest.raises(NotFound):
            await players.revoke(CONSOLE, player.id)


async def test_what_could_not_be_written_is_written_by_the_minute(tmp_path: Path) -> None:
    """Nobody has to ask twice: the end and who asked for it are kept until the disk takes them, once."""
    async with school(tmp_path) as w:
        players = w.access.players
        _, player = await players.create(CONSOLE, w.principal, "TV", days=300)
        _, other = await players.create(CONSOLE, w.principal, "TV 2", days=300)
        with full_disk(w):
            with pytest.raises(sqlite3.OperationalError):
                await players.revoke(CONSOLE, player.id)
            with pytest.raises(sqlite3.OperationalError):
                await players.keep()
        assert ended_at(w, player.id) is None
        await players.keep()
        ended_ms = ended_at(w, player.id)
        assert ended_ms is not None
        w.clock.tick(60)
        await players.keep()
        assert (ended_at(w, player.id), times_told(w, "player.end")) == (ended_ms, 1)
        assert players.unended() == players.players() == (other,)


async def test_a_token_that_ended_with_its_person_stays_ended(tmp_path: Path) -> None:
    """Giving the person their rights back gives no token back, now or after a restart; another person's lives on."""
    async with school(tmp_path) as w:
        players = w.access.players
        other = await w.access.people.add(CONSOLE, Role.PRINCIPAL, "Phó")
        theirs, ended = await players.create(CONSOLE, other, "TV", days=300)
        mine, kept = await players.create(CONSOLE, w.principal, "TV 2", days=300)
        await w.access.people.disable(CONSOLE, other)
        assert ended_at(w, ended.id) is not None, "in the act itself: a power cut after it changes nothing"
        await w.access.people.disable(CONSOLE, other, disabled=False)
        assert players.who(theirs.reveal()) is None
        assert players.alive(ended.id, other) == Reason.SESSION_ENDED
        assert players.players() == players.unended() == (kept,)
        again = Players(w.access.store)
        await again.load()
        for held in (players, again):
            assert (held.who(theirs.reveal()), held.who(mine.reveal())) == (None, kept)
        assert ended_at(w, kept.id) is None
        await players.keep()
        with pytest.raises(NotFound):
            await players.revoke(CONSOLE, ended.id)


async def test_a_disabled_persons_token_of_an_older_database_ends_when_it_is_read(tmp_path: Path) -> None:
    """Earlier the act did not write the tokens' end: reading them does, before the person has rights again."""
    async with school(tmp_path) as w:
        other = await w.access.people.add(CONSOLE, Role.PRINCIPAL, "Phó")
        token, player = await w.access.players.create(CONSOLE, other, "TV", days=300)
        await w.access.people.disable(CONSOLE, other)
        await w.db.write(lambda conn: conn.execute("UPDATE player_token SET ended_ms = NULL").rowcount)
        again = Players(w.access.store)
        await again.load()
        await w.access.people.disable(CONSOLE, other, disabled=False)
        assert again.who(token.reveal()) is None
        await again.keep()
        assert ended_at(w, player.id) is not None


async def test_a_token_is_a_staff_members_alone(tmp_path: Path) -> None:
    """Not a guardian's, not a disabled person's, not nobody's; at least a day, at most 400, and not without end many."""
    async with school(tmp_path) as w:
        make = w.access.players.create
        for person, kind in ((w.father_of_mate, BadInput), (new_public_id(), NotFound)):
            with pytest.raises(kind):
                await make(CONSOLE, person, "TV", days=1)
        for days in (0, -1, 401):
            with pytest.raises(BadInput) as caught:
                await make(CONSOLE, w.principal, "TV", days=days)
            assert caught.value.fields["case"] == "player_days"
        with pytest.raises(BadInput):
            await make(CONSOLE, w.principal, " ", days=1)
        second = await w.access.people.add(CONSOLE, Role.PRINCIPAL, "Cô Ngừng")
        await w.access.people.disable(CONSOLE, second)
        with pytest.raises(BadInput) as caught:
            await make(CONSOLE, second, "TV", days=1)
        assert caught.value.fields["case"] == "player_staff"
        for number in range(MOST_TOKENS):
            await make(CONSOLE, w.principal, f"TV {number}", days=1)
        with pytest.raises(BadInput) as caught:
            await make(CONSOLE, w.principal, "TV", days=1)
        assert caught.value.fields["case"] == "player_many"


async def test_only_who_may_makes_and_ends_tokens(tmp_path: Path) -> None:
    """A guardian can do neither for the principal; the refusal leaves the token alive."""
    async with school(tmp_path) as w:
        guardian = Actor(w.father_of_mate, "phone")
        with pytest.raises((Denied, NotFound)):
            await w.access.players.create(guardian, w.principal, "TV", days=1)
        token, player = await w.access.players.create(CONSOLE, w.principal, "TV", days=1)
        with pytest.raises((Denied, NotFound)):
            await w.access.players.revoke(guardian, player.id)
        assert w.access.players.who(token.reveal()) == player


async def watch(w: World, device: PublicId) -> str:
    _, opened = await w.access.open.open(w.principal, device, w.camera, "offer")
    return opened.session


async def ended(w: World) -> list[str]:
    await w.until(lambda: bool(w.media.closed))
    return [reason for _, reason in w.media.closed]


async def test_what_a_token_watches_goes_through_policy_and_audit_and_ends_with_it(tmp_path: Path) -> None:
    """Its grant names the token as device; taking it back ends the stream at once and opens nothing more."""
    async with school(tmp_path) as w:
        token, player = await w.access.players.create(CONSOLE, w.principal, "TV", days=1)
        await watch(w, player.id)
        (held,) = w.access.open.watches()
        assert (held.grant.device, held.grant.action) == (player.id, Action.LIVE)
        await w.access.players.revoke(CONSOLE, player.id)
        assert await ended(w) == [Reason.SESSION_ENDED]
        assert w.access.players.who(token.reveal()) is None
        with pytest.raises(Denied) as caught:
            await watch(w, player.id)
        assert caught.value.fields["reason"] == Reason.SESSION_ENDED
        bodies = [row["body"] for row in w.rows("SELECT body FROM audit_body ORDER BY seq")]
        assert sum(player.id in body for body in bodies) >= 4, "made, granted, ended by hand, stream ended"


async def test_a_token_ends_with_its_person_and_at_its_date(tmp_path: Path) -> None:
    """Disabling the person, or the date, ends a running stream by the reaper; logins go on beside."""
    async with school(tmp_path) as w:
        other = await w.access.people.add(CONSOLE, Role.PRINCIPAL, "Phó")
        _, theirs = await w.access.players.create(CONSOLE, other, "TV", days=1)
        assert w.access.players.alive(theirs.id, w.principal) == Reason.SESSION_ENDED, "whose it is, counts"
        await w.access.people.disable(CONSOLE, other)
        assert w.access.players.alive(theirs.id, other) == Reason.PERSON_DISABLED
        _, mine = await w.access.players.create(CONSOLE, w.principal, "TV", days=1)
        await watch(w, mine.id)
        w.clock.tick(86_390)
        await w.until(lambda: bool(w.media.closed), step_s=0.5)
        assert await ended(w) == [Reason.SESSION_EXPIRED]
        alive = w.access.players.beside(lambda device, _person: f"login {device}")
        assert alive("login-of-somebody", w.principal) == "login login-of-somebody"
