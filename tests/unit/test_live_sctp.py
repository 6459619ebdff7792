"""What a viewer may say in SCTP."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.dtls import MOST_OPENINGS, MOST_TEXTS, _Allowance
from gateway.live.sctp import is_harmless, messages
from tests.fakes.sctp_packets import OPEN, TEXT, bombs, chunk, data, init, packet, sack

EXTENSIONS = b"\xc0\x00\x00\x04\x80\x08\x00\x06\x82\xc0\x00\x00"
"""PR-SCTP and the list of supported chunks, as browsers send them."""
HONEST = {
    "init": packet(init(EXTENSIONS)),
    "init ack with a cookie": packet(chunk(2, bytes(16) + b"\x00\x07\x02\x04" + bytes(512))),
    "cookie echo and opening": packet(chunk(10, bytes(24)), data(OPEN), tag=9),
    "cookie ack": packet(chunk(11), tag=9),
    "a word": packet(data(b'{"want": "main"}', kind=TEXT), tag=9),
    "acknowledgement": packet(sack(), tag=9),
    "acknowledgement with a gap": packet(sack((2, 3), (5, 5)), tag=9),
    "heartbeat": packet(chunk(4, b"\x00\x01\x00\x30" + bytes(44)), tag=9),
    "reset of a stream": packet(chunk(130, b"\x00\x0d\x00\x12" + bytes(14)), tag=9),
    "abort": packet(chunk(6), tag=9),
    "shutdown": packet(chunk(7, bytes(4)), tag=9),
    "skipped": packet(chunk(192, bytes(8)), tag=9),
}


@pytest.mark.parametrize("name", HONEST)
def test_what_a_page_sends_passes(name: str) -> None:
    """The handshake, the opening of one channel, acknowledgements, heartbeats and the end."""
    assert is_harmless(HONEST[name])


@pytest.mark.parametrize("name", bombs())
def test_what_would_cost_a_parser_is_refused(name: str) -> None:
    """Endless loops, walks over millions of numbers, messages to be put together: each is refused by its lengths."""
    assert not is_harmless(bombs()[name])


@given(st.binary(max_size=200))
def test_any_bytes_are_judged(raw: bytes) -> None:
    """Noise is never an exception."""
    is_harmless(raw)
    messages(raw)


def test_what_passes_does_not_hang_a_parser() -> None:
    """Twenty thousand honest packets with flipped bytes: whatever is let through, aiortc's parser comes back from."""
    from aiortc.rtcsctptransport import parse_packet

    dice, passed = random.Random(3), 0
    whole = list(HONEST.values())
    for number in range(20_000):
        flipped = bytearray(whole[number % len(whole)])
        for _ in range(dice.randint(1, 4)):
            flipped[dice.randrange(12, len(flipped))] = dice.choice((0, 1, 2, 3, 4, 255, dice.randrange(256)))
        if not is_harmless(bytes(flipped)):
            continue
        passed += 1
        _, _, _, chunks = parse_packet(packet(bytes(flipped[12:])))
        assert len(chunks) <= 8
    assert passed > 1000


class Sctp:
    """Counts what reaches it; may trip."""

    def __init__(self, error: type[Exception] | None = None) -> None:
        self.taken: list[bytes] = []
        self.error = error

    async def _handle_data(self, raw: bytes) -> None:
        self.taken.append(raw)
        if self.error is not None:
            raise self.error("no")


def hand(sctp: Any, *packets: bytes) -> Counter[str]:
    """Hand packets to SCTP through its guard; return what was dropped."""
    dropped: Counter[str] = Counter()

    async def body() -> None:
        guard = _Allowance(sctp, dropped)
        for item in packets:
            await guard._handle_data(item)

    asyncio.run(body())
    return dropped


def test_a_page_opens_few_channels_and_says_few_words() -> None:
    """Each opened channel is an object of ours, each word is read: beyond a day's need neither is heard, bundled or not."""
    sctp = Sctp()
    openings = [packet(sack(), data(OPEN, stream=n, tsn=n)) for n in range(500)]
    words = [packet(data(b"{}", kind=TEXT, tsn=n)) for n in range(MOST_TEXTS + 100)]
    dropped = hand(sctp, *openings, *words, HONEST["acknowledgement"])
    assert len(sctp.taken) == MOST_OPENINGS + MOST_TEXTS + 1
    assert dropped == {"channel": 500 - MOST_OPENINGS + 100}


@pytest.mark.parametrize("error", [AssertionError, ValueError, RecursionError, IndexError])
def test_what_sctp_trips_over_ends_the_channel_only(error: type[Exception]) -> None:
    """An exception in aiortc would end the connection's task with a traceback a stranger can repeat: it is counted once."""
    sctp = Sctp(error)
    dropped = hand(sctp, HONEST["init"], HONEST["acknowledgement"])
    assert len(sctp.taken) == 1
    assert dropped == {"channel_broken": 1, "channel": 1}


def test_a_lost_connection_is_not_the_channels_affair() -> None:
    """ConnectionError passes: the session's end depends on it."""
    with pytest.raises(ConnectionError):
        hand(Sctp(ConnectionError), HONEST["init"])
