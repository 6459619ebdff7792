"""One ICE agent whose packets are kept instead of sent, and the viewer, honest or not, at its other end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any, NamedTuple, Self

import aioice.stun

from gateway.core.iceservers import IceServer
from gateway.live import consent
from gateway.live.ice import AddressRules, HardConnection
from gateway.live.icesocket import HardStun

VIEWER = ("192.0.2.7", 5000)
STRANGER = ("192.0.2.66", 4000)
THIRD = ("198.51.100.9", 53)
PASSWORD = "p" * 22
CHECK_BYTES = 88
"""A check with two names of four letters: 20 of header, then name, priority, role, signature, fingerprint."""


class Sent(NamedTuple):
    """A packet that would have left."""

    data: bytes
    address: tuple[str, int]


class _Wire:
    """Stands before a socket's transport and keeps what it is given."""

    def __init__(self, transport: Any, sent: list[Sent]) -> None:
        self._transport, self._sent = transport, sent

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        self._sent.append(Sent(data, address))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class IceScene:
    """A gathered agent that knows the viewer's name; `connecting` runs its checks."""

    def __init__(self, rules: AddressRules | None = None, *, behind_nat: bool = False) -> None:
        self.now_ns = 0
        servers = (IceServer("stun:192.0.2.1:3478"),) if behind_nat else ()
        self.connection = HardConnection(["127.0.0.1"], rules or AddressRules(), servers, mono_ns=lambda: self.now_ns)
        self.sent: list[Sent] = []
        self._numbers = itertools.count(1)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.connection._servers = ()  # nobody is there to ask
        await self.connection.gather_candidates()
        self.connection.remote_username, self.connection.remote_password = "them", PASSWORD
        (found,) = self.connection._protocols
        assert isinstance(found, HardStun)
        self.socket = found
        wire: Any = _Wire(found.transport, self.sent)
        self.socket.transport = wire
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()
        for task in self._tasks:
            with contextlib.suppress(ConnectionError):
                await task

    def connect(self) -> None:
        """Begin to connect, as after the answer."""
        self._tasks.append(asyncio.create_task(self.connection.connect()))

    async def connected(self) -> None:
        """Wait until connecting has come to its end."""
        async with asyncio.timeout(20):
            await asyncio.gather(*self._tasks)

    async def settle(self) -> None:
        """Let the agent's tasks run."""
        for _ in range(20):
            await asyncio.sleep(0)

    def check(self, password: str | None = None, *, role: str = "ICE-CONTROLLING", **more: Any) -> bytes:
        """Return a connectivity check, signed with the agent's password or another."""
        request = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self.connection.local_username}:them"
        request.attributes["PRIORITY"] = 1
        if role:
            request.attributes[role] = next(self._numbers)
        request.attributes.update({name.replace("_", "-"): value for name, value in more.items()})
        request.add_message_integrity((password or self.connection.local_password).encode())
        return bytes(request)

    def arrive(self, data: bytes, source: tuple[str, int] = VIEWER) -> None:
        """Let a datagram arrive."""
        self.socket.datagram_received(data, source)

    def to(self, address: tuple[str, int]) -> list[bytes]:
        """Return what was sent to an address."""
        return [item.data for item in self.sent if item.address == address]

    def asked(self, address: tuple[str, int] = VIEWER) -> list[bytes]:
        """Return the agent's checks to an address."""
        return [data for data in self.to(address) if data[:2] == consent.REQUEST]

    def answered(self, address: tuple[str, int] = VIEWER) -> list[bytes]:
        """Return the agent's answers to an address."""
        return [data for data in self.to(address) if data[:2] != consent.REQUEST]

    async def prove(self, source: tuple[str, int] = VIEWER, **more: Any) -> None:
        """Sign a check from an address and answer the one that comes back."""
        self.arrive(self.check(**more), source)
        await self.settle()
        self.arrive(consent.response(self.asked(source)[-1], source, PASSWORD.encode()), source)
        await self.settle()

    @property
    def dropped(self) -> dict[str, int]:
        return {name: count for name, count in self.connection.dropped.items() if count}

    @property
    def queued(self) -> int:
        """Datagrams that wait for DTLS."""
        return self.connection._queue.qsize()
