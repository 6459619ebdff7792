"""Learning a camera at adoption: which driver speaks to it, what it is, which streams it has.

Owns the order of attempts. Invariants: nobody sees a password before an ONVIF device or an RTSP
server answered; a refused login ends the adoption, nothing else is tried with it; the fallback to
RTSP only happens without ONVIF, with the path that the installer gave or by the rule of `discovery.paths`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from urllib.parse import SplitResult, urlsplit

from drivers.base import Driver, Found, LoginMode, Probe, StreamInfo
from drivers.discovery.merging import true_endpoint
from drivers.discovery.neighbours import mac_of
from drivers.discovery.paths import candidates, guess
from drivers.discovery.ports import RTSP_PORTS, Look, ask_rtsp
from drivers.discovery.vendors import vendor_of
from drivers.discovery.wsd import DEFAULT_PATH
from drivers.gate import LoginGate
from drivers.onvif.client import device_path
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool
from drivers.onvif.tls import TLS_PORTS
from drivers.onvif.transport import Limits
from drivers.rtsp.source import DEFAULT_PORT, RtspSource
from drivers.rtsponly import RtspOnlyDriver, StreamPlayer
from gateway.core.clock import Clock
from gateway.core.errors import CameraBadReply, CameraError, CameraUnreachable, CameraUnsupported

ONVIF_PORTS = (80, 2020, 8000, 8080, 8899, 443)
"""Where ONVIF lives when nobody said: the standard, TP-Link, Dahua OEMs, Xiongmai, and cameras with HTTPS only."""


@dataclass(frozen=True, slots=True)
class Means:
    """What adoption works with: shared by all adoptions of the box."""

    clock: Clock
    pool: CallPool
    player: StreamPlayer | None = None
    """Opens RTSP streams; without it RTSP-only cameras cannot be adopted."""
    limits: Limits | None = None
    ports: tuple[int, ...] = ONVIF_PORTS
    rtsp_ports: tuple[int, ...] = RTSP_PORTS


@dataclass(frozen=True, slots=True)
class Learned:
    """Everything adoption stores about a camera."""

    driver: str
    """Name of the driver: "onvif" or "rtsp"."""
    endpoint: str
    """Its WS-Discovery endpoint reference; "" if it was adopted by address."""
    port: int
    """TCP port its driver speaks to: ONVIF's or RTSP's."""
    serial: str
    mac: str | None
    manufacturer: str
    model: str
    firmware: str
    name: str
    streams: tuple[StreamInfo, ...]
    clock_skew_ms: int | None
    """Camera clock minus ours; None if it tells no time."""
    login_mode: LoginMode
    channels: int = 1
    """Video sources of the device: above 1 it is a recorder, and each is a camera of its own."""
    onvif_path: str = ""
    """Path of its ONVIF device service; "" without ONVIF."""
    onvif_tls: bool | None = None
    """Whether that is spoken over TLS; None without ONVIF."""


def speaks_tls(port: int, found: Found | None = None) -> bool:
    """Say whether a camera's ONVIF port wants TLS: as discovery said, else by the port's number."""
    for xaddr in found.xaddrs if found else ():
        parts = urlsplit(xaddr)
        if found and parts.hostname == found.address and _port_of(parts) == port:
            return parts.scheme == "https"
    return port in TLS_PORTS


def _port_of(parts: SplitResult) -> int:
    try:
        return parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return 0


async def learn(  # noqa: PLR0913 - what is given of an RTSP stream are three small facts of one place
    address: str,
    port: int | None,
    gate: LoginGate,
    means: Means,
    *,
    found: Found | None = None,
    rtsp_path: str | None = None,
    rtsp_port: int = DEFAULT_PORT,
    rtsp_tls: bool = False,
    channel: int = 0,
) -> Learned:
    """Learn a camera: by ONVIF, or by the RTSP path if it speaks none.

    Args:
        address: the host as we reach it.
        port: its ONVIF port; None tries the usual ones, without a login.
        gate: the camera's login, sent at most once.
        means: clock, call pool and stream player.
        found: what discovery said of it: gives the endpoint reference and the service's path.
        rtsp_path: the stream to fall back to when no ONVIF answers; None = guess it (`discovery.paths`).
        rtsp_port: port of that stream; without a path the usual ones are tried after it.
        rtsp_tls: it speaks RTSP over TLS (only with a path).
        channel: which video source of a recorder, from 0.

    Raises:
        CameraLoginRefused: the camera refused the login, or wants one and none is stored.
        CameraUnreachable: nothing answers.
        CameraUnsupported: what answers offers nothing we can use.
        CameraError: as the reply gives cause.

    """
    endpoint = true_endpoint(found) if found else ""
    try:
        onvif = await speaking_onvif(address, port, gate, means, found=found, channel=channel)
    except (CameraUnreachable, CameraUnsupported, CameraBadReply):
        speaking = (rtsp_port, "") if rtsp_path is not None else await _speaking_rtsp(address, rtsp_port, found, means)
        if speaking is None:
            raise
    else:
        return await read(onvif, address, endpoint, onvif.port)
    if means.player is None:
        raise CameraUnsupported("RTSP streams cannot be opened here", address=address)
    rtsp_port, server = speaking
    if rtsp_path is None:
        maker = (found.maker if found else "") or vendor_of(mac_of(address), server)
        main, sub = await guess(address, rtsp_port, gate, sleep=means.clock.sleep, tries=candidates(maker))
    else:
        main, sub = RtspSource(address, rtsp_port, rtsp_path, rtsp_tls), None
    rtsp = RtspOnlyDriver(main, gate, player=means.player, clock=means.clock, sub=sub)
    return await read(rtsp, address, endpoint, rtsp_port)


async def _speaking_rtsp(address: str, asked: int, found: Found | None, means: Means) -> tuple[int, str] | None:
    """Return the port where the host answers RTSP without a login, and its Server header.

    None: it does so nowhere, or nobody could play what we found.
    """
    known = found.rtsp_port if found else 0
    ports = (asked,) if asked != DEFAULT_PORT else (known or asked, *means.rtsp_ports)
    for port in dict.fromkeys(ports):
        if means.player is not None and (server := await ask_rtsp(address, port, "", Look())) is not None:
            return port, server
    return None


async def speaking_onvif(
    address: str, port: int | None, gate: LoginGate, means: Means, *, found: Found | None, channel: int
) -> OnvifDriver:
    """Return a driver whose port answered ONVIF to a call without a login, at the path told or the standard one.

    Raises the error of the last port tried that was more than unreachable, else `CameraUnreachable`.
    """
    told = device_path(found) if found else DEFAULT_PATH
    failure: CameraError = CameraUnreachable("no answer", case="no_answer", address=address)
    for candidate, path in product(_candidates(port, means.ports), dict.fromkeys((told, DEFAULT_PATH))):
        driver = OnvifDriver(
            address,
            candidate,
            gate,
            pool=means.pool,
            clock=means.clock,
            path=path,
            channel=channel,
            limits=means.limits,
            tls=speaks_tls(candidate, found),
        )
        try:
            await driver.knock()
        except CameraError as error:
            await driver.close()
            if not isinstance(error, (CameraUnreachable, CameraUnsupported, CameraBadReply)):
                raise
            if not isinstance(error, CameraUnreachable):
                failure = error
        else:
            return driver
    raise failure


def _candidates(port: int | None, usual: Sequence[int]) -> tuple[int, ...]:
    return tuple(usual) if port is None else (port,)


async def read(driver: Driver, address: str, endpoint: str, port: int) -> Learned:
    """Ask a driver everything and close it."""
    try:
        probe: Probe = await driver.probe()
        streams = await driver.streams()
    finally:
        await driver.close()
    return learned_of(probe, streams, driver, address=address, endpoint=endpoint, port=port)


def learned_of(
    probe: Probe, streams: tuple[StreamInfo, ...], driver: Driver, *, address: str, endpoint: str, port: int
) -> Learned:
    """Put together what adoption stores, with the place at which `driver` speaks ONVIF.

    The MAC on our wire goes before the one the camera tells: only that can be seen again without a login.
    """
    onvif = driver if isinstance(driver, OnvifDriver) else None
    return Learned(
        driver=probe.driver,
        endpoint=endpoint,
        port=port,
        serial=probe.serial,
        mac=mac_of(address) or probe.mac,
        manufacturer=probe.manufacturer,
        model=probe.model,
        firmware=probe.firmware,
        name=probe.name,
        streams=streams,
        clock_skew_ms=probe.clock_skew_ms,
        login_mode=probe.login_mode,
        channels=probe.channels,
        onvif_path=onvif.path if onvif else "",
        onvif_tls=onvif.tls if onvif else None,
    )
