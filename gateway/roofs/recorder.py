"""`vuon-recorder`: cameras to disk, feeds for live video; no people, no HTTP.

Owns the building of the recorder: the drivers' objects are made here and handed to the recorder, which
knows them as protocols only. Invariants: the network outlives the cameras that play through it, the disks
outlive the network; one login gate per device; the gateway's public key is read when the first ticket
comes, so that recording never waits for the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio.to_thread
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from drivers.adopt import Learned, Means
from drivers.channels import read_channels
from drivers.discovery.directed import who_is_at
from drivers.discovery.vendorsearch import VendorStep
from drivers.engines import Engine, settle
from drivers.filmplayer import FILM_HOST, FilmPlayer
from drivers.gate import LoginGate
from drivers.manychannels import LearnedDevice, Wish, learn_device
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool, Turns
from drivers.pyav.player import PyavPlayer
from drivers.registry import Kit
from drivers.retry import after_failure
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.source import DEFAULT_PORT, DEFAULT_TLS_PORT, RtspSource
from drivers.rtsponly import StreamPlayer
from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.core.daemonize import DaemonFacts, Health
from gateway.core.db import Database
from gateway.core.errors import BadInput, CameraUnreachable, CameraUnsupported, ConfigError
from gateway.core.log import fault_sink, get_logger
from gateway.core.model import Grant, Login
from gateway.core.privileges import keep_from_children
from gateway.core.secrets import load_verify_key
from gateway.core.supervise import FaultSink, contained
from gateway.core.ticket import open_ticket
from gateway.roofs.activation import Activation, doubted
from gateway.roofs.camera_driver import onvif_driver, with_known_place
from gateway.roofs.camera_lan import CameraLan
from gateway.roofs.camera_settings import SettingsDesk, stream_spec
from gateway.roofs.footage_key import cipher_here, keys_of
from gateway.roofs.listening import listen_of
from gateway.roofs.main import run_daemon
from gateway.roofs.named_drivers import films, learn_named
from gateway.roofs.onvifvisits import OnvifVisits
from gateway.roofs.recorder_doctor import BoxDoctor
from gateway.roofs.searching import Searching
from recorder.adoption import AdoptOrder, Device
from recorder.budget import StartBudget, knock
from recorder.camera import Tools
from recorder.erasures import MIGRATIONS as ERASURES
from recorder.exportbook import MIGRATIONS as EXPORTS
from recorder.exportbook import ExportBook
from recorder.finder import FindRule
from recorder.gaps import GapLedger
from recorder.holdreasons import MIGRATIONS as HOLDS
from recorder.identity import Identity
from recorder.journal import Journal
from recorder.keystore import KeyStore
from recorder.leases import MIGRATIONS as LEASES
from recorder.leases import LeaseBook
from recorder.losses import Losses
from recorder.pending import MIGRATIONS as PENDING
from recorder.pending import PendingLogins
from recorder.registry import MIGRATIONS, Camera, LoginState, NewCamera, Registry, StreamSpec
from recorder.retention import Rule
from recorder.runs import RunBook, boot_id
from recorder.service import Parts, Recorder, Settings
from recorder.settingbook import SettingBook
from recorder.slot import Slot, SlotOptions
from recorder.store import Store
from recorder.vision.client import VisionClient
from recorder.writer import WriterOptions

log = get_logger("recorder")
CLOSE_S = 8.0
"""What a disk gets to take the last pictures: every segment is closed within 10 s of SIGTERM."""

KNOCK_S = 3.0
DATABASE = (MIGRATIONS, PENDING, LEASES, HOLDS, ERASURES, EXPORTS)
"""Steps of `cameras.db`, by owner."""


@dataclass(slots=True)
class Drivers:
    """Learning cameras, in the recorder's words."""

    searching: Searching
    clock: Clock
    network: RtspNetwork
    pool: CallPool = field(default_factory=CallPool)
    films: Path | None = None
    pinned: Mapping[str, StreamPlayer] = field(default_factory=dict)
    """The engines besides ours, by name."""

    async def learn(self, order: AdoptOrder) -> Device:
        """Ask a camera or recorder everything; its login is sent at most once."""
        gate = LoginGate(order.login, clear_text=order.clear_text)
        found = with_known_place(self.searching.found.get((order.address, order.endpoint)), order)
        path, rtsp_port, rtsp_tls = rtsp_place(order.rtsp_path)
        wish = Wish(path, rtsp_port, read_channels(order.channels) if order.channels else None, rtsp_tls)
        kit = Kit(self.clock, self.pool, self.network, self.films)
        if (known := await learn_named(order, wish, gate, kit)) is not None:
            return device_of(known, order, gate.pin)

        async def by(player: StreamPlayer) -> LearnedDevice:
            means = Means(self.clock, self.pool, player)
            return await learn_device(order.address, order.port, gate, means, wish, found=found)

        try:
            settled = await settle(order.engine, by, gate, {Engine.NATIVE.value: self.network, **self.pinned})
        except CameraUnreachable as error:
            if path is None and await is_up(order.address):
                raise CameraUnsupported("nothing here speaks ONVIF", address=order.address) from error
            raise
        learned = settled.learned
        if not learned.about.endpoint:  # adopted by address: the mark by which it is known without a login
            endpoint = (await who_is_at(order.address)).endpoint
            learned = replace(learned, about=replace(learned.about, endpoint=endpoint))
        device = device_of(learned, order, gate.pin)
        cameras = [replace(item, engine=settled.engine.value, engine_why=settled.why) for item in device.cameras]
        return replace(device, cameras=tuple(cameras))

    async def look(self, camera: Camera) -> Identity:
        """Say what the device at a camera's address tells without a login; CameraUnreachable if nobody answers."""
        spec = camera.streams[0].spec
        if spec.host == FILM_HOST:  # a film has nobody to ask
            return camera.about.identity
        if not await knock(spec.host, spec.port):
            raise CameraUnreachable("no answer", address=spec.host, port=spec.port)
        marks = await who_is_at(camera.about.address)
        return Identity(marks.endpoint, marks.mac)

    async def serial(self, camera: Camera, gate: LoginGate) -> str:
        """Ask an ONVIF camera its serial number, with its login; "" for any other."""
        if camera.about.driver != OnvifDriver.name:
            return ""
        driver = onvif_driver(camera, gate, self.pool, self.clock)
        try:
            return await driver.serial()
        finally:
            await driver.close()


async def is_up(address: str) -> bool:
    """Say whether a host answers at all: also a refused connection is an answer."""
    try:
        async with asyncio.timeout(KNOCK_S):
            _, writer = await asyncio.open_connection(address, DEFAULT_PORT)
    except ConnectionRefusedError:
        return True
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    return True


def rtsp_place(text: str | None) -> tuple[str | None, int, bool]:
    """Return path, port and whether it is TLS, of `/path`, `:8554/path`, `rtsps://:322/path` or `:8554`.

    BadInput if the port is no number, or TLS has no path: paths are guessed without a login first, in clear only.
    """
    tls = text is not None and text.startswith("rtsps://")
    place = text.removeprefix("rtsps://") if text is not None else None
    path, port = place, str(DEFAULT_TLS_PORT if tls else DEFAULT_PORT)
    if place is not None and place.startswith(":"):
        port, slash, rest = place[1:].partition("/")
        path = slash + rest or None
    if not (port.isascii() and port.isdigit()) or (tls and not path):
        raise BadInput("an RTSP path looks like /stream1, :8554/stream1 or rtsps://:322/stream1", key="rtsp_path")
    return path, int(port), tls


def device_of(learned: LearnedDevice, order: AdoptOrder, pin: str = "") -> Device:
    """Translate a device with its channels; `pin` is the certificate it showed over TLS."""
    cameras = [
        replace(new_camera(replace(learned.about, streams=channel.streams), order, channel.number), tls_pin=pin)
        for channel in learned.channels
    ]
    return Device(tuple(cameras), learned.empty)


def new_camera(learned: Learned, order: AdoptOrder, channel: int = 0) -> NewCamera:
    """Translate what the drivers learned into what the registry stores."""
    return NewCamera(
        name=learned.name,
        driver=learned.driver,
        address=order.address,
        port=learned.port,
        identity=Identity(learned.endpoint, learned.mac or "", learned.serial, channel),
        login=order.login,
        login_mode=learned.login_mode.value,
        manufacturer=learned.manufacturer,
        model=learned.model,
        firmware=learned.firmware,
        streams=tuple(map(stream_spec, learned.streams)),
        onvif_path=learned.onvif_path,
        onvif_tls=learned.onvif_tls,
    )


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
            SlotOptions(item.path, box, item.min_free_bytes, item.create and str(item.path) not in known, writer),
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


@contextlib.asynccontextmanager
async def recorder_daemon(config: Config, clock: Clock) -> AsyncIterator[Health]:
    """Run the recorder while entered."""
    on_fault = fault_sink(log)
    seal, keys = await anyio.to_thread.run_sync(keys_of, config, clock)
    async with Database(config.paths.database("cameras"), DATABASE) as db, RtspNetwork(clock) as network:
        journal = Journal(db, clock)
        await journal.load()
        registry = Registry(db, seal, journal, clock)
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
        )
        async with Recorder(parts, settings(config)) as recorder, lan:
            log.info("recorder.ready", cameras=len(recorder.cameras.all()), volumes=len(config.volumes))
            yield Health(lambda: recorder.healthy() and network.alive)


def settings(config: Config) -> Settings:
    """Return the recorder's own settings from the configuration."""
    return Settings(
        control_socket=config.paths.socket("recorder"),
        feed_socket=config.paths.socket("feed"),
        zone=ZoneInfo(config.site.timezone),
        rule=Rule(config.retention.days, config.retention.max_bytes_per_stream),
        search_s=config.cameras.discovery_s,
        sub_streams=config.recording.sub_streams,
        find=FindRule(config.cameras.away_s, config.cameras.search_every_s, config.cameras.discovery_s),
    )


def main() -> int:
    """Run the daemon to its end."""
    keep_from_children()  # what decodes strangers' video needs no right to low ports
    return run_daemon("recorder", recorder_daemon)


if __name__ == "__main__":
    sys.exit(main())
