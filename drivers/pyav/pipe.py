"""Messages between the recorder and a child of the second engine, over the child's stdin and stdout.

Owns the framing: `kind:u8 length:u32be body`. Invariants: both sides cap the length before they
allocate; what the child says is untrusted (it takes apart untrusted video) and read as such; no message
holds a login or the camera's address.

- ORDER   JSON: the loopback port to open, the word to greet with, how long to wait, whether to lock up
- LOCK    the connection stands: lock up, prove it, then go on
- CAGED   locked up and proven (or told not to)
- REFUSED why it cannot be locked up
- UNIT    `pts_90k:i64` + one picture with start codes (H.264 Annex B)
- END     why no more pictures come
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from enum import StrEnum

from gateway.core.errors import CameraBadReply, WireError

HEAD = struct.Struct(">BI")
ORDER, LOCK, CAGED, REFUSED, UNIT, END = 1, 2, 3, 4, 5, 6
MOST_ORDER_BYTES = 4096
MOST_UNIT_BYTES = 8 << 20
"""As the native engine: the largest key frames seen are below 4 MB."""
NO_TIME = -(1 << 63)
_TIME = struct.Struct(">q")


@dataclass(frozen=True, slots=True)
class Order:
    """What a child is to do."""

    port: int
    """Of our relay on 127.0.0.1."""
    word: str
    """Proves to the relay that this is our child, and no other process of the box."""
    silent_s: float
    """How long FFmpeg waits for bytes before it gives up by itself."""
    sandbox: bool = True


class Ended(StrEnum):
    """Why a child stopped by itself."""

    CLOSED = "closed"
    SILENT = "silent"
    BAD = "bad"


def frame(kind: int, body: bytes = b"") -> bytes:
    """Return one message."""
    return HEAD.pack(kind, len(body)) + body


def encode_order(order: Order) -> bytes:
    """Return the ORDER message."""
    return frame(ORDER, json.dumps(asdict(order)).encode())


def decode_order(body: bytes) -> Order:
    """Read the body of ORDER, which is ours; WireError if it is malformed."""
    try:
        return Order(**json.loads(body))
    except (ValueError, TypeError) as error:
        raise WireError("malformed order") from error


def encode_unit(pts_90k: int | None, annex_b: bytes) -> bytes:
    """Return the UNIT message; a picture without a time has None."""
    time_90k = NO_TIME if pts_90k is None else pts_90k
    return HEAD.pack(UNIT, _TIME.size + len(annex_b)) + _TIME.pack(time_90k) + annex_b


def decode_unit(body: bytes) -> tuple[int | None, bytes]:
    """Read the body of UNIT; CameraBadReply if it is too short."""
    if len(body) < _TIME.size:
        raise CameraBadReply("the second engine sent half a picture")
    (time_90k,) = _TIME.unpack_from(body)
    return None if time_90k == NO_TIME else time_90k, body[_TIME.size :]


def decode_end(body: bytes) -> Ended:
    """Read the body of END; CameraBadReply for a reason we do not know."""
    try:
        return Ended(body.decode())
    except ValueError as error:
        raise CameraBadReply("the second engine ended for no reason we know") from error
