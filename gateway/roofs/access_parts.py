"""What the gateway stands on and the parts of access built on it.

Owns the order in which they are built, and nothing that runs. Invariants: the facts are loaded before anything asks
them; every part that keeps something in memory has read it when `access` returns.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access import migrations
from gateway.access.acts import Acts
from gateway.access.children import Children
from gateway.access.classes import Classes
from gateway.access.codes import Codes
from gateway.access.devices import Devices
from gateway.access.exports import Exports
from gateway.access.grants import Grants
from gateway.access.guestpasses import GuestPasses
from gateway.access.holds import Holds
from gateway.access.invitations import Invitations
from gateway.access.login import Logins
from gateway.access.observing import Observing
from gateway.access.people import People
from gateway.access.players import Players
from gateway.access.sharing import Sharing
from gateway.access.store import FactStore
from gateway.core.bus import Bus
from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.core.db import Database
from gateway.core.secrets import load_seal_key, load_signing_key
from gateway.core.wire import ControlClient
from gateway.health import store as health
from gateway.live.client import LiveClient
from gateway.roofs import web_ports
from gateway.roofs.auditing import Auditing, auditing
from gateway.roofs.classrooms import ClassRooms, class_rooms
from gateway.roofs.consent_port import ConsentPort, consent_port
from gateway.roofs.export_port import Copying
from gateway.roofs.names import Names
from gateway.roofs.relay_servers import RelayServers
from gateway.roofs.roster_desk import RosterDesk
from gateway.roofs.signin_room import SignInRoom, signin_room
from gateway.roofs.why_desk import WhyDesk
from gateway.upstream import outbox


@dataclass(slots=True)
class Base:
    """What everything else is built on."""

    config: Config
    clock: Clock
    key: Ed25519PrivateKey
    db: Database
    store: FactStore
    bus: Bus
    recorder: ControlClient
    live: LiveClient
    relays: RelayServers


@contextlib.asynccontextmanager
async def base(config: Config, clock: Clock) -> AsyncIterator[Base]:
    """Open the database, load the facts, connect to the other daemons."""
    key = load_signing_key(config.paths.grant_key)
    seal = load_seal_key(config.paths.keys / "people.key")
    steps = [migrations.MIGRATIONS, outbox.MIGRATIONS, health.MIGRATIONS]
    async with (
        Database(config.paths.database("gateway"), steps) as db,
        ControlClient(config.paths.socket("recorder"), "recorder") as recorder,
        LiveClient(config.paths.socket("live")) as live,
    ):
        zone = ZoneInfo(config.site.timezone)
        store = FactStore(db, clock, zone=zone, seal=seal, emit=outbox.put)
        await store.load()
        relays = RelayServers(config.live, config.paths.keys, seal, Acts(store), clock)
        yield Base(config, clock, key, db, store, Bus(), recorder, live, relays)


@dataclass(slots=True)
class Access:
    """The parts of access, built on the base."""

    people: People
    children: Children
    classes: Classes
    sharing: Sharing
    logins: Logins
    players: Players
    codes: Codes
    slips: Invitations
    devices: Devices
    grants: Grants
    names: Names
    copying: Copying
    rooms: ClassRooms
    signin: SignInRoom
    roster: RosterDesk
    audit: Auditing
    consents: ConsentPort
    why: WhyDesk
    observing: Observing
    passes: GuestPasses


async def access(base: Base) -> Access:
    """Build access and load what it keeps in memory."""
    settings, store = base.config.access, base.store
    logins = Logins(store)
    await logins.load()
    players = Players(store)
    await players.load()
    people, children, classes = People(store), Children(store), Classes(store)
    names = Names(store, people, children, classes)
    await names.load()
    store.listeners.append(lambda _facts: base.bus.publish(web_ports.FACTS_TOPIC))
    grants, site = Grants(store, alive=players.beside(logins.alive)), base.config.site
    facts, slips = {"name": site.name, "zone": site.timezone}, Invitations(store, logins, days=settings.slip_days)
    codes = Codes(store, logins, minutes=settings.code_minutes)
    copying = Copying(store, Holds(store), Exports(store), grants, base.recorder, base.key, facts)
    sharing, observing = Sharing(store), Observing(store)
    passes = GuestPasses(store, logins, codes, observing)
    await passes.load()
    rooms = await class_rooms(store, people, classes, sharing, names, observing, base.config)
    return Access(
        people,
        children,
        classes,
        sharing,
        logins,
        players,
        codes,
        slips,
        Devices(store, logins, slips.challenges),
        grants,
        names,
        copying,
        rooms,
        await signin_room(store, logins, codes, base.config),
        RosterDesk(store, people, children, classes),
        await auditing(store, names, base.key, kept_elsewhere=bool(base.config.upstream.url)),
        consent_port(store, names, base.config),
        WhyDesk(store, names),
        observing,
        passes,
    )
