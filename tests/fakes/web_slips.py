"""Slips, devices and approval as the pages see them, in memory; proofs are checked as the box does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from gateway.access.devicekeys import Challenges, Proof, Purpose, proves, read_point
from gateway.core.bus import Bus
from gateway.core.clock import Clock
from gateway.core.errors import BadInput, CodeRefused, NotFound
from gateway.core.model import PublicId, Role, Secret, new_public_id
from tests.fakes.clock import NOON_MS
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

DAY_MS = 86_400_000
TOPIC = "standing"


@dataclass
class FakeSlip:
    """A slip that was printed."""

    caller: Caller
    digits: str = ""
    checked: bool = True
    tries: int = 0
    used: bool = False


@dataclass
class FakeDevice:
    """A device that a slip bound."""

    row: DeviceRow
    caller: Caller
    state: str
    why: str = ""
    token: str = ""
    points: dict[PublicId, bytes] = field(default_factory=dict)


class FakeSlips:
    """Implements `SlipDoor`; `slips` by secret, `devices` by id."""

    def __init__(
        self,
        clock: Clock,
        tell: Callable[[str], None],
        sign_in: Callable[[Caller], SignedIn],
        sessions: dict[str, Caller],
    ) -> None:
        self._clock, self._tell, self._sign_in, self._sessions = clock, tell, sign_in, sessions
        self._renewals = 0
        self.challenges = Challenges(clock.mono_ns)
        self.slips: dict[str, FakeSlip] = {}
        self.devices_of: dict[PublicId, FakeDevice] = {}
        self.ended: dict[PublicId, EndedDevice] = {}
        self.tokens: dict[str, PublicId] = {}
        self.bus = Bus()

    def challenge(self) -> str:
        return self.challenges.make()

    async def look(self, secret: Secret, peer: Peer) -> Invitation:
        slip = self._slip(secret)
        return Invitation("Lớp Mầm 1", "mother", bool(slip.digits), self._clock.now_ms() + 7 * DAY_MS)

    def _slip(self, secret: Secret) -> FakeSlip:
        slip = self.slips.get(secret.reveal())
        if slip is None:
            raise CodeRefused("no such slip", reason="slip.unknown")
        if slip.used or slip.tries >= 5:
            raise CodeRefused("over", reason="slip.used" if slip.used else "slip.void")
        return slip

    async def bind(self, secret: Secret, digits: str, proof: KeyProof, replaces: str, peer: Peer) -> Bound:
        self._tell(f"bind from {peer.address}")
        point = self._proven(proof)
        slip = self._slip(secret)
        if slip.digits and digits != slip.digits:
            slip.tries += bool(digits)
            raise CodeRefused("digits", reason="slip.digits", left=5 - slip.tries)
        mine = [item for item in self.devices_of.values() if item.caller == slip.caller and item.state != "refused"]
        if len(mine) >= 2:
            if replaces not in {item.row.id for item in mine}:
                pairs = tuple((item.row.id, item.row.label) for item in mine)
                raise CodeRefused("limit", reason="device.limit", devices=pairs)
            del self.devices_of[PublicId(replaces)]
        slip.used = True
        return self._bound(slip.caller, point, peer, approved=slip.checked)

    def _bound(self, caller: Caller, point: bytes, peer: Peer, *, approved: bool) -> Bound:
        device, key = new_public_id(), new_public_id()
        row = DeviceRow(device, device_label(peer.agent), self._clock.now_ms(), approved)
        self.devices_of[device] = FakeDevice(row, caller, "approved" if approved else "waiting", points={key: point})
        return Bound(key, self._sign_in(caller) if approved else None)

    def _proven(self, proof: KeyProof) -> bytes:
        point = read_point(proof.key)
        if not proves(point, Purpose.BIND, Proof(proof.challenge, proof.signature)):
            raise CodeRefused("no proof", reason="device.proof")
        return point

    def _by_key(self, key: str) -> FakeDevice | None:
        return next((item for item in self.devices_of.values() if PublicId(key) in item.points), None)

    async def enter(self, key: str, proof: KeyProof, peer: Peer) -> SignedIn:
        self._tell("enter")
        device = self._by_key(key)
        if device is None:
            raise CodeRefused("unknown", reason="device.unknown")
        given = Proof(proof.challenge, proof.signature)
        if not proves(device.points[PublicId(key)], Purpose.ENTER, given) or not self.challenges.take(proof.challenge):
            raise CodeRefused("no proof", reason="device.proof")
        if device.state != "approved":
            raise CodeRefused("not yet", reason=f"device.{device.state}")
        return self._renewed(device)

    def _renewed(self, device: FakeDevice) -> SignedIn:
        """A new token; the old one opens nothing any more."""
        fresh = self._sign_in(device.caller)
        token = f"{fresh.token.reveal()}-{self._renewals}"
        self._renewals += 1
        for old in (device.token, fresh.token.reveal()):
            self._sessions.pop(old, None)
        device.token = token
        self._sessions[token] = device.caller
        return replace(fresh, token=Secret(token))

    async def standing(self, key: str) -> Standing:
        device = self._by_key(key)
        if device is None:
            raise NotFound("no such device")
        return Standing(device.state, device.why)

    @contextmanager
    def changes(self) -> Iterator[AsyncIterator[object]]:
        with self.bus.subscribe(TOPIC) as subscription:
            yield aiter(subscription)

    def hand_over(self, caller: Caller) -> Secret | None:
        mine = next((item for item in self.devices_of.values() if item.caller == caller), None)
        if mine is None:
            return None
        self.tokens["HANDOVER"] = mine.row.id
        return Secret("HANDOVER")

    async def take_over(self, token: Secret, proof: KeyProof, peer: Peer) -> Bound:
        point, device = self._proven(proof), self.tokens.pop(token.reveal(), None)
        if device is None:
            raise CodeRefused("used", reason="handover.unknown")
        key = new_public_id()
        self.devices_of[device].points[key] = point
        return Bound(key, self._sign_in(self.devices_of[device].caller))

    async def devices(self, caller: Caller) -> Sequence[DeviceRow]:
        return [item.row for item in self.devices_of.values() if item.caller == caller and item.state != "refused"]

    async def end_device(self, caller: Caller, device: PublicId) -> None:
        item = self.devices_of.get(device)
        if item is None or (caller.role is Role.GUARDIAN and item.caller != caller):
            raise NotFound("no such device")
        self._tell(f"end {item.row.label} by {caller.person}")
        self.ended[device] = EndedDevice(item.caller.name, item.row.label, NOON_MS)
        del self.devices_of[device]

    def ties(self, caller: Caller) -> Sequence[Tie]:
        return [Tie("Bé An Nhiên", "Lớp Mầm 1", "mother")]

    def decide(self, device: PublicId, state: str, why: str = "") -> None:
        """Approve or refuse, and wake whoever waits."""
        item = self.devices_of[device]
        item.state, item.why, item.row = state, why, replace(item.row, approved=state == "approved")
        self.bus.publish(TOPIC)


class FakeInvites:
    """Implements `InviteDoor` over the same slips."""

    def __init__(self, clock: Clock, slips: FakeSlips, guardians: Sequence[Caller], class_id: PublicId) -> None:
        self._clock, self.door, self._guardians, self._class = clock, slips, guardians, class_id
        self.made: list[tuple[tuple[PublicId, ...], bool]] = []

    def classes(self, caller: Caller) -> Sequence[tuple[PublicId, str]]:
        return [(self._class, "Lớp Mầm 1")] if caller.role in {Role.PRINCIPAL, Role.TEACHER} else []

    def may_approve(self, caller: Caller) -> bool:
        return caller.role is Role.PRINCIPAL

    async def rows(self, caller: Caller, class_id: PublicId) -> Sequence[InviteRow]:
        rows = []
        for person in self._guardians:
            devices = tuple(await self.door.devices(person))
            state = "bound" if any(item.approved for item in devices) else "waiting" if devices else "none"
            rows.append(
                InviteRow(person.person, person.name, "Bé An Nhiên", "mother", "09•• ••• 678", state, None, devices)
            )
        return rows

    async def devices(self, caller: Caller, person: PublicId) -> Sequence[DeviceRow]:
        if caller.role not in {Role.PRINCIPAL, Role.TEACHER}:
            return ()
        return [item.row for item in self.door.devices_of.values() if item.caller.person == person]

    async def ended(self, caller: Caller, device: PublicId) -> EndedDevice | None:
        return self.door.ended.get(device) if caller.role in {Role.PRINCIPAL, Role.TEACHER} else None

    async def slips(self, caller: Caller, persons: Sequence[PublicId], *, checked: bool) -> Sequence[PrintedSlip]:
        known = {item.person for item in self._guardians}
        if not set(persons) <= known:
            raise NotFound("no such guardian")
        self.made.append((tuple(persons), checked))
        url = Secret("HTTPS://VUON.TEST/P/MOI#ABCDEFGHIJKLMNOPQRSTUVWX23")
        ends_ms = self._clock.now_ms() + 7 * DAY_MS
        return [PrintedSlip("An Nhiên", "Lớp Mầm 1", "mother", url, Secret("ABCD-EFGH-JKLM"), ends_ms) for _ in persons]

    async def waiting(self, caller: Caller) -> Sequence[WaitingRow]:
        await asyncio.sleep(0)
        return [
            WaitingRow(
                item.row.id,
                item.caller.name,
                (Tie("Bé An Nhiên", "Lớp Mầm 1", "mother"),),
                "09•• ••• 678",
                item.row.label,
                item.row.since_ms,
                0,
                (PresentGuardian("Trần Văn Ba", "father", 1),),
            )
            for item in self.door.devices_of.values()
            if item.state == "waiting"
        ]

    async def waiting_count(self) -> int:
        return sum(item.state == "waiting" for item in self.door.devices_of.values())

    async def approve(self, caller: Caller, device: PublicId) -> None:
        self._waits(device)
        self.door.decide(device, "approved")

    async def refuse(self, caller: Caller, device: PublicId, why: str) -> None:
        self._waits(device)
        if len(why) > 80:
            raise BadInput("too long")
        self.door.decide(device, "refused", why)

    def _waits(self, device: PublicId) -> None:
        item = self.door.devices_of.get(device)
        if item is None or item.state != "waiting":
            raise NotFound("no such device waits")
