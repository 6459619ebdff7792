"""RTP on its way to FFmpeg, and the pictures that come back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.pyav import media
from drivers.pyav.media import RelayedMedia, make_relayed
from drivers.rtsp.parametersets import ParameterSets
from drivers.rtsp.payload import make_depacketizer
from gateway.core.errors import CameraClosed
from gateway.core.media import AccessUnit, Codec
from tests.fakes.encoded import encode
from tests.fakes.rtp import Packetizer, framed, rtp

pytestmark = pytest.mark.anyio
PICTURES = encode(Codec.H264, 320, 240, 6)
CODE = b"\0\0\0\1"


@dataclass
class Engine:
    """The media of one stream with a child that reads what it is sent."""

    codec: Codec = Codec.H264
    units: list[AccessUnit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.media: RelayedMedia = make_relayed(0, 96, ParameterSets(self.codec), self.units.append)
        self.child, ours = socket.socketpair()
        self.child.setblocking(False)
        ours.setblocking(False)
        self.ours = ours
        self.media.attach(ours)

    def sent(self) -> bytes:
        try:
            return self.child.recv(1 << 24)
        except BlockingIOError:
            return b""

    def framed_by_ffmpeg(self, nals: tuple[bytes, ...], pts_90k: int | None, now_ns: int = 99) -> None:
        self.media.picture(pts_90k, b"".join(CODE + nal for nal in nals), now_ns)

    def close(self) -> None:
        self.child.close()
        self.ours.close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


BASE = 4_294_960_000
"""Timestamps that wrap soon."""


def packets(count: int = 6, step: int = 6000, size: int = 200, base: int = BASE) -> list[list[bytes]]:
    packetizer = Packetizer(size=size)
    return [packetizer.packets(PICTURES[number % 6], base + number * step) for number in range(count)]


def feed(engine: Engine, bursts: list[list[bytes]], read_ns: int = 7) -> None:
    for burst in bursts:
        data = b"".join(burst)
        assert engine.media.feed(data, 0, read_ns) == len(data)


@pytest.mark.parametrize("codec", list(Codec))
def test_what_ffmpeg_framed_is_what_the_native_engine_makes(codec: Codec) -> None:
    """Same NAL units, times, key frames and configurations, at the moment the last packet was read."""
    pictures = encode(codec, 320, 240, 6)
    native: list[AccessUnit] = []
    ours = make_depacketizer(0, 96, ParameterSets(codec), native.append)
    packetizer, engine = Packetizer(codec, size=200), Engine(codec)
    for number, nals in enumerate(pictures):
        data = b"".join(packetizer.packets(nals, number * 6000))
        ours.feed(data, 0, number)
        engine.media.feed(data, 0, number)
        engine.framed_by_ffmpeg(nals, number * 6000)
    assert engine.units == native
    assert len(native) == 6
    assert (engine.media.packets, engine.media.lost, engine.media.units) == (ours.packets, 0, 6)
    engine.close()


def test_the_child_gets_every_video_frame_as_it_came(engine: Engine) -> None:
    """In order, whole, and nothing else."""
    bursts = packets()
    feed(engine, bursts)
    assert engine.sent() == b"".join(frame for burst in bursts for frame in burst)


@given(cuts=st.lists(st.integers(1, 400), max_size=30))
def test_frames_pass_wholly_or_wait(cuts: list[int]) -> None:
    """However the bytes arrive, what is not a whole frame of ours is left to the caller."""
    engine = Engine()
    data, at, rest = b"".join(frame for burst in packets(2) for frame in burst), 0, b""
    for cut in [*cuts, len(data)]:
        chunk = rest + data[at : at + cut]
        at += cut
        rest = chunk[engine.media.feed(chunk, 0, 1) :]
    assert rest == b""
    assert engine.sent() == data
    engine.close()


def test_a_first_timestamp_of_zero_is_moved() -> None:
    """FFmpeg would take it for none; only the stamps change, all by the same."""
    engine = Engine()
    bursts = packets(3, base=0)
    feed(engine, bursts)
    sent, at, stamps = engine.sent(), 0, []
    for frame in (frame for burst in bursts for frame in burst):
        got = sent[at : at + len(frame)]
        at += len(frame)
        assert (got[:8], got[12:]) == (frame[:8], frame[12:])
        stamps.append(int.from_bytes(got[8:12], "big") - int.from_bytes(frame[8:12], "big"))
    assert at == len(sent)
    assert len(set(stamps)) == 1
    assert stamps[0] > 0
    engine.close()


def test_other_channels_and_messages_are_not_its_business(engine: Engine) -> None:
    """RTCP and replies are taken by the session."""
    (burst,) = packets(1)
    for other in (b"$\1\0\x0c" + bytes(12), b"RTSP/1.0 200 OK\r\n"):
        data = burst[0] + other
        assert engine.media.feed(data, 0, 1) == len(burst[0])


def test_early_packets_are_sent_as_frames_again(engine: Engine) -> None:
    """Media that came before the reply to PLAY."""
    (burst,) = packets(1)
    for frame in burst:
        engine.media.packet(frame, 4, len(frame), 1)
    assert engine.sent() == b"".join(burst)
    engine.media.packet(b"\x80" * 4, 0, 4, 1)
    assert engine.media.malformed == 1


def test_before_the_child_is_there_frames_wait(engine: Engine) -> None:
    """Nothing of the first picture is lost while FFmpeg starts."""
    late = make_relayed(0, 96, ParameterSets(Codec.H264), engine.units.append)
    first, second = packets(2)
    late.feed(b"".join(first), 0, 1)
    assert engine.sent() == b""
    late.attach(engine.ours)
    late.feed(b"".join(second), 0, 1)
    assert engine.sent() == b"".join([*first, *second])


def test_a_child_that_does_not_keep_up_ends_the_stream(engine: Engine) -> None:
    """What waits for it is bounded."""
    frame = framed(rtp(1, 0, bytes(60_000)), 0)
    with pytest.raises(CameraClosed) as caught:
        for number in range(media.MOST_WAITING_BYTES // len(frame) + 100):
            engine.media.feed(framed(rtp(number, 0, bytes(60_000)), 0), 0, 1)
    assert caught.value.fields["engine"] == "pyav"
    assert len(engine.media._waiting) <= media.MOST_WAITING_BYTES + len(frame)


def test_what_a_child_that_is_gone_would_get_is_dropped(engine: Engine) -> None:
    """The event loop sees its end, and has the session ended in order."""
    engine.child.close()
    feed(engine, packets())
    assert engine.media._waiting == b""


@pytest.mark.parametrize("hole", ["inside", "first packet", "marker"])
def test_a_picture_with_a_hole_is_not_delivered(engine: Engine, hole: str) -> None:
    """FFmpeg hands over what it has; the packets told us that something is missing."""
    bursts = packets(size=20)
    assert all(len(burst) > 2 for burst in bursts)
    place = {"inside": 1, "first packet": 0, "marker": -1}[hole]
    del bursts[2][place]
    feed(engine, bursts)
    for number, nals in enumerate(PICTURES):
        engine.framed_by_ffmpeg(nals, number * 6000)
    times = {unit.pts_90k for unit in engine.units}
    assert 12_000 not in times
    assert times >= {0, 6000, 24_000, 30_000}
    assert engine.media.lost == 1
    assert sum(unit.lost_before for unit in engine.units) == 1
    assert engine.media.damaged == 6 - len(engine.units)


def test_loss_in_a_picture_that_ffmpeg_dropped_is_still_told(engine: Engine) -> None:
    """The next picture carries it."""
    bursts = packets(size=20)
    del bursts[1][1:3]
    feed(engine, bursts)
    engine.framed_by_ffmpeg(PICTURES[0], 0)
    engine.framed_by_ffmpeg(PICTURES[3], 18_000)
    assert [unit.lost_before for unit in engine.units] == [0, 2]
    assert len(engine.media._arrivals) == 2


def test_a_camera_that_counts_anew_lost_nothing(engine: Engine) -> None:
    """A jump of the sequence that no loss explains."""
    frames = [framed(rtp(number, 9000, b"\x65" + bytes(9)), 0) for number in (1, 40_000, 40_001, 40_002)]
    engine.media.feed(b"".join(frames), 0, 1)
    assert (engine.media.lost, engine.media.late) == (0, 1)
    assert engine.sent() == b"".join([frames[0], *frames[2:]])


def test_foreign_payload_types_are_counted(engine: Engine) -> None:
    """FFmpeg drops them by its description."""
    data = framed(rtp(1, 0, b"\x65" + bytes(9), kind=97), 0)
    engine.media.feed(data, 0, 1)
    assert (engine.media.foreign, engine.media.packets) == (1, 0)


def test_a_picture_without_a_time_gets_that_of_the_oldest_packets(engine: Engine) -> None:
    """FFmpeg may give the first pictures none."""
    feed(engine, packets(2))
    engine.framed_by_ffmpeg(PICTURES[0], None)
    engine.framed_by_ffmpeg(PICTURES[1], 6000)
    assert [unit.pts_90k for unit in engine.units] == [0, 6000]
    assert [unit.received_mono_ns for unit in engine.units] == [7, 7]


def test_a_picture_of_unknown_time_is_taken_when_it_comes(engine: Engine) -> None:
    """Nothing is known of its packets then."""
    feed(engine, packets(1))
    engine.framed_by_ffmpeg(PICTURES[0], 123_456, now_ns=55)
    assert engine.units[0].received_mono_ns == 55


def test_what_is_remembered_of_packets_is_bounded(engine: Engine) -> None:
    """A child that never answers costs no memory beside its queue."""
    for number in range(media.MOST_ARRIVALS * 2):
        engine.media.feed(framed(rtp(number, number * 6000, b"\x41" + bytes(9)), 0), 0, 1)
        engine.sent()
    assert len(engine.media._arrivals) == media.MOST_ARRIVALS


def test_packets_and_pictures_may_come_at_the_same_time(engine: Engine) -> None:
    """Each in a thread of its own, as fast as they can; nothing raises, and most is known of."""
    frames = [framed(rtp(number, number * 6000, b"\x41" + bytes(9)), 0) for number in range(1, 5000)]
    failures: list[BaseException] = []

    def network() -> None:
        try:
            for frame in frames:
                engine.media.feed(frame, 0, 1)
                engine.sent()
        except BaseException as error:  # noqa: BLE001 - a thread's error is the test's
            failures.append(error)

    other = threading.Thread(target=network)
    other.start()
    for number in range(5000):
        engine.media.picture(number * 6000 if number % 3 else None, b"", 1)
    other.join()
    assert failures == []


@given(pts=st.none() | st.integers(-(1 << 62), 1 << 62), data=st.binary(max_size=300))
def test_nothing_a_child_says_of_a_picture_raises(pts: int | None, data: bytes) -> None:
    """Bytes of a child that was taken over make pictures or none."""
    engine = Engine()
    feed(engine, packets(1))
    engine.media.picture(pts, data, 1)
    assert len(engine.units) <= 300
    engine.close()


@pytest.mark.parametrize("again", [1, 3])
def test_late_and_repeated_packets_are_kept_from_ffmpeg(engine: Engine, again: int) -> None:
    """Over UDP they come; it would take them for the next piece of its picture. Nothing counts as lost."""
    bursts = packets(3)
    whole = [packet for burst in bursts for packet in burst]
    at = len(bursts[0]) + 3
    engine.media.feed(b"".join([*whole[:at], whole[at - again], *whole[at:]]), 0, 1)
    assert engine.sent() == b"".join(whole)
    assert (engine.media.lost, engine.media.late, engine.media.packets) == (0, 1, len(whole))
    for number in range(3):
        engine.framed_by_ffmpeg(PICTURES[number], number * 6000)
    assert len(engine.units) == 3


async def test_at_the_end_the_child_gets_the_rest(engine: Engine) -> None:
    """Then the end of the stream."""
    engine.media.feed(b"".join(packets(1)[0]), 0, 1)
    await engine.media.drain()
    got = b""
    engine.child.setblocking(True)
    while data := engine.child.recv(65_536):
        got += data
    assert got == b"".join(packets(1)[0])


async def test_once_detached_nothing_is_sent_and_nothing_waits(engine: Engine) -> None:
    """The connection is closed next; whoever drains is not kept."""
    engine.media.detach()
    feed(engine, packets())
    assert engine.media._waiting == b""
    await engine.media.drain()
    assert engine.sent() == b""
