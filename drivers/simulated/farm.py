"""Many simulated cameras in one process, each on its own loopback address.

Owns what they share: one pacer, one discovery socket, one store of scenes. Invariants: entered = all
cameras answer and their pictures are ready; left = nothing listens; cameras beyond `distinct` share
pictures with others and then carry a neutral label, never another class's name; all addresses are loopback.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread

from drivers.simulated.art import VARIANTS
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.discovery import Responder
from drivers.simulated.faults import Faults, Quirks
from drivers.simulated.live import STALL_S, Pacer
from drivers.simulated.options import LOOP_S, MTU_BYTES, CameraOptions, CameraWorld
from drivers.simulated.pacing import Pace, PacedSender
from drivers.simulated.rtspd import WriterSink
from drivers.simulated.scene import SHARED, SceneSpec, SceneStore
from drivers.simulated.state import MAIN, SUB, Encoder
from drivers.simulated.vendor import check_vendor
from drivers.simulated.vendorwire import VendorResponder
from gateway.core.clock import Clock, SystemClock
from gateway.core.errors import BadInput
from gateway.core.model import Login, Secret

BASE_ADDRESS = "127.0.1.11"
MOST_CAMERAS = 200
MOST_CHANNELS = 64
DISTINCT = 8
"""Cameras with pictures of their own: encoding eight takes a few seconds and about 20 MB."""
ENCODER_THREADS = 2
CLASSES = ("Lớp Lá 1", "Lớp Lá 2", "Lớp Chồi 1", "Lớp Chồi 2", "Lớp Mầm 1", "Lớp Mầm 2", "Nhà trẻ 1", "Nhà trẻ 2")
NEUTRAL_LABEL = "Lớp học"
ODD = ("ready", "inactive", "onvif_off")
"""How a vendor's camera may start: as bought (no password, ONVIF off), with a password but without ONVIF, or good."""

QUICK_MAIN = Encoder(width=320, height=180, fps=10, gop_frames=10, bitrate_kbps=256)
QUICK_SUB = Encoder(width=320, height=180, fps=5, gop_frames=5, bitrate_kbps=128)
"""Small pictures, a key frame a second, encoded in a blink: for tests that need many cameras."""


@dataclass(frozen=True, slots=True)
class FarmOptions:
    """What all cameras of a farm have in common."""

    onvif_port: int = 0
    """0 = chosen by the system, for each camera."""
    rtsp_port: int = 0
    main: Encoder = MAIN
    sub: Encoder = SUB
    loop_s: int = LOOP_S
    grain: int = 0
    distinct: int = DISTINCT
    """So many cameras have pictures with their own name; the rest share neutral ones."""
    seed: str = "vuon"
    """Equal seeds give the cameras the same serials, MACs and endpoint references again."""
    discovery: bool = True
    interface: str = "127.0.0.1"
    mtu_bytes: int = MTU_BYTES
    """Longest RTP payload."""
    pace: Pace | None = None
    """None = each access unit in one burst; else segment after segment, as over a real network."""
    odd: tuple[str, ...] = ()
    """What the first cameras lack, one word each (`ODD`); the rest are good ones."""
    rtsp_only: bool = False
    """No ONVIF and no discovery: cameras that only have an RTSP address."""
    channels: int = 1
    """Above 1 each device is a recorder with so many cameras, which share its pictures."""
    max_sessions: int = 0
    """RTSP sessions a device serves at once; 0 = no limit."""
    warm: bool = True
    """Encode before the farm counts as entered."""


QUICK = FarmOptions(main=QUICK_MAIN, sub=QUICK_SUB, loop_s=2, distinct=0)
"""For tests: `Farm(4, password="...", options=QUICK)`."""
RECORDER = replace(QUICK, channels=16, max_sessions=16)
"""A 16-channel recorder that has room for one viewer of each channel and refuses the 17th session."""


@dataclass(frozen=True, slots=True)
class FarmWorld:
    """Time, memory and a last word: what tests exchange."""

    clock: Clock = field(default_factory=SystemClock)
    store: SceneStore = SHARED
    adjust: Callable[[CameraOptions], CameraOptions] = lambda options: options
    """May change each camera's options before it is built."""
    stall_s: float = STALL_S
    """See `CameraWorld`."""


class Farm:
    """Runs `count` cameras while entered."""

    def __init__(
        self,
        count: int,
        *,
        password: str | Secret,
        username: str = "admin",
        names: Sequence[str] = (),
        base: str = BASE_ADDRESS,
        options: FarmOptions = FarmOptions(),
        world: FarmWorld = FarmWorld(),
    ) -> None:
        """Prepare `count` cameras on addresses from `base` upwards; more than MOST_CAMERAS raises BadInput."""
        if not 0 <= count <= MOST_CAMERAS:
            raise BadInput(f"a farm has at most {MOST_CAMERAS} cameras", count=count)
        if not 1 <= options.channels <= MOST_CHANNELS:
            raise BadInput(f"a recorder has 1 to {MOST_CHANNELS} channels", channels=options.channels)
        login = Login(username, password if isinstance(password, Secret) else Secret(password))
        self.options, self._world = options, world
        self._pacer = Pacer(world.clock)
        self._responder = Responder(options.interface) if options.discovery and not options.rtsp_only else None
        self._vendors = VendorResponder(options.interface) if options.discovery and not options.rtsp_only else None
        self._sender = PacedSender(options.pace) if options.pace else None
        make_sink = self._sender.sink if self._sender else WriterSink
        shared = CameraWorld(
            world.store, self._pacer, world.clock, self._responder, make_sink, self._vendors, world.stall_s
        )
        first = _loopback(base, count)
        self.cameras: list[SimulatedCamera] = []
        for index in range(count):
            name = names[index] if index < len(names) else class_name(index)
            plain = camera_options(options, index, name, str(first + index), login)
            self.cameras.append(SimulatedCamera(world.adjust(plain), shared))
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            if self.options.warm:
                await self._encode_all()
            if self._sender is not None:
                stack.enter_context(self._sender)
            await stack.enter_async_context(self._pacer)
            if self._responder is not None:
                await stack.enter_async_context(self._responder)
            if self._vendors is not None and any(camera.vendor.side is not None for camera in self.cameras):
                await stack.enter_async_context(self._vendors)
            for camera in self.cameras:
                await stack.enter_async_context(camera)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _encode_all(self) -> None:
        """Encode each distinct scene once, on two threads: more would only fight for a small box's cores."""
        specs: list[SceneSpec] = list(
            dict.fromkeys(stream.spec for camera in self.cameras for stream in camera.streams.values())
        )
        limit = anyio.CapacityLimiter(ENCODER_THREADS)

        async def one(spec: SceneSpec) -> None:
            await anyio.to_thread.run_sync(self._world.store.get, spec, limiter=limit)

        async with anyio.create_task_group() as group:
            for spec in specs:
                group.start_soon(one, spec)
        _give_back_memory()


def camera_options(farm: FarmOptions, index: int, name: str, address: str, login: Login) -> CameraOptions:
    """Return how a farm sets up camera `index`."""
    return CameraOptions(
        index,
        name,
        address,
        login,
        label=name if index < farm.distinct else NEUTRAL_LABEL,
        variant=index % VARIANTS if index < farm.distinct else 0,
        onvif_port=farm.onvif_port,
        rtsp_port=farm.rtsp_port,
        seed=farm.seed,
        main=farm.main,
        sub=farm.sub,
        loop_s=farm.loop_s,
        grain=farm.grain,
        mtu_bytes=farm.mtu_bytes,
        channels=farm.channels,
        faults=Faults(max_sessions=farm.max_sessions),
        quirks=odd_quirks(farm.odd[index]) if index < len(farm.odd) else Quirks(onvif=not farm.rtsp_only),
    )


def odd_quirks(word: str) -> Quirks:
    """Return the quirks of a camera that lacks something: `hikvision:inactive`, `dahua:onvif_off` and so on."""
    vendor, _, lack = word.partition(":")
    if lack not in ODD:
        raise BadInput(f"{word!r} is no <vendor>:<{'|'.join(ODD)}>", key="odd", value=word)
    return Quirks(vendor=check_vendor(vendor), inactive=lack == "inactive", onvif_off=lack != "ready")


def _give_back_memory() -> None:
    """Return the encoders' working memory to the system: about 20 MB that glibc would keep for later."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim is not None:
        trim(0)


def _loopback(base: str, count: int) -> ipaddress.IPv4Address:
    """Return the first address; raises BadInput unless all are loopback: nobody on a LAN shall take these for real."""
    try:
        first = ipaddress.IPv4Address(base)
        last = first + max(0, count - 1)
    except ValueError as error:
        raise BadInput(f"{base} is no IPv4 address", base=base) from error
    if not (first.is_loopback and last.is_loopback):
        raise BadInput(f"simulated cameras live on loopback only, not on {base}", base=base)
    return first


def class_name(index: int) -> str:
    """Return the class the camera `index` looks into when nobody named it."""
    name = CLASSES[index % len(CLASSES)]
    return name if index < len(CLASSES) else f"{name} ({index // len(CLASSES) + 1})"
