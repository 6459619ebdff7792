"""Hikvision's SADP over UDP: the question we send and the answers devices give.

Owns both. Pure: bytes in, values out. The format is not published; the facts here were taken from what
several public programs send and read (UDP 37020, group 239.255.255.250, `<Probe>` with `Types` inquiry,
`<ProbeMatch>` with one element a fact). Spelling differs between firmwares, so names are compared
without case. Only the inquiry is ever sent: SADP also has verbs that change a device, and those are not
spoken here. Invariants: as `vendordevice`; an answer has no DTD and is at most 64 KiB.
"""

from __future__ import annotations

from uuid import UUID

from lxml import etree

from drivers import xml
from drivers.discovery import interfaces as ifs
from drivers.discovery import vendordevice as facts
from drivers.discovery.neighbours import normal_mac
from drivers.discovery.vendordevice import MOST_DATAGRAM_BYTES, VendorDevice, VendorProtocol

VENDOR = "hikvision"
GROUP, PORT = "239.255.255.250", 37020
MOST_FACTS = 256
"""Elements of one answer that are looked at; real ones have 30 to 60."""


def message(message_id: UUID) -> bytes:
    """Return the inquiry."""
    identity = str(message_id).upper()
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<Probe>\n<Uuid>{identity}</Uuid>\n<Types>inquiry</Types>\n</Probe>\n'
    ).encode()


def read(data: bytes, source: str, ours: ifs.Address) -> VendorDevice | None:
    """Return the device an answer describes; None for inquiries, our own among them.

    Raises:
        CameraBadReply: the bytes are no acceptable XML.

    """
    root = xml.parse(data.rstrip(b"\0"), MOST_DATAGRAM_BYTES)
    if xml.local(root).lower() != "probematch":
        return None
    told = _facts(root)
    address = facts.place(facts.host(told.get("ipv4address")), source, ours)
    return VendorDevice(
        vendor=VENDOR,
        address=address,
        mask=facts.mask(told.get("ipv4subnetmask")),
        gateway=facts.host(told.get("ipv4gateway")),
        mac=normal_mac(told.get("mac", "")),
        serial=facts.words(told.get("devicesn")),
        model=facts.words(told.get("devicedescription")),
        firmware=facts.words(told.get("softwareversion")),
        name="",
        http_port=facts.tcp_port(told.get("httpport")),
        active=facts.yes_no(told.get("activated")),
        dhcp=facts.yes_no(told.get("dhcp")),
        source=source,
        interface=ours.interface,
        on_subnet=facts.near(address, ours),
    )


def _facts(root: etree._Element) -> dict[str, str]:
    """Return the first text of each element, by lower-case name."""
    told: dict[str, str] = {}
    for number, element in enumerate(root.iter()):
        if number > MOST_FACTS:
            break
        told.setdefault(xml.local(element).lower(), (element.text or "")[:512].strip())
    return told


SADP = VendorProtocol("SADP", GROUP, PORT, broadcast=False, message=message, read=read)
