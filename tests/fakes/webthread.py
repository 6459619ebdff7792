"""An HTTP server of a test's own in a thread: what comes goes to a handler, and nobody is told of it."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Self


class Quiet:
    """The part of a handler that writes nothing down; it stands before `BaseHTTPRequestHandler`."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    """Complains of nobody and asks no name server."""

    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        """Bind without asking a name server who we are: inside a namespace nobody answers it."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "camera", int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


class WebThread:
    """Listens from the moment it is made; entered = it answers, left = its thread has ended."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], address: str = "127.0.0.1", port: int = 0) -> None:
        self._server = _Server((address, port), handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
