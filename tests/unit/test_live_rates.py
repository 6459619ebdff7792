"""What streams draw: guessed, measured, booked in steps."""

from __future__ import annotations

import pytest

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import PublicId, StreamRole
from gateway.live import rates
from gateway.live.rates import GUESS_BPS, STEP, Rates
from gateway.live.sender import Numbers, Viewer
from gateway.live.stream import LiveStream
from gateway.live.totals import SUMMED, Totals
from tests.fakes.clock import FakeClock
from tests.fakes.wire import FakeSocket

CONFIG = CodecConfig(Codec.H264, b"\x67s", b"\x68p")


class Camera:
    """A stream that a test fills."""

    def __init__(self, name: str = "c", role: StreamRole = StreamRole.SUB) -> None:
        self.stream, self.number = LiveStream(PublicId(name), role, FakeClock()), 0

    def gop(self, known: Rates, size: int) -> None:
        """Twenty pictures of one second, each of so many bytes, the first ten times that; looked at early in the GOP."""
        for place in range(20):
            nal = (b"\x65" + bytes(10 * size)) if place == 0 else (b"\x41" + bytes(size))
            received = 10**9 + self.number * 50_000_000
            self.stream.take(AccessUnit((nal,), self.number * 4500, place == 0, received, CONFIG), skipped=False)
            self.number += 1
            if place == 1:
                known.look(self.stream)


def test_what_nobody_has_seen_is_guessed() -> None:
    """Never nothing: ten viewers of an unknown stream would all fit."""
    known, camera = Rates(), Camera()
    known.look(camera.stream)
    assert known.of(camera.stream) == GUESS_BPS[StreamRole.SUB]
    assert known.at(PublicId("other"), StreamRole.MAIN) == GUESS_BPS[StreamRole.MAIN]


def test_a_stream_is_measured_over_seconds_and_with_its_headers() -> None:
    """Before that it stays guessed; a key frame ten times as big does not look like the whole."""
    known, camera = Rates(), Camera()
    for _ in range(4):
        camera.gop(known, 2500)
        assert not known.is_measured(camera.stream.camera, StreamRole.SUB)
    for _ in range(6):
        camera.gop(known, 2500)
    assert known.of(camera.stream) == pytest.approx(29 * 2500 * 8 * 1.05, rel=0.1)


def test_one_busy_second_moves_nothing_and_a_busy_minute_does() -> None:
    """The booked rate follows in steps."""
    known, camera = Rates(), Camera()
    for _ in range(10):
        camera.gop(known, 2500)
    calm = known.of(camera.stream)
    camera.gop(known, 5000)
    assert known.of(camera.stream) == calm
    for _ in range(30):
        camera.gop(known, 5000)
    assert known.of(camera.stream) == pytest.approx(2 * calm, rel=STEP)


def test_a_stream_that_is_subscribed_anew_keeps_what_was_known() -> None:
    """Its counters begin at nothing, its rate does not."""
    known, camera = Rates(), Camera()
    for _ in range(10):
        camera.gop(known, 2500)
    before, again = known.of(camera.stream), Camera()
    for _ in range(3):
        again.gop(known, 100)
    assert known.of(again.stream) == before
    for _ in range(12):
        again.gop(known, 100)
    assert known.of(again.stream) < before / 5


@pytest.mark.parametrize("away_s", [3, 30, 3600])
def test_a_camera_that_was_away_draws_what_it_drew_before(away_s: int) -> None:
    """The gap in its time is no part of the measure: else nearly nothing is booked, and too many get a seat."""
    known, camera = Rates(), Camera()
    for _ in range(10):
        camera.gop(known, 2500)
    before = known.of(camera.stream)
    camera.number += 20 * away_s
    for _ in range(12):
        camera.gop(known, 2500)
        assert known.of(camera.stream) == pytest.approx(before, rel=STEP)


def test_a_camera_that_was_away_before_it_was_measured_stays_guessed() -> None:
    """Two samples with a gap between them say nothing; nothing is divided by zero."""
    known, camera = Rates(), Camera()
    camera.gop(known, 100)
    camera.number += 20 * 3600
    camera.gop(known, 100)
    assert known.of(camera.stream) == GUESS_BPS[StreamRole.SUB]


def test_a_camera_that_stands_still_with_a_viewer_left_fills_no_memory() -> None:
    """The samples are trimmed by media time, which stands still too; a picture that comes again is measured on."""
    known, camera = Rates(), Camera()
    for _ in range(10):
        camera.gop(known, 2500)
    (measured,) = known._known.values()
    kept, before = len(measured.samples), known.of(camera.stream)
    for _ in range(3600):
        known.look(camera.stream)
    assert len(measured.samples) <= kept + 1
    camera.gop(known, 2500)
    assert known.of(camera.stream) == pytest.approx(before, rel=STEP)


def test_the_rates_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound a stream is guessed."""
    monkeypatch.setattr(rates, "MOST_STREAMS", 2)
    known = Rates()
    cameras = [Camera(str(n)) for n in range(3)]
    for camera in cameras:
        for _ in range(6):
            camera.gop(known, 50)
    guessed = [known.of(camera.stream) == GUESS_BPS[StreamRole.SUB] for camera in cameras]
    assert guessed == [False, False, True]


def test_totals_do_not_fall_when_a_session_ends() -> None:
    """The open ones move to those that are over; ways are counted when they are."""
    totals = Totals()
    facts = dict.fromkeys(SUMMED, 7) | {"path": "host", "session": "s", "grant": "g"}
    before = totals.of([facts])
    totals.end(facts)
    assert totals.of([]) == before == dict.fromkeys(SUMMED, 7)
    totals.end(facts | {"path": ""})
    assert totals.paths() == {"host": 1, "none": 1}
    assert totals.of([facts]) == dict.fromkeys(SUMMED, 21)


def test_a_transcoded_picture_is_late_by_nature() -> None:
    """Its delay does not count; that of a picture which came straight from the camera does, where somebody watches."""
    camera = Camera()
    stream, known = camera.stream, Rates()
    outlet = FakeSocket().outlet()
    camera.gop(known, 100)
    assert stream.counters.late_ms == 0  # nobody watches
    stream.viewers.append(Viewer(Numbers(1, 99, 100, 0), lambda packet: packet, lambda: outlet))
    assert isinstance(stream.clock, FakeClock)
    stream.clock.tick(60)
    stream.is_transcoded = True
    camera.gop(known, 100)
    assert stream.counters.late_ms == 0
    stream.is_transcoded = False
    camera.gop(known, 100)
    assert stream.counters.late_ms > 50_000
