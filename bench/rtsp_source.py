"""How much of one core the RTSP client needs: 32 cameras, three ways of arriving.

    python -m bench.rtsp_source [--cameras 32] [--mbit 2] [--seconds 10] [--shape even|phased|burst]

A child process plays the cameras (15 pictures a second, a key frame each 2 s, 1,400-byte packets): `burst` sends
all cameras' pictures at once, `phased` each camera's picture at its own moment, in one go, `even` spreads every
packet over the picture's time, so that every camera has something at every wake-up: the worst case. The
figure is the schedstat of all our threads, without any recording behind the sink.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import socket
import struct
import time
from multiprocessing.connection import Connection
from pathlib import Path

from drivers.gate import LoginGate
from drivers.rtsp.network import NetworkStatistics, RtspNetwork
from drivers.rtsp.source import RtspSource
from gateway.core.media import AccessUnit, CodecConfig

FPS, GOP, PAYLOAD_BYTES = 15, 30, 1400
KEY_SHARE = 8
"""How many times larger a key frame is than the pictures between."""
SDP = (
    "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 sprop-parameter-sets=Z0LAKNoB4AiflwFuAgICgAAB9AAAdTAR4wZUAA==,aM48gA==\r\n"
)
SETUP = "Session: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n"


class Camera:
    """One connection that plays: knows its next packets."""

    def __init__(self, link: socket.socket, picture_bytes: int) -> None:
        self.link, self.sequence, self.number = link, 0, 0
        self._picture_bytes = picture_bytes

    def picture(self) -> list[bytes]:
        """Return the interleaved frames of the next picture."""
        key = self.number % GOP == 0
        left = self._picture_bytes * (KEY_SHARE if key else 1)
        stamp, kind, frames = self.number * 90_000 // FPS, 5 if key else 1, []
        self.number += 1
        first = True
        while left > 0:
            size = min(left, PAYLOAD_BYTES - 14)
            left -= size
            flags = first << 7 | (left <= 0) << 6 | kind
            head = struct.pack(
                ">cBHBBHIIBB", b"$", 0, size + 14, 0x80, 96 | (left <= 0) << 7, self.sequence, stamp, 7, 0x7C, flags
            )
            frames.append(head + b"\x88" * size)
            self.sequence = (self.sequence + 1) & 0xFFFF
            first = False
        return frames


def shake_hands(link: socket.socket) -> None:
    """Answer requests until PLAY."""
    rest = b""
    while True:
        while b"\r\n\r\n" not in rest:
            rest += link.recv(65536)
        block, _, rest = rest.partition(b"\r\n\r\n")
        method, cseq = block.split(b" ", 1)[0].decode(), block.split(b"CSeq: ")[1].split(b"\r\n")[0].decode()
        extra = SETUP if method == "SETUP" else ""
        body = SDP if method == "DESCRIBE" else ""
        link.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        if method == "PLAY":
            link.setblocking(False)
            return


def send_for_ever(cameras: list[Camera], shape: str) -> None:
    """Send in slots of a millisecond until the client hangs up."""
    slots = 1000 // FPS
    plan: list[list[tuple[Camera, bytes]]] = []
    began, slot = time.monotonic(), 0
    while True:
        if slot % slots == 0:
            plan = [[] for _ in range(slots)]
            for index, camera in enumerate(cameras):
                frames = camera.picture()
                for place, frame in enumerate(frames):
                    at = {"burst": 0, "phased": index * slots // len(cameras), "even": place * slots // len(frames)}[
                        shape
                    ]
                    plan[at].append((camera, frame))
        by_link: dict[Camera, list[bytes]] = {}
        for camera, frame in plan[slot % slots]:
            by_link.setdefault(camera, []).append(frame)
        for camera, frames in by_link.items():
            camera.link.sendall(b"".join(frames))
        slot += 1
        wait_s = began + slot / 1000 - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)


def farm(count: int, picture_bytes: int, shape: str, ports: Connection) -> None:
    """Be the cameras; runs in the child process until killed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=count)
    ports.send(listener.getsockname()[1])
    cameras = []
    for _ in range(count):
        link, _ = listener.accept()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        shake_hands(link)
        cameras.append(Camera(link, picture_bytes))
    with contextlib.suppress(OSError):  # the client hung up
        send_for_ever(cameras, shape)


class Count:
    """A sink that only counts."""

    units = 0

    def playing(self, config: CodecConfig | None) -> None:
        assert config is not None

    def unit(self, unit: AccessUnit) -> None:
        self.units += unit.is_key


def cpu_ns() -> int:
    """Return the CPU time of all our threads."""
    tasks = Path("/proc/self/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())


def total(statistics: NetworkStatistics, name: str) -> int:
    return sum(getattr(stream, name) for stream in statistics.streams)


async def measure(count: int, port: int, seconds: float) -> None:
    """Play all cameras and print three windows."""
    async with RtspNetwork() as network:
        place = RtspSource("127.0.0.1", port, "/")
        tasks = [asyncio.ensure_future(network.play(place, LoginGate(None), Count())) for _ in range(count)]
        await asyncio.sleep(3)
        for _ in range(3):
            before, cpu, began = network.statistics(), cpu_ns(), time.monotonic()
            await asyncio.sleep(seconds)
            after, used, took = network.statistics(), cpu_ns() - cpu, time.monotonic() - began

            def rate(name: str) -> float:
                return (total(after, name) - total(before, name)) / took  # noqa: B023 - called within this turn

            print(
                f"{len(after.streams)} cameras: {used / took / 1e7:.2f} % of one core,",
                f"{rate('bytes') * 8e-6:.1f} Mbit/s, {rate('packets'):.0f} packets/s, {rate('units'):.0f} units/s,",
                f"{rate('reads'):.0f} reads/s, {(after.wakes - before.wakes) / took:.0f} wakes/s,",
                f"lost {total(after, 'lost')}, damaged {total(after, 'damaged')}",
            )
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cameras", type=int, default=32)
    parser.add_argument("--mbit", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--shape", choices=["even", "phased", "burst"], default="phased")
    chosen = parser.parse_args()
    picture_bytes = int(chosen.mbit * 1e6 / 8 / FPS * GOP / (GOP - 1 + KEY_SHARE))
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=farm, args=(chosen.cameras, picture_bytes, chosen.shape, there), daemon=True)
    child.start()
    try:
        asyncio.run(measure(chosen.cameras, here.recv(), chosen.seconds))
    finally:
        child.kill()
        child.join()


if __name__ == "__main__":
    main()
