"""Which camera has which address: the rules of a DHCP server with fixed leases (RFC 2131 §4.3).

Pure but for its own memory: messages and time in, answers out. Invariants: an address that a MAC was given
once is its own for ever, also after a release and while it is away; no address is given twice, none that
somebody was seen to hold, never our own; offers that nobody takes are forgotten after `OFFER_S`; nothing is
told of a gateway or of name servers: cameras have no business outside their network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from drivers.lan.dhcpmessage import NOWHERE, Kind, Message, Option

LEASE_S = 86_400
"""Cameras come back after half of it; a box that is away for an afternoon is not noticed."""
OFFER_S = 60
AVOID_S = 3_600
"""An address that somebody holds without having asked us is looked at again after that."""


@dataclass(frozen=True, slots=True)
class Pool:
    """What we may give: from first to last, both included, in the network of our own address."""

    ours: IPv4Interface
    first: IPv4Address
    last: IPv4Address
    serves_time: bool = True

    def __iter__(self) -> Iterator[IPv4Address]:
        return (item for item in map(IPv4Address, range(int(self.first), int(self.last) + 1)) if item != self.ours.ip)

    def __contains__(self, address: object) -> bool:
        return isinstance(address, IPv4Address) and self.first <= address <= self.last and address != self.ours.ip

    @property
    def size(self) -> int:
        """How many cameras have room."""
        return int(self.last) - int(self.first) + (0 if self.first <= self.ours.ip <= self.last else 1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back, and what has to be remembered before it goes."""

    message: Message
    remember: bool = False
    """The address becomes the client's for ever."""


class OtherServer(Exception):
    """A client took the offer of another DHCP server."""

    def __init__(self, server: IPv4Address) -> None:
        super().__init__(f"{server} gives addresses too")
        self.server = server


class Leases:
    """The addresses of one pool; `known` are those given before, by MAC. One thread."""

    def __init__(self, pool: Pool, known: Mapping[str, IPv4Address]) -> None:
        self._pool = pool
        self.known = {mac: address for mac, address in known.items() if _usable(pool, address)}
        self._offers: dict[str, tuple[IPv4Address, int]] = {}
        self._avoided: dict[IPv4Address, int] = {}
        self.full = False
        """A camera was turned away because every address is somebody's."""

    def propose(self, mac: str, wanted: IPv4Address | None, mono_ns: int) -> IPv4Address | None:
        """Return the address to offer: its own, the one offered before, the one it wants, else the first free."""
        self._forget(mono_ns)
        if mac in self.known:
            return self.known[mac]
        if mac in self._offers:
            return self._offers[mac][0]
        taken = {*self.known.values(), *self._avoided, *(address for address, _ in self._offers.values())}
        if wanted is not None and wanted in self._pool and wanted not in taken:
            return wanted
        found = next((address for address in self._pool if address not in taken), None)
        self.full = found is None
        return found

    def is_new(self, mac: str) -> bool:
        """Say whether a client was neither given nor offered an address."""
        return mac not in self.known and mac not in self._offers

    def avoid(self, address: IPv4Address, mono_ns: int) -> None:
        """Leave an address alone for a while: somebody holds it."""
        self._avoided[address] = mono_ns + AVOID_S * 1_000_000_000

    def offer(self, message: Message, address: IPv4Address, mono_ns: int) -> Answer:
        """Keep an address for a client that discovers, and offer it."""
        if message.mac not in self.known:
            self._offers[message.mac] = (address, mono_ns + OFFER_S * 1_000_000_000)
        return Answer(self._told(message, Kind.OFFER, address))

    def request(self, message: Message, mono_ns: int) -> Answer | None:
        """Answer DHCPREQUEST (RFC 2131 §4.3.2, table 4); None: stay silent. Raises OtherServer."""
        self._forget(mono_ns)
        server, wanted = message.address(Option.SERVER), message.address(Option.WANTED)
        if server is not None and server != self._pool.ours.ip:
            self._offers.pop(message.mac, None)
            raise OtherServer(server)
        address = wanted if wanted is not None else message.client
        own = self.known.get(message.mac)
        if own == address:
            return self._yes(message, address)
        if server is not None:
            offered = self._offers.pop(message.mac, (None, 0))[0]
            return self._yes(message, address, remember=True) if offered == address else self._no(message)
        # Before a client is known it is told only that it came to another network: RFC 2131 wants silence else.
        return None if own is None and address in self._pool.ours.network else self._no(message)

    def decline(self, message: Message, mono_ns: int) -> bool:
        """Take back an address that its client found in use; says whether it was the client's."""
        address = message.address(Option.WANTED)
        mine = self.known.get(message.mac, self._offers.get(message.mac, (None, 0))[0])
        if address is None or address != mine or message.address(Option.SERVER) != self._pool.ours.ip:
            return False
        self.known.pop(message.mac, None)
        self._offers.pop(message.mac, None)
        self.avoid(address, mono_ns)
        return True

    def _yes(self, message: Message, address: IPv4Address, *, remember: bool = False) -> Answer:
        self.known[message.mac] = address
        return Answer(self._told(message, Kind.ACK, address), remember)

    def _no(self, message: Message) -> Answer:
        options: dict[int, bytes] = {Option.SERVER: self._pool.ours.ip.packed}
        return Answer(Message(Kind.NAK, message.xid, message.mac, message.flags, options=options))

    def _told(self, message: Message, kind: Kind, address: IPv4Address) -> Message:
        ours = self._pool.ours
        options: dict[int, bytes] = {
            Option.SERVER: ours.ip.packed,
            Option.LEASE_S: LEASE_S.to_bytes(4, "big"),
            Option.MASK: ours.netmask.packed,
        }
        if self._pool.serves_time:
            options[Option.NTP] = ours.ip.packed
        client = message.client if kind is Kind.ACK else NOWHERE
        return Message(kind, message.xid, message.mac, message.flags, client, address, options=options)

    def _forget(self, mono_ns: int) -> None:
        self._offers = {mac: item for mac, item in self._offers.items() if item[1] > mono_ns}
        self._avoided = {address: until for address, until in self._avoided.items() if until > mono_ns}


def _usable(pool: Pool, address: IPv4Address) -> bool:
    """Say whether an address that was given before can still be used: the range may have become another one."""
    network = pool.ours.network
    edges = {network.network_address, network.broadcast_address, pool.ours.ip}
    return address in network and address not in edges
