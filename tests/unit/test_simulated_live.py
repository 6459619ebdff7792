"""The live timeline and one viewer's session, on a clock that a test moves."""

from __future__ import annotations

import random
import struct

import pytest

from drivers.simulated.counters import Counters
from drivers.simulated.faults import Faults, Look, Quirks
from drivers.simulated.live import STALL_S, Due, LiveStream, Pacer
from drivers.simulated.rtp import NTP_EPOCH_OFFSET_S
from drivers.simulated.rtspsession import RtspSession, SessionPorts
from drivers.simulated.scene import SceneSpec, SceneStore
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.anyio

SPEC = SceneSpec("Lớp Lá 1", 0, 96, 64, 10, gop_frames=5, loop_frames=10, bitrate_bps=128_000)
STORE = SceneStore()
"""One store for all tests here: what they encode is the same."""


class Watcher:
    """A viewer that keeps what it is given."""

    def __init__(self) -> None:
        self.got: list[Due] = []

    def deliver(self, due: Due) -> None:
        self.got.append(due)

    @property
    def numbers(self) -> list[int]:
        return [due.number for due in self.got]


class Outlet:
    """A way out that keeps what is sent."""

    def __init__(self) -> None:
        self.units: list[tuple[list[tuple[int, bytes]], int, int]] = []
        self.rtcp: list[bytes] = []
        self.is_full = False
        self.closed = 0

    def full(self) -> bool:
        return self.is_full

    def send(
        self, payloads: list[tuple[int, bytes]], *, last_seq: int, time_90k: int, ssrc: int, kind: int = 96
    ) -> None:
        self.units.append((payloads, last_seq, time_90k))

    def send_rtcp(self, data: bytes) -> None:
        self.rtcp.append(data)

    def close(self) -> None:
        self.closed += 1

    @property
    def times(self) -> list[int]:
        return [time for _, _, time in self.units]


class Stage:
    """A stream, its faults and a clock."""

    def __init__(self, *, phase: int = 0, seed: int = 1, stall_s: float = STALL_S) -> None:
        self.clock, self.faults, self.quirks, self.counters = FakeClock(), Faults(), Quirks(), Counters()
        self.spec = SPEC
        self.stream = LiveStream(STORE, lambda: self.spec, self.clock, self.faults, phase=phase, stall_s=stall_s)
        self.dice = random.Random(seed)

    def session(self, outlet: Outlet) -> RtspSession:
        ports = SessionPorts(self.stream, self.faults, self.quirks, self.counters, self.clock, self.dice)
        return RtspSession("s", ports, outlet)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 20)):
            self.clock.tick(0.05)
            self.stream.pump()


async def stage(*, phase: int = 0) -> Stage:
    made = Stage(phase=phase)
    await made.stream.ready()
    return made


async def test_all_viewers_see_the_same_timeline() -> None:
    """A viewer who comes later gets the same frame numbers at the same time as the first."""
    s = await stage()
    first, later = Watcher(), Watcher()
    s.stream.add(first)
    s.run(1.0)
    s.stream.add(later)
    s.run(1.0)
    assert later.got
    assert later.got == first.got[-len(later.got) :]


async def test_frames_come_at_the_rate_of_the_stream() -> None:
    """Two seconds at 10 frames a second are 20 frames, one after the other, going round the loop."""
    s = await stage()
    watcher = Watcher()
    s.stream.add(watcher)
    s.run(2.0)
    assert len(watcher.got) == 20
    assert watcher.numbers == list(range(watcher.numbers[0], watcher.numbers[0] + 20))
    assert {due.number % 10 for due in watcher.got} == set(range(10))
    assert [due.number for due in watcher.got if due.unit.is_key] == [n for n in watcher.numbers if n % 5 == 0]


async def test_a_key_frame_comes_when_it_is_asked_for() -> None:
    """The very next frame is one, numbers and rate stay, and groups are as long as before from then on."""
    s = await stage()
    watcher = Watcher()
    s.stream.add(watcher)
    s.run(1.2)
    before = len(watcher.got)
    s.stream.synchronise()
    s.run(2.0)
    keys = [n - before for n, due in enumerate(watcher.got) if due.unit.is_key and n >= before]
    assert keys == [0, 5, 10, 15]
    assert watcher.numbers == list(range(watcher.numbers[0], watcher.numbers[0] + 32))
    following = s.stream.next_key()
    s.run(1.0)
    assert watcher.got[watcher.numbers.index(following)].unit.is_key


async def test_phase_shifts_the_key_frames() -> None:
    """Neighbouring cameras have their key frames at different times."""
    plain, shifted = await stage(), await stage(phase=2)
    assert shifted.stream.now() == plain.stream.now() + 2
    assert shifted.stream.due_at_ns(12) == plain.stream.due_at_ns(10)


async def test_a_stall_is_not_caught_up_with() -> None:
    """After ten seconds without a turn, the stream goes on from now instead of sending a hundred frames."""
    s = await stage()
    watcher = Watcher()
    s.stream.add(watcher)
    s.run(0.5)
    before = len(watcher.got)
    s.clock.tick(10)
    s.stream.pump()
    assert len(watcher.got) == before + 1
    assert watcher.got[-1].number == s.stream.now()


async def test_a_farm_may_catch_up_with_every_stall() -> None:
    """Where nothing may be skipped, ten seconds without a turn are followed by every frame that was due meanwhile."""
    s = Stage(stall_s=60)
    await s.stream.ready()
    watcher = Watcher()
    s.stream.add(watcher)
    s.run(0.5)
    s.clock.tick(10)
    s.stream.pump()
    assert watcher.numbers == list(range(watcher.numbers[0], s.stream.now() + 1))
    assert len(watcher.got) == 105


async def test_no_viewer_no_work() -> None:
    """Without viewers a stream wants no wake-up and delivers nothing."""
    s = await stage()
    assert s.stream.wake_at_ns() is None
    watcher = Watcher()
    s.stream.add(watcher)
    s.stream.remove(watcher)
    s.stream.remove(watcher)
    s.run(1.0)
    assert watcher.got == []


async def test_another_look_begins_at_a_key_frame() -> None:
    """A look switched on in the middle of a GOP is shown from a key frame on, and asked for once it is wished."""
    s = await stage()
    watcher = Watcher()
    s.stream.add(watcher)
    s.run(0.7)
    s.spec = SceneSpec(**{**{f: getattr(SPEC, f) for f in SPEC.__slots__}, "look": Look.COVERED})
    outdated = []
    for _ in range(20):
        s.clock.tick(0.05)
        outdated.append(s.stream.pump())
    assert any(outdated)
    await s.stream.ready()
    s.run(1.5)
    changed = [due for due in watcher.got if due.loop.spec.look is Look.COVERED]
    assert changed
    assert changed[0].unit.is_key
    assert watcher.got[-len(changed) :] == changed


async def test_pacer_serves_its_streams() -> None:
    """The pacer sleeps without viewers, wakes when stirred, and stops serving what left."""
    s = await stage()
    watcher = Watcher()
    async with Pacer(s.clock) as pacer:
        pacer.join(s.stream)
        await s.clock.advance(1.0)
        assert watcher.got == []
        s.stream.add(watcher)
        pacer.stir()
        await s.clock.advance(1.0)
        assert 9 <= len(watcher.got) <= 10
        pacer.leave(s.stream)
        await s.clock.advance(1.0)
        assert 9 <= len(watcher.got) <= 11


async def test_session_starts_at_the_announced_key_frame() -> None:
    """The first unit is the key frame whose sequence number and RTP time PLAY announced."""
    s, outlet = await stage(), Outlet()
    session = s.session(outlet)
    s.run(0.3)
    seq, time_90k = session.play()
    s.run(1.5)
    payloads, last_seq, first_time = outlet.units[0]
    assert payloads[0][0] == seq
    assert first_time == time_90k
    assert payloads[0][1][0] & 0x1F == 7, "SPS first"
    assert last_seq == payloads[-1][0]


async def test_time_and_sequence_go_on_over_the_loop() -> None:
    """Over three rounds of the loop every unit is 9000 ticks after the last, and no number is left out."""
    s, outlet = await stage(), Outlet()
    s.session(outlet).play()
    s.run(3.5)
    steps = {(b - a) & 0xFFFFFFFF for a, b in zip(outlet.times, outlet.times[1:], strict=False)}
    assert len(outlet.units) >= 30
    assert steps == {9000}
    numbers = [seq for payloads, _, _ in outlet.units for seq, _ in payloads]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_two_sessions_have_numbers_of_their_own() -> None:
    """SSRC, first sequence number and time offset differ between sessions."""
    s, one, two = await stage(), Outlet(), Outlet()
    first, second = s.session(one), s.session(two)
    assert first.ssrc != second.ssrc
    assert first.play() != second.play()


async def test_loss_keeps_counting() -> None:
    """Dropped packets leave holes in the numbers, and are counted."""
    s, outlet = await stage(), Outlet()
    s.faults.drop = 0.5
    s.session(outlet).play()
    s.run(4)
    numbers = [seq for payloads, _, _ in outlet.units for seq, _ in payloads]
    assert numbers == sorted(numbers)
    dropped, sent = s.counters.totals["dropped_packets"], s.counters.totals["rtp_packets"]
    assert sent == len(numbers)
    assert dropped > 0
    assert numbers[-1] - numbers[0] + 1 <= sent + dropped


async def test_silent_sends_nothing_and_comes_back_with_a_key_frame() -> None:
    """A silent camera sends neither media nor reports; when the fault ends it starts at a key frame."""
    s, outlet = await stage(), Outlet()
    s.faults.silent = True
    s.session(outlet).play()
    s.run(2)
    assert (outlet.units, outlet.rtcp) == ([], [])
    s.faults.silent = False
    s.run(1.5)
    assert outlet.units[0][0][0][1][0] & 0x1F == 7


async def test_jump_moves_rtp_time_once() -> None:
    """A timestamp jump is seen as one step, after which time goes on as before."""
    s, outlet = await stage(), Outlet()
    s.session(outlet).play()
    s.run(1.5)
    before = len(outlet.units)
    s.faults.jump_90k = 900_000
    s.run(1)
    steps = [(b - a) & 0xFFFFFFFF for a, b in zip(outlet.times, outlet.times[1:], strict=False)]
    assert steps[before - 1] == 909_000
    assert set(steps) == {9000, 909_000}


async def test_parameter_sets_can_be_missing_in_band() -> None:
    """With the fault on, key frames come without SPS and PPS, at once."""
    s, outlet = await stage(), Outlet()
    s.faults.no_params_in_band = True
    s.session(outlet).play()
    s.run(2)
    kinds = {payload[0] & 0x1F for payloads, _, _ in outlet.units for _, payload in payloads}
    assert kinds.isdisjoint({7, 8})


async def test_slow_viewer_loses_whole_units() -> None:
    """A viewer that does not read loses units, and goes on with a key frame when it reads again."""
    s, outlet = await stage(), Outlet()
    s.session(outlet).play()
    s.run(1.2)
    before = len(outlet.units)
    outlet.is_full = True
    s.run(0.6)
    assert len(outlet.units) == before
    assert s.counters.totals["dropped_units"] > 0
    outlet.is_full = False
    s.run(1.2)
    assert outlet.units[before][0][0][1][0] & 0x1F == 7


async def test_reports_carry_the_skewed_clock() -> None:
    """The first unit brings a report with the camera's own, wrong time; the next comes 5 s later."""
    s, outlet = await stage(), Outlet()
    s.quirks.clock_skew_s = 3600
    s.session(outlet).play()
    s.run(1.0)
    assert len(outlet.rtcp) == 1
    ntp_s = struct.unpack(">I", outlet.rtcp[0][8:12])[0]
    assert abs(ntp_s - NTP_EPOCH_OFFSET_S - s.clock.now_ms() / 1000 - 3600) <= 1
    s.run(5.5)
    assert len(outlet.rtcp) == 2


async def test_close_says_goodbye_once_started() -> None:
    """A session that sent media ends with BYE and releases its outlet; pause stops it before."""
    s, outlet = await stage(), Outlet()
    session = s.session(outlet)
    session.play()
    s.run(1.2)
    session.pause()
    sent = len(outlet.units)
    s.run(1.0)
    assert len(outlet.units) == sent
    session.close()
    assert outlet.rtcp[-1][1] == 203
    assert outlet.closed == 1
    assert s.stream.viewers == set()
