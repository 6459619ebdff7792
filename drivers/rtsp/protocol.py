"""One RTSP session without I/O (RFC 2326): bytes in, bytes and access units out.

Owns `RtspSession`. Invariants: nothing is sent but to the peer we reached, whatever its replies say:
no redirect is followed and every URL carries our own host; the password goes out in at most one unproven
try, by Digest, or by Basic inside TLS only; replies, bodies, headers, rubbish and early media are all bounded;
time comes in as an argument. Any hostile byte ends in a `CameraError`, which ends this session only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from drivers.gate import LoginGate
from drivers.rtsp import urls
from drivers.rtsp.depacketize import Depacketizer
from drivers.rtsp.framing import Framer
from drivers.rtsp.keepalive import KeepAlive
from drivers.rtsp.login import SessionLogin
from drivers.rtsp.message import Message, write_not_implemented, write_request
from drivers.rtsp.sdp import read_sdp
from drivers.rtsp.source import RtspSource, is_plain
from drivers.rtsp.tracks import UNSUPPORTED_TRANSPORT, Pair, Tracks
from gateway.core.errors import (
    CameraBadReply,
    CameraClosed,
    CameraError,
    CameraOverloaded,
    CameraSilent,
    CameraUnsupported,
)
from gateway.core.media import AccessUnit, CodecConfig

MOST_STRAYS = 64
"""Replies nobody asked for and requests of the camera, between two keep-alives."""
HUNG_UP_S = 3.0
"""A camera that hangs up so soon after a keep-alive did so because of it."""
MOST_RETRY_AFTER_S = 300

_NS = 1_000_000_000


class StreamSink(Protocol):
    """Takes one stream's media; called in the network thread, must not block."""

    def playing(self, config: CodecConfig | None) -> None:
        """PLAY was accepted; `config` is what the description told, None if it told nothing."""

    def unit(self, unit: AccessUnit) -> None:
        """Take the next access unit."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long we wait for a camera, in seconds."""

    connect_s: float = 5.0
    handshake_s: float = 10.0
    """From the TCP connection to the reply to PLAY."""
    silent_s: float = 10.0
    """Without any video packet."""
    pictureless_s: float = 60.0
    """With packets, but without any picture (a long GOP may begin without parameter sets)."""
    teardown_s: float = 1.0


class Phase(IntEnum):
    """How far the session is."""

    NEW = 0
    OPTIONS = 1
    DESCRIBE = 2
    SETUP = 3
    PLAY = 4
    PLAYING = 5
    LEAVING = 6
    LEFT = 7


@dataclass(slots=True)
class _Pending:
    """The request we wait for."""

    cseq: int
    method: str
    url: str
    headers: Mapping[str, str]
    authorised: bool
    repeated: bool = False


def failure_of_status(message: Message, method: str) -> CameraError:
    """Return what a refusing status means (RFC 2326 §11)."""
    status = message.status
    if status in (453, 503):
        after = message.header("retry-after")
        asked = {"retry_after_s": min(int(after), MOST_RETRY_AFTER_S)} if re.fullmatch(r"\d{1,6}", after) else {}
        return CameraOverloaded("the camera has no room for another viewer", status=status, method=method, **asked)
    if status == UNSUPPORTED_TRANSPORT:
        return CameraUnsupported("the camera refuses every transport we ask for", status=status, hint="transport")
    if 300 <= status < 400:
        return CameraBadReply("the camera redirects; we never follow", status=status, method=method)
    return CameraBadReply(f"the camera answered {status} to {method}", status=status, method=method)


class RtspSession:
    """Drives one session from OPTIONS to TEARDOWN; used by one thread.

    `hosts` are other names of the peer, allowed in its control URLs; `tracks` decides over what media comes (none:
    TCP, no sound). After any method, send what `take_output()` returns. `release()` must be called at the end,
    however it came.
    """

    def __init__(
        self,
        source: RtspSource,
        gate: LoginGate,
        sink: StreamSink,
        *,
        hosts: Collection[str] = (),
        timeouts: Timeouts | None = None,
        tracks: Tracks | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.phase = Phase.NEW
        self._source, self._sink, self._hosts = source, sink, frozenset(hosts)
        self._times = timeouts or Timeouts()
        self._login = SessionLogin(gate, random_bytes, secure=source.tls)
        self.tracks = tracks or Tracks()
        self.framer = Framer(self._message, self._frame)
        self._keepalive = KeepAlive(avoid=self.tracks.habit.deadly)
        self._output = bytearray()
        self._cseq = self._strays = 0
        self._pending: _Pending | None = None
        self._base = source.url()
        self._aggregate = source.url()
        self._session = self._ours = ""
        self._now_ns = self._since_ns = self._media_ns = self._picture_ns = 0
        self._packets = self._units = 0

    # what the owner of the connection calls

    @property
    def media(self) -> Depacketizer | None:
        """What takes the video; None before PLAY was accepted."""
        return self.tracks.media

    def start(self, now_ns: int, ours: str = "") -> None:
        """Begin: the connection stands; `ours` is our own address on it."""
        self._now_ns = self._since_ns = now_ns
        self._ours = ours
        self._ask(Phase.OPTIONS, "OPTIONS", self._source.url())

    def receive(self, data: bytes, now_ns: int) -> None:
        """Take bytes of the camera; raises the CameraError that ends the session."""
        self._now_ns = now_ns
        if self.phase is not Phase.LEFT:
            self.framer.receive(data, now_ns)

    def datagrams(self, pair: Pair, packets: list[bytes], reports: list[bytes], now_ns: int) -> None:
        """Take the RTP and RTCP packets that one of `tracks.pairs` read; only while playing."""
        self._now_ns = now_ns
        if self.phase is Phase.PLAYING:
            self.tracks.datagrams(pair, packets, reports, now_ns)

    def tick(self, now_ns: int) -> None:
        """Look at the clock, a few times a second; raises the CameraError of a time-out."""
        self._now_ns = now_ns
        if self.phase is Phase.PLAYING:
            self.tracks.look(now_ns)
            self._watch(now_ns)
            if self._keepalive.due(now_ns):
                self._strays = 0
                self._ask(Phase.PLAYING, self._keepalive.ask(now_ns), self._aggregate)
        elif self.phase is Phase.LEAVING:
            if self._past(self._times.teardown_s):
                self.phase = Phase.LEFT
        elif self.phase is not Phase.LEFT and self._past(self._times.handshake_s):
            raise self._unanswered(
                CameraSilent("the camera did not answer in time", waiting_for=self.phase.name, **self._names())
            )

    def teardown(self) -> None:
        """Say goodbye; `phase` becomes LEFT when the camera answered or time is up."""
        self.framer.media = None
        if self._session and self.phase in (Phase.PLAY, Phase.PLAYING):
            self._since_ns = self._now_ns
            self._ask(Phase.LEAVING, "TEARDOWN", self._aggregate)
        elif self.phase is not Phase.LEAVING:
            self.phase = Phase.LEFT

    def closed(self, reason: str = "") -> CameraError:
        """Return what it means that the camera ended the connection now."""
        if self.phase is Phase.PLAYING and self._keepalive.unanswered(self._now_ns, HUNG_UP_S):
            self.tracks.habit.deadly = self._keepalive.method
        return self._unanswered(CameraClosed("the camera closed the connection", reason=reason, **self._names()))

    def release(self) -> None:
        """Give back what the session holds outside itself: an unanswered try of the login, UDP ports."""
        self._login.release()
        self.tracks.close()

    def take_output(self) -> bytes:
        """Return the bytes to send, and forget them."""
        output = bytes(self._output)
        self._output.clear()
        return output

    # time

    def _past(self, seconds: float) -> bool:
        return self._now_ns - self._since_ns > seconds * _NS

    def _watch(self, now_ns: int) -> None:
        media = self.media
        assert media is not None
        if media.contradicted:
            raise CameraClosed("the camera changed its codec", was=media.codec.value, **self._names())
        if media.packets != self._packets:
            self._packets, self._media_ns = media.packets, now_ns
        elif now_ns - self._media_ns > self._times.silent_s * _NS:
            raise CameraSilent("the camera sends no video", seconds=self._times.silent_s, **self._names())
        if media.units != self._units:
            self._units, self._picture_ns = media.units, now_ns
        elif now_ns - self._picture_ns > self._times.pictureless_s * _NS:
            raise CameraBadReply("the camera's packets make no picture", packets=media.packets, **self._names())

    def _unanswered(self, error: CameraError) -> CameraError:
        """Turn an end in the middle of a login try into an overload: it must be repeated slowly."""
        if self._login.trying:
            return CameraOverloaded("the camera did not answer the login", **self._names())
        return error

    def _names(self) -> dict[str, str]:
        return {"address": self._source.authority}

    # requests and replies

    def _ask(self, phase: Phase, method: str, url: str, headers: Mapping[str, str] | None = None) -> None:
        """Send a request and wait for its reply."""
        self.phase = phase
        self._send(_Pending(0, method, url, dict(headers or {}), authorised=False))

    def _send(self, pending: _Pending) -> None:
        self._cseq += 1
        login = self._login.header(pending.method, pending.url)
        session = {"Session": self._session} if self._session else {}
        pending.cseq, pending.authorised = self._cseq, bool(login)
        self._pending = pending
        self._output += write_request(pending.method, pending.url, self._cseq, {**pending.headers, **session, **login})

    def _message(self, message: Message) -> None:
        pending = self._pending
        cseq = message.cseq
        answers = pending is not None and message.status >= 200 and (cseq is None or cseq == pending.cseq)
        if not answers or pending is None:
            self._stray(message)
            return
        self._pending = None
        if message.status == 401 and self.phase < Phase.PLAYING and pending.method != "OPTIONS":
            self._login.challenged(message, authorised=pending.authorised, repeated=pending.repeated)
            pending.repeated = pending.authorised
            self._send(pending)
            return
        if pending.authorised:
            self._login.answered(message.status)
        self._reply(message, pending)

    def _stray(self, message: Message) -> None:
        self._strays += 1
        if self._strays > MOST_STRAYS:
            raise CameraBadReply("the camera sends messages nobody asked for", limit=MOST_STRAYS)
        if message.method == "REDIRECT":
            raise CameraBadReply("the camera redirects; we never follow", method=message.method)
        if message.method:
            self._output += write_not_implemented(message.cseq)

    def _reply(self, message: Message, pending: _Pending) -> None:
        if self.phase is Phase.PLAYING:
            if message.status == 401:
                self._login.renew(message)
            self._keepalive.answered(message.status)
        elif self.phase is Phase.LEAVING:
            self.phase = Phase.LEFT
        elif self.phase is Phase.OPTIONS:
            self._on_options(message)
        elif not 200 <= message.status < 300:
            if self.phase is not Phase.SETUP or not self.tracks.refused(message.status):
                raise failure_of_status(message, pending.method)
            self._set_up()
        elif self.phase is Phase.DESCRIBE:
            self._on_describe(message)
        elif self.phase is Phase.SETUP:
            self._on_setup(message)
        elif self.phase is Phase.PLAY:
            self._on_play()

    def _on_options(self, message: Message) -> None:
        if 300 <= message.status < 400 or message.status in (453, 503):
            raise failure_of_status(message, "OPTIONS")
        self._keepalive.offered(message.header("public"))
        self._ask(Phase.DESCRIBE, "DESCRIBE", self._source.url(), {"Accept": "application/sdp"})

    def _on_describe(self, message: Message) -> None:
        description = read_sdp(message.body)
        self._keepalive.offered(message.header("public"))
        stated = message.header("content-base") or message.header("content-location")
        self._base = urls.base_url(self._source, stated)
        self._aggregate = urls.control_url(self._source, self._hosts, self._base, description.control)
        self.tracks.describe(description.video, self._control(description.video.control))
        if description.audio is not None and self.tracks.wants_sound:
            self.tracks.describe_sound(description.audio.form, self._control(description.audio.control))
        self._set_up()

    def _control(self, control: str) -> str:
        return urls.control_url(self._source, self._hosts, self._base, control)

    def _set_up(self) -> None:
        """Ask for the next track, or to play when there is no more."""
        order = self.tracks.order()
        if order is not None:
            self._ask(Phase.SETUP, "SETUP", *order)
        else:
            self._ask(Phase.PLAY, "PLAY", self._aggregate, {"Range": "npt=0.000-"})

    def _on_setup(self, message: Message) -> None:
        session, *parameters = (part.strip() for part in message.header("session").split(";"))
        if not (session or self._session) or not is_plain(session):
            raise CameraBadReply("the camera's reply to SETUP names no session")
        self._session = session or self._session
        self._keepalive.timeout(parameters)
        self.tracks.answered(message.header("transport"), self._ours)
        self._set_up()

    def _on_play(self) -> None:
        sets = self.tracks.begin(self._sink.unit)
        self.phase = Phase.PLAYING
        self._media_ns = self._picture_ns = self._now_ns
        self._keepalive.began(self._now_ns)
        self._sink.playing(sets.config)
        self.tracks.replay(self._now_ns)
        self.framer.media = self.media

    def _frame(self, channel: int, data: bytes, at: int, stop: int, read_ns: int) -> None:
        """Take an interleaved frame that the hot loop left."""
        if self.phase is Phase.PLAY or self.phase is Phase.PLAYING:
            self.tracks.frame(channel, data, at, stop, read_ns)
