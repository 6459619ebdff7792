"""Export: what leaves the box plays everywhere, with every frame and the right length."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import pytest

from gateway.core.clock import SystemClock
from gateway.core.errors import BadInput, KeyLocked, NotFound, SegmentCorrupt
from gateway.core.media import AccessUnit
from gateway.core.model import StreamId
from recorder.export import export, plan, read_clip
from recorder.gop import RunInfo
from recorder.keys import KeyRing
from recorder.rows import SegmentRow
from recorder.school import SchoolKey
from recorder.writer import VolumeWriter, WriterOptions
from tests.fakes.footage import START_MS, Box, encoded, run_of

ONE = StreamId(1)


def record(box: Box, units: Iterable[AccessUnit], run: RunInfo | None = None, segment_s: int = 60) -> list[SegmentRow]:
    """Record units and return the rows of all that was closed."""
    run = run or run_of()
    options = WriterOptions(segment_s=segment_s, stagger=False)
    with VolumeWriter(box.files, box.index, box.ring, box.heard, SystemClock(), options=options) as writer:
        writer.begin_run(run)
        for unit in units:
            assert writer.offer(run.stream, unit)
    return box.heard.closed


def probe(path: Path) -> dict[str, Any]:
    """Ask ffprobe about a file, counting its frames by decoding them."""
    arguments = ["ffprobe", "-v", "error", "-count_frames", "-show_entries"]
    arguments += ["format=start_time,duration:stream=nb_read_frames,codec_name,width,height,start_time", "-of", "json"]
    done = subprocess.run([*arguments, str(path)], capture_output=True, check=True)
    assert done.stderr == b""
    found = json.loads(done.stdout)
    return {**found["streams"][0], **found["format"]}


def save(path: Path, chunks: Iterable[bytes | memoryview]) -> Path:
    """Write an export to a file."""
    path.write_bytes(b"".join(chunks))
    return path


@pytest.mark.parametrize("encrypted", [True, False])
def test_every_closed_segment_plays_with_all_frames(tmp_path: Path, encrypted: bool) -> None:
    """Ffprobe decodes each exported segment: right number of frames, right duration, time 0."""
    with Box(tmp_path, encrypted=encrypted) as box:
        rows = record(box, encoded(frames=150), segment_s=4)
        assert [row.frames for row in rows] == [60, 60, 30]
        for row in rows:
            found = probe(save(tmp_path / "out.mp4", export(box.files, box.ring, [row])))
            assert int(found["nb_read_frames"]) == row.frames
            assert float(found["start_time"]) == 0
            assert float(found["duration"]) * 1000 == pytest.approx(row.duration_ms, abs=1)
            assert (found["codec_name"], found["width"], found["height"]) == ("h264", 128, 64)


def test_a_clip_spans_segments_and_knows_its_size(tmp_path: Path) -> None:
    """Three segments become one file of exactly the announced size, frames exactly 1/15 s apart."""
    with Box(tmp_path) as box:
        rows = record(box, encoded(frames=150), segment_s=4)
        (clip,) = plan(box.files, rows)
        path = save(tmp_path / "out.mp4", read_clip(box.files, box.ring, clip))
        assert path.stat().st_size == clip.size_bytes
        assert int(probe(path)["nb_read_frames"]) == 150
        with av.open(str(path)) as container:
            times = [packet.pts or 0 for packet in container.demux(video=0) if packet.size]
        assert times == [6000 * number for number in range(150)]


def test_a_clip_begins_with_the_key_frame_before_the_span(tmp_path: Path) -> None:
    """A span inside GOPs gives the whole GOPs that show it and nothing else."""
    with Box(tmp_path) as box:
        rows = record(box, encoded(frames=150), segment_s=4)
        (clip,) = plan(box.files, rows, START_MS + 2_500, START_MS + 4_100)
        assert (clip.start_ms, clip.end_ms) == (START_MS + 2_000, START_MS + 6_000)
        assert int(probe(save(tmp_path / "out.mp4", read_clip(box.files, box.ring, clip)))["nb_read_frames"]) == 60


def test_a_gap_in_the_footage_is_a_gap_in_the_clip(tmp_path: Path) -> None:
    """Two runs 5 s apart: the clip's clock shows the hole, every frame is there."""
    with Box(tmp_path) as box:
        record(box, encoded(frames=60))
        rows = record(box, encoded(frames=60), run_of(run=2, start_ms=START_MS + 9_000))
        path = save(tmp_path / "out.mp4", export(box.files, box.ring, rows))
        found = probe(path)
        assert int(found["nb_read_frames"]) == 120
        assert float(found["duration"]) == pytest.approx(13, abs=0.01)
        with av.open(str(path)) as container:
            times = [packet.pts or 0 for packet in container.demux(video=0) if packet.size]
        assert times[60] - times[0] == 9 * 90_000


def test_the_clock_offset_of_a_run_moves_its_footage(tmp_path: Path) -> None:
    """A run whose clock was wrong is found, and exported, at its true time."""
    with Box(tmp_path) as box:
        rows = record(box, encoded(frames=60), run_of(start_ms=60_000, offset_ms=START_MS))
        assert box.index.find(ONE, START_MS + 60_000, START_MS + 61_000) == rows
        (clip,) = plan(box.files, rows, START_MS + 60_000, START_MS + 64_000)
        assert clip.start_ms == START_MS + 60_000


def test_another_configuration_starts_another_clip(tmp_path: Path) -> None:
    """One MP4 has one codec configuration; the plan names the next one."""
    with Box(tmp_path) as box:
        record(box, encoded(frames=60))
        rows = record(box, encoded(frames=60, size=96), run_of(run=2, start_ms=START_MS + 9_000))
        clips = plan(box.files, rows)
        assert [clip.start_ms for clip in clips] == [START_MS, START_MS + 9_000]
        for clip, width in zip(clips, (128, 192), strict=True):
            found = probe(save(tmp_path / "out.mp4", read_clip(box.files, box.ring, clip)))
            assert (found["width"], int(found["nb_read_frames"])) == (width, 60)


def test_h265_plays_too(tmp_path: Path) -> None:
    """H.265 main streams are recorded as they are, and exported as hvc1."""
    with Box(tmp_path) as box:
        rows = record(box, encoded("libx265", frames=60))
        found = probe(save(tmp_path / "out.mp4", export(box.files, box.ring, rows)))
        assert (found["codec_name"], int(found["nb_read_frames"])) == ("hevc", 60)
        assert (found["width"], found["height"]) == (128, 64)


def test_b_frames_keep_their_presentation_times(tmp_path: Path) -> None:
    """A camera that sends B-frames against our wish still plays: every picture at its own time."""
    units = encoded(frames=60, b_frames=2)
    assert [unit.pts_90k for unit in units] != sorted(unit.pts_90k for unit in units)
    with Box(tmp_path) as box:
        rows = record(box, units)
        path = save(tmp_path / "out.mp4", export(box.files, box.ring, rows))
        assert int(probe(path)["nb_read_frames"]) == 60
        with av.open(str(path)) as container:
            times = sorted(frame.pts for frame in container.decode(video=0) if frame.pts is not None)
        first = times[0]
        assert [time - first for time in times] == [6000 * number for number in range(60)]


def test_the_running_segment_can_be_shown(tmp_path: Path) -> None:
    """Footage of the last seconds plays before its file is closed, and after it was closed meanwhile."""
    with Box(tmp_path) as box:
        with VolumeWriter(box.files, box.index, box.ring, box.heard, SystemClock()) as writer:
            writer.begin_run(run_of())
            for unit in encoded(frames=61):
                writer.offer(ONE, unit)
            while writer.statistics().written_fragments < 2:
                pass
            (row,) = writer.running()
            assert not row.closed
            path = save(tmp_path / "live.mp4", export(box.files, box.ring, [row]))
            assert int(probe(path)["nb_read_frames"]) == 60
        assert save(tmp_path / "later.mp4", export(box.files, box.ring, [row])).read_bytes() == path.read_bytes()


def test_a_flipped_byte_ends_the_export(tmp_path: Path) -> None:
    """Altered footage is never handed out as if it were whole."""
    with Box(tmp_path) as box:
        (row,) = record(box, encoded(frames=60))
        file = tmp_path / row.path
        data = bytearray(file.read_bytes())
        data[row.table()[1].offset + 200] ^= 1
        file.write_bytes(data)
        with pytest.raises(SegmentCorrupt):
            list(export(box.files, box.ring, [row]))


def test_without_the_schools_key_nothing_is_shown(tmp_path: Path) -> None:
    """A restarted box that is locked can write, and cannot read the past."""
    with Box(tmp_path) as box:
        rows = record(box, encoded(frames=60))
        locked = KeyRing(box.files, SchoolKey(box.school.recipients))
        with pytest.raises(KeyLocked):
            list(export(box.files, locked, rows))
        with pytest.raises(KeyLocked):
            list(export(box.files, None, rows))


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
    """An empty span, a span without footage and a vanished file are told apart from a broken one."""
    with Box(tmp_path) as box:
        rows = record(box, encoded(frames=60))
        with pytest.raises(BadInput):
            export(box.files, box.ring, rows, START_MS + 1, START_MS + 1)
        with pytest.raises(NotFound):
            export(box.files, box.ring, rows, START_MS - 9, START_MS - 1)
        (tmp_path / rows[0].path).unlink()
        with pytest.raises(NotFound):
            export(box.files, box.ring, rows)
