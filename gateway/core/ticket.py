"""A grant in its signed form, as it travels on the control sockets.

Owns the encoding: `{"grant": base64url JSON, "sig": base64url Ed25519}` over the exact bytes sent, with
a context prefix so that no other signature of the gateway's key can stand for a grant. Invariants:
what verifies is what was issued, field by field; an unknown field or version is refused.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.core.errors import GrantRefused
from gateway.core.model import Action, Grant, PublicId, Role, StreamRole

CONTEXT = b"vuon-grant-1\0"


def sign(grant: Grant, key: Ed25519PrivateKey) -> dict[str, str]:
    """Return the ticket of a grant: JSON-safe, to be opened with the key's public half."""
    fields = asdict(grant) | {"streams": sorted(grant.streams)}
    body = json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()
    return {
        "grant": base64.urlsafe_b64encode(body).decode(),
        "sig": base64.urlsafe_b64encode(key.sign(CONTEXT + body)).decode(),
    }


def open_ticket(ticket: Mapping[str, Any], key: Ed25519PublicKey, *, now_ms: int) -> Grant:
    """Verify a ticket and return its grant; GrantRefused if forged, malformed or past `until_ms`.

    The lease is not checked here: whoever holds the media counts it from the last renewal.
    """
    try:
        body = base64.urlsafe_b64decode(str(ticket["grant"]))
        key.verify(base64.urlsafe_b64decode(str(ticket["sig"])), CONTEXT + body)
        grant = _grant(json.loads(body))
    except (InvalidSignature, KeyError, ValueError, TypeError) as error:
        raise GrantRefused("the grant's signature or form is wrong", reason="grant.forged") from error
    if grant.until_ms is not None and now_ms >= grant.until_ms:
        raise GrantRefused("the grant has ended", reason="grant.ended")
    return grant


def require(grant: Grant, action: Action, camera: PublicId, stream: StreamRole | None = None) -> None:
    """Raise GrantRefused unless the grant is for exactly this action, camera and stream."""
    if grant.action is not action or grant.camera != camera or (stream is not None and stream not in grant.streams):
        raise GrantRefused(f"the grant is not for {action} of this camera", reason="grant.other")


def _grant(fields: dict[str, Any]) -> Grant:
    return Grant(
        **fields
        | {
            "id": PublicId(fields["id"]),
            "person": PublicId(fields["person"]),
            "camera": PublicId(fields["camera"]),
            "role": Role(fields["role"]),
            "action": Action(fields["action"]),
            "streams": frozenset(StreamRole(item) for item in fields["streams"]),
        }
    )
