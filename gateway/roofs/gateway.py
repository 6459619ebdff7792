"""`vuon-gateway`: people, rights, audit, events, and the pages; no camera password, no footage.

Owns the building of the gateway: database, access, live's client, upstream, pages, control socket, and
their end in reverse. Invariants: every loop runs under `supervise`, so that one failing never stops the
others; whatever fails here, recording goes on (another process) and guardians' video ends with its lease.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import anyio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access import store as access_store
from gateway.access.acts import Acts
from gateway.access.audit import CONSOLE
from gateway.access.children import Children
from gateway.access.classes import Classes
from gateway.access.codes import Codes
from gateway.access.devices import Devices
from gateway.access.exports import Exports
from gateway.access.grants import Grants
from gateway.access.holds import Holds
from gateway.access.invitations import Invitations
from gateway.access.login import Logins
from gateway.access.narrowing import Narrowing
from gateway.access.observing import Observing
from gateway.access.people import People
from gateway.access.playbacks import Playbacks
from gateway.access.players import Players
from gateway.access.sessions import OpenGrants
from gateway.access.sharing import Sharing
from gateway.access.store import FactStore
from gateway.core.bus import Bus
from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.core.daemonize import DaemonFacts, Health
from gateway.core.db import Database
from gateway.core.log import fault_sink, get_logger
from gateway.core.model import PublicId
from gateway.core.secrets import load_seal_key, load_signing_key
from gateway.core.supervise import Backoff, supervise
from gateway.core.version import __version__
from gateway.core.wire import ControlClient, ControlServer
from gateway.health import store as health
from gateway.health.tracker import Tracker
from gateway.live.client import LiveClient
from gateway.roofs import web_ports
from gateway.roofs.auditing import Auditing, auditing
from gateway.roofs.class_cameras import ClassCameras
from gateway.roofs.classrooms import ClassRooms, class_rooms
from gateway.roofs.consent_port import ConsentPort, consent_port
from gateway.roofs.control_consent import ConsentCalls
from gateway.roofs.control_holds import HoldCalls
from gateway.roofs.control_players import PlayerCalls
from gateway.roofs.control_roster import RosterCalls
from gateway.roofs.control_slips import SlipCalls
from gateway.roofs.control_why import WhyCalls
from gateway.roofs.export_port import Copying, CopyPort, HoldPort
from gateway.roofs.footage_desk import FootageDesk
from gateway.roofs.gateway_control import Desk, handlers
from gateway.roofs.gateway_loops import Checkpoints, JournalCopy, Keeper, Looks
from gateway.roofs.gateway_start import started, web_url
from gateway.roofs.http import HttpServer, own_names
from gateway.roofs.hub_uplink import Signals, uplink_of
from gateway.roofs.live_port import MediaDoor
from gateway.roofs.main import run_daemon
from gateway.roofs.metrics_port import MetricsPort, metrics_of
from gateway.roofs.names import Names
from gateway.roofs.people_port import ports_of
from gateway.roofs.playback_port import PlaybackPort
from gateway.roofs.relay_servers import RelayServers
from gateway.roofs.roster_desk import RosterDesk
from gateway.roofs.signin_room import SignInRoom, signin_room
from gateway.roofs.site_networks import SiteNetworks
from gateway.roofs.slip_port import InvitePort, SlipPort
from gateway.roofs.web_lists import ListedRights
from gateway.roofs.why_desk import WhyDesk
from gateway.upstream import outbox
from gateway.upstream.sync import BACKOFF
from web.app import create_app
from web.services import Services, SiteFacts

log = get_logger("gateway")


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
    migrations = [access_store.MIGRATIONS, outbox.MIGRATIONS, health.MIGRATIONS]
    async with (
        Database(config.paths.database("gateway"), migrations) as db,
        ControlClient(config.paths.socket("recorder"), "recorder") as recorder,
        LiveClient(config.paths.socket("live")) as live,
    ):
        zone = ZoneInfo(config.site.timezone)
        store = FactStore(db, clock, zone=zone, seal=seal, emit=outbox.put)
        store.circumstances.on_site = SiteNetworks().has
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
    sharing = Sharing(store)
    rooms = await class_rooms(store, people, classes, sharing, names, base.config)
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
    )


def web_services(
    base: Base,
    parts: Access,
    opened: OpenGrants,
    hosts: frozenset[str],
    media: MediaDoor,
    footage: FootageDesk,
    metrics: MetricsPort,
    invites: InvitePort,
) -> Services:
    """Return what the pages may use."""
    site = base.config.site
    logins = web_ports.LoginPort(parts.logins, parts.devices, parts.players, parts.names)
    return Services(
        logins=logins,
        accounts=parts.signin.port(parts.names),
        rights=ListedRights(base.store, parts.grants, parts.names),
        live=(live := web_ports.LivePort(opened, base.live, parts.names, media.state, base.relays.for_viewer)),
        sharing=web_ports.SharingPort(base.store, parts.sharing),
        changes=web_ports.ChangesPort(base.bus),
        recorder=web_ports.RecorderDoor(base.recorder, base.key, parts.grants.might_see),
        holds=HoldPort(parts.copying, parts.names),
        copies=CopyPort(parts.copying, parts.grants, base.recorder, base.key, parts.names),
        keys=web_ports.KeyPort(footage),
        metrics=metrics,
        rooms=parts.rooms.services(live.watching),
        **ports_of(parts.roster),
        ledger=parts.audit.ledger,
        consents=parts.consents,
        slips=SlipPort(parts.slips, parts.devices, parts.logins, parts.names, base.bus, logins.signed_in, base.store),
        invites=invites,
        why=parts.why,
        playback=PlaybackPort(Playbacks(base.store, parts.grants, base.key), base.recorder, base.clock),
        clock=base.clock,
        site=SiteFacts(site.name, PublicId("box"), site.timezone, site.language),
        hosts=hosts,
        secure=not base.config.web.insecure_loopback,
        metrics_local=base.config.web.metrics_local,
    )


async def status_of(base: Base, facts: DaemonFacts, opened: OpenGrants, signals: Signals) -> dict[str, Any]:
    """Return the gateway's own part of the status."""
    lanes = await base.db.read(outbox.lanes)
    return {
        "daemon": facts.as_dict(),
        "watching": len(opened.watches()),
        "facts_version": base.store.current.version,
        "upstream": {
            "configured": bool(base.config.upstream.url),
            "connected": signals.hub_ok,
            "waiting": {state.lane.value: state.last - state.acked for state in lanes},
        },
    }


@contextlib.asynccontextmanager
async def build(config: Config, clock: Clock) -> AsyncIterator[Health]:
    """Run the gateway while entered."""
    facts, signals, sink = DaemonFacts("gateway", clock), Signals(), fault_sink(log)
    async with contextlib.AsyncExitStack() as stack:
        ground = await stack.enter_async_context(base(config, clock))
        parts = await access(ground)
        await ground.db.write(lambda conn: started(conn, clock))
        media = MediaDoor(ground.live, ground.bus, ground.relays.for_box)
        grants = OpenGrants(ground.store, parts.grants, media, ground.key, on_fault=sink)
        opened = await stack.enter_async_context(grants)
        parts.logins.listeners.append(opened.recheck)
        parts.players.listeners.append(opened.recheck)
        tracker = Tracker(clock, await ground.db.read(health.load))
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)

        async def keep(name: str, run: Callable[[], Awaitable[None]], backoff: Backoff | None = None) -> None:
            await supervise(name, run, clock=clock, on_fault=sink, backoff=backoff)

        for name, run in _loops(ground, parts, tracker, signals).items():
            tasks.start_soon(keep, name, run)
        if config.upstream.url:
            tasks.start_soon(
                keep, "uplink", await uplink_of(stack, config.upstream, ground.key, clock, ground.db, signals), BACKOFF
            )
        names = [*config.web.names] or own_names()
        footage = FootageDesk(Acts(ground.store), ground.recorder, ground.key)
        own, url = partial(status_of, ground, facts, opened, signals), web_url(config, names)
        printer = InvitePort(ground.store, parts.slips, parts.devices, parts.logins, parts.names, url)
        metrics = metrics_of(ground.recorder, ground.live, own, tracker)
        server = HttpServer(
            create_app(web_services(ground, parts, opened, frozenset(names), media, footage, metrics, printer)),
            listen=config.web.listen,
            port=config.web.port,
            insecure=config.web.insecure_loopback,
            tls_folder=config.paths.state / "tls",
            names=names,
            now_ms=clock.now_ms(),
        )
        await stack.enter_async_context(server)
        parts.rooms.web_url = url
        desk = _desk(ground, parts, opened, tracker, facts, signals, url)
        players = PlayerCalls(parts.players, parts.people, url)
        whys = WhyCalls(parts.why, parts.names, ground.recorder, Observing(ground.store), Narrowing(ground.store))
        calls = {
            **handlers(desk),
            **ConsentCalls(parts.consents, parts.names).handlers(),
            **footage.handlers(),
            **players.handlers(),
            **ground.relays.handlers(),
            **parts.audit.handlers,
            **parts.rooms.handlers(),
            **SlipCalls(ground.store, parts.classes, printer).handlers(),
            **parts.signin.handlers(parts.people),
            **whys.handlers(),
            **RosterCalls(parts.roster).handlers(),
        }
        await stack.enter_async_context(ControlServer(config.paths.socket("gateway"), "gateway", calls, on_fault=sink))
        log.info("gateway.ready", port=config.web.port, ca=server.ca_sha256, version=__version__)
        yield Health(lambda: ground.db.alive and server.alive)


def _desk(
    ground: Base,
    parts: Access,
    opened: OpenGrants,
    tracker: Tracker,
    facts: DaemonFacts,
    signals: Signals,
    url: str,
) -> Desk:
    return Desk(
        people=parts.people,
        children=parts.children,
        classes=parts.classes,
        sharing=parts.sharing,
        codes=parts.codes,
        slips=parts.slips,
        grants=parts.grants,
        tracker=tracker,
        db=ground.db,
        key=ground.key,
        recorder=ground.recorder,
        web_url=url,
        code_minutes=ground.config.access.code_minutes,
        slip_days=ground.config.access.slip_days,
        holds=HoldCalls(parts.copying, parts.names),
        status=lambda: status_of(ground, facts, opened, signals),
        sessions_of=lambda person: sum(watch.grant.person == person for watch in opened.watches()),
    )


def _loops(ground: Base, parts: Access, tracker: Tracker, signals: Signals) -> dict[str, Callable[[], Awaitable[None]]]:
    async def changed(rows: list[dict[str, Any]]) -> None:
        signals.wake()
        if any(row["type"].startswith(("camera.adopted", "camera.removed")) for row in rows):
            cameras = (await ground.recorder.call("camera.list")).result["cameras"]
            await parts.classes.sync_cameras(CONSOLE, {PublicId(row["id"]) for row in cameras})

    async def minutely() -> None:
        while True:
            await ground.clock.sleep(60)
            await parts.logins.keep()
            await parts.players.keep()
            await parts.roster.lists.acts.tidy()

    looks = Looks(
        ground.recorder,
        ground.live.status,
        ground.db,
        tracker,
        ground.clock,
        hub_ok=lambda: signals.hub_ok,
        woke=signals.wake,
        audit_ok=lambda: parts.audit.watch.ok,
    )
    told = ClassCameras(ground.recorder, parts.classes.rows, ground.clock)
    ground.store.listeners.append(lambda _facts: told.changed())
    upstream = ground.config.upstream
    keeper = Keeper(
        ground.db, ground.clock, keep_days=upstream.keep_acked_days, alone=not upstream.url, woke=signals.wake
    )
    return {
        "keeper": keeper.run,
        "journal": JournalCopy(ground.recorder, ground.db, changed).run,
        "looks": looks.run,
        "classes": told.run,
        "checkpoints": Checkpoints(ground.db, ground.key, ground.clock, signals.wake).run,
        "audit": parts.audit.watch.run,
        "names": parts.names.run,
        "copies": parts.copying.run,
        "logins": minutely,
        "pauses": parts.rooms.pauses.keep,
        "hashing": parts.signin.hasher.run,
    }


def main() -> None:
    """Run `vuon-gateway --config PATH`."""
    sys.exit(run_daemon("gateway", build))


if __name__ == "__main__":
    main()
