"""Small things around a stream: finding its address, knocking at its port.

Owns `resolve` and `knock`. Invariants: knocking sends no byte and no login (CAMERAS: Budget).
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from typing import Any

import anyio

from drivers.rtsp.link import Address
from gateway.core.errors import CameraUnreachable


async def _lookup(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    try:  # a number needs no name server, and so no worker thread
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def resolve(host: str, port: int) -> Address:
    """Return the first TCP address of a host name or number; CameraUnreachable if it has none."""
    try:
        found = await _lookup(host, port)
    except (OSError, UnicodeError) as error:
        raise CameraUnreachable("the camera's name has no address", address=host, reason="name") from error
    for family, _, _, _, where in found:
        if family in (socket.AF_INET, socket.AF_INET6):
            return Address(family, where)
    raise CameraUnreachable("the camera's name has no address", address=host, reason="name")


async def knock(host: str, port: int, timeout_s: float) -> bool:
    """Say whether a TCP connection to the port can be made within `timeout_s`; it is closed at once."""
    with contextlib.suppress(OSError), anyio.move_on_after(timeout_s):
        stream = await anyio.connect_tcp(host, port)
        await stream.aclose()
        return True
    return False
