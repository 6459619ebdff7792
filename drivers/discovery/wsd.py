"""WS-Discovery messages: what we send, and what cameras answer in whatever form.

Owns the Probe we send and the tolerant reading of ProbeMatch, Hello and Bye (WS-Discovery 2005/04,
ONVIF Core §7). Pure: bytes in, values out. Invariants: a message is at most 64 KiB, carries no DTD
and yields at most 16 devices; an XAddr that cannot be reached over IPv4 from outside its device
(0.0.0.0, loopback on a real network, 169.254/16, IPv6) is never returned.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface
from urllib.parse import unquote, urlsplit
from uuid import UUID

from lxml import etree

from drivers import xml

GROUP = "239.255.255.250"
PORT = 3702
MOST_MESSAGE_BYTES = 65_536
"""One UDP datagram; real answers have 1-4 KiB."""
MOST_DEVICES = 16
"""Devices in one message: a discovery proxy may answer for several."""
MOST_XADDRS = 16
DEFAULT_PATH = "/onvif/device_service"
"""ONVIF Core §5.1: the device service's fixed entry point."""

_NS = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
    'xmlns:dn="http://www.onvif.org/ver10/network/wsdl"'
)
_DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_PROFILES = frozenset("ACDGMST")
_ENDPOINT = re.compile(r"^[\x21-\x7e]{1,200}$")


class Kind(StrEnum):
    """What a message says about a device."""

    MATCH = "match"
    HELLO = "hello"
    BYE = "bye"


@dataclass(frozen=True, slots=True)
class Announcement:
    """One device as one message describes it."""

    kind: Kind
    endpoint: str
    xaddrs: tuple[str, ...]
    name: str
    hardware: str
    is_camera: bool
    """Types or scopes say ONVIF; False also for the many that fill in neither."""
    profiles: tuple[str, ...] = ()
    """Letters of the ONVIF profiles its scopes claim, sorted."""
    maker: str = ""
    """Maker named in a scope of its own (`manufacturer`, `mfr`), which only some write."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device is reached: chosen from its XAddrs and the packet's source."""

    address: str
    port: int
    xaddrs: tuple[str, ...]
    on_subnet: bool


def probe_message(message_id: UUID, *, typed: bool) -> bytes:
    """Return a Probe for network video transmitters, or (`typed` False) for anything at all."""
    types = "<d:Types>dn:NetworkVideoTransmitter</d:Types>" if typed else "<d:Types/>"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope {_NS}><s:Header>'
        f"<a:MessageID>urn:uuid:{message_id}</a:MessageID>"
        "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
        f"<a:Action>{_DISCOVERY}/Probe</a:Action>"
        f"</s:Header><s:Body><d:Probe>{types}<d:Scopes/></d:Probe></s:Body></s:Envelope>"
    ).encode()


def read(data: bytes) -> tuple[Announcement, ...]:
    """Return the devices a message speaks of; empty when it speaks of none (a Probe of others).

    Raises:
        CameraBadReply: the bytes are no acceptable XML.

    """
    root = xml.parse(data, MOST_MESSAGE_BYTES)
    for name, kind in (("ProbeMatch", Kind.MATCH), ("Hello", Kind.HELLO), ("Bye", Kind.BYE)):
        bodies = list(xml.all_named(root, name))
        if not bodies and name == "ProbeMatch":  # some send the details right inside the wrapper
            bodies = [wrap for wrap in xml.all_named(root, "ProbeMatches") if xml.first(wrap, "XAddrs") is not None]
        if bodies:
            return tuple(_announcement(kind, body) for body in bodies[:MOST_DEVICES])
    return ()


def _announcement(kind: Kind, body: etree._Element) -> Announcement:
    reference = xml.first(body, "EndpointReference")
    endpoint = xml.text_of(reference, "Address", 200)
    scopes = xml.text_of(body, "Scopes", 8192).split()
    types = xml.text_of(body, "Types", 1024)
    return Announcement(
        kind=kind,
        endpoint=endpoint if _ENDPOINT.match(endpoint) else "",
        xaddrs=tuple(url for url in xml.text_of(body, "XAddrs", 4096).split()[:MOST_XADDRS] if _split(url)),
        name=_scope(scopes, "name"),
        hardware=_scope(scopes, "hardware"),
        is_camera="NetworkVideoTransmitter" in types or any("onvif" in scope.lower() for scope in scopes),
        profiles=_profiles(scopes),
        maker=_scope(scopes, "manufacturer") or _scope(scopes, "mfr"),
    )


def _profiles(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return the profiles claimed as `…/Profile/Streaming` (S) or `…/Profile/T` (ONVIF Core §7.3.3.2)."""
    claimed = {scope.rpartition("/Profile/")[2] for scope in scopes if "onvif" in scope.lower()}
    letters = {"S" if name == "Streaming" else name for name in claimed}
    return tuple(sorted(letters & _PROFILES))


def _scope(scopes: Iterable[str], key: str) -> str:
    """Return the text of `onvif://www.onvif.org/<key>/<text>`, unquoted, printable, <= 64 characters."""
    marker = f"/{key}/"
    for scope in scopes:
        head, found, tail = scope.partition(marker)
        if found and "onvif" in head.lower():
            text = unquote(tail, errors="replace").replace("_", " ")
            return "".join(c for c in text if c.isprintable())[:64].strip()
    return ""


def _split(url: str) -> tuple[IPv4Address, int] | None:
    """Return host and port of a usable http XAddr; None for anything else (names, IPv6, 0.0.0.0)."""
    try:
        parts = urlsplit(url)
        host = ipaddress.ip_address(parts.hostname or "")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not isinstance(host, IPv4Address):
        return None
    return (host, port) if 0 < port < 65_536 else None


def _reachable(host: IPv4Address, ours: IPv4Interface) -> bool:
    if host.is_unspecified or host.is_multicast or host == IPv4Address("255.255.255.255"):
        return False
    if host.is_loopback != ours.ip.is_loopback:
        return False
    return not host.is_link_local or ours.ip.is_link_local


def place(announcement: Announcement, source: str, ours: IPv4Interface) -> Place:
    """Choose where to reach the device: its XAddr on our subnet, else the packet's source.

    The port comes from the chosen XAddr, or from the first of all when the host is repaired (a
    camera behind address translation, or one that says 0.0.0.0); 80 when there is none.
    """
    sender = IPv4Address(source)
    split = [(url, host, port) for url in announcement.xaddrs for host, port in [_split(url) or (sender, 80)]]
    usable = [(url, host, port) for url, host, port in split if _reachable(host, ours)]
    near = [entry for entry in usable if entry[1] in ours.network]
    urls = tuple(url for url, _, _ in usable)
    chosen = next((entry for entry in near if entry[1] == sender), near[0] if near else None)
    if chosen:
        return Place(str(chosen[1]), chosen[2], urls, on_subnet=True)
    port = split[0][2] if split else 80
    return Place(source, port, urls or (f"http://{source}:{port}{DEFAULT_PATH}",), on_subnet=sender in ours.network)
