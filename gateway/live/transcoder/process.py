"""vuon-live's side of one transcoder's process.

Owns `Transcoder`: what is said to the process and what it makes. Invariants: one unit is under way at a time, so that
nothing queues where it cannot be dropped; a process whose answer takes `ANSWER_TIMEOUT_S` or that talks nonsense is an
error of the stream; it is dead when the owner is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from gateway.core import cagedchild, feedwire
from gateway.core.cagedchild import CagedChild, Proof
from gateway.core.errors import WireError
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.live.transcoder import pipe

ANSWER_TIMEOUT_S = 10.0


def command(*, sandbox: bool = True) -> tuple[str, ...]:
    """Return how the process is started."""
    return cagedchild.command("gateway.live.transcoder.child", sandbox=sandbox)


class Transcoder:
    """One running process; an async context manager (entered = its cage is proven), used from one task at a time."""

    def __init__(self, command: Sequence[str], *, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._child = CagedChild("the transcoder", command, Proof(pipe.READY, pipe.REFUSED))
        self._answer_s = answer_timeout_s
        self._told: CodecConfig | None = None
        self._configs: dict[int, CodecConfig] = {}
        self.bad = 0
        """Units that did not decode."""

    async def __aenter__(self) -> Self:
        await self._child.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._child.__aexit__(kind, error, trace)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    async def give(self, unit: AccessUnit, *, quiet: bool = False, key: bool = False) -> list[AccessUnit]:
        """Hand a unit over and return the small pictures it gave; `key`: the next one is to be a key frame.

        WireError: the process is gone, silent or talks nonsense.
        """
        out = []
        if unit.config != self._told:
            self._told = unit.config
            out.append(feedwire.encode_config(unit.config))
        if key:
            out.append(feedwire.frame(pipe.KEY, b""))
        out.append(pipe.encode_quiet(unit) if quiet else feedwire.encode_unit(unit))
        try:
            self._child.requests.writelines(out)
            async with asyncio.timeout(self._answer_s):
                await self._child.requests.drain()
        except (ConnectionError, TimeoutError) as error:
            raise WireError("the transcoder takes nothing any more") from error
        return await self._answer()

    async def _answer(self) -> list[AccessUnit]:
        """Return what it makes of a unit; the whole answer has `answer_timeout_s`, however many messages it is."""
        made: list[AccessUnit] = []
        async with self._child.in_time(self._answer_s):
            for _ in range(pipe.MOST_ANSWERS):
                kind, body = await self._child.next(pipe.MOST_ANSWER_BYTES)
                if kind == pipe.DONE and len(body) == 1:
                    self.bad += body[0]
                    return made
                if kind == feedwire.CONFIG:
                    config = feedwire.decode_config(body)
                    if config.codec is not Codec.H264 or not config.sps or not config.pps:
                        raise WireError("the transcoder made something else than H.264")
                    self._configs = {config.epoch: config}
                elif kind == feedwire.UNIT:
                    made.append(feedwire.decode_unit(body, self._configs)[0])
                else:
                    raise WireError(f"the transcoder answered kind {kind}")
        raise WireError("the transcoder answers without end")
