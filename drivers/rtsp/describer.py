"""Asking a host what is at an RTSP path, without opening a session there.

Owns `Describer`: DESCRIBE over one connection, path after path. Invariants: the first question carries no login;
the login goes out in at most one unproven try, through the gate, and its refusal ends everything; nothing is ever
set up, so that no session of the host is taken; replies and time are bounded.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import SocketStream

from drivers.gate import LoginGate
from drivers.rtsp.framing import Framer
from drivers.rtsp.login import SessionLogin
from drivers.rtsp.message import Message, write_request
from drivers.rtsp.protocol import failure_of_status
from drivers.rtsp.sdp import VideoTrack, read_sdp
from drivers.rtsp.source import RtspSource
from gateway.core.errors import (
    CameraBadReply,
    CameraClosed,
    CameraOverloaded,
    CameraSilent,
    CameraUnreachable,
    CameraUnsupported,
)

NOTHING_THERE = frozenset({404, 454})
"""Not Found and, from some firmware, Session Not Found: the login is right, the path is not."""
ANSWER_S = 5.0
CONNECT_S = 3.0
MOST_STRAYS = 16


class _Connection:
    """One TCP connection: requests out, replies in."""

    def __init__(self, stream: SocketStream, login: SessionLogin) -> None:
        self.stream, self.login = stream, login
        self._replies: deque[Message] = deque()
        self._framer = Framer(self._replies.append, lambda *_: None)
        self._cseq = 0

    async def ask(self, url: str) -> Message:
        """Send one DESCRIBE and return its reply, answering a challenge on the way."""
        repeated = False
        while True:
            header = self.login.header("DESCRIBE", url)
            reply = await self._once(url, header)
            if reply.status != 401:
                if header:
                    self.login.answered(reply.status)
                return reply
            self.login.challenged(reply, authorised=bool(header), repeated=repeated)
            repeated = bool(header)

    async def _once(self, url: str, header: dict[str, str]) -> Message:
        self._cseq += 1
        await self.stream.send(write_request("DESCRIBE", url, self._cseq, {"Accept": "application/sdp", **header}))
        for _ in range(MOST_STRAYS):
            while not self._replies:
                self._framer.receive(await self.stream.receive(), 0)
            reply = self._replies.popleft()
            if reply.status >= 200 and reply.cseq in (None, self._cseq):
                return reply
        raise CameraBadReply("the camera sends messages nobody asked for", limit=MOST_STRAYS)


class Describer:
    """Looks at paths of one host; entered = usable, left = its connection is closed."""

    def __init__(
        self,
        host: str,
        port: int,
        gate: LoginGate,
        *,
        answer_s: float = ANSWER_S,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._host, self._port, self._gate = host, port, gate
        self._answer_s, self._random_bytes = answer_s, random_bytes
        self._connection: _Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._hang_up()

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.login.release()
            with anyio.CancelScope(shield=True):
                await connection.stream.aclose()

    async def video(self, path: str) -> VideoTrack | None:
        """Return the video a path describes; None if there is nothing there, or no video.

        Raises:
            CameraLoginRefused: the password is wrong: no other path may be tried with it.
            CameraUnreachable: nobody answers at that port.
            CameraSilent, CameraClosed: it did not answer the question; CameraOverloaded: nor the login.
            CameraError: as the reply gives cause.

        """
        source = RtspSource(self._host, self._port, path)
        fresh = self._connection is None
        try:
            reply = await self._asked(source)
        except CameraClosed:
            if fresh:
                raise
            reply = await self._asked(source)  # many hang up after a path they do not know
        if reply.status in NOTHING_THERE:
            return None
        if not 200 <= reply.status < 300:
            raise failure_of_status(reply, "DESCRIBE")
        try:
            return read_sdp(reply.body).video
        except (CameraUnsupported, CameraBadReply):
            return None

    async def _asked(self, source: RtspSource) -> Message:
        try:
            with anyio.fail_after(self._answer_s):
                if self._connection is None:
                    self._connection = await self._connect(source)
                return await self._connection.ask(source.url())
        except (anyio.EndOfStream, anyio.BrokenResourceError, OSError) as error:
            trying = self._connection is not None and self._connection.login.trying
            await self._hang_up()
            if trying:  # it may have been a bad login: never repeated by itself
                raise CameraOverloaded("the camera did not answer the login", address=source.authority) from error
            if isinstance(error, TimeoutError):
                raise CameraSilent("the camera did not answer in time", address=source.authority) from error
            raise CameraClosed("the camera closed the connection", address=source.authority) from error
        except BaseException:
            await self._hang_up()
            raise

    async def _connect(self, source: RtspSource) -> _Connection:
        try:
            with anyio.fail_after(CONNECT_S):
                stream = await anyio.connect_tcp(source.host, source.port)
        except OSError as error:  # TimeoutError is one
            raise CameraUnreachable("no answer", address=source.authority) from error
        return _Connection(stream, SessionLogin(self._gate, self._random_bytes))
