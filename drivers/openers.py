"""How the drivers of cameras on the network are made from what an installer says.

Owns the openers that the entry points `onvif` and `rtsp` name. Invariants: making a driver asks the camera
nothing; which port and path are meant when nobody said is written here.
"""

from __future__ import annotations

from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.registry import Kit, Place
from drivers.rtsp.source import DEFAULT_PORT, RtspSource
from drivers.rtsponly import RtspOnlyDriver
from gateway.core.errors import BadInput

ONVIF_PORT = 80


def onvif(place: Place, gate: LoginGate, kit: Kit) -> OnvifDriver:
    """Speak ONVIF to a host; BadInput for what is none."""
    port = ONVIF_PORT if place.port is None else place.port
    host = RtspSource(place.text, port, "/").host  # one rule for what a host is
    return OnvifDriver(host, port, gate, pool=kit.pool, clock=kit.clock, limits=kit.limits)


def rtsp(place: Place, gate: LoginGate, kit: Kit) -> RtspOnlyDriver:
    """Play one RTSP path of a host; BadInput without a path."""
    if place.path is None:
        raise BadInput("an RTSP camera needs its path", key="rtsp_path")
    source = RtspSource(place.text, DEFAULT_PORT if place.port is None else place.port, place.path)
    return RtspOnlyDriver(source, gate, player=kit.player, clock=kit.clock)
