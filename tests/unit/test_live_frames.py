"""The history of a stream: numbers, time line, what is kept."""

from __future__ import annotations

from collections import deque

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.live.frames import Frame, History

CONFIG = CodecConfig(Codec.H264, b"\x67s", b"\x68p")
SECOND = 1_000_000_000


def unit(at_s: float, *, key: bool = False, pts_s: float | None = None, size: int = 100) -> AccessUnit:
    nal = bytes([0x65 if key else 0x41]) + bytes(size)
    return AccessUnit((nal,), int((at_s if pts_s is None else pts_s) * 90_000), key, int(at_s * SECOND) + 1, CONFIG)


def add(history: History, *units: AccessUnit) -> list[Frame]:
    return [frame for item in units if (frame := history.add(item)) is not None]


def test_numbers_and_packet_indexes_have_no_holes() -> None:
    """Frames count by one, and each begins with the packet after the last of the one before."""
    frames = add(History(), unit(0, key=True, size=5000), unit(0.05), unit(0.1, size=3000))
    assert [frame.number for frame in frames] == [0, 1, 2]
    assert [(frame.first_index, frame.end_index) for frame in frames] == [(0, 6), (6, 7), (7, 10)]


def test_a_packet_is_found_by_its_index() -> None:
    """Every index leads to its frame and place; one before or after the history to nothing."""
    history = History()
    frames = add(history, unit(0, key=True, size=3000), unit(0.05), unit(0.1, size=3000))
    for frame in frames:
        for place in range(len(frame.payloads)):
            assert history.packet(frame.first_index + place) == (frame, place)
    assert history.packet(frames[-1].end_index) is None
    assert history.packet(-1) is None


def test_finding_a_packet_does_not_walk_the_history() -> None:
    """A viewer may ask for thousands of old packets a second; each costs a few looks, not one a frame."""
    looks = 0

    class Counted(Frame):
        def __getattribute__(self, name: str) -> object:
            nonlocal looks
            looks += name == "first_index"
            return object.__getattribute__(self, name)

    history = History()
    add(history, *(unit(n / 100, key=n == 0) for n in range(1000)))
    history._frames = deque(
        Counted(**{name: getattr(frame, name) for name in Frame.__slots__}) for frame in history._frames
    )
    assert history.packet(3) is not None
    assert looks < 20


def test_the_current_gop_is_kept_longer_than_three_seconds() -> None:
    """A GOP of ten seconds stays whole, for whoever joins; what was before it goes."""
    history = History()
    add(history, unit(0, key=True), unit(0.5), unit(1, key=True), *(unit(1 + n / 2) for n in range(1, 20)))
    assert history.gop_start is not None
    assert history.gop_start.number == 2
    assert history.frame(1) is None
    assert history.frame(21) == history.last


def test_frames_of_past_gops_go_after_three_seconds() -> None:
    """With short GOPs the history is what retransmission needs: three seconds."""
    history = History()
    add(history, *(unit(n / 10, key=n % 10 == 0) for n in range(100)))
    first = next(n for n in range(100) if history.frame(n))
    assert 66 <= first <= 70


def test_a_gop_too_big_to_keep_is_given_up() -> None:
    """Over the byte limit nothing is promised to joiners until the next key frame, and memory stays bounded."""
    history = History(most_bytes=10_000)
    add(history, unit(0, key=True, size=1000), *(unit(n / 10, size=1000) for n in range(1, 30)))
    assert history.gop_start is None
    assert history.bytes <= 10_000
    add(history, unit(4, key=True))
    assert history.gop_start == history.last


def test_a_new_run_continues_the_time_line() -> None:
    """When the camera's session starts over at 0, RTP time goes on by the time that really passed."""
    history = History()
    add(history, unit(0, key=True), unit(0.05), unit(20.0, pts_s=0, key=True), unit(20.05, pts_s=0.05))
    times = [frame.ts_90k for n in range(2, 4) if (frame := history.frame(n))]
    assert times == [20 * 90_000, 20 * 90_000 + 4500]


def test_reordered_pictures_keep_their_own_times() -> None:
    """A small step back is a picture order, no new run."""
    frames = add(History(), unit(0, key=True), unit(0.05, pts_s=0.1), unit(0.1, pts_s=0.05))
    assert [frame.ts_90k for frame in frames] == [0, 9000, 4500]


def test_a_repeated_gop_is_not_sent_again() -> None:
    """After a lost feed the recorder repeats its GOP: only what is new passes, and the numbers go on."""
    history = History()
    first = [unit(0, key=True), unit(0.05), unit(0.1)]
    add(history, *first)
    again = add(history, *first, unit(0.15))
    assert [frame.number for frame in again] == [3]


def test_units_read_together_are_all_new() -> None:
    """One read of the network may end several units: they share a time of receipt, and none is a repetition."""
    history = History()
    together = [unit(1, pts_s=pts, key=pts == 0) for pts in (0, 0.1, 0.05)]
    assert len(add(history, *together)) == 3
    again = add(history, *together, unit(1, pts_s=0.15), unit(2, pts_s=0.2))
    assert [frame.number for frame in again] == [3, 4]


def test_the_rate_of_a_gop_is_its_bits_over_its_time() -> None:
    """Twenty pictures of 1,000 B over one second are 160 kbit/s, roughly."""
    history = History()
    add(history, *(unit(n / 20, key=n == 0, size=1000) for n in range(21)))
    assert 150_000 < history.gop_bps() < 180_000
    assert History().gop_bps() == 0


def test_the_bytes_of_a_gop_are_counted_while_it_grows() -> None:
    """Always those since the newest key frame, also after older frames left; none for a GOP too big to keep."""
    history = History(most_bytes=9000)
    seen = list[int]()
    for n in range(12):
        (frame,) = add(history, unit(n / 20, key=n in (0, 3), size=500))
        since_key = [*seen, frame.size_bytes] if not frame.is_key else [frame.size_bytes]
        seen = since_key
        assert history.gop_bytes() == sum(since_key)
    for n in range(12, 40):
        add(history, unit(n / 20, key=False, size=500))
    assert (history.gop_start, history.gop_bytes(), history.gop_bps()) == (None, 0, 0.0)
    (frame,) = add(history, unit(3, key=True, size=500))
    assert history.gop_bytes() == frame.size_bytes
