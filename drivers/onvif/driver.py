"""The ONVIF driver: one camera behind the `Driver` protocol.

Owns the camera's `OnvifClient` and its line of calls. Invariants: blocking work runs in the box's
call pool only; each method makes the fewest calls that answer it; after `close` nothing is sent.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import ClassVar

from lxml import etree

from drivers.base import (
    CameraEvent,
    CameraSettings,
    Capability,
    Change,
    Found,
    Health,
    LoginKeeper,
    LoginMode,
    Outcome,
    Probe,
    StreamInfo,
)
from drivers.discovery import multicast as discovery
from drivers.discovery.wsd import DEFAULT_PATH
from drivers.gate import LoginGate
from drivers.onvif import profiles as rules
from drivers.onvif.client import DeviceInformation, OnvifClient
from drivers.onvif.events import Forgetful, PullMemory, Reports
from drivers.onvif.ownuser import Accounts
from drivers.onvif.pace import CallPool, Line
from drivers.onvif.settings_apply import SettingsApplier
from drivers.onvif.settings_read import Desk, SettingsReader
from drivers.onvif.smartcodec import switch_for
from drivers.onvif.tls import TLS_PORTS
from drivers.onvif.transport import Limits
from drivers.settings import ORDER, Reading, check_keys, concerned, differences
from gateway.core.clock import Clock
from gateway.core.errors import CameraBadReply, CameraUnsupported
from gateway.core.model import StreamRole


class OnvifDriver:
    """One ONVIF camera, or one channel of an ONVIF recorder."""

    name: ClassVar[str] = "onvif"
    capabilities = frozenset({Capability.SNAPSHOT, Capability.HEALTH, Capability.SETTINGS, Capability.EVENTS})

    def __init__(  # noqa: PLR0913 - where a camera is and what it is asked with
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
        tls: bool | None = None,
    ) -> None:
        """`tls` None: as the port's number says."""
        self.host, self.port, self.path, self.channel = host, port, path, channel
        self.tls = port in TLS_PORTS if tls is None else tls
        self.profile = ""
        """Token of a profile of the channel, if one is known: names it for sure, whatever the order of the list."""

        def make_client(by: LoginGate) -> OnvifClient:
            by.clear_text = gate.clear_text  # of this camera, whoever logs in
            return OnvifClient(host, port, by, clock=clock, path=path, limits=limits, tls=self.tls)

        self._line = Line(pool, clock, host)
        self._desk = Desk(make_client(gate), self._line)
        self._accounts = Accounts(self._desk, self._line, make_client)
        self._clock = clock
        self._profiles: tuple[rules.Profile, ...] | None = None
        self._reader: SettingsReader | None = None
        self.refused_by_maker: set[str] = set()
        """Users that the maker's own interface refused; whoever makes drivers for a camera keeps it."""

    @property
    def _client(self) -> OnvifClient:
        """The client of the login in use: a change of users exchanges it."""
        return self._desk.client

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
        return rules.choose(await self._all_profiles())

    async def _all_profiles(self) -> tuple[rules.Profile, ...]:
        if self._profiles is None:
            self._profiles = await self._line.call(self._client.profiles)
        return self._profiles

    async def pictures(self) -> Mapping[str, rules.Picture]:
        """Return which picture each profile belongs to, by the profile's token: whose an event of a recorder is."""
        return rules.pictures(await self._all_profiles())

    async def _own_channel(self) -> rules.Channel:
        return rules.own_channel(await self._all_channels(), self.channel, self.profile)

    async def snapshot(self) -> bytes:
        """Fetch one JPEG of the main stream."""
        channel = await self._own_channel()
        return await self._line.call(lambda: self._client.snapshot(channel.main))

    async def key_frame(self, profile: str) -> None:
        """Ask for a key frame of one of the camera's profiles; CameraUnsupported if it makes none on demand."""
        await self._line.call(self._client.read_clock)  # a login may carry the time
        await self._line.call(lambda: _synchronise(self._client, profile))

    async def health(self) -> Health:
        """Ask the time: reachability, round trip and clock offset in one call without a login."""
        clock = await self._line.call(self._client.read_clock)
        return Health(clock.latency_ms, clock.skew_ms, self._clock.now_ms())

    def hand_logins_to(self, keeper: LoginKeeper | None) -> None:
        """Let `apply` make passwords, and say who takes them; without a keeper it makes none."""
        self._accounts.keeper = keeper

    async def settings(self) -> Reading:
        """Read every setting with its options: the backup before a change."""
        return await (await self._settings_reader()).read(ORDER)

    async def plan(self, want: CameraSettings) -> tuple[Change, ...]:
        """Read what the wish concerns and say what would have to change."""
        reading = await (await self._settings_reader()).read(concerned(want))
        return differences(reading.now, want, reading.options)

    async def apply(self, changes: Sequence[Change]) -> tuple[Outcome, ...]:
        """Make the changes in the safe order, each read back; the first surprise ends it.

        Raises:
            BadInput: a change names no setting; nothing was sent.
            CameraError: the camera could not be asked at all; later trouble is in the outcomes.

        """
        check_keys(change.setting for change in changes)
        reader = await self._settings_reader()
        return await SettingsApplier(self._desk, reader, self._accounts, self._clock).apply(changes)

    async def about(self) -> DeviceInformation:
        """Ask make, model and firmware as they are now."""
        return await self._desk.run(lambda client: client.device_information())

    async def ask(self, operation: str) -> etree._Element:
        """Ask the device service one thing without arguments, in the camera's line."""
        return await self._desk.device(operation)

    async def _settings_reader(self) -> SettingsReader:
        if self._reader is None:
            call, client = self._line.call, self._client
            await call(client.read_clock)
            about = await call(client.device_information)
            switch = switch_for(about.manufacturer, self.channel, client.reply_bytes)
            own = (self.channel, self.profile)
            self._reader = SettingsReader(self._desk, self._clock, own, switch, self.refused_by_maker)
        return self._reader

    async def events(self, memory: PullMemory | None = None) -> AsyncGenerator[CameraEvent, None]:
        """Deliver what the camera reports; `memory` gives back the pull point of a former life.

        Ends by an error that concerns more than the subscription (see `Reports.stream`).
        """
        await self._line.call(self._client.read_clock)  # dates are in camera time
        calls = self._client.events()
        async for event in Reports(calls, self._line, self._clock, memory or Forgetful(), random.random).stream():
            yield event

    def settle(self) -> None:
        """End the adoption: from now on at most one call a second."""
        self._line.settle()

    async def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _synchronise(client: OnvifClient, profile: str) -> None:
    """Ask by Media1, which most have, else by Media2."""
    try:
        client.media1().synchronise(profile)
    except (CameraUnsupported, CameraBadReply):
        client.media2().synchronise(profile)
