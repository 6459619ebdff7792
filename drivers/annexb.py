"""Start codes: taking an Annex B byte stream apart into NAL units.

Owns `split_annex_b`. Pure. Invariants: the NAL units come without start codes and are never empty; bytes
before the first start code are no NAL unit.
"""

from __future__ import annotations


def split_annex_b(data: bytes) -> list[bytes]:
    """Split an Annex B byte stream into NAL units without start codes (H.264 Annex B.1)."""
    nals: list[bytes] = []
    start = data.find(b"\0\0\1")
    while start >= 0:
        end = data.find(b"\0\0\1", start + 3)
        nal = data[start + 3 : end if end >= 0 else len(data)]
        nals.append(nal.rstrip(b"\0") if end >= 0 else nal)
        start = end
    return [nal for nal in nals if nal]
