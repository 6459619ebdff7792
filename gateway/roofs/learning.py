"""Learning cameras, in the recorder's words.

Owns the translation of what the drivers found out into what the registry stores. Invariants: a login is sent at
most once to learn a device; what is not known is left empty, never guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from drivers.adopt import Learned, Means
from drivers.channels import read_channels
from drivers.discovery.directed import who_is_at
from drivers.discovery.givenname import given_name
from drivers.engines import Engine, settle
from drivers.filmplayer import FILM_HOST
from drivers.gate import LoginGate
from drivers.manychannels import LearnedDevice, Wish, learn_device
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool
from drivers.registry import Kit
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.source import DEFAULT_PORT, DEFAULT_TLS_PORT
from drivers.rtsponly import StreamPlayer
from gateway.core.clock import Clock
from gateway.core.errors import BadInput, CameraUnreachable, CameraUnsupported
from gateway.core.log import get_logger
from gateway.roofs.camera_driver import onvif_driver, with_known_place
from gateway.roofs.camera_settings import stream_spec
from gateway.roofs.named_drivers import learn_named
from gateway.roofs.searching import Searching
from recorder.adoption import AdoptOrder, Device
from recorder.budget import knock
from recorder.identity import Identity
from recorder.registry import Camera, NewCamera

log = get_logger("recorder")
KNOCK_S = 3.0


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
                raise CameraUnsupported("nothing here speaks ONVIF", case="no_onvif", address=order.address) from error
            raise
        learned, told = settled.learned, Told() if found is None else Told(found.name, found.hardware, found.maker)
        if not learned.about.endpoint:  # adopted by address: the mark by which it is known without a login
            marks = await who_is_at(order.address)
            told = told if told.name else Told(marks.name, marks.hardware)
            learned = replace(learned, about=replace(learned.about, endpoint=marks.endpoint))
        learned = replace(learned, about=replace(learned.about, name=name_of(learned.about, order.address, told)))
        device = device_of(learned, order, gate.pin)
        cameras = [replace(item, engine=settled.engine.value, engine_why=settled.why) for item in device.cameras]
        return replace(device, cameras=tuple(cameras))

    async def look(self, camera: Camera) -> Identity:
        """Say what the device at a camera's address tells without a login; CameraUnreachable if nobody answers."""
        spec = camera.streams[0].spec
        if spec.host == FILM_HOST:  # a film has nobody to ask
            return camera.about.identity
        if not await knock(spec.host, spec.port):
            known = {"reason": "ECONNREFUSED"} if await is_up(spec.host, spec.port) else {}
            raise CameraUnreachable("no answer", address=spec.host, port=spec.port, **known)
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


class Told(NamedTuple):
    """What a device calls itself to anyone."""

    name: str = ""
    hardware: str = ""
    maker: str = ""


def name_of(about: Learned, address: str, told: Told) -> str:
    """Return what a camera is called when it becomes ours: by the name somebody gave it, else by maker and model."""
    known = (about.manufacturer, about.model, about.serial, about.firmware, told.hardware, told.maker, address)
    return given_name(told.name, *known) or about.name


async def is_up(address: str, port: int = DEFAULT_PORT) -> bool:
    """Say whether a host answers at all: also a refused connection is an answer."""
    try:
        async with asyncio.timeout(KNOCK_S):
            _, writer = await asyncio.open_connection(address, port)
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
