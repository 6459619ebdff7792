"""ICE that talks only where it should: aioice with our own gathering, filters and length checks.

Owns the rules about addresses and the hardened halves of aioice. Invariants: candidates are gathered on
the configured addresses only; no packet goes to an address the rules refuse, whoever named it; a check that is not
signed with our password gets no answer, one that is gets it once its address has answered ours, so that nobody makes
us send to a third (proofs.py counts); what is no STUN reaches DTLS only from such an address; malformed STUN is counted
and dropped, it never raises; what one viewer may send a second is bounded, and so is the receive queue. The viewer
made the offer, so it is in charge (RFC 8445 §6.1.1): checks that say otherwise are dropped.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import aioice.ice
import aioice.stun
import ifaddr
from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aiortc.rtcicetransport import RTCIceGatherer

from gateway.core.addresses import Network, unmapped
from gateway.core.iceservers import IceServer
from gateway.live import consent, relays
from gateway.live.bucket import Bucket
from gateway.live.icesocket import HardStun
from gateway.live.mailbox import Door, Mailbox, bound
from gateway.live.proofs import Address, Proofs

QUEUE_DATAGRAMS = 256
"""Datagrams waiting for DTLS and RTCP; a viewer sends about ten a second."""
MOST_WAITING = 64
"""Addresses with a check of ours or an answer that waits: candidates times our sockets."""
CHECKS_BURST, CHECKS_PER_S = 200, 100
"""Signed checks of one viewer that are answered: a browser with twenty pairs sends about twenty a second."""
DATA_BURST, DATA_PER_S = 256, 100
"""Datagrams of one viewer for DTLS and SCTP: a handshake has ten, afterwards a few a minute."""
CONSENT_S, CONSENT_FAILURES = 5.0, 6


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Which remote addresses a session may use."""

    allow_loopback: bool = False
    refused: tuple[Network, ...] = ()
    """Networks nobody may make us send to: the camera network."""

    def allows(self, address: str) -> bool:
        """Say whether to send to an address; names (`.local`) and malformed text are never allowed."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        if unmapped(ip) != ip:
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


class HardConnection(aioice.ice.Connection):
    """The ICE agent of a session."""

    def __init__(
        self,
        addresses: Iterable[str],
        rules: AddressRules,
        servers: Sequence[IceServer] = (),
        mailbox: Mailbox | None = None,
        mono_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(ice_controlling=False)
        self._addresses, self._rules, self._servers = tuple(addresses), rules, servers
        self._mailbox = mailbox if mailbox is not None else Mailbox()
        self._mono_ns = mono_ns
        self.questions = relays.Questions()
        # Behind a NAT we must send first; on a LAN the viewer's own checks find us.
        self._proofs = Proofs(asks_first=bool(servers))
        self._unanswered: dict[Address, bytes] = {}
        """Our newest check to each address that has not answered: sent (again) when that address pays for it."""
        self._held: dict[Address, bytes] = {}
        """Our newest answer to each address that has not answered: sent once it has."""
        self._checks, self._data = Bucket(CHECKS_BURST, CHECKS_PER_S), Bucket(DATA_BURST, DATA_PER_S)
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
            self._proofs.named(remote_candidate.host, remote_candidate.port)
            await super().add_remote_candidate(remote_candidate)
        elif remote_candidate is not None:
            self.dropped["candidate"] += 1

    def is_wanted(self, protocol: HardStun, data: bytes, source: tuple[str, int]) -> bool:
        """Say whether aioice shall see a well-formed message: a signed check, or an answer to one of ours."""
        if data[:2] == consent.RESPONSE and consent.transaction(data) in protocol.transactions:
            return True
        if data[:2] != consent.REQUEST:  # errors too: the only one that is signed disputes who is in charge
            self.dropped["unasked_stun"] += 1
        elif not self._rules.allows(source[0]):
            self.dropped["refused_address"] += 1
        elif not consent.is_signed(data, self.local_password.encode()):
            self.dropped["unsigned_stun"] += 1
        elif not consent.is_whole(data):
            self.dropped["malformed_stun"] += 1
        elif consent.says_controlled(data):
            self.dropped["role"] += 1
        elif not self._checks.take(self._mono_ns()):
            self.dropped["check_flood"] += 1
        else:
            self._note_signed((protocol.id, *source), len(data))
            return True
        return False

    def _note_signed(self, address: Address, size_bytes: int) -> None:
        """Remember who signed, instead of the oldest where there is no room; repeat our own check to it."""
        pair = self._nominated.get(1)
        in_use = None if pair is None else (pair.protocol.id, *pair.remote_addr)
        gone = self._proofs.signed(address, size_bytes, keep=in_use)
        if gone is not None:
            self._forget(gone)
        for known in self._check_list:
            if known.task is not None and known.task.cancelled() and (known.protocol.id, *known.remote_addr) == address:
                # aioice ends all checks when the first pair is found, and would never begin this one again.
                known.task = None
                self.check_state(known, aioice.ice.CandidatePair.State.FAILED)
                self._unanswered.pop(address, None)
        if address in self._unanswered:
            self.ask(self._socket_of(address), self._unanswered[address], address[1:])

    def _socket_of(self, address: Address) -> HardStun:
        found = next(item for item in self._protocols if item.id == address[0])
        assert isinstance(found, HardStun)
        return found

    def _forget(self, address: Address) -> None:
        """Take an address out of everything that grows by addresses."""
        self._unanswered.pop(address, None)
        self._held.pop(address, None)
        gone = [item for item in self._check_list if (item.protocol.id, *item.remote_addr) == address]
        for pair in gone:
            self._check_list.remove(pair)
            if pair.task is not None:
                pair.task.cancel()
        candidates = {id(pair.remote_candidate) for pair in gone if pair.remote_candidate.type == "prflx"}
        candidates -= {id(pair.remote_candidate) for pair in self._check_list}
        self._remote_candidates = [item for item in self._remote_candidates if id(item) not in candidates]

    def ask(self, protocol: HardStun, data: bytes, address: tuple[str, int]) -> None:
        """Send a check of ours where it is paid for; else when the address pays."""
        key = (protocol.id, *address)
        if self._proofs.has_answered(key):
            protocol.transport.sendto(data, address)
        else:
            if key in self._unanswered or len(self._unanswered) < MOST_WAITING:
                self._unanswered[key] = data
            if self._proofs.pay(key, len(data)):
                protocol.transport.sendto(data, address)

    def answer(self, protocol: HardStun, data: bytes, address: tuple[str, int]) -> None:
        """Answer a check now if its address has answered ours, else when it does."""
        key = (protocol.id, *address)
        if self._proofs.has_answered(key):
            protocol.transport.sendto(data, address)
        elif key in self._held or len(self._held) < MOST_WAITING:
            self._held[key] = data

    def check_state(self, pair: aioice.ice.CandidatePair, state: aioice.ice.CandidatePair.State) -> None:
        """Follow a pair's state: one that succeeded has answered, and gets the answer it waits for."""
        super().check_state(pair, state)
        if state is aioice.ice.CandidatePair.State.SUCCEEDED:
            key = (pair.protocol.id, *pair.remote_addr)
            self._proofs.answer(key)
            self._unanswered.pop(key, None)
            held = self._held.pop(key, None)
            if held is not None:
                pair.protocol.transport.sendto(held, pair.remote_addr)

    def has_proven(self, protocol: aioice.ice.StunProtocol, source: tuple[str, int]) -> bool:
        """Say whether data from this source may go on to DTLS."""
        return self._proofs.has_answered((protocol.id, *source))

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
        if not self._checks.take(self._mono_ns()):
            self.dropped["check_flood"] += 1
            return True
        protocol.transport.sendto(consent.response(data, source, password), source)
        return True

    async def query_consent(self) -> None:
        """Ask each `CONSENT_S` whether the viewer still wants what we send; close after `CONSENT_FAILURES` silences.

        RFC 7675 §5.1: consent lasts 30 s. As aioice does, without its objects and timers.
        """
        silent = 0
        while silent < CONSENT_FAILURES:
            await asyncio.sleep(consent.wait_s(CONSENT_S, asyncio.get_running_loop().time(), random.random()))  # noqa: S311 - no guard
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
        if not self._data.take(self._mono_ns()):
            self.dropped["data_flood"] += 1
        elif self._queue.qsize() < QUEUE_DATAGRAMS:
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
        mono_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(iceServers=[])  # an empty list: None would mean Google's server
        self.connection = HardConnection(addresses, rules, servers, mailbox, mono_ns)
        self._connection = self.connection
