"""Signing in, accounts and sessions for the pages: `web.signin_services.AccountDoor` over access.

Owns the translation; decides nothing but whose sessions somebody may name. Invariants: whose account it is comes from
the session; a login of somebody else is NotFound for all but those who may manage people.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.access import login as access_login
from gateway.access import signin as access_signin
from gateway.access.accounts import WITHOUT, Accounts
from gateway.access.codes import Codes
from gateway.access.keptforms import KeptForms
from gateway.access.login import Logins
from gateway.access.policy import BOX
from gateway.access.signin import Browser, SignIns
from gateway.access.store import FactStore, Need
from gateway.core.errors import LoginRefused, NotFound
from gateway.core.model import STAFF_ROLES, Action, PublicId, Secret
from gateway.roofs.actors import actor_of
from gateway.roofs.names import Names
from web.agents import agent_name
from web.caller import Caller, Peer, SignedIn
from web.signin_services import AccountFacts, Entered, FreshCode, Halfway, SessionRow, StaffRow


class AccountPort:
    """`web.signin_services.AccountDoor`."""

    def __init__(
        self,
        store: FactStore,
        logins: Logins,
        codes: Codes,
        accounts: Accounts,
        signins: SignIns,
        names: Names,
        *,
        code_minutes: int,
    ) -> None:
        self._store, self._logins, self._codes = store, logins, codes
        self._accounts, self._signins, self._names = accounts, signins, names
        self._code_minutes = code_minutes
        self._forms = KeptForms(store, logins)

    def any_password(self) -> bool:
        """Say whether anybody signs in by password yet."""
        return self._accounts.any_password()

    def may_have(self, caller: Caller) -> bool:
        """Say whether the caller's role has an account."""
        return caller.role not in WITHOUT

    def must_set(self, caller: Caller) -> bool:
        """Say whether the caller has to choose a password first."""
        return self._accounts.must_set(caller.person)

    def stale(self, caller: Caller) -> bool:
        """Say whether the caller's login is too old for a sensitive act."""
        return self._store.stale(actor_of(caller)) is not None

    # signing in

    async def by_password(self, name: str, password: Secret, peer: Peer, mark: Secret | None) -> Entered | Halfway:
        """Sign in with name and password."""
        return self._done(await self._signins.by_password(name, password.reveal(), _browser(peer, mark)))

    async def by_code(self, code: Secret, peer: Peer, mark: Secret | None) -> Entered | Halfway:
        """Sign in with a one-use code."""
        return self._done(await self._signins.by_code(code.reveal(), _browser(peer, mark)))

    async def second(self, half: Secret, typed: Secret, peer: Peer, mark: Secret | None) -> Entered:
        """Bring the second factor."""
        return self._entered(await self._signins.second(half, typed.reveal(), _browser(peer, mark)))

    async def again(self, caller: Caller, password: Secret, typed: Secret, peer: Peer) -> SignedIn:
        """Make the caller's session fresh."""
        actor = actor_of(caller)
        return self._signed_in(await self._signins.again(actor, password.reveal(), typed.reveal(), peer.address))

    def _done(self, done: access_signin.Entered | access_signin.SecondWanted) -> Entered | Halfway:
        return Halfway(done.half) if isinstance(done, access_signin.SecondWanted) else self._entered(done)

    def _entered(self, done: access_signin.Entered) -> Entered:
        return Entered(self._signed_in(done.signed_in), done.mark if done.mark.reveal() else None)

    def _signed_in(self, fresh: access_login.SignedIn) -> SignedIn:
        session = fresh.session
        name = self._names.person(session.person)
        if not name:
            raise LoginRefused("this person may not sign in", reason="person.unknown")
        mark = name if session.role not in STAFF_ROLES else ""
        return SignedIn(fresh.token, Caller(session.person, session.role, name, session.id, mark))

    # a form that came when the login was over

    def past(self, token: Secret) -> PublicId | None:
        """Return whose login a token was."""
        return self._forms.whose(token.reveal())

    def seal_form(self, person: PublicId, path: str, text: str) -> str:
        """Return a form as it may stand on a page."""
        return self._forms.seal(person, path, text)

    def open_form(self, caller: Caller, sealed: str) -> tuple[str, str] | None:
        """Return page and fields to whom they belong."""
        return self._forms.open(caller.person, sealed)

    # one's own account

    async def facts(self, caller: Caller) -> AccountFacts:
        """Return the caller's account, made on first use."""
        if not self.may_have(caller):
            raise NotFound("this person signs in without a password")
        await self._accounts.fresh()
        account = await self._accounts.ensure(actor_of(caller), caller.person, caller.name)
        left = (await self._accounts.recovery_left([caller.person]))[caller.person]
        must = self._accounts.must_have(caller.person)
        return AccountFacts(account.name, account.password_ms, account.totp is not None, left, must)

    async def choose_password(self, caller: Caller, current: Secret, new: Secret, peer: Peer) -> SignedIn:
        """Set or change one's own password."""
        actor = actor_of(caller)
        return self._signed_in(await self._signins.choose_password(actor, current.reveal(), new.reveal(), peer.address))

    async def begin_second(self, caller: Caller) -> tuple[Secret, str]:
        """Return a secret for an authenticator app and its address."""
        return await self._signins.begin_second(actor_of(caller))

    async def finish_second(self, caller: Caller, typed: Secret) -> Sequence[str]:
        """Switch the second factor on."""
        return await self._signins.finish_second(actor_of(caller), typed.reveal())

    async def drop_second(self, caller: Caller) -> None:
        """Switch one's own second factor off."""
        await self._accounts.drop_second(actor_of(caller), caller.person)

    # sessions

    async def sessions(self, caller: Caller, person: PublicId) -> Sequence[SessionRow]:
        """Return a person's logins."""
        return [
            SessionRow(row.id, row.label, row.place, row.created_ms, row.last_seen_ms, row.id == caller.device)
            for row in self._logins.sessions(person)
        ]

    async def end(self, caller: Caller, session: PublicId) -> None:
        """End one login."""
        mine = any(row.id == session for row in self._logins.sessions(caller.person))
        if not mine and not self._manages(caller):
            raise NotFound("there is no such session")
        await self._logins.end(actor_of(caller), session)

    async def end_others(self, caller: Caller) -> int:
        """End all of one's logins but this one."""
        return await self._logins.end_person(actor_of(caller), caller.person, but=caller.device)

    # the others of the school

    async def staff(self, caller: Caller) -> Sequence[StaffRow]:
        """Return everybody who has, or may have, an account."""
        if not self._manages(caller):
            raise NotFound("not a list of this person")
        await self._accounts.fresh()
        rows = []
        for person in self._names.persons.values():
            if person.role in WITHOUT:
                continue
            account = self._accounts.of(person.id)
            rows.append(
                StaffRow(
                    person.id,
                    person.name,
                    person.role,
                    account.name if account else "",
                    account is not None and account.password_hash is not None,
                    account is not None and account.totp is not None,
                    person.disabled,
                    len(self._logins.sessions(person.id)),
                )
            )
        return rows

    async def rename(self, caller: Caller, person: PublicId, name: str) -> None:
        """Give a person another sign-in name."""
        await self._accounts.rename(actor_of(caller), person, name)

    async def reset(self, caller: Caller, person: PublicId) -> FreshCode:
        """Forget a person's password and return a one-use code."""
        if person == caller.person:
            raise NotFound("one's own password is changed, not reset")
        actor = actor_of(caller)
        await self._accounts.reset(actor, person)
        await self._logins.end_person(actor, person)
        return FreshCode((await self._codes.create(actor, person)).text, self._code_minutes)

    def _manages(self, caller: Caller) -> bool:
        need = Need(Action.PEOPLE, BOX)
        return self._store.answer(self._store.current, actor_of(caller), need, self._store.clock.now_ms()).allowed


def _browser(peer: Peer, mark: Secret | None) -> Browser:
    return Browser(peer.address, agent_name(peer.agent), mark)
