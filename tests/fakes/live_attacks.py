"""What people do to `vuon-live` who mean harm: strangers who send to its ports, and viewers who were let in.

Each attack sends a bounded number of packets and returns the bytes of IPv4 it sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import aioice.stun
from OpenSSL import SSL

from tests.fakes.sctp_packets import OPEN, bombs, data, init, packet, sack
from tests.fakes.viewer import Viewer

Address = tuple[str, int]
PER_TURN = 20
"""Packets between two breaths: an attacker on two cores must not starve the test itself."""
HEADERS_BYTES = 28


def client_hello() -> bytes:
    """Return a DTLS ClientHello (RFC 6347 §4.2)."""
    body = b"\xfe\xfd" + bytes(32) + b"\0\0\0\x02\xc0\x2b\x01\0"
    handshake = b"\x01" + len(body).to_bytes(3, "big") + bytes(5) + len(body).to_bytes(3, "big") + body
    return b"\x16\xfe\xfd" + bytes(8) + len(handshake).to_bytes(2, "big") + handshake


def stun_noise() -> list[bytes]:
    """Return STUN that no agent should answer: bare, short, lying, huge, unsigned, and answers nobody asked for."""
    cookie, number = b"\x21\x12\xa4\x42", b"n" * 12
    short = b"\x00\x24\x00\x02\x00\x00\x00\x00"
    request = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
    request.attributes["USERNAME"] = "some:body"
    request.attributes["PRIORITY"] = 1
    request.attributes["ICE-CONTROLLING"] = 1
    request.add_message_integrity(b"x" * 22)
    named = bytes(request)
    return [
        b"\x00\x01\x00\x00" + cookie + number,
        b"\x00\x01\x00\x08" + cookie + number + short,
        b"\x00\x01\x00\x40" + cookie + number + short,
        b"\x00\x01\xff\xf0" + cookie + number + short,
        b"\x00\x01\x04\x04" + cookie + number + b"\xc0\x01\x04\x00" + bytes(1024),
        named,
        b"\x01\x01" + named[2:],
        b"\x01\x11" + named[2:],
        b"\x00\x11" + named[2:],
        b"\x00\x03" + named[2:],
        named[:-3],
    ]


def dtls_noise() -> list[bytes]:
    """Return DTLS records in the clear: hellos, alerts, fragments that never end, lying lengths (RFC 6347)."""
    hello = client_hello()

    def record(kind: int, body: bytes, *, epoch: int = 0, size: int | None = None) -> bytes:
        length = len(body) if size is None else size
        return bytes([kind]) + b"\xfe\xfd" + struct.pack("!HHIH", epoch, 0, 7, length) + body

    piece = b"\x01" + b"\x01\x00\x00" + b"\x00\x05" + b"\x00\x01\x00" + b"\x00\x00\x10" + bytes(16)
    return [
        hello,
        hello[:40],
        record(21, b"\x02\x28"),
        record(21, b"\x01\x00"),
        record(21, b"\x02\x28", epoch=1),
        record(22, piece),
        record(22, piece, epoch=1),
        record(22, b"\x00" * 200, size=9000),
        record(20, b"\x01"),
        record(23, bytes(64), epoch=1),
        b"\x19" + bytes(12),
    ]


def media_noise() -> list[bytes]:
    """Return what looks like RTP and RTCP, and what looks like nothing."""
    return [
        b"\x80\x60" + bytes(1000),
        b"\x80\xc9\x00\x01" + bytes(60),
        b"\x81\xce\xff\xff" + bytes(600),
        b"\x80\xc8",
        b"\xff" * 300,
        b"\x00",
        b"\x40" * 100,
        bytes(range(256)) * 4,
    ]


def spoofed(source: Address, target: Address, payload: bytes) -> bytes:
    """Return an IPv4 packet with a UDP datagram from a source that is not ours (checksum left out: optional)."""
    udp = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    return head + socket.inet_aton(source[0]) + socket.inet_aton(target[0]) + udp


async def _throw(send: Callable[[bytes], object], packets: Iterable[bytes]) -> int:
    sent = 0
    for number, item in enumerate(packets):
        send(item)
        sent += len(item) + HEADERS_BYTES
        if number % PER_TURN == 0:
            await asyncio.sleep(0.002)
    return sent


async def stranger(target: Address, sources: Iterable[Address], more: Iterable[bytes] = (), *, rounds: int = 40) -> int:
    """Send every kind of noise to a media port: from our own socket, and with the sources of others."""
    noise = [*stun_noise(), *dtls_noise(), *media_noise(), *more]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        own = await _throw(lambda item: plain.sendto(item, target), noise * rounds)
        own += await _throw(lambda item: plain.sendto(item, target), [bytes([1]) * 9000, b"\x16" * 60_000])
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for source in sources:
            forged = (spoofed(source, target, item) for _ in range(rounds) for item in noise)
            own += await _throw(lambda item: raw.sendto(item, target), forged)
    return own


@dataclass
class Insider:
    """A viewer who was let in; `link` is what its connection is made of (aiortc's private parts)."""

    viewer: Viewer

    @property
    def dtls(self) -> Any:
        peer: Any = self.viewer
        return next(item for item in peer._RTCPeerConnection__dtlsTransports if item._tx_srtp is not None)

    @property
    def ice(self) -> Any:
        return self.viewer.link

    @property
    def target(self) -> Address:
        pair = self.ice._nominated[1]
        host, port = pair.remote_addr
        return str(host), int(port)

    @property
    def ssrc(self) -> int:
        """Of the media we are sent."""
        return int.from_bytes(self.viewer.rtp[0][8:12], "big")

    def raw(self, payload: bytes) -> None:
        """Send a datagram on the path that was proven."""
        pair = self.ice._nominated[1]
        pair.protocol.transport.sendto(payload, pair.remote_addr)

    def rtcp(self, plain: bytes) -> None:
        """Send an RTCP compound, encrypted as it must be."""
        self.raw(self.dtls._tx_srtp.protect_rtcp(plain))

    def tell(self, plain: bytes) -> None:
        """Send bytes inside DTLS."""
        self.dtls._ssl.send(plain)
        while True:
            try:
                self.raw(self.dtls._ssl.bio_read(1500))
            except SSL.WantReadError:
                return

    def check(self, *, role: str = "ICE-CONTROLLING", nominate: bool = True) -> bytes:
        """Return a check that the daemon must believe: signed with the password it gave us."""
        request = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self.ice.remote_username}:{self.ice.local_username}"
        request.attributes["PRIORITY"] = 0x7FFFFFFF
        request.attributes[role] = random.getrandbits(64)
        if nominate:
            request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self.ice.remote_password.encode())
        return bytes(request)


def _rtcp(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def feedback_storm(ssrc: int) -> list[bytes]:
    """Return NACK, PLI, FIR, REMB and report storms, malformed and oversized compounds (RFC 4585, RFC 5104)."""
    ours = struct.pack("!II", 1, ssrc)
    nacks = b"".join(struct.pack("!HH", seq & 0xFFFF, 0xFFFF) for seq in range(0, 65536, 17 * 16))
    fir = _rtcp(206, 4, struct.pack("!II", 1, 0) + struct.pack("!IBBH", ssrc, 1, 0, 0))
    remb = _rtcp(206, 15, struct.pack("!II", 1, 0) + b"REMB\x01\xff\xff\xff" + struct.pack("!I", ssrc))
    block = struct.pack("!IIIIII", ssrc, 0xFF000000, 0, 0, 0, 0)
    return [
        _rtcp(205, 1, ours + nacks[:1200]),
        _rtcp(206, 1, ours),
        fir,
        remb,
        _rtcp(206, 1, ours) * 100,
        _rtcp(201, 31, struct.pack("!I", 1) + block * 31),
        _rtcp(205, 1, ours + b"\xff" * 4) * 70,
        _rtcp(200, 31, struct.pack("!I", 1) + bytes(20)),
        struct.pack("!BBH", 0x9F, 205, 0xFFFF) + bytes(8),
        _rtcp(204, 0, bytes(400)),
        _rtcp(203, 1, struct.pack("!I", ssrc)),
    ]


async def storm(insider: Insider, rounds: int = 100) -> int:
    """Feedback of every kind, as fast as it goes; a replayed packet, a broken one, and media to whoever sends it."""
    plain = feedback_storm(insider.ssrc)
    keep = insider.dtls._tx_srtp.protect_rtcp(plain[1])
    broken = [keep[:-5] + b"xxxxx", keep, keep[:9], b"\x80\x60" + bytes(1100)]
    packets = (
        item
        for _ in range(rounds)
        for item in [*(insider.dtls._tx_srtp.protect_rtcp(compound) for compound in plain), *broken]
    )
    return await _throw(insider.raw, packets)


async def dtls_storm(insider: Insider, rounds: int = 30) -> int:
    """Records in the clear."""
    return await _throw(insider.raw, dtls_noise() * rounds)


async def another_handshake(insider: Insider, rounds: int = 20) -> None:
    """Wish for a new handshake inside the old one, again and again (RFC 5746); our end is of no use afterwards."""
    for _ in range(rounds):
        with contextlib.suppress(SSL.Error):
            insider.dtls._ssl.renegotiate()
            insider.dtls._ssl.do_handshake()
        with contextlib.suppress(SSL.Error):
            while True:
                insider.raw(insider.dtls._ssl.bio_read(1500))
        await asyncio.sleep(0.01)


async def channel_storm(insider: Insider) -> int:
    """SCTP that hangs a parser, floods, opens and fills channels."""
    opens = [packet(data(OPEN, stream=n, tsn=n)) for n in range(300)]
    texts = [packet(data(b"x" * 1000, kind=51, tsn=n)) for n in range(300)]
    rest = [packet(init()), packet(sack((1, 3)))] * 50
    return await _throw(insider.tell, [*filter(None, bombs().values()), *opens, *texts, *rest])


async def check_storm(insider: Insider, sources: Iterable[Address], *, each: int = 60) -> int:
    """Believed checks: many on the own path, disputes about the role, and with the addresses of others as source."""
    # So many that a machine on which they leave slowly does not let them all through: 200 at once, 100 a second.
    own = [insider.check(nominate=n % 2 == 0) for n in range(900)]
    own += [insider.check(role="ICE-CONTROLLED") for _ in range(50)]
    sent = await _throw(insider.raw, own)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for host, port in sources:
            forged = (spoofed((host, port + n), insider.target, insider.check()) for n in range(each))
            sent += await _throw(lambda item: raw.sendto(item, insider.target), forged)
    return sent


def foreign_candidates(hosts: Iterable[str], count: int = 20) -> list[str]:
    """Return candidates that are not ours: those hosts, this machine, everybody, names, and nonsense."""
    named = [*hosts, "127.0.0.1", "169.254.1.1", "224.0.0.251", "255.255.255.255", "0.0.0.0", "x.local", "::1"]
    return [
        f"candidate:{n} 1 udp {2_000_000_000 - n} {named[n % len(named)]} {4000 + n} typ host" for n in range(count)
    ]


def with_candidates(offer: str, lines: Iterable[str]) -> str:
    """Return an offer with more candidates in its first section."""
    extra = "".join(f"a={line}\r\n" for line in lines)
    head, mark, rest = offer.partition("a=mid:")
    return head + extra + mark + rest


def long_offers(offer: str) -> dict[str, str]:
    """Return offers that cost a parser much, by what they are."""
    return {
        "20,000 lines": offer + "a=ssrc:1 cname:x\r\n" * 20_000,
        "2,000 candidates": offer + "".join(f"a={line}\r\n" for line in foreign_candidates(["192.0.2.1"], 2000)),
        "21 candidates": with_candidates(offer, foreign_candidates(["192.0.2.1"], 21)),
        "a hundred lines of media": offer + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 100,
        "one long line": offer + "a=x:" + "y" * 15_000 + "\r\n",
        "odd bytes": offer + "a=\x00\xff\u2028\r\n",
        "nothing": "",
    }


Attack = Callable[[Insider], Awaitable[int]]
