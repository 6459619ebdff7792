"""`vuon-recorder`: cameras to disk, feeds for live video; no people, no HTTP.

Owns the building of the recorder: the drivers' objects are made here and handed to the recorder, which
knows them as protocols only. Invariants: the network outlives the cameras that play through it, the disks
outlive the network; one login gate per device; the gateway's public key is read when the first ticket
comes, so that recording never waits for the gateway.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import anyio.to_thread
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from drivers.discovery.vendorsearch import VendorStep
from drivers.engines import Engine
from drivers.filmplayer import FilmPlayer
from drivers.gate import LoginGate
from drivers.onvif.pace import CallPool, Turns
from drivers.pyav.player import PyavPlayer
from drivers.retry import after_failure
from drivers.rtsp.link import StreamStatistics
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.source import RtspSource
from drivers.rtsponly import StreamPlayer
from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.core.daemonize import DaemonFacts, Health
from gateway.core.db import Database
from gateway.core.errors import ConfigError
from gateway.core.log import fault_sink, get_logger
from gateway.core.model import Grant, Login
from gateway.core.privileges import keep_from_children
from gateway.core.secrets import SealKey, load_verify_key
from gateway.core.supervise import FaultSink, contained
from gateway.core.ticket import open_ticket
from gateway.roofs.activation import Activation, doubted
from gateway.roofs.camera_lan import CameraLan
from gateway.roofs.camera_settings import SettingsDesk
from gateway.roofs.footage_key import cipher_here, keys_of
from gateway.roofs.keeping import rule_book
from gateway.roofs.keyframes import key_frames_by
from gateway.roofs.learning import Drivers
from gateway.roofs.listening import listen_of
from gateway.roofs.main import run_daemon
from gateway.roofs.named_drivers import films
from gateway.roofs.onvifvisits import OnvifVisits
from gateway.roofs.recorder_doctor import BoxDoctor
from gateway.roofs.searching import Searching
from recorder.budget import StartBudget, knock
from recorder.camera import Tools
from recorder.erasures import MIGRATIONS as ERASURES
from recorder.exportbook import MIGRATIONS as EXPORTS
from recorder.exportbook import ExportBook
from recorder.finder import FindRule
from recorder.gaps import GapLedger
from recorder.groups import GroupBook
from recorder.holdreasons import MIGRATIONS as HOLDS
from recorder.journal import Journal
from recorder.keystore import KeyStore
from recorder.leases import MIGRATIONS as LEASES
from recorder.leases import LeaseBook
from recorder.losses import Losses
from recorder.motion import MIGRATIONS as MOTION
from recorder.parts import Parts, Settings
from recorder.pending import MIGRATIONS as PENDING
from recorder.pending import PendingLogins
from recorder.registry import MIGRATIONS, LoginState, Registry, StreamSpec
from recorder.retentiondb import MIGRATIONS as RETENTION
from recorder.runs import MIGRATIONS as RUNS
from recorder.runs import RunBook, boot_id
from recorder.schoolday import SchoolHours
from recorder.service import Recorder
from recorder.settingbook import SettingBook
from recorder.skew import ClockReport
from recorder.slot import Slot, SlotOptions
from recorder.store import Store
from recorder.vision.client import VisionClient
from recorder.writer import WriterOptions

log = get_logger("recorder")
CLOSE_S = 8.0
"""What a disk gets to take the last pictures: every segment is closed within 10 s of SIGTERM."""

DATABASE = (MIGRATIONS, PENDING, LEASES, HOLDS, ERASURES, RETENTION, RUNS, MOTION, EXPORTS)
"""Steps of `cameras.db`, by owner."""


def source_of(spec: StreamSpec) -> RtspSource:
    """Return where a stream is fetched."""
    return RtspSource(spec.host, spec.port, spec.path, spec.tls)


def make_gate(login: Login | None, state: LoginState) -> LoginGate:
    """Return a login gate, with what is known of the login from before."""
    return LoginGate(login, refused=state is LoginState.REFUSED, proven=state is LoginState.ACCEPTED)


async def slots(config: Config, registry: Registry, losses: Losses, clock: Clock, keys: KeyStore | None) -> list[Slot]:
    """Return a slot per configured disk; ConfigError without any."""
    box, known = await registry.box_id(), await registry.volumes()
    if not config.volumes:
        raise ConfigError(
            "no disk for footage is configured", key="volumes", value="", remedy="add [[volumes]] with path = …"
        )
    writer = WriterOptions(
        segment_s=config.recording.segment_s, sync_s=config.recording.sync_s, stop_s=CLOSE_S, cipher=cipher_here()
    )
    return [
        Slot(
            SlotOptions(
                item.path,
                box,
                item.min_free_bytes,
                item.create and str(item.path) not in known,
                writer,
                known.get(str(item.path)),
            ),
            keys.school if keys is not None else None,
            losses,
            clock,
        )
        for item in config.volumes
    ]


def grants(config: Config, clock: Clock) -> Callable[[Mapping[str, Any]], Grant]:
    """Return what opens tickets; the gateway's key is read when the first one comes."""

    @cache
    def key() -> Ed25519PublicKey:
        return load_verify_key(config.paths.grant_key)

    return lambda ticket: open_ticket(ticket, key(), now_ms=clock.now_ms())


def search_of(config: Config, clock: Clock, pool: CallPool) -> Searching:
    """Return the box's search: the ladder with the vendors' own discovery, and a closer look at its result."""
    return Searching(
        config,
        clock,
        more=lambda seconds: [VendorStep(seconds)],
        closer=lambda found: doubted(found, clock, pool),
    )


async def drivers_of(config: Config, clock: Clock, network: RtspNetwork, on_fault: FaultSink) -> Drivers:
    """Return the drivers' side of the recorder; a temporary address that a killed search left behind is gone then."""
    pool = CallPool(turns=Turns(config.cameras.max_calls_per_s))
    searching = search_of(config, clock, pool)
    async with contained("temporary-address", on_fault):
        await searching.recover()
    pinned = {Engine.PYAV.value: PyavPlayer(network, clock, sandbox=config.vision.sandbox)}
    return Drivers(searching, clock, network, pool, films(config), pinned)


def start_budget(config: Config, clock: Clock) -> StartBudget:
    """Return the box's own pace of logins and connections."""
    cameras = config.cameras
    return StartBudget(clock, max_logins=cameras.max_logins, connects_per_s=cameras.max_connects_per_s)


def desk_and_doctor(
    config: Config, clock: Clock, player: StreamPlayer, pool: CallPool, lan: CameraLan
) -> tuple[SettingsDesk, BoxDoctor]:
    """Return those who ask cameras of ours when a person wants it; they share what they learn of each."""
    visits = OnvifVisits(clock, pool)
    return (
        SettingsDesk(config, clock, player, visits, lan.time_for),
        BoxDoctor(config, clock, visits, lan.time_for, lan.leases),
    )


async def journal_and_registry(db: Database, seal: SealKey, clock: Clock) -> tuple[Journal, Registry]:
    """Return the box's journal, read, and its cameras."""
    journal = Journal(db, clock)
    await journal.load()
    return journal, Registry(db, seal, journal, clock)


@contextlib.asynccontextmanager
async def recorder_daemon(config: Config, clock: Clock) -> AsyncIterator[Health]:
    """Run the recorder while entered."""
    on_fault, (seal, keys) = fault_sink(log), await anyio.to_thread.run_sync(keys_of, config, clock)
    async with Database(config.paths.database("cameras"), DATABASE) as db, RtspNetwork(clock) as network:
        journal, registry = await journal_and_registry(db, seal, clock)
        runs, ledger, losses = RunBook(db, boot_id()), GapLedger(journal), Losses(clock)
        store = Store(await slots(config, registry, losses, clock, keys), losses, runs, registry, journal, clock)
        drivers = await drivers_of(config, clock, network, on_fault)
        tools = Tools(
            clock=clock,
            player=FilmPlayer(network, films(config), clock),
            pinned=drivers.pinned,
            make_gate=make_gate,
            make_source=source_of,
            retry=after_failure,
            knock=knock,
            jitter=random.random,
            budget=start_budget(config, clock),
            footage=store,
            runs=runs,
            ledger=ledger,
            journal=journal,
            registry=registry,
            on_fault=on_fault,
            witness=drivers,
        )
        lan = CameraLan(config, clock, LeaseBook(db, clock), on_fault)
        desk, doctor = desk_and_doctor(config, clock, network, drivers.pool, lan)
        parts = Parts(
            db=db,
            journal=journal,
            registry=registry,
            runs=runs,
            ledger=ledger,
            store=store,
            vision=VisionClient(clock, sandbox=config.vision.sandbox) if config.vision.enabled else None,
            tools=tools,
            discovery=drivers.searching,
            learn=drivers.learn,
            activator=Activation(clock, drivers.pool, drivers.searching.found_at),
            pending=PendingLogins(db, seal, clock),
            groups=GroupBook(db, seal),
            open_ticket=grants(config, clock),
            exports=ExportBook(db, seal),
            settings=(SettingBook(db, seal, journal, clock), desk),
            watched=network.fast,
            daemon=DaemonFacts("vuon-recorder", clock).as_dict,
            lan=lan.facts,
            clock=clock,
            on_fault=on_fault,
            seal=seal,
            keys=keys,
            listen=listen_of(config, clock, drivers.pool),
            doctor=doctor,
            ask_key_frame=key_frames_by(OnvifVisits(clock, drivers.pool)),
            reports=lambda: clock_reports(network.statistics().streams),
        )
        async with Recorder(parts, settings(config)) as recorder, lan:
            log.info("recorder.ready", cameras=len(recorder.cameras.all()), volumes=len(config.volumes))
            yield Health(lambda: recorder.healthy() and network.alive)


def clock_reports(streams: Sequence[StreamStatistics]) -> list[ClockReport]:
    """Return what the cameras say of their clocks (RTCP sender reports, RFC 3550 section 6.4.1)."""
    return [
        ClockReport(item.source, unix_ms, item.report.read_mono_ns)
        for item in streams
        if item.report is not None and (unix_ms := item.report.unix_ms) is not None
    ]


def settings(config: Config) -> Settings:
    """Return the recorder's own settings from the configuration."""
    return Settings(
        control_socket=config.paths.socket("recorder"),
        feed_socket=config.paths.socket("feed"),
        zone=ZoneInfo(config.site.timezone),
        rules=rule_book(config.retention),
        search_s=config.cameras.discovery_s,
        sub_streams=config.recording.sub_streams,
        hours=SchoolHours(ZoneInfo(config.site.timezone), *config.recording.school_hours),
        find=FindRule(config.cameras.away_s, config.cameras.search_every_s, config.cameras.discovery_s),
    )


def main() -> int:
    """Run the daemon to its end."""
    keep_from_children()  # what decodes strangers' video needs no right to low ports
    return run_daemon("recorder", recorder_daemon)


if __name__ == "__main__":
    sys.exit(main())
