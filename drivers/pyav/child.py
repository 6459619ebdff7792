"""The process in which FFmpeg takes one stream apart: no login, no address of a camera, no way out.

Owns the child's life: open the relay's loopback port, be locked up while that is the only connection and
before a byte of a camera has come, then hand over pictures until it ends. Invariants: when FFmpeg reads what
a camera sent, this process can open no file, no socket and no program, and what it holds is one
connection to our own relay and two pipes; whatever breaks here ends one stream.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import av
import av.error
import av.logging
import av.subtitles.stream
import av.video.stream

from drivers.pyav import pipe
from drivers.pyav.pipe import Ended, Order
from gateway.core import cage

NEEDED = frozenset({"getsockopt", "recvfrom", "sendto", "shutdown"})
"""System calls of one connected socket, besides those of the cage; no `socket`, no `connect`."""
TICKS_PER_S = 90_000


def read_message(requests: BinaryIO, kind: int) -> bytes | None:
    """Return the body of the next message; None if the recorder is gone or says something else."""
    head = requests.read(pipe.HEAD.size)
    if len(head) < pipe.HEAD.size:
        return None
    found, length = pipe.HEAD.unpack(head)
    return requests.read(length) if found == kind and length <= pipe.MOST_ORDER_BYTES else None


def lock_up(
    requests: BinaryIO,
    replies: BinaryIO,
    *,
    sandbox: bool,
    enter: Callable[[], str] = lambda: cage.enter(lambda: cage.lock(NEEDED, all_threads=True)),
    leave: Callable[[int], object] = os._exit,
) -> None:
    """Wait for LOCK, then lock up every thread and say so; run beside the thread that is in FFmpeg.

    `leave` ends the process at once: FFmpeg waits for the relay and cannot be asked.
    """
    if read_message(requests, pipe.LOCK) is None:
        leave(0)
        return
    why = enter() if sandbox else ""
    replies.write(pipe.frame(pipe.REFUSED if why else pipe.CAGED, why.encode()[: pipe.MOST_ORDER_BYTES]))
    replies.flush()
    if why:
        leave(cage.EXIT_REFUSED)


def options(order: Order) -> dict[str, str]:
    """Return FFmpeg's options: TCP only, no other protocol, little probing, its own limit of patience."""
    return {
        "rtsp_transport": "tcp",
        "protocol_whitelist": "tcp",
        "allowed_media_types": "video",
        "user_agent": order.word,
        "timeout": str(int(order.silent_s * 1e6)),
        "analyzeduration": "100000",
        "probesize": "32",
        "max_streams": "1",
    }


def pictures(order: Order) -> Iterator[tuple[int | None, bytes]]:
    """Open the relay and yield each picture with its time; raises FFmpegError at the end."""
    container = av.open(
        f"rtsp://127.0.0.1:{order.port}/", format="rtsp", options=options(order), timeout=order.silent_s
    )
    with container:
        for packet in container.demux(video=0):
            if packet.size:
                yield ticks(packet), bytes(packet)


def ticks(packet: av.Packet[Any]) -> int | None:
    """Return a packet's time in 90 kHz ticks; None without one."""
    if packet.pts is None or packet.time_base is None:
        return None
    return round(packet.pts * packet.time_base * TICKS_PER_S)


def stream(order: Order, replies: BinaryIO, source: Callable[[Order], Iterator[tuple[int | None, bytes]]]) -> None:
    """Write all pictures and why they ended."""
    ended = Ended.CLOSED
    try:
        for pts_90k, data in source(order):
            if len(data) <= pipe.MOST_UNIT_BYTES - 8:
                replies.write(pipe.encode_unit(pts_90k, data))
                replies.flush()
    except (av.error.ExitError, TimeoutError):
        ended = Ended.SILENT
    except (av.error.EOFError, ConnectionError):
        pass
    except av.error.FFmpegError:
        ended = Ended.BAD
    replies.write(pipe.frame(pipe.END, ended.value.encode()))
    replies.flush()


def main() -> int:
    """Run the child; the exit status is 0 when the stream ended or the recorder is gone."""
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    body = read_message(requests, pipe.ORDER)
    if body is None:
        return 0
    order = pipe.decode_order(body)
    av.logging.set_level(None)
    cage.limit_resources(nice=0)
    threading.Thread(
        target=lock_up, args=(requests, replies), kwargs={"sandbox": order.sandbox}, daemon=True, name="lock"
    ).start()
    stream(order, replies, pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
