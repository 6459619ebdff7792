"""Sound of a camera: AAC (RFC 3640, mode AAC-hbr and AAC-lbr) and G.711 (RFC 3551 §4.5.14).

Owns `AudioFormat` (what the description says) and `AudioDepacketizer`. Invariants: sound is never asked for by
itself, and never ends or delays video: what cannot be read is counted and left out; a frame with a hole
in it is not delivered; a frame holds at most `MOST_FRAME_BYTES`, a packet at most `MOST_FRAMES` of them;
no input raises. Network thread only.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drivers.rtsp.rtp import Unwrapper, payload_bounds
from gateway.core.media import AudioCodec, AudioConfig, AudioUnit

MOST_FRAME_BYTES = 8 * 1024
"""AAC has at most 768 bytes a channel and frame."""
MOST_FRAMES = 64
MOST_AHEAD = 10_000
"""A longer jump of the sequence is a camera that counts anew, not loss."""
FAR = 0x8000
"""So far ahead is behind: late or repeated."""
MOST_CONFIG_BYTES = 64
SAMPLES = 1_024
"""Of one AAC-LC frame and channel (ISO 14496-3 §4.5.1.1)."""

_HEAD = struct.Struct(">HI")
_STATIC = {0: AudioCodec.PCMU, 8: AudioCodec.PCMA}
_NAMES = {"pcmu": AudioCodec.PCMU, "pcma": AudioCodec.PCMA, "mpeg4-generic": AudioCodec.AAC}
_RATES_HZ = range(7_350, 96_001)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """An audio track that we can take apart; the sizes are bits of an AAC frame's header (RFC 3640 §3.2.1)."""

    config: AudioConfig
    payload_type: int
    size_bits: int = 0
    index_bits: int = 0
    delta_bits: int = 0


def _number(text: str, most: int) -> int:
    """Return a small number; -1 if it is none, or too large."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 and int(text) <= most else -1


def audio_format(payload_type: int, rtpmap: str, parameters: Mapping[str, str]) -> AudioFormat | None:
    """Read one payload type of an audio line: `rtpmap` is "name/rate/channels" in lower case, or empty.

    None for what we leave alone: G.726, LATM, MP3, interleaved AAC, nonsense.
    """
    name, _, rest = rtpmap.partition("/")
    codec = _NAMES.get(name) if rtpmap else _STATIC.get(payload_type)
    rate, _, many = rest.partition("/")
    rate_hz, channels = _number(rate or "8000", 96_000), _number(many or "1", 8)
    if codec is None or rate_hz not in _RATES_HZ or channels < 1:
        return None
    if codec is not AudioCodec.AAC:
        return AudioFormat(AudioConfig(codec, rate_hz, channels), payload_type)
    try:
        config = bytes.fromhex(parameters.get("config", ""))
    except ValueError:
        return None
    sizes = [_number(parameters.get(name, "0"), 16) for name in ("sizelength", "indexlength", "indexdeltalength")]
    plain = parameters.get("mode", "").lower() in ("aac-hbr", "aac-lbr")
    if not plain or not 2 <= len(config) <= MOST_CONFIG_BYTES or min(sizes) < 0 or not sizes[0]:
        return None
    return AudioFormat(AudioConfig(codec, rate_hz, channels, config), payload_type, *sizes)


class AudioDepacketizer:
    """Takes the packets of one audio track, hands whole frames to `deliver`."""

    def __init__(self, form: AudioFormat, deliver: Callable[[AudioUnit], None]) -> None:
        self.packets = self.units = self.lost = self.malformed = self.foreign = self.late = 0
        self._form, self._deliver = form, deliver
        self._clock = Unwrapper(form.config.rate_hz)
        self._want = self._anew = -1
        self._lost_before = 0
        self._parts: list[bytes] = []
        self._due_bytes = self._whole_bytes = 0
        """What the frame in the making still lacks, of how much."""
        self._torn = False
        """True after a hole: pieces of a frame whose beginning may be missing are left out up to a marker."""

    def packet(self, data: bytes, at: int, stop: int, read_ns: int) -> None:
        """Take the RTP packet `data[at:stop]`, whatever it holds."""
        if stop - at < 12 or data[at] >> 6 != 2 or (bounds := payload_bounds(data, at, stop)) is None:
            self.malformed += 1
            return
        if data[at + 1] & 0x7F != self._form.payload_type:
            self.foreign += 1
            return
        sequence, stamp = _HEAD.unpack_from(data, at + 2)
        if not self._is_next(sequence):
            return
        self.packets += 1
        payload = data[bounds[0] : bounds[1]]
        if not payload:
            return
        if self._form.config.codec is AudioCodec.AAC:
            self._aac(payload, stamp, read_ns, ends=bool(data[at + 1] & 0x80))
        else:
            self._hand_over(payload, stamp, read_ns)

    def _is_next(self, sequence: int) -> bool:
        """Account for a sequence number; False if the packet is late or repeated."""
        ahead = (sequence - self._want) & 0xFFFF if self._want >= 0 else 0
        anew, self._anew = sequence == self._anew, (sequence + 1) & 0xFFFF
        if ahead >= FAR and not anew:
            self.late += 1
            return False
        if ahead:
            self._parts, self._due_bytes, self._torn = [], 0, True
            missing = ahead if ahead < MOST_AHEAD else 0
            self.lost += missing
            self._lost_before += missing
        self._want = self._anew
        return True

    def _hand_over(self, frame: bytes, stamp: int, read_ns: int) -> None:
        pts_ticks = self._clock.unwrap(stamp & 0xFFFFFFFF, read_ns)
        lost_before, self._lost_before = self._lost_before, 0
        self.units += 1
        self._deliver(AudioUnit(frame, pts_ticks, read_ns, self._form.config, lost_before))

    def _aac(self, payload: bytes, stamp: int, read_ns: int, *, ends: bool) -> None:
        """Take apart AU headers and frames (RFC 3640 §3.2); a frame may go over several packets."""
        sizes = self._sizes(payload)
        if not sizes or max(sizes) > MOST_FRAME_BYTES:
            self._break()
            return
        at = 2 + (int.from_bytes(payload[:2], "big") + 7) // 8
        if self._due_bytes and sizes != [self._whole_bytes]:
            self._break()  # the rest of that frame never came
        if self._due_bytes or (len(sizes) == 1 and sizes[0] > len(payload) - at):
            self._fragment(sizes[0], payload[at:], stamp, read_ns, ends=ends)
            return
        self._torn = False
        for number, size in enumerate(sizes):
            if at + size > len(payload):
                self._break()
                return
            self._hand_over(payload[at : at + size], stamp + number * SAMPLES, read_ns)
            at += size

    def _sizes(self, payload: bytes) -> list[int]:
        """Return the frames' lengths; empty if the headers are nonsense or frames are interleaved."""
        form = self._form
        bits = int.from_bytes(payload[:2], "big")
        header = payload[2 : 2 + (bits + 7) // 8]
        if len(payload) < 2 or len(header) * 8 < bits:
            return []
        value, left, sizes = int.from_bytes(header, "big") >> (len(header) * 8 - bits), bits, list[int]()
        while left:
            extra = form.delta_bits if sizes else form.index_bits
            left -= form.size_bits + extra
            if left < 0 or len(sizes) == MOST_FRAMES:
                return []
            field = value >> left & (1 << form.size_bits + extra) - 1
            if field & (1 << extra) - 1 or not field >> extra:
                return []
            sizes.append(field >> extra)
        return sizes

    def _fragment(self, whole: int, piece: bytes, stamp: int, read_ns: int, *, ends: bool) -> None:
        """Take a piece of one frame: each repeats the frame's length, the last has the marker (RFC 3640 §3.2.3)."""
        if self._torn:
            self._torn = not ends
            return
        due = self._due_bytes or whole
        if len(piece) > due or not piece:
            self._break()
            return
        self._parts.append(piece)
        self._whole_bytes, self._due_bytes = whole, due - len(piece)
        if not self._due_bytes:
            frame, self._parts = b"".join(self._parts), []
            self._hand_over(frame, stamp, read_ns)

    def _break(self) -> None:
        self.malformed += 1
        self._parts, self._due_bytes = [], 0
