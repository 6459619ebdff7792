"""The tracks of one RTSP session: what is SETUP over what, and where its packets go.

Owns `Tracks`. Invariants: TCP is asked for first, UDP only after 461 (or if that was learned before), the other
way once; sound is SETUP only if somebody listens, after the video, and whatever becomes of it, video plays on;
before PLAY is answered packets of the video are kept, at most `MOST_EARLY_BYTES`, and nothing is delivered.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.rtsp.audio import AudioDepacketizer, AudioFormat
from drivers.rtsp.depacketize import Depacketizer
from drivers.rtsp.habits import Habit
from drivers.rtsp.lane import Lane, granted, wish
from drivers.rtsp.parametersets import ParameterSets
from drivers.rtsp.payload import MakeMedia, make_depacketizer
from drivers.rtsp.reorder import Reorder
from drivers.rtsp.rtp import SenderReport, sender_report
from drivers.rtsp.sdp import VideoTrack
from gateway.core.errors import CameraUnsupported
from gateway.core.media import AccessUnit, AudioUnit

MOST_EARLY_BYTES = 2 << 20
"""Media that arrives before the reply to PLAY."""
UNSUPPORTED_TRANSPORT = 461
VIDEO_CHANNEL = 0

_FRAME = struct.Struct(">BBH")


class Pair(Protocol):
    """UDP of one track: `drivers.rtsp.datagrams.Datagrams`."""

    port: int

    def hear(self, rtp_port: int, rtcp_port: int) -> None:
        """Begin to hear the camera's ports, 0 = whatever port it sends from."""

    def close(self) -> None:
        """Let go of the sockets."""


@dataclass(slots=True)
class _Track:
    """One track on its way: no lane yet means that SETUP was not answered."""

    url: str
    pair: Pair | None = None
    lane: Lane | None = None


@dataclass(frozen=True, slots=True)
class Takers:
    """Who takes what a stream's packets hold, besides the sink."""

    on_audio: Callable[[AudioUnit], None] | None = None
    """Gets the sound; None: none is asked for."""
    make_media: MakeMedia = make_depacketizer
    """Makes what eats the video."""


class Tracks:
    """Used by one session, in one thread."""

    def __init__(
        self,
        habit: Habit | None = None,
        *,
        make_pair: Callable[[], Pair] | None = None,
        takers: Takers = Takers(),
    ) -> None:
        """Begin; `habit` is what was learned of the stream before, and is written to.

        `make_pair` opens UDP for a track, None: TCP only.
        """
        self.habit, self._make_pair = habit or Habit(), make_pair
        self._on_audio, self._make_media = takers.on_audio, takers.make_media
        self.udp = self.habit.udp and make_pair is not None
        self.media: Depacketizer | None = None
        self.audio: AudioDepacketizer | None = None
        self.report: SenderReport | None = None
        self._reorder = Reorder()
        self._video: _Track | None = None
        self._sound: _Track | None = None
        self._described: VideoTrack | None = None
        self._form: AudioFormat | None = None
        self._other_way = False
        self._early = bytearray()

    # SETUP

    def describe(self, video: VideoTrack, url: str) -> None:
        """Take the video track and its control URL."""
        self._described, self._video = video, _Track(url)

    def describe_sound(self, form: AudioFormat, url: str) -> None:
        """Take the audio track, if `wants_sound`."""
        self._form, self._sound = form, _Track(url)

    @property
    def wants_sound(self) -> bool:
        """Say whether anybody listens."""
        return self._on_audio is not None

    @property
    def _next(self) -> _Track | None:
        return next((track for track in (self._video, self._sound) if track and track.lane is None), None)

    def order(self) -> tuple[str, dict[str, str]] | None:
        """Return URL and headers of the next SETUP; None when there is no more to set up."""
        track = self._next
        if track is None:
            return None
        if self.udp and track.pair is None:
            assert self._make_pair is not None
            track.pair = self._make_pair()
        return track.url, {"Transport": wish(self._first(track), udp=self.udp)}

    def _first(self, track: _Track) -> int:
        return track.pair.port if track.pair else VIDEO_CHANNEL + 2 * (track is self._sound)

    def answered(self, transport: str, ours: str) -> None:
        """Take the `Transport:` of a good reply to SETUP; `ours` is our own address. Raises as `granted`."""
        track = self._next
        assert track is not None
        try:
            lane = granted(transport, self._first(track), udp=self.udp, ours=ours)
        except CameraUnsupported:
            if track is not self._sound:
                raise
            self._drop_sound()
            return
        track.lane = lane
        if track.pair:
            track.pair.hear(lane.rtp, lane.rtcp)
            self.habit.udp = True

    def refused(self, status: int) -> bool:
        """Take a bad reply to SETUP; True means: go on with `order()`, False: it ends the session."""
        track = self._next
        assert track is not None
        if track is self._sound:
            self._drop_sound()
            return True
        if status != UNSUPPORTED_TRANSPORT or self._other_way or self._make_pair is None:
            return False
        self._other_way, self.udp, self.habit.udp = True, not self.udp, False
        if track.pair:
            track.pair.close()
            track.pair = None
        return True

    def _drop_sound(self) -> None:
        sound, self._sound, self._form = self._sound, None, None
        if sound is not None and sound.pair is not None:
            sound.pair.close()

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """UDP pairs that are open, video first."""
        return tuple(track.pair for track in (self._video, self._sound) if track and track.pair)

    def close(self) -> None:
        """Let go of the sockets; safe to call twice."""
        for pair in self.pairs:
            pair.close()

    # media

    def begin(self, deliver: Callable[[AccessUnit], None]) -> ParameterSets:
        """Make ready to deliver: PLAY was accepted. Returns the parameter sets as described."""
        described, video, sound = self._described, self._video, self._sound
        assert described is not None
        assert video is not None
        assert video.lane is not None
        sets = ParameterSets(described.codec, described.sets)
        channel = VIDEO_CHANNEL if video.lane.udp else video.lane.rtp
        self.media = self._make_media(channel, described.payload_type, sets, deliver)
        if sound is not None and self._form is not None and self._on_audio is not None:
            self.audio = AudioDepacketizer(self._form, self._on_audio)
        return sets

    def replay(self, read_ns: int) -> None:
        """Deliver what came early."""
        early, self._early = bytes(self._early), bytearray()
        self._feed(early, read_ns)

    def frame(self, channel: int, data: bytes, at: int, stop: int, read_ns: int) -> None:
        """Take an interleaved frame that the hot loop left: RTCP, sound, early media, very short ones."""
        video, sound = self._video, self._sound
        lane = video.lane if video else None
        if lane is None or lane.udp:
            return
        if channel == lane.rtcp:
            self.report = sender_report(data, at, stop, read_ns) or self.report
        elif channel == lane.rtp:
            if self.media is not None:
                self.media.packet(data, at, stop, read_ns)
            elif len(self._early) < MOST_EARLY_BYTES:
                self._early += data[at - 4 : stop]
        elif self.audio is not None and sound is not None and sound.lane is not None and channel == sound.lane.rtp:
            self.audio.packet(data, at, stop, read_ns)

    def datagrams(self, pair: Pair, packets: list[bytes], reports: list[bytes], read_ns: int) -> None:
        """Take what one UDP pair has read."""
        if self._sound is not None and pair is self._sound.pair:
            for packet in packets:
                if self.audio is not None:
                    self.audio.packet(packet, 0, len(packet), read_ns)
            return
        for report in reports:
            self.report = sender_report(report, 0, len(report), read_ns) or self.report
        self._hand_on(self._reorder.take(packets, read_ns), read_ns)

    def look(self, now_ns: int) -> None:
        """Look at the clock: packets that waited long enough for others are handed on."""
        self._hand_on(self._reorder.look(now_ns), now_ns)

    def _hand_on(self, packets: list[bytes], read_ns: int) -> None:
        """Give datagrams the frames they would have over TCP: there is one hot loop."""
        if packets:
            heads = (_FRAME.pack(0x24, VIDEO_CHANNEL, min(len(packet), 0xFFFF)) for packet in packets)
            self._feed(b"".join(part for pair in zip(heads, packets, strict=True) for part in pair), read_ns)

    def _feed(self, frames: bytes, read_ns: int) -> None:
        media, at = self.media, 0
        assert media is not None
        while at < len(frames):
            at = media.feed(frames, at, read_ns)
            if at < len(frames):
                stop = at + 4 + (frames[at + 2] << 8 | frames[at + 3])
                media.packet(frames, at + 4, stop, read_ns)
                at = stop

    @property
    def frames(self) -> int:
        """Packets seen so far, of whatever kind."""
        return sum(
            track.packets + track.foreign + track.malformed + track.late
            for track in (self.media, self.audio)
            if track is not None
        )

    @property
    def early(self) -> int:
        """UDP packets of the video that had to wait for others before them."""
        return self._reorder.early
