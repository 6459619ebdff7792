"""Control sockets between the daemons: framed, versioned, with the peer's identity checked.

Owns the framing and the call protocol of `<run>/<daemon>.sock`. A frame is
`kind:u8 length:u32be body`; kinds are below. Each side opens with a HELLO frame
`{"protocol": 1, "service": name}` and hangs up on any other version or service. One call at a time
per connection; a client that wants parallel calls opens more connections (`ControlClient` pools).

Invariants: a server answers only peers whose uid (`SO_PEERCRED`, socket(7)) is allowed; bodies are
capped; a `VuonError` crosses by code, message and fields; any other exception ends that connection only
and is reported through `on_fault`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias

from gateway.core.callers import Callers
from gateway.core.errors import AddressTaken, BadInput, DaemonUnavailable, VuonError, WireError, by_code
from gateway.core.supervise import FaultSink, contained

PROTOCOL = 1
"""Raised whenever a frame's meaning changes; both ends ship together, so no older one is spoken."""
MAX_HEAD_BYTES = 1 << 20
"""JSON heads: a journal page of 1,000 events is about 300 kB."""
MAX_BLOB_BYTES = 32 << 20
"""Binary bodies: the largest is a GOP of a 4K camera."""
CONNECT_TIMEOUT_S = 2.0
DAEMON_USERS = ("vuon-gateway", "vuon-recorder", "vuon-live", "vuon-hub")
"""Users of systemd/vuon.sysusers."""
CALLERS: Mapping[str, tuple[str, ...]] = {
    "recorder": ("vuon-gateway",),
    "live": ("vuon-gateway",),
    "feed": ("vuon-live",),
}
"""Whose users may speak on which socket, beside root and the daemon's own. The gateway's and the hub's are for people
at the console alone: who holds them may erase a box, and `vuon-live`, which strangers' packets reach, must not."""
CALL_TIMEOUT_S = 15.0
MOST_IDLE = 8
"""Connections a client keeps for later; a burst of calls must not hold descriptors for ever."""

_FRAME = struct.Struct(">BI")
_HANGUPS = (EOFError, ConnectionError, WireError, json.JSONDecodeError)
_HELLO, _CALL, _RESULT, _ERROR, _BLOB, _CHUNK, _END = range(1, 8)


class Peer(NamedTuple):
    """Who is at the other end (SO_PEERCRED)."""

    pid: int
    uid: int
    gid: int


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


def peer_of(sock: socket.socket) -> Peer:
    """Return pid, uid and gid of the process at the other end of a unix socket."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return Peer(*struct.unpack("3i", raw))


def uids_for(service: str) -> frozenset[int]:
    """Return who may speak on a daemon's socket: root, ourselves, and the users of `CALLERS` where they exist."""
    found = {0, os.getuid()}
    for name in CALLERS.get(service, ()):
        with contextlib.suppress(KeyError):
            found.add(pwd.getpwnam(name).pw_uid)
    return frozenset(found)


def claim_socket(path: Path) -> None:
    """Make `path` free for binding: remove a dead socket, refuse one that answers.

    Raises AddressTaken when another process listens there.
    """
    if not path.exists():
        return
    probe = socket.socket(socket.AF_UNIX)
    try:
        probe.connect(os.fspath(path))
    except OSError:
        path.unlink(missing_ok=True)
    else:
        raise AddressTaken(f"{path} is in use by another process", path=str(path))
    finally:
        probe.close()


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
        self._path, self._service, self._handlers = path, service, handlers
        self._uids = allowed_uids if allowed_uids is not None else uids_for(service)
        self._on_fault = on_fault
        self._server: asyncio.Server | None = None
        self._callers = Callers(self._serve)

    async def __aenter__(self) -> Self:
        claim_socket(self._path)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._server = await asyncio.start_unix_server(self._callers, os.fspath(self._path))
        self._path.chmod(0o660)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        await self._callers.close()
        self._path.unlink(missing_ok=True)

    @property
    def connections(self) -> int:
        """Return how many peers are connected."""
        return len(self._callers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            peer = peer_of(writer.get_extra_info("socket"))
            if peer.uid in self._uids:
                await _greet(reader, writer, self._service)
                async with contained(self._service, self._on_fault, passing=_HANGUPS):
                    while True:
                        await self._call(reader, writer, peer)
        except _HANGUPS:
            return  # the peer is gone or speaks something else: nothing to answer

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
