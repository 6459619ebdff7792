"""The parameter sets of one stream, and the codec configuration they make.

Owns `ParameterSets`. Invariants: a new epoch begins only at a key frame and only if a set it refers to
changed (cameras repeat them before each key frame); at most 8 sets of a kind are held, each at most
4 KiB; used in the network thread only.
"""

from __future__ import annotations

from collections.abc import Iterable

from drivers.rtsp import parameters
from gateway.core.media import Codec, CodecConfig

MOST_SETS = 8
MOST_SET_BYTES = 4096

_KINDS = {Codec.H264: {7: "sps", 8: "pps"}, Codec.H265: {32: "vps", 33: "sps", 34: "pps"}}


def nal_type(codec: Codec, nal: bytes) -> int:
    """Return nal_unit_type of a non-empty NAL unit."""
    return nal[0] & 31 if codec is Codec.H264 else nal[0] >> 1 & 63


class ParameterSets:
    """Remembers VPS, SPS and PPS by id and says which configuration a key frame has."""

    def __init__(self, codec: Codec, known: Iterable[bytes] = ()) -> None:
        self.codec = codec
        self.config: CodecConfig | None = None
        """The configuration in force: of the SDP at first, then of the last key frame."""
        self._vps = b""
        self._sps: dict[int, bytes] = {}
        self._pps: dict[int, tuple[int, bytes]] = {}
        self._changed = False
        for nal in known:
            if nal and nal_type(codec, nal) in _KINDS[codec]:
                self.take(nal)
        self.begin_key(b"")

    def take(self, nal: bytes) -> None:
        """Remember a parameter set; too long or unreadable ones are left out."""
        nal = nal.rstrip(b"\0")
        if not 2 <= len(nal) <= MOST_SET_BYTES:
            return
        kind = _KINDS[self.codec][nal_type(self.codec, nal)]
        if kind == "vps":
            self._changed |= self._vps != nal
            self._vps = nal
        elif kind == "sps":
            self._take_sps(nal)
        else:
            self._take_pps(nal)

    def _take_sps(self, nal: bytes) -> None:
        if nal in self._sps.values():
            return
        number = parameters.sps_id(self.codec, nal)
        if number is not None and (number in self._sps or len(self._sps) < MOST_SETS):
            self._sps[number] = nal
            self._changed = True

    def _take_pps(self, nal: bytes) -> None:
        if any(nal == held for _, held in self._pps.values()):
            return
        ids = parameters.pps_ids(self.codec, nal)
        if ids is not None and (ids[0] in self._pps or len(self._pps) < MOST_SETS):
            self._pps[ids[0]] = (ids[1], nal)
            self._changed = True

    def begin_key(self, first_slice: bytes) -> None:
        """Bring `config` up to date for a key frame whose first slice is given (empty: the SDP's)."""
        if not self._pps or not self._sps or (self.codec is Codec.H265 and not self._vps):
            return
        if len(self._pps) == 1 and not self._changed:
            return
        number = parameters.slice_pps_id(self.codec, first_slice) if first_slice else None
        sps_number, pps = self._pps.get(-1 if number is None else number) or next(iter(self._pps.values()))
        sps = self._sps.get(sps_number) or next(iter(self._sps.values()))
        self._changed = False
        now = self.config
        if now is not None and (now.sps, now.pps, now.vps) == (sps, pps, self._vps):
            return
        width, height = parameters.picture_size(self.codec, sps)
        epoch = 0 if now is None else now.epoch + 1
        self.config = CodecConfig(self.codec, sps, pps, self._vps, width, height, epoch)

    def extras(self) -> tuple[bytes, ...]:
        """Return the PPS that `config` does not hold: they go in band with each key frame."""
        if len(self._pps) < 2 or self.config is None:
            return ()
        return tuple(nal for _, nal in self._pps.values() if nal != self.config.pps)
