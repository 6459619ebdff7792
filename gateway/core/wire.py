"""Control sockets between the daemons: framed, versioned calls.

Owns the framing and the call protocol of `<run>/<daemon>.sock`. A frame is
`kind:u8 length:u32be body`; kinds are below. Each side opens with a HELLO frame
`{"protocol": 1, "service": name}` and hangs up on any other version or service. One call at a time
per connection; a client that wants parallel calls opens more connections (`ControlClient` pools).

Invariants: a server answers only peers whom its door lets in (`core/unixdoor.py`); bodies are capped; a
`VuonError` crosses by code, message and fields; any other exception ends that connection only and is
reported through `on_fault`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias

from gateway.core.errors import BadInput, DaemonUnavailable, VuonError, WireError, by_code
from gateway.core.supervise import FaultSink, contained
from gateway.core.unixdoor import Peer, UnixDoor

PROTOCOL = 1
"""Raised whenever a frame's meaning changes; both ends ship together, so no older one is spoken."""
MAX_HEAD_BYTES = 1 << 20
"""JSON heads: a journal page of 1,000 events is about 300 kB."""
MAX_BLOB_BYTES = 32 << 20
"""Binary bodies: the largest is a GOP of a 4K camera."""
CONNECT_TIMEOUT_S = 5.0
"""A starved daemon greets late: that is not one that is away. What must be quicker is bounded by its caller."""
CALL_TIMEOUT_S = 15.0
MOST_IDLE = 8
"""Connections a client keeps for later; a burst of calls must not hold descriptors for ever."""

_FRAME = struct.Struct(">BI")
_HANGUPS = (EOFError, ConnectionError, WireError, json.JSONDecodeError)
_HELLO, _CALL, _RESULT, _ERROR, _BLOB, _CHUNK, _END = range(1, 8)


@dataclass(frozen=True, slots=True)
class Request:
    """One call as a handler sees it."""

    method: str
    params: Mapping[str, Any]
    blob: bytes
    peer: Peer

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string parameter; BadInput names the key when it is missing or no string."""
        value = self.params.get(key, default)
        if not isinstance(value, str):
            raise BadInput(f"{self.method}: {key} must be text", key=key)
        return value

    def number(self, key: str, default: int | None = None) -> int:
        """Return an integer parameter; BadInput names the key otherwise."""
        value = self.params.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadInput(f"{self.method}: {key} must be a whole number", key=key)
        return value


class Reply(NamedTuple):
    """A handler's answer: a JSON object and, if any, bytes."""

    result: dict[str, Any]
    blob: bytes = b""


Handler: TypeAlias = Callable[[Request], Awaitable[Reply | AsyncIterator[bytes]]]
"""Returns a `Reply`, or an iterator whose chunks are streamed to the caller."""


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    kind, length = _FRAME.unpack(await reader.readexactly(_FRAME.size))
    cap = MAX_BLOB_BYTES if kind in (_BLOB, _CHUNK) else MAX_HEAD_BYTES
    if length > cap:
        raise WireError(f"frame of {length} bytes is over the cap of {cap}", kind=kind)
    return kind, await reader.readexactly(length)


def _frame(kind: int, body: bytes) -> bytes:
    return _FRAME.pack(kind, len(body)) + body


def _json(kind: int, value: object) -> bytes:
    return _frame(kind, json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, service: str) -> None:
    writer.write(_json(_HELLO, {"protocol": PROTOCOL, "service": service}))
    await writer.drain()
    kind, body = await _read(reader)
    hello = json.loads(body) if kind == _HELLO else None
    if not isinstance(hello, dict) or hello.get("protocol") != PROTOCOL or hello.get("service") != service:
        raise WireError(f"peer said {hello!r}, expected protocol {PROTOCOL} of {service}")


def _request(head: Mapping[str, Any], blob: bytes, peer: Peer) -> Request:
    params = head.get("params") or {}
    if not isinstance(params, dict):
        raise BadInput("parameters are an object", key="params")
    return Request(str(head.get("method")), params, blob, peer)


class ControlServer:
    """Serves calls on one unix socket (mode 0660) while entered."""

    def __init__(
        self,
        path: Path,
        service: str,
        handlers: Mapping[str, Handler],
        *,
        allowed_uids: frozenset[int] | None = None,
        on_fault: FaultSink,
    ) -> None:
        self._service, self._handlers, self._on_fault = service, handlers, on_fault
        self._door = UnixDoor(path, service, self._serve, allowed_uids=allowed_uids, hangups=_HANGUPS)

    async def __aenter__(self) -> Self:
        await self._door.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._door.__aexit__(kind, error, trace)

    @property
    def connections(self) -> int:
        """Return how many peers are connected."""
        return len(self._door)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> None:
        await _greet(reader, writer, self._service)
        async with contained(self._service, self._on_fault, passing=_HANGUPS):
            while True:
                await self._call(reader, writer, peer)

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> None:
        kind, body = await _read(reader)
        head = json.loads(body) if kind == _CALL else None
        if not isinstance(head, dict):
            raise WireError(f"expected a call, got kind {kind}")
        kind, blob = await _read(reader)
        try:
            request = _request(head, blob, peer)
            handler = self._handlers.get(request.method)
            if handler is None:
                raise BadInput(f"{self._service} has no method {request.method}", method=request.method)
            answer = await handler(request)
            if isinstance(answer, Reply):
                writer.write(_json(_RESULT, answer.result) + _frame(_BLOB, answer.blob))
            else:
                await self._stream(writer, answer)
        except VuonError as error:
            fields = {key: value for key, value in error.fields.items() if isinstance(value, str | int | float | bool)}
            writer.write(_json(_ERROR, {"code": error.code, "message": error.message, "fields": fields}))
        await writer.drain()

    @staticmethod
    async def _stream(writer: asyncio.StreamWriter, chunks: AsyncIterator[bytes]) -> None:
        try:
            async for chunk in chunks:
                writer.write(_frame(_CHUNK, chunk))
                await writer.drain()
        finally:
            if isinstance(chunks, AsyncGenerator):  # whoever hung up must not keep files open until it is collected
                await chunks.aclose()
        writer.write(_frame(_END, b""))


class ControlClient:
    """Calls one daemon; connections are made on demand and pooled, so calls may run in parallel.

    Every failure to reach it is DaemonUnavailable; errors of the daemon come back as their class.
    """

    def __init__(self, path: Path, service: str) -> None:
        self._path, self._service = path, service
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._idle:
            self._idle.pop()[1].close()

    async def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        blob: bytes = b"",
        *,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Reply:
        """Call and wait for the answer; raises the daemon's VuonError or DaemonUnavailable."""
        async with self._connection(timeout_s) as (reader, writer):
            writer.write(_json(_CALL, {"method": method, "params": params or {}}) + _frame(_BLOB, blob))
            await writer.drain()
            result = self._result(*await _read(reader))
            _, body = await _read(reader)
            return Reply(result, body)

    async def stream(self, method: str, params: Mapping[str, Any] | None = None) -> AsyncIterator[bytes]:
        """Call a streaming method and yield its chunks; raises as `call` does, also midway."""
        async with self._connection(None) as (reader, writer):
            writer.write(_json(_CALL, {"method": method, "params": params or {}}) + _frame(_BLOB, b""))
            await writer.drain()
            while True:
                kind, body = await _read(reader)
                if kind == _END:
                    return
                if kind != _CHUNK:
                    self._result(kind, body)
                    raise WireError(f"{method} does not stream")
                yield body

    @staticmethod
    def _result(kind: int, body: bytes) -> dict[str, Any]:
        value = json.loads(body)
        if kind == _RESULT and isinstance(value, dict):
            return value
        if kind == _ERROR and isinstance(value, dict):
            raise by_code(str(value.get("code")))(str(value.get("message")), **(value.get("fields") or {}))
        raise WireError(f"unexpected frame kind {kind}")

    @contextlib.asynccontextmanager
    async def _connection(
        self, timeout_s: float | None
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        try:
            async with asyncio.timeout(timeout_s):
                pair = self._rested() or await self._connect()
                clean = False
                try:
                    yield pair
                    clean = True
                except VuonError as error:
                    clean = not isinstance(error, WireError)
                    raise
                finally:
                    if clean and not pair[0].at_eof() and len(self._idle) < MOST_IDLE:
                        self._idle.append(pair)
                    else:
                        pair[1].close()
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            raise DaemonUnavailable(
                f"vuon-{self._service} does not answer at {self._path}", service=self._service
            ) from error

    def _rested(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Return a kept connection that still stands: the daemon may have been restarted meanwhile."""
        while self._idle:
            pair = self._idle.pop()
            if not pair[0].at_eof() and not pair[1].is_closing():
                return pair
            pair[1].close()
        return None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            pair = await asyncio.open_unix_connection(os.fspath(self._path))
            try:
                await _greet(*pair, self._service)
            except BaseException:
                pair[1].close()
                raise
            return pair
