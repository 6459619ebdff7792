"""An RTSP camera that has only some paths, and says so before or after the login."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.fakes.rtsp_server import FakeCamera, Request, reply, sdp


@dataclass
class PathCamera(FakeCamera):
    """A camera that has only some paths; `path_first` looks for the path before the login."""

    body: bytes = field(default_factory=lambda: sdp(None))
    paths: tuple[str, ...] = ()
    missing: str = "404 Not Found"
    path_first: bool = False

    def _answer(self, request: Request) -> bytes:
        if self.path_first and request.method == "DESCRIBE" and self.path(request) not in self.paths:
            return reply(request, self.missing)
        return super()._answer(request)

    def usual(self, request: Request) -> bytes:
        if request.method == "DESCRIBE" and self.path(request) not in self.paths:
            return reply(request, self.missing)
        return super().usual(request)

    @staticmethod
    def path(request: Request) -> str:
        parts = urlsplit(request.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def asked(self) -> list[str]:
        """Paths in the order they were asked for, each once."""
        return list(dict.fromkeys(self.path(request) for request in self.requests))
