"""`vuon-live`: WebRTC for viewers; no database, no footage, no HTTP.

Owns the building of the live daemon: feeds, sessions, control socket, in that order, and their end in the
reverse one. Invariant: what it needs of the disk is config.toml and the gateway's public key.
"""

from __future__ import annotations

import gc
import ipaddress
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial

import anyio
import ifaddr
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.core import daemonize
from gateway.core.addresses import Network
from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.core.log import Log, fault_sink, get_logger
from gateway.core.onlink import OnLink
from gateway.core.secrets import load_verify_key
from gateway.core.wire import ControlServer
from gateway.live.feedclient import Feeds
from gateway.live.ice import AddressRules, own_addresses
from gateway.live.loadmeter import LoadMeter
from gateway.live.segments import best_sender
from gateway.live.service import SERVICE, LiveService
from gateway.live.sessions import Sessions
from gateway.live.transcoder.process import command
from gateway.live.transcodes import Transcodes
from gateway.live.transport import Identity, Peer, TransportRules, quiet_libraries
from gateway.live.uplink import Uplink, is_beyond
from gateway.roofs.main import run_daemon

DROPPED_LOG_S = 60.0


def transport_rules(config: Config, identity: Identity) -> TransportRules:
    """Return where to gather and whom to talk to, from the configuration."""
    loopback = config.live.allow_loopback
    addresses = config.live.addresses or own_addresses(loopback=loopback)
    return TransportRules(addresses, AddressRules(loopback, camera_networks(config, addresses)), identity.certificate)


def camera_networks(config: Config, addresses: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks of the camera interfaces that are not also viewers' networks.

    Only where an installer has named the camera interfaces: in a school with one network, cameras
    and viewers share it.
    """
    found = []
    for adapter in ifaddr.get_adapters():
        for item in adapter.ips:
            address = item.ip if isinstance(item.ip, str) else item.ip[0]
            if adapter.name in config.cameras.interfaces or address in config.cameras.interfaces:
                network = ipaddress.ip_network(f"{address}/{item.network_prefix}", strict=False)
                if not any(ipaddress.ip_address(own) in network for own in addresses):
                    found.append(network)
    return tuple(found)


@asynccontextmanager
async def live_daemon(config: Config, clock: Clock) -> AsyncIterator[daemonize.Health]:
    """Run the live daemon while entered."""
    log = get_logger("live")
    sink = fault_sink(log)
    facts = daemonize.DaemonFacts("vuon-live", clock)
    shared = transport_rules(config, Identity(clock))
    quiet_libraries()
    beyond = is_beyond(OnLink(clock.mono_ns).covers)
    uplink = Uplink(config.live.uplink_bps, beyond) if config.live.uplink_bps else None

    @cache
    def key() -> Ed25519PublicKey:
        return load_verify_key(config.paths.grant_key)

    async with (
        Transcodes(
            config.paths.socket("feed"),
            clock=clock,
            on_fault=sink,
            most=config.live.max_transcodes,
            process=command(sandbox=config.vision.sandbox),
        ) as transcodes,
        Feeds(
            config.paths.socket("feed"),
            clock=clock,
            on_fault=sink,
            send=best_sender(),
            uplink=uplink,
            transcodes=transcodes,
        ) as feeds,
        Sessions(
            feeds,
            partial(Peer, shared),
            max_viewers=config.live.max_viewers,
            clock=clock,
            on_fault=sink,
            meter=LoadMeter(clock),
            on_idle=gc.collect,
        ) as sessions,
        ControlServer(
            config.paths.socket(SERVICE),
            SERVICE,
            LiveService(sessions, key, clock, facts.as_dict).handlers(),
            on_fault=sink,
        ),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(tell_dropped, sessions, clock, log)
        log.info("live.ready", addresses=",".join(shared.addresses), max_viewers=config.live.max_viewers)
        yield daemonize.Health(lambda: sessions.watched)
        tasks.cancel_scope.cancel()


async def tell_dropped(sessions: Sessions, clock: Clock, log: Log) -> None:
    """Say once a minute what strangers tried, instead of once a packet."""
    told = sessions.dropped()
    while True:
        await clock.sleep(DROPPED_LOG_S)
        now = sessions.dropped()
        fresh = now - told
        if fresh:
            log.warning("live.dropped", None, **fresh)
        told = now


def main() -> int:
    """Run the daemon to its end; return the exit status."""
    # What is imported stays, and packets make no cycles: looking for garbage cost 4 % of the time at sixty viewers.
    # Closed connections do (150 kB each): collected by the dozen, which stalls less, and when the last viewer has gone.
    gc.freeze()
    gc.set_threshold(10_000, 5, 10)
    return run_daemon("live", live_daemon)


if __name__ == "__main__":
    sys.exit(main())
