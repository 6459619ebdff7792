"""What the school's modem lets in from the Internet, asked by UPnP (Internet Gateway Device 1 and 2).

Owns the search for modems (SSDP) and the reading of their port forwards. Invariants: the search leaves by the
chosen addresses only, with a TTL of 1; a modem is asked only at the address its answer came from, and only if
that is on our own network; nothing is changed in it; answers, entries and the whole visit are bounded, no
redirect is followed; what it does not tell is unknown, not closed. Sources: UPnP Device Architecture 1.1 §1.3,
WANIPConnection:1 §2.4, WANCommonInterfaceConfig:1 §2.4.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urljoin, urlsplit

import anyio
from lxml import etree

from drivers import xml
from drivers.discovery import interfaces as ifs
from drivers.discovery.multicast import sending_socket
from drivers.doctor.facts import Forward
from drivers.onvif.pace import CallPool
from drivers.onvif.soap import printable
from drivers.onvif.transport import CameraTransport, Limits, LoginAsked, Reply
from gateway.core.clock import Clock
from gateway.core.errors import CameraError

GROUP, PORT = "239.255.255.250", 1900
SEARCH_S = 2.5
MOST_MODEMS = 4
MOST_FORWARDS = 64
VISIT_S = 20.0
MOST_BYTES = 256 << 10
LIMITS = Limits(reply_bytes=MOST_BYTES, snapshot_bytes=MOST_BYTES)
LEAST_BPS = 64_000
"""Modems that do not know their line write 0 or 1."""
_TARGETS = (
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
)
_CONNECTION = re.compile(r"^urn:schemas-upnp-org:service:WAN(?:IP|PPP)Connection:[12]$")
_LINK = re.compile(r"^urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1$")
_NO_MORE = frozenset({"713", "714"})
"""SpecifiedArrayIndexInvalid, NoSuchEntryInArray: the list ends here."""


@dataclass(frozen=True, slots=True)
class Modem:
    """A gateway that answered: where its description is."""

    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Told:
    """What the modems told."""

    forwards: tuple[Forward, ...] | None
    """None: no modem answered, or none would list its forwards."""
    uplink_bps: int | None
    whole: bool = True
    """Whether the end of every list was seen; what is missing may be open all the same."""


NOTHING = Told(None, None, whole=False)


def search_message(target: str) -> bytes:
    """Return one M-SEARCH request."""
    lines = ("M-SEARCH * HTTP/1.1", f"HOST: {GROUP}:{PORT}", 'MAN: "ssdp:discover"', "MX: 1", f"ST: {target}", "", "")
    return "\r\n".join(lines).encode()


def read_answer(data: bytes, source: str, network: ipaddress.IPv4Network) -> Modem | None:
    """Return the modem of one datagram; None for whatever is no modem of our own network."""
    head, *lines = data[:4096].decode("latin-1").split("\r\n")
    if not head.startswith("HTTP/1.1 200"):
        return None
    fields = {name.strip().lower(): value.strip() for name, colon, value in (x.partition(":") for x in lines) if colon}
    try:
        place = urlsplit(fields.get("location", ""))
        port = place.port or 80
        ours = ipaddress.IPv4Address(source) in network
    except ValueError:
        return None
    wanted = "InternetGatewayDevice" in fields.get("st", "")
    if not (wanted and ours and place.scheme == "http" and place.hostname == source):
        return None
    path = (place.path or "/") + (f"?{place.query}" if place.query else "")
    return Modem(source, port, path)


class _Answers(asyncio.DatagramProtocol):
    """Collects what answers on one socket."""

    def __init__(self, ours: ifs.Address, modems: dict[str, Modem]) -> None:
        self._ours, self._modems = ours, modems

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        """Keep a modem, once a host and a few at the most."""
        modem = read_answer(data, str(addr[0]), self._ours.ip.network)
        if modem is not None and len(self._modems) < MOST_MODEMS:
            self._modems.setdefault(modem.host, modem)

    def error_received(self, exc: Exception) -> None:
        """Nothing to do: a network without a way out has no modem to tell of."""


async def find_modems(addresses: Sequence[ifs.Address], seconds: float = SEARCH_S) -> tuple[Modem, ...]:
    """Search from each address; twice, since datagrams get lost."""
    modems: dict[str, Modem] = {}
    transports = []
    loop = asyncio.get_running_loop()
    try:
        for ours in addresses:
            try:
                sock = sending_socket(ours)
            except OSError:  # the address went away since it was listed
                continue
            transport, _ = await loop.create_datagram_endpoint(partial(_Answers, ours, modems), sock=sock)
            transports.append(transport)
        for _ in range(2):
            for transport in transports:
                for target in _TARGETS:
                    transport.sendto(search_message(target), (GROUP, PORT))
            await anyio.sleep(seconds / 2)
    finally:
        for transport in transports:
            transport.close()
    return tuple(modems.values())


class _Visit:
    """The questions to one modem; blocking, for one thread."""

    def __init__(self, modem: Modem, clock: Clock, limits: Limits) -> None:
        self._transport = CameraTransport(modem.host, modem.port, clock, limits)
        self._base = f"http://{modem.host}:{modem.port}{modem.path}"
        self._clock, self._until_ns = clock, clock.mono_ns() + int(VISIT_S * 1e9)

    def close(self) -> None:
        self._transport.close()

    def _services(self) -> list[tuple[str, str]]:
        """Return (type, control URL at the modem itself) of its services."""
        root = xml.parse(self._transport.get(self._base).content, MOST_BYTES)
        found = []
        for service in list(xml.all_named(root, "service"))[:64]:
            control = urljoin(self._base, xml.text_of(service, "controlURL"))
            found.append((xml.text_of(service, "serviceType"), self._transport.rewritten(control)))
        return found

    def _ask(self, kind: str, url: str, action: str, inner: str = "") -> etree._Element:
        body = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
            ' s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
            f'<u:{action} xmlns:u="{kind}">{inner}</u:{action}></s:Body></s:Envelope>'
        )
        headers = {"Content-Type": 'text/xml; charset="utf-8"', "SOAPAction": f'"{kind}#{action}"'}
        reply: Reply = self._transport.post(url, body, headers)
        return xml.parse(reply.content, MOST_BYTES)

    def tell(self) -> Told:
        """Read the forwards of every connection, and the rate of the line; what one service spoils, another tells."""
        forwards: list[Forward] = []
        ends: list[bool] = []
        uplink_bps: int | None = None
        for kind, url in self._services():
            if self._clock.mono_ns() > self._until_ns:
                ends.append(False)
                break
            if _CONNECTION.match(kind):
                ends.append(self._forwards(kind, url, forwards))
            elif _LINK.match(kind):
                with contextlib.suppress(CameraError, LoginAsked):
                    uplink_bps = self._uplink(kind, url)
        whole = bool(ends) and all(ends)
        return Told(tuple(forwards) if forwards or any(ends) else None, uplink_bps, whole)

    def _forwards(self, kind: str, url: str, found: list[Forward]) -> bool:
        """Add the forwards of one connection; returns whether the end of its list was seen."""
        for index in range(MOST_FORWARDS):
            if self._clock.mono_ns() > self._until_ns or len(found) >= MOST_FORWARDS:
                break
            inner = f"<NewPortMappingIndex>{index}</NewPortMappingIndex>"
            try:
                answer = self._ask(kind, url, "GetGenericPortMappingEntry", inner)
            except (CameraError, LoginAsked):
                break
            code = xml.text_of(answer, "errorCode", 8)
            if code or xml.first(answer, "Fault") is not None:
                return code in _NO_MORE or index > 0  # some end the list with an error of their own
            forward = _forward(answer)
            if forward is not None:
                found.append(forward)
        return False

    def _uplink(self, kind: str, url: str) -> int | None:
        answer = self._ask(kind, url, "GetCommonLinkProperties")
        rate = _number(xml.text_of(answer, "NewLayer1UpstreamMaxBitRate", 16))
        return rate if rate >= LEAST_BPS else None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _forward(answer: etree._Element) -> Forward | None:
    """Read one entry; None for one that is switched off or leads nowhere."""
    external, port = (_number(xml.text_of(answer, name, 8)) for name in ("NewExternalPort", "NewInternalPort"))
    client = printable(xml.text_of(answer, "NewInternalClient"), 64)
    off = xml.text_of(answer, "NewEnabled", 8).lower() in ("0", "false", "no")
    if off or not (0 < external < 65_536 and 0 < port < 65_536 and client):
        return None
    protocol = "UDP" if xml.text_of(answer, "NewProtocol", 8).upper() == "UDP" else "TCP"
    return Forward(external, protocol, client, port, printable(xml.text_of(answer, "NewPortMappingDescription"), 64))


def _visit(modem: Modem, clock: Clock, limits: Limits) -> Told:
    visit = _Visit(modem, clock, limits)
    try:
        return visit.tell()
    except (CameraError, LoginAsked):  # it answers, and tells nothing: unknown
        return NOTHING
    finally:
        visit.close()


async def ask_modems(
    interfaces: Sequence[str],
    pool: CallPool,
    clock: Clock,
    *,
    loopback: bool = False,
    have: Callable[[], tuple[ifs.Address, ...]] = ifs.installed,
    seconds: float = SEARCH_S,
    limits: Limits = LIMITS,
) -> Told:
    """Find the modems of our networks and ask each what it lets in; what two tell is put together.

    Raises:
        ConfigError: a wanted interface does not exist.

    """
    modems = await find_modems(ifs.choose(interfaces, have(), loopback=loopback), seconds)
    told = [await pool.run(partial(_visit, modem, clock, limits)) for modem in modems]
    lists = [item.forwards for item in told if item.forwards is not None]
    rates = [item.uplink_bps for item in told if item.uplink_bps is not None]
    doors = tuple(door for doors in lists for door in doors) if lists else None
    return Told(doors, min(rates, default=None), whole=bool(told) and all(item.whole for item in told))
