"""Serving an ASGI application: TLS from the box's own CA, or plain HTTP on loopback.

Owns the listener. Invariants: plain HTTP only with `insecure_loopback` and only on a loopback address
(config checks it); a taken port is AddressTaken with the port; the server never installs signal handlers,
the daemon's frame owns those; no access log (addresses and names of pages are nobody's business); who may be
connected, and for how long in silence, is the doorkeeper's (`doorkeeper.py`).
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn

from gateway.core.boxca import ensure_tls
from gateway.core.errors import AddressTaken, ConfigError
from gateway.roofs.doorkeeper import Door, Doorkeeper, DoorLimits, Drops, protocol_of

CLOSE_S = 3
"""Open server-sent events and uploads get this long at shutdown."""
MAX_CONNECTIONS = 2_000
BACKLOG = 512
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2 without CBC; 1.3 brings its own."""


class HttpServer:
    """Runs one application while entered."""

    def __init__(
        self,
        app: Any,
        *,
        listen: str,
        port: int,
        insecure: bool,
        tls_folder: Path,
        names: Sequence[str],
        now_ms: int,
        limits: DoorLimits | None = None,
    ) -> None:
        self._app, self._listen, self._port = app, listen, port
        self._insecure, self._tls_folder, self._names, self._now_ms = insecure, tls_folder, names, now_ms
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._sock: socket.socket | None = None
        self.drops = Drops()
        """Connections that were dropped, and why."""
        self.keeper = Doorkeeper(limits or DoorLimits(), self.drops)
        self.ca_sha256 = ""
        self.port = port
        """The port that is listened on; while entered also where `port` was 0."""

    async def __aenter__(self) -> Self:
        options = self._tls()
        sock = self._bind()
        try:
            await self._start(sock, options)
        except BaseException:
            await self._cut(sock)
            raise
        self._sock = sock
        return self

    def _tls(self) -> dict[str, Any]:
        """Return uvicorn's TLS options, with the certificate made or renewed; none for plain HTTP."""
        if self._insecure:
            return {}
        files = ensure_tls(self._tls_folder, self._names, now_ms=self._now_ms)
        self.ca_sha256 = files.ca_sha256
        return {
            "ssl_certfile": str(files.certificate),
            "ssl_keyfile": str(files.key),
            "ssl_version": ssl.PROTOCOL_TLS_SERVER,
            "ssl_ciphers": _CIPHERS,
        }

    async def _start(self, sock: socket.socket, options: dict[str, Any]) -> None:
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            lifespan="off",
            http=protocol_of(self.keeper),
            ws="none",
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=self.keeper.limits.idle_s,
            timeout_graceful_shutdown=CLOSE_S,
            **options,
        )
        self._server = _Quiet(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[sock]), name="http")
        while not self._server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.01)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._task is not None
        self._server.should_exit = True
        try:
            await asyncio.wait([self._task], timeout=CLOSE_S + 2)
        finally:
            await self._cut(self._sock)
            self.drops.tell()

    async def _cut(self, sock: socket.socket | None) -> None:
        """End what is still there: uvicorn closes nothing when it is cancelled, and a listener keeps its port."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._server is not None:
            for listener in getattr(self._server, "servers", ()):  # set by its start
                listener.close()
            for connection in list(self._server.server_state.connections):
                connection.shutdown()
        if sock is not None:
            sock.close()

    @property
    def alive(self) -> bool:
        """Say whether pages are being served."""
        return self._task is not None and not self._task.done()

    def _bind(self) -> socket.socket:
        try:
            address = ipaddress.ip_address(self._listen)
        except ValueError as error:
            raise ConfigError(
                f"{self._listen!r} is no address to listen on",
                key="listen",
                value=self._listen,
                remedy='listen = "0.0.0.0" (all), or an IP address of this machine',
            ) from error
        if self._insecure and not address.is_loopback:
            raise ConfigError(
                f"plain HTTP on {self._listen}", key="listen", value=self._listen, remedy='listen = "127.0.0.1"'
            )
        sock = Door(socket.AF_INET6 if address.version == 6 else socket.AF_INET)
        sock.keeper = self.keeper
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((self._listen, self._port))
            sock.listen(BACKLOG)
        except OSError as error:
            sock.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
                raise AddressTaken(
                    f"{self._listen}:{self._port}: {error.strerror}",
                    case="listen",
                    port=self._port,
                    address=self._listen,
                    why=str(error.strerror),
                ) from error
            raise
        sock.setblocking(False)
        self.port = int(sock.getsockname()[1])
        return sock


class _Quiet(uvicorn.Server):
    """uvicorn without its own signal handling."""

    def install_signal_handlers(self) -> None:
        """Leave signals to the daemon's frame."""

    def capture_signals(self) -> Any:
        """Leave signals to the daemon's frame."""
        import contextlib  # noqa: PLC0415 - only here

        return contextlib.nullcontext()
