"""Where cameras without ONVIF keep their streams, and how to find out without locking them.

Owns the table of vendors' RTSP paths and the rule of guessing. Invariants: a path is asked for without a
password first, then with it once; a 401 to a request that carried the password ends everything, whatever
paths are left; only "no such path" (404, 454) lets the next one be tried, `PAUSE_S` later; no path holds a
password.

One form is left out for that reason: Xiongmai's `/user=NAME_password=PASSWORD_channel=1_stream=0.sdp` puts
the password into the path, so into requests, logs and our database. Those devices speak ONVIF on port 8899.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from drivers.gate import LoginGate
from drivers.rtsp.describe import describe
from drivers.rtsp.source import RtspSource
from gateway.core.errors import CameraUnsupported

PAUSE_S = 1.0
"""Between two paths: cameras of this kind take one connection at a time."""

Sleep = Callable[[float], Awaitable[None]]
Describe = Callable[[RtspSource, LoginGate], Awaitable[bool]]
"""`describe.describe`: whether a path exists."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Where one kind of camera keeps its streams; `sub` "" = we know of none."""

    main: str
    sub: str
    vendors: tuple[str, ...] = ()
    """Makers (as `vendors.vendor_in` names them) known to use it."""


TABLE: tuple[Paths, ...] = (
    Paths("/Streaming/Channels/101", "/Streaming/Channels/102", ("Hikvision", "Ezviz", "Viettel", "VNPT")),
    Paths(
        "/cam/realmonitor?channel=1&subtype=0",
        "/cam/realmonitor?channel=1&subtype=1",
        ("Dahua", "KBVision", "Imou", "Amcrest", "Lorex"),
    ),
    Paths("/stream1", "/stream2", ("TP-Link",)),
    Paths("/media/video1", "/media/video2", ("Uniview",)),
    Paths("/Preview_01_main", "/Preview_01_sub", ("Reolink",)),
    Paths("/h264Preview_01_main", "/h264Preview_01_sub", ("Reolink",)),
    Paths("/1/1", "/1/2", ("Tiandy",)),
    Paths("/axis-media/media.amp", "", ("Axis",)),
    Paths("/onvif/profile2/media.smp", "/onvif/profile3/media.smp", ("Hanwha",)),
    Paths("/ch1/main", "/ch1/sub", ("Ezviz",)),
    Paths("/h264/ch1/main/av_stream", "/h264/ch1/sub/av_stream", ("Hikvision",)),
    Paths("/unicast/c1/s0/live", "/unicast/c1/s1/live", ("Uniview",)),
    Paths("/video1", "/video2", ("Uniview",)),
    Paths("/live/ch0", "/live/ch1"),
    Paths("/11", "/12"),
    Paths("/live.sdp", ""),
    Paths("/h264", ""),
)
"""In the order of how common they are in our schools; not one was verified on a camera of ours."""


def candidates(vendor: str) -> tuple[Paths, ...]:
    """Return the table with the vendor's own paths first."""
    own = tuple(paths for paths in TABLE if vendor and vendor in paths.vendors)
    return own + tuple(paths for paths in TABLE if paths not in own)


async def guess(
    host: str,
    port: int,
    gate: LoginGate,
    *,
    sleep: Sleep,
    tries: Sequence[Paths] = TABLE,
    ask: Describe = describe,
) -> tuple[RtspSource, RtspSource | None]:
    """Return the main and, if there is one, the sub stream of a camera nobody gave a path for.

    Raises:
        CameraLoginRefused: the camera refused the login (which was sent once), or wants one.
        CameraUnsupported: it has none of the paths.
        CameraError: whatever else it answered; nothing more is tried then.

    """
    for number, paths in enumerate(tries):
        if number:
            await sleep(PAUSE_S)
        main = RtspSource(host, port, paths.main)
        if not await ask(main, gate):
            continue
        if not paths.sub:
            return main, None
        await sleep(PAUSE_S)
        sub = RtspSource(host, port, paths.sub)
        return main, sub if await ask(sub, gate) else None
    raise CameraUnsupported(
        "the camera has none of the paths we know", address=host, case="path_unknown", tried=len(tries)
    )
