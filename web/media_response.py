"""Answers that stream footage.

Owns `Media`. Invariants: a stream that fails after its head went out ends short of its length, never whole by
accident; a reader that takes nothing is let go, for it holds a file open.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from gateway.core.errors import VuonError
from gateway.core.log import get_logger

log = get_logger("web")


async def begun(chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """Read the first chunk, so that what is wrong is raised while the answer can still say so; return all of them.

    They are closed with the answer, also when its reader goes away: the recorder holds a file open for them.
    """
    return _rest(await anext(chunks, b""), chunks)


async def _rest(first: bytes, chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(chunks):
        yield first
        async for chunk in chunks:
            yield chunk


class Media(StreamingResponse):
    """Chunks of footage; one that fails after the head went out ends the answer short of its length.

    The connection is closed then: whoever asked sees that it is not all, which no status can say any more. So it
    is for a reader that takes nothing for `stall_s`, for it holds a file open.
    """

    stall_s = 60.0

    async def stream_response(self, send: Send) -> None:
        """Send head and chunks."""

        async def sent(message: Message) -> None:
            async with asyncio.timeout(self.stall_s):
                await send(message)

        try:
            await super().stream_response(sent)
        except VuonError as error:
            log.warning("playback.cut", code=error.code)
        except TimeoutError:
            log.warning("playback.cut", code="reader_stalled")
