"""Access on a real database with a standing clock, a school set up, and a live daemon that only remembers."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import anyio.to_thread
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access import audit
from gateway.access.approvals import Approvals
from gateway.access.audit import CONSOLE, Actor
from gateway.access.children import Children
from gateway.access.classes import Classes, Hours, PlanItem, at, usual_plan
from gateway.access.codes import Codes
from gateway.access.devicekeys import Challenges
from gateway.access.devices import Devices
from gateway.access.exports import Exports
from gateway.access.facts import EVERY_DAY
from gateway.access.grants import Grants
from gateway.access.guestpasses import GuestPasses
from gateway.access.holds import Holds
from gateway.access.invitations import Invitations
from gateway.access.login import Logins, SignedIn
from gateway.access.migrations import MIGRATIONS
from gateway.access.narrowing import Narrowing
from gateway.access.observing import Observing
from gateway.access.opengrants import Opened, OpenGrants
from gateway.access.people import People
from gateway.access.phones import Phones
from gateway.access.players import Players
from gateway.access.schooldays import SchoolDays
from gateway.access.sharing import Sharing
from gateway.access.staffnotices import StaffNotices
from gateway.access.store import FactStore, refusal
from gateway.access.walls import Walls
from gateway.core import ticket
from gateway.core.db import Database
from gateway.core.errors import DaemonUnavailable
from gateway.core.events import Event
from gateway.core.model import Action, Decision, Grant, PublicId, Role, StreamRole, WallPlace, new_public_id
from gateway.core.secrets import SealKey
from gateway.core.supervise import FaultSink
from tests.fakes.clock import FakeClock
from tests.fakes.device import Browser
from tests.fakes.memory_disk import in_memory
from tests.fakes.school import NOW, ZONE

NOBODY = PublicId("")
HANG_S: ContextVar[float] = ContextVar("HANG_S", default=20.0)
THREADS_S = 2.0
"""A thread that hangs on purpose is not waited for longer."""
"""How long a test waits before it says that nothing will come; the mutation gate waits less."""
MAKERS: ContextVar[tuple[type[Grants], type[OpenGrants]]] = ContextVar("MAKERS", default=(Grants, OpenGrants))
"""The classes that make and hold grants; the mutation gate puts mutants here."""
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def grant_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a ticket, unchecked."""
    fields: dict[str, Any] = json.loads(base64.urlsafe_b64decode(form["grant"]))
    return fields


class Access:
    """The parts of access, wired as the gateway's roof does it."""

    def __init__(self, db: Database, clock: FakeClock, media: FakeMedia, on_fault: FaultSink, emit: audit.Emit) -> None:
        grants, opened = MAKERS.get()
        self.store = FactStore(db, clock, zone=ZONE, seal=SealKey(bytes(32)), emit=emit)
        self.logins = Logins(self.store)
        self.players = Players(self.store)
        self.grants = grants(self.store, alive=self.players.beside(self.logins.alive))
        self.open = opened(self.store, self.grants, media, KEY, on_fault=on_fault)
        self.logins.listeners.append(self.open.recheck)
        self.players.listeners.append(self.open.recheck)
        self.codes = Codes(self.store, self.logins)
        self.challenges = Challenges(self.store.clock.mono_ns)
        self.invitations = Invitations(self.store, self.logins, self.challenges)
        self.devices = Devices(self.store, self.logins, self.challenges)
        self.approvals, self.phones = Approvals(self.store, self.logins), Phones(self.store)
        self.people, self.children = People(self.store), Children(self.store)
        self.classes, self.sharing = Classes(self.store), Sharing(self.store)
        self.observing, self.narrowing = Observing(self.store), Narrowing(self.store)
        self.passes = GuestPasses(self.store, self.logins, self.codes, self.observing)
        self.exports, self.holds = Exports(self.store), Holds(self.store)
        self.notices, self.walls, self.days = StaffNotices(self.store), Walls(self.store), SchoolDays(self.store)

    async def __aenter__(self) -> Self:
        await self.store.load()
        await self.logins.load()
        await self.players.load()
        await self.passes.load()
        await self.open.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.open.__aexit__(None, None, None)

    async def ticket(self, actor: Actor, action: Action, camera: PublicId, **span: int) -> dict[str, str]:
        """A signed grant, as the web gives it to the recorder."""
        decision, grant = await self.grants.issue(str_of(actor), actor.device, action, camera, **span)
        return signed(decision, grant)

    async def export_ticket(self, actor: Actor, order: PublicId) -> dict[str, str]:
        decision, grant = await self.grants.issue_export(str_of(actor), actor.device, order)
        return signed(decision, grant)


def str_of(actor: Actor) -> PublicId:
    assert actor.person is not None
    return actor.person


def signed(decision: Decision, grant: Grant | None) -> dict[str, str]:
    if grant is None:
        raise refusal(decision)
    return ticket.sign(grant, KEY)


async def add_teacher(access: Access, class_id: PublicId, name: str = "Cô Hoa") -> Actor:
    """A teacher of a class who has read the notice about cameras: without it guardians would not see the class."""
    teacher = Actor(await access.people.add(CONSOLE, Role.TEACHER, name), "device")
    await access.people.teach(CONSOLE, str_of(teacher), class_id)
    await access.notices.sign(teacher)
    return teacher


async def add_class(
    access: Access, actor: Actor, name: str, cameras: Sequence[PublicId], plan: Sequence[PlanItem] | None = None
) -> PublicId:
    """A class with its cameras, open to guardians from 07:30 to 16:30 (or all day, with a plan for that)."""
    class_id = await access.classes.add(actor, name)
    for camera in cameras:
        await access.classes.assign(actor, camera, class_id)
    hours = Hours(at("07:30"), at("16:30")) if plan is None else Hours(0, 1440, EVERY_DAY)
    await access.classes.set_windows(actor, class_id, [hours])
    await access.classes.set_plan(actor, class_id, usual_plan() if plan is None else plan)
    return class_id


@dataclass(frozen=True)
class Family:
    child: PublicId
    guardian: PublicId


async def add_family(
    access: Access, actor: Actor, class_id: PublicId, child: str, guardian: str, *, consent: bool = True
) -> Family:
    """A child in a class, with one guardian and (if said) the signed paper."""
    child_id = await access.children.add(actor, child, class_id)
    guardian_id = await access.people.add(actor, Role.GUARDIAN, guardian)
    await access.children.add_guardian(actor, guardian_id, child_id)
    if consent:
        await access.children.consent(actor, child_id)
    return Family(child_id, guardian_id)


class FakeMedia:
    """A live daemon: sessions by grant id, and what it was told."""

    def __init__(self) -> None:
        self.sessions: dict[str, str] = {}
        self.streams: dict[str, StreamRole | None] = {}
        self.places: dict[str, WallPlace] = {}
        self.closed: list[tuple[str, str]] = []
        self.renewals: list[list[str]] = []
        self.broken = False
        self.gate: asyncio.Event | None = None

    async def open(self, ticket: Mapping[str, str], offer: str, stream: StreamRole | None) -> Opened:
        if self.gate is not None:
            await self.gate.wait()
        if self.broken:
            raise DaemonUnavailable("live is away")
        grant = grant_of(ticket)["id"]
        self.sessions[grant] = f"session-{len(self.sessions) + len(self.closed)}"
        self.streams[grant] = stream
        return Opened(self.sessions[grant], "answer to " + offer)

    async def take_place(
        self, ticket: Mapping[str, str], offer: str, stream: StreamRole | None, place: WallPlace
    ) -> Opened:
        opened = await self.open(ticket, offer, stream)
        self.places[grant_of(ticket)["id"]] = place
        return Opened(opened.session, opened.answer, place.wall or "wall")

    async def renew(self, tickets: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, Any]]:
        if self.broken:
            raise DaemonUnavailable("live is away")
        self.renewals.append([grant_of(ticket)["id"] for ticket in tickets])
        return [{"session": session, "grant": grant} for grant, session in self.sessions.items()]

    async def close_grants(self, ids: Sequence[PublicId], reason: str) -> None:
        if self.broken:
            raise DaemonUnavailable("live is away")
        for grant in ids:
            self.sessions.pop(grant, None)
            self.closed.append((grant, reason))

    def why(self, grant: PublicId) -> str | None:
        """The first reason a grant was ended for."""
        return next((reason for item, reason in self.closed if item == grant), None)


@dataclass
class World:
    """A running `Access` and the ids of its school."""

    db: Database
    clock: FakeClock
    media: FakeMedia
    access: Access
    faults: list[tuple[str, BaseException]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    principal: PublicId = NOBODY
    mother: PublicId = NOBODY
    child: PublicId = NOBODY
    father_of_mate: PublicId = NOBODY
    mate: PublicId = NOBODY
    class_id: PublicId = NOBODY
    camera: PublicId = NOBODY
    actor: Actor = CONSOLE
    """The principal, signed in."""
    phone: str = ""
    """The mother's login session."""

    async def join(self, person: PublicId, label: str = "Android") -> SignedIn:
        """Bind a browser to a guardian by a slip that was handed over after a look at the identity card."""
        slip = await self.access.invitations.create(self.actor, person, checked=True)
        bound = await Browser(label).redeem(self.access, slip.secret.reveal())
        assert bound.signed_in is not None
        return bound.signed_in

    async def join_for_good(self, person: PublicId, label: str) -> SignedIn:
        """Bind a browser whose session needs no further proof: as of a page that proves its key all the time."""
        slip = await self.access.invitations.create(self.actor, person)
        device = (await Browser(label).redeem(self.access, slip.secret.reveal())).device
        await self.access.approvals.approve(self.actor, device)
        signed_in, adopt = await self.db.write(
            lambda conn: self.access.logins.start(conn, person, label=label, device=device)
        )
        adopt()
        return signed_in

    async def look(self, device: str | None = None) -> PublicId:
        """Let the mother open a stream; returns its grant's id."""
        grant, _ = await self.access.open.open(self.mother, device or self.phone, self.camera, "offer")
        return grant.id

    async def until(self, true: Callable[[], bool], *, step_s: float = 0) -> None:
        """Let tasks and database threads run until something is so, moving the clock by steps if asked."""
        async with asyncio.timeout(HANG_S.get()):
            while not true():
                for _ in range(20):
                    await asyncio.sleep(0.001)
                    if true():
                        return
                if step_s:
                    await self._threads_done()
                    await self.clock.advance(step_s)

    @staticmethod
    async def _threads_done() -> None:
        """Wait for what threads still read: injected time must not run away from them on a busy machine."""
        limiter, deadline = anyio.to_thread.current_default_thread_limiter(), time.monotonic() + THREADS_S
        while limiter.borrowed_tokens and time.monotonic() < deadline:  # noqa: ASYNC110 - the limiter has no event
            await asyncio.sleep(0.001)

    async def beats(self, count: int = 1) -> None:
        """Move the clock until the reaper has beaten so often."""
        done = len(self.media.renewals) + count
        await self.until(lambda: len(self.media.renewals) >= done, step_s=0.25)

    def rows(self, sql: str, *args: Any) -> list[sqlite3.Row]:
        """Read the database beside the program."""
        return self.db.read_sync(lambda conn: conn.execute(sql, args).fetchall())

    def bodies(self) -> list[dict[str, Any]]:
        """What the audit says, in its order."""
        return [json.loads(row["body"]) for row in self.rows("SELECT body FROM audit_body ORDER BY seq")]


def access_on(db: Database, clock: FakeClock, media: FakeMedia, faults: list[Any], events: list[Event]) -> Access:
    """Build what tests run; faults and events are remembered."""
    return Access(
        db,
        clock,
        media,
        lambda name, error: faults.append((name, error)),
        lambda _conn, event: events.append(event),
    )


async def set_up(world: World) -> None:
    """Found the school: a principal, a class with a camera, two families, one phone."""
    access = world.access
    world.principal = await access.people.add(CONSOLE, Role.PRINCIPAL, "Cô Hiệu Trưởng")
    code = await access.codes.create(CONSOLE, world.principal)
    signed_in = await access.codes.sign_in(code.text.reveal(), address="192.0.2.1", label="desk")
    world.actor = Actor(world.principal, signed_in.session.id)
    world.camera = new_public_id()
    await access.classes.sync_cameras(CONSOLE, [world.camera])
    world.class_id = await add_class(access, world.actor, "Mầm 1", [world.camera])
    family = await add_family(access, world.actor, world.class_id, "Bé An", "Mẹ An")
    world.child, world.mother = family.child, family.guardian
    mates = await add_family(access, world.actor, world.class_id, "Bé Bình", "Bố Bình")
    world.mate, world.father_of_mate = mates.child, mates.guardian
    await access.sharing.accept_box(world.actor)
    world.phone = (await world.join_for_good(world.mother, "iPhone")).session.id


@contextmanager
def full_disk(world: World) -> Iterator[None]:
    """Let every write of access fail as SQLite has it on a full disk."""
    db = world.access.store.db
    real = db.write

    async def write(_run: Callable[[sqlite3.Connection], Any]) -> Any:
        raise sqlite3.OperationalError("database or disk is full")

    db.write = write  # type: ignore[method-assign,assignment]  # the full disk
    try:
        yield
    finally:
        db.write = real  # type: ignore[method-assign]  # put back


@asynccontextmanager
async def school(folder: Path, *, now_ms: int = NOW) -> AsyncIterator[World]:
    """Run access over `folder` with the school set up."""
    clock, media = FakeClock(now_ms), FakeMedia()
    faults: list[tuple[str, BaseException]] = []
    events: list[Event] = []
    async with Database(in_memory(folder) / "gateway.db", [MIGRATIONS]) as db:
        access = access_on(db, clock, media, faults, events)
        async with access:
            world = World(db, clock, media, access, faults, events)
            await set_up(world)
            yield world
