"""What web asks for, answered by access, live and the recorder: the adapters of `web.services`.

Owns the translation between the parts' own types; decides nothing. Invariants: a picture is fetched only
with a signed grant; whose session it is comes from the login, never from the request; what a person may
not know of is NotFound.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access import login as access_login
from gateway.access.audit import Actor
from gateway.access.devices import Devices
from gateway.access.grants import Grants
from gateway.access.login import Logins
from gateway.access.opengrants import OpenGrants
from gateway.access.players import Players
from gateway.access.reasons import Reason
from gateway.access.roletable import MAY
from gateway.access.sharing import Sharing as SharingActs
from gateway.access.store import FactStore, Need, refusal
from gateway.core.bus import Bus
from gateway.core.errors import CodeRefused, Denied, NotFound
from gateway.core.iceservers import IceServer
from gateway.core.model import (
    STAFF_ROLES,
    Action,
    Decision,
    Grant,
    ObjectRef,
    PublicId,
    Role,
    Secret,
    StreamRole,
    WallPlace,
)
from gateway.core.ticket import sign
from gateway.core.wire import ControlClient
from gateway.live.client import LiveClient
from gateway.roofs.actors import actor_of
from gateway.roofs.footage_desk import FootageDesk
from gateway.roofs.names import Names
from web.caller import Caller, SignedIn
from web.services import Change, OpenedLive, OpenView, Sharing, Still

FACTS_TOPIC, ENDED_TOPIC = "facts", "ended"
FACELESS = frozenset({Reason.NOT_FOUND, Reason.ROLE, Reason.PERSON_UNKNOWN, Reason.PERSON_DISABLED})
"""Answers that are the same whether or not the thing exists."""


class LoginPort:
    """`web.services.Logins` over access."""

    def __init__(self, logins: Logins, devices: Devices, players: Players, names: Names) -> None:
        self._logins, self._devices, self._names = logins, devices, names
        self._players = players

    def signed_in(self, fresh: access_login.SignedIn) -> SignedIn:
        """Return a fresh session with its caller; CodeRefused for somebody who has no name here any more."""
        caller = self._caller(fresh.session)
        if caller is None:
            raise CodeRefused("this person may not sign in", reason="person.unknown")
        return SignedIn(fresh.token, caller)

    async def session(self, token: Secret, *, active: bool) -> Caller | None:
        """Return who holds the token."""
        session = self._logins.who(token.reveal(), active=active)
        return self._caller(session) if session is not None else None

    async def player(self, token: Secret) -> Caller | None:
        """Return whose player holds the token."""
        player = self._players.who(token.reveal())
        if player is None:
            return None
        return Caller(player.person, player.role, self._names.person(player.person), player.id)

    def _caller(self, session: access_login.Session) -> Caller | None:
        name = self._names.person(session.person)
        mark = name if session.role not in STAFF_ROLES else ""
        if session.role is Role.GUARDIAN:
            mark = self._names.mark(session.person)
        return Caller(session.person, session.role, name, session.id, mark)

    async def sign_out(self, token: Secret) -> None:
        """End the session, and unbind a guardian's device, whose key would sign it in again; streams end with it."""
        session = self._logins.who(token.reveal(), active=False)
        await self._logins.sign_out(token.reveal())
        if session is not None and session.device is not None:
            await self._devices.end(Actor(session.person, session.id), session.device)


class RightsPort:
    """`web.services.Rights` without the lists (those are `web_lists`)."""

    def __init__(self, store: FactStore, grants: Grants) -> None:
        self._store, self._grants = store, grants

    def knows(self, caller: Caller, obj: ObjectRef) -> bool:
        """Say whether the person may know that this exists: some act of their role on it is not "not there"."""
        acts = (action for action, kinds in MAY[caller.role].items() if obj.kind in kinds)
        return any(self.decide(caller, action, obj).reason not in FACELESS for action in acts)

    def decide(self, caller: Caller, action: Action, obj: ObjectRef) -> Decision:
        """Return the decision of now, unaudited."""
        actor = actor_of(caller)
        return self._store.answer(self._store.current, actor, Need(action, obj), self._store.clock.now_ms())

    async def refused(self, caller: Caller, action: Action, obj: ObjectRef) -> None:
        """Write the refusal as `demand` does; what is allowed meanwhile leaves nothing."""
        with suppress(Denied, NotFound):
            await self._store.demand(actor_of(caller), Need(action, obj))

    def came_from(self, caller: Caller, address: str) -> None:
        """Note where a session asks from."""
        self._store.circumstances.came_from(caller.device, address)

    async def grant(self, caller: Caller, action: Action, camera: PublicId) -> Grant:
        """Decide with an audit row."""
        decision, grant = await self._grants.issue(caller.person, caller.device, action, camera)
        if grant is None:
            error = refusal(decision)
            error.fields["next_ms"] = decision.next_ms
            raise error
        return grant


class LivePort:
    """`web.services.LiveDoor` over open grants and the live daemon."""

    def __init__(
        self,
        opened: OpenGrants,
        client: LiveClient,
        names: Names,
        state: Callable[[PublicId], Mapping[str, Any]],
        servers: Callable[[], tuple[IceServer, ...]] = tuple,
    ) -> None:
        """`state` returns how a grant's session was a moment ago, as the live daemon told."""
        self._open, self._client, self._names = opened, client, names
        self._state, self._servers = state, servers

    async def open(self, caller: Caller, camera: PublicId, offer: str, stream: StreamRole) -> OpenedLive:
        """Decide, write the audit row, open."""
        _, opened = await self._open.open(caller.person, caller.device, camera, offer, stream=stream)
        return OpenedLive(str(opened.session), opened.answer, servers=self._servers())

    async def open_tile(
        self, caller: Caller, camera: PublicId, offer: str, stream: StreamRole, place: WallPlace
    ) -> OpenedLive:
        """Do the same for a tile of a page."""
        _, opened = await self._open.open(caller.person, caller.device, camera, offer, stream=stream, place=place)
        servers = self._servers() if opened.answer else ()
        return OpenedLive(opened.session, opened.answer, opened.wall, servers)

    async def candidate(self, caller: Caller, camera: PublicId, session: str, fragment: str) -> None:
        """Pass trickled candidates of the caller's own session."""
        self._own(caller, camera, session)
        await self._client.candidate(PublicId(session), fragment)

    async def close(self, caller: Caller, camera: PublicId, session: str) -> None:
        """End the caller's own session."""
        self._own(caller, camera, session)
        await self._open.leave(session, caller.device)

    def _own(self, caller: Caller, camera: PublicId, session: str) -> None:
        for watch in self._open.watches():
            grant = watch.grant
            if watch.session == session and grant.device == caller.device and grant.camera == camera:
                return
        raise NotFound("no such session")

    def watching(self) -> Sequence[OpenView]:
        """Return who watches what now."""
        grants = [watch.grant for watch in self._open.watches()]
        return [
            OpenView(
                grant.camera,
                grant.person,
                self._names.person(grant.person),
                grant.role,
                grant.issued_ms,
                *shown_as(self._state(grant.id)),
            )
            for grant in grants
        ]


def shown_as(state: Mapping[str, Any]) -> tuple[str, str]:
    """Return way and quality of a session for people: (outside, relay or "", turn, stills, weak, smaller or "")."""
    way = "relay" if state.get("path") == "relay" else "outside" if state.get("outside") else ""
    place = str(state.get("place", ""))
    if place in {"turn", "stills"}:
        return way, place
    return way, "weak" if state.get("link_weak") else "smaller" if place == "smaller" else ""


class SharingPort:
    """`web.services.SharingSwitch` over the facts."""

    def __init__(self, store: FactStore, acts: SharingActs) -> None:
        self._store, self._acts = store, acts

    def state(self) -> Sharing:
        """Return the switch's position."""
        return Sharing(self._store.current.sharing_stopped)

    async def stop(self, caller: Caller) -> None:
        """Stop sharing with all guardians."""
        await self._acts.stop_all(actor_of(caller), stopped=True)

    async def resume(self, caller: Caller) -> None:
        """Share again."""
        await self._acts.stop_all(actor_of(caller), stopped=False)


class ChangesPort:
    """`web.services.Changes` over the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    @contextmanager
    def of(self, caller: Caller) -> Iterator[AsyncIterator[Change]]:
        """Subscribe to what concerns this caller."""
        with self._bus.subscribe(FACTS_TOPIC, ENDED_TOPIC) as subscription:

            async def changes() -> AsyncIterator[Change]:
                async for value in subscription:
                    if value is None:
                        yield Change("facts")
                    elif value[0] == caller.device:
                        yield Change("ended", session=value[1], reason=value[2])

            yield changes()


class KeyPort:
    """`web.services.KeyDoor` over the desk that relays and writes the audit."""

    def __init__(self, desk: FootageDesk) -> None:
        self._desk = desk

    async def status(self) -> Mapping[str, Any]:
        """Return the recorder's `key.status`."""
        return await self._desk.status()

    async def act(self, caller: Caller, act: str, secrets: Mapping[str, Secret]) -> Mapping[str, Any]:
        """Do one act with an audit row."""
        return await self._desk.act(actor_of(caller), act, secrets)


class RecorderDoor:
    """`web.services.RecorderPort` over the recorder's control socket."""

    def __init__(self, client: ControlClient, key: Ed25519PrivateKey, might_see: Callable[[Grant, int], bool]) -> None:
        self._client, self._key, self._might_see = client, key, might_see

    async def status(self) -> Mapping[str, Any]:
        """Return the recorder's `status`."""
        return (await self._client.call("status")).result

    async def still(self, grant: Grant, width: int) -> Still:
        """Return the newest still for a grant; NotFound if it shows a time the person may not see."""
        reply = await self._client.call("still", {"ticket": sign(grant, self._key), "width": width})
        result = reply.result
        if not self._might_see(grant, int(result["captured_ms"])):
            raise NotFound("there is no still of this person's hours", key="camera")
        return Still(int(result["captured_ms"]), int(result["width"]), int(result["height"]), reply.blob)
