"""`vuon-hub`: the authority's side, built and run.

Owns the objects of the hub role: its database, its pages and its control socket. The same package as a
box, with no camera, no people and no picture in reach.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator

from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.core.daemonize import DaemonFacts, Health
from gateway.core.db import Database
from gateway.core.log import fault_sink, get_logger
from gateway.core.ownaddress import names_of
from gateway.core.wire import ControlServer, Handler, Reply, Request
from gateway.hub.store import MIGRATIONS, HubStore
from gateway.roofs.http import HttpServer
from gateway.roofs.main import run_daemon
from web.hub_app import create_hub_app
from web.hub_services import HubServices

log = get_logger("hub")


def handlers(store: HubStore, facts: DaemonFacts) -> dict[str, Handler]:
    """Return the methods of `<run>/hub.sock`."""

    async def status(_request: Request) -> Reply:
        board = await store.board()
        return Reply({"daemon": facts.as_dict(), "sites": len(board), "lost": sum(site.lost for site in board)})

    async def claim(request: Request) -> Reply:
        return Reply({"claim": await store.make_claim(request.text("site"))})

    async def code(_request: Request) -> Reply:
        return Reply({"code": await store.staff.make_code()})

    return {"status": status, "claim.new": claim, "code.new": code}


@contextlib.asynccontextmanager
async def build(config: Config, clock: Clock) -> AsyncIterator[Health]:
    """Run the hub while entered."""
    facts = DaemonFacts("hub", clock)
    config.paths.state.mkdir(parents=True, exist_ok=True, mode=0o750)
    async with contextlib.AsyncExitStack() as stack:
        db = await stack.enter_async_context(Database(config.paths.database("hub"), [MIGRATIONS]))
        store = HubStore(db, clock)
        names = names_of(config.hub.names)
        services = HubServices(
            store=store,
            clock=clock,
            name=config.hub.name,
            zone=config.site.timezone,
            language=config.site.language,
            hosts=frozenset(names),
            secure=not config.hub.insecure_loopback,
        )
        server = HttpServer(
            create_hub_app(services),
            listen=config.hub.listen,
            port=config.hub.port,
            insecure=config.hub.insecure_loopback,
            tls_folder=config.paths.state / "tls-hub",
            names=names,
            now_ms=clock.now_ms(),
        )
        await stack.enter_async_context(server)
        control = ControlServer(config.paths.socket("hub"), "hub", handlers(store, facts), on_fault=fault_sink(log))
        await stack.enter_async_context(control)
        log.info("hub.ready", port=config.hub.port, ca=server.ca_sha256)
        yield Health(lambda: db.alive and server.alive)


def main() -> None:
    """Run `vuon-hub --config PATH`."""
    sys.exit(run_daemon("hub", build))


if __name__ == "__main__":
    main()
