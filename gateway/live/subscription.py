"""One subscription to the recorder's feed socket, as the pieces that arrive on it.

Owns the connection. Invariants: a broken or missing connection is `DaemonUnavailable`, a peer that breaks the protocol
`WireError`; every unit names a configuration that came before it; left = closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

from gateway.core import feedwire
from gateway.core.errors import DaemonUnavailable, WireError
from gateway.core.media import AccessUnit, CodecConfig

CONNECT_TIMEOUT_S = 2.0
READ_BUFFER_BYTES = 1 << 20


class Picture(NamedTuple):
    """A unit, and whether units are missing before it."""

    unit: AccessUnit
    skipped: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The recorder has nothing to send for the moment."""

    code: str
    """An error code; `not_found`: it has no such stream."""


Piece: TypeAlias = CodecConfig | Picture | Ended


@contextlib.asynccontextmanager
async def subscribed(
    path: Path, wanted: feedwire.Subscription, on_open: Callable[[Callable[[], None]], None] = lambda _: None
) -> AsyncGenerator[AsyncIterator[Piece]]:
    """Subscribe and give what arrives; the last piece is `Ended`.

    `on_open` is called with what asks the recorder for a key frame; a closed connection takes that silently.
    """
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(os.fspath(path), limit=READ_BUFFER_BYTES)
        writer.write(feedwire.encode_subscribe(wanted))
        await writer.drain()
        on_open(partial(writer.write, feedwire.encode_key_wanted()))
        async with contextlib.aclosing(_pieces(reader)) as pieces:
            yield pieces
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        raise DaemonUnavailable("the recorder's feed is not there", service="recorder") from error
    finally:
        if writer is not None:
            writer.close()


async def _pieces(reader: asyncio.StreamReader) -> AsyncGenerator[Piece]:
    configs: dict[int, CodecConfig] = {}
    while True:
        kind, body = await _frame(reader)
        if kind == feedwire.CONFIG:
            config = feedwire.decode_config(body)
            configs = {config.epoch: config}
            yield config
        elif kind == feedwire.UNIT:
            yield Picture(*feedwire.decode_unit(body, configs))
        elif kind == feedwire.END:
            yield Ended(_end_code(body))
            return
        else:
            raise WireError(f"unexpected frame kind {kind} on the feed socket")


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    kind, length = feedwire.HEAD.unpack(await reader.readexactly(feedwire.HEAD.size))
    if length > feedwire.MAX_BODY_BYTES:
        raise WireError(f"feed frame of {length} bytes is over the cap")
    return kind, await reader.readexactly(length)


def _end_code(body: bytes) -> str:
    try:
        head = json.loads(body)
    except ValueError as error:
        raise WireError("malformed END frame") from error
    return str(head.get("code", "")) if isinstance(head, dict) else ""
