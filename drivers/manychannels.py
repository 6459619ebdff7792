"""Learning a whole device at adoption: one camera, or every channel of a recorder.

Owns `learn_device`. Invariants: one login for all channels of the device, sent at most once unproven; its refusal
ends everything; a channel counts only if its path describes a picture (DESCRIBE, no session is opened), the others
are named; without ONVIF the makers' paths are tried one after the other, and only a missing path lets the next be
tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from drivers.adopt import Learned, Means, learn, learned_of, speaking_onvif
from drivers.base import Found, LoginMode, StreamInfo
from drivers.channels import FAMILIES, MOST_CHANNELS, Family, family_of, number_channels, sources
from drivers.discovery.merging import true_endpoint
from drivers.discovery.neighbours import mac_of
from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.rtsp.describer import Describer
from drivers.rtsp.source import DEFAULT_PORT, RtspSource
from gateway.core.clock import Clock
from gateway.core.errors import (
    CameraBadReply,
    CameraOverloaded,
    CameraUnreachable,
    CameraUnsupported,
)
from gateway.core.model import StreamRole

MISSES_IN_A_ROW = 4
"""So many missing channels end the list of a recorder that cannot say how many it has."""
AFTER_A_MISS_S = 1.0


@dataclass(frozen=True, slots=True)
class LearnedChannel:
    """One camera of a device; number 0: the device is that camera."""

    number: int
    streams: tuple[StreamInfo, ...]


@dataclass(frozen=True, slots=True)
class LearnedDevice:
    """A device and its cameras."""

    about: Learned
    """What is true of all channels; its `streams` are those of the first."""
    channels: tuple[LearnedChannel, ...]
    empty: tuple[int, ...] = ()
    """Channels that were asked for and have no picture."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the installer said about the device."""

    rtsp_path: str | None = None
    rtsp_port: int = DEFAULT_PORT
    channels: frozenset[int] | None = None
    """None = all of them."""
    rtsp_tls: bool = False
    """The path given is spoken to over TLS."""


async def learn_device(
    address: str, port: int | None, gate: LoginGate, means: Means, wish: Wish, *, found: Found | None = None
) -> LearnedDevice:
    """Learn a device with all its cameras, or with the channels wished for.

    Args and errors are those of `drivers.adopt.learn`. Without ONVIF a recorder is learned by its makers' paths; a
    path that was given without channels is one camera.
    """
    endpoint = true_endpoint(found) if found else ""
    try:
        onvif = await speaking_onvif(address, port, gate, means, found=found, channel=0)
    except (CameraUnreachable, CameraUnsupported, CameraBadReply):
        if wish.channels is not None and not wish.rtsp_tls:
            return await _by_paths(address, gate, means.clock, wish, endpoint)
        learned = await learn(
            address,
            port,
            gate,
            means,
            found=found,
            rtsp_path=wish.rtsp_path,
            rtsp_port=wish.rtsp_port,
            rtsp_tls=wish.rtsp_tls,
        )
        main = learned.streams[0].source
        of_path = family_of(main.path)
        if wish.rtsp_path is None and of_path is not None and await _has_second(of_path[0], main, gate):
            wish = Wish(main.path, main.port, frozenset(range(1, MOST_CHANNELS + 1)))
            return await _by_paths(address, gate, means.clock, wish, endpoint)
        number = of_path[1] if of_path is not None and of_path[1] > 1 else 0
        return LearnedDevice(learned, (LearnedChannel(number, learned.streams),))
    return await _by_onvif(onvif, address, endpoint, gate, wish)


async def _has_second(family: Family, main: RtspSource, gate: LoginGate) -> bool:
    """Say whether a host whose first channel was found has a second one: then it is a recorder."""
    async with Describer(main.host, main.port, gate) as look:
        return await _has_picture(look, family.paths(2)[0], unsure=False)


async def _by_onvif(onvif: OnvifDriver, address: str, endpoint: str, gate: LoginGate, wish: Wish) -> LearnedDevice:
    try:
        probe = await onvif.probe()  # first, since it learns the clock and the way to log in
        told = await onvif.every_channel() if probe.channels > 1 else (("", await onvif.streams()),)
    finally:
        await onvif.close()
    about = learned_of(probe, told[0][1], onvif, address=address, endpoint=endpoint, port=onvif.port)
    if probe.channels == 1:
        if wish.channels not in (None, frozenset({1})):
            raise CameraUnsupported("this is one camera, no recorder with channels", address=address)
        return LearnedDevice(about, (LearnedChannel(0, about.streams),))
    numbers = number_channels(
        [source for source, _ in told], [streams[0].source.path if streams else "" for _, streams in told]
    )
    channels = [LearnedChannel(number, streams) for number, (_, streams) in zip(numbers, told, strict=True)]
    channels.sort(key=lambda channel: channel.number)
    if wish.channels is not None:
        missing = sorted(wish.channels - set(numbers))
        if missing:
            raise CameraUnsupported("the recorder has no such channel", channel=missing[0], channels=len(told))
        channels = [channel for channel in channels if channel.number in wish.channels]
    return _device(about, *await _with_picture(channels[:MOST_CHANNELS], address, gate))


async def _with_picture(
    channels: Sequence[LearnedChannel], address: str, gate: LoginGate
) -> tuple[list[LearnedChannel], list[int]]:
    """Sort out the channels whose main stream describes no picture; one connection for all of one port."""
    full, empty = list[LearnedChannel](), list[int]()
    port = next((channel.streams[0].source.port for channel in channels if channel.streams), DEFAULT_PORT)
    async with Describer(address, port, gate) as look:
        for channel in channels:
            there = bool(channel.streams)
            if there and channel.streams[0].source.port == port and not channel.streams[0].source.tls:
                there = await _has_picture(look, channel.streams[0].source.path)
            if there:
                full.append(channel)
            else:
                empty.append(channel.number)
    return full, empty


async def _has_picture(look: Describer, path: str, *, unsure: bool = True) -> bool:
    try:
        return await look.video(path) is not None
    except (CameraOverloaded, CameraBadReply):  # no room to tell just now, or in words of its own
        return unsure


async def _by_paths(address: str, gate: LoginGate, clock: Clock, wish: Wish, endpoint: str) -> LearnedDevice:
    """Learn a recorder by the paths its maker gives its channels."""
    wanted = sorted(wish.channels or ())
    channels, empty, misses = list[LearnedChannel](), list[int](), 0
    async with Describer(address, wish.rtsp_port, gate) as look:
        family = await _family(look, clock, wish.rtsp_path, wanted[0])
        for number in wanted:
            streams = await _streams(look, family, number, (address, wish.rtsp_port))
            if streams:
                channels.append(LearnedChannel(number, streams))
                misses = 0
                continue
            empty.append(number)
            misses += 1
            if misses == MISSES_IN_A_ROW:
                break
            await clock.sleep(AFTER_A_MISS_S)
    about = Learned(
        driver="rtsp",
        endpoint=endpoint,
        port=wish.rtsp_port,
        serial="",
        mac=mac_of(address),
        manufacturer="",
        model="",
        firmware="",
        name=address,
        streams=(),
        clock_skew_ms=None,
        login_mode=LoginMode.OPEN if gate.login is None else LoginMode.UNKNOWN,
    )
    return _device(about, channels, empty)


async def _family(look: Describer, clock: Clock, path: str | None, first: int) -> Family:
    """Return the maker's way of naming channels: that of the path given, else the first that describes something."""
    if path is not None:
        known = family_of(path)
        if known is None:
            raise CameraUnsupported("channels can only be counted in the makers' paths we know", path=path)
        return known[0]
    for family in FAMILIES:
        if await look.video(family.paths(first)[0]) is not None:
            return family
        await clock.sleep(AFTER_A_MISS_S)
    raise CameraUnsupported("no path of a recorder we know leads to a picture", channel=first)


async def _streams(look: Describer, family: Family, number: int, place: tuple[str, int]) -> tuple[StreamInfo, ...]:
    found = []
    for role, source in zip((StreamRole.MAIN, StreamRole.SUB), sources(*place, family, number), strict=True):
        track = await look.video(source.path)
        if track is not None:
            found.append(StreamInfo(role, source, track.codec))
        elif role is StreamRole.MAIN:
            return ()
    return tuple(found)


def _device(about: Learned, full: Sequence[LearnedChannel], empty: Sequence[int]) -> LearnedDevice:
    if not full:
        raise CameraUnsupported("no channel has a picture", channels=len(empty))
    return LearnedDevice(replace(about, streams=full[0].streams, channels=len(full)), tuple(full), tuple(empty))
