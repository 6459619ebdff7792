"""Copies: what leaves the box plays everywhere, is the same twice, says what is missing, and cannot be altered."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import struct
import subprocess
from pathlib import Path
from typing import Any

import av
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.errors import BadInput, KeyLocked, NotFound, SegmentCorrupt
from recorder.exportpackage import decode_measured, encode_measured, measure
from recorder.exportplan import decode_plan, encode_plan
from recorder.exportverify import Problem, verify
from recorder.exportzip import Archive, Entry
from recorder.faststart import samples_of
from recorder.keys import KeyRing
from recorder.manifest import MANIFEST_NAME, SIGNATURE_NAME, fingerprint, holes, sign_manifest
from recorder.school import SchoolKey
from recorder.segment import RECORD_HEADER_BYTES
from tests.fakes.copies import (
    ASKED,
    KEY,
    archive_of,
    copy_over_a_gap,
    disk,
    disk_of,
    facts,
    finished,
    no_step,
    over_a_gap,
    planned,
    record,
    unpack,
)
from tests.fakes.footage import START_MS

MARK = fingerprint(KEY.public_key().public_bytes_raw())


def probe(path: Path) -> dict[str, Any]:
    """Ask ffprobe about a film, counting its pictures by decoding them."""
    arguments = ["ffprobe", "-v", "error", "-count_frames", "-show_entries"]
    arguments += ["format=start_time,duration,format_name:stream=nb_read_frames,codec_name", "-of", "json"]
    done = subprocess.run([*arguments, str(path)], capture_output=True, check=True)
    assert done.stderr == b""
    found = json.loads(done.stdout)
    return {**found["streams"][0], **found["format"]}


def boxes(data: bytes) -> list[str]:
    """The kinds of the outermost boxes."""
    kinds, at = [], 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        kinds.append(kind.decode())
        at += size
    return kinds


def test_a_copy_over_a_gap_and_runs_plays_and_verifies(tmp_path: Path) -> None:
    """Nine segments, three runs, a hole of 7 s: one film with every picture, time 0, moov first; all sums hold."""
    with disk(tmp_path) as box:
        rows = over_a_gap(box)
        assert len(rows) == 9
        folder = unpack(finished(box, planned(box, rows)), tmp_path)
    films = sorted(folder.glob("phim-*.mp4"))
    assert [film.name for film in films] == ["phim-01.mp4"]
    found = probe(films[0])
    assert (int(found["nb_read_frames"]), float(found["start_time"])) == (270, 0)
    assert float(found["duration"]) == pytest.approx(25, abs=0.01)
    assert boxes(films[0].read_bytes()) == ["ftyp", "moov", "mdat"]
    with av.open(str(films[0])) as container:
        times = [packet.pts or 0 for packet in container.demux(video=0) if packet.size]
    assert times == [6000 * number + (90_000 * 7 if number >= 180 else 0) for number in range(270)]
    verdict = verify(folder, MARK)
    assert verdict.good, verdict.problems
    assert len(verdict.intact) == len(list(folder.iterdir())) == 3 + 1 + 1 + 9


def test_the_originals_play_with_their_own_times(tmp_path: Path) -> None:
    """The head and a segment's fragments, one after the other, decode; their clock is the run's wall time."""
    with disk(tmp_path) as box:
        folder = unpack(finished(box, planned(box, over_a_gap(box))), tmp_path)
    (init,) = folder.glob("goc-*-dau.mp4")
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    assert len(manifest["segments"]) == 9
    for segment in manifest["segments"]:
        joined = tmp_path / "joined.mp4"
        joined.write_bytes(init.read_bytes() + (folder / segment["file"]).read_bytes())
        with av.open(str(joined)) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        assert len(packets) == 30
        told_ms = (packets[0].pts or 0) // 90 + segment["offset_ms"]
        assert told_ms == segment["start_ms"]
    assert {(item["run"], item["offset_ms"], item["time_quality"]) for item in manifest["segments"]} == {
        (1, 0, "trusted"),
        (2, 86_400_000, "stepped"),
        (3, 0, "unsynchronised"),
    }


def test_the_manifest_says_what_was_asked_given_and_missing(tmp_path: Path) -> None:
    """Span asked and given; the hole with its cause from the ledger, the end without one; ids, no names of people."""
    with disk(tmp_path) as box:
        asked = (START_MS + 1_500, START_MS + 30_000)
        folder = unpack(finished(box, planned(box, over_a_gap(box), asked)), tmp_path)
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    assert manifest["asked"] == {"from_ms": START_MS + 1_500, "to_ms": START_MS + 30_000}
    assert manifest["given"] == {"from_ms": START_MS, "to_ms": START_MS + 25_000}
    assert [(gap["start_ms"] - START_MS, gap["end_ms"] - START_MS, gap["causes"]) for gap in manifest["gaps"]] == [
        (12_000, 19_000, ["network"]),
        (25_000, 30_000, ["unknown"]),
    ]
    assert manifest["who"] == {"requester": "r" * 16, "approver": "p" * 16}
    assert manifest["audit"] == {"request": 3, "approve": 4, "grant": 5}
    assert not {"ledger", "runs", "streams"} & set(manifest)


def test_a_long_hole_and_another_format_begin_another_film(tmp_path: Path) -> None:
    """More than a minute of nothing, or another size of picture: one film each; every one plays from 0."""
    with disk(tmp_path) as box:
        record(box, [(1, 0, 0), (2, 70_000, 0)])
        rows = record(box, [(3, 76_000, 0)], size=96)
        folder = unpack(finished(box, planned(box, rows, (START_MS, START_MS + 90_000))), tmp_path)
    films = sorted(folder.glob("phim-*.mp4"))
    assert [film.name for film in films] == ["phim-01.mp4", "phim-02.mp4", "phim-03.mp4"]
    assert [int(probe(film)["nb_read_frames"]) for film in films] == [90, 90, 90]
    assert [float(probe(film)["start_time"]) for film in films] == [0, 0, 0]
    assert len(list(folder.glob("goc-*-dau.mp4"))) == 2
    assert verify(folder).good


def test_pictures_out_of_order_keep_their_order(tmp_path: Path) -> None:
    """With B-frames the film shows each picture at its own time, beginning with 0."""
    from gateway.core.clock import SystemClock
    from recorder.writer import VolumeWriter, WriterOptions
    from tests.fakes.footage import encoded, run_of

    with disk(tmp_path) as box:
        with VolumeWriter(
            box.files, box.index, box.ring, box.heard, SystemClock(), options=WriterOptions(segment_s=4, stagger=False)
        ) as writer:
            writer.begin_run(run_of())
            for unit in encoded(frames=120, b_frames=2):
                assert writer.offer(run_of().stream, unit)
        folder = unpack(finished(box, planned(box, box.heard.closed)), tmp_path)
    (film,) = folder.glob("phim-*.mp4")
    assert int(probe(film)["nb_read_frames"]) == 120
    with av.open(str(film)) as container:
        times = [frame.pts or 0 for frame in container.decode(video=0)]
    assert times == sorted(times)
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {6000}


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path) -> None:
    """Stored, read back and carried out again: byte for byte the same copy, also from the middle of any file."""
    with disk(tmp_path) as box:
        plan = planned(box, over_a_gap(box))
        found = measure(plan, lambda _: disk_of(box), no_step)
        archive = archive_of(box, plan, found)
        whole = b"".join(archive.read(0, archive.size_bytes))
        again = decode_plan(encode_plan(plan))
        measured = decode_measured(encode_measured(found), found.films)
        assert measured == found
        assert measure(again, lambda _: disk_of(box), no_step) == found
        other = archive_of(box, again, measured)
        rng = random.Random(4)
        for _ in range(60):
            offset = rng.randrange(len(whole))
            length = rng.randrange(1, min(200_000, len(whole) - offset) + 1)
            assert b"".join(other.read(offset, length)) == whole[offset : offset + length]


def test_a_damaged_record_is_left_out_and_named(tmp_path: Path) -> None:
    """One flipped byte on the disk costs that GOP; film and originals hold the rest, the manifest says which is lost."""
    with disk(tmp_path) as box:
        rows = record(box, [(1, 0, 0)], frames=300)
        victim = rows[4]
        path, gop = tmp_path / "disk" / victim.path, victim.table()[0]
        data = bytearray(path.read_bytes())
        data[gop.offset + RECORD_HEADER_BYTES + 30] ^= 1
        path.write_bytes(data)
        (tmp_path / "disk" / rows[7].path).unlink()
        folder = unpack(finished(box, planned(box, rows, (START_MS, START_MS + 20_000))), tmp_path)
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    lost = [(item["start_ms"] - START_MS, item["end_ms"] - START_MS, item["why"]) for item in manifest["lost"]]
    assert sorted(lost) == [(8_000, 10_000, "corrupt"), (14_000, 16_000, "missing")]
    assert [(gap["start_ms"] - START_MS, gap["causes"]) for gap in manifest["gaps"]] == [
        (8_000, ["corrupt"]),
        (14_000, ["missing", "network"]),
    ]
    assert int(probe(folder / "phim-01.mp4")["nb_read_frames"]) == 240
    assert verify(folder).good


def test_what_is_damaged_after_measuring_ends_the_download(tmp_path: Path) -> None:
    """A byte that changed on the disk since then is never sent: the copy breaks off instead of lying."""
    with disk(tmp_path) as box:
        rows = record(box, [(1, 0, 0)])
        archive = finished(box, planned(box, rows))
        path = tmp_path / "disk" / rows[1].path
        data = bytearray(path.read_bytes())
        data[rows[1].table()[0].offset + RECORD_HEADER_BYTES + 30] ^= 1
        path.write_bytes(data)
        with pytest.raises(SegmentCorrupt):
            list(archive.read(0, archive.size_bytes))


def test_without_keys_or_footage_there_is_no_copy(tmp_path: Path) -> None:
    """A locked key stops it (it may come back), a span of nothing readable is not found."""
    with disk(tmp_path) as box:
        rows = record(box, [(1, 0, 0)])
        plan = planned(box, rows)
        locked = disk_of(box)._replace(ring=KeyRing(box.files, SchoolKey(box.school.recipients)))
        with pytest.raises(KeyLocked):
            measure(plan, lambda _: locked, no_step)
        for row in rows:
            (tmp_path / "disk" / row.path).unlink()
        with pytest.raises(NotFound):
            measure(plan, lambda _: disk_of(box), no_step)


def test_it_stops_at_the_record_where_it_is_told_to(tmp_path: Path) -> None:
    """What counts the bytes may end the work; it is told of every byte, three times over."""
    with disk(tmp_path) as box:
        plan, seen = planned(box, over_a_gap(box)), list[int]()
        measure(plan, lambda _: disk_of(box), seen.append)
        assert sum(seen) == 3 * plan.footage_bytes

        def stop(count: int) -> None:
            raise LookupError(count)

        with pytest.raises(LookupError):
            measure(plan, lambda _: disk_of(box), stop)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished folder; tests change it and put it back."""
    return copy_over_a_gap(tmp_path_factory.mktemp("copy"))


def test_any_flipped_byte_of_any_file_is_named(copy: Path) -> None:
    """For each file, at its ends and at random places, any change of a byte: exactly that file is called altered."""
    rng = random.Random(11)
    for path in sorted(copy.iterdir()):
        whole = path.read_bytes()
        places = {0, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(10))}
        for place in sorted(places):
            data = bytearray(whole)
            data[place] ^= rng.randrange(1, 256)
            path.write_bytes(data)
            assert verify(copy).problems == [Problem(path.name, "altered")], (path.name, place)
        path.write_bytes(whole)
    assert verify(copy).good


def test_every_byte_of_the_signature_file_counts(copy: Path) -> None:
    """There is one form of one signature: each bit of each byte of it is seen, also blanks and base64's spare bits."""
    path = copy / SIGNATURE_NAME
    whole = path.read_bytes()
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        problems = verify(copy).problems
        assert [problem.kind for problem in problems] == ["altered"], place
        assert problems[0].file in {SIGNATURE_NAME, MANIFEST_NAME}
    path.write_bytes(whole)
    assert verify(copy).good


def test_missing_extra_and_renamed_files_are_named(copy: Path) -> None:
    """Taken away, put in, given another name, made a link: each is said of the file concerned."""
    film = copy / "phim-01.mp4"
    whole = film.read_bytes()
    film.unlink()
    assert verify(copy).problems == [Problem("phim-01.mp4", "missing")]
    (copy / "khac.mp4").write_bytes(whole)
    assert verify(copy).problems == [Problem("khac.mp4", "renamed", "phim-01.mp4")]
    (copy / "khac.mp4").rename(film)
    (copy / "ghi-chu.txt").write_text("x")
    assert verify(copy).problems == [Problem("ghi-chu.txt", "extra")]
    (copy / "ghi-chu.txt").unlink()
    outside = copy.parent / "outside.mp4"
    film.rename(outside)
    film.symlink_to(outside)
    assert verify(copy).problems == [Problem("phim-01.mp4", "altered")]
    film.unlink()
    outside.rename(film)
    for name in (MANIFEST_NAME, SIGNATURE_NAME):
        kept = (copy / name).read_bytes()
        (copy / name).unlink()
        assert verify(copy).problems == [Problem(name, "missing")]
        (copy / name).write_bytes(kept)
    assert verify(copy).good


def test_a_forged_manifest_is_named(copy: Path) -> None:
    """New sums without the box's key do not hold; with another key the fingerprint is another one."""
    manifest, signature = copy / MANIFEST_NAME, copy / SIGNATURE_NAME
    honest = manifest.read_bytes(), signature.read_bytes()
    lie = honest[0].replace(b"network", b"camera!")
    assert lie != honest[0]
    manifest.write_bytes(lie)
    assert verify(copy).problems == [Problem(MANIFEST_NAME, "altered")]
    stated = json.loads(honest[1]) | {"manifest_sha256": hashlib.sha256(lie).hexdigest()}
    signature.write_bytes(json.dumps(stated, indent=1, sort_keys=True).encode() + b"\n")
    assert verify(copy).problems == [Problem(SIGNATURE_NAME, "altered")]
    signature.write_bytes(sign_manifest(lie, Ed25519PrivateKey.from_private_bytes(b"x" * 32)))
    forged = verify(copy)
    assert forged.good  # it is whole, but not this box's
    assert forged.fingerprint != MARK
    assert verify(copy, MARK).problems == [Problem(SIGNATURE_NAME, "unsigned")]
    manifest.write_bytes(honest[0])
    signature.write_bytes(honest[1])
    assert verify(copy, MARK.replace(" ", "").upper()).good
    with pytest.raises(BadInput):
        verify(copy / "phim-01.mp4")


def test_holes_of_a_span() -> None:
    """Before, between and after footage; pauses of a picture's length are none; overlaps do no harm."""
    assert holes([], 0, 5_000) == [(0, 5_000)]
    assert holes([(0, 5_000)], 0, 5_000) == []
    assert holes([(2_000, 3_000), (3_500, 4_000), (2_500, 2_600)], 0, 8_000) == [(0, 2_000), (4_000, 8_000)]
    assert holes([(-5_000, 1_000), (9_000, 12_000)], 0, 10_000) == [(1_000, 9_000)]
    assert facts(ASKED)["asked"]["from_ms"] == ASKED[0]


def test_what_is_no_fragment_of_ours_is_refused() -> None:
    """Cut short, foreign or with a table that does not add up."""
    for data in (b"", b"\0" * 200, b"x" * 300):
        with pytest.raises(SegmentCorrupt):
            samples_of(data)


def test_an_archive_beyond_four_gigabytes_is_read_by_others(tmp_path: Path) -> None:
    """Zip64 where a number needs it: sizes and offsets over 4 GiB come out as they went in."""
    import zipfile

    huge = (1 << 32) + 5
    archive = Archive(
        [Entry("a/big", huge, 0, lambda skip: iter((bytes(huge - skip),))), Entry("a/small", 3, 0x352441C2, _abc)]
    )
    tail = b"".join(archive.read(archive.size_bytes - 400, 400))
    path = tmp_path / "big.zip"
    with path.open("wb") as file:
        file.seek(archive.size_bytes - 400)
        file.write(tail)
    with zipfile.ZipFile(path) as opened:
        big, small = opened.infolist()
        assert (big.file_size, big.filename) == (huge, "a/big")
        assert small.header_offset > huge
        assert opened.read("a/small") == b"abc"


def _abc(skip: int) -> Any:
    return iter((memoryview(b"abc")[skip:],))
