"""Repairing losses without becoming an amplifier."""

from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.live.frames import History
from gateway.live.retransmission import (
    FIRST_ALLOWANCE_BYTES,
    MOST_ASKED_PER_S,
    MOST_REMEMBERED,
    SHARE,
    Retransmitter,
    RtxNumbers,
)
from gateway.live.sender import Numbers, Viewer, send_frame
from gateway.live.uplink import REPAIR_WAIT_S, WIRE_SHARE, Uplink
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

    def ask(self, *seqs: int, at_ms: float = 0, rtt_s: float | None = 0.02, uplink: Uplink | None = None) -> int:
        before, now_ns = len(self.sink.sent), int(at_ms * MS)
        self.repair.repair(self.viewer, seqs, self.history, now_ns=now_ns, rtt_s=rtt_s, uplink=uplink)
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


def test_a_number_that_may_have_left_is_not_used_again() -> None:
    """After a send error the next repair has the next number; after a full socket, where nothing left, the same."""
    scene = Scene()
    scene.sink.broken = OSError(101, "no route")
    assert scene.ask(scene.media[3].seq) == 0
    scene.sink.broken = None
    assert scene.ask(scene.media[4].seq) == 1
    scene.sink.room = 0
    assert scene.ask(scene.media[5].seq) == 0
    scene.sink.room = None
    assert scene.ask(scene.media[6].seq) == 1
    assert [packet.seq for packet in scene.sink.packets()] == [501, 502]
    assert scene.viewer.send_errors == 2


def test_a_stopped_viewer_gets_no_repair_either() -> None:
    """After the cut nothing leaves, not even an old packet."""
    scene = Scene()
    scene.viewer.stop()
    assert scene.ask(scene.media[0].seq) == 0


def test_repairs_come_out_of_the_uplink() -> None:
    """What is sent again delays the pictures behind it by as much as a picture of that size would."""
    scene, uplink = Scene(), Uplink(1_000_000)
    assert scene.ask(scene.media[3].seq, uplink=uplink) == 1
    size = len(scene.media[3].payload)
    assert uplink.take(0, 0) == int(size * WIRE_SHARE * 8e9 / 1_000_000) / 1e9


def test_pictures_have_the_uplink_before_repairs() -> None:
    """While it is booked ahead nothing is sent again, and nothing of the viewer's own budget is spent."""
    scene, uplink = Scene(), Uplink(1_000_000)
    uplink.take(50_000, 0)
    assert scene.ask(*(packet.seq for packet in scene.media), uplink=uplink) == 0
    assert (uplink.refused_repairs, scene.repair.over_budget) == (1, 1)
    assert scene.ask(*(packet.seq for packet in scene.media), at_ms=1000, uplink=uplink) == len(scene.media)


def test_many_requests_within_a_long_round_trip_are_each_answered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than can be remembered: the rest gets nothing, rather than one of them twice."""
    monkeypatch.setattr("gateway.live.retransmission.MOST_SAVED_BYTES", 1 << 30)  # the budget is no question here
    scene = Scene(0)
    scene.send(1500)
    scene.sink.sent.clear()
    asked = [(scene.viewer.next_seq - 1 - back) & 0xFFFF for back in range(4400)]
    sent = 0
    for second in range(6):
        scene.repair._allowance = 1e9
        sent += scene.ask(*asked[second % 3 * 1500 :][:1500], at_ms=second * 1000, rtt_s=30)
    assert sent == MOST_REMEMBERED
    assert len({packet.payload[:2] for packet in scene.sink.packets()}) == sent
    scene.repair._allowance = 1e9
    assert scene.ask(*asked[:1500], at_ms=40_000, rtt_s=30) == 1500


Storm = list[tuple[int, list[int], float, bool]]
STORMS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.lists(st.integers(0, 60), max_size=30),
        st.floats(0.0, 2.0),
        st.booleans(),
    ),
    max_size=25,
)
"""Milliseconds later, these packets back from the newest, at this round trip; and whether a picture is sent before."""


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(storm=STORMS, bps=st.sampled_from([200_000, 1_000_000, 20_000_000]))
def test_no_storm_breaks_a_budget(storm: Storm, bps: int) -> None:
    """Whatever is asked: within the round trip once, within the viewer's share, and within the site's uplink."""
    scene, uplink, at_ms = Scene(), Uplink(bps), 0
    spent = repairs = 0
    last: dict[bytes, int] = {}
    for later_ms, back, rtt_s, picture in storm:
        at_ms += later_ms
        if picture:
            scene.send(1)
        scene.sink.sent.clear()
        ahead_s = uplink.take(0, at_ms * MS)
        asked = [(scene.viewer.next_seq - 1 - item) & 0xFFFF for item in back]
        scene.ask(*asked, at_ms=at_ms, rtt_s=rtt_s, uplink=uplink)
        for packet in scene.sink.packets():
            number = packet.payload[:2]
            assert at_ms - last.get(number, -10_000) >= int(rtt_s * 1000)
            last[number] = at_ms
            spent += len(packet.payload) - 2
            repairs += 1
        if scene.sink.sent:
            assert ahead_s <= REPAIR_WAIT_S
            assert uplink.take(0, at_ms * MS) <= REPAIR_WAIT_S + 1300 * 8 * WIRE_SHARE / bps
    assert spent <= FIRST_ALLOWANCE_BYTES + SHARE * scene.viewer.octets
    assert repairs == scene.repair.sent
    assert scene.repair.asked <= sum(len(back) for _, back, _, _ in storm)
