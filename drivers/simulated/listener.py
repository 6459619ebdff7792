"""A listening TCP socket and what becomes of its clients: the floor of the RTSP and the ONVIF server.

Owns the socket, one task a connection, and the reading of a head's Content-Length. Invariants: entered = it
listens; left = every connection is gone; a client that leaves or makes itself impossible ends its own
connection and nothing else; at most `MOST_CLIENTS` are served at once, the next one is hung up on.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from gateway.core.callers import Callers
from gateway.core.errors import AddressTaken, CameraBadReply

MOST_HEAD_BYTES = 16_384
MOST_CLIENTS = 128
"""Far more than a real camera has room for, and few enough not to run out of files."""
_ENDINGS = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, TimeoutError, CameraBadReply)
"""Every way in which a client leaves or makes itself impossible."""


def body_length(headers: Mapping[str, str], most_bytes: int) -> int:
    """Return Content-Length, 0 without one; raises CameraBadReply for more than `most_bytes` or no number."""
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most_bytes):
        raise CameraBadReply("request body is too long", length=text[:20])
    return int(text)


class Listener:
    """Serves TCP clients while entered; a subclass says how in `_client`."""

    def __init__(self, address: str, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        """Port 0 = chosen by the system when entered."""
        self.address, self.port, self._tls = address, port, tls
        self._server: asyncio.Server | None = None
        self._callers = Callers(self._serve, most=MOST_CLIENTS)

    def secure(self, tls: ssl.SSLContext) -> None:
        """Serve over TLS; before it is entered."""
        self._tls = tls

    async def __aenter__(self) -> Self:
        try:
            self._server = await asyncio.start_server(
                self._callers, self.address, self.port, limit=MOST_HEAD_BYTES, ssl=self._tls
            )
        except OSError as error:
            raise AddressTaken(
                f"{self.address}:{self.port} cannot be used: {error.strerror}", address=self.address, port=self.port
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._callers.hang_up()
        await self._callers.close()

    @property
    def connections(self) -> int:
        """Return the number of open connections."""
        return len(self._callers)

    async def drop_connections(self) -> None:
        """Reset every connection now, as a reboot does; returns when all are gone."""
        await self._callers.hang_up()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it leaves; may raise any of `_ENDINGS`."""
        raise NotImplementedError

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._client(reader, writer)
        except _ENDINGS:
            writer.transport.abort()  # closing would wait for ever for a client that does not read
