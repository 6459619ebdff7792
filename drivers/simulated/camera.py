"""One simulated camera: RTSP, ONVIF and stills on an address of its own.

Owns the servers, streams and settings of one camera and the switches that change it while it runs. Invariants:
entered = it answers; left = nothing of it listens; all its protocols share one list of users and one count of bad
logins; an encoder change restarts its stream and drops the RTSP connections, as real cameras do.
"""

from __future__ import annotations

import functools
import os
import random
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import anyio.to_thread

from drivers.simulated.certificate import SelfSigned
from drivers.simulated.counters import Counters
from drivers.simulated.device_service import DeviceService
from drivers.simulated.discovery import Announced
from drivers.simulated.event_service import EventService
from drivers.simulated.faults import FIXED, Faults, Look, Quirks, set_by_name
from drivers.simulated.imaging_service import ImagingService
from drivers.simulated.live import LiveStream
from drivers.simulated.logins import LoginBook, User
from drivers.simulated.media2_service import Media2Service
from drivers.simulated.media_parts import codecs
from drivers.simulated.media_service import MediaService
from drivers.simulated.onvifd import OnvifServer
from drivers.simulated.options import CameraOptions, CameraWorld
from drivers.simulated.paths import Paths, channel_profiles, is_loopback
from drivers.simulated.rtspd import RtspPorts, RtspServer, WriterSink
from drivers.simulated.scene import SceneSpec, still
from drivers.simulated.state import MOST_GOP, CameraState, Profile, identity_of
from drivers.simulated.vendordoor import VendorPart
from gateway.core.errors import AddressTaken, BadInput, CameraUnsupported
from gateway.core.media import Codec
from gateway.core.model import Secret, StreamRole

_GOP_STAGGER = 7
"""Frames between the key frames of neighbours: not all cameras send their largest picture at once."""


class SimulatedCamera:
    """One camera, running while entered; used in the event loop only."""

    def __init__(self, options: CameraOptions, world: CameraWorld) -> None:
        self.options, self._world = options, world
        self.faults, self.quirks = options.faults, options.quirks
        self.counters = Counters()
        login = options.login
        self.book = LoginBook({login.username: User(login.password)}, self.quirks, world.clock)
        self.vendor = VendorPart(self.quirks, self.book, world.vendors)
        main = replace(options.main, codec=Codec.H265) if self.quirks.h265 else options.main
        self.profiles = channel_profiles(options.paths, main, options.sub, options.channels)
        self.state = CameraState(
            options.name,
            identity_of(options.seed, options.index),
            options.address,
            world.clock,
            self.quirks,
            self.vendor.onvif_book,
            self.profiles,
            self._restart_stream,
            self._synchronise,
            onvif_port=options.onvif_port,
            rtsp_port=options.rtsp_port,
        )
        phase = options.index * _GOP_STAGGER
        self.streams = {
            profile.role: LiveStream(
                world.store,
                functools.partial(self._spec, profile),
                world.clock,
                self.faults,
                phase=phase,
                mtu_bytes=options.mtu_bytes,
                stall_s=world.stall_s,
            )
            for profile in self.profiles[:2]  # shared by the channels of a recorder
        }
        self.events = EventService(self.state)
        self._announced = Announced(self.state, self.faults, self.counters)
        self.vendor.attach(self.state, self.counters, self._vendor_changed)
        self._rtsp: RtspServer | None = None
        self._rtsps: RtspServer | None = None
        self.certificate: SelfSigned | None = None
        """What it shows over TLS; made when it starts, kept over restarts."""
        self._onvif: OnvifServer | None = None

    @property
    def name(self) -> str:
        """Return the class name it was given."""
        return self.state.name

    @property
    def address(self) -> str:
        """Return the loopback address it lives on."""
        return self.state.address

    @property
    def onvif_port(self) -> int:
        """Return the ONVIF port; 0 for a camera without ONVIF."""
        return self.state.onvif_port if self.quirks.onvif else 0

    @property
    def rtsp_port(self) -> int:
        """Return the RTSP port."""
        return self.state.rtsp_port

    @property
    def rtsps_port(self) -> int:
        """Return the port of RTSP over TLS; 0 for a camera without it."""
        return self._rtsps.port if self._rtsps else 0

    @property
    def bad_logins(self) -> int:
        """Return how often a wrong password was sent, over all protocols."""
        return sum(book.bad_logins for book in self.vendor.books)

    @property
    def calls(self) -> dict[str, int]:
        """Return how often each request came: {"onvif.GetProfiles": 2, ...}."""
        return dict(self.counters.totals)

    @property
    def sessions(self) -> int:
        """Return the number of RTSP sessions at the moment."""
        return sum(server.sessions for server in self._servers)

    @property
    def _servers(self) -> list[RtspServer]:
        return [server for server in (self._rtsp, self._rtsps) if server is not None]

    def rtsp_url(self, role: StreamRole = StreamRole.MAIN, channel: int = 1) -> str:
        """Return the stream's address without a login in it."""
        path = next(p.path for p in self.profiles if p.role is role and p.channel == channel)
        return f"rtsp://{self.address}:{self.rtsp_port}{path}"

    def statistics(self) -> dict[str, Any]:
        """Return counters as JSON: calls, bad_logins, good_logins, sessions, connections, subscriptions."""
        return {
            "name": self.name,
            "address": self.address,
            "calls": self.calls,
            "bad_logins": self.bad_logins,
            "good_logins": sum(book.good_logins for book in self.vendor.books),
            "lockouts": sum(book.lockouts for book in self.vendor.books),
            "sessions": self.sessions,
            "connections": sum(server.connections for server in self._servers),
            "subscriptions": self.events.subscriptions,
        }

    def _synchronise(self, profile: Profile) -> None:
        self.counters.totals["key_frames_asked"] += 1
        self.streams[profile.role].synchronise()

    def _spec(self, profile: Profile) -> SceneSpec:
        encoder, options = profile.encoder, self.options
        return SceneSpec(
            options.label or options.name,
            options.variant,
            encoder.width,
            encoder.height,
            encoder.fps,
            encoder.codec,
            encoder.gop_frames,
            options.loop_s * encoder.fps,
            encoder.bitrate_kbps * 1000,
            self.state.b_frames(encoder),
            Look.FROZEN if self.faults.freeze else self.faults.look,
            options.grain,
        )

    async def __aenter__(self) -> Self:
        for stream in self.streams.values():
            self._world.pacer.join(stream)
        if not self.faults.offline:
            try:
                await self._plug_in()
            except AddressTaken:
                await self.__aexit__(None, None, None)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._world.responder is not None:
            self._world.responder.remove(self._announced)
        await self._unplug()
        for stream in self.streams.values():
            self._world.pacer.leave(stream)

    async def _plug_in(self) -> None:
        if self.vendor.active:
            await self._start_rtsp()
        if self.quirks.onvif:
            await self._start_onvif()
            self._announce()

    async def _start_rtsp(self) -> None:
        world = self._world
        dice = random.Random(os.urandom(16))  # noqa: S311 - RTP numbers and simulated loss, no secrets
        ports = RtspPorts(
            Paths(self.state, self.streams),
            self.book,
            self.faults,
            self.quirks,
            self.counters,
            world.clock,
            world.pacer,
            dice,
            world.make_sink,
            lambda: self.sessions,
        )
        self._rtsp = await RtspServer(ports, self.address, self.state.rtsp_port).__aenter__()
        self.state.rtsp_port = self._rtsp.port
        if self.quirks.rtsps:
            self.certificate = self.certificate or SelfSigned(world.clock)
            secret = replace(ports, make_sink=WriterSink)  # a paced sink would write past TLS
            self._rtsps = await RtspServer(secret, self.address, 0, tls=self.certificate.context).__aenter__()

    async def _start_onvif(self) -> None:
        services = {
            "tds": DeviceService(self.state, self._reboot).operations(),
            "trt": MediaService(self.state).operations(),
            "tr2": Media2Service(self.state).operations(),
            "tev": self.events.operations(),
            "timg": ImagingService(self.state).operations(),
        }
        door = self.vendor.door(self.state)
        server = OnvifServer(self.state, self.faults, self.counters, services, self.still, door)
        if self.quirks.https:
            self.certificate = self.certificate or SelfSigned(self._world.clock)
            server.secure(self.certificate.context)
        self._onvif = await server.__aenter__()
        self.state.onvif_port = server.port

    def _announce(self) -> None:
        """Answer the discoveries that this camera answers at the moment."""
        self.vendor.announce()
        if self._world.responder is not None:
            self._world.responder.remove(self._announced)
            if self.vendor.speaks_onvif:
                self._world.responder.add(self._announced)

    async def _vendor_changed(self) -> None:
        """Follow its maker's web interface: a first password was given, or ONVIF was switched."""
        if self._onvif is not None:
            if self.vendor.active and self._rtsp is None:
                await self._start_rtsp()
            self._announce()

    async def _unplug(self) -> None:
        servers, onvif = self._servers, self._onvif
        self._rtsp = self._rtsps = self._onvif = None
        if self._world.responder is not None:
            self._world.responder.vanish(self._announced)
        self.vendor.silence()
        for server in servers:
            await server.__aexit__(None, None, None)
        if onvif is not None:
            await onvif.__aexit__(None, None, None)

    async def still(self) -> bytes:
        """Return a JPEG of what the main stream shows now."""
        stream = self.streams[StreamRole.MAIN]
        spec = self._spec(self.profiles[0])
        time_s = stream.now() / spec.fps % self.options.loop_s
        return await anyio.to_thread.run_sync(still, spec, time_s)

    async def warm(self) -> None:
        """Encode what this camera sends, so that its first viewer need not wait."""
        for stream in self.streams.values():
            await stream.ready()

    async def drop_connections(self) -> None:
        """Reset all RTSP connections; clients may come again at once."""
        for server in self._servers:
            await server.drop_connections()

    async def switch(self, name: str, value: object) -> None:
        """Set a fault or a quirk by name and do what follows from it; raises BadInput.

        Beside the fields of `Faults` and `Quirks` there are six acts: `drop_connections`, `motion` (an ONVIF
        event with this state), `password` and `gop_frames` (somebody changes them on the camera's own page),
        `certificate` (it makes another one for TLS), `address` (a DHCP server gave it another one).
        """
        if name == "address":
            await self._move(value)
            return
        if name == "drop_connections":
            await self.drop_connections()
            return
        if name == "motion":
            self.events.emit(value="true" if value else "false")
            return
        if name == "certificate" and self.certificate is not None:
            self.certificate.renew()
            return
        if name == "password":
            self.set_password(value)
            return
        if name == "gop_frames":
            self.set_gop(value)
            return
        if name == "h265" and value and Codec.H265 not in codecs():
            raise CameraUnsupported("this PyAV has no libx265: the simulated camera cannot send H.265")
        if name in FIXED:
            raise BadInput(f"{name} is decided when the camera starts", name=name)
        target: Faults | Quirks = self.faults if hasattr(self.faults, name) else self.quirks
        set_by_name(target, name, value)
        await self._follow(name)

    def set_password(self, value: object) -> None:
        """Change the first user's password, as somebody does on the camera's own page."""
        if not isinstance(value, str) or not value:
            raise BadInput("a password is text")
        user = self.book.users.get(self.options.login.username)
        if user is None:
            raise BadInput("the camera has no password yet")
        user.password = Secret(value)

    def set_gop(self, value: object) -> None:
        """Set the main stream's key-frame distance, as smart codecs stretch it; the stream restarts."""
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_GOP:
            raise BadInput(f"a GOP has 1 to {MOST_GOP} frames")
        main = self.profiles[0]
        self.state.change_encoder(main, replace(main.encoder, gop_frames=value))

    async def _move(self, value: object) -> None:
        """Leave one loopback address without a word and answer at another, with the same ports."""
        if not isinstance(value, str) or not is_loopback(value):
            raise BadInput("a simulated camera moves to another loopback address only", value=value)
        await self._unplug()
        self.state.address = value
        if not self.faults.offline:
            await self._plug_in()

    async def _follow(self, name: str) -> None:
        if name == "offline":
            if self.faults.offline:
                await self._unplug()
            elif self._rtsp is None and self._onvif is None:
                await self._plug_in()
        elif name == "h265":
            main = self.profiles[0]
            codec = Codec.H265 if self.quirks.h265 else Codec.H264
            self.state.change_encoder(main, replace(main.encoder, codec=codec))
            await self.drop_connections()

    def _restart_stream(self, profile: Profile) -> None:
        """Show new pictures to new sessions and end the old ones: an encoder was set."""
        for server in self._servers:
            server.abort_streams(self.streams[profile.role])

    def _reboot(self) -> None:
        self.events.forget()
        for server in self._servers:
            server.abort_streams(None)
