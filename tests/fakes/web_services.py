"""A whole box as the pages see it: people, rights, cameras and a recorder, all in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.core.bus import Bus
from gateway.core.clock import Clock
from gateway.core.errors import (
    CameraUnreachable,
    DaemonUnavailable,
    Denied,
    LiveFull,
    NotFound,
    PassphraseRefused,
    WallGone,
)
from gateway.core.iceservers import IceServer
from gateway.core.model import (
    LEADER_ROLES,
    Action,
    Decision,
    Grant,
    ObjectKind,
    ObjectRef,
    PublicId,
    Role,
    Secret,
    StreamRole,
    WallPlace,
    new_public_id,
)
from tests.fakes.web_accounts import FakeAccounts
from tests.fakes.web_consent import FakeConsents
from tests.fakes.web_copies import FakeCopies, FakeHolds
from tests.fakes.web_ledger import FakeLedger
from tests.fakes.web_observe import FakeObserve
from tests.fakes.web_people import FakePeople, NoLists
from tests.fakes.web_playback import FakePlayback
from tests.fakes.web_rooms import FakeSchool, room
from tests.fakes.web_slips import FakeInvites, FakeSlips
from tests.fakes.web_why import FakeWhy
from web.caller import Caller, SignedIn
from web.observe_services import Named
from web.room_services import Signature
from web.services import (
    Change,
    ClassDay,
    DayBlock,
    KnownCamera,
    OpenedLive,
    OpenView,
    Services,
    Sharing,
    SiteFacts,
    Still,
)

HOUR_MS = 3_600_000


def pid(name: str) -> PublicId:
    """A public id that a reader recognises: `pid("mam1")`."""
    return PublicId((name.replace("1", "b").replace("0", "a") + "a" * 16)[:16])


BOX = pid("box")
MAM, CHOI, LA = pid("mam2"), pid("choi2"), pid("la2")
YARD = pid("san2")
CLASS_MAM, CLASS_CHOI = pid("classmam"), pid("classchoi")

PRINCIPAL = Caller(pid("hang"), Role.PRINCIPAL, "Lê Thị Hằng", pid("desk"))
DEPUTY = Caller(pid("pho"), Role.PRINCIPAL, "Trần Thị Phó", pid("deskphoo"))
TEACHER = Caller(pid("hanh"), Role.TEACHER, "Cô Hạnh", pid("phone"))
MOTHER = Caller(pid("mai"), Role.GUARDIAN, "Trần Thị Mai", pid("galaxy"), "PH Trần Thị Mai · •••678")
FATHER = Caller(pid("nam"), Role.GUARDIAN, "Phạm Văn Nam", pid("iphone"), "PH Phạm Văn Nam · •••321")
OFFICER = Caller(pid("so"), Role.AUTHORITY_IT, "Sở GD", pid("office"))
GUEST = Caller(pid("khach"), Role.OBSERVER, "Cô Thanh", pid("khachmay"), "Cô Thanh")
INSTALLER = Caller(pid("tho"), Role.INSTALLER, "Thợ lắp", pid("laptop"))
EVERYBODY = {caller.role: caller for caller in (PRINCIPAL, TEACHER, MOTHER, OFFICER, INSTALLER)}

KEY_IN_BOX: Mapping[str, Any] = {
    "encrypted": True, "mode": "box", "unlocked": True, "place": "file", "disk": "apart", "passphrase_set": False,
    "since_ms": 1_790_000_000_000, "former": 0, "holders": [],
}  # fmt: skip
ALLOWED = Decision(True, "role.guardian")


BOX_ACTIONS = frozenset(
    {Action.STOP_ALL, Action.APPROVE, Action.AUDIT, Action.PEOPLE, Action.CONFIGURE, Action.OBSERVE}
)
"""What the fake principal may do to the box."""


@dataclass
class FakeBox:
    """Implements every protocol of `web.services`; tests set the fields."""

    clock: Clock
    sessions: dict[str, Caller] = field(default_factory=dict)
    players: dict[str, Caller] = field(default_factory=dict)
    codes: dict[str, Caller] = field(default_factory=dict)
    class_decision: Decision = ALLOWED
    windows: tuple[tuple[int, int], ...] = ()
    blocks: tuple[DayBlock, ...] = ()
    note: str = ""
    refusals: dict[tuple[PublicId, PublicId], Decision] = field(default_factory=dict)
    """What a grant is refused with, by person and camera."""
    views: list[OpenView] = field(default_factory=list)
    stopped: Sharing = field(default_factory=Sharing)
    recorder_down: bool = False
    stills: dict[PublicId, bytes] = field(default_factory=dict)
    still_age_ms: int = 800
    live_error: Exception | None = None
    answer: str = "v=0\r\nanswer\r\n"
    servers: tuple[IceServer, ...] = ()
    open_sessions: dict[str, tuple[Caller, PublicId]] = field(default_factory=dict)
    status_calls: int = 0
    volumes: list[dict[str, Any]] = field(
        default_factory=lambda: [{"id": "v", "path": "/srv", "state": "ok", "free_bytes": 38, "total_bytes": 100}]
    )
    addresses: dict[PublicId, str] = field(default_factory=dict)
    """Where each person asked from last."""
    waiting: Mapping[str, int] = field(default_factory=dict)
    """What waits for the leaders, by place."""
    calls: list[str] = field(default_factory=list)
    """What reached the services, in order, without secrets."""
    bus: Bus = field(default_factory=Bus)
    status_of: dict[PublicId, dict[str, Any]] = field(default_factory=dict)
    key: dict[str, Any] = field(default_factory=lambda: dict(KEY_IN_BOX))
    """What the recorder says of the footage key."""
    passphrase: str = "cây bàng trước cổng trường"
    key_error: Exception | None = None
    walls: dict[PublicId, list[tuple[int, PublicId]]] = field(default_factory=dict)
    """Shared connections: which line shows which camera."""
    refusals_written: list[tuple[PublicId, Action, ObjectRef]] = field(default_factory=list)
    """Refusals that left an audit row."""
    extra: list[PublicId] = field(default_factory=list)
    """More cameras of the school, seen by the principal."""

    def __post_init__(self) -> None:
        self.accounts = FakeAccounts(self)
        self.playback = FakePlayback(self)
        self.holds = FakeHolds(self.clock, self.calls.append)
        self.persons, self.lists = FakePeople(self.calls.append), NoLists()
        self.consents = FakeConsents(self.clock, self.calls.append)
        self.slips = FakeSlips(self.clock, self.calls.append, self._signed_in, self.sessions)
        self.invites = FakeInvites(self.clock, self.slips, (MOTHER, FATHER), CLASS_MAM)
        self.copies = FakeCopies(self.clock, self.calls.append, self.holds)
        self.school = FakeSchool(
            self.clock,
            self.calls.append,
            [room(CLASS_MAM, "Lớp Mầm 1"), room(CLASS_CHOI, "Lớp Chồi 1")],
            [Signature(TEACHER.person, TEACHER.name, ("Lớp Mầm 1",), None, None, "")],
        )
        classes = (Named(CLASS_MAM, "Lớp Mầm 1"), Named(CLASS_CHOI, "Lớp Chồi 1"))
        self.observe = FakeObserve(self.clock, self.calls.append, classes)
        self.ledger = FakeLedger(self.clock, self.calls.append)
        self.why = FakeWhy(self)
        for camera, name in ((MAM, "Lớp Mầm 1"), (CHOI, "Lớp Chồi 1"), (LA, "Lớp Lá 1"), (YARD, "Sân chơi")):
            self.status_of[camera] = {"id": camera, "name": name, "state": "up", "recording": True}
            self.stills[camera] = b"\xff\xd8still-of-" + camera.encode()
        for caller in (PRINCIPAL, DEPUTY, TEACHER, MOTHER, FATHER, OFFICER, INSTALLER, GUEST):
            self.sessions[f"token-{caller.person}"] = caller

    def services(self, **changes: Any) -> Services:
        """Bundle this box for `create_app`."""
        site = SiteFacts("Trường Mầm non Hoa Sen", BOX, phone="0225 3123 118")
        settings: dict[str, Any] = {"site": site, "hosts": frozenset({"vuon.test"}), "secure": True} | changes
        return Services(
            logins=self, accounts=self.accounts, rights=self, live=FakeLive(self), sharing=FakeSwitch(self),
            changes=self, recorder=self,
            holds=self.holds, copies=self.copies, keys=FakeKeys(self), playback=self.playback,
            metrics=self, people=self.persons, lists=self.lists, rooms=self.school.services(), ledger=self.ledger, consents=self.consents,
            slips=self.slips, invites=self.invites, why=self.why, observe=self.observe, waits=self,
            clock=self.clock,
            **settings,
        )  # fmt: skip

        # Logins

    def _signed_in(self, caller: Caller) -> SignedIn:
        token = f"fresh-{caller.person}"
        self.sessions[token] = caller
        return SignedIn(Secret(token), caller, self.clock.now_ms() + 12 * HOUR_MS)

    async def session(self, token: Secret, *, active: bool) -> Caller | None:
        if active:
            self.calls.append("active")
        return self.sessions.get(token.reveal())

    async def player(self, token: Secret) -> Caller | None:
        return self.players.get(token.reveal())

    async def sign_out(self, token: Secret) -> None:
        self.calls.append("sign_out")
        caller = self.sessions.pop(token.reveal())
        self.tell(caller, Change("signed_out"))

    # Rights

    def knows(self, caller: Caller, obj: ObjectRef) -> bool:
        if obj.kind is ObjectKind.EXPORT:  # the door says whether there is one
            return True
        if obj.kind is ObjectKind.CLASS:
            return obj.id in {camera.class_id for camera in self.cameras(caller)}
        return obj.id in {camera.id for camera in self.cameras(caller)}

    def decide(self, caller: Caller, action: Action, obj: ObjectRef) -> Decision:
        if obj.kind is ObjectKind.BOX:
            allowed = caller.role is Role.PRINCIPAL and action in BOX_ACTIONS
            return Decision(allowed, "role.principal" if allowed else "role.action")
        return self.refusals.get((caller.person, obj.id), ALLOWED)

    async def refused(self, caller: Caller, action: Action, obj: ObjectRef) -> None:
        self.refusals_written.append((caller.person, action, obj))

    def came_from(self, caller: Caller, address: str) -> None:
        """Remember where each asked from last."""
        self.addresses[caller.person] = address

    def cameras(self, caller: Caller) -> Sequence[KnownCamera]:
        mam = KnownCamera(MAM, "Lớp Mầm 1", CLASS_MAM, "Mầm", "open")
        choi = KnownCamera(CHOI, "Lớp Chồi 1", CLASS_CHOI, "Chồi", "paused")
        rest = [KnownCamera(LA, "Lớp Lá 1", pid("classla"), "Lá", "open"), KnownCamera(YARD, "Sân chơi")]
        by_role: dict[Role, list[KnownCamera]] = {
            Role.PRINCIPAL: [mam, choi, *rest, *(KnownCamera(camera) for camera in self.extra)],
            Role.TEACHER: [mam],
            Role.GUARDIAN: [mam] if caller == MOTHER else [choi],
            Role.OBSERVER: [mam],
        }
        return [camera for camera in by_role.get(caller.role, []) if camera.id in self.status_of]

    def classes(self, caller: Caller) -> Sequence[ClassDay]:
        if caller == MOTHER:
            name, child, camera, class_id = "Lớp Mầm 1", "Bé An Nhiên", MAM, CLASS_MAM
        else:
            name, child, camera, class_id = "Lớp Chồi 1", "Bé Gia Huy", CHOI, CLASS_CHOI
        decision = self.class_decision
        return [ClassDay(class_id, name, child, (camera,), decision, self.windows, self.blocks, self.note)]

    async def grant(self, caller: Caller, action: Action, camera: PublicId) -> Grant:
        self.calls.append(f"grant {action} of {camera}")
        refusal = self.refusals.get((caller.person, camera))
        if refusal is None and caller.role is Role.GUARDIAN and not self.class_decision.allowed:
            refusal = self.class_decision
        if refusal is not None:
            raise Denied("refused", reason=refusal.reason, next_ms=refusal.next_ms)
        return grant_of(caller, action, camera, self.clock.now_ms())

    # Changes

    def tell(self, caller: Caller, change: Change) -> None:
        self.bus.publish(caller.person, change)

    @contextmanager
    def of(self, caller: Caller) -> Iterator[AsyncIterator[Change]]:
        with self.bus.subscribe(caller.person, maxlen=10) as subscription:
            yield aiter(subscription)

    # WaitDoor

    async def counts(self, caller: Caller) -> Mapping[str, int]:
        return self.waiting if caller.role in LEADER_ROLES else {}

    # MetricsDoor

    async def text(self) -> str:
        self.calls.append("metrics")
        return "# HELP vuon_up 1 if the daemon answers.\n"

    # RecorderPort

    async def status(self) -> Mapping[str, Any]:
        self.status_calls += 1
        await asyncio.sleep(0)
        if self.recorder_down:
            raise DaemonUnavailable("the recorder does not answer")
        return {"cameras": list(self.status_of.values()), "volumes": list(self.volumes)}

    async def still(self, grant: Grant, width: int) -> Still:
        self.calls.append(f"still {width}")
        jpeg = self.stills.get(grant.camera)
        if jpeg is None:
            raise CameraUnreachable("no picture yet")
        return Still(self.clock.now_ms() - self.still_age_ms, width, width * 9 // 16, jpeg)


@dataclass
class FakeLive:
    """Implements `LiveDoor` over the box."""

    box: FakeBox

    async def open(self, caller: Caller, camera: PublicId, offer: str, stream: StreamRole) -> OpenedLive:
        await self.box.grant(caller, Action.LIVE, camera)
        if self.box.live_error is not None:
            raise self.box.live_error
        self.box.calls.append(f"open {stream}: {len(offer)} characters")
        session = f"s{len(self.box.open_sessions)}"
        self.box.open_sessions[session] = (caller, camera)
        return OpenedLive(session, self.box.answer, servers=self.box.servers)

    async def open_tile(
        self, caller: Caller, camera: PublicId, offer: str, stream: StreamRole, place: WallPlace
    ) -> OpenedLive:
        if place.wall is not None and place.wall not in self.box.walls:
            raise WallGone("no such wall")
        opened = await self.open(caller, camera, offer, stream)
        wall = place.wall or new_public_id()
        self.box.walls.setdefault(wall, []).append((place.slot, camera))
        return OpenedLive(
            opened.session, "" if place.wall else opened.answer, wall, () if place.wall else opened.servers
        )

    async def candidate(self, caller: Caller, camera: PublicId, session: str, fragment: str) -> None:
        self._own(caller, camera, session)
        self.box.calls.append(f"candidate: {len(fragment)} characters")

    async def close(self, caller: Caller, camera: PublicId, session: str) -> None:
        self._own(caller, camera, session)
        del self.box.open_sessions[session]

    def watching(self) -> Sequence[OpenView]:
        return self.box.views

    def _own(self, caller: Caller, camera: PublicId, session: str) -> None:
        if self.box.open_sessions.get(session) != (caller, camera):
            raise NotFound("no such session")


@dataclass
class FakeKeys:
    """Implements `KeyDoor` over the box."""

    box: FakeBox

    async def status(self) -> Mapping[str, Any]:
        if self.box.recorder_down:
            raise DaemonUnavailable("the recorder does not answer")
        return self.box.key

    async def act(self, caller: Caller, act: str, secrets: Mapping[str, Secret]) -> Mapping[str, Any]:
        self.box.calls.append(f"key {act} by {caller.person} with {','.join(sorted(secrets))}")
        if self.box.key_error is not None:
            raise self.box.key_error
        passphrase = secrets.get("passphrase")
        if act != "lock" and (passphrase is None or passphrase.reveal() != self.box.passphrase):
            raise PassphraseRefused("wrong", reason="wrong")
        self.box.key |= {"unlocked": act != "lock"}
        return self.box.key


@dataclass
class FakeSwitch:
    """Implements `SharingSwitch` over the box."""

    box: FakeBox

    def state(self) -> Sharing:
        return self.box.stopped

    async def stop(self, caller: Caller) -> None:
        self.box.calls.append(f"stop by {caller.person}")
        self.box.stopped = Sharing(True, self.box.clock.now_ms())
        self.box.views = [view for view in self.box.views if view.role is not Role.GUARDIAN]

    async def resume(self, caller: Caller) -> None:
        self.box.calls.append(f"resume by {caller.person}")
        self.box.stopped = Sharing()


def grant_of(caller: Caller, action: Action, camera: PublicId, now_ms: int) -> Grant:
    """The grant that access would have made."""
    return Grant(
        pid("grant"), caller.person, caller.role, caller.device, action, camera, frozenset({StreamRole.SUB}),
        now_ms, None, 5000, 1, 1,
    )  # fmt: skip


FULL = LiveFull("no place")
