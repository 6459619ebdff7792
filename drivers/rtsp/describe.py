"""One DESCRIBE by itself: does a path exist, and does the login open it.

Owns `describe`. Invariants: the first request carries no login; the password goes out once, by Digest,
through the camera's gate, and its refusal is told to the gate (`SessionLogin`); no redirect is followed;
reply and time are bounded; no media session is opened.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from drivers.gate import LoginGate
from drivers.rtsp.login import SessionLogin
from drivers.rtsp.message import MOST_BODY_BYTES, MOST_HEADER_BYTES, Message, read_message, write_request
from drivers.rtsp.protocol import failure_of_status
from drivers.rtsp.sdp import read_sdp
from drivers.rtsp.source import RtspSource
from gateway.core.errors import CameraBadReply, CameraClosed, CameraOverloaded, CameraSilent, CameraUnreachable

CONNECT_S = 3.0
ANSWER_S = 5.0
MOST_BYTES = MOST_HEADER_BYTES + MOST_BODY_BYTES
MOST_STRAYS = 8
NO_SUCH_PATH = frozenset({404, 454})
"""Not Found, and Session Not Found, which some firmware says of an unknown path (RFC 2326 §11)."""

Pair: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect: TypeAlias = Callable[[str, int], Awaitable[Pair]]
"""`await connect(host, port)`; raises OSError."""


async def connect_tcp(host: str, port: int) -> Pair:
    """Connect; raises OSError."""
    return await asyncio.open_connection(host, port, limit=MOST_BYTES)


class _Exchange:
    """Requests and replies on one connection."""

    def __init__(self, source: RtspSource, pair: Pair, random_bytes: Callable[[int], bytes], gate: LoginGate) -> None:
        self._source, (self._reader, self._writer) = source, pair
        self.login = SessionLogin(gate, random_bytes)
        self._buffer = b""
        self._cseq = 0

    async def ask(self) -> tuple[Message, bool]:
        """Send one DESCRIBE; return the reply and whether the request carried the login."""
        url, self._cseq = self._source.url(), self._cseq + 1
        header = self.login.header("DESCRIBE", url)
        self._writer.write(write_request("DESCRIBE", url, self._cseq, {"Accept": "application/sdp", **header}))
        return await self._reply(), bool(header)

    async def _reply(self) -> Message:
        strays = 0
        while strays <= MOST_STRAYS:
            message, used = read_message(self._buffer, 0)
            if message is None:
                data = await self._reader.read(MOST_BYTES)
                if not data:
                    raise CameraClosed("the camera closed the connection", address=self._source.authority)
                self._buffer += data
                continue
            self._buffer = self._buffer[used:]
            if message.status >= 200 and message.cseq in (None, self._cseq):
                return message
            strays += 1
        raise CameraBadReply("the camera sends messages nobody asked for", address=self._source.authority)

    async def settle(self) -> bool:
        """Ask until the camera says yes or no; return whether the path exists."""
        repeated = False
        while True:
            reply, authorised = await self.ask()
            if reply.status != 401:
                break
            self.login.challenged(reply, authorised=authorised, repeated=repeated)
            repeated = authorised
        if authorised:
            self.login.answered(reply.status)
        if reply.status in NO_SUCH_PATH:
            return False
        if not 200 <= reply.status < 300:
            raise failure_of_status(reply, "DESCRIBE")
        read_sdp(reply.body)
        return True


async def describe(
    source: RtspSource,
    gate: LoginGate,
    *,
    connect: Connect = connect_tcp,
    answer_s: float = ANSWER_S,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> bool:
    """Say whether the camera has this path: True with a video stream, False for 404 and 454.

    Raises:
        CameraLoginRefused: it refused the login, or wants one and there is none.
        CameraOverloaded: it has no room, refuses a login that worked, or did not answer the login.
        CameraUnreachable: no connection.
        CameraError: it answered something else, or not in time.

    """
    try:
        async with asyncio.timeout(CONNECT_S):
            pair = await connect(source.host, source.port)
    except OSError as error:  # TimeoutError is one
        raise CameraUnreachable("no answer", address=source.host, port=source.port) from error
    exchange = _Exchange(source, pair, random_bytes, gate)
    try:
        async with asyncio.timeout(answer_s):
            return await exchange.settle()
    except (OSError, CameraClosed) as error:
        if exchange.login.trying:  # it may have counted the login: to be repeated slowly, by a person
            raise CameraOverloaded("the camera did not answer the login", address=source.authority) from error
        if isinstance(error, TimeoutError):
            raise CameraSilent("the camera did not answer in time", address=source.authority) from error
        raise CameraClosed("the camera closed the connection", address=source.authority) from error
    finally:
        exchange.login.release()
        pair[1].transport.abort()
        await asyncio.sleep(0)  # asyncio closes the socket in the next turn of the loop
