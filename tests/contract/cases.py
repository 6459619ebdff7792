"""How the conformance suite makes each driver: against one simulated camera, with one gate.

Films have neither: `test_film_driver.py` asks the same of their driver.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from drivers.base import Driver
from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool
from drivers.onvif.transport import Limits
from drivers.pyav.player import PyavPlayer
from drivers.registry import Kit, Place, open_driver
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.source import RtspSource
from drivers.rtsponly import RtspOnlyDriver, StreamPlayer
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.faults import Faults, Quirks
from gateway.core.clock import SystemClock
from gateway.core.model import StreamRole

LIMITS = Limits(total_s=3.0)


def onvif(camera: SimulatedCamera, gate: LoginGate, network: RtspNetwork) -> Driver:
    """The ONVIF driver at a camera's ONVIF port."""
    return OnvifDriver(camera.address, camera.onvif_port, gate, pool=CallPool(), clock=SystemClock(), limits=LIMITS)


def rtsp_only(camera: SimulatedCamera, gate: LoginGate, network: RtspNetwork) -> Driver:
    """The RTSP-only driver with both paths of a camera; over TLS where the camera has it."""
    return _rtsp_driver(camera, gate, network)


def _rtsp_driver(camera: SimulatedCamera, gate: LoginGate, player: StreamPlayer) -> Driver:
    port, tls = camera.rtsps_port or camera.rtsp_port, bool(camera.rtsps_port)
    main, sub = (
        RtspSource(camera.address, port, camera.rtsp_url(role).split("/", 3)[3].join(("/", "")), tls=tls)
        for role in (StreamRole.MAIN, StreamRole.SUB)
    )
    return RtspOnlyDriver(main, gate, player=player, clock=SystemClock(), sub=sub)


def by_pyav(camera: SimulatedCamera, gate: LoginGate, network: RtspNetwork) -> Driver:
    """The RTSP-only driver of a camera that is pinned to the second engine."""
    return _rtsp_driver(camera, gate, pyav(network))


def ours(network: RtspNetwork) -> StreamPlayer:
    """The engine of a camera that is pinned to none."""
    return network


def pyav(network: RtspNetwork) -> StreamPlayer:
    """The second engine, its children caged as in the product."""
    return PyavPlayer(network, SystemClock())


def simulated(camera: SimulatedCamera, gate: LoginGate, network: RtspNetwork) -> Driver:
    """The simulated camera's driver, made by its entry point."""
    kit = Kit(SystemClock(), CallPool(), network, limits=LIMITS)
    return open_driver("simulated", Place(camera.address, camera.onvif_port), gate, kit)


def _html(faults: Faults) -> None:
    faults.html_error = True


def _garbage(faults: Faults) -> None:
    faults.garbage = True


def _udp_only(quirks: Quirks) -> Quirks:
    return replace(quirks, udp_only=True)


def _with_tls(quirks: Quirks) -> Quirks:
    return replace(quirks, rtsps=True)


@dataclass(frozen=True)
class Case:
    """One driver under test."""

    name: str
    make: Callable[[SimulatedCamera, LoginGate, RtspNetwork], Driver]
    protocol: str
    """The simulated camera's name for what the driver speaks: "onvif" or "rtsp"."""
    break_replies: Callable[[Faults], None]
    """Makes the camera answer this driver with what is no answer."""
    adjust: Callable[[Quirks], Quirks] = lambda quirks: quirks
    """How its camera differs, besides what a test asks for."""
    driver: str = ""
    """The driver's own name, where the case has another."""
    player: Callable[[RtspNetwork], StreamPlayer] = ours
    """What plays the streams it names."""


CASES = (
    Case("onvif", onvif, "onvif", _html),
    Case("rtsp", rtsp_only, "rtsp", _garbage),
    Case("rtsp over udp", rtsp_only, "rtsp", _garbage, _udp_only, "rtsp"),
    Case("rtsps", rtsp_only, "rtsp", _garbage, _with_tls, "rtsp"),
    Case("rtsp by pyav", by_pyav, "rtsp", _garbage, driver="rtsp", player=pyav),
    Case("simulated", simulated, "onvif", _html),
)
