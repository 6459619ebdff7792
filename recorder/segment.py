"""The segment file, record format v1: bytes in, bytes out, no disk.

Owns the layout of file header, record and footer (docs/design/recording.md has the tables). Invariants:
everything a machine needs for recovery, reindexing, retention and gaps is clear and checksummed
(CRC-32C), so a torn tail is found without a key; in an encrypted file every clear header is authenticated
as associated data together with the hash of the file header, so no record can be altered, reordered or
moved to another file unnoticed; a nonce is 8 random bytes per file plus the record's 32-bit number.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import google_crc32c
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from gateway.core.errors import BadInput, SegmentCorrupt
from gateway.core.media import Codec, CodecConfig
from gateway.core.model import RunId, StreamId
from recorder.rows import Gop

VERSION = 1
FILE_MAGIC, RECORD_MAGIC, FOOTER_MAGIC, END_MAGIC = b"VUONSEG\x01", b"VGOP", b"VIDX", b"VEND"
ENC_NONE, ENC_AES256GCM, ENC_CHACHA20 = 0, 1, 2
_CIPHERS: Mapping[int, type[AESGCM | ChaCha20Poly1305]] = {ENC_AES256GCM: AESGCM, ENC_CHACHA20: ChaCha20Poly1305}
"""Both take 32-byte keys and 12-byte nonces and add a 16-byte tag."""
TAG_BYTES = 16
NONCE_PREFIX_BYTES, KEY_ID_BYTES = 8, 8
NO_KEY = bytes(KEY_ID_BYTES)
MAX_PAYLOAD_BYTES = 256 << 20
MAX_HEADER_BYTES = 256 << 10
MAX_RECORDS = 1 << 16

_FILE = struct.Struct(">8sHHIQQqqBBHH8s8s")
_RECORD = struct.Struct(">4sIQQqIIBBH8s")
_CRCS = struct.Struct(">II")
_FOOTER = struct.Struct(">4sHBBI")
_ENTRY = struct.Struct(">qIIHBx")
_TAIL = struct.Struct(">II4s")
_U16, _U32 = struct.Struct(">H"), struct.Struct(">I")
RECORD_HEADER_BYTES = _RECORD.size + _CRCS.size
FOOTER_TAIL_BYTES = _TAIL.size
_MAC_BYTES = 32
_CODECS = {Codec.H264: 1, Codec.H265: 2}
_CODEC_OF = {number: codec for codec, number in _CODECS.items()}

Reader = Callable[[int, int], bytes]
"""`read(length, offset)`: up to `length` bytes of a file, fewer only at its end."""


def crc32c(data: bytes, start: int = 0) -> int:
    """Return the CRC-32C (Castagnoli) of `data`, continuing from `start`."""
    return int(google_crc32c.extend(start, data))


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What the head of a segment file says."""

    stream: StreamId
    run: RunId
    start_ms: int
    offset_ms: int
    config: CodecConfig
    enc: int = ENC_NONE
    key_id: bytes = NO_KEY
    nonce_prefix: bytes = bytes(NONCE_PREFIX_BYTES)


class RecordHeader(NamedTuple):
    """The clear head of one record."""

    sequence: int
    stream: int
    run: int
    start_90k: int
    duration_90k: int
    payload_bytes: int
    is_key: bool
    enc: int
    frames: int
    key_id: bytes
    payload_crc: int


class Footer(NamedTuple):
    """The table at the end of a closed file."""

    flags: int
    gops: tuple[Gop, ...]
    frames: int
    authenticated_bytes: bytes
    mac: bytes
    """32 bytes of HMAC-SHA256, or empty when no key was at hand."""


def config_crc(config: CodecConfig) -> int:
    """Return the number by which two configurations are known to be the same."""
    return crc32c(_parameter_sets(config), _CODECS[config.codec])


def _parameter_sets(config: CodecConfig) -> bytes:
    sets = (config.vps, config.sps, config.pps)
    if max(map(len, sets)) > 0xFFFF:
        raise BadInput("a parameter set is longer than 65535 bytes", bytes=max(map(len, sets)))
    return b"".join(_U16.pack(len(item)) + item for item in sets)


def encode_header(header: FileHeader) -> bytes:
    """Return the head of a file; BadInput when a parameter set is too long."""
    config = header.config
    sets = _parameter_sets(config)
    size = _FILE.size + len(sets) + _U32.size
    head = _FILE.pack(
        FILE_MAGIC,
        VERSION,
        0,
        size,
        header.stream,
        header.run,
        header.start_ms,
        header.offset_ms,
        _CODECS[config.codec],
        header.enc,
        min(config.width, 0xFFFF),
        min(config.height, 0xFFFF),
        header.nonce_prefix,
        header.key_id,
    )
    return head + sets + _U32.pack(crc32c(head + sets))


def header_length(start: bytes) -> int:
    """Return how long the head is whose first bytes are `start`; SegmentCorrupt if it is none of ours."""
    if len(start) < _FILE.size:
        raise SegmentCorrupt("the file ends inside its header")
    magic, version, _, size, *_ = _FILE.unpack_from(start)
    if magic != FILE_MAGIC or version != VERSION or not _FILE.size < size <= MAX_HEADER_BYTES:
        raise SegmentCorrupt("not a segment file of format 1", version=version)
    return int(size)


def decode_header(data: bytes) -> FileHeader:
    """Parse a head (exactly `header_length` bytes); SegmentCorrupt if torn, flipped or foreign."""
    size = header_length(data)
    if len(data) != size or crc32c(data[:-4]) != _U32.unpack_from(data, size - 4)[0]:
        raise SegmentCorrupt("the file header is torn or flipped")
    _, _, _, _, stream, run, start_ms, offset_ms, codec, enc, width, height, prefix, key_id = _FILE.unpack_from(data)
    at, sets = _FILE.size, []
    for _ in range(3):
        (length,) = _U16.unpack_from(data, at)
        sets.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    if at != size - 4 or codec not in _CODEC_OF or enc not in {ENC_NONE, *_CIPHERS}:
        raise SegmentCorrupt("the file header names unknown things", codec=codec, enc=enc)
    config = CodecConfig(_CODEC_OF[codec], sets[1], sets[2], sets[0], width, height)
    return FileHeader(StreamId(stream), RunId(run), start_ms, offset_ms, config, enc, key_id, prefix)


class Sealer:
    """Makes and opens the records of one file; those of a clear file are neither enciphered nor authenticated."""

    def __init__(self, header: FileHeader, head: bytes, key: bytes | None) -> None:
        if (header.enc in _CIPHERS) is (key is None):
            raise BadInput("an encrypted file needs a key, a clear one none", enc=header.enc)
        self.header = header
        self._digest = hashlib.sha256(head).digest()
        self._aead = _CIPHERS[header.enc](key) if key is not None else None
        self._mac_key = hmac.digest(key, b"vuon segment footer v1", "sha256") if key is not None else b""

    def _nonce(self, sequence: int) -> bytes:
        return self.header.nonce_prefix + _U32.pack(sequence)

    def seal(
        self, sequence: int, start_90k: int, duration_90k: int, frames: int, payload: bytes, *, is_key: bool
    ) -> tuple[bytes, bytes]:
        """Return (clear header, stored payload) of record number `sequence`."""
        header = self.header
        size = len(payload) + (TAG_BYTES if self._aead is not None else 0)
        if size > MAX_PAYLOAD_BYTES:
            raise BadInput("a fragment is larger than a record may be", bytes=size)
        clear = _RECORD.pack(
            RECORD_MAGIC,
            sequence,
            header.stream,
            header.run,
            start_90k,
            duration_90k,
            size,
            is_key,
            header.enc,
            frames,
            header.key_id,
        )
        if self._aead is not None:
            payload = self._aead.encrypt(self._nonce(sequence), payload, self._digest + clear)
        payload_crc = crc32c(payload)
        return clear + _CRCS.pack(payload_crc, crc32c(clear + _U32.pack(payload_crc))), payload

    def open(self, clear: bytes, stored: bytes) -> bytes:
        """Return the fragment of a record; SegmentCorrupt if any byte is not what was written."""
        record = decode_record(clear)
        if record is None or crc32c(stored) != record.payload_crc:
            raise SegmentCorrupt("a record fails its checksum", stream=self.header.stream, run=self.header.run)
        if self._aead is None:
            return stored
        try:
            return self._aead.decrypt(self._nonce(record.sequence), stored, self._digest + clear[: _RECORD.size])
        except InvalidTag as error:
            raise SegmentCorrupt(
                "a record fails its authentication", stream=self.header.stream, sequence=record.sequence
            ) from error

    def mac(self, authenticated: bytes) -> bytes:
        """Return the footer's MAC over its table; empty for clear files."""
        return hmac.digest(self._mac_key, self._digest + authenticated, "sha256") if self._mac_key else b""

    def check_footer(self, footer: Footer) -> bool:
        """Say whether the footer was made with this file's key; a footer without MAC never is."""
        return bool(footer.mac) and hmac.compare_digest(self.mac(footer.authenticated_bytes), footer.mac)


def decode_record(clear: bytes) -> RecordHeader | None:
    """Parse a clear record header; None if it is torn or flipped."""
    if len(clear) != RECORD_HEADER_BYTES or clear[:4] != RECORD_MAGIC:
        return None
    payload_crc, header_crc = _CRCS.unpack_from(clear, _RECORD.size)
    if crc32c(clear[:-4]) != header_crc:
        return None
    _, sequence, stream, run, start_90k, duration_90k, size, flags, enc, frames, key_id = _RECORD.unpack_from(clear)
    return RecordHeader(
        sequence, stream, run, start_90k, duration_90k, size, bool(flags & 1), enc, frames, key_id, payload_crc
    )


def encode_footer(gops: list[Gop], frames: list[int], flags: int, sealer: Sealer | None) -> bytes:
    """Return the footer; without a sealer (recovery without a key) it carries no MAC."""
    entries = b"".join(
        _ENTRY.pack(gop.start_90k, gop.duration_90k, gop.record_bytes, count, gop.is_key)
        for gop, count in zip(gops, frames, strict=True)
    )
    has_mac = sealer is not None and sealer.header.enc != ENC_NONE
    table = _FOOTER.pack(FOOTER_MAGIC, VERSION, flags, has_mac, len(gops)) + entries
    mac = sealer.mac(table) if sealer is not None and has_mac else bytes(_MAC_BYTES)
    body = table + mac + _U32.pack(len(table) + _MAC_BYTES + _TAIL.size)
    return body + _U32.pack(crc32c(body)) + END_MAGIC


def footer_length(tail: bytes) -> int | None:
    """Return the footer's length from the last 12 bytes of a file; None if there is no footer."""
    if len(tail) != _TAIL.size:
        return None
    size, _, magic = _TAIL.unpack(tail)
    least, most = _FOOTER.size + _MAC_BYTES + _TAIL.size, _FOOTER.size + MAX_RECORDS * _ENTRY.size + 64
    return int(size) if magic == END_MAGIC and least <= size <= most else None


def decode_footer(data: bytes, first_offset: int) -> Footer | None:
    """Parse a footer of exactly `footer_length` bytes; None if torn or flipped.

    `first_offset` is the length of the file header: where the first record begins.
    """
    if footer_length(data[-_TAIL.size :]) != len(data) or data[:4] != FOOTER_MAGIC:
        return None
    if crc32c(data[:-8]) != _U32.unpack_from(data, len(data) - 8)[0]:
        return None
    _, version, flags, has_mac, count = _FOOTER.unpack_from(data)
    table_bytes = _FOOTER.size + count * _ENTRY.size
    if version != VERSION or table_bytes + _MAC_BYTES + _TAIL.size != len(data):
        return None
    gops, at, total = [], first_offset, 0
    for start_90k, duration_90k, size, frames, is_key in _ENTRY.iter_unpack(data[_FOOTER.size : table_bytes]):
        gops.append(Gop(at, size, start_90k, duration_90k, bool(is_key)))
        at, total = at + size, total + frames
    mac = data[table_bytes : table_bytes + _MAC_BYTES] if has_mac else b""
    return Footer(flags, tuple(gops), total, data[:table_bytes], mac)
