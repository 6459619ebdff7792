"""Bench `login_live`: how late two viewers' pictures are while strangers guess passwords, beside nobody guessing.

Owns the gateway that is guessed at: a process of its own, as on a box, with its hashing process. Viewers and daemon are
those of `live_hostile`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.harness import Options, Table, Variant, compare
from bench.live import load
from bench.live_hostile import child, measured, own_network
from bench.login import PER_S, browser, settle
from tests.fakes.h264 import clip
from tests.fakes.lived import Lived
from tests.fakes.whole_gateway import whole_gateway


async def serve() -> None:
    """Run a gateway until the input ends; print where it is and who has a password."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with tempfile.TemporaryDirectory(prefix="vuon-bench-") as folder:
        async with whole_gateway(Path(folder), clip(640, 360)) as box, browser(box, "127.9.9.9") as known:
            print(json.dumps({"url": box.url, "name": await settle(box, known)}), flush=True)
            await reader.read()


@asynccontextmanager
async def nobody(_box: Lived, _targets: list[Any]) -> AsyncIterator[None]:
    """Run the gateway; nobody comes."""
    async with child("bench.login_live") as gateway:
        assert gateway.stdout is not None
        await gateway.stdout.readline()
        yield


@asynccontextmanager
async def strangers(_box: Lived, _targets: list[Any]) -> AsyncIterator[None]:
    """Run the gateway, and those who guess at it."""
    async with child("bench.login_live") as gateway:
        assert gateway.stdout is not None
        where = json.loads(await gateway.stdout.readline())
        async with child("bench.login_client", where["url"], where["name"], str(PER_S)):
            await asyncio.sleep(2)
            yield


def run(options: Options) -> list[Table]:
    """Measure with and without strangers."""
    own_network("login_live")
    rows = [
        Variant(f"{PER_S} wrong passwords a second", lambda: measured(options, strangers)),
        Variant("nobody guesses", lambda: measured(options, nobody), control=True),
    ]
    notes = (
        "Two viewers (640x360, 20 fps) decode beside the strangers, the gateway, its hashing process and the daemon.",
        load(),
    )
    return [compare("login_live: two viewers while strangers guess passwords", rows, options, notes)]


if __name__ == "__main__":
    asyncio.run(serve())
