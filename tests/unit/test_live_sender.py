"""The data plane: headers, sequence, full sockets, encryption."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiortc.rtcdtlstransport import SRTPProtectionProfile
from pylibsrtp import Error as SrtpError
from pylibsrtp import Policy, Session

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.live.dtls import PROFILES
from gateway.live.frames import Frame, History
from gateway.live.sender import Numbers, Outlet, Viewer, send_frame
from tests.fakes.depacketizer import depacketize
from tests.fakes.h264 import clip
from tests.fakes.wire import FakeSocket, read_packet

CONFIG = CodecConfig(Codec.H264, b"\x67s", b"\x68p")
NOW_MS = 1_795_237_200_000


def frames(count: int, *, keys: tuple[int, ...] = (0,), size: int = 3000) -> list[Frame]:
    history = History()
    made = []
    for n in range(count):
        nal = bytes([0x65 if n in keys else 0x41]) + bytes([n]) * size
        frame = history.add(AccessUnit((nal,), n * 4500, n in keys, n + 1, CONFIG))
        assert frame is not None
        made.append(frame)
    return made


def viewer(sink: FakeSocket, *, first_seq: int = 10, stamp_id: int = 0) -> Viewer:
    return Viewer(Numbers(0xABCD, 99, first_seq, 1000, stamp_id), lambda packet: packet, sink.outlet)


def test_a_frame_becomes_numbered_packets_with_one_marker() -> None:
    """Sequence numbers count up, all packets of a frame share its time, the last has the marker."""
    sink = FakeSocket()
    (frame,) = frames(1)
    send_frame(frame, [viewer(sink)], now_ms=NOW_MS)
    packets = sink.packets()
    assert [packet.seq for packet in packets] == list(range(10, 10 + len(frame.payloads)))
    assert [packet.marker for packet in packets] == [False] * (len(packets) - 1) + [True]
    assert {(packet.ts, packet.ssrc, packet.payload_type) for packet in packets} == {(1000, 0xABCD, 99)}
    assert tuple(packet.payload for packet in packets) == frame.payloads


@pytest.mark.parametrize("earlier", [0, 1, 40_000])
def test_a_fresh_line_counts_as_the_stream_does(earlier: int) -> None:
    """Its first number is the stream's own packet index, in the lower half; viewers who join apart share theirs."""
    history = History()
    sinks = [FakeSocket(), FakeSocket()]
    fresh = [Viewer(Numbers(1, 99, 7, 0, 0, may_follow=True), lambda packet: packet, sink.outlet) for sink in sinks]
    joined: list[int] = []
    for n in range(4):
        frame = history.add(AccessUnit((b"\x65" + bytes(2000),), n * 4500, True, n + 1, CONFIG))
        assert frame is not None
        frame = replace(frame, first_index=frame.first_index + earlier)
        joined.append(frame.first_index & 0x7FFF)
        send_frame(frame, fresh[: n + 1], now_ms=NOW_MS)
    assert sinks[0].packets()[0].seq == joined[0] < 1 << 15
    assert sinks[1].packets()[0].seq == joined[1] < 1 << 15
    assert fresh[0].next_seq == fresh[1].next_seq
    assert fresh[1].index_of(joined[1]) is not None
    assert fresh[1].index_of(joined[1] - 1) is None


def test_numbers_that_may_have_left_are_not_begun_again() -> None:
    """A line whose first packets failed goes on after them, whatever the stream's count is."""
    sink = FakeSocket()
    (frame,) = frames(1)
    watching = Viewer(Numbers(1, 99, 7, 0, 0, may_follow=True), lambda packet: packet, sink.outlet)
    watching.fail(burnt=3)
    send_frame(frame, [watching], now_ms=NOW_MS)
    assert sink.packets()[0].seq == 10


def test_the_send_time_is_carried_when_negotiated() -> None:
    """abs-send-time holds the lower 24 bits of 6.18 fixed-point NTP seconds."""
    sink = FakeSocket()
    send_frame(frames(1)[0], [viewer(sink, stamp_id=3)], now_ms=NOW_MS + 500)
    seconds = NOW_MS // 1000 + 2_208_988_800
    assert sink.packets()[0].stamp == ((seconds << 18) + (1 << 17)) & 0xFFFFFF
    assert sink.sent[0][16] == 3 << 4 | 2


def test_nothing_is_sent_before_the_first_key_frame() -> None:
    """A viewer that joins amid a GOP gets nothing a decoder could not use, and no hole afterwards."""
    sink = FakeSocket()
    late = viewer(sink)
    for frame in frames(6, keys=(0, 4))[2:]:
        send_frame(frame, [late], now_ms=NOW_MS)
    assert late.skipped_frames == 2
    assert {packet.ts for packet in sink.packets()} == {1000 + 4 * 4500, 1000 + 5 * 4500}
    assert [packet.seq for packet in sink.packets()] == list(range(10, 10 + late.packets))


def test_a_full_socket_costs_frames_up_to_the_next_key_frame() -> None:
    """What does not fit is dropped with the rest of its GOP, counted, and the sequence goes on without a hole."""
    sink = FakeSocket(room=5)
    slow = viewer(sink)
    line = frames(5, keys=(0, 3))
    for frame in line[:2]:
        send_frame(frame, [slow], now_ms=NOW_MS)
    assert (slow.full_socket, slow.waits_for_key, len(sink.sent)) == (1, True, 5)
    sink.room = 100
    for frame in line[2:]:
        send_frame(frame, [slow], now_ms=NOW_MS)
    assert slow.skipped_frames == 1
    packets = sink.packets()
    assert [packet.seq for packet in packets] == list(range(10, 10 + len(packets)))
    assert packets[5].ts == 1000 + 3 * 4500
    assert slow.frames == 3
    assert slow.packets == len(packets)


def test_one_viewers_full_socket_is_no_others_concern() -> None:
    """Everybody else gets every packet of the frame on which one was dropped."""
    full, free = FakeSocket(room=1), FakeSocket()
    both = [viewer(full), viewer(free)]
    for frame in frames(3):
        send_frame(frame, both, now_ms=NOW_MS)
    assert len(full.sent) == 1
    assert len(free.sent) == sum(len(frame.payloads) for frame in frames(3))


def test_an_unreachable_network_is_counted_not_raised() -> None:
    """ENETUNREACH and its like cost that viewer frames, nothing else."""
    sink = FakeSocket()
    sink.broken = OSError(101, "Network is unreachable")
    lost = viewer(sink)
    send_frame(frames(1)[0], [lost], now_ms=NOW_MS)
    assert (lost.send_errors, lost.frames, lost.waits_for_key) == (1, 0, True)


def test_a_failing_encryption_is_that_viewers_trouble() -> None:
    """A key that protects no more costs its own viewer frames; the other one gets all."""

    def used_up(_packet: bytes) -> bytes:
        raise SrtpError("can't use key any more")

    sink = FakeSocket()
    broken, whole = Viewer(Numbers(1, 99, 0, 0), used_up, sink.outlet), viewer(sink)
    for frame in frames(2):
        send_frame(frame, [broken, whole], now_ms=NOW_MS)
    assert (broken.send_errors, broken.packets, whole.frames) == (1, 0, 2)


def test_no_packet_leaves_after_stop() -> None:
    """A stopped viewer has no way out any more, whoever still holds it."""
    sink = FakeSocket()
    gone = viewer(sink)
    first, second = frames(2)
    send_frame(first, [gone], now_ms=NOW_MS)
    count = len(sink.sent)
    gone.stop()
    send_frame(second, [gone], now_ms=NOW_MS)
    assert len(sink.sent) == count
    assert gone.outlet() is None


def test_without_a_path_the_viewer_waits_for_a_key_frame() -> None:
    """Lost ICE consent stops sending at once; a new path begins with a key frame."""
    sink = FakeSocket()
    paths = [None, sink.outlet(), sink.outlet()]
    moving = Viewer(Numbers(1, 99, 0, 0), lambda packet: packet, lambda: paths.pop(0))
    for frame in frames(3, keys=(0, 2)):
        send_frame(frame, [moving], now_ms=NOW_MS)
    assert moving.no_path == 1
    assert {packet.ts for packet in sink.packets()} == {9000}


def test_sequence_numbers_lead_back_to_packets() -> None:
    """A NACK's 16-bit number finds its packet, also across the wrap; what was never sent finds nothing."""
    sink = FakeSocket()
    watching = viewer(sink, first_seq=65_530)
    line = frames(4)
    for frame in line:
        send_frame(frame, [watching], now_ms=NOW_MS)
    seqs = [packet.seq for packet in sink.packets()]
    assert min(seqs) == 0
    assert [watching.index_of(seq) for seq in seqs] == list(range(line[-1].end_index))
    assert watching.index_of(seqs[-1] + 1) is None
    assert watching.index_of(65_529) is None


def test_after_frames_were_left_out_older_numbers_find_nothing() -> None:
    """Once the sequence was continued at a key frame, numbers from before name no packet any more."""
    sink = FakeSocket()
    slow = viewer(sink)
    line = frames(5, keys=(0, 3))
    send_frame(line[0], [slow], now_ms=NOW_MS)
    slow.waits_for_key = True
    send_frame(line[3], [slow], now_ms=NOW_MS)
    assert slow.index_of(10) is None
    assert slow.index_of(10 + len(line[0].payloads)) == line[3].first_index


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.openssl_profile.decode())
def test_the_bitstream_survives_encryption_and_a_sequence_wrap(profile: SRTPProtectionProfile) -> None:
    """Decrypted and depacketised by others' code, every picture equals the encoder's, over two 16-bit wraps."""
    key = bytes(range(profile.key_length + profile.salt_length))
    outbound = Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile.libsrtp_profile)
    inbound = Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile.libsrtp_profile)
    sending, receiving = Session(outbound), Session(inbound)
    sink = FakeSocket()
    watching = Viewer(Numbers(7, 99, 32_000, (1 << 32) - 9000, 3), sending.protect, sink.outlet)
    movie, history = clip(width=640, height=480, noise=255, count=20), History()
    number = 0
    while watching.next_seq < 32_000 + 2 * 65_536:
        source = movie.unit(number, number + 1)
        frame = history.add(source)
        assert frame is not None
        send_frame(frame, [watching], now_ms=NOW_MS)
        packets = [read_packet(receiving.unprotect(data)) for data in sink.sent]
        sink.sent.clear()
        expected = [movie.config.sps, movie.config.pps] if source.is_key else []
        assert depacketize(packet.payload for packet in packets) == [*expected, *source.nals]
        number += 1
    assert watching.full_socket == 0


def test_a_viewer_whose_path_cannot_be_made_costs_nobody_else_the_frame() -> None:
    """With no descriptor left for one viewer's path, the others still get every frame."""

    def exhausted() -> Outlet | None:
        raise OSError(24, "Too many open files")

    sink = FakeSocket()
    poor = Viewer(Numbers(1, 99, 0, 0), lambda packet: packet, exhausted)
    other = Viewer(Numbers(2, 99, 0, 0), lambda packet: packet, sink.outlet)
    frame = History().add(AccessUnit((b"\x65" * 100,), 0, True, 1, CONFIG))
    assert frame is not None
    send_frame(frame, [poor, other], now_ms=0)
    assert (poor.no_path, poor.waits_for_key, other.frames) == (1, True, 1)
