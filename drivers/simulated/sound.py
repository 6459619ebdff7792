"""The sound of a simulated camera: a silent classroom, in the formats that cameras send.

Owns `SoundTrack`. Invariants: it follows the picture's timeline, so nothing wakes for it; nothing is sent but
silence; what is due is sent once.
"""

from __future__ import annotations

import random
import struct

from drivers.simulated.faults import Sound
from drivers.simulated.outlet import Outlet
from gateway.core.media import TICKS_PER_S

SOUND_PAYLOAD_TYPE = 97
_AAC_FRAME = bytes.fromhex("00c800802380")
"""One silent mono frame of AAC-LC (1,024 samples)."""
_AAC_CONFIG = "1408"
"""AudioSpecificConfig: AAC-LC, 16 kHz, mono (ISO 14496-3 §1.6.2.1)."""
MOST_BEHIND_TICKS = 16_000
"""After a pause of the timeline the silence is not caught up with."""

_FORMATS: dict[Sound, tuple[int, str, str, int, int]] = {
    Sound.AAC: (
        SOUND_PAYLOAD_TYPE,
        "MPEG4-GENERIC/16000/1",
        f"streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config={_AAC_CONFIG}",
        16_000,
        1_024,
    ),
    Sound.PCMU: (0, "PCMU/8000", "", 8_000, 320),
    Sound.PCMA: (8, "PCMA/8000", "", 8_000, 320),
    Sound.G726: (SOUND_PAYLOAD_TYPE, "G726-32/8000", "", 8_000, 320),
}
"""Payload type, rtpmap, fmtp, clock rate, samples a packet."""
_PAYLOADS = {
    Sound.AAC: struct.pack(">HH", 16, len(_AAC_FRAME) << 3) + _AAC_FRAME,
    Sound.PCMU: b"\xff" * 320,
    Sound.PCMA: b"\xd5" * 320,
    Sound.G726: bytes(160),
}


def sound_lines(sound: Sound, control: str) -> list[str]:
    """Return the SDP lines of the track; none for a camera without sound."""
    if sound is Sound.NONE:
        return []
    kind, rtpmap, fmtp, _, _ = _FORMATS[sound]
    lines = [f"m=audio 0 RTP/AVP {kind}", f"a=rtpmap:{kind} {rtpmap}"]
    return lines + ([f"a=fmtp:{kind} {fmtp}"] if fmtp else []) + [f"a=control:{control}"]


class SoundTrack:
    """One viewer's sound, sent along with the picture."""

    def __init__(self, sound: Sound, outlet: Outlet, dice: random.Random) -> None:
        self._outlet = outlet
        self._kind, _, _, self._rate_hz, self._samples = _FORMATS[sound]
        self._payload = _PAYLOADS[sound]
        self.ssrc = dice.getrandbits(32)
        self._seq = dice.getrandbits(16)
        self._next: int | None = None

    def send_until(self, time_90k: int) -> int:
        """Send what is due up to this time of the picture; returns the number of packets."""
        now = time_90k * self._rate_hz // TICKS_PER_S
        if self._next is None or now - self._next > MOST_BEHIND_TICKS:
            self._next = now
        sent = 0
        while self._next <= now:
            self._outlet.send(
                [(self._seq, self._payload)],
                last_seq=self._seq,
                time_90k=self._next & 0xFFFFFFFF,
                ssrc=self.ssrc,
                kind=self._kind,
            )
            self._seq, self._next, sent = self._seq + 1, self._next + self._samples, sent + 1
        return sent

    def close(self) -> None:
        """Release the way out."""
        self._outlet.close()
