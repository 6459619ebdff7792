"""STUN and TURN servers: their addresses, and passwords that last for one session.

Owns the form of an address (RFC 7064, RFC 7065) and the password derived from the secret that a TURN server shares
(draft-uberti-behave-turn-rest-00). Invariants: pure; a user name holds a time and random characters, never who
somebody is; what was derived says nothing about the secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.core.model import Secret

LIFETIME_S = 600
"""How long a password opens an allocation; one that stands is refreshed beyond it (coturn keeps its key)."""
_URL = re.compile(
    r"(?P<scheme>stun|turns?):(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>[1-9]\d{0,4}))?(?:\?transport=(?P<transport>udp|tcp))?"
)
_USERNAME = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{0,128}")
"""Also fits into a quoted string of a header."""


class Place(NamedTuple):
    """Where a server listens, and how it is spoken to."""

    scheme: str
    host: str
    port: int
    transport: str
    """udp or tcp."""


@dataclass(frozen=True, slots=True)
class IceServer:
    """One server as a viewer, or the live daemon, is told of it."""

    url: str
    username: str = ""
    credential: Secret | None = field(default=None, repr=False)

    @property
    def place(self) -> Place:
        """Where it is."""
        return parse_url(self.url)

    def fields(self) -> dict[str, str]:
        """Return it for a control socket, clear text included."""
        if self.credential is None:
            return {"url": self.url}
        return {"url": self.url, "username": self.username, "credential": self.credential.reveal()}


def parse_url(url: str) -> Place:
    """Return the parts of a server's address; ValueError if it is none."""
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(f"{url!r} is no address of a STUN or TURN server")
    scheme, transport = match["scheme"], match["transport"]
    if (scheme == "stun" and transport) or (scheme == "turns" and transport == "udp"):
        raise ValueError(f"{url!r}: this transport is not spoken")
    port = int(match["port"] or (5349 if scheme == "turns" else 3478))
    if port > 65_535:
        raise ValueError(f"{url!r}: there is no such port")
    return Place(scheme, match["host"].strip("[]"), port, transport or ("tcp" if scheme == "turns" else "udp"))


def server_of(fields: Any) -> IceServer:
    """Re-make a server from `IceServer.fields`; ValueError if malformed."""
    if not isinstance(fields, dict) or not all(isinstance(item, str) for item in fields.values()):
        raise ValueError("a server is an object of texts")
    url, username, credential = (fields.get(key, "") for key in ("url", "username", "credential"))
    parse_url(url)
    if not _USERNAME.fullmatch(username) or not _USERNAME.fullmatch(credential):
        raise ValueError("a server's user name or password is malformed")
    return IceServer(url, username, Secret(credential) if credential else None)


def short_lived(url: str, secret: Secret, *, now_ms: int, label: str) -> IceServer:
    """Return a TURN server with a password good for `LIFETIME_S`; `label` makes it one session's own."""
    username = f"{now_ms // 1000 + LIFETIME_S}:{label}"
    digest = hmac.digest(secret.reveal().encode(), username.encode(), hashlib.sha1)
    return IceServer(url, username, Secret(base64.b64encode(digest).decode("ascii")))
