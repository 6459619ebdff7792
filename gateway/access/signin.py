"""Signing in by password, and proving again who one is.

Owns the flow from what was typed to a session. Invariants: whatever was typed, one hash is computed and one answer
given: an unknown name, a wrong password, a person who has none and one who is disabled look the same, in what they
cost, too; a second factor is asked for only after the first fits; what a wrong try costs its own lane delays nobody
else (`signinpace`). A password is in memory only while it is checked.
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.access import audit, secondfactor
from gateway.access.accounts import Account, Accounts, stands
from gateway.access.audit import Actor
from gateway.access.codes import Codes, Halfway
from gateway.access.hashing.client import Hashing
from gateway.access.limits import RateLimit
from gateway.access.login import Logins, SignedIn
from gateway.access.marks import Marks
from gateway.access.passwords import MOST, clean_password, typed_name, typed_password
from gateway.access.people import People
from gateway.access.reasons import Reason
from gateway.access.signinpace import SECOND_MOST_S, SignInPace, Try
from gateway.access.store import FactStore, Need
from gateway.core.errors import BadInput, DaemonUnavailable, Denied, LoginBusy, LoginRefused, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Secret

DECOY = "$argon2id$v=19$m=19456,t=2,p=1$4fmIuV3bpgvSmqb9Gp6Hcg$oFiRl/aQCYN1oHmEu4ulYijjwvDQGgCsyH0a4QHNJJ8"
"""What is compared where there is no password: of today's cost (a test compares), of nobody's password."""
HALF_S, HALF_TRIES, HALVES = 300, 5, 64
"""How long, and how often, a second factor may be typed after the first; how many people may be at it."""


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody signs in."""

    address: str
    label: str
    mark: Secret | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    """Signed in; `mark` goes into a cookie of its own."""

    signed_in: SignedIn
    mark: Secret


@dataclass(frozen=True, slots=True)
class SecondWanted:
    """The first factor fits; `half` is brought back with the second."""

    half: Secret


@dataclass(slots=True)
class _Half:
    person: PublicId
    ends_ns: int
    tries: int = 0
    proved: Account | None = None
    """The account whose password was the first factor; None after a code."""


class SignIns:
    """Signs people in."""

    def __init__(
        self,
        store: FactStore,
        logins: Logins,
        codes: Codes,
        accounts: Accounts,
        hasher: Hashing,
        *,
        site: str,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store, self._logins, self._codes, self._accounts = store, logins, codes, accounts
        self._hasher, self._site, self._random = hasher, site, random_bytes
        self._marks, self._people = Marks(store, random_bytes=random_bytes), People(store)
        mono_ns = store.clock.mono_ns
        self._pace, self._second_pace = SignInPace(mono_ns), SignInPace(mono_ns, most_s=SECOND_MOST_S)
        self._told = RateLimit(mono_ns, burst=10, every_s=6)
        self._halves: OrderedDict[bytes, _Half] = OrderedDict()
        self._pending: OrderedDict[str, Secret] = OrderedDict()
        """Secrets of second factors that are being set up, by session."""

    # the ways in

    async def by_password(self, name: str, password: str, browser: Browser) -> Entered | SecondWanted:
        """Sign in; LoginRefused (`login.unknown`, or `rate` with retry_after_s), LoginBusy, DaemonUnavailable."""
        await self._accounts.fresh()
        typed = typed_name(name)[:MOST]
        account = self._accounts.named(typed)
        lane = await self._marks.lane(browser.mark, account.person if account else None)
        done = _let_through(self._pace.begin(typed, browser.address, mark=lane))
        proved = await self._fits(account, password, done)
        if proved is None or not self._may_enter(proved.person):
            await self._tell_refused(Reason.LOGIN_UNKNOWN)
            raise LoginRefused("name and password do not fit", reason=str(Reason.LOGIN_UNKNOWN))
        self._pace.right(done)
        return await self._on(proved.person, browser, proved)

    async def by_code(self, text: str, browser: Browser) -> Entered | SecondWanted:
        """Sign in with a one-use code; CodeRefused."""
        await self._accounts.fresh()
        done = await self._codes.redeem(
            text, address=browser.address, label=browser.label, second=self._accounts.has_second
        )
        if isinstance(done, Halfway):
            return await self._on(done.person, browser)
        person = done.session.person
        if not self._accounts.may_have(person):
            return Entered(done, browser.mark or Secret(""))
        return Entered(done, await self._store.db.write(lambda conn: self._marks.keep(conn, browser.mark, person)))

    async def second(self, half: Secret, typed: str, browser: Browser) -> Entered:
        """Sign in with the second factor; LoginRefused (`login.second`, `session.expired`, `rate`)."""
        key = hashlib.sha256(half.reveal().encode()).digest()
        begun = self._halves.get(key)
        if begun is None or self._store.clock.mono_ns() >= begun.ends_ns or not self._may_enter(begun.person):
            self._halves.pop(key, None)
            raise LoginRefused("the first factor is too old", reason=str(Reason.SESSION_EXPIRED))
        lane = await self._marks.lane(browser.mark, begun.person)
        done = _let_through(self._second_pace.begin(begun.person, browser.address, mark=lane))
        begun.tries += 1
        if not await self._accounts.use_second(begun.person, typed):
            if begun.tries >= HALF_TRIES:
                self._halves.pop(key, None)
            await self._tell_refused(Reason.LOGIN_SECOND)
            raise LoginRefused("the second factor does not fit", reason=str(Reason.LOGIN_SECOND))
        self._second_pace.right(done)
        if self._halves.pop(key, None) is None:  # the same page sent twice
            raise LoginRefused("the first factor is spent", reason=str(Reason.SESSION_EXPIRED))
        return await self._enter(begun.person, browser, begun.proved)

    async def again(self, actor: Actor, password: str, typed: str, address: str) -> SignedIn:
        """Make a session fresh; LoginRefused (`login.unset`, `login.unknown`, `login.second`, `rate`), NotFound."""
        account = await self._proved(actor, password, address)
        if account.totp is not None:
            done = _let_through(self._second_pace.begin(account.person, address, mark=f"session {actor.device}"))
            if not await self._accounts.use_second(account.person, typed):
                raise LoginRefused("the second factor does not fit", reason=str(Reason.LOGIN_SECOND))
            self._second_pace.right(done)
        await self._write(actor, "login.again")
        return await self._logins.refresh(PublicId(actor.device))

    # choosing

    async def choose_password(self, actor: Actor, current: str, new: str, address: str) -> SignedIn:
        """Set or change one's own password: the other logins end and this one is fresh.

        LoginRefused if `current` does not fit; Denied (`login.stale`) for a first password long after the code;
        BadInput says what is wrong with the new one, or that it was changed or reset meanwhile.
        """
        person = _person_of(actor)
        account = await self._accounts.ensure(actor, person, await self._people.name(person))
        if account.password_hash is not None:
            account = await self._proved(actor, current, address)
        elif (stale := self._logins.stale(actor)) is not None:
            raise Denied("a first password is set right after the code", reason=stale)
        names = (self._site, await self._people.name(person), account.name)
        text = clean_password(new, names=names)
        hashed, session = await self._hasher.hash(text), PublicId(actor.device)
        alive = self._logins.alive
        await self._accounts.set_password(actor, account, hashed, lives=lambda: alive(session, person) is None)
        await self._logins.end_person(actor, person, but=actor.device)
        return await self._logins.refresh(PublicId(actor.device))

    async def begin_second(self, actor: Actor) -> tuple[Secret, str]:
        """Return a secret for an authenticator app, and its address for a QR code; LoginRefused without a password."""
        account = self._accounts.of(_person_of(actor))
        if account is None or account.password_hash is None:
            raise LoginRefused("a second factor comes after a password", reason=str(Reason.LOGIN_UNSET))
        secret = self._pending.pop(actor.device, None) or Secret(secondfactor.new_secret(self._random))
        self._pending[actor.device] = secret
        while len(self._pending) > HALVES:
            self._pending.popitem(last=False)
        return secret, secondfactor.address(secret.reveal(), account.name, self._site)

    async def finish_second(self, actor: Actor, typed: str) -> list[str]:
        """Switch the second factor on, once the app shows digits that fit; returns the codes for a lost phone.

        BadInput if they do not fit; Denied (`login.stale`).
        """
        secret = self._pending.get(actor.device)
        now_ms = self._store.clock.now_ms()
        step = secondfactor.step_of(secret.reveal(), typed, now_ms, 0) if secret is not None else None
        if secret is None or step is None:
            raise BadInput("these digits are not of this secret and this minute", key="code", case="second_digits")
        codes = await self._accounts.enrol(actor, _person_of(actor), secret, step)
        self._pending.pop(actor.device, None)
        return codes

    # inside

    async def _proved(self, actor: Actor, password: str, address: str) -> Account:
        """Return the account, with the hash that fits, of somebody who is signed in and typed the right password."""
        account = self._accounts.of(_person_of(actor))
        if account is None or account.password_hash is None:
            raise LoginRefused("there is no password yet", reason=str(Reason.LOGIN_UNSET))
        done = _let_through(self._pace.begin(account.name, address, mark=f"session {actor.device}"))
        proved = await self._fits(account, password, done)
        if proved is None:
            raise LoginRefused("the password does not fit", reason=str(Reason.LOGIN_UNKNOWN))
        self._pace.right(done)
        return proved

    async def _fits(self, account: Account | None, password: str, done: Try) -> Account | None:
        """Compute one hash; returns the account as it fits (a right one of a former cost is kept anew), or None."""
        text = typed_password(password)
        kept = account.password_hash if account and len(text) <= MOST else None
        text = text[:MOST]
        try:
            verdict = await self._hasher.verify(kept or DECOY, text, lane=done.stranger)
        except (LoginBusy, DaemonUnavailable):
            self._pace.unmade(done)
            raise
        if not verdict.fits or account is None or kept is None:
            return None
        if verdict.current:
            return account
        now = await self._hasher.hash(text)
        if await self._accounts.rehash(account.person, kept, now):
            return replace(account, password_hash=now)
        newest = self._accounts.of(account.person)  # a login beside this one was faster, or it was changed
        if newest is None or newest.password_hash is None:
            return None
        return newest if (await self._hasher.verify(newest.password_hash, text, lane=done.stranger)).fits else None

    def _may_enter(self, person: PublicId) -> bool:
        who = self._store.current.index.persons.get(person)
        return who is not None and not who.disabled and self._accounts.may_have(person)

    async def _on(self, person: PublicId, browser: Browser, proved: Account | None = None) -> Entered | SecondWanted:
        """Go on after the first factor: the password as it was proved, or a code."""
        if not self._accounts.has_second(person):
            return await self._enter(person, browser, proved)
        half = Secret(base64.urlsafe_b64encode(self._random(32)).decode("ascii").rstrip("="))
        ends_ns = self._store.clock.mono_ns() + HALF_S * 1_000_000_000
        self._halves[hashlib.sha256(half.reveal().encode()).digest()] = _Half(person, ends_ns, proved=proved)
        while len(self._halves) > HALVES:
            self._halves.popitem(last=False)
        return SecondWanted(half)

    async def _enter(self, person: PublicId, browser: Browser, proved: Account | None = None) -> Entered:
        """Begin a session, unless the password was changed or reset since it was proved."""

        def run(conn: sqlite3.Connection) -> tuple[SignedIn, Callable[[], None], Secret] | None:
            if proved is not None and not stands(conn, proved):
                return None
            mark = self._marks.keep(conn, browser.mark, person)
            return (*self._logins.start(conn, person, label=browser.label, address=browser.address), mark)

        begun = await self._store.db.write(run)
        if begun is None:
            await self._tell_refused(Reason.LOGIN_UNKNOWN)
            raise LoginRefused("the password was changed meanwhile", reason=str(Reason.LOGIN_UNKNOWN))
        signed_in, adopt, mark = begun
        adopt()
        return Entered(signed_in, mark)

    async def _write(self, actor: Actor, what: str) -> None:
        store, need = self._store, Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, _person_of(actor)))
        body = store.body(actor, what, store.clock.now_ms(), need)
        await store.db.write(lambda conn: audit.append(conn, body))

    async def _tell_refused(self, reason: Reason) -> None:
        """Report a refused login, without a name; a flood of them is reported ten a minute."""
        if self._told.take_key("refused"):
            event = self._store.event("access.login", role="unknown", outcome=str(reason))
            await self._store.db.write(lambda conn: self._store.emit(conn, event))


def _let_through(attempt: Try) -> Try:
    if attempt.wait_s:
        wait_s = math.ceil(attempt.wait_s)
        raise LoginRefused("tried too often", reason=str(Reason.RATE), retry_after_s=wait_s)
    return attempt


def _person_of(actor: Actor) -> PublicId:
    if actor.person is None:
        raise NotFound("the console has no login")
    return actor.person
