"""Who may call a route: declared beside the route, enforced before its body runs.

Owns the three kinds of declaration: `Public`, `SignedIn` and `Right`. Invariants: every route has exactly
one (a test walks the app); an id the person may not know of raises NotFound, exactly like an id that
names nothing; media routes leave the decision to the grant, because that is what writes the audit row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from gateway.access.roletable import MAY
from gateway.core.errors import Denied, NotFound
from gateway.core.model import LEADER_ROLES, STAFF_ROLES, Action, ObjectKind, ObjectRef, PublicId, Role, is_public_id
from web.caller import Caller
from web.problems import MACHINE_PATHS
from web.services import Services
from web.session import caller_of, player_of, services_of


class SignInNeededError(Exception):
    """No valid session; pages send people to sign in, the API answers 401."""


class PasswordNeededError(Exception):
    """The person has to choose a password before any page is shown."""


class Guard:
    """One route's declaration; the instance is its FastAPI dependency."""

    def describe(self) -> str:
        """Return the declaration as `docs/ref/routes.md` shows it."""
        raise NotImplementedError

    def who(self) -> tuple[str, ...]:
        """Return who can get past it at all, sorted: roles, or words for those who are no person of the school."""
        return ()

    def act(self) -> tuple[str, str]:
        """Return action and kind of object that the policy is asked about; empty where it is not asked."""
        return "", ""


@dataclass(frozen=True, slots=True)
class Public(Guard):
    """Anybody, signed in or not: the route shows nothing of a school's children, people or cameras."""

    async def __call__(self) -> None:
        """Admit."""

    def describe(self) -> str:
        """Return the declaration in words."""
        return "public"

    def who(self) -> tuple[str, ...]:
        """Return anybody."""
        return ("anybody",)


@dataclass(frozen=True, slots=True)
class SignedIn(Guard):
    """A person with one of the roles; to others the route does not exist."""

    roles: frozenset[Role] = frozenset(Role)
    fresh: bool = False
    """Only for somebody who proved a moment ago who they are; access enforces it, this says so before the body runs."""

    async def __call__(self, request: Request) -> Caller:
        """Return the caller; SignInNeededError, NotFound, or Denied for a login that is not fresh."""
        caller = await caller_of(request)
        if caller is None:
            raise SignInNeededError
        if caller.role not in self.roles:
            raise NotFound("not a route of this role")
        page = _is_page(request)
        if page and services_of(request).accounts.must_set(caller):
            raise PasswordNeededError
        if self.fresh:
            _demand_fresh(services_of(request), caller)
        if page and caller.role in LEADER_ROLES:  # numbers beside its places; an act waits for none
            request.state.waiting_at = await services_of(request).waits.counts(caller)
        return caller

    def describe(self) -> str:
        """Return the declaration in words."""
        who = "" if self.roles == frozenset(Role) else ": " + ", ".join(sorted(self.roles))
        return f"signed in{who}" + (", with a fresh login" if self.fresh else "")

    def who(self) -> tuple[str, ...]:
        """Return the roles."""
        return tuple(sorted(self.roles))


@dataclass(frozen=True, slots=True)
class Right(Guard):
    """A person whom the policy lets do `action` to the object in the path (or to the box)."""

    action: Action
    kind: ObjectKind
    parameter: str = ""
    """Path parameter with the object's id; empty = the box itself."""
    by_grant: bool = False
    """The route asks for a grant, which decides and writes the audit row; here only `knows`."""
    roles: frozenset[Role] = frozenset(Role)
    fresh: bool = False
    """Only for somebody who proved a moment ago who they are; access enforces it, this says so before the body runs."""
    players: bool = False
    """Also for whoever brings a player's token; who brings one is that player, whatever cookie comes with it."""

    async def _caller(self, request: Request) -> Caller:
        if not (self.players and "authorization" in request.headers):
            return await SignedIn(self.roles)(request)
        caller = await player_of(request)
        if caller is None or caller.role not in STAFF_ROLES:
            raise SignInNeededError
        return caller

    async def __call__(self, request: Request) -> Caller:
        """Return the caller; SignInNeededError, NotFound or Denied."""
        caller = await self._caller(request)
        services = services_of(request)
        if self.fresh:
            _demand_fresh(services, caller)
        name = str(request.path_params[self.parameter]) if self.parameter else services.site.box
        obj = ObjectRef(self.kind, PublicId(name))
        if self.parameter and not (is_public_id(name) and services.rights.knows(caller, obj)):
            await services.rights.refused(caller, self.action, obj)
            raise NotFound("no such object")
        if not self.by_grant:
            decision = services.rights.decide(caller, self.action, obj)
            if not decision.allowed:
                await services.rights.refused(caller, self.action, obj)
                raise Denied("the policy refuses", reason=decision.reason, next_ms=decision.next_ms)
        return caller

    def describe(self) -> str:
        """Return the declaration in words."""
        where = f"{self.kind}" + (f" {{{self.parameter}}}" if self.parameter else "")
        who = "" if self.roles == frozenset(Role) else f" ({', '.join(sorted(self.roles))} only)"
        tokens = ", also by a player's token" if self.players else ""
        tokens += ", with a fresh login" if self.fresh else ""
        return f"{self.action} of {where}{who}" + (", decided by the grant" if self.by_grant else "") + tokens

    def who(self) -> tuple[str, ...]:
        """Return the roles that may ever do this to such an object, and a player where its token is taken."""
        roles = (role for role in self.roles if self.kind in MAY[role].get(self.action, ()))
        return (*sorted(roles), *(("player",) if self.players else ()))

    def act(self) -> tuple[str, str]:
        """Return what the policy is asked."""
        return str(self.action), str(self.kind)


def _demand_fresh(services: Services, caller: Caller) -> None:
    if services.accounts.stale(caller):
        raise Denied("this needs a fresh login", reason="login.stale")


def _is_page(request: Request) -> bool:
    """Say whether this opens a page, other than those on which a password is chosen."""
    return request.method == "GET" and not request.url.path.startswith((*MACHINE_PATHS, "/mat-khau"))


STAFF = SignedIn(STAFF_ROLES)
GUARDIAN = SignedIn(frozenset({Role.GUARDIAN}))
ANYBODY = Public()
SOMEBODY = SignedIn()


def guards_of(route: Any) -> list[Guard]:
    """Return the declarations of a FastAPI route, dependencies of dependencies included."""
    found: list[Guard] = []
    pending = [route.dependant]
    while pending:
        dependant = pending.pop()
        pending.extend(dependant.dependencies)
        if isinstance(dependant.call, Guard):
            found.append(dependant.call)
    return found
