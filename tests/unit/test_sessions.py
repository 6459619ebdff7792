"""Which streams of one host get its sessions: the pure rule against a device that counts."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.model import StreamId, StreamRole
from recorder.sessions import FIRST_TRY_S, MOST_TRY_S, SessionBudget

MAIN, SUB = StreamRole.MAIN, StreamRole.SUB
HOUR_NS = 3_600_000_000_000
Key = tuple[StreamId, StreamRole]


def streams_of(channels: int) -> list[Key]:
    """Main and sub of each channel, as cameras have them: channel after channel."""
    return [(StreamId(2 * n + offset), role) for n in range(channels) for offset, role in ((0, MAIN), (1, SUB))]


@dataclass
class Device:
    """A recorder with room for `limit` sessions, some of them taken by other viewers."""

    limit: int
    others: int = 0
    sessions: set[StreamId] = field(default_factory=set)
    refused: int = 0

    def setup(self, stream: StreamId) -> bool:
        if len(self.sessions) + self.others >= self.limit:
            self.refused += 1
            return False
        self.sessions.add(stream)
        return True


class Box:
    """The streams of a host, each tried again and again, without time passing unless told."""

    def __init__(self, device: Device, streams: list[Key]) -> None:
        self.device, self.streams = device, streams
        self.budget, self.now_ns = SessionBudget(), 0
        self.gave_way: list[StreamId] = []
        for stream, role in streams:
            self.budget.want(stream, role)

    def attempt(self, stream: StreamId, role: StreamRole) -> bool:
        """Try one stream as its task does; True if it plays then."""
        while (admission := self.budget.admit(stream, role, self.now_ns)).give_way is not None:
            assert role is MAIN
            self.gave_way.append(admission.give_way)
            self.close(admission.give_way)
        if not admission.allowed:
            return False
        if self.device.setup(stream):
            self.budget.plays(stream)
            return True
        self.budget.refused(stream, self.now_ns, 0.5)
        return False

    def close(self, stream: StreamId) -> None:
        self.device.sessions.discard(stream)
        self.budget.closed(stream)

    def settle(self) -> None:
        """Let every stream that does not play try, until nothing changes."""
        changed = True
        while changed:
            changed = False
            for stream, role in self.streams:
                if stream not in self.device.sessions and self.attempt(stream, role):
                    changed = True

    def playing(self, role: StreamRole) -> int:
        return sum(stream in self.device.sessions for stream, kind in self.streams if kind is role)


CHANNELS, LIMITS = st.integers(1, 16), st.integers(1, 40)


@given(CHANNELS, LIMITS, st.randoms(use_true_random=False))
def test_main_streams_come_first_and_no_place_is_left_empty(channels: int, limit: int, dice: random.Random) -> None:
    """Whatever the order of trying: as many mains as fit, then subs, and each place is used."""
    streams = streams_of(channels)
    dice.shuffle(streams)
    box = Box(Device(limit), streams)
    for _ in range(60):  # every pause is over, as long as anything changes by it
        box.settle()
        box.now_ns += HOUR_NS
    assert box.playing(MAIN) == min(channels, limit)
    assert box.playing(SUB) == min(channels, max(0, limit - channels))


@given(CHANNELS, LIMITS)
def test_a_host_that_never_refused_is_never_held_back(channels: int, limit: int) -> None:
    """Without a 453 every stream opens at once; with one, the limit known is the truth."""
    box = Box(Device(limit), streams_of(channels))
    box.settle()
    if limit >= 2 * channels:
        assert box.budget.limit is None
        assert box.device.refused == 0
    else:
        assert box.budget.limit == len(box.device.sessions)


@settings(deadline=None, max_examples=40)
@given(CHANNELS, LIMITS)
def test_a_full_host_is_not_hammered(channels: int, limit: int) -> None:
    """Once settled, an hour of trying every ten seconds costs no more refusals than the pauses allow."""
    box = Box(Device(limit), streams_of(channels))
    box.settle()
    before = box.device.refused
    assert before <= 2
    for _ in range(360):
        box.now_ns += 10_000_000_000
        box.settle()
    assert box.device.refused - before <= 3600 / (MOST_TRY_S / 2) + 10


@given(st.integers(1, 8), st.integers(0, 8))
def test_places_that_others_leave_are_found(channels: int, others: int) -> None:
    """When another viewer goes, the streams that waited get its place within the longest pause."""
    device = Device(2 * channels, others=min(others, 2 * channels - 1))
    box = Box(device, streams_of(channels))
    box.settle()
    device.others = 0
    box.now_ns += int(MOST_TRY_S * 1e9)
    box.settle()
    assert len(device.sessions) == 2 * channels


@given(st.integers(2, 8))
def test_a_main_stream_that_reconnects_finds_its_place(channels: int) -> None:
    """Its place is not given to a sub stream meanwhile, so that nothing has to give way when it comes back."""
    box = Box(Device(channels), streams_of(channels))
    box.settle()
    box.gave_way.clear()
    box.close(StreamId(0))
    for stream, role in box.streams:
        if role is SUB:
            assert not box.attempt(stream, role)
    assert box.attempt(StreamId(0), MAIN)
    assert box.gave_way == []


def test_a_limit_that_shrinks_costs_sub_streams_first() -> None:
    """Another viewer takes a place: the main stream that lost it gets that of a sub stream."""
    box = Box(Device(4), streams_of(2))
    box.settle()
    assert box.playing(SUB) == 2
    box.close(StreamId(0))
    box.device.others = 1
    assert not box.attempt(StreamId(0), MAIN)
    assert box.attempt(StreamId(0), MAIN)
    assert len(box.gave_way) == 1
    assert (box.playing(MAIN), box.playing(SUB)) == (2, 1)


def test_a_host_full_of_others_teaches_nothing() -> None:
    """453 while nothing of ours plays is an ordinary overload: no limit, no waiting for room of ours."""
    budget = SessionBudget()
    assert budget.admit(StreamId(1), MAIN, 0).allowed
    assert budget.refused(StreamId(1), 0, 0.5) is False
    assert budget.limit is None
    assert budget.admit(StreamId(1), MAIN, 0).allowed


def test_one_stream_at_a_time_tries_above_the_limit() -> None:
    """Also when all of them wake together; the next after its pause, which doubles."""
    budget = SessionBudget()
    for stream, role in streams_of(2):
        budget.want(stream, role)
        assert budget.admit(stream, role, 0).allowed
    for stream in (StreamId(0), StreamId(2)):
        budget.plays(stream)
    assert budget.refused(StreamId(1), 0, 1.0)
    assert budget.refused(StreamId(3), 0, 1.0)
    assert not budget.admit(StreamId(1), SUB, 0).allowed
    after_ns = int(2 * FIRST_TRY_S * 1e9)
    assert budget.wait_s(0) == 2 * FIRST_TRY_S
    assert budget.admit(StreamId(1), SUB, after_ns).allowed
    assert not budget.admit(StreamId(3), SUB, after_ns).allowed
    budget.closed(StreamId(1))
    assert budget.admit(StreamId(3), SUB, after_ns).allowed


def test_a_camera_that_is_taken_away_leaves_its_places() -> None:
    """What it held and what was kept for it is free."""
    box = Box(Device(2), streams_of(2))
    box.settle()
    assert box.playing(SUB) == 0
    for stream in (StreamId(0), StreamId(1)):
        box.device.sessions.discard(stream)
        box.budget.forget(stream)
    box.streams = box.streams[2:]
    box.settle()
    assert (box.playing(MAIN), box.playing(SUB)) == (1, 1)
