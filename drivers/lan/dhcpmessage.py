"""DHCP on the wire (RFC 2131 §2, options of RFC 2132), as far as a camera network needs it.

Pure. Owns reading and writing of messages. Invariants: whatever is not DHCP of an Ethernet client reads as
None; of an option that comes twice the first counts; what we write has at least the size of BOOTP, which old
clients insist on (RFC 1542 §2.1).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address

SERVER_PORT, CLIENT_PORT = 67, 68
LEAST_BYTES, MOST_BYTES = 240, 1_500
BROADCAST = 0x8000
"""RFC 2131 figure 2: the client cannot hear unicast before it has its address."""
NOWHERE = IPv4Address(0)
_PADDED_BYTES = 300
_COOKIE = b"\x63\x82\x53\x63"
_HEAD = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
_ETHERNET, _MAC_BYTES = 1, 6
_PAD, _END = 0, 255


class Kind(IntEnum):
    """Option 53."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


class Option(IntEnum):
    """Codes of RFC 2132."""

    MASK = 1
    NTP = 42
    WANTED = 50
    LEASE_S = 51
    KIND = 53
    SERVER = 54


_ASKING, _ANSWERING = 1, 2
_OF_CLIENTS = frozenset({Kind.DISCOVER, Kind.REQUEST, Kind.DECLINE, Kind.RELEASE, Kind.INFORM})


@dataclass(frozen=True, slots=True)
class Message:
    """One message; addresses that are not given are 0.0.0.0."""

    kind: Kind
    xid: int
    mac: str
    """Of the client, lower case with colons."""
    flags: int = 0
    client: IPv4Address = NOWHERE
    """`ciaddr`: the address it has already."""
    yours: IPv4Address = NOWHERE
    """`yiaddr`: the address it gets."""
    relay: IPv4Address = NOWHERE
    options: Mapping[int, bytes] = field(default_factory=dict)
    """Without option 53."""

    def address(self, option: Option) -> IPv4Address | None:
        """Return an option that is one address; None without it, or when it is none."""
        value = self.options.get(option)
        return IPv4Address(value) if value is not None and len(value) == 4 else None


def read(packet: bytes) -> Message | None:
    """Return the message of a client or a server; None for anything else."""
    if not LEAST_BYTES <= len(packet) <= MOST_BYTES or packet[236:240] != _COOKIE:
        return None
    op, hardware, length, _, xid, _, flags, client, yours, _, relay, mac, _, _ = _HEAD.unpack_from(packet)
    options = _options(packet[LEAST_BYTES:])
    kind = options.pop(Option.KIND, b"")
    if (hardware, length) != (_ETHERNET, _MAC_BYTES) or len(kind) != 1 or kind[0] not in Kind.__members__.values():
        return None
    if mac[0] & 1 or not any(mac[:_MAC_BYTES]) or op != (_ASKING if Kind(kind[0]) in _OF_CLIENTS else _ANSWERING):
        return None
    return Message(
        Kind(kind[0]),
        xid,
        mac[:_MAC_BYTES].hex(":"),
        flags,
        IPv4Address(client),
        IPv4Address(yours),
        IPv4Address(relay),
        options,
    )


def _options(data: bytes) -> dict[int, bytes]:
    """Return the options up to the end mark, or up to where they are cut off."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != _END:
        if data[at] == _PAD:
            at += 1
            continue
        if at + 1 >= len(data) or at + 2 + data[at + 1] > len(data):
            break
        found.setdefault(data[at], data[at + 2 : at + 2 + data[at + 1]])
        at += 2 + data[at + 1]
    return found


def write(message: Message) -> bytes:
    """Return a message's bytes: option 53 first, the others in the order given."""
    head = _HEAD.pack(
        _ASKING if message.kind in _OF_CLIENTS else _ANSWERING,
        _ETHERNET,
        _MAC_BYTES,
        0,
        message.xid,
        0,
        message.flags,
        message.client.packed,
        message.yours.packed,
        bytes(4),
        message.relay.packed,
        bytes.fromhex(message.mac.replace(":", "")),
        b"",
        b"",
    )
    body = _written([(Option.KIND, bytes([message.kind])), *message.options.items()])
    return (head + _COOKIE + body + bytes([_END])).ljust(_PADDED_BYTES, b"\0")


def _written(options: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(bytes([code, len(value)]) + value for code, value in options)
