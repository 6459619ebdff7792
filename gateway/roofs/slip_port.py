"""Slips, bound devices and approvals for the pages: the adapters of `web.slip_services`.

Owns the translation and the names that are put to ids; decides nothing. Invariants: what a slip shows before its digits
holds no name of a person; a printed slip holds a given name only; numbers are masked here, whole ones go no further.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager

from gateway.access import invitees
from gateway.access import login as access_login
from gateway.access.approvals import LOOK, Approvals
from gateway.access.audit import Actor
from gateway.access.devicekeys import Proof
from gateway.access.devices import Device, Devices
from gateway.access.facts import Guardian
from gateway.access.invitations import Binding, Invitations
from gateway.access.invitees import Invitees
from gateway.access.login import Logins
from gateway.access.phones import masked
from gateway.access.store import FactStore
from gateway.core.bus import Bus
from gateway.core.model import PublicId, Secret
from gateway.roofs.actors import actor_of
from gateway.roofs.names import Names, list_order
from gateway.roofs.web_ports import FACTS_TOPIC
from web.caller import Caller, Peer, SignedIn
from web.inapp import device_label
from web.slip_services import (
    Bound,
    DeviceRow,
    EndedDevice,
    Invitation,
    InviteRow,
    KeyProof,
    PresentGuardian,
    PrintedSlip,
    Standing,
    Tie,
    WaitingRow,
)


def given_name(name: str) -> str:
    """Return what a child is called without the family name: the last two words, one if there are only two."""
    words = name.split()
    return " ".join(words[1:][-2:]) if len(words) > 1 else name


def slip_url(web_url: str, secret: str) -> str:
    """Return the address of a slip; capitals, for a smaller QR code (ISO/IEC 18004, alphanumeric mode)."""
    return f"{web_url.upper()}/P/MOI#{secret}"


class SlipPort:
    """`web.slip_services.SlipDoor` over access."""

    def __init__(
        self,
        slips: Invitations,
        devices: Devices,
        logins: Logins,
        names: Names,
        bus: Bus,
        signed_in: Callable[[access_login.SignedIn], SignedIn],
        store: FactStore,
    ) -> None:
        """`signed_in` makes a caller of a fresh session."""
        self._slips, self._devices, self._logins, self._names, self._bus = slips, devices, logins, names, bus
        self._signed_in, self._store = signed_in, store

    def challenge(self) -> str:
        """Return something to sign."""
        return self._devices.challenge()

    async def look(self, secret: Secret, peer: Peer) -> Invitation:
        """Say what a slip is for."""
        look = await self._slips.look(secret.reveal(), address=peer.address)
        named = (self._names.classes.get(class_id) for class_id in look.classes)
        return Invitation(
            ", ".join(row.name for row in named if row is not None), look.kind, look.asks_digits, look.expires_ms
        )

    async def bind(self, secret: Secret, digits: str, proof: KeyProof, replaces: str, peer: Peer) -> Bound:
        """Spend a slip."""
        binding = Binding(
            proof.key, Proof(proof.challenge, proof.signature), device_label(peer.agent), digits, replaces
        )
        bound = await self._slips.bind(secret.reveal(), binding, address=peer.address)
        return Bound(bound.key, self._signed_in(bound.signed_in) if bound.signed_in is not None else None)

    async def enter(self, key: str, proof: KeyProof, peer: Peer) -> SignedIn:
        """Begin or renew a session."""
        given = Proof(proof.challenge, proof.signature)
        return self._signed_in(await self._devices.enter(key, given, label=device_label(peer.agent)))

    async def standing(self, key: str) -> Standing:
        """Say how far it is."""
        found = await self._devices.standing(key)
        return Standing(found.state, found.why)

    @contextmanager
    def changes(self) -> Iterator[AsyncIterator[object]]:
        """Subscribe to changes of facts: an approval is one."""
        with self._bus.subscribe(FACTS_TOPIC) as subscription:
            yield aiter(subscription)

    def hand_over(self, caller: Caller) -> Secret | None:
        """Return a token for the app."""
        device = self._here(caller)
        return self._devices.hand_over(caller.person, device) if device is not None else None

    async def take_over(self, token: Secret, proof: KeyProof, peer: Peer) -> Bound:
        """Bind the app."""
        given = Proof(proof.challenge, proof.signature)
        key, fresh = await self._devices.take_over(token.reveal(), proof.key, given, label=device_label(peer.agent))
        return Bound(key, self._signed_in(fresh))

    async def devices(self, caller: Caller) -> Sequence[DeviceRow]:
        """Return the caller's own."""
        here = self._here(caller)
        return [device_row(item, here) for item in await self._devices.of(caller.person)]

    async def end_device(self, caller: Caller, device: PublicId) -> None:
        """End one."""
        await self._devices.end(actor_of(caller), device)

    def ties(self, caller: Caller) -> Sequence[Tie]:
        """Return for whom the caller stands."""
        rows = invitees.ties_of(self._store.current, caller.person, self._store.clock.now_ms())
        return [tie_row(row, self._names) for row in rows]

    def _here(self, caller: Caller) -> PublicId | None:
        mine = self._logins.sessions(caller.person)
        return next((item.device for item in mine if item.id == caller.device), None)


class InvitePort:
    """`web.slip_services.InviteDoor` over access."""

    def __init__(
        self,
        store: FactStore,
        slips: Invitations,
        devices: Devices,
        logins: Logins,
        names: Names,
        web_url: str,
    ) -> None:
        self._store, self._slips, self._devices = store, slips, devices
        self._approvals = Approvals(store, logins)
        self._invitees, self._names, self._url = Invitees(store), names, web_url

    def classes(self, caller: Caller) -> Sequence[tuple[PublicId, str]]:
        """Return the classes to invite for."""
        actor = actor_of(caller)
        mine = [
            (row.id, row.name)
            for row in self._names.classes.values()
            if invitees.may_invite(self._store, actor, row.id)
        ]
        return sorted(mine, key=lambda item: item[1])

    def may_approve(self, caller: Caller) -> bool:
        """Say whether the caller approves."""
        store = self._store
        return store.answer(store.current, actor_of(caller), LOOK, store.clock.now_ms()).allowed

    async def rows(self, caller: Caller, class_id: PublicId) -> Sequence[InviteRow]:
        """Return the guardians of a class, a family together, in the order of a class list."""
        found = await self._invitees.of_class(actor_of(caller), class_id)
        rows = [
            InviteRow(
                row.person,
                self._names.person(row.person),
                self._names.child(row.child),
                row.kind,
                masked(self._names.phones.get(row.person)),
                row.state,
                row.slip_ends_ms,
                tuple(device_row(item) for item in await self._devices.of(row.person)),
            )
            for row in sorted(found, key=lambda row: row.child)
        ]
        return sorted(rows, key=lambda row: list_order(row.child))

    async def devices(self, caller: Caller, person: PublicId) -> Sequence[DeviceRow]:
        """Return a guardian's devices to whoever may end them."""
        if not self._devices.may_end(actor_of(caller), person):
            return ()
        return [device_row(item) for item in await self._devices.of(person)]

    async def ended(self, caller: Caller, device: PublicId) -> EndedDevice | None:
        """Return a device that has just ended."""
        found = await self._devices.just_ended(actor_of(caller), device)
        return None if found is None else EndedDevice(self._names.person(found.person), found.label, found.at_ms)

    async def slips(self, caller: Caller, persons: Sequence[PublicId], *, checked: bool) -> Sequence[PrintedSlip]:
        """Make slips for the printer."""
        return await self.printed(actor_of(caller), persons, checked=checked)

    async def printed(self, actor: Actor, persons: Sequence[PublicId], *, checked: bool) -> list[PrintedSlip]:
        """Do it for whoever acts: all of them or, without the right to one, none."""
        now_ms = self._store.clock.now_ms()
        for person in persons:  # all or none
            await self._store.demand(actor, invitees.invite_need(self._store, actor, person))
        made = []
        for person in persons:
            slip = await self._slips.create(actor, person, checked=checked)
            ties = invitees.ties_of(self._store.current, person, now_ms)
            kinds, children = {tie.kind for tie in ties}, [self._names.child(tie.child) for tie in ties]
            mine = invitees.classes_of(self._store.current, person, now_ms)
            classes = (self._names.classes.get(item) for item in mine)
            made.append(
                PrintedSlip(
                    ", ".join(given_name(name) for name in children),
                    ", ".join(row.name for row in classes if row is not None),
                    kinds.pop() if len(kinds) == 1 else "",
                    Secret(slip_url(self._url, slip.secret.reveal())),
                    slip.code,
                    slip.expires_ms,
                )
            )
        return made

    async def waiting(self, caller: Caller) -> Sequence[WaitingRow]:
        """Return what waits."""
        return [
            WaitingRow(
                row.device,
                self._names.person(row.person),
                tuple(tie_row(tie, self._names) for tie in row.ties),
                masked(self._names.phones.get(row.person)),
                row.label,
                row.since_ms,
                row.own_devices,
                tuple(PresentGuardian(self._names.person(item.person), item.kind, item.devices) for item in row.others),
            )
            for row in await self._approvals.waiting(actor_of(caller))
        ]

    async def waiting_count(self) -> int:
        """Return how many wait."""
        return await self._approvals.count()

    async def approve(self, caller: Caller, device: PublicId) -> None:
        """Let a device in."""
        await self._approvals.approve(actor_of(caller), device)

    async def refuse(self, caller: Caller, device: PublicId, why: str) -> None:
        """Turn it away."""
        await self._approvals.refuse(actor_of(caller), device, why)


def device_row(item: Device, here: PublicId | None = None) -> DeviceRow:
    """Return a device for a page."""
    return DeviceRow(item.id, item.label, item.created_ms, item.approved, item.seen_ms, item.id == here)


def tie_row(tie: Guardian, names: Names) -> Tie:
    """Return a tie for a page."""
    child = names.children.get(tie.child)
    row = names.classes.get(child.class_id) if child is not None and child.class_id is not None else None
    return Tie(names.child(tie.child), row.name if row is not None else "", tie.kind)
