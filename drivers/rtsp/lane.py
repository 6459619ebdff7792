"""How one track's packets reach us: the `Transport:` header of SETUP (RFC 2326 §12.39).

Owns `wish` and `granted`. Pure. Invariants: we ask for unicast to ourselves only; an answer that would have
the camera send to another host, to a group, or over what we did not ask for is refused, so that nothing
is played; nobody's word decides where we listen but our own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drivers.rtsp.urls import ITSELF
from gateway.core.errors import CameraBadReply, CameraUnsupported

MOST_CHANNEL, MOST_PORT = 255, 65_535

_INTERLEAVED = re.compile(r"interleaved *= *(\d{1,3})(?: *- *(\d{1,3}))?", re.IGNORECASE)
_SERVER_PORT = re.compile(r"server_port *= *(\d{1,5})(?: *- *(\d{1,5}))?", re.IGNORECASE)
_DESTINATION = re.compile(r"destination *= *\"?([^;,\"\s]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Lane:
    """Where a track comes in: the channels of the connection, or the camera's UDP ports (0: not told)."""

    udp: bool
    rtp: int
    rtcp: int


def wish(first: int, *, udp: bool) -> str:
    """Return the header's value: `first` is our channel or our even port, the next one is for RTCP."""
    if udp:
        return f"RTP/AVP;unicast;client_port={first}-{first + 1}"
    return f"RTP/AVP/TCP;unicast;interleaved={first}-{first + 1}"


def _pair(found: re.Match[str]) -> tuple[int, int]:
    first = int(found[1])
    return first, int(found[2]) if found[2] else first + 1


def granted(header: str, first: int, *, udp: bool, ours: str) -> Lane:
    """Read the camera's answer to `wish(first, udp=udp)`; `ours` is our own address on this connection.

    CameraUnsupported: it does not stream in the way we asked for. CameraBadReply: it would stream to somebody
    else, or its numbers are out of range.
    """
    upper = header.upper()
    if header and ("TCP" in upper) == udp:
        way = "tcp" if not udp else "udp"
        raise CameraUnsupported(f"the camera does not stream over {way.upper()}", hint=way)
    if "MULTICAST" in upper:
        raise CameraUnsupported("the camera streams to a group of hosts only", hint="multicast")
    target = _DESTINATION.search(header)
    if target is not None and target[1].strip("[]").lower() not in ITSELF | {ours.lower()}:
        raise CameraBadReply("the camera would stream to another host", host=target[1][:100])
    if not udp:
        found = _INTERLEAVED.search(header)
        channels = _pair(found) if found else (first, first + 1)
        if max(channels) > MOST_CHANNEL:
            raise CameraBadReply("the camera's channels are out of range")
        return Lane(False, *channels)
    found = _SERVER_PORT.search(header)
    ports = _pair(found) if found else (0, 0)
    if max(ports) > MOST_PORT:
        raise CameraBadReply("the camera's ports are out of range")
    return Lane(True, *ports)
