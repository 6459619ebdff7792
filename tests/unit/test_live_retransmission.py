"""Repairing losses without becoming an amplifier."""

from __future__ import annotations

import struct

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.live.frames import History
from gateway.live.retransmission import FIRST_ALLOWANCE_BYTES, MOST_ASKED_PER_S, SHARE, Retransmitter, RtxNumbers
from gateway.live.sender import Numbers, Viewer, send_frame
from tests.fakes.wire import FakeSocket

CONFIG = CodecConfig(Codec.H264, b"\x67s", b"\x68p")
RTX = RtxNumbers(ssrc=0xBEEF, payload_type=100, first_seq=500)
MS = 1_000_000


class Scene:
    """A viewer that was sent `count` frames, and its retransmitter."""

    def __init__(self, count: int = 4, *, rtx: RtxNumbers | None = RTX) -> None:
        self.sink, self.history = FakeSocket(), History()
        self.viewer = Viewer(Numbers(0xABCD, 99, 65_530, 1000), lambda packet: packet, self.sink.outlet)
        self.repair = Retransmitter(rtx)
        self.send(count)
        self.media = list(self.sink.packets())
        self.sink.sent.clear()

    def send(self, count: int) -> None:
        base = self.history.last.number + 1 if self.history.last else 0
        for n in range(base, base + count):
            nal = bytes([0x65 if n == 0 else 0x41]) + bytes([n % 256]) * 3000
            frame = self.history.add(AccessUnit((nal,), n * 4500, n == 0, n + 1, CONFIG))
            assert frame is not None
            send_frame(frame, [self.viewer], now_ms=0)

    def ask(self, *seqs: int, at_ms: float = 0, rtt_s: float | None = 0.02) -> int:
        before = len(self.sink.sent)
        self.repair.repair(self.viewer, seqs, self.history, now_ns=int(at_ms * MS), rtt_s=rtt_s)
        return len(self.sink.sent) - before


def test_a_lost_packet_comes_again_on_the_rtx_stream() -> None:
    """Original number first, then the same payload, under the RTX stream's ssrc, type and own sequence."""
    scene = Scene()
    lost = scene.media[7]
    assert scene.ask(lost.seq) == 1
    (again,) = scene.sink.packets()
    assert (again.ssrc, again.payload_type, again.seq) == (RTX.ssrc, RTX.payload_type, 500)
    assert (again.ts, again.marker) == (lost.ts, lost.marker)
    assert again.payload == struct.pack("!H", lost.seq) + lost.payload


def test_every_packet_can_be_repaired_across_the_wrap() -> None:
    """All sequence numbers sent, on both sides of 65535, find their own payload."""
    scene = Scene()
    assert scene.ask(*(packet.seq for packet in scene.media)) == len(scene.media)
    assert [packet.payload[2:] for packet in scene.sink.packets()] == [packet.payload for packet in scene.media]


def test_asking_twice_within_a_round_trip_sends_once() -> None:
    """The first answer is still on its way; after a round trip it may be lost itself."""
    scene = Scene()
    seq = scene.media[3].seq
    assert [scene.ask(seq, at_ms=at) for at in (0, 10, 19, 21)] == [1, 0, 0, 1]
    assert scene.repair.repeated == 2


def test_an_unknown_round_trip_is_taken_as_long() -> None:
    """Before the first report a repeated request waits a tenth of a second."""
    scene = Scene()
    assert [scene.ask(scene.media[3].seq, at_ms=at, rtt_s=None) for at in (0, 99, 101)] == [1, 0, 1]


def test_a_nack_storm_stays_within_the_share() -> None:
    """However often everything is asked for, repairs stay below a fifth of the media and the first allowance."""
    scene, spent = Scene(), 0
    for at in range(200):
        scene.send(1)
        scene.sink.sent.clear()
        newest = scene.viewer.next_seq & 0xFFFF
        for back in range(60):
            scene.ask((newest - back) & 0xFFFF, at_ms=at * 100)
        spent += sum(len(packet.payload) - 2 for packet in scene.sink.packets())
    assert scene.repair.over_budget > 0
    assert spent <= FIRST_ALLOWANCE_BYTES + SHARE * scene.viewer.octets


def test_what_was_never_sent_is_not_answered() -> None:
    """Invented numbers cost a count, no packet."""
    scene = Scene()
    assert scene.ask(scene.viewer.next_seq & 0xFFFF, 40_000) == 0
    assert scene.repair.too_late == 2


def test_a_flood_of_requests_is_not_looked_up() -> None:
    """All viewers share one loop: what one asks beyond its rate costs a count, and a second later it may ask again."""
    scene = Scene()
    for _ in range(10):
        assert scene.ask(*range(20_000, 20_512), at_ms=1) == 0
    assert scene.repair.ignored == 10 * 512 - MOST_ASKED_PER_S
    assert scene.ask(scene.media[3].seq, at_ms=999) == 0
    assert scene.ask(scene.media[3].seq, at_ms=1000) == 1


def test_without_rtx_nothing_is_sent_again() -> None:
    """A second packet under a used SRTP index would give the key away, so there is none."""
    scene = Scene(rtx=None)
    assert scene.ask(*(packet.seq for packet in scene.media)) == 0


def test_a_full_socket_ends_the_repair() -> None:
    """Media comes first: when nothing fits, the rest of the NACK is dropped."""
    scene = Scene()
    scene.sink.room = 2
    assert scene.ask(*(packet.seq for packet in scene.media)) == 2
    assert scene.viewer.send_errors == 1


def test_a_stopped_viewer_gets_no_repair_either() -> None:
    """After the cut nothing leaves, not even an old packet."""
    scene = Scene()
    scene.viewer.stop()
    assert scene.ask(scene.media[0].seq) == 0
