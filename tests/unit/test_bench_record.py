"""What the benches read and send: packets, losses, rows."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from bench.__main__ import BENCHES, main, parser, repeatable
from bench.index import STREAMS, row_of
from bench.memory import Sample, slope_mb_per_h
from bench.record import IN_FLIGHT, ffmpeg_command, lost_by_us, missing
from bench.sources import PAYLOAD_BYTES, packetize
from drivers.rtsp.parametersets import ParameterSets
from drivers.rtsp.payload import make_depacketizer
from gateway.core.media import AccessUnit, Codec

SPS = bytes.fromhex("674d4028da01e0089f9610000003001000000301e0f1832a")
PPS = bytes.fromhex("68ee3c80")


def test_pictures_that_were_sent_and_not_stored_are_lost() -> None:
    """Stream by stream; more stored than sent in one does not pay for another."""
    sent = {(0, "main"): 100, (1, "main"): 100}
    assert missing(sent, {(0, "main"): 100, (1, "main"): 100}) == ""
    assert missing(sent, {(0, "main"): 400, (1, "main"): 90}) == f"{10 - IN_FLIGHT} pictures lost"
    assert missing(sent, {(0, "main"): 100}) == f"{100 - IN_FLIGHT} pictures lost"


def test_pictures_on_their_way_are_not_lost() -> None:
    """The last ones may be sent after the daemon was told to stop."""
    assert missing({(0, "main"): 100}, {(0, "main"): 100 - IN_FLIGHT}) == ""


def test_what_the_daemon_counts_as_lost_counts() -> None:
    """Packets lost on any stream of any camera."""
    camera = {"streams": [{"lost_packets": 0}, {"lost_packets": 2}]}
    assert lost_by_us({"cameras": [camera, camera]}) == "4 packets lost"
    assert lost_by_us({"cameras": [{"streams": [{"lost_packets": 0}]}]}) == ""


def test_the_control_records_without_encoding() -> None:
    """It copies over TCP into files of a minute, as a school would otherwise do."""
    command = ffmpeg_command(554, 3, "main", Path("/x"))
    assert command[0] == "ffmpeg"
    words = " ".join(command)
    for part in ("-rtsp_transport tcp", "-c copy -f segment", "-segment_time 60"):
        assert part in words
    assert "rtsp://127.0.0.1:554/3/main" in command


@pytest.mark.parametrize("size", [10, PAYLOAD_BYTES, PAYLOAD_BYTES + 1, 20_000])
def test_the_source_sends_what_a_receiver_puts_together_again(size: int) -> None:
    """Our own depacketizer gets the same NAL unit back, none lost, in frames with one marker at the end."""
    nal = b"\x65\x88" + bytes(place % 251 + 1 for place in range(size - 2))
    data, offsets = packetize([SPS, PPS, nal])
    frames = bytearray(data)
    for number, offset in enumerate(offsets):
        struct.pack_into(">HII", frames, offset, 65_534 + number & 0xFFFF, 3_000, 7)
    units: list[AccessUnit] = []
    depacketizer = make_depacketizer(0, 96, ParameterSets(Codec.H264, (SPS, PPS)), units.append)
    assert depacketizer.feed(bytes(frames), 0, 1) == len(frames)
    assert [unit.nals for unit in units] == [(nal,)]
    assert (depacketizer.lost, depacketizer.malformed, depacketizer.packets) == (0, 0, len(offsets))
    markers = [frames[offset - 1] >> 7 for offset in offsets]
    assert markers == [0] * (len(offsets) - 1) + [1]


def test_seeded_rows_follow_each_other_without_holes() -> None:
    """Every stream has one segment a minute, whose table covers exactly that minute."""
    first, second = row_of(5), row_of(5 + STREAMS)
    assert first.stream == second.stream
    assert second.begin_ms == first.end_ms
    table = first.table()
    assert sum(gop.duration_90k for gop in table) == first.duration_ms * 90


def test_the_list_names_every_bench(capsys: pytest.CaptureFixture[str]) -> None:
    """`list` measures nothing."""
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in BENCHES)


def test_an_unknown_bench_is_refused_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2 and the unknown name."""
    assert main(["record", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


def test_three_rounds_are_the_default() -> None:
    """A bare `make bench` gives medians."""
    assert parser().parse_args([]).rounds == 3


def test_the_command_beside_a_table_repeats_it() -> None:
    """Everything that changes the figures, not where the tables were written."""
    assert repeatable(["record", "--rounds", "5", "--out", "x.md", "--shapes", "lan"]) == [
        *("--rounds", "5", "--shapes", "lan")
    ]
    assert repeatable(["live", "--out=x.md"]) == []


def test_the_slope_of_memory_is_that_of_all_readings() -> None:
    """A megabyte in half an hour is two an hour; one high reading at the end is hardly seen; flat is flat."""
    steady = [Sample(float(at_s), 50_000_000 + at_s * 1_000_000 // 1800) for at_s in range(0, 605, 5)]
    assert slope_mb_per_h(steady) == pytest.approx(2, rel=0.01)
    flat = [Sample(float(at_s), 50_000_000) for at_s in range(0, 605, 5)]
    assert slope_mb_per_h(flat) == 0
    spike = [*flat[:-1], Sample(600.0, 52_000_000)]
    assert 0 < slope_mb_per_h(spike) < 1


@pytest.mark.parametrize("samples", [[], [Sample(1.0, 5)], [Sample(1.0, 5), Sample(1.0, 6)]])
def test_one_moment_has_no_slope(samples: list[Sample]) -> None:
    """Said, not divided by zero."""
    with pytest.raises(ValueError, match="two moments"):
        slope_mb_per_h(samples)
