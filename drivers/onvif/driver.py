"""The ONVIF driver: one camera behind the `Driver` protocol.

Owns the camera's `OnvifClient` and its line of calls. Invariants: blocking work runs in the box's
call pool only; each method makes the fewest calls that answer it; after `close` nothing is sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from drivers.base import (
    CameraEvent,
    CameraSettings,
    Capability,
    Change,
    Found,
    Health,
    LoginMode,
    Outcome,
    Probe,
    StreamInfo,
)
from drivers.discovery import multicast as discovery
from drivers.discovery.wsd import DEFAULT_PATH
from drivers.gate import LoginGate
from drivers.onvif import profiles as rules
from drivers.onvif.client import OnvifClient
from drivers.onvif.pace import CallPool
from drivers.onvif.transport import Limits
from gateway.core.clock import Clock
from gateway.core.errors import CameraBadReply, CameraUnsupported
from gateway.core.model import StreamRole


class OnvifDriver:
    """One ONVIF camera, or one channel of an ONVIF recorder."""

    name: ClassVar[str] = "onvif"
    capabilities = frozenset({Capability.SNAPSHOT, Capability.HEALTH})

    def __init__(
        self,
        host: str,
        port: int,
        gate: LoginGate,
        *,
        pool: CallPool,
        clock: Clock,
        path: str = DEFAULT_PATH,
        channel: int = 0,
        limits: Limits | None = None,
    ) -> None:
        self.host, self.port, self.channel = host, port, channel
        self._client = OnvifClient(host, port, gate, clock=clock, path=path, limits=limits)
        self._line = pool.line(host, clock)
        self._clock = clock
        self._channels: tuple[rules.Channel, ...] | None = None

    @classmethod
    def discover(cls, interfaces: Sequence[str], seconds: float) -> AsyncIterator[Found]:
        """Look for ONVIF devices (WS-Discovery)."""
        return discovery.discover(interfaces, seconds)

    async def probe(self) -> Probe:
        """Learn clock and login mode without a password, log in once, and read what the camera is."""
        client, call = self._client, self._line.call
        clock = await call(client.read_clock)
        if client.login_mode is LoginMode.UNKNOWN:
            await call(client.learn_login)
        about = await call(client.device_information)
        mac = await call(client.mac)
        channels = await self._all_channels()
        return Probe(
            driver=self.name,
            login_mode=client.login_mode,
            manufacturer=about.manufacturer,
            model=about.model,
            firmware=about.firmware,
            serial=about.serial,
            mac=mac,
            name=" ".join(part for part in (about.manufacturer, about.model) if part),
            clock_skew_ms=clock.skew_ms,
            latency_ms=clock.latency_ms,
            channels=len(channels),
        )

    async def knock(self) -> None:
        """Find out whether an ONVIF device answers here, without a login.

        Raises:
            CameraUnreachable: nobody answers.
            CameraUnsupported: somebody does, but no ONVIF device.

        """
        await self._line.call(self._client.learn_login)

    async def streams(self) -> tuple[StreamInfo, ...]:
        """Return main and, if there is one, sub of this driver's channel.

        A sub stream whose address the camera will not tell is left out; main must be there.
        """
        return await self._streams_of(await self._own_channel())

    async def every_channel(self) -> tuple[tuple[str, tuple[StreamInfo, ...]], ...]:
        """Return the video source and the streams of each channel; none for one that tells no address."""
        channels = await self._all_channels()
        self._line.allow(2 * len(channels))
        found = []
        for channel in channels:
            try:
                streams = await self._streams_of(channel)
            except (CameraUnsupported, CameraBadReply):
                streams = ()
            found.append((channel.source, streams))
        return tuple(found)

    async def serial(self) -> str:
        """Log in, once, and return the serial number; "" if the camera tells none."""
        call = self._line.call
        await call(self._client.read_clock)
        if self._client.login_mode is LoginMode.UNKNOWN:
            await call(self._client.learn_login)
        return (await call(self._client.device_information)).serial

    async def _streams_of(self, channel: rules.Channel) -> tuple[StreamInfo, ...]:
        found = [await self._stream(StreamRole.MAIN, channel.main)]
        if channel.sub is not None:
            try:
                found.append(await self._stream(StreamRole.SUB, channel.sub))
            except CameraUnsupported:
                return tuple(found)
        return tuple(found)

    async def _stream(self, role: StreamRole, profile: rules.Profile) -> StreamInfo:
        source = await self._line.call(lambda: self._client.stream_source(profile))
        return StreamInfo(
            role=role,
            source=source,
            codec=profile.codec,
            width=profile.width,
            height=profile.height,
            fps=profile.fps,
            bitrate_bps=profile.bitrate_bps,
            gop=profile.gop,
            token=profile.token,
        )

    async def _all_channels(self) -> tuple[rules.Channel, ...]:
        if self._channels is None:
            self._channels = rules.choose(await self._line.call(self._client.profiles))
        return self._channels

    async def _own_channel(self) -> rules.Channel:
        channels = await self._all_channels()
        if self.channel >= len(channels):
            raise CameraUnsupported("the recorder has no such channel", channel=self.channel, channels=len(channels))
        return channels[self.channel]

    async def snapshot(self) -> bytes:
        """Fetch one JPEG of the main stream."""
        channel = await self._own_channel()
        return await self._line.call(lambda: self._client.snapshot(channel.main))

    async def health(self) -> Health:
        """Ask the time: reachability, round trip and clock offset in one call without a login."""
        clock = await self._line.call(self._client.read_clock)
        return Health(clock.latency_ms, clock.skew_ms, self._clock.now_ms())

    async def plan(self, want: CameraSettings) -> tuple[Change, ...]:
        """Refuse: settings are not changed by this version."""
        raise CameraUnsupported("this driver changes no settings", want=str(want))

    async def apply(self, changes: Sequence[Change]) -> tuple[Outcome, ...]:
        """Refuse: see `plan`."""
        raise CameraUnsupported("this driver changes no settings", changes=len(changes))

    def events(self) -> AsyncIterator[CameraEvent]:
        """Refuse: events are not subscribed to by this version."""
        raise CameraUnsupported("this driver takes no events")

    def settle(self) -> None:
        """End the adoption: from now on at most one call a second."""
        self._line.settle()

    async def close(self) -> None:
        """Close the connection."""
        self._client.close()
