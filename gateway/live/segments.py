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
from itertools import repeat
from typing import Any

from gateway.live.frames import Frame
from gateway.live.rtcp import ntp_time
from gateway.live.sender import ONE_BYTE_EXTENSION, Outlet, SendFrame, Viewer, begins, send_frame, send_packets
from gateway.live.srtp import BUFFER_BYTES, MOST_SEGMENTS, Buffer, Key, usable

UDP_SEGMENT = 103
"""linux/udp.h; `socket` has no name for it."""
REFUSED = frozenset({errno.EMSGSIZE, errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP})
"""What a path answers that cannot take segments: a small MTU, no checksum offload, an odd device."""
_HEAD = struct.Struct("!BBHII")
_NUMBERS = struct.Struct("!BHII")
_EXTENSION = struct.Struct("!II")


@dataclass(slots=True, eq=False)
class Run:
    """Packets of one system call: equal segments, the last may be shorter."""

    image: bytearray
    """Headers with the numbers of `numbered`, payloads, room for the tags."""
    numbered: tuple[int, int, int, int]
    """Payload type, source, RTP time and first sequence number in the headers: most viewers share them."""
    place: memoryview
    """Where in the buffer the image goes and the packets leave from."""
    numbers: tuple[tuple[int, int], ...]
    """Of each packet: offset of its numbers, marker bit."""
    pointers: tuple[Any, ...]
    """Of each packet: its address, for libsrtp."""
    lengths: tuple[Any, ...]
    """Of each packet: the address of its length, which libsrtp reads and makes longer."""
    sizes: bytes
    """What those lengths are before the tags, as one array."""
    ends: tuple[tuple[int, int], ...]
    """Where each protected packet begins and ends."""
    control: list[tuple[int, int, bytes]]
    """Ancillary data that names the segment size; empty for a single packet."""
    payload_bytes: int
    octets: tuple[int, ...]
    """Of each packet: the payload's bytes."""


def _number(run: Run, wanted: tuple[int, int, int, int]) -> None:
    """Write a viewer's numbers into the headers; the next viewer with the same ones finds them there."""
    kind, ssrc, ts, seq = run.numbered = wanted
    for offset, marker in run.numbers:
        _NUMBERS.pack_into(run.image, offset, kind | marker, seq & 0xFFFF, ts, ssrc)
        seq += 1


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
        at, received_ns = frame.first_index + first, frame.received_mono_ns
        for viewer in viewers:
            # Most viewers stand where the last frame ended and have a right to this one; `begins` is for the others.
            stands = viewer.next_seq - viewer.shift == at and received_ns < viewer.not_after_ns
            if (viewer.waits_for_key or not stands) and not begins(viewer, frame, first):
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
        step, count, buffer = len(head) + len(payloads[0]) + tag_bytes, len(payloads), self._buffer
        assert step * count <= BUFFER_BYTES
        assert count <= MOST_SEGMENTS
        starts = range(0, count * step, step)
        sizes = [len(head) + len(payload) for payload in payloads]
        room = bytes(tag_bytes)
        image = b"".join(part for payload in payloads for part in (head, payload, room))
        return Run(
            image=bytearray(image),
            numbered=(0, 0, 0, 0),
            place=buffer.view[: len(image)],
            numbers=tuple((start + 1, 0x80 if place == marked else 0) for place, start in enumerate(starts)),
            pointers=tuple(map(buffer.pointer, starts)),
            lengths=buffer.lengths[:count],
            sizes=struct.pack(f"={count}i", *sizes),
            ends=tuple((start, start + size + tag_bytes) for start, size in zip(starts, sizes, strict=True)),
            control=[(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", step))] if count > 1 else [],
            payload_bytes=sum(map(len, payloads)),
            octets=tuple(map(len, payloads)),
        )

    def _send(self, frame: Frame, runs: tuple[Run, ...], viewer: Viewer, outlet: Outlet, key: Key) -> bool:
        numbers = viewer.numbers
        kind, ssrc, ts = numbers.payload_type, numbers.ssrc, (frame.ts_90k + numbers.ts_offset) & 0xFFFFFFFF
        buffer, contexts = self._buffer, repeat(key.context)
        sizes, protect = buffer.sizes, buffer.protect
        for run in runs:
            wanted = kind, ssrc, ts, viewer.next_seq & 0xFFFF
            if run.numbered != wanted:
                _number(run, wanted)
            run.place[:] = run.image
            sizes[: len(run.sizes)] = run.sizes
            # In C up to the first error: a turn of Python's loop for each packet cost as much as a third of its cipher.
            if any(map(protect, contexts, run.pointers, run.lengths)):
                viewer.fail(burnt=len(run.numbers))
                return False
            if not self._out(run, viewer, outlet):
                return False
            viewer.count(len(run.numbers), run.payload_bytes, len(run.image))
        return True

    def _out(self, run: Run, viewer: Viewer, outlet: Outlet) -> bool:
        """Send an encrypted run; False when the viewer must wait for the next key frame."""
        sink = outlet.socket
        try:
            if run.control and self._segments and viewer.singly_on is not outlet and isinstance(sink, socket.socket):
                try:
                    sink.sendmsg((run.place,), run.control, socket.MSG_DONTWAIT, outlet.address)
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
            viewer.fail(burnt=len(run.numbers))
            return False

    def _singly(self, run: Run, viewer: Viewer, outlet: Outlet) -> bool:
        for place, (start, end) in enumerate(run.ends):
            try:
                outlet.socket.sendto(bytes(run.place[start:end]), socket.MSG_DONTWAIT, outlet.address)
            except BlockingIOError:
                viewer.count(place, sum(run.octets[:place]), start)
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
