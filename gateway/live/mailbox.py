"""The sockets of viewers, and one mailbox for what connected viewers send.

Owns `Door`, one UDP socket as aioice wants it, and `Mailbox`, which reads the doors that are settled. Invariants:
while a connection is being made, its datagrams are read as they come; afterwards (`Door.settle`: reports, repairs,
consent checks) they are read together, at most every `PAUSE_S` (while somebody lacks packets: `HURRIED_PAUSE_S`) and
`MOST_AT_ONCE` of all, one of each door in turn, so that a stranger's flood at one port does not crowd out what its
viewer says there, and a thousand reports a second, or a flood, wake the loop no more often than ten; what is not read
waits in the kernel's buffer and is lost there when that is full. A door never buffers what it sends. Used in the
event loop only.
"""

from __future__ import annotations

import asyncio
import select
import socket
from typing import Any

PAUSE_S, HURRIED_PAUSE_S = 0.1, 0.02
"""How late a settled viewer's datagram may be read. The first one of a look meets cold caches and costs seven times as
much as the next: at fifty looks a second they were a fifth of sixty viewers' CPU. Reports can wait, repairs cannot."""
HURRIED_S = 2.0
"""How long after a viewer lacked packets there is hurry: losses come together."""
MOST_AT_ONCE, MOST_READY = 256, 32
"""Datagrams read before frames get their turn, and doors looked at in one round."""
SEND_BYTES = 1 << 20
"""Room for frames that leave faster than the card takes them."""
READ_BYTES = 1 << 20
"""Room for a flood between two looks; Linux gives twice `net.core.rmem_max` at most, about 500 datagrams."""
MOST_BYTES = 2048
"""Of one datagram; the rest of a longer one is cut off, and what is left proves nothing."""


class Mailbox:
    """All settled doors of the daemon; it holds a descriptor only while there is one."""

    def __init__(self) -> None:
        self._doors: dict[int, Door] = {}
        self._epoll: select.epoll | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._hurried_until_s = 0.0
        """By the loop's clock."""
        self.rounds = 0
        """Times it was looked into."""

    def take(self, door: Door) -> None:
        """Read this door from now on."""
        if self._epoll is None:
            self._epoll = select.epoll()
            asyncio.get_running_loop().add_reader(self._epoll, self._filled)
        self._epoll.register(door.fileno(), select.EPOLLIN)
        self._doors[door.fileno()] = door

    def give_back(self, door: Door) -> None:
        """Read this door no longer; nothing if it was not taken."""
        if self._doors.pop(door.fileno(), None) is None or self._epoll is None:
            return
        self._epoll.unregister(door.fileno())
        if not self._doors:
            if self._pause is None:
                asyncio.get_running_loop().remove_reader(self._epoll)
            else:
                self._pause.cancel()
            self._epoll.close()
            self._epoll = self._pause = None

    def hurry(self) -> None:
        """Look more often for a while: somebody lacks packets and will ask for them."""
        self._hurried_until_s = asyncio.get_running_loop().time() + HURRIED_S

    def _wait(self, loop: asyncio.AbstractEventLoop) -> asyncio.TimerHandle:
        now_s = loop.time()
        return loop.call_at(now_s + (HURRIED_PAUSE_S if now_s < self._hurried_until_s else PAUSE_S), self._again)

    def _filled(self) -> None:
        """Read what is there, and let more gather before the next look."""
        assert self._epoll is not None
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._epoll)
        self._pause = self._wait(loop)
        self._empty()

    def _again(self) -> None:
        loop, epoll = asyncio.get_running_loop(), self._epoll
        assert epoll is not None
        # Before reading: what a datagram raises goes to the loop, and must not leave the others unread for ever.
        self._pause = self._wait(loop)
        if not self._empty() and self._pause is not None:
            self._pause.cancel()
            self._pause = None
            loop.add_reader(epoll, self._filled)

    def _empty(self) -> bool:
        """Hand on what has come, bounded; says whether there was anything."""
        self.rounds += 1
        left = MOST_AT_ONCE
        while left > 0:
            # A datagram may close its door, and the last door the mailbox.
            ready = self._epoll.poll(0, min(MOST_READY, left)) if self._epoll is not None else []
            if not ready:
                return left < MOST_AT_ONCE
            left -= len(ready)
            for fd, _ in ready:
                door = self._doors.get(fd)
                if door is not None:
                    door.read()
        return True


def bound(address: str) -> socket.socket:
    """Return a UDP socket on a free port of this address; OSError if it is not ours, or no descriptor is left."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind((address, 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READ_BYTES)
    except OSError:
        sock.close()
        raise
    return sock


class Door(asyncio.DatagramTransport):
    """One UDP socket, bound and non-blocking, for a protocol of aioice's."""

    def __init__(self, sock: socket.socket, protocol: asyncio.DatagramProtocol, mailbox: Mailbox) -> None:
        super().__init__({"socket": sock, "sockname": sock.getsockname()})
        self._sock, self._protocol, self._mailbox = sock, protocol, mailbox
        self._settled = self._closed = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self.read)
        protocol.connection_made(self)

    def fileno(self) -> int:
        """Return the socket's descriptor; -1 once closed."""
        return self._sock.fileno()

    def settle(self) -> None:
        """From now on read this door together with the others: its connection is made."""
        if not self._settled and not self._closed:
            self._settled = True
            self._loop.remove_reader(self._sock)
            self._mailbox.take(self)

    def read(self) -> None:
        """Hand one datagram on."""
        try:
            data, source = self._sock.recvfrom(MOST_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._protocol.error_received(error)
            return
        self._protocol.datagram_received(data, source)

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send now or not at all: checks, handshakes and reports are repeated by those who need them."""
        if self._closed or addr is None:
            return
        try:
            self._sock.sendto(data, addr)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._protocol.error_received(error)

    def is_closing(self) -> bool:
        """Say whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Close the socket now; the protocol hears of it in the loop's next turn."""
        if self._closed:
            return
        self._closed = True
        if self._settled:
            self._mailbox.give_back(self)
        else:
            self._loop.remove_reader(self._sock)
        self._sock.close()
        self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """Close; there is nothing that waits."""
        self.close()
