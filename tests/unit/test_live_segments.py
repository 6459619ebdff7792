"""The fast sender: the same packets as the plain one, in fewer calls, whatever the path refuses."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from aiortc.rtcdtlstransport import SRTP_AEAD_AES_256_GCM, SRTPProtectionProfile
from pylibsrtp import Policy, Session

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.live import segments, srtp
from gateway.live.dtls import PROFILES
from gateway.live.frames import Frame, History
from gateway.live.segments import SegmentSender, best_sender, takes_segments
from gateway.live.sender import Numbers, Outlet, SendFrame, Viewer, send_frame
from gateway.live.srtp import MOST_SEGMENTS, TAG_BYTES, Key
from tests.fakes.depacketizer import depacketize
from tests.fakes.h264 import clip
from tests.fakes.wire import FakeSocket, read_packet

CONFIG = CodecConfig(Codec.H264, b"\x67s", b"\x68p")
NOW_MS = 1_795_237_200_000
EACH_PROFILE = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.openssl_profile.decode())


class Link:
    """A UDP socket to send from and everything that arrived; segments may be refused, room may end."""

    class Sending(socket.socket):
        """A real socket whose next calls can be made to fail."""

        def __init__(self) -> None:
            super().__init__(socket.AF_INET, socket.SOCK_DGRAM)
            self.fails: dict[int, OSError] = {}
            """By number of the call."""
            self.calls: list[str] = []

        def _call(self, name: str) -> None:
            self.calls.append(name)
            if error := self.fails.get(len(self.calls)):
                raise error

        def sendmsg(self, *arguments: Any) -> int:
            self._call("sendmsg")
            return super().sendmsg(*arguments)

        def sendto(self, *arguments: Any) -> int:
            self._call("sendto")
            return super().sendto(*arguments)

    def __init__(self) -> None:
        self.out, self.inside = self.Sending(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inside.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.inside.bind(("127.0.0.1", 0))
        self.inside.setblocking(False)
        self.outlet = Outlet(self.out, self.inside.getsockname())

    def arrived(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self.inside.recv(2048))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self.out.close()
        self.inside.close()


@pytest.fixture
def link() -> Iterator[Link]:
    made = Link()
    yield made
    made.close()


def secret(profile: SRTPProtectionProfile) -> bytes:
    return bytes(range(profile.key_length + profile.salt_length))


def sending(profile: SRTPProtectionProfile) -> Session:
    """Return a session as aiortc makes its own."""
    policy = Policy(secret(profile), Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile.libsrtp_profile)
    policy.allow_repeat_tx, policy.window_size = True, 1024
    return Session(policy)


def receiving(profile: SRTPProtectionProfile) -> Session:
    return Session(Policy(secret(profile), Policy.SSRC_ANY_INBOUND, srtp_profile=profile.libsrtp_profile))


def viewer(
    profile: SRTPProtectionProfile, outlet: Callable[[], Outlet | None], *, first_seq: int = 10, stamp_id: int = 3
) -> Viewer:
    session = sending(profile)
    made = Viewer(Numbers(0xABCD, 99, first_seq, 1000, stamp_id), session.protect, outlet)
    made.key = Key(session, TAG_BYTES[profile.openssl_profile])
    return made


def frames(count: int, *, keys: tuple[int, ...] = (0,), size: int = 6000) -> list[Frame]:
    history, made = History(), []
    for n in range(count):
        nal = bytes([0x65 if n in keys else 0x41]) + bytes([n]) * size
        frame = history.add(AccessUnit((b"\x06\x05sei", nal), n * 4500, n in keys, n + 1, CONFIG))
        assert frame is not None
        made.append(frame)
    return made


@EACH_PROFILE
@pytest.mark.parametrize("stamp_id", [0, 3])
def test_the_fast_sender_sends_what_the_plain_one_sends(
    profile: SRTPProtectionProfile, stamp_id: int, link: Link
) -> None:
    """Byte for byte the same packets, in one call for each run of equal ones."""
    plain, sink = FakeSocket(), SegmentSender(segments=True)
    slow, fast = (
        viewer(profile, plain.outlet, stamp_id=stamp_id),
        viewer(profile, lambda: link.outlet, stamp_id=stamp_id),
    )
    line = frames(4, keys=(0, 2), size=70_000)
    for frame in line:
        send_frame(frame, [slow], now_ms=NOW_MS)
        sink(frame, [fast], now_ms=NOW_MS)
    assert link.arrived() == plain.sent
    assert link.out.calls.count("sendmsg") < len(plain.sent) / 10
    counters = ("next_seq", "frames", "packets", "octets", "wire_bytes")
    assert [getattr(fast, name) for name in counters] == [getattr(slow, name) for name in counters]


def test_what_is_laid_out_for_one_viewer_is_right_for_the_next() -> None:
    """Viewers with the same numbers and with others take turns: each gets, byte for byte, what the plain way sends."""
    links = [Link() for _ in range(6)]
    try:
        numbers = [10, 10, 500, 10, 500, 65_530]
        plain = [FakeSocket() for _ in links]
        slow = [viewer(PROFILES[0], sink.outlet, first_seq=seq) for sink, seq in zip(plain, numbers, strict=True)]
        fast = [
            viewer(PROFILES[0], partial(lambda link: link.outlet, link), first_seq=seq)
            for link, seq in zip(links, numbers, strict=True)
        ]
        sink = SegmentSender(segments=True)
        for frame in frames(3, keys=(0, 2), size=20_000):
            send_frame(frame, slow, now_ms=NOW_MS)
            sink(frame, fast, now_ms=NOW_MS)
        for link, told in zip(links, plain, strict=True):
            assert link.arrived() == told.sent
    finally:
        for link in links:
            link.close()


def test_viewers_with_other_keys_and_extensions_share_a_frame() -> None:
    """Each gets its own header form and its own tag; one that has no key yet goes the plain way."""
    gcm, cm = PROFILES
    links = [Link() for _ in range(3)]
    sink = FakeSocket()
    different = [
        viewer(gcm, lambda: links[0].outlet, stamp_id=3),
        viewer(cm, lambda: links[1].outlet, stamp_id=5),
        viewer(gcm, lambda: links[2].outlet, stamp_id=0),
        Viewer(Numbers(1, 99, 0, 0), lambda packet: packet, sink.outlet),
    ]
    (frame,) = frames(1)
    SegmentSender(segments=True)(frame, different, now_ms=NOW_MS)
    for place, profile, stamped in ((0, gcm, True), (1, cm, True), (2, gcm, False)):
        inbound = receiving(profile)
        packets = [read_packet(inbound.unprotect(data)) for data in links[place].arrived()]
        assert tuple(packet.payload for packet in packets) == frame.payloads
        assert all((packet.stamp is not None) is stamped for packet in packets)
        links[place].close()
    assert tuple(packet.payload for packet in sink.packets()) == frame.payloads


MODES: dict[str, Callable[[], SendFrame]] = {
    "segments": lambda: SegmentSender(segments=True),
    "singly in place": lambda: SegmentSender(segments=False),
    "plain": lambda: send_frame,
}


@EACH_PROFILE
@pytest.mark.parametrize("mode", MODES)
def test_the_bitstream_is_whole_over_a_sequence_wrap(profile: SRTPProtectionProfile, mode: str, link: Link) -> None:
    """Decrypted and depacketised by others' code, every picture is the encoder's, before and after 65535."""
    send, inbound = MODES[mode](), receiving(profile)
    watching = viewer(profile, lambda: link.outlet, first_seq=65_000)
    movie, history, number = clip(width=640, height=480, noise=255, count=20), History(), 0
    while watching.next_seq < 65_536 + 4_000:
        source = movie.unit(number, number + 1)
        frame = history.add(source)
        assert frame is not None
        send(frame, [watching], now_ms=NOW_MS)
        packets = [read_packet(inbound.unprotect(data)) for data in link.arrived()]
        sets = [movie.config.sps, movie.config.pps] if source.is_key else []
        assert depacketize(packet.payload for packet in packets) == [*sets, *source.nals]
        number += 1
    assert (watching.full_socket, watching.send_errors) == (0, 0)


@EACH_PROFILE
@pytest.mark.parametrize("mode", MODES)
def test_a_full_socket_at_the_wrap_leaves_no_hole(profile: SRTPProtectionProfile, mode: str, link: Link) -> None:
    """What the socket took nothing of frees its numbers: the next key frame follows without a hole, and decrypts."""
    send, inbound = MODES[mode](), receiving(profile)
    watching = viewer(profile, lambda: link.outlet, first_seq=65_533)
    line = frames(4, keys=(0, 2))
    link.out.fails = {2: BlockingIOError()}
    for frame in line:
        send(frame, [watching], now_ms=NOW_MS)
    assert (watching.full_socket, watching.skipped_frames, watching.frames) == (1, 1, 2)
    packets = [read_packet(inbound.unprotect(data)) for data in link.arrived()]
    assert [packet.seq for packet in packets] == [(65_533 + n) & 0xFFFF for n in range(len(packets))]
    assert [packet.payload for packet in packets[1:]] == [*line[2].payloads, *line[3].payloads]


@pytest.mark.parametrize("code", [errno.EMSGSIZE, errno.EINVAL, errno.EIO])
def test_a_path_that_refuses_segments_gets_the_same_packets_singly(code: int, link: Link) -> None:
    """Nothing is encrypted twice, the path is remembered, and a new path is tried with segments again."""
    path = [link.outlet]
    watching, sender = viewer(PROFILES[0], lambda: path[0]), SegmentSender(segments=True)
    link.out.fails = {2: OSError(code, "no")}
    line = frames(3)
    for frame in line[:2]:
        sender(frame, [watching], now_ms=NOW_MS)
    assert (watching.refused_segments, watching.frames, watching.send_errors) == (1, 2, 0)
    assert link.out.calls.count("sendmsg") == 1
    path[0] = Outlet(link.out, link.outlet.address)
    sender(line[2], [watching], now_ms=NOW_MS)
    assert link.out.calls.count("sendmsg") == 2
    inbound = receiving(PROFILES[0])
    payloads = tuple(read_packet(inbound.unprotect(data)).payload for data in link.arrived())
    assert payloads == tuple(payload for frame in line for payload in frame.payloads)


@pytest.mark.parametrize("mode", MODES)
def test_numbers_that_may_have_left_are_never_used_again(mode: str, link: Link) -> None:
    """After an error that is no full socket the sequence goes on behind what was encrypted; others get their frame."""
    other = Link()
    sender = MODES[mode]()
    broken, whole = viewer(PROFILES[0], lambda: link.outlet), viewer(PROFILES[0], lambda: other.outlet)
    link.out.fails = {2: OSError(errno.ENETUNREACH, "no route")}
    line = frames(2, keys=(0, 1))
    sender(line[0], [broken, whole], now_ms=NOW_MS)
    used = broken.next_seq
    sender(line[1], [broken, whole], now_ms=NOW_MS)
    assert (broken.send_errors, broken.frames, whole.frames) == (1, 1, 2)
    inbound = receiving(PROFILES[0])
    packets = [read_packet(inbound.unprotect(data)) for data in link.arrived()]
    assert packets[1].seq == used & 0xFFFF
    assert used > 10 + 1
    other.close()


def test_part_of_a_frame_follows_only_where_the_first_part_ended(link: Link) -> None:
    """A frame can be sent in parts; a viewer that missed one gets nothing more before the next key frame."""
    sender, watching = SegmentSender(segments=True), viewer(PROFILES[0], lambda: link.outlet)
    first, second = frames(2, size=9000)
    sender(first, [watching], now_ms=NOW_MS, first=0, end=4)
    assert (watching.packets, watching.frames) == (4, 0)
    sender(first, [watching], now_ms=NOW_MS, first=5)
    sender(second, [watching], now_ms=NOW_MS)
    assert watching.packets == 4
    sender(first, [watching], now_ms=NOW_MS, first=4)
    sender(second, [watching], now_ms=NOW_MS)
    assert watching.frames == 2
    inbound = receiving(PROFILES[0])
    packets = [read_packet(inbound.unprotect(data)) for data in link.arrived()]
    assert tuple(packet.payload for packet in packets) == (*first.payloads, *second.payloads)
    assert [packet.marker for packet in packets].count(True) == 2


@EACH_PROFILE
def test_a_cipher_that_refuses_burns_the_numbers_of_the_whole_run(profile: SRTPProtectionProfile, link: Link) -> None:
    """None of a run leaves when libsrtp stops amid it, and what it had encrypted is never a number again."""
    sender, watching = SegmentSender(segments=True), viewer(profile, lambda: link.outlet)
    (frame,) = frames(1)
    real, calls = sender._buffer.protect, [0]

    def used_up(*arguments: Any) -> int:
        calls[0] += 1
        return 7 if calls[0] == 4 else real(*arguments)

    sender._buffer.protect = used_up
    sender(frame, [watching], now_ms=NOW_MS)
    assert calls[0] == 4
    sender(frame, [watching], now_ms=NOW_MS)
    assert (watching.send_errors, watching.frames) == (1, 1)
    packets = [read_packet(receiving(profile).unprotect(data)) for data in link.arrived()]
    # Run 1 (parameter sets) left as number 10; run 2 was burnt; the key frame came again under new numbers.
    assert [packet.seq for packet in packets] == [
        10,
        *(10 + len(frame.payloads) + n for n in range(len(frame.payloads))),
    ]


class Handshaken:
    """What `srtp.sending` asks of pyOpenSSL."""

    def __init__(self, profile: SRTPProtectionProfile) -> None:
        self._profile = profile

    def get_selected_srtp_profile(self) -> bytes:
        return self._profile.openssl_profile

    def export_keying_material(self, label: bytes, length: int) -> bytes:
        assert label == b"EXTRACTOR-dtls_srtp"
        return bytes(range(length))


@EACH_PROFILE
def test_our_sending_half_makes_aiortcs_packets(profile: SRTPProtectionProfile) -> None:
    """With the server's keys of RFC 5764, over a wrap, and for a number that a full socket gave back."""
    material = Handshaken(profile).export_keying_material(
        b"EXTRACTOR-dtls_srtp", 2 * (profile.key_length + profile.salt_length)
    )
    theirs = Policy(
        profile.get_key_and_salt(material, 1), Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile.libsrtp_profile
    )
    theirs.allow_repeat_tx, theirs.window_size = True, 1024
    ours, aiortcs = srtp.sending(Handshaken(profile)), Session(theirs)
    assert ours is not None
    assert srtp.sending(Handshaken(SRTP_AEAD_AES_256_GCM)) is None
    for number in (*range(65_400, 65_700), *range(65_700 - MOST_SEGMENTS, 65_800)):
        packet = b"\x80\x60" + (number & 0xFFFF).to_bytes(2, "big") + bytes(4) + b"ssrc" + bytes([number & 255]) * 40
        assert ours.protect(packet) == aiortcs.protect(packet)
    assert ours.protect_rtcp(b"\x80\xc8\x00\x01ssrc") == aiortcs.protect_rtcp(b"\x80\xc8\x00\x01ssrc")
    assert srtp.WINDOW_PACKETS > MOST_SEGMENTS


def test_the_probes_say_what_this_machine_can_do() -> None:
    """Linux cuts datagrams and the pinned pylibsrtp encrypts in place: the fast sender is what starts."""
    assert takes_segments()
    assert srtp.usable()
    assert isinstance(best_sender(), SegmentSender)


def test_without_its_private_names_the_plain_sender_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pylibsrtp that has moved its insides costs speed, not pictures."""
    monkeypatch.delattr("pylibsrtp._binding")
    assert not srtp.usable()
    assert segments.best_sender() is send_frame
