"""The RTSP server of one simulated camera (RFC 2326): TCP interleaved and UDP, TLS, Digest or Basic.

Owns the connections' sessions. Invariants: a session ends with its connection or when the client is not
heard for the session time-out; every request is counted before it is answered; what a client sends, sets up
or leaves unread is bounded.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from drivers.simulated.counters import Call, Counters
from drivers.simulated.faults import Faults, KeepAlive, Quirks, Sound
from drivers.simulated.listener import Listener, body_length
from drivers.simulated.live import LiveStream, Pacer
from drivers.simulated.logins import DigestGate, LoginBook, Verdict
from drivers.simulated.outlet import MOST_WAITING_BYTES, ByteSink, InterleavedOutlet, Outlet, UdpOutlet
from drivers.simulated.rtspmessage import (
    MOST_BODY_BYTES,
    SOUND_TRACK,
    TRACK,
    RtspReply,
    RtspRequest,
    Transport,
    describe,
    parse_request,
    parse_transport,
)
from drivers.simulated.rtspsession import RtspSession, SessionPorts
from drivers.simulated.sound import SoundTrack, sound_lines
from gateway.core.clock import Clock
from gateway.core.errors import CameraBadReply, CameraUnsupported

REALM = "IP Camera"
GARBAGE = b"\x00\xff\x17GARBAGE\r\n\x80" * 8
MOST_SESSIONS = 8
"""Sessions of one connection: each holds sockets or a place in the timeline."""
MOST_UNREAD_BYTES = 2 * MOST_WAITING_BYTES
"""A client that asks on and reads nothing is hung up on."""


@dataclass(slots=True)
class RtspPorts:
    """What the server needs of its camera."""

    streams: Mapping[str, LiveStream]
    """By path with query: live view of the camera, read at every request."""
    book: LoginBook
    faults: Faults
    quirks: Quirks
    counters: Counters
    clock: Clock
    pacer: Pacer
    dice: random.Random
    make_sink: Callable[[asyncio.StreamWriter], ByteSink]
    sessions: Callable[[], int]
    """Sessions of the whole camera, over all its servers."""


class WriterSink:
    """A connection's own buffer: each access unit goes out in one burst."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def write(self, data: bytes) -> None:
        """Queue bytes on the connection."""
        if not self._writer.is_closing():
            self._writer.write(data)

    def waiting_bytes(self) -> int:
        """Return what the kernel has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    def close(self) -> None:
        """Own nothing."""


class RtspServer(Listener):
    """Serves one camera's streams while entered."""

    def __init__(self, ports: RtspPorts, address: str, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(address, port, tls=tls)
        self._ports = ports
        self._gate = DigestGate(REALM, ports.book, os.urandom(32))
        self._clients: set[_Connection] = set()

    def abort_streams(self, stream: LiveStream | None) -> None:
        """Reset the connections that play `stream`, all for None; they are gone soon after."""
        for connection in list(self._clients):
            if stream is None or any(session.stream is stream for session in connection.sessions.values()):
                connection.abort()

    @property
    def sessions(self) -> int:
        """Return the number of sessions set up at the moment."""
        return sum(len(connection.sessions) for connection in self._clients)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, self._ports, self._gate, reader, writer)
        self._clients.add(connection)
        self._ports.counters.totals["connections"] += 1
        self._ports.counters.totals["tls_connections"] += writer.get_extra_info("ssl_object") is not None
        try:
            await connection.run()
        finally:
            self._clients.discard(connection)
            connection.close()


class _Connection:
    """One client: its requests in order, and the sessions it set up."""

    def __init__(
        self,
        server: RtspServer,
        ports: RtspPorts,
        gate: DigestGate,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._server, self._ports, self._gate = server, ports, gate
        self._reader, self._writer = reader, writer
        self._sink = ports.make_sink(writer)
        self.sessions: dict[str, RtspSession] = {}
        self._deadline: asyncio.Timeout | None = None
        self._ends_at = asyncio.get_running_loop().time() + ports.quirks.session_timeout_s

    def abort(self) -> None:
        """Reset the connection without a farewell."""
        self._writer.transport.abort()

    def close(self) -> None:
        """End the sessions and release the way out."""
        for session in self.sessions.values():
            session.close()
        self.sessions.clear()
        self._sink.close()

    async def run(self) -> None:
        """Answer requests until the client leaves; raises how."""
        while True:
            request = await self._next()
            self._ports.counters.note(Call(self._ports.clock.mono_ns(), "rtsp", request.method, request.path))
            if self._ports.faults.latency_s:
                await self._ports.clock.sleep(self._ports.faults.latency_s)
            if self._ports.faults.garbage:
                self._sink.write(GARBAGE)
                continue
            if request.method == "GET_PARAMETER" and self._ports.quirks.keepalive is KeepAlive.DEADLY:
                self.abort()
                return
            reply = await self._answer(request)
            self._sink.write(reply.to_bytes(request.cseq))
            if self._sink.waiting_bytes() > MOST_UNREAD_BYTES:
                raise CameraBadReply("the client reads nothing")
            if request.method == "PLAY" and reply.status == 200:
                self._ports.pacer.stir()

    def _touch(self) -> None:
        """Start the session time-out over: somebody is there."""
        self._ends_at = asyncio.get_running_loop().time() + self._ports.quirks.session_timeout_s
        if self._deadline is not None:
            self._deadline.reschedule(self._ends_at)

    def _keeps_alive(self, method: str) -> bool:
        keepalive = self._ports.quirks.keepalive
        dead = {KeepAlive.GET_PARAMETER: "OPTIONS", KeepAlive.OPTIONS: "GET_PARAMETER"}.get(keepalive)
        return not self.sessions or method != dead

    async def _next(self) -> RtspRequest:
        """Return the next request; interleaved RTCP on the way only keeps the session alive."""
        async with asyncio.timeout_at(self._ends_at) as self._deadline:
            while True:
                first = await self._reader.readexactly(1)
                if first == b"$":
                    frame = await self._reader.readexactly(3)
                    await self._reader.readexactly(int.from_bytes(frame[1:], "big"))
                    self._touch()
                elif first not in b"\r\n":
                    break
            request = parse_request(first + await self._reader.readuntil(b"\r\n\r\n"))
            await self._reader.readexactly(body_length(request.headers, MOST_BODY_BYTES))
            if self._keeps_alive(request.method):
                self._touch()
        self._deadline = None
        return request

    async def _answer(self, request: RtspRequest) -> RtspReply:
        if request.method == "OPTIONS":
            return RtspReply(200, (("Public", self._public()),))
        refusal = self._refuse(request)
        if refusal is not None:
            return refusal
        if request.method == "DESCRIBE":
            return await self._describe(request)
        if request.method == "SETUP":
            return await self._setup(request)
        session = self.sessions.get(request.session)
        if request.session and session is None:
            return RtspReply(454)
        if request.method in ("GET_PARAMETER", "SET_PARAMETER"):
            allowed = self._ports.quirks.keepalive is not KeepAlive.OPTIONS
            return RtspReply(200 if allowed else 405)
        if request.method not in ("PLAY", "PAUSE", "TEARDOWN"):
            return RtspReply(501)
        if session is None:
            return RtspReply(454)
        return self._steer(request.method, session, request)

    def _public(self) -> str:
        methods = ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN"]
        if self._ports.quirks.keepalive is not KeepAlive.OPTIONS:
            methods += ["GET_PARAMETER", "SET_PARAMETER"]
        return ", ".join(methods)

    def _refuse(self, request: RtspRequest) -> RtspReply | None:
        """Check the login; returns the 401 to send, None when the client may go on."""
        quirks = self._ports.quirks
        if quirks.rtsp_anonymous:
            return None
        offered = quirks.rtsp_digest
        header = request.headers.get("authorization", "")
        found = self._gate.check(header, request.method, offered, basic=quirks.rtsp_basic)
        refused = self._ports.faults.refuse_logins and found is Verdict.GOOD
        verdict = Verdict.BAD if refused else self._ports.book.judge(found)
        if verdict is Verdict.GOOD:
            return None
        stale = verdict is Verdict.STALE
        lines = self._gate.challenges(offered, basic=quirks.rtsp_basic, qop=quirks.rtsp_qop, stale=stale)
        return RtspReply(401, tuple(("WWW-Authenticate", line) for line in lines))

    async def _describe(self, request: RtspRequest) -> RtspReply:
        faults = self._ports.faults
        if faults.refuse_status:
            return RtspReply(faults.refuse_status, self._retry_after())
        stream = self._ports.streams.get(request.path)
        if stream is None:
            return RtspReply(404)
        try:
            loop = await stream.ready()
        except CameraUnsupported:
            return RtspReply(503)  # asked for H.265 where the encoder is missing: the farm refuses earlier
        url = urlsplit(request.url)
        host = self._ports.quirks.wrong_content_base or url.netloc
        body = describe(
            loop.config,
            fps=stream.spec.fps,
            address=self._server.address,
            session=str(self._ports.dice.getrandbits(31)),
            params=not faults.no_params_in_sdp,
            more=sound_lines(self._ports.quirks.sound, SOUND_TRACK),
        )
        base = f"{url.scheme}://{host}{request.path}/"
        return RtspReply(200, (("Content-Base", base), ("Content-Type", "application/sdp")), body)

    def _retry_after(self) -> tuple[tuple[str, str], ...]:
        seconds = self._ports.quirks.retry_after_s
        return (("Retry-After", str(seconds)),) if seconds else ()

    async def _setup(self, request: RtspRequest) -> RtspReply:
        reply = await self._set_up(request)
        if reply.status != 200:
            self._ports.counters.totals["refused_setups"] += 1
        return reply

    async def _set_up(self, request: RtspRequest) -> RtspReply:
        quirks, faults, totals = self._ports.quirks, self._ports.faults, self._ports.counters.totals
        stream = self._ports.streams.get(request.path)
        if stream is None:
            return RtspReply(404)
        wish = parse_transport(request.headers.get("transport", ""))
        if wish is None or (quirks.udp_only if wish.tcp else quirks.tcp_only):
            return RtspReply(461)
        if request.is_sound:
            return self._set_up_sound(request, wish)
        full = faults.max_sessions and self._ports.sessions() >= faults.max_sessions
        if full or len(self.sessions) >= MOST_SESSIONS:
            return RtspReply(453, self._retry_after())
        await stream.ready()
        outlet, place = self._outlet(wish, 2 * len(self.sessions))
        totals["tcp_setups" if wish.tcp else "udp_setups"] += 1
        ports_of = self._ports
        session = RtspSession(
            f"{ports_of.dice.getrandbits(64):016X}",
            SessionPorts(stream, faults, quirks, ports_of.counters, ports_of.clock, ports_of.dice),
            outlet,
        )
        self.sessions[session.id] = session
        ident = f"{session.id};timeout={quirks.session_timeout_s}"
        return RtspReply(200, (("Transport", f"{place};ssrc={session.ssrc:08X}"), ("Session", ident)))

    def _set_up_sound(self, request: RtspRequest, wish: Transport) -> RtspReply:
        """Add the sound to a session that has its picture."""
        session, sound = self.sessions.get(request.session), self._ports.quirks.sound
        if session is None or sound is Sound.NONE or session.sound is not None:
            return RtspReply(404 if session else 454)
        outlet, place = self._outlet(wish, 2 * len(self.sessions))
        session.sound = SoundTrack(sound, outlet, self._ports.dice)
        self._ports.counters.totals["sound_setups"] += 1
        return RtspReply(200, (("Transport", f"{place};ssrc={session.sound.ssrc:08X}"), ("Session", session.id)))

    def _outlet(self, wish: Transport, free_channel: int) -> tuple[Outlet, str]:
        """Return the way out that a client wished for, and the Transport line that says so."""
        if wish.tcp:
            channel = wish.first if wish.first is not None else free_channel
            outlet = InterleavedOutlet(self._sink, channel)
            return outlet, f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        assert wish.first is not None
        quirks = self._ports.quirks
        peer = self._writer.get_extra_info("peername")[0]
        udp = UdpOutlet(self._server.address, peer, wish.first, self._touch, lambda: quirks.udp_swaps)
        ours = "" if quirks.udp_no_ports else f";server_port={udp.port}-{udp.port + 1}"
        return udp, f"RTP/AVP;unicast;client_port={wish.first}-{wish.first + 1}{ours}"

    def _steer(self, method: str, session: RtspSession, request: RtspRequest) -> RtspReply:
        ident = ("Session", session.id)
        if method == "PLAY":
            seq, time_90k = session.play()
            url = request.url.rstrip("/").removesuffix(TRACK).rstrip("/")
            info = f"url={url}/{TRACK};seq={seq & 0xFFFF};rtptime={time_90k}"
            return RtspReply(200, (ident, ("Range", "npt=now-"), ("RTP-Info", info)))
        if method == "PAUSE":
            session.pause()
            return RtspReply(200, (ident,))
        del self.sessions[session.id]
        session.close()
        return RtspReply(200, (ident,))
