"""Cameras for the benches: one process of ours that plays real H.264 over RTSP, in bursts or as a LAN would.

    python -m bench.sources --cameras 32 --shape lan

Owns the clips, the handshake and the pacing. Invariants: camera `i` plays at `/i/main` and `/i/sub`, each on a
fixed clock with its own phase, so pictures and key frames of the cameras are spread evenly; every connection
begins with a key frame; in `lan` the bytes leave in segments of 1460 every 120 us, never two closer than
60 us, as from a 100 Mbit/s port; in `burst` a whole picture leaves at once. A line on stdin asks for the
pictures sent on each open connection; end of stdin ends the process.
"""

from __future__ import annotations

import argparse
import base64
import ctypes
import heapq
import json
import selectors
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

FPS, GOP = 15, 30
CLIP_PICTURES = 120
PAYLOAD_BYTES = 1400
SEGMENT_BYTES, GAP_NS, LEAST_GAP_NS = 1460, 120_000, 60_000
LATE_NS = 2_000_000
MAIN, SUB = (1920, 1080, 2_000_000), (640, 360, 400_000)
_HEAD = struct.Struct(">cBHBBHII")
_PATCH = struct.Struct(">HII")


@dataclass(frozen=True, slots=True)
class Clip:
    """A loop of pictures, each as interleaved RTP frames with blanks for sequence, time and SSRC."""

    sps: bytes
    pps: bytes
    pictures: tuple[bytes, ...]
    offsets: tuple[tuple[int, ...], ...]
    """Where the RTP sequence number of each packet of a picture lies."""


def packetize(nals: list[bytes]) -> tuple[bytes, tuple[int, ...]]:
    """Return one picture as interleaved frames (RFC 6184: single NAL unit packets and FU-A)."""
    payloads: list[bytes] = []
    for nal in nals:
        if len(nal) <= PAYLOAD_BYTES:
            payloads.append(nal)
            continue
        step, body = PAYLOAD_BYTES - 2, nal[1:]
        for at in range(0, len(body), step):
            flags = (at == 0) << 7 | (at + step >= len(body)) << 6 | nal[0] & 31
            payloads.append(bytes((nal[0] & 0xE0 | 28, flags)) + body[at : at + step])
    frames, offsets = bytearray(), []
    for place, payload in enumerate(payloads):
        offsets.append(len(frames) + 6)
        marker = 0x80 if place == len(payloads) - 1 else 0
        frames += _HEAD.pack(b"$", 0, 12 + len(payload), 0x80, marker | 96, 0, 0, 0) + payload
    return bytes(frames), tuple(offsets)


def encode(width: int, height: int, bitrate_bps: int) -> Clip:
    """Return a loop of pictures, packetised."""
    sps, pps, pictures = encode_nals(width, height, bitrate_bps)
    pairs = [packetize([*((sps, pps) if place % GOP == 0 else ()), *nals]) for place, nals in enumerate(pictures)]
    return Clip(sps, pps, tuple(data for data, _ in pairs), tuple(offsets for _, offsets in pairs))


def encode_nals(width: int, height: int, bitrate_bps: int, seed: int = 7) -> tuple[bytes, bytes, list[list[bytes]]]:
    """Encode with libx264 a textured wall, things that move over it, and sensor noise: SPS, PPS, slices."""
    rng = np.random.default_rng(seed)
    wall = rng.integers(60, 180, (height // 8, width // 8)).repeat(8, 0).repeat(8, 1)
    noise = rng.integers(-6, 7, (height + 64, width + 64))
    codec = av.CodecContext.create("libx264", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, FPS), Fraction(FPS)
    codec.bit_rate = bitrate_bps
    rate = f"vbv-maxrate={bitrate_bps // 1000}:vbv-bufsize={bitrate_bps // 500}"
    shape = f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=0:slices=1:sliced-threads=0:mbtree=0:ipratio=1.2"
    codec.options = {"preset": "veryfast", "profile": "main", "x264-params": f"{shape}:{rate}"}
    pictures: list[list[bytes]] = []
    sps = pps = b""
    for number in range(CLIP_PICTURES + 1):
        packets = codec.encode(_picture(wall, noise, number, rng) if number < CLIP_PICTURES else None)
        for packet in packets:
            nals = [part.rstrip(b"\0") for part in bytes(packet).split(b"\0\0\1")]
            nals = [nal for nal in nals if nal]
            sps = next((nal for nal in nals if nal[0] & 31 == 7), sps)
            pps = next((nal for nal in nals if nal[0] & 31 == 8), pps)
            pictures.append([nal for nal in nals if nal[0] & 31 in (1, 5)])
    return sps, pps, pictures


def _picture(wall: np.ndarray, noise: np.ndarray, number: int, rng: np.random.Generator) -> av.VideoFrame:
    height, width = wall.shape
    y, x = (int(value) for value in rng.integers(0, 64, 2))
    luma = wall + noise[y : y + height, x : x + width]
    for item in range(6):
        left, top = (number * (3 + item) * 4 + item * 190) % (width - 80), (item * 97) % (height - 80)
        luma[top : top + 80, left : left + 80] = 40 + item * 30
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = np.clip(luma, 0, 255)
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts, frame.time_base = number, Fraction(1, FPS)
    return frame


@dataclass(eq=False, slots=True)
class Connection:
    """One client that plays one stream."""

    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)
    camera: int = -1
    role: str = ""
    playing: bool = False
    started: bool = False
    sequence: int = 0
    sent: int = 0
    """Pictures whose bytes have all left."""
    stalls: int = 0
    waiting: deque[memoryview] = field(default_factory=deque)
    queued: deque[int] = field(default_factory=deque)
    """Segments that remain of each picture in `waiting`."""
    gone: bool = False


class Source:
    """All cameras; single-threaded, `run` returns at end of stdin."""

    def __init__(self, cameras: int, shape: str, clips: dict[str, Clip]) -> None:
        self._cameras, self._lan, self._clips = cameras, shape == "lan", clips
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(sys.stdin.buffer, selectors.EVENT_READ)
        self._playing: dict[tuple[int, str], list[Connection]] = {}
        self._connections: dict[socket.socket, Connection] = {}
        self._due: list[tuple[int, int, Connection | tuple[int, str, int]]] = []
        self._ties = 0
        self._segments = self._late = 0
        self._over = False

    def run(self) -> None:
        """Play until stdin ends."""
        ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)  # PR_SET_TIMERSLACK: sleep as told, not 50 us longer
        print(json.dumps({"port": self._listener.getsockname()[1]}), flush=True)
        start_ns = time.monotonic_ns()
        for camera in range(self._cameras):
            for role in self._clips:
                self._push(start_ns + camera * 1_000_000_000 // FPS // self._cameras, (camera, role, 0))
        looked_ns = 0
        while not self._over:
            now_ns = time.monotonic_ns()
            if now_ns - looked_ns > 4_000_000:
                looked_ns = now_ns
                self._look()
            ahead_ns = self._due[0][0] - now_ns
            if ahead_ns > 0:
                time.sleep(min(ahead_ns, 4_000_000) / 1e9)
                continue
            due_ns, _, what = heapq.heappop(self._due)
            if isinstance(what, Connection):
                self._segment(what, due_ns, now_ns)
            else:
                self._next_picture(due_ns, *what)

    def _push(self, due_ns: int, what: Connection | tuple[int, str, int]) -> None:
        self._ties += 1
        heapq.heappush(self._due, (due_ns, self._ties, what))

    def _next_picture(self, due_ns: int, camera: int, role: str, number: int) -> None:
        self._push(due_ns + 1_000_000_000 // FPS, (camera, role, number + 1))
        clip = self._clips[role]
        place = (number + camera * 7) % CLIP_PICTURES
        for connection in self._playing.get((camera, role), ()):
            connection.started |= place % GOP == 0
            if not connection.started:
                continue
            data = bytearray(clip.pictures[place])
            stamp = (number * 90_000 // FPS) & 0xFFFFFFFF
            for offset in clip.offsets[place]:
                _PATCH.pack_into(data, offset, connection.sequence, stamp, 0x1000 + camera)
                connection.sequence = (connection.sequence + 1) & 0xFFFF
            idle = not connection.waiting
            view, step = memoryview(data), SEGMENT_BYTES if self._lan else len(data)
            pieces = [view[at : at + step] for at in range(0, len(data), step)]
            connection.waiting.extend(pieces)
            connection.queued.append(len(pieces))
            if idle:
                self._segment(connection, due_ns, time.monotonic_ns())

    def _segment(self, connection: Connection, due_ns: int, now_ns: int) -> None:
        if connection.gone or not connection.waiting:
            return
        piece = connection.waiting[0]
        try:
            size = connection.sock.send(piece)
        except BlockingIOError:
            size = 0
        except OSError:
            self._close(connection)
            return
        self._segments += 1
        self._late += now_ns - due_ns > LATE_NS
        if size < len(piece):
            connection.waiting[0] = piece[size:]
            connection.stalls += 1
            self._push(now_ns + 1_000_000, connection)
            return
        connection.waiting.popleft()
        connection.queued[0] -= 1
        if not connection.queued[0]:
            connection.queued.popleft()
            connection.sent += 1
        if connection.waiting:
            self._push(max(due_ns + GAP_NS, now_ns + LEAST_GAP_NS) if self._lan else now_ns, connection)

    def _look(self) -> None:
        """Take what clients and the bench say."""
        for key, _ in self._selector.select(0):
            if key.fileobj is self._listener:
                self._accept()
            elif key.data is None:
                line = sys.stdin.buffer.readline()
                self._over = not line
                if line:
                    self._report()
            else:
                self._read(key.data)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
            self._connections[sock] = connection = Connection(sock)
            self._selector.register(sock, selectors.EVENT_READ, connection)

    def _report(self) -> None:
        rows = [
            {"camera": item.camera, "role": item.role, "sent": item.sent, "stalls": item.stalls}
            for item in self._connections.values()
            if item.playing
        ]
        counts = {"segments": self._segments, "late": self._late}
        print(json.dumps({"connections": rows, **counts}), flush=True)

    def _close(self, connection: Connection) -> None:
        if connection.gone:
            return
        connection.gone = True
        self._selector.unregister(connection.sock)
        del self._connections[connection.sock]
        connection.sock.close()
        if connection.playing:
            self._playing[connection.camera, connection.role].remove(connection)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        connection.received += data
        buffer = connection.received
        while buffer:
            if buffer[0] == 0x24:  # a receiver report: nothing to learn from it
                if len(buffer) < 4 or len(buffer) < 4 + (buffer[2] << 8 | buffer[3]):
                    return
                del buffer[: 4 + (buffer[2] << 8 | buffer[3])]
                continue
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            block = bytes(buffer[:end]).decode()
            del buffer[: end + 4]
            self._answer(connection, block)
            if connection.gone:
                return

    def _answer(self, connection: Connection, block: str) -> None:
        first, *lines = block.split("\r\n")
        method, url, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        reply, body = [f"CSeq: {headers['cseq']}", "Session: 1;timeout=60"], ""
        if method == "OPTIONS":
            reply.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
        elif method == "DESCRIBE":
            camera, role = url.split("/")[3:5]
            connection.camera, connection.role = int(camera), role
            body = self._sdp(self._clips[role])
            reply += [f"Content-Base: {url}/", "Content-Type: application/sdp"]
        elif method == "SETUP":
            reply.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        reply.append(f"Content-Length: {len(body)}")
        data = ("RTSP/1.0 200 OK\r\n" + "\r\n".join(reply) + "\r\n\r\n" + body).encode()
        if connection.waiting:  # whole frames stay whole: after what is on its way
            connection.waiting.append(memoryview(data))
            connection.queued[-1] += 1
        else:
            try:
                connection.sock.send(data)
            except OSError:
                self._close(connection)
                return
        if method == "PLAY":
            connection.playing = True
            self._playing.setdefault((connection.camera, connection.role), []).append(connection)
        elif method == "TEARDOWN":
            self._close(connection)

    @staticmethod
    def _sdp(clip: Clip) -> str:
        sets = ",".join(base64.b64encode(item).decode() for item in (clip.sps, clip.pps))
        lines = (
            "v=0",
            "o=- 1 1 IN IP4 127.0.0.1",
            "s=bench",
            "c=IN IP4 0.0.0.0",
            "t=0 0",
            "a=control:*",
            "m=video 0 RTP/AVP 96",
            "a=rtpmap:96 H264/90000",
            f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}",
            f"a=framerate:{FPS}",
            "a=control:track1",
        )
        return "\r\n".join(lines) + "\r\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sources")
    parser.add_argument("--cameras", type=int, default=32)
    parser.add_argument("--shape", choices=("lan", "burst"), default="lan")
    parser.add_argument("--sub", action="store_true", help="offer sub streams as well")
    chosen = parser.parse_args()
    clips = {"main": encode(*MAIN)} | ({"sub": encode(*SUB)} if chosen.sub else {})
    Source(chosen.cameras, chosen.shape, clips).run()


if __name__ == "__main__":
    main()
