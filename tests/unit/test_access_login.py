"""Getting in and staying in: codes, slips, sessions, devices."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gateway.access.audit import CONSOLE, Actor
from gateway.access.codes import normalise
from gateway.access.labels import clean_label
from gateway.access.limits import MAX_BUCKETS, RateLimit, network_of
from gateway.access.login import STAFF_AGES, Logins, SignedIn, token_hash
from gateway.access.reasons import Reason
from gateway.core.errors import BadInput, CodeRefused, Denied, NotFound
from gateway.core.model import PublicId, Role
from tests.fakes.access_world import World, full_disk, school
from tests.fakes.school import DAY, pid

pytestmark = pytest.mark.anyio


async def sign_in(w: World, person: PublicId, *, address: str = "192.0.2.50") -> SignedIn:
    code = await w.access.codes.create(CONSOLE, person)
    return await w.access.codes.sign_in(code.text.reveal(), address=address, label="máy bàn")


async def refused(w: World, text: str, *, address: str) -> str:
    with pytest.raises(CodeRefused) as error:
        await w.access.codes.sign_in(text, address=address, label="x")
    return str(error.value.fields["reason"])


# codes


async def test_a_code_opens_once(tmp_path: Path) -> None:
    """A code is good for one login, however it is typed."""
    async with school(tmp_path) as w:
        code = (await w.access.codes.create(CONSOLE, w.principal)).text.reveal()
        assert (len(code), code.count("-")) == (19, 3)
        done = await w.access.codes.sign_in(f"  {code.upper().replace('-', ' ')} ", address="192.0.2.5", label="bàn")
        assert (done.session.person, done.session.role) == (w.principal, Role.PRINCIPAL)
        assert await refused(w, code, address="192.0.2.6") == Reason.CODE_UNKNOWN


async def test_a_code_expires(tmp_path: Path) -> None:
    """After thirty minutes a code opens nothing."""
    async with school(tmp_path) as w:
        code = (await w.access.codes.create(CONSOLE, w.principal)).text.reveal()
        w.clock.tick(30 * 60)
        assert await refused(w, code, address="192.0.2.5") == Reason.CODE_UNKNOWN


async def test_five_tries_close_a_code(tmp_path: Path) -> None:
    """Whoever knows the first letters has five tries, then the right code is closed too."""
    async with school(tmp_path) as w:
        code = (await w.access.codes.create(CONSOLE, w.principal)).text.reveal()
        wrong = code[:4] + "-aaaa-aaaa-aaaa"
        answers = [await refused(w, wrong, address=f"203.0.{n}.1") for n in range(5)]
        assert answers == [Reason.CODE_UNKNOWN] * 4 + [Reason.CODE_TRIES]
        assert await refused(w, code, address="192.0.2.5") == Reason.CODE_UNKNOWN


async def test_a_newer_code_replaces_the_older(tmp_path: Path) -> None:
    """A person has one open code."""
    async with school(tmp_path) as w:
        old = (await w.access.codes.create(CONSOLE, w.principal)).text.reveal()
        await sign_in(w, w.principal)
        assert await refused(w, old, address="192.0.2.7") == Reason.CODE_UNKNOWN


async def test_tries_are_limited_per_network(tmp_path: Path) -> None:
    """The eleventh try at once from one network is refused before anything is looked up; others are not."""
    async with school(tmp_path) as w:
        for n in range(10):
            assert await refused(w, "zzzz", address=f"203.0.113.{n}") == Reason.CODE_UNKNOWN
        code = (await w.access.codes.create(CONSOLE, w.principal)).text.reveal()
        assert await refused(w, code, address="203.0.113.99") == Reason.RATE
        w.clock.tick(6)
        await w.access.codes.sign_in(code, address="203.0.113.99", label="bàn")


async def test_a_disabled_person_cannot_enter(tmp_path: Path) -> None:
    """A valid code of a disabled person opens nothing."""
    async with school(tmp_path) as w:
        other = await w.access.people.add(w.actor, Role.TEACHER, "Cô Hoa")
        code = (await w.access.codes.create(w.actor, other)).text.reveal()
        await w.access.people.disable(w.actor, other)
        assert await refused(w, code, address="192.0.2.5") == Reason.CODE_UNKNOWN


async def test_only_the_principal_gives_codes(tmp_path: Path) -> None:
    """A guardian makes no code, not even for herself; unknown people have none."""
    async with school(tmp_path) as w:
        for person in (w.mother, w.principal):
            with pytest.raises(Denied):
                await w.access.codes.create(Actor(w.mother, w.phone), person)
        with pytest.raises(NotFound):
            await w.access.codes.create(w.actor, pid("nobody"))


async def test_no_secret_is_stored_or_shown(tmp_path: Path) -> None:
    """Codes, slips and tokens are in the database as hashes only, and print as stars."""
    async with school(tmp_path) as w:
        code = await w.access.codes.create(CONSOLE, w.principal)
        done = await w.access.codes.sign_in(code.text.reveal(), address="192.0.2.5", label="x")
        slip = await w.access.invitations.create(w.actor, w.mother)
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        texts = (code.text.reveal(), done.token.reveal(), slip.secret.reveal(), slip.code.reveal())
        for secret in (*texts, normalise(code.text.reveal()), slip.code.reveal().replace("-", "")):
            assert secret.encode() not in stored
        for name in ("Mẹ An", "Bé An", "Cô Hiệu Trưởng"):
            assert name.encode() not in stored
        assert all("***" in repr(item) for item in (code, done, slip))


def test_typed_codes_are_forgiven() -> None:
    """Digits that base32 does not have are read as the letters they look like."""
    assert normalise("AB0C-1D8E") == "aboc" + "ldbe"


# sessions


async def test_a_token_names_its_session(tmp_path: Path) -> None:
    """The token of a login finds it, any other string does not."""
    async with school(tmp_path) as w:
        done = await sign_in(w, w.principal)
        assert w.access.logins.who(done.token.reveal()) == done.session
        assert len(done.token.reveal()) == 43
        for wrong in ("", "x", done.token.reveal()[:-1], token_hash(done.token.reveal()).hex()):
            assert w.access.logins.who(wrong) is None


async def test_staff_idle_out(tmp_path: Path) -> None:
    """Thirty minutes without a request end a staff session; each request starts them again."""
    async with school(tmp_path) as w:
        token = (await sign_in(w, w.principal)).token.reveal()
        for _ in range(3):
            w.clock.tick(STAFF_AGES.idle_s - 1)
            assert w.access.logins.who(token) is not None
        w.clock.tick(STAFF_AGES.idle_s - 1)
        assert w.access.logins.who(token, active=False) is not None
        w.clock.tick(1)
        assert w.access.logins.who(token) is None


async def test_staff_sign_in_each_day(tmp_path: Path) -> None:
    """Twelve hours after the login a staff session ends, however busy."""
    async with school(tmp_path) as w:
        done = await sign_in(w, w.principal)
        for _ in range(12 * 3 - 1):
            w.clock.tick(20 * 60)
            assert w.access.logins.who(done.token.reveal()) is not None
        w.clock.tick(20 * 60)
        assert w.access.logins.alive(done.session.id, w.principal) == Reason.SESSION_EXPIRED


async def test_a_stepped_clock_neither_ends_nor_revives(tmp_path: Path) -> None:
    """Session ages are monotonic: wall time may jump by a year."""
    async with school(tmp_path) as w:
        token = (await sign_in(w, w.principal)).token.reveal()
        w.clock.step_wall(400 * DAY)
        assert w.access.logins.who(token) is not None
        w.clock.tick(STAFF_AGES.idle_s)
        w.clock.step_wall(-800 * DAY)
        assert w.access.logins.who(token) is None


async def test_sessions_outlive_a_restart(tmp_path: Path) -> None:
    """A session is known again after a restart, by its age in wall time, and its last request is kept."""
    async with school(tmp_path) as w:
        done = await sign_in(w, w.principal)
        w.clock.tick(20 * 60)
        w.access.logins.who(done.token.reveal())
        await w.access.logins.keep()
        w.clock.tick(20 * 60)
        again = Logins(w.access.store)
        await again.load()
        assert again.who(done.token.reveal()) is not None
        w.clock.tick(31 * 60)
        late = Logins(w.access.store)
        await late.load()
        assert late.who(done.token.reveal()) is None


async def test_signing_out_is_at_once(tmp_path: Path) -> None:
    """After logout the token is worth nothing, here and after a restart; twice does no harm."""
    async with school(tmp_path) as w:
        token = (await sign_in(w, w.principal)).token.reveal()
        await w.access.logins.sign_out(token)
        await w.access.logins.sign_out(token)
        again = Logins(w.access.store)
        await again.load()
        assert (w.access.logins.who(token), again.who(token)) == (None, None)


async def test_ending_lasts_although_the_disk_is_full(tmp_path: Path) -> None:
    """The session opens nothing from then on; it can be ended again, and is not alive after a restart."""
    async with school(tmp_path) as w:
        logins, done = w.access.logins, await sign_in(w, w.principal)
        with full_disk(w), pytest.raises(sqlite3.OperationalError):
            await logins.end(w.actor, done.session.id)
        assert logins.who(done.token.reveal()) is None
        assert logins.alive(done.session.id, w.principal) == Reason.SESSION_ENDED
        assert done.session.id not in [item.id for item in logins.sessions(w.principal)]
        await logins.end(w.actor, done.session.id)
        again = Logins(w.access.store)
        await again.load()
        assert again.who(done.token.reveal()) is None
        with pytest.raises(NotFound):
            await logins.end(w.actor, done.session.id)


async def test_an_end_that_could_not_be_written_is_written_by_the_minute(tmp_path: Path) -> None:
    """Who signed out once is out for good, and the audit tells it once, although nobody asks again."""
    async with school(tmp_path) as w:
        logins, done = w.access.logins, await sign_in(w, w.principal)
        told = "SELECT count(*) FROM audit_body WHERE body LIKE '%\"logout\"%'"
        with full_disk(w):
            with pytest.raises(sqlite3.OperationalError):
                await logins.sign_out(done.token.reveal())
            with pytest.raises(sqlite3.OperationalError):
                await logins.keep()
        await logins.keep()
        await logins.keep()
        assert w.rows("SELECT ended_ms FROM login_session WHERE id = ?", done.session.id)[0]["ended_ms"] is not None
        assert w.rows(told)[0][0] == 1


async def test_sessions_are_listed_and_ended_by_their_owner(tmp_path: Path) -> None:
    """One's own sessions can be listed and ended; another's look as if they were not there."""
    async with school(tmp_path) as w:
        done = await sign_in(w, w.principal)
        assert done.session.id in [item.id for item in w.access.logins.sessions(w.principal)]
        with pytest.raises(NotFound):
            await w.access.logins.end(Actor(w.mother, w.phone), done.session.id)
        await w.access.logins.end(w.actor, done.session.id)
        assert w.access.logins.who(done.token.reveal()) is None
        with pytest.raises(NotFound):
            await w.access.logins.end(w.actor, done.session.id)


async def test_ending_a_person_ends_all_their_sessions(tmp_path: Path) -> None:
    """All logins of a person can be ended in one act."""
    async with school(tmp_path) as w:
        tokens = [(await sign_in(w, w.principal)).token.reveal() for _ in range(2)]
        assert await w.access.logins.end_person(CONSOLE, w.principal) == 3
        assert [w.access.logins.who(token) for token in tokens] == [None, None]


async def test_disabling_closes_every_door(tmp_path: Path) -> None:
    """A disabled person's token is refused at the next request, and swept out."""
    async with school(tmp_path) as w:
        teacher = await w.access.people.add(w.actor, Role.TEACHER, "Cô Hoa")
        token = (await sign_in(w, teacher)).token.reveal()
        await w.access.people.disable(w.actor, teacher)
        assert w.access.logins.who(token) is None
        await w.access.logins.keep()
        assert w.rows("SELECT ended_ms FROM login_session WHERE person = ?", teacher)[0]["ended_ms"] is not None
        with pytest.raises(BadInput):
            await w.access.people.disable(w.actor, w.principal)


# limits


def test_buckets_refill_and_are_bounded() -> None:
    """A burst is free, then one try per interval; old networks are forgotten."""
    now = [0]
    limit = RateLimit(lambda: now[0], burst=2, every_s=10)
    assert [limit.take("10.0.0.1") for _ in range(3)] == [True, True, False]
    now[0] += 10_000_000_000
    assert [limit.take("10.0.0.200") for _ in range(2)] == [True, False]
    for n in range(MAX_BUCKETS + 10):
        limit.take(f"2001:db8:{n:x}::1")
    assert len(limit._buckets) == MAX_BUCKETS


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2ff::9", "2001:db8:1:200::/56"),
        ("unix", "other"),
    ],
)
def test_neighbours_share_a_bucket(address: str, network: str) -> None:
    """One /24 or /56 is one asker."""
    assert network_of(address) == network


def test_labels_are_one_printable_line() -> None:
    """What a browser calls itself cannot break a page or a log."""
    assert clean_label("Máy\n bố\x1b[31m" + "x" * 200) == ("Máy bố[31m" + "x" * 200)[:80]
