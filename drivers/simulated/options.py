"""How one simulated camera is set up, and what it shares with the others of its process.

Owns `CameraOptions` and `CameraWorld`. Invariant: both are frozen; what changes while a camera runs are the
`Faults` and `Quirks` inside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.simulated.discovery import Responder
from drivers.simulated.faults import Faults, Quirks
from drivers.simulated.live import STALL_S, Pacer
from drivers.simulated.outlet import ByteSink
from drivers.simulated.rtspd import WriterSink
from drivers.simulated.scene import SceneStore
from drivers.simulated.state import MAIN, SUB, Encoder
from drivers.simulated.vendorwire import VendorResponder
from gateway.core.clock import Clock
from gateway.core.model import Login

LOOP_S = 8
"""Length of a scene's loop: both streams of a camera show the same instant."""
MTU_BYTES = 1400


@dataclass(frozen=True, slots=True)
class CameraOptions:
    """How one camera is set up; everything a farm decides for it."""

    index: int
    name: str
    address: str
    login: Login
    label: str = ""
    """Drawn on the picture; cameras with equal label and variant share their encodings. Empty = name."""
    variant: int = 0
    onvif_port: int = 0
    rtsp_port: int = 0
    seed: str = "vuon"
    main: Encoder = MAIN
    sub: Encoder = SUB
    loop_s: int = LOOP_S
    grain: int = 0
    mtu_bytes: int = MTU_BYTES
    paths: tuple[str, str] = ("/Streaming/Channels/{c}01", "/Streaming/Channels/{c}02")
    """Main and sub; {c} is the channel, from 1."""
    channels: int = 1
    """Above 1 it is a recorder: one device whose channels show the same pictures."""
    faults: Faults = field(default_factory=Faults)
    quirks: Quirks = field(default_factory=Quirks)


@dataclass(frozen=True, slots=True)
class CameraWorld:
    """What the cameras of a process share."""

    store: SceneStore
    pacer: Pacer
    clock: Clock
    responder: Responder | None
    make_sink: Callable[[asyncio.StreamWriter], ByteSink] = WriterSink
    vendors: VendorResponder | None = None
    stall_s: float = STALL_S
    """A process that stood still for longer skips the frames that were due meanwhile."""
