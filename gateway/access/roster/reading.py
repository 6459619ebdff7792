"""Reading a file without trusting it: one short-lived process for each.

Owns that process. Invariants: a file is read outside the gateway, with bounded memory, processor time and seconds;
the process is dead when `read_file` returns, also when the caller goes away.
"""

from __future__ import annotations

import asyncio
import json
import sys

from gateway.access.roster.child import sheets_of
from gateway.access.roster.refusals import MAX_BYTES, refused
from gateway.access.roster.tables import Sheet
from gateway.core.errors import BadInput
from gateway.core.reap import reap

READ_S = 90
"""Seconds until a child that does not answer is ended: its processor time is bounded to 30 s."""


async def read_file(data: bytes, *, within_s: float = READ_S) -> tuple[Sheet, ...]:
    """Return the tables of a file; BadInput says why it is refused."""
    if len(data) > MAX_BYTES:  # before anything is copied
        raise refused("too_big", most=MAX_BYTES >> 20)
    answer = await _asked(data, within_s)
    try:
        found = json.loads(answer)
    except ValueError as error:  # it was ended by its own bounds
        raise refused("packed", most=64) from error
    if "refused" in found:
        raise BadInput(found["refused"], **found["fields"])
    return sheets_of(found)


async def _asked(data: bytes, within_s: float) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        "gateway.access.roster.child",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
    )
    try:
        async with asyncio.timeout(within_s):
            answer, _ = await process.communicate(data)
    except TimeoutError:
        return b""
    finally:
        await reap(process)
    return answer
