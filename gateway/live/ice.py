"""ICE that talks only where it should: aioice with our own gathering, filters and length checks.

Owns the rules about addresses and the hardened halves of aioice. Invariants: candidates are gathered on
the configured addresses only; no packet goes to an address the rules refuse, whoever named it; what is
no STUN reaches DTLS only from an address that has proven knowledge of the ICE password; malformed STUN
is counted and dropped, it never raises; the receive queue is bounded.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import secrets
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import aioice.ice
import aioice.stun
import ifaddr
from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aiortc.rtcicetransport import RTCIceGatherer

from gateway.core.iceservers import IceServer
from gateway.live import consent, relays
from gateway.live.mailbox import Door, Mailbox, bound
from gateway.live.stun import looks_like_stun, well_formed

QUEUE_DATAGRAMS = 256
"""Datagrams waiting for DTLS and RTCP; a viewer sends about ten a second."""
MOST_PROVEN = 16
"""Addresses one viewer may have proven: interfaces times a few NAT rebindings."""
CONSENT_S, CONSENT_FAILURES = 5.0, 6

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Which remote addresses a session may use."""

    allow_loopback: bool = False
    refused: tuple[IPNetwork, ...] = ()
    """Networks nobody may make us send to: the camera network."""

    def allows(self, address: str) -> bool:
        """Say whether to send to an address; names (`.local`) and malformed text are never allowed."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            return False
        if ip.is_loopback:
            return self.allow_loopback
        if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved:
            return False
        return not any(ip.version == net.version and ip in net for net in self.refused)


def own_addresses(*, loopback: bool) -> tuple[str, ...]:
    """Return this machine's addresses to gather on when none are configured (no link-local ones)."""
    found = []
    for adapter in ifaddr.get_adapters():
        for item in adapter.ips:
            ip = ipaddress.ip_address(item.ip if isinstance(item.ip, str) else item.ip[0])
            if not ip.is_link_local and (loopback or not ip.is_loopback):
                found.append(str(ip))
    return tuple(found)


class HardStun(aioice.ice.StunProtocol):
    """One UDP socket of a session."""

    receiver: HardConnection

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Let well-formed STUN and data of proven peers through; count and drop the rest."""
        assert isinstance(data, bytes)
        source = (str(addr[0]), int(addr[1]))
        if not looks_like_stun(data):
            if data and self.receiver.has_proven(self, source):
                if 127 < data[0] < 192 and self.receiver.on_media is not None:
                    self.receiver.on_media(data)
                else:
                    self.receiver.data_received(data, self.local_candidate.component)
            else:
                self.receiver.dropped["stranger"] += 1
            return
        if self.receiver.questions.heard(data, source):
            return
        if not well_formed(data):
            self.receiver.dropped["malformed_stun"] += 1
            return
        if self.receiver.is_consent(self, data, source):
            return
        try:
            super().datagram_received(data, source)
        except (struct.error, ValueError, KeyError, TypeError, AssertionError):
            # The length check is ours, the parser is not: what it still trips over is dropped the same way.
            self.receiver.dropped["malformed_stun"] += 1


class HardConnection(aioice.ice.Connection):
    """The ICE agent of a session."""

    def __init__(
        self,
        addresses: Iterable[str],
        rules: AddressRules,
        servers: Sequence[IceServer] = (),
        mailbox: Mailbox | None = None,
    ) -> None:
        super().__init__(ice_controlling=False)
        self._addresses, self._rules, self._servers = tuple(addresses), rules, servers
        self._mailbox = mailbox if mailbox is not None else Mailbox()
        self.questions = relays.Questions()
        self._proven: set[tuple[int, str, int]] = set()
        self.dropped: Counter[str] = Counter()
        self.on_media: Callable[[bytes], None] | None = None
        """Takes SRTP and SRTCP of proven peers once the keys are there; until then DTLS's queue does."""
        self._consent_id = b""
        """Of the check that waits for its answer."""

    async def gather_candidates(self) -> None:
        """Gather on the configured addresses instead of on every interface."""
        if not self._local_candidates_start:
            self._local_candidates_start = True
            self._local_candidates += await self.get_component_candidates(1, list(self._addresses))
            self._local_candidates_end = True

    async def get_component_candidates(
        self,
        component: int,
        addresses: list[str],
        timeout: int = 0,  # noqa: ARG002 - aioice's signature; `relays` has its own
    ) -> list[Candidate]:
        """Bind one socket an address; ask STUN and TURN servers only if the session was given some."""
        hosts = [protocol for address in addresses if (protocol := await self._bind(component, address))]
        self._protocols += hosts
        found = await relays.gather(
            self._servers, hosts, lambda: HardStun(self), self._protocols.append, self.questions, self.dropped
        )
        return [protocol.local_candidate for protocol in hosts] + found

    async def _bind(self, component: int, address: str) -> HardStun | None:
        protocol = HardStun(self)
        try:
            door = Door(bound(address), protocol, self._mailbox)
        except OSError:
            self.dropped["unbindable_address"] += 1
            return None
        host, port = door.get_extra_info("sockname")[:2]
        protocol.local_candidate = Candidate(
            foundation=candidate_foundation("host", "udp", host),
            component=component,
            transport="udp",
            priority=candidate_priority(component, "host"),
            host=host,
            port=port,
            type="host",
        )
        return protocol

    def settle(self) -> None:
        """Read what the path brings together with what other viewers send, now that the connection is made."""
        for pair in self._nominated.values():
            if isinstance(pair.protocol.transport, Door):
                pair.protocol.transport.settle()

    async def add_remote_candidate(self, remote_candidate: Candidate | None) -> None:
        """Take a candidate the rules allow.

        End-of-candidates is not passed on: with none left after the filter aioice would fail at once,
        though the browser's own checks will still find us (peer-reflexive).
        """
        if remote_candidate is not None and self._rules.allows(remote_candidate.host):
            await super().add_remote_candidate(remote_candidate)
        elif remote_candidate is not None:
            self.dropped["candidate"] += 1

    def request_received(
        self, message: aioice.stun.Message, addr: tuple[str, int], protocol: aioice.ice.StunProtocol
    ) -> None:
        """Answer a connectivity check from an allowed address; note who has proven the password."""
        if not self._rules.allows(addr[0]):
            self.dropped["refused_address"] += 1
            return
        known = (protocol.id, *addr) in self._proven
        if not known and self._authentic(message) and len(self._proven) < MOST_PROVEN:
            self._proven.add((protocol.id, *addr))
        super().request_received(message, addr, protocol)

    def _authentic(self, message: aioice.stun.Message) -> bool:
        username = message.attributes.get("USERNAME")
        return (
            isinstance(username, str)
            and self._valid_username(username)
            and message.check_message_integrity(self.local_password.encode())
        )

    def has_proven(self, protocol: aioice.ice.StunProtocol, source: tuple[str, int]) -> bool:
        """Say whether data from this source may go on to DTLS."""
        return (protocol.id, *source) in self._proven

    def is_consent(self, protocol: HardStun, data: bytes, source: tuple[str, int]) -> bool:
        """Deal with the checks that only say that the nominated pair still lives; all others are aioice's."""
        pair = self._nominated.get(1)
        if pair is None or pair.protocol is not protocol or pair.remote_addr != source or self._closing:
            return False
        if data[:2] == consent.RESPONSE and consent.transaction(data) == self._consent_id:
            if consent.is_signed(data, (self.remote_password or "").encode()):
                self._consent_id = b""
            return True
        if data[:2] != consent.REQUEST or not self.has_proven(protocol, source) or consent.says_controlled(data):
            return False
        password = self.local_password.encode()
        if not consent.is_signed(data, password):
            return False
        protocol.transport.sendto(consent.response(data, source, password), source)
        return True

    async def query_consent(self) -> None:
        """Ask each `CONSENT_S` whether the viewer still wants what we send; close after `CONSENT_FAILURES` silences.

        RFC 7675 §5.1: consent lasts 30 s. As aioice does, without its objects and timers.
        """
        silent = 0
        while silent < CONSENT_FAILURES:
            await asyncio.sleep(CONSENT_S * (0.8 + 0.4 * random.random()))  # noqa: S311 - spreads load, guards nothing
            silent = silent + 1 if self._consent_id else 0
            for pair in self._nominated.values():
                self._consent_id = secrets.token_bytes(12)
                asked = consent.request(
                    self._consent_id,
                    f"{self.remote_username}:{self.local_username}",
                    candidate_priority(pair.component, "prflx"),
                    self._tie_breaker,
                    (self.remote_password or "").encode(),
                )
                pair.protocol.transport.sendto(asked, pair.remote_addr)
        self._query_consent_task = None
        await self.close()

    def data_received(self, data: bytes, component: int) -> None:
        """Queue a datagram for DTLS; drop it when a flood has filled the queue."""
        if self._queue.qsize() < QUEUE_DATAGRAMS:
            super().data_received(data, component)
        else:
            self.dropped["queue_full"] += 1


class HardGatherer(RTCIceGatherer):
    """aiortc's gatherer around a `HardConnection`."""

    def __init__(
        self,
        addresses: Iterable[str],
        rules: AddressRules,
        servers: Sequence[IceServer] = (),
        mailbox: Mailbox | None = None,
    ) -> None:
        super().__init__(iceServers=[])  # an empty list: None would mean Google's server
        self.connection = HardConnection(addresses, rules, servers, mailbox)
        self._connection = self.connection
