"""Record format v1: any cut leaves a prefix, any flip is seen, nothing can be moved."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import BadInput, SegmentCorrupt
from gateway.core.media import Codec, CodecConfig
from gateway.core.model import RunId, StreamId
from recorder.rows import FLAG_RECOVERED, Gop
from recorder.scan import Scan, make_row, read_footer, read_head, row_of, scan
from recorder.segment import (
    ENC_AES256GCM,
    ENC_NONE,
    FOOTER_TAIL_BYTES,
    MAX_PAYLOAD_BYTES,
    NO_KEY,
    RECORD_HEADER_BYTES,
    FileHeader,
    Reader,
    Sealer,
    config_crc,
    crc32c,
    decode_footer,
    decode_header,
    decode_record,
    encode_footer,
    encode_header,
    footer_length,
)
from tests.fakes.footage import PLAIN, START_MS

KEY = bytes(range(32))
KEY_ID = b"key-id-8"
START_90K = START_MS * 90 + 7


def header_of(enc: int = ENC_AES256GCM, config: CodecConfig = PLAIN, prefix: bytes = b"prefix-8") -> FileHeader:
    """Return a file header."""
    key_id = KEY_ID if enc else NO_KEY
    return FileHeader(StreamId(3), RunId(9), START_MS, 25, config, enc, key_id, prefix)


def sealer_of(header: FileHeader) -> Sealer:
    """Return the sealer of a file with this header."""
    return Sealer(header, encode_header(header), KEY if header.enc else None)


def build(payloads: list[bytes], enc: int = ENC_AES256GCM, *, footer: bool = True, flags: int = 0) -> bytes:
    """Return a whole segment file."""
    header = header_of(enc)
    out, sealer = encode_header(header), sealer_of(header)
    gops: list[Gop] = []
    for number, payload in enumerate(payloads):
        start = START_90K + number * 180_000
        parts = sealer.seal(number, start, 180_000, 30, payload, is_key=True)
        gops.append(Gop(len(out), sum(map(len, parts)), start, 180_000, is_key=True))
        out += b"".join(parts)
    return out + encode_footer(gops, [30] * len(gops), flags, sealer) if footer else out


def reader(data: bytes) -> Reader:
    """Return the reader of bytes in memory."""
    return lambda length, at: data[at : at + length]


def look(data: bytes) -> Scan:
    """Scan bytes."""
    return scan(reader(data), len(data))


def opened(data: bytes) -> list[bytes]:
    """Return all payloads of a file, authenticated as a reader with the key does."""
    head = read_head(reader(data))
    sealer = Sealer(head.header, head.data, KEY if head.header.enc else None)
    footer = read_footer(reader(data), len(data), head)
    if footer is None or (head.header.enc and not sealer.check_footer(footer)):
        raise SegmentCorrupt("footer")
    out = []
    for gop in footer.gops:
        clear, stored = data[gop.offset :][:RECORD_HEADER_BYTES], data[gop.offset + RECORD_HEADER_BYTES :]
        out.append(sealer.open(clear, stored[: gop.record_bytes - RECORD_HEADER_BYTES]))
        record = decode_record(clear)
        assert record is not None
        if (record.start_90k, record.duration_90k) != (gop.start_90k, gop.duration_90k):
            raise SegmentCorrupt("table")
    return out


PAYLOADS = st.lists(st.binary(min_size=0, max_size=40), min_size=1, max_size=5)
ENCS = st.sampled_from([ENC_NONE, ENC_AES256GCM])


def test_the_checksum_is_crc32c() -> None:
    """The check value of CRC-32C (RFC 3720 appendix B.4 uses the same polynomial)."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"6789", crc32c(b"12345")) == 0xE3069283


@given(PAYLOADS, ENCS)
def test_what_was_written_is_read(payloads: list[bytes], enc: int) -> None:
    """A whole file gives back every payload, its table and its row."""
    data = build(payloads, enc)
    assert opened(data) == payloads
    found = look(data)
    assert found.footer is not None
    assert list(found.footer.gops) == found.gops
    assert (found.torn_bytes, len(found.gops), found.head.header.run) == (0, len(payloads), 9)
    assert encode_header(found.head.header) == found.head.data == encode_header(header_of(enc))
    row = row_of(reader(data), len(data))
    assert row.table() == found.gops
    assert (row.stream, row.run, row.start_ms, row.offset_ms, row.frames) == (3, 9, START_MS, 25, 30 * len(payloads))
    assert row.config == config_crc(PLAIN)


@given(PAYLOADS, ENCS, st.data())
def test_any_cut_leaves_the_complete_records(payloads: list[bytes], enc: int, data: st.DataObject) -> None:
    """Wherever the power went, a scan without a key finds exactly the records that are complete."""
    whole = build(payloads, enc)
    gops = look(whole).gops
    cut = data.draw(st.integers(0, len(whole) - 1))
    head_bytes = len(encode_header(header_of(enc)))
    if cut < head_bytes:
        with pytest.raises(SegmentCorrupt):
            look(whole[:cut])
        return
    found = look(whole[:cut])
    assert found.gops == [gop for gop in gops if gop.offset + gop.record_bytes <= cut]
    assert found.footer is None
    assert found.good_bytes + found.torn_bytes == cut


@given(PAYLOADS, st.data())
def test_a_tail_of_zeros_or_noise_is_torn(payloads: list[bytes], data: st.DataObject) -> None:
    """A file system may give back zeros or old bytes where data never arrived: they are no records."""
    body = build(payloads, footer=False)
    tail = data.draw(st.one_of(st.integers(1, 200).map(bytes), st.binary(min_size=1, max_size=200)))
    found = look(body + tail)
    assert (len(found.gops), found.good_bytes, found.torn_bytes) == (len(payloads), len(body), len(tail))


@settings(max_examples=300)
@given(PAYLOADS, ENCS, st.data())
def test_any_flipped_bit_is_seen(payloads: list[bytes], enc: int, data: st.DataObject) -> None:
    """With the key, no single bit of header, record or footer can change unnoticed."""
    whole = bytearray(build(payloads, enc))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SegmentCorrupt):
        opened(bytes(whole))


@given(PAYLOADS, ENCS, st.data())
def test_a_flip_is_seen_without_the_key_too(payloads: list[bytes], enc: int, data: st.DataObject) -> None:
    """The keyless scan stops before a flipped record or footer: rot is found while footage is locked."""
    whole = bytearray(build(payloads, enc))
    clean = look(bytes(whole))
    at = data.draw(st.integers(len(clean.head.data), len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    found = look(bytes(whole))
    assert found.footer is None
    assert found.gops == [gop for gop in clean.gops if gop.offset + gop.record_bytes <= at]


def recrc(clear: bytes) -> bytes:
    """Return a record header whose checksum fits again: what a careful forger does."""
    return clear[:-4] + crc32c(clear[:-4]).to_bytes(4, "big")


@pytest.mark.parametrize("at", range(RECORD_HEADER_BYTES - 8))
def test_a_forged_header_with_right_checksums_fails_the_key(at: int) -> None:
    """Every byte of the clear record header is authenticated, whatever its checksum says."""
    header = header_of()
    sealer = sealer_of(header)
    clear, stored = sealer.seal(0, START_90K, 180_000, 30, b"picture", is_key=True)
    forged = bytearray(clear)
    forged[at] ^= 1
    with pytest.raises(SegmentCorrupt):
        sealer.open(recrc(bytes(forged)), stored)
    assert sealer.open(clear, stored) == b"picture"


@pytest.mark.parametrize(
    "other",
    [
        header_of(prefix=b"another8"),
        FileHeader(StreamId(3), RunId(9), START_MS, 26, PLAIN, ENC_AES256GCM, KEY_ID, b"prefix-8"),
        FileHeader(StreamId(4), RunId(9), START_MS, 25, PLAIN, ENC_AES256GCM, KEY_ID, b"prefix-8"),
        header_of(config=CodecConfig(Codec.H264, PLAIN.sps + b"\1", PLAIN.pps, b"", 640, 360)),
    ],
)
def test_a_record_does_not_open_in_another_file(other: FileHeader) -> None:
    """The file header's hash is authenticated with each record: no moving, no changed start or parameter sets."""
    clear, stored = sealer_of(header_of()).seal(0, START_90K, 180_000, 30, b"picture", is_key=True)
    with pytest.raises(SegmentCorrupt):
        sealer_of(other).open(clear, stored)


def test_records_cannot_change_places() -> None:
    """A record's number is its nonce and its place: swapped records are not accepted, even by the scan."""
    whole = build([b"one picture", b"two picture"], footer=False)
    first, second = look(whole).gops
    head = whole[: first.offset]
    swapped = head + whole[second.offset :] + whole[first.offset : second.offset]
    assert look(swapped).gops == []


def test_nonces_differ_by_record_and_by_file() -> None:
    """The same picture never gives the same bytes twice."""
    stored = {
        sealer_of(header_of(prefix=prefix)).seal(number, START_90K, 1, 1, b"same", is_key=True)[1]
        for prefix in (b"prefix-8", b"another8")
        for number in range(3)
    }
    assert len(stored) == 6


def test_a_shortened_table_needs_the_key() -> None:
    """Dropping the last record with a new footer is not believed: its MAC cannot be made without the key."""
    header, whole = header_of(), build([b"one", b"two"], footer=False)
    gops = look(whole).gops
    shorter = whole[: gops[1].offset] + encode_footer(gops[:1], [30], FLAG_RECOVERED, None)
    footer = look(shorter).footer
    assert footer is not None
    assert footer.mac == b""
    assert not sealer_of(header).check_footer(footer)
    with pytest.raises(SegmentCorrupt):
        opened(shorter)


def test_recovery_with_the_key_makes_an_authentic_footer() -> None:
    """A footer written after a crash by an unlocked box is as good as any, and says that it was recovered."""
    header, whole = header_of(), build([b"one"], footer=False)
    data = whole + encode_footer(look(whole).gops, [30], FLAG_RECOVERED, sealer_of(header))
    assert opened(data) == [b"one"]
    assert row_of(reader(data), len(data)).flags == FLAG_RECOVERED


def test_a_bad_footer_falls_back_to_the_records() -> None:
    """Reindexing a file whose footer is rotten still finds its records, and says so."""
    data = bytearray(build([b"one", b"two"]))
    data[-20] ^= 1
    row = row_of(reader(bytes(data)), len(data))
    assert (len(row.table()), row.flags, row.frames) == (2, FLAG_RECOVERED, 60)


def test_a_footer_that_skips_bytes_is_no_footer() -> None:
    """A table that does not describe every byte before it is not trusted."""
    whole = build([b"one", b"two"], footer=False)
    gops = look(whole).gops
    data = whole + encode_footer(gops[:1], [30], 0, None)
    assert look(data).footer is None


def test_strangers_are_refused() -> None:
    """Other files, other versions, absurd lengths and cut headers are SegmentCorrupt, never a crash."""
    good = encode_header(header_of())
    for data in (b"", b"RIFF" * 50, good[:30], good[:8] + b"\0\2" + good[10:], good[:12] + b"\xff" * 4 + good[16:]):
        with pytest.raises(SegmentCorrupt):
            read_head(reader(data))
    with pytest.raises(SegmentCorrupt):
        decode_header(good + b"x")
    assert decode_record(b"short") is None
    assert footer_length(b"short") is None
    assert footer_length(b"\0\0\0\1\0\0\0\0VEND") is None
    assert decode_footer(b"VIDX" + bytes(60), 10) is None


def test_unknown_codecs_and_ciphers_are_refused() -> None:
    """A header with right checksum and unknown numbers is of a later version: it is not guessed at."""
    for at in (48, 49):
        forged = bytearray(encode_header(header_of()))
        forged[at] = 77
        forged[-4:] = crc32c(bytes(forged[:-4])).to_bytes(4, "big")
        with pytest.raises(SegmentCorrupt):
            decode_header(bytes(forged))


def test_a_long_header_is_read_whole() -> None:
    """Parameter sets longer than the first read are found; those longer than the format allows are refused."""
    long = CodecConfig(Codec.H265, b"s" * 3000, b"p" * 200, b"v" * 900, 70_000, 10)
    data = encode_header(header_of(config=long))
    config = read_head(reader(data + bytes(10))).header.config
    assert (config.sps, config.pps, config.vps, config.width) == (long.sps, long.pps, long.vps, 0xFFFF)
    with pytest.raises(BadInput):
        encode_header(header_of(config=CodecConfig(Codec.H264, b"s" * 70_000, b"p")))


def test_a_key_must_fit_the_header() -> None:
    """An encrypted file without key, and a clear one with, are mistakes of the caller."""
    with pytest.raises(BadInput):
        Sealer(header_of(), b"", None)
    with pytest.raises(BadInput):
        Sealer(header_of(ENC_NONE), b"", KEY)


def test_an_oversized_fragment_is_refused() -> None:
    """The limit of a record holds for the writer as it does for the scan."""
    with pytest.raises(BadInput):
        sealer_of(header_of()).seal(0, START_90K, 1, 1, bytes(MAX_PAYLOAD_BYTES), is_key=True)


def test_a_row_needs_records_at_its_start() -> None:
    """A file without records, or whose first record is elsewhere in time, has no row."""
    with pytest.raises(SegmentCorrupt):
        make_row(header_of(), [], 0, 10, 0)
    with pytest.raises(SegmentCorrupt):
        make_row(header_of(), [Gop(0, 1, START_90K + 90, 1, is_key=True)], 1, 10, 0)


def test_the_layout_is_frozen() -> None:
    """Format 1 of today is format 1 for ever: header, record and footer byte for byte."""
    header = FileHeader(StreamId(1), RunId(2), 90, 4, CodecConfig(Codec.H264, b"SPS", b"PP", b"", 16, 9))
    head = encode_header(header)
    assert (
        head.hex()
        == (
            "56554f4e5345470100010000"  # magic, version, flags
            "00000055"  # length
            "0000000000000001" + "0000000000000002" + "000000000000005a" + "0000000000000004"
            "0100" + "00100009" + "00" * 16 + "0000" + "0003535053" + "00025050" + head[-4:].hex()
        )
    )
    clear, stored = Sealer(header, head, None).seal(0, 8100, 6000, 1, b"data", is_key=True)
    assert clear.hex() == (
        "56474f50" + "00000000" + "0000000000000001" + "0000000000000002" + "0000000000001fa4" + "00001770"
        "00000004" + "01" + "00" + "0001" + "00" * 8 + crc32c(b"data").to_bytes(4, "big").hex() + clear[-4:].hex()
    )
    footer = encode_footer([Gop(len(head), 64, 8100, 6000, is_key=True)], [1], 0, None)
    assert footer.hex() == (
        "56494458" + "0001" + "00" + "00" + "00000001" + "0000000000001fa4" + "00001770" + "00000040" + "0001" + "01"
        "00" + "00" * 32 + "0000004c" + footer[-8:-4].hex() + "56454e44"
    )
    assert len(clear) == RECORD_HEADER_BYTES == 60
    assert stored == b"data"
    assert len(footer[-FOOTER_TAIL_BYTES:]) == 12
