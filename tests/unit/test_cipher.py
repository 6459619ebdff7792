"""Which cipher a machine uses, and that both are read back by any machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.core.errors import BadInput, SegmentCorrupt
from gateway.core.model import RunId, StreamId
from gateway.roofs.footage_key import cipher_here, cipher_of
from recorder.export import export
from recorder.segment import (
    ENC_AES256GCM,
    ENC_CHACHA20,
    ENC_NONE,
    RECORD_HEADER_BYTES,
    FileHeader,
    Sealer,
    decode_header,
    encode_header,
)
from recorder.writer import VolumeWriter, WriterOptions
from tests.fakes.clock import FakeClock
from tests.fakes.footage import PLAIN, START_MS, Box, encoded, run_of

X86 = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vme {aes} sse2\n\nprocessor\t: 1\nflags\t\t: fpu {aes} sse2\n"
PI_4 = "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\n"
PI_5 = "processor\t: 0\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32\n"
MIXED = "flags : aes\nflags : fpu\n"
CASES = {
    "x86 with AES": (X86.replace("{aes}", "aes"), ENC_AES256GCM),
    "x86 without": (X86.replace("{aes}", "mmx"), ENC_CHACHA20),
    "Raspberry Pi 4": (PI_4, ENC_CHACHA20),
    "Raspberry Pi 5": (PI_5, ENC_AES256GCM),
    "one core without": (MIXED, ENC_CHACHA20),
    "says nothing": ("model name : x\n", ENC_AES256GCM),
    "empty": ("", ENC_AES256GCM),
}


@pytest.mark.parametrize("case", CASES)
def test_the_processor_chooses(case: str) -> None:
    """AES where every core has its instructions, ChaCha20 where one lacks them, AES where nothing is known."""
    text, cipher = CASES[case]
    assert cipher_of(text) == cipher


def test_a_machine_that_tells_nothing_uses_aes(tmp_path: Path) -> None:
    """No such file is no fault."""
    assert cipher_here(tmp_path / "none") == ENC_AES256GCM


def _sealer(enc: int, key: bytes) -> Sealer:
    header = FileHeader(StreamId(3), RunId(9), START_MS, 0, PLAIN, enc, b"key-id-8", b"prefix-8")
    return Sealer(header, encode_header(header), key)


@pytest.mark.parametrize("enc", [ENC_AES256GCM, ENC_CHACHA20])
def test_either_cipher_seals_and_opens(enc: int) -> None:
    """What one sealer wrote another opens; any flipped byte, another key or the other cipher is refused."""
    key = os.urandom(32)
    clear, stored = _sealer(enc, key).seal(0, START_MS * 90, 180_000, 30, b"a fragment" * 40, is_key=True)
    assert len(stored) == 400 + 16
    assert b"a fragment" not in stored
    assert _sealer(enc, key).open(clear, stored) == b"a fragment" * 40
    with pytest.raises(SegmentCorrupt):
        _sealer(enc, os.urandom(32)).open(clear, stored)
    with pytest.raises(SegmentCorrupt):
        _sealer(ENC_AES256GCM + ENC_CHACHA20 - enc, key).open(clear, stored)
    with pytest.raises(SegmentCorrupt):
        _sealer(enc, key).open(clear, stored[:-1] + bytes([stored[-1] ^ 1]))
    assert len(clear) == RECORD_HEADER_BYTES


def test_a_header_names_its_cipher_and_no_unknown_one() -> None:
    """The number survives coding; a cipher of a later version is refused, not guessed."""
    for enc in (ENC_NONE, ENC_AES256GCM, ENC_CHACHA20):
        header = FileHeader(StreamId(3), RunId(9), START_MS, 0, PLAIN, enc, b"key-id-8", b"prefix-8")
        assert decode_header(encode_header(header)).enc == enc
    header = FileHeader(StreamId(3), RunId(9), START_MS, 0, PLAIN, 3, b"key-id-8", b"prefix-8")
    with pytest.raises(SegmentCorrupt):
        decode_header(encode_header(header))
    with pytest.raises(BadInput):
        Sealer(header, encode_header(header), os.urandom(32))


@pytest.mark.parametrize("enc", [ENC_AES256GCM, ENC_CHACHA20])
def test_footage_of_either_cipher_plays(tmp_path: Path, enc: int) -> None:
    """Written through the real writer and exported: the same film, whatever the writer's cipher was."""
    with Box(tmp_path) as box:
        assert box.ring is not None
        options = WriterOptions(segment_s=5, sync_s=0.2, stagger=False, cipher=enc)
        with VolumeWriter(box.files, box.index, box.ring, box.heard, FakeClock(), options=options) as writer:
            writer.begin_run(run_of())
            for unit in encoded():
                writer.offer(StreamId(1), unit, START_MS * 90 + unit.pts_90k)
            writer.end_run(StreamId(1), "recorder_stopped")
        rows = box.index.find(StreamId(1), START_MS, START_MS + 60_000)
        heads = [decode_header_of(tmp_path / row.path) for row in rows]
        assert {head.enc for head in heads} == {enc}
        film = b"".join(bytes(piece) for piece in export(box.files, box.ring, rows, None, None))
    assert film[4:8] == b"ftyp"
    assert all(nal in film for unit in encoded() for nal in unit.nals)


def decode_header_of(path: Path) -> FileHeader:
    """Return a file's header."""
    data = path.read_bytes()
    return decode_header(data[: int.from_bytes(data[12:16], "big")])
