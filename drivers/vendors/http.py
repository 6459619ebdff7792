"""HTTP calls of vendors' own interfaces, over the hardened transport and the camera's one login.

Owns how such a call is made and how its answer is judged. Blocking; one thread at a time. Invariants: as
`onvif.transport` (this host only, no redirects, bounded in time and size); a password is sent as a Digest
only, through the camera's `LoginGate`, once while it is unproven; no body and no text of an answer enters
an error, but for the camera's short status words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from lxml import etree

from drivers import xml
from drivers.discovery.vendordevice import words
from drivers.gate import LoginGate
from drivers.onvif.session import OnvifSession
from drivers.onvif.transport import CameraTransport, Limits, LoginAsked, Reply
from gateway.core.clock import Clock
from gateway.core.errors import CameraBadReply, CameraUnsupported

LIMITS = Limits(total_s=8.0, reply_bytes=1 << 16)
"""Making an account takes a camera a few seconds; its answers are short."""
XML, JSON = "application/xml; charset=UTF-8", "application/json"


class VendorHttp:
    """One camera's web interface; entered = usable, left = its connection is closed."""

    def __init__(self, host: str, port: int, gate: LoginGate, clock: Clock, limits: Limits = LIMITS) -> None:
        self.host, self.port = host, port
        self._transport = CameraTransport(host, port, clock, limits)
        self._session = OnvifSession(self._transport, gate, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def bare(self, method: str, path: str, body: bytes = b"", content: str = XML) -> Reply:
        """Make a call that carries no login.

        Raises:
            CameraUnsupported: the camera wants one here, or there is no such call (field `status`).
            CameraError: as `CameraTransport.post`.

        """
        try:
            return self._session.bare(lambda: self._send(method, path, body, content))
        except LoginAsked as asked:
            raise CameraUnsupported("the camera asks for a login here", status=401) from asked

    def call(self, method: str, path: str, body: bytes = b"", content: str = XML) -> Reply:
        """Make a call with the camera's login; the first one of a dialogue must carry no secret.

        Raises:
            CameraLoginRefused: refused now or before; it was sent at most once.
            CameraError: as `CameraTransport.post`.

        """
        return self._session.fetch(lambda: self._send(method, path, body, content))

    def _send(self, method: str, path: str, body: bytes, content: str) -> Reply:
        return self._transport.request(method, path, body, {"Content-Type": content} if body else {})


def xml_of(reply: Reply) -> etree._Element:
    """Return the root of an XML answer; raises CameraBadReply."""
    return xml.parse(reply.content, LIMITS.reply_bytes)


def json_of(reply: Reply) -> dict[str, Any]:
    """Return a JSON object; raises CameraBadReply for anything else."""
    try:
        value = json.loads(reply.content.decode("utf-8", "replace").strip("\0 \r\n\t"))
    except (ValueError, RecursionError) as error:
        raise CameraBadReply("the reply is no JSON", status=reply.status_code) from error
    if not isinstance(value, dict):
        raise CameraBadReply("the reply is no JSON object", status=reply.status_code)
    return value


def part_of(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object inside a JSON object; an empty one if there is none."""
    part = value.get(name)
    return part if isinstance(part, dict) else {}


def refusal(what: str, reply: Reply, why: object = "") -> CameraUnsupported:
    """Return the error of a camera that says no to what a person asked for."""
    return CameraUnsupported(f"the camera refused: {what}", status=reply.status_code, why=words(why))
