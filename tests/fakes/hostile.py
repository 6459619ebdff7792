"""The hostile camera's process as a test holds it, and the secret it must never see."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.recorderd import HANG_S, ROOT

CANARY = "chim-hoang-yen-7!"
SECRETS = [CANARY.encode(), base64.b64encode(CANARY.encode()), base64.b64encode(f"admin:{CANARY}".encode())]
"""The password as it is, and as Basic and sloppy clients would send it."""


LOGINS = {"login loop": 1, "stale loop": 2}
"""Attacks on the login, and how many answers they get: a session begun with an older login gives them none."""


@dataclass
class Hostile:
    """One hostile camera (or, never told to attack, a good one)."""

    address: str
    process: subprocess.Popen[str]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def tell(self, **order: object) -> dict[str, Any]:
        """Give an order; returns what the camera counted."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        async with self._turn:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            return dict(json.loads(await asyncio.to_thread(self.process.stdout.readline)))

    async def until_done(self, attack: str, before: int, log: Callable[[], str]) -> dict[str, Any]:
        """Wait until an attack came to its end more often than before, and got the logins it draws out.

        Fails with `log` if it never does.
        """
        deadline = time.monotonic() + HANG_S
        while time.monotonic() < deadline:
            told = await self.tell()
            if told["done"].get(attack, 0) > before and told["logins"].get(attack, 0) >= LOGINS.get(attack, 0):
                return told
            await asyncio.sleep(0.05)
        raise AssertionError(f"{attack} never ended\n{log()}")


def _start(within: Sequence[str]) -> subprocess.Popen[str]:
    command = [*within, sys.executable, "-m", "tests.fakes.hostile_camera"]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@asynccontextmanager
async def hostile(address: str, third: str, within: Sequence[str] = ()) -> AsyncIterator[Hostile]:
    """Run one, if need be through a command such as `ip netns exec NAME`."""
    process = _start(within)
    try:
        camera = Hostile(address, process)
        secrets = [secret.decode() for secret in SECRETS]
        await camera.tell(address=address, third=third, password=CANARY, secrets=secrets)
        yield camera
    finally:
        process.kill()
        process.communicate(timeout=HANG_S)
