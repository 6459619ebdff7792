"""The receiver's half of RFC 6184, written apart from our packetiser, so that the two can be compared."""

from __future__ import annotations

from collections.abc import Iterable


def depacketize(payloads: Iterable[bytes]) -> list[bytes]:
    """Return the NAL units in a run of RTP payloads; AssertionError when the run is malformed."""
    nals: list[bytes] = []
    open_unit: bytearray | None = None
    for payload in payloads:
        kind = payload[0] & 0x1F
        if kind == 28:
            head = payload[1]
            if head & 0x80:
                assert open_unit is None, "a fragment starts inside another"
                open_unit = bytearray([payload[0] & 0xE0 | head & 0x1F])
            assert open_unit is not None, "a fragment without a start"
            open_unit += payload[2:]
            if head & 0x40:
                nals.append(bytes(open_unit))
                open_unit = None
            continue
        assert open_unit is None, "a fragment without an end"
        if kind == 24:
            at = 1
            while at < len(payload):
                size = int.from_bytes(payload[at : at + 2], "big")
                assert 0 < size <= len(payload) - at - 2, "an aggregate runs past its packet"
                nals.append(payload[at + 2 : at + 2 + size])
                at += 2 + size
        else:
            assert 1 <= kind <= 23, f"unexpected payload kind {kind}"
            nals.append(payload)
    assert open_unit is None, "the last fragment is missing"
    return nals
