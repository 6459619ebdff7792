"""The fast way out: one system call a frame and viewer (UDP_SEGMENT, Linux 4.18; SRTP in place).

Owns `SegmentSender`, which sends what `sender.send_packets` sends, packet for packet. Invariants: a frame is laid
out once for all viewers with the same header and tag; segments of one call are equal but for the last
(udp(7)); a packet is encrypted once: where a call with segments is refused, the same packets go singly, for
that path of that viewer until it changes; nothing blocks and no OSError leaves.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway.live.frames import Frame
from gateway.live.rtcp import ntp_time
from gateway.live.sender import ONE_BYTE_EXTENSION, Outlet, SendFrame, Viewer, begins, send_frame, send_packets
from gateway.live.srtp import BUFFER_BYTES, Buffer, Key, usable

UDP_SEGMENT = 103
"""linux/udp.h; `socket` has no name for it."""
MOST_SEGMENTS = 48
"""Of one call: kernels take 64, and 65,507 bytes."""
REFUSED = frozenset({errno.EMSGSIZE, errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP})
"""What a path answers that cannot take segments: a small MTU, no checksum offload, an odd device."""
_HEAD = struct.Struct("!BBHII")
_NUMBERS = struct.Struct("!BHII")
_EXTENSION = struct.Struct("!II")


@dataclass(frozen=True, slots=True)
class Run:
    """Packets of one system call: equal segments, the last may be shorter."""

    image: bytes
    """Headers without their numbers, payloads, room for the tags."""
    packets: tuple[tuple[int, Any, int, int], ...]
    """Offset of the numbers, address, length before the tag, marker bit."""
    ends: tuple[tuple[int, int], ...]
    """Where each protected packet begins and ends."""
    control: list[tuple[int, int, bytes]]
    """Ancillary data that names the segment size; empty for a single packet."""
    payload_bytes: int
    head_bytes: int


class SegmentSender:
    """Fits `sender.SendFrame`. `segments` False sends each packet singly, still encrypted in place."""

    def __init__(self, *, segments: bool) -> None:
        self._segments = segments
        self._buffer = Buffer()

    def __call__(
        self, frame: Frame, viewers: Iterable[Viewer], *, now_ms: int, first: int = 0, end: int | None = None
    ) -> None:
        """Send packets `first` to `end` of one frame to each viewer; see `sender.SendFrame`."""
        stamp = ntp_time(now_ms) >> 14 & 0xFFFFFF
        end = len(frame.payloads) if end is None else end
        laid_out: dict[tuple[int, int], tuple[Run, ...]] = {}
        for viewer in viewers:
            if not begins(viewer, frame, first):
                continue
            outlet, key = viewer.path(), viewer.key
            if outlet is None:
                continue
            if key is None:
                send_packets(frame, viewer, outlet, stamp, first, end)
                continue
            form = (viewer.numbers.abs_send_time_id, key.tag_bytes)
            runs = laid_out.get(form)
            if runs is None:
                runs = laid_out[form] = self._lay_out(frame, form, stamp, first, end)
            if self._send(frame, runs, viewer, outlet, key):
                viewer.sent(frame, end)

    def _lay_out(self, frame: Frame, form: tuple[int, int], stamp: int, first: int, end: int) -> tuple[Run, ...]:
        """Return the system calls of a frame for one form of header and tag."""
        extension_id, tag_bytes = form
        last = len(frame.payloads) - 1
        runs: list[Run] = []
        at = first
        while at < end:
            size = len(frame.payloads[at])
            until = at + 1
            while until < end and until - at < MOST_SEGMENTS and len(frame.payloads[until]) <= size:
                until += 1
                if len(frame.payloads[until - 1]) < size:
                    break
            head = _HEAD.pack(0x80, 0, 0, 0, 0)
            if extension_id:
                element = (extension_id << 4 | 2) << 24 | stamp
                head = _HEAD.pack(0x90, 0, 0, 0, 0) + _EXTENSION.pack(ONE_BYTE_EXTENSION, element)
            runs.append(self._run(frame.payloads[at:until], head, tag_bytes, last - at))
            at = until
        return tuple(runs)

    def _run(self, payloads: tuple[bytes, ...], head: bytes, tag_bytes: int, marked: int) -> Run:
        step = len(head) + len(payloads[0]) + tag_bytes
        assert step * len(payloads) <= BUFFER_BYTES
        packets, ends = [], []
        for place, payload in enumerate(payloads):
            start, length = place * step, len(head) + len(payload)
            packets.append((start + 1, self._buffer.pointer(start), length, 0x80 if place == marked else 0))
            ends.append((start, start + length + tag_bytes))
        room = bytes(tag_bytes)
        return Run(
            image=b"".join(part for payload in payloads for part in (head, payload, room)),
            packets=tuple(packets),
            ends=tuple(ends),
            control=[(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", step))] if len(payloads) > 1 else [],
            payload_bytes=sum(map(len, payloads)),
            head_bytes=len(head),
        )

    def _send(self, frame: Frame, runs: tuple[Run, ...], viewer: Viewer, outlet: Outlet, key: Key) -> bool:
        numbers, context = viewer.numbers, key.context
        kind, ssrc, ts = numbers.payload_type, numbers.ssrc, (frame.ts_90k + numbers.ts_offset) & 0xFFFFFFFF
        buffer = self._buffer
        view, length, protect, pack = buffer.view, buffer.length, buffer.protect, _NUMBERS.pack_into
        for run in runs:
            view[: len(run.image)] = run.image
            seq = viewer.next_seq
            for offset, pointer, size, marker in run.packets:
                pack(view, offset, kind | marker, seq & 0xFFFF, ts, ssrc)
                length[0] = size
                if protect(context, pointer, length):
                    viewer.fail(burnt=seq + 1 - viewer.next_seq)
                    return False
                seq += 1
            if not self._out(run, viewer, outlet):
                return False
            viewer.count(len(run.packets), run.payload_bytes, len(run.image))
        return True

    def _out(self, run: Run, viewer: Viewer, outlet: Outlet) -> bool:
        """Send an encrypted run; False when the viewer must wait for the next key frame."""
        view = self._buffer.view
        sink, address = outlet.socket, outlet.address
        singly = not run.control or not self._segments or viewer.singly_on is outlet
        try:
            if not singly and isinstance(sink, socket.socket):
                try:
                    sink.sendmsg((view[: len(run.image)],), run.control, socket.MSG_DONTWAIT, address)
                except BlockingIOError:
                    viewer.full()
                    return False
                except OSError as error:
                    if error.errno not in REFUSED:
                        raise
                    viewer.singly_on = outlet
                    viewer.refused_segments += 1
                else:
                    return True
            return self._singly(run, viewer, outlet)
        except OSError:
            # No route, no interface: this viewer's trouble. What was encrypted is never encrypted differently.
            viewer.fail(burnt=len(run.packets))
            return False

    def _singly(self, run: Run, viewer: Viewer, outlet: Outlet) -> bool:
        view = self._buffer.view
        for place, (start, end) in enumerate(run.ends):
            try:
                outlet.socket.sendto(bytes(view[start:end]), socket.MSG_DONTWAIT, outlet.address)
            except BlockingIOError:
                octets = sum(size - run.head_bytes for _, _, size, _ in run.packets[:place])
                viewer.count(place, octets, start)
                viewer.full()
                return False
        return True


def takes_segments() -> bool:
    """Say whether this kernel cuts a datagram for us: two segments sent to ourselves must arrive as two."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
    ):
        try:
            there.bind(("127.0.0.1", 0))
            there.setblocking(False)
            control = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", 4))]
            here.sendmsg((b"onetwo",), control, socket.MSG_DONTWAIT, there.getsockname())
            return [there.recv(16) for _ in range(2)] == [b"onet", b"wo"]
        except OSError:
            return False


def best_sender() -> SendFrame:
    """Return the fastest sender that this kernel and this pylibsrtp allow, tried once at start."""
    if not usable():
        return send_frame
    return SegmentSender(segments=takes_segments())
