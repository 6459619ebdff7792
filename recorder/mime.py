"""How a codec configuration is named to a browser: `video/mp4; codecs="avc1.42C01E"`.

Owns the strings of RFC 6381 for our two sample entries (ISO 14496-15 annex E). Invariant: what is named is
what the init segment holds, byte for byte of the parameter sets. Pure.
"""

from __future__ import annotations

from gateway.core.errors import BadInput
from gateway.core.media import Codec, CodecConfig
from recorder.sps import parse_sps


def mime_of(config: CodecConfig) -> str:
    """Return the media type with its codecs parameter; BadInput when the parameter sets cannot be read."""
    if len(config.sps) < 4:
        raise BadInput("no parameter sets: nothing can be named")
    if config.codec is Codec.H264:
        return f'video/mp4; codecs="avc1.{config.sps[1:4].hex().upper()}"'
    return f'video/mp4; codecs="{_hvc1(parse_sps(config.codec, config.sps).profile_tier_level)}"'


def _hvc1(general: bytes) -> str:
    """Name the 12 general bytes of profile, tier and level (ITU-T H.265 §7.3.3)."""
    space, high, profile = general[0] >> 6, general[0] >> 5 & 1, general[0] & 31
    fits = int(f"{int.from_bytes(general[1:5], 'big'):032b}"[::-1], 2)
    parts = [f"{('', 'A', 'B', 'C')[space]}{profile}", f"{fits:X}", f"{'H' if high else 'L'}{general[11]}"]
    parts += [f"{byte:X}" for byte in general[5:11].rstrip(b"\0")]
    return ".".join(["hvc1", *parts])
