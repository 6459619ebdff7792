"""Cameras that speak no ONVIF: the installer gives the path of the stream.

Owns `RtspOnlyDriver`. Invariants: one path is opened once per look, without guessing others (each
guess with a password could count as a bad login); the login goes through the camera's gate; what
such a camera is stays unknown: its identity is its address and MAC.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Protocol

import anyio

from drivers.base import (
    Capability,
    Health,
    LoginMode,
    Probe,
    StreamInfo,
)
from drivers.discovery.neighbours import mac_of
from drivers.gate import LoginGate
from drivers.rtsp.protocol import StreamSink
from drivers.rtsp.source import RtspSource
from drivers.streamonly import StreamOnly
from gateway.core.clock import Clock
from gateway.core.errors import CameraSilent, CameraUnreachable, CameraUnsupported, VuonError
from gateway.core.media import AccessUnit, CodecConfig
from gateway.core.model import StreamRole

LOOK_S = 10.0
"""How long a camera may take from TCP connect to its first picture; key frames come every 2-4 s."""
CONNECT_S = 3.0


class StreamPlayer(Protocol):
    """What opens a stream: `drivers.rtsp.network.RtspNetwork`."""

    async def play(self, source: RtspSource, gate: LoginGate, sink: StreamSink) -> None:
        """Play until cancelled or failed with a `CameraError`."""


class _FirstLook:
    """A sink that waits for the first codec configuration, or the first picture."""

    def __init__(self, *, picture: bool) -> None:
        self._picture = picture
        self._loop = asyncio.get_running_loop()
        self.seen = asyncio.Event()
        self.accepted = False
        self.config: CodecConfig | None = None

    def playing(self, config: CodecConfig | None) -> None:
        self.accepted = True
        if config is not None and not self._picture:
            self._keep(config)

    def unit(self, unit: AccessUnit) -> None:
        if self.config is None:
            self._keep(unit.config)

    def _keep(self, config: CodecConfig) -> None:
        self.config = config
        self._loop.call_soon_threadsafe(self.seen.set)


async def first_look(
    player: StreamPlayer, source: RtspSource, gate: LoginGate, seconds: float = LOOK_S, *, picture: bool = False
) -> CodecConfig:
    """Open a stream, learn its codec configuration, and close it again; with `picture` not before it showed one.

    Raises:
        CameraSilent: the camera plays nothing we can decode within `seconds`.
        CameraError: whatever ended the session before that.
        ConfigError: this machine cannot run the engine.

    """
    look = _FirstLook(picture=picture)
    failure: list[VuonError] = []

    async def play() -> None:
        try:
            await player.play(source, gate, look)
        except VuonError as error:
            failure.append(error)
            look.seen.set()

    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as group:
            group.start_soon(play)
            await look.seen.wait()
            group.cancel_scope.cancel()
    if look.config is not None:
        return look.config
    if failure:
        raise failure[0]
    raise CameraSilent("the stream shows no picture", seconds=seconds, accepted=look.accepted)


class RtspOnlyDriver(StreamOnly):
    """One camera known only by its RTSP path (and perhaps a second one for the sub stream)."""

    name: ClassVar[str] = "rtsp"
    capabilities = frozenset({Capability.HEALTH})

    def __init__(
        self, main: RtspSource, gate: LoginGate, *, player: StreamPlayer, clock: Clock, sub: RtspSource | None = None
    ) -> None:
        self._sources = {StreamRole.MAIN: main} | ({StreamRole.SUB: sub} if sub else {})
        self._main, self._gate, self._player, self._clock = main, gate, player, clock
        self._configs: dict[StreamRole, CodecConfig] = {}

    async def probe(self) -> Probe:
        """Open the main stream once: proves address, path, login and codec together."""
        latency_ms = await self._connect_ms()
        await self._look(StreamRole.MAIN)
        return Probe(
            driver=self.name,
            login_mode=LoginMode.OPEN if self._gate.login is None else LoginMode.UNKNOWN,
            mac=mac_of(self._main.host),
            name=self._main.host,
            latency_ms=latency_ms,
        )

    async def streams(self) -> tuple[StreamInfo, ...]:
        """Return main, and sub if a second path was given, with codec and size as played."""
        return tuple([await self._stream(role, source) for role, source in self._sources.items()])

    async def _stream(self, role: StreamRole, source: RtspSource) -> StreamInfo:
        config = await self._look(role)
        return StreamInfo(role, source, config.codec, config.width, config.height)

    async def _look(self, role: StreamRole) -> CodecConfig:
        if role not in self._configs:
            self._configs[role] = await first_look(self._player, self._sources[role], self._gate)
        return self._configs[role]

    async def _connect_ms(self) -> int:
        """Return the time of one TCP connect, which sends nothing."""
        start_ns = self._clock.mono_ns()
        try:
            with anyio.fail_after(CONNECT_S):
                stream = await anyio.connect_tcp(self._main.host, self._main.port)
        except (OSError, TimeoutError) as error:
            raise CameraUnreachable("no answer", address=self._main.host, port=self._main.port) from error
        await stream.aclose()
        return (self._clock.mono_ns() - start_ns) // 1_000_000

    async def snapshot(self) -> bytes:
        """Refuse: stills of such a camera are decoded from its own stream."""
        raise CameraUnsupported("this camera makes no pictures")

    async def health(self) -> Health:
        """Connect and hang up: reachability and round trip, nothing more."""
        return Health(await self._connect_ms(), None, self._clock.now_ms())
