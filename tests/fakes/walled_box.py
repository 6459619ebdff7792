"""`python -m tests.fakes.walled_box FOLDER ADDRESS [SERVER...]`: pages and real live video at one address, until SIGTERM.

Decisions, stills and names are fakes; transport, media and the passwords for TURN are the product's own.
Prints one JSON line when it serves: {"url"}.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from drivers.simulated.scene import SceneSpec, still
from gateway.core.model import Action, PublicId, Role, StreamRole
from tests.fakes.clock import FakeClock
from tests.fakes.coturn import with_password
from tests.fakes.h264 import clip
from tests.fakes.live_box import LiveBox, make_grant
from tests.fakes.web_services import MAM, FakeBox, FakeLive
from web.app import create_app
from web.caller import Caller
from web.services import OpenedLive, Services

THURSDAY_MS = 1_790_219_732_000
STILL_AGE_MS = 3_500


@dataclass
class Door(FakeLive):
    """The fake's decisions in front of a real live daemon; viewers are told of `urls`."""

    live: LiveBox
    urls: tuple[str, ...]

    async def open(self, caller: Caller, camera: PublicId, offer: str, stream: StreamRole) -> OpenedLive:
        await self.box.grant(caller, Action.LIVE, camera)
        grant = make_grant(self.live.clock, camera=camera, role=Role.TEACHER)
        opened = await self.live.client.open(self.live.ticket(grant), offer, stream)
        self.box.open_sessions[opened.session] = (caller, camera)
        servers = tuple(with_password(url, self.live.clock.now_ms()) for url in self.urls)
        return OpenedLive(opened.session, opened.answer, servers=servers)

    async def candidate(self, caller: Caller, camera: PublicId, session: str, fragment: str) -> None:
        self._own(caller, camera, session)
        await self.live.client.candidate(PublicId(session), fragment)

    async def close(self, caller: Caller, camera: PublicId, session: str) -> None:
        await super().close(caller, camera, session)
        await self.live.client.close(PublicId(session), "viewer.left")


async def main(folder: Path, address: str, urls: tuple[str, ...]) -> None:
    """Serve until SIGTERM."""
    box, live = FakeBox(FakeClock(THURSDAY_MS)), LiveBox(folder, clip(640, 360), addresses=(address,))
    box.stills[MAM] = still(SceneSpec("LOP MAM 1", 0, 640, 360), 1.0)
    box.still_age_ms = STILL_AGE_MS
    services = box.services(secure=False, hosts=frozenset())
    fields = {name: getattr(services, name) for name in Services.__slots__} | {"live": Door(box, live, urls)}
    app = create_app(Services(**fields))
    server = uvicorn.Server(uvicorn.Config(app, host=address, port=0, log_level="error", lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # ours is below
    async with live:
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        sys.stdout.write(json.dumps({"url": f"http://{address}:{port}"}) + "\n")
        sys.stdout.flush()

        def stop() -> None:
            app.state.streams.close()
            server.should_exit = True

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        await serving


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], tuple(sys.argv[3:])))
