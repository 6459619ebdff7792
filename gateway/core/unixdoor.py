"""The door of a daemon: one unix socket, open while entered, and who may come in.

Owns the socket's file and the look at whoever connects. Invariants: a file that a dead process left is taken away, one
that answers is never taken over; its mode shuts others out (0660, a folder that is made for it 0750), and it is gone
when the door is shut; who connects is known by the kernel's word (`SO_PEERCRED`, socket(7)) before a byte is read, and
a uid that is not allowed is hung up on; nobody is left behind by a door that shuts (`core/callers.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import socket
import struct
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias

from gateway.core.callers import Callers
from gateway.core.errors import AddressTaken

DAEMON_USERS = ("vuon-gateway", "vuon-recorder", "vuon-live", "vuon-hub")
"""Users of systemd/vuon.sysusers."""
CALLERS: Mapping[str, tuple[str, ...]] = {
    "recorder": ("vuon-gateway",),
    "live": ("vuon-gateway",),
    "feed": ("vuon-live",),
}
"""Whose users may speak on which socket, beside root and the daemon's own. The gateway's and the hub's are for people
at the console alone: who holds them may erase a box, and `vuon-live`, which strangers' packets reach, must not."""


class Peer(NamedTuple):
    """Who is at the other end (SO_PEERCRED)."""

    pid: int
    uid: int
    gid: int


Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Peer], Coroutine[Any, Any, None]]
"""Speaks with one peer that may come in, until it ends."""


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


class UnixDoor:
    """Lets the allowed in while entered, each served in a task of its own; left = everybody has gone."""

    def __init__(
        self,
        path: Path,
        service: str,
        serve: Serve,
        *,
        allowed_uids: frozenset[int] | None = None,
        hangups: tuple[type[Exception], ...],
        most: int | None = None,
    ) -> None:
        """Let in `allowed_uids`, else those of `uids_for(service)`; `most` at once, the next one is hung up on.

        `hangups` are the errors of `serve` that mean no more than that the peer is gone or speaks something else.
        """
        self._path, self._talk, self._hangups = path, serve, hangups
        self._uids = allowed_uids if allowed_uids is not None else uids_for(service)
        self._server: asyncio.Server | None = None
        self._callers = Callers(self._serve, most=most)

    async def __aenter__(self) -> Self:
        """Open it; raises AddressTaken when another process listens there."""
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

    def __len__(self) -> int:
        """Return how many peers are connected, also those that are about to be hung up on."""
        return len(self._callers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            peer = peer_of(writer.get_extra_info("socket"))
            if peer.uid in self._uids:
                await self._talk(reader, writer, peer)
        except self._hangups:
            return  # the peer is gone or speaks something else: nothing to answer
