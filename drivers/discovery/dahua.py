"""Dahua's discovery: the question in its two generations, and the answers devices give.

Owns both. Pure: bytes in, values out. Neither format is published; the facts here were taken from what
several public programs send and read. DHIP (UDP 37810, group 239.255.255.251 and broadcast): a header of
32 bytes, little-endian: 0x20, `DHIP`, session, id, length of the JSON, 0, the length again, 0; then JSON,
often closed by a line feed and NUL. The older form (UDP 5050, broadcast only): a binary question of 32
bytes that begins with 0xA3, and an answer that begins with 0xB3, with fixed places for the address and the
model, then the MAC as text, then lines `Key:Value`.

`Init` of the JSON is a set of bits whose lowest two say the state: 1 is a device that nobody has given a
password yet, 2 (and 0 on old firmware) one that has its own; seen on devices: 150, 1162, 3210, 3222, 3734.
That is a hint: before anything is changed `vendors.dahua` asks the device itself. Invariants: as
`vendordevice`; a body that is no JSON object yields `CameraBadReply`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from ipaddress import IPv4Address
from uuid import UUID

from drivers.discovery import interfaces as ifs
from drivers.discovery import vendordevice as facts
from drivers.discovery.neighbours import normal_mac
from drivers.discovery.vendordevice import MOST_DATAGRAM_BYTES, VendorDevice, VendorProtocol
from gateway.core.errors import CameraBadReply

VENDOR = "dahua"
GROUP, PORT, OLD_PORT = "239.255.255.251", 37810, 5050
HEAD = struct.Struct("<I4sIIIIII")
MAGIC = b"DHIP"
SEARCH, ANSWER = "DHDiscover.search", "client.notifyDevInfo"
_INIT_BITS, FRESH = 3, 1
_OLD_FIRST_BYTES, _OLD_MAC_CHARS = 0x78, 17


def frame(body: bytes) -> bytes:
    """Return a body behind its DHIP header."""
    return HEAD.pack(HEAD.size, MAGIC, 0, 0, len(body), 0, len(body), 0) + body


def message(message_id: UUID) -> bytes:  # noqa: ARG001 - the protocol's shape: DHIP names no question
    """Return the question; `uni` asks for the answer to come to us alone."""
    return frame(json.dumps({"method": SEARCH, "params": {"mac": "", "uni": 1}}, separators=(",", ":")).encode())


def old_message(message_id: UUID) -> bytes:  # noqa: ARG001 - as `message`
    """Return the question of the older form."""
    return struct.pack("<BBBB12sI12s", 0xA3, 1, 0, 1, b"", 2, b"")


def read(data: bytes, source: str, ours: ifs.Address) -> VendorDevice | None:
    """Return the device an answer describes; None for questions, our own among them.

    Raises:
        CameraBadReply: not DHIP, or its body is no JSON object.

    """
    told = _body(data)
    if told.get("method") != ANSWER:
        return None
    info = _part(_part(told, "params"), "deviceInfo")
    place = _part(info, "IPv4Address")
    address = facts.place(facts.host(place.get("IPAddress")), source, ours)
    return VendorDevice(
        vendor=VENDOR,
        address=address,
        mask=facts.mask(place.get("SubnetMask")),
        gateway=facts.host(place.get("DefaultGateway")),
        mac=normal_mac(facts.words(told.get("mac"))),
        serial=facts.words(info.get("SerialNo")),
        model=facts.words(info.get("DeviceType")),
        firmware=facts.words(info.get("Version")),
        name=facts.words(info.get("MachineName")),
        http_port=facts.tcp_port(info.get("HttpPort")),
        active=initialised(info.get("Init")),
        dhcp=facts.yes_no(place.get("DhcpEnable")),
        source=source,
        interface=ours.interface,
        on_subnet=facts.near(address, ours),
    )


def initialised(init: object) -> bool | None:
    """Return whether a device with this `Init` has a password; None when that cannot be told."""
    if not isinstance(init, int) or isinstance(init, bool) or init < 0:
        return None
    return {0: True, FRESH: False, 2: True}.get(init & _INIT_BITS)


def _body(data: bytes) -> Mapping[str, object]:
    if len(data) > MOST_DATAGRAM_BYTES or len(data) < HEAD.size or data[4:8] != MAGIC:
        raise CameraBadReply("the datagram is no DHIP", size_bytes=len(data))
    length = HEAD.unpack_from(data)[4]
    body = data[HEAD.size :]
    if 0 < length <= len(body):  # others write lengths that mean something else: then all of it
        body = body[:length]
    try:
        told = json.loads(body.rstrip(b"\0 \r\n\t").decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise CameraBadReply("the DHIP body is no JSON") from error
    if not isinstance(told, dict):
        raise CameraBadReply("the DHIP body is no JSON object")
    return told


def _part(of: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = of.get(name)
    return part if isinstance(part, dict) else {}


def old_read(data: bytes, source: str, ours: ifs.Address) -> VendorDevice | None:
    """Return the device an answer of the older form describes; None for questions and other packets.

    Such firmware knows no initialising: whether it has a password of its own is not told.
    """
    if len(data) < _OLD_FIRST_BYTES or len(data) > MOST_DATAGRAM_BYTES or data[0] != 0xB3:
        return None
    second = data[_OLD_FIRST_BYTES : _OLD_FIRST_BYTES + data[2]]
    third = data[_OLD_FIRST_BYTES + data[2] :][: struct.unpack_from("<H", data, 0x14)[0]]
    lines = [line.partition(":") for line in _text(third).splitlines()[:64]]
    told = {key.strip(): value.strip() for key, _, value in lines}
    address = facts.place(facts.host(str(IPv4Address(data[0x38:0x3C]))), source, ours)
    return VendorDevice(
        vendor=VENDOR,
        address=address,
        mask=facts.mask(str(IPv4Address(data[0x3C:0x40]))),
        gateway=facts.host(str(IPv4Address(data[0x40:0x44]))),
        mac=normal_mac(_text(second[:_OLD_MAC_CHARS])),
        serial=facts.words(told.get("SerialNo")),
        model=facts.words(_text(second[_OLD_MAC_CHARS:])) or facts.words(_text(data[0x28:0x38])),
        firmware=".".join(str(part) for part in struct.unpack_from("<4H", data, 0x20)),
        name="",
        http_port=facts.tcp_port(struct.unpack_from("<H", data, 0x5E)[0]),
        active=None,
        dhcp=None,
        source=source,
        interface=ours.interface,
        on_subnet=facts.near(address, ours),
    )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\0", " ").strip()


DHIP = VendorProtocol("Dahua", GROUP, PORT, broadcast=True, message=message, read=read)
OLD = VendorProtocol("Dahua (old)", None, OLD_PORT, broadcast=True, message=old_message, read=old_read)
