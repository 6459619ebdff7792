"""Where a stream is, without any secret in it.

Owns `RtspSource`. Invariants: no user and no password, no control characters; the host is the one we
reach, whatever the camera writes in its replies.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.errors import BadInput

DEFAULT_PORT, DEFAULT_TLS_PORT = 554, 322
MOST_URL_CHARS = 2048


def is_plain(text: str) -> bool:
    """Say whether `text` may stand in a request line: printable ASCII, no blanks, not too long."""
    return len(text) <= MOST_URL_CHARS and all("!" <= char <= "~" for char in text)


@dataclass(frozen=True, slots=True)
class RtspSource:
    """One RTSP stream of a camera; `path` begins with "/" and includes the query."""

    host: str
    port: int
    path: str
    tls: bool = False
    """Speak RTSP over TLS (`rtsps`)."""

    def __post_init__(self) -> None:
        if not (self.host and is_plain(self.host) and not set(self.host) & set("/@?#")):
            raise BadInput("not a host", host=self.host)
        if not 0 < self.port < 65536:
            raise BadInput("not a port", port=self.port)
        if not (self.path.startswith("/") and is_plain(self.path)):
            raise BadInput("not an RTSP path: it begins with / and has no blanks", path=self.path)

    @property
    def authority(self) -> str:
        """`host:port`, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def scheme(self) -> str:
        """`rtsp`, or `rtsps` over TLS."""
        return "rtsps" if self.tls else "rtsp"

    def url(self) -> str:
        """Return the RTSP URL; it never holds a login."""
        return f"{self.scheme}://{self.authority}{self.path}"
