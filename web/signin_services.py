"""What the pages need for signing in by password, for accounts and for sessions, as one narrow protocol.

Owns the values that cross and `AccountDoor`. Invariants: whose account it is comes from the session; a password, a code
and a second factor cross as `Secret` and go straight on; what does not fit is LoginRefused with a reason, never with
what was typed. All times are UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.model import PublicId, Role, Secret
from web.caller import Caller, Peer, SignedIn


@dataclass(frozen=True, slots=True)
class Entered:
    """Signed in; `mark` goes into the cookie by which this browser is known again, None for people without account."""

    signed_in: SignedIn
    mark: Secret | None


@dataclass(frozen=True, slots=True)
class Halfway:
    """The first factor fits: the page asks for the second and brings this back."""

    half: Secret


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """One's own account."""

    name: str
    """Sign-in name."""
    password_ms: int | None
    """When the password was set; None: there is none yet."""
    second: bool
    recovery_left: int
    must: bool
    """The role cannot do without a password."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A login, for its owner and for the principal."""

    id: PublicId
    label: str
    place: str
    """box, school, outside, or "" where that is not known."""
    since_ms: int
    seen_ms: int
    here: bool
    """The one that asks."""


@dataclass(frozen=True, slots=True)
class StaffRow:
    """How somebody else signs in, for the principal."""

    person: PublicId
    full_name: str
    role: Role
    name: str
    """Sign-in name, "" if there is none yet."""
    password: bool
    second: bool
    disabled: bool
    sessions: int


@dataclass(frozen=True, slots=True)
class FreshCode:
    """A one-use code, to be shown once."""

    code: Secret
    minutes: int


class AccountDoor(Protocol):
    """Passwords, second factors and sessions."""

    def any_password(self) -> bool:
        """Say whether anybody at this school signs in by password yet."""

    def may_have(self, caller: Caller) -> bool:
        """Say whether the caller's role has an account."""

    def must_set(self, caller: Caller) -> bool:
        """Say whether the caller has to choose a password before anything else."""

    def stale(self, caller: Caller) -> bool:
        """Say whether the caller's login is too old for a sensitive act."""

    async def by_password(self, name: str, password: Secret, peer: Peer, mark: Secret | None) -> Entered | Halfway:
        """Sign in; LoginRefused, LoginBusy, DaemonUnavailable."""

    async def by_code(self, code: Secret, peer: Peer, mark: Secret | None) -> Entered | Halfway:
        """Spend a one-use code; CodeRefused."""

    async def second(self, half: Secret, typed: Secret, peer: Peer, mark: Secret | None) -> Entered:
        """Bring the second factor; LoginRefused."""

    async def again(self, caller: Caller, password: Secret, typed: Secret, peer: Peer) -> SignedIn:
        """Prove who one is and get a fresh session; LoginRefused."""

    def past(self, token: Secret) -> PublicId | None:
        """Return whose login a token was, if that grew old; None for one that lives, was ended, or never was."""

    def seal_form(self, person: PublicId, path: str, text: str) -> str:
        """Return a form of somebody whose login is over, as it may stand on the page that asks for it."""

    def open_form(self, caller: Caller, sealed: str) -> tuple[str, str] | None:
        """Return page and fields to the person they were sealed for; None to anybody else."""

    async def facts(self, caller: Caller) -> AccountFacts:
        """Return the caller's own account; its sign-in name is chosen on first use."""

    async def choose_password(self, caller: Caller, current: Secret, new: Secret, peer: Peer) -> SignedIn:
        """Set or change one's own password; LoginRefused, Denied, BadInput (`case`)."""

    async def begin_second(self, caller: Caller) -> tuple[Secret, str]:
        """Return a secret for an authenticator app and the address of its QR code; LoginRefused."""

    async def finish_second(self, caller: Caller, typed: Secret) -> Sequence[str]:
        """Switch the second factor on; returns the codes for a lost phone. BadInput, Denied."""

    async def drop_second(self, caller: Caller) -> None:
        """Switch one's own second factor off; Denied without a fresh login."""

    async def sessions(self, caller: Caller, person: PublicId) -> Sequence[SessionRow]:
        """Return a person's logins, newest first; the route has decided that the caller may."""

    async def end(self, caller: Caller, session: PublicId) -> None:
        """End one login, one's own or (the principal) anybody's; NotFound."""

    async def end_others(self, caller: Caller) -> int:
        """End all of one's logins but this one; returns how many."""

    async def staff(self, caller: Caller) -> Sequence[StaffRow]:
        """Return everybody who has, or may have, an account; for those who may manage people."""

    async def rename(self, caller: Caller, person: PublicId, name: str) -> None:
        """Give a person another sign-in name; BadInput, NotFound, Denied."""

    async def reset(self, caller: Caller, person: PublicId) -> FreshCode:
        """Forget a person's password, end the logins and return a one-use code; Denied, NotFound."""
