"""The hardened socket: what strangers, spoofers and a viewer who means harm get from it."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import struct
from collections.abc import Awaitable, Callable

import pytest
from aioice.candidate import Candidate

from gateway.live import consent
from gateway.live.ice import CHECKS_BURST, DATA_BURST, QUEUE_DATAGRAMS, AddressRules
from gateway.live.icesocket import MOST_DATAGRAM_BYTES
from gateway.live.proofs import GIFT_PACKETS, MOST_ADDRESSES, MOST_ASKS
from tests.fakes.ice_scene import CHECK_BYTES, PASSWORD, STRANGER, THIRD, VIEWER, IceScene

HELLO = b"\x16\xfe\xfd" + bytes(100)
"""The beginning of a ClientHello is all a filter looks at."""


def play(scenario: Callable[[IceScene], Awaitable[None]], scene: Callable[[], IceScene] = IceScene) -> None:
    async def body() -> None:
        async with scene() as made:
            await scenario(made)

    asyncio.run(body())


def test_a_viewer_connects() -> None:
    """A signed check is asked back, then answered, then the nominated pair is there: one packet more than usual."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        scene.arrive(scene.check(USE_CANDIDATE=None))
        await scene.settle()
        (asked,) = scene.asked()
        assert len(asked) == CHECK_BYTES
        assert scene.answered() == []
        scene.arrive(consent.response(asked, VIEWER, PASSWORD.encode()))
        await scene.settle()
        assert len(scene.answered()) == 1
        assert scene.connection._nominated[1].remote_addr == VIEWER

    play(scenario)


def test_only_addresses_that_answered_reach_dtls() -> None:
    """A ClientHello passes from an address that answered our check: a signature alone may have a forged source."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        scene.arrive(HELLO)
        scene.arrive(scene.check("wrong" * 5))
        scene.arrive(HELLO)
        scene.arrive(scene.check())
        scene.arrive(HELLO)
        assert scene.queued == 0
        await scene.prove()
        scene.arrive(HELLO)
        scene.arrive(HELLO, STRANGER)
        assert scene.queued == 1
        assert scene.dropped == {"stranger": 4, "unsigned_stun": 1}

    play(scenario)


def test_who_does_not_sign_gets_no_packet() -> None:
    """Bare, wrongly signed, half and foreign STUN from a third host's forged address: nothing is sent there."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        head = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"x" * 12
        signed = scene.check()
        for data in (
            head,
            scene.check("q" * 22),
            signed[:-1] + b"\0",
            b"\x01\x11" + signed[2:],
            b"\x01\x01" + signed[2:],
            b"\x00\x11" + signed[2:],
            scene.check(role=""),
            scene.check(role="ICE-CONTROLLED"),
            HELLO,
            b"\x80\xc8" + bytes(60),
        ):
            scene.arrive(data, THIRD)
            await scene.settle()
        assert scene.sent == []
        assert sum(scene.dropped.values()) == 10

    play(scenario)


def test_a_forged_source_gets_no_more_than_it_sent() -> None:
    """A viewer who signs with a third host's address buys a check for a check, byte for byte, and no answer at all."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        sent = 0
        for number in range(100):
            data = scene.check()
            sent += len(data)
            scene.arrive(data, THIRD)
            await scene.settle()
            assert sum(map(len, scene.to(THIRD))) <= sent, number
        assert scene.answered(THIRD) == []
        assert not scene.connection._nominated

    play(scenario)


def test_a_thousand_forged_sources_cost_little() -> None:
    """However many addresses one viewer signs from, what is remembered and what is sent for it stays bounded."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        for number in range(1000):
            scene.now_ns += 20_000_000
            scene.arrive(scene.check(), ("198.51.100.9", 1000 + number))
            await scene.settle()
        connection = scene.connection
        assert len(scene.sent) <= MOST_ASKS
        assert len(connection._proofs) == MOST_ADDRESSES
        assert len(connection._check_list) <= MOST_ADDRESSES
        assert len(connection._remote_candidates) <= MOST_ADDRESSES
        assert len(connection._unanswered) <= MOST_ADDRESSES
        assert len(connection._held) <= MOST_ADDRESSES
        assert len(asyncio.all_tasks()) < MOST_ADDRESSES + 10

    play(scenario)


def test_forged_sources_do_not_displace_the_viewer() -> None:
    """Addresses that only signed make room for each other; the one that answered keeps its path and its data passes."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        await scene.prove(USE_CANDIDATE=None)
        for number in range(3 * MOST_ADDRESSES):
            scene.arrive(scene.check(USE_CANDIDATE=None), ("198.51.100.9", 1000 + number))
            await scene.settle()
        assert scene.connection._nominated[1].remote_addr == VIEWER
        scene.arrive(HELLO)
        assert scene.queued == 1

    play(scenario)


def test_a_viewer_may_move_as_often_as_it_likes() -> None:
    """Forty NAT rebindings in a day: each new address answers, is nominated, and the oldest is forgotten."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        await scene.prove(USE_CANDIDATE=None)
        await scene.connected()
        for number in range(40):
            source = ("192.0.2.7", 6000 + number)
            await scene.prove(source, USE_CANDIDATE=None)
            assert scene.connection._nominated[1].remote_addr == source
        assert len(scene.connection._proofs) == MOST_ADDRESSES

    play(scenario)


def test_a_move_amid_the_end_of_connecting_is_not_lost() -> None:
    """When the first pair is found aioice ends its other checks: an address asked just then is asked again."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        other = ("192.0.2.7", 6000)
        scene.arrive(scene.check(USE_CANDIDATE=None), other)
        await scene.prove(USE_CANDIDATE=None)
        await scene.connected()
        await scene.prove(other, USE_CANDIDATE=None)
        assert scene.connection._nominated[1].remote_addr == other

    play(scenario)


def test_a_check_that_was_lost_is_sent_again_when_the_viewer_repeats_its_own() -> None:
    """Without waiting for a timer of ours: connecting over a lossy link is not made slower."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        scene.arrive(scene.check())
        await scene.settle()
        scene.arrive(scene.check())
        await scene.settle()
        first, second = scene.asked()
        assert first == second

    play(scenario)


def test_named_candidates_are_not_asked_on_a_lan() -> None:
    """Two hundred foreign candidates draw no packet: whoever can be reached will ask by itself."""

    async def scenario(scene: IceScene) -> None:
        for number in range(200):
            await scene.connection.add_remote_candidate(Candidate("1", 1, "udp", 1, THIRD[0], 1 + number, "host"))
        scene.connect()
        await asyncio.sleep(0.3)
        assert scene.sent == []

    play(scenario)


def test_behind_a_nat_named_candidates_are_asked_a_few_times() -> None:
    """Where servers are configured the hole is opened from our side, by four checks at most."""

    async def scenario(scene: IceScene) -> None:
        await scene.connection.add_remote_candidate(Candidate("1", 1, "udp", 1, *VIEWER, "srflx"))
        scene.connect()
        async with asyncio.timeout(20):
            while not scene.sent:  # noqa: ASYNC110 - aioice paces its checks
                await asyncio.sleep(0.01)
        for _ in range(20):
            scene.connection.ask(scene.socket, scene.asked()[0], VIEWER)
        assert GIFT_PACKETS <= len(scene.sent) <= 2 * GIFT_PACKETS
        assert {item.address for item in scene.sent} == {VIEWER}

    play(scenario, lambda: IceScene(behind_nat=True))


def test_refused_addresses_get_nothing_even_when_signed() -> None:
    """A viewer cannot point us at the camera network by forging a source there."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        scene.arrive(scene.check(), ("10.9.0.5", 80))
        await scene.settle()
        assert scene.dropped == {"refused_address": 1}
        assert scene.sent == []

    play(scenario, lambda: IceScene(AddressRules(refused=(ipaddress.ip_network("10.9.0.0/16"),))))


def test_role_conflicts_are_not_fought_out() -> None:
    """The viewer made the offer and is in charge; a storm of disputes, also as signed errors, changes nothing."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        await scene.prove()
        before = len(scene.sent)
        for _ in range(50):
            scene.arrive(scene.check(role="ICE-CONTROLLED"))
            scene.arrive(b"\x01\x11" + scene.check()[2:])
            await scene.settle()
        assert not scene.connection.ice_controlling
        assert len(scene.sent) == before
        assert scene.dropped == {"role": 50, "unasked_stun": 50}

    play(scenario)


def test_a_storm_of_signed_checks_is_answered_at_a_bounded_rate() -> None:
    """Beyond a browser's need checks of the viewer itself are dropped unread, on the nominated pair too."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        await scene.prove(USE_CANDIDATE=None)
        before = len(scene.sent)
        for _ in range(3 * CHECKS_BURST):
            scene.arrive(scene.check())
        assert len(scene.sent) - before <= CHECKS_BURST
        assert scene.dropped["check_flood"] >= 2 * CHECKS_BURST

    play(scenario)


def test_a_flood_from_a_proven_address_is_bounded() -> None:
    """Even the viewer itself cannot fill our memory, nor keep DTLS busy."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        await scene.prove()
        for _ in range(DATA_BURST + 50):
            scene.arrive(b"\x16" + bytes(1300))
        assert scene.queued == DATA_BURST <= QUEUE_DATAGRAMS
        assert scene.dropped == {"data_flood": 50}
        for number in range(50):
            scene.now_ns += 1_000_000_000 * (number + 1)
            scene.arrive(b"\x16" + bytes(1300))
        assert scene.queued <= QUEUE_DATAGRAMS

    play(scenario)


def test_oversized_datagrams_are_dropped() -> None:
    """What no browser sends in one packet is not looked at: the HMAC of 60 kB is not for free."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        await scene.prove()
        for data in (b"\x80\xc8" + bytes(MOST_DATAGRAM_BYTES), scene.check(SOFTWARE="x" * 500) + bytes(2000)):
            scene.arrive(data)
        assert scene.dropped == {"oversized": 2}

    play(scenario)


def test_malformed_stun_never_raises() -> None:
    """Short attributes, lying lengths, flipped bits of real messages and plain noise are dropped and counted."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        await scene.prove()
        head = b"\x00\x01\x00\x08\x21\x12\xa4\x42" + b"x" * 12
        for data in (head + b"\x00\x24\x00\x02" + bytes(4), head + bytes(8), head[:-1] + b"\0", head + b"\xff" * 8):
            scene.arrive(data, STRANGER)
        dice = random.Random(7)
        for length in range(60):
            scene.arrive(bytes([length]) * length, STRANGER)
        whole = [scene.check(), consent.response(scene.asked()[0], VIEWER, PASSWORD.encode())]
        for number in range(3000):
            flipped = bytearray(whole[number % 2])
            for _ in range(dice.randint(1, 6)):
                flipped[dice.randrange(len(flipped))] = dice.randrange(256)
            scene.now_ns += 20_000_000
            scene.arrive(bytes(flipped), VIEWER if number % 3 else STRANGER)
        await scene.settle()
        assert scene.dropped["malformed_stun"] > 100
        assert scene.connection._proofs.has_answered((scene.socket.id, *VIEWER))

    play(scenario)


@pytest.mark.parametrize("kind", [0x0001, 0x0006, 0x0012, 0x8023, 0x802B, 0xC057])
def test_signed_checks_with_odd_attributes_never_raise(kind: int) -> None:
    """A viewer who knows the password signs what it likes: the parser's trips are counted, not raised."""

    async def scenario(scene: IceScene) -> None:
        scene.connect()
        for size in (0, 1, 3, 4, 8, 60):
            plain = scene.check()
            body = plain[20:-32] + struct.pack("!HH", kind, size) + bytes(size + -size % 4)
            sealed = consent._sealed(consent.REQUEST, bytes(12), body, scene.connection.local_password.encode())
            scene.arrive(sealed)
            await scene.settle()

    play(scenario)
