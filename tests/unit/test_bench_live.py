"""The benches of live: how late a picture was, what the feed gives, and which rows cannot run."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from bench.harness import Reading
from bench.live import peers
from bench.live_feed import APART, Feed
from bench.live_peers import gstreamer, janus, pion
from bench.live_round import Running
from bench.live_servers import Servers
from bench.live_viewer import lateness_ms
from bench.sleeper import sleeping
from bench.sources import GOP
from bench.watch import summed_up
from gateway.core import feedwire
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import StreamRole, new_public_id

TICKS = 6000
DUE_S = [n / 15 for n in range(100)]


@pytest.mark.parametrize("offset", [0, 12_345, (1 << 32) - 30_000])
def test_lateness_is_from_hand_over_to_last_packet(offset: int) -> None:
    """Wherever a viewer's RTP time begins, also across its wrap, and whatever picture it saw first."""
    late_ms = [3.0, 7.0, 40.0, 2.0] * 5
    arrivals = [((offset + n * TICKS) & 0xFFFFFFFF, DUE_S[30 + n] + late / 1000) for n, late in enumerate(late_ms)]
    assert lateness_ms(arrivals, DUE_S, TICKS) == pytest.approx(late_ms)


def test_a_picture_later_than_the_next_ones_hand_over_is_late() -> None:
    """A viewer's stutter is not taken for other pictures."""
    late_ms = [2.0] * 10 + [180.0, 120.0, 60.0] + [2.0] * 10
    arrivals = [(n * TICKS, DUE_S[5 + n] + late / 1000) for n, late in enumerate(late_ms)]
    assert lateness_ms(arrivals, DUE_S, TICKS) == pytest.approx(late_ms)
    assert lateness_ms([], DUE_S, TICKS) == []


def test_a_peer_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The row stays, with the reason."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr("bench.live_peers.DEBIANS_PYTHON", str(tmp_path / "none"))
    assert "apt-get install janus" in str(janus())
    assert "apt-get install python3-gi" in str(gstreamer())
    assert pion(tmp_path) == "not run: no go"
    monkeypatch.setattr("bench.live_servers.encode_nals", lambda *_: (b"s", b"p", [[b"\x65"]]))

    async def look(running: Running) -> Reading:
        raise AssertionError(running)

    reading = Servers("127.0.0.1", 1, look).peer_variant("Pion", pion(tmp_path)).measure()
    assert (dict(reading.figures), reading.invalid) == ({}, "not run: no go")


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        (None, ["Janus, event_loops = 1", "Pion", "GStreamer webrtcbin", "go2rtc, MediaMTX"]),
        ("Pion, janus", ["Janus, event_loops = 1", "Pion"]),
        ("mediamtx", ["go2rtc, MediaMTX"]),
        ("none", []),
    ],
)
def test_the_environment_names_the_peers(
    wanted: str | None, rows: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`make bench PEERS=...` runs those rows only; without it all of them, also those that can only say why not."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr("bench.live_peers.DEBIANS_PYTHON", str(tmp_path / "none"))
    monkeypatch.delenv("PEERS", raising=False)
    if wanted is not None:
        monkeypatch.setenv("PEERS", wanted)
    found = peers(tmp_path)
    assert list(found) == rows
    assert all(str(why).startswith("not run: ") for why in found.values())


def test_the_feed_begins_with_the_current_gop_of_the_camera_asked_for(tmp_path: Path) -> None:
    """As from the recorder: a reader that comes late has a key frame first, and no other camera's pictures."""
    pictures = [[bytes([0x65 if place % GOP == 0 else 0x41, place])] for place in range(4 * GOP)]
    cameras = [new_public_id(), new_public_id()]
    config = CodecConfig(Codec.H264, b"\x67s", b"\x68p")

    async def body() -> list[AccessUnit]:
        feed = Feed(tmp_path / "feed.sock", pictures, config, cameras=cameras, fps=500)
        async with feed.playing(), asyncio.timeout(20):
            while len(feed.due_s[cameras[1]]) < GOP - APART + 3:  # noqa: ASYNC110 - its first key frame is behind it
                await asyncio.sleep(0.001)
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "feed.sock"))
            writer.write(feedwire.encode_subscribe(feedwire.Subscription(cameras[1], StreamRole.MAIN)))
            units, configs = list[AccessUnit](), dict[int, CodecConfig]()
            while len(units) < 2 * GOP:
                kind, length = feedwire.HEAD.unpack(await reader.readexactly(feedwire.HEAD.size))
                data = await reader.readexactly(length)
                if kind == feedwire.CONFIG:
                    configs[feedwire.decode_config(data).epoch] = feedwire.decode_config(data)
                else:
                    units.append(feedwire.decode_unit(data, configs)[0])
            writer.close()
            return units

    units = asyncio.run(body())
    assert units[0].is_key
    places = [unit.nals[0][1] for unit in units]
    assert places == [(places[0] + step) % len(pictures) for step in range(len(places))]
    assert [(unit.pts_90k // (90_000 // 500) + APART) % len(pictures) for unit in units] == places


def test_a_sleeper_says_how_late_it_woke() -> None:
    """The control of lateness is there after the window, and has waited at least as long as nothing."""
    with sleeping() as found:
        assert found == {}
    assert 0 <= found["p50"] <= found["p99"]


def test_what_the_bench_says_of_chromiums_figures() -> None:
    """The frame rate is of the window, loss of the whole page; a lost packet, a freeze or a missing picture voids it."""
    start = {"time": 1000.0, "decoded": 10, "dropped": 0, "lost": 0, "freezes": 0, "delay": 1.0, "emitted": 10}
    good = {"time": 61_000.0, "decoded": 1210, "dropped": 0, "lost": 0, "freezes": 0, "delay": 13.0, "emitted": 1210}
    reading = summed_up([80.0, 60.0, 70.0], start, good)
    assert (reading.invalid, reading.figures["pictures/s"], reading.figures["slowest, ms"]) == ("", 20.0, 80.0)
    assert reading.figures["jitter buffer, ms"] == pytest.approx(10.0)
    assert summed_up([1.0], start, good | {"lost": 3}).invalid == "3 packets lost"
    bad = summed_up([1.0], start, good | {"freezes": 2, "decoded": 610})
    assert bad.invalid == "2 freezes, 10.0 of 20 pictures/s"
