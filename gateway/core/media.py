"""Access units and codec configurations: what flows from a camera to disk, viewers and vision.

Owns the media words, those of audio, too (which flows nowhere unless it is asked for). Invariants: an
`AccessUnit` is frozen and shared by all readers, nobody copies or changes its NAL units; NAL units carry neither
start codes nor length prefixes; media time is unwrapped 90 kHz ticks (64-bit) that start at 0 for each run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

TICKS_PER_S = 90_000
"""RTP clock of video (RFC 6184 §8.2.1)."""


class Codec(StrEnum):
    """Video codecs the box records; live is H.264 only."""

    H264 = "h264"
    H265 = "h265"


class AudioCodec(StrEnum):
    """Audio we can take apart; a camera's sound is not even asked for unless somebody wants it."""

    AAC = "aac"
    PCMA = "pcma"
    PCMU = "pcmu"


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """What an audio decoder needs."""

    codec: AudioCodec
    rate_hz: int
    channels: int
    config: bytes = b""
    """AAC: AudioSpecificConfig (ISO 14496-3 §1.6.2.1); empty for G.711."""


@dataclass(frozen=True, slots=True)
class AudioUnit:
    """One AAC frame, or the G.711 samples of one packet."""

    data: bytes
    pts_ticks: int
    """Unwrapped RTP time since the track began, in ticks of `config.rate_hz`."""
    received_mono_ns: int
    config: AudioConfig
    lost_before: int = 0
    """RTP packets missing since the previous unit, by sequence number."""


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """Parameter sets a decoder needs before the first key frame of an epoch."""

    codec: Codec
    sps: bytes
    pps: bytes
    vps: bytes = b""
    """H.265 only; empty for H.264."""
    width: int = 0
    height: int = 0
    epoch: int = 0
    """Counts up whenever any parameter set of the stream changes; a new epoch is a new segment."""


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """All coded data of one picture."""

    nals: tuple[bytes, ...]
    """NAL units in decode order; SPS/PPS/VPS and AUD are left out (they are in `config`)."""
    pts_90k: int
    """Unwrapped RTP time since the run began."""
    is_key: bool
    """True for an IDR (H.264 type 5, H.265 types 16-21): a decoder can start here."""
    received_mono_ns: int
    """CLOCK_MONOTONIC when its last packet was read."""
    config: CodecConfig
    lost_before: int = 0
    """RTP packets missing since the previous unit, by sequence number."""

    @property
    def size_bytes(self) -> int:
        """Bytes of coded data without framing."""
        return sum(map(len, self.nals))


def ms_to_90k(ms: int) -> int:
    """Convert milliseconds to 90 kHz ticks."""
    return ms * 90


def ticks_to_ms(ticks_90k: int) -> int:
    """Convert 90 kHz ticks to milliseconds, rounding down."""
    return ticks_90k // 90


def avcc_bytes(nals: tuple[bytes, ...]) -> bytes:
    """Return the NAL units with 4-byte big-endian length prefixes (ISO 14496-15)."""
    return b"".join(part for nal in nals for part in (len(nal).to_bytes(4, "big"), nal))
