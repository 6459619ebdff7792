"""`vuon-gateway`: people, rights, audit, events, and the pages; no camera password, no footage.

Owns the building of the gateway: database, access, live's client, upstream, pages, control socket, and
their end in reverse. Invariants: every loop runs under `supervise`, so that one failing never stops the
others; whatever fails here, recording goes on (another process) and guardians' video ends with its lease.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import anyio

from gateway.access.acts import Acts
from gateway.access.audit import CONSOLE
from gateway.access.departures import Departures
from gateway.access.narrowing import Narrowing
from gateway.access.opengrants import OpenGrants
from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.core.daemonize import DaemonFacts, Health
from gateway.core.log import fault_sink, get_logger
from gateway.core.model import PublicId
from gateway.core.ownaddress import names_of, web_url
from gateway.core.supervise import Backoff, supervise
from gateway.core.version import __version__
from gateway.core.wire import ControlServer
from gateway.health import store as health
from gateway.health.tracker import Tracker
from gateway.roofs.access_parts import Access, Base, access, base
from gateway.roofs.class_cameras import ClassCameras
from gateway.roofs.control_consent import ConsentCalls
from gateway.roofs.control_holds import HoldCalls
from gateway.roofs.control_observing import ObservingCalls
from gateway.roofs.control_players import PlayerCalls
from gateway.roofs.control_roster import RosterCalls
from gateway.roofs.control_slips import SlipCalls
from gateway.roofs.control_why import WhyCalls
from gateway.roofs.footage_desk import FootageDesk
from gateway.roofs.gateway_control import Desk, handlers
from gateway.roofs.gateway_loops import Checkpoints, JournalCopy, Keeper, Looks
from gateway.roofs.gateway_start import started
from gateway.roofs.http import HttpServer
from gateway.roofs.hub_uplink import Signals, uplink_of
from gateway.roofs.live_port import MediaDoor
from gateway.roofs.main import run_daemon
from gateway.roofs.metrics_port import metrics_of
from gateway.roofs.slip_port import InvitePort
from gateway.roofs.web_doors import web_services
from gateway.upstream import outbox
from gateway.upstream.sync import BACKOFF
from web.app import create_app

log = get_logger("gateway")


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
        names = names_of(config.web.names)
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
        whys = WhyCalls(parts.why, parts.names, ground.recorder, Narrowing(ground.store))
        calls = {
            **handlers(desk),
            **ConsentCalls(parts.consents, parts.names).handlers(),
            **footage.handlers(),
            **PlayerCalls(parts.players, parts.people, url).handlers(),
            **ground.relays.handlers(),
            **parts.audit.handlers,
            **parts.rooms.handlers(),
            **SlipCalls(ground.store, parts.classes, printer).handlers(),
            **parts.signin.handlers(parts.people),
            **whys.handlers(),
            **ObservingCalls(parts.observing, parts.passes, parts.names, url).handlers(),
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

    async def own() -> dict[str, Any]:
        overdue = (
            await parts.consents.overdue() if ground.clock.trusted() else None
        )  # else nobody knows which day it is
        return {"audit_ok": parts.audit.watch.ok, "cases_overdue": overdue}

    looks = Looks(
        ground.recorder,
        ground.live.status,
        ground.db,
        tracker,
        ground.clock,
        hub_ok=lambda: signals.hub_ok,
        woke=signals.wake,
        own=own,
    )
    told = ClassCameras(ground.recorder, parts.classes.rows, ground.clock)
    ground.store.listeners.append(lambda _facts: told.changed())
    departures = Departures(ground.store, parts.logins)
    ground.store.listeners.append(lambda _facts: departures.changed())
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
        "departures": departures.run,
        "pauses": parts.rooms.pauses.keep,
        "hashing": parts.signin.hasher.run,
    }


def main() -> None:
    """Run `vuon-gateway --config PATH`."""
    sys.exit(run_daemon("gateway", build))


if __name__ == "__main__":
    main()
