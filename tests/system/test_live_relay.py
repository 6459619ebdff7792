"""The box's own way through a TURN server: Debian's coturn between a session and a viewer that knows no other way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.core.model import Role, StreamRole
from tests.fakes.coturn import coturn, with_password
from tests.fakes.h264 import clip
from tests.fakes.live_box import LiveBox, make_grant
from tests.fakes.viewer import Viewer


async def watch(box: LiveBox, url: str) -> dict[str, Any]:
    """Watch over the relay alone and return the session's figures."""
    async with Viewer() as viewer:
        servers = (with_password(url, box.clock.now_ms()),)
        opened = await box.client.open(
            box.ticket(make_grant(box.clock)), await viewer.offer(), StreamRole.MAIN, servers
        )
        assert "typ relay raddr 0.0.0.0 rport 9" in opened.answer
        await viewer.answered(opened.answer)
        await viewer.seen(30)
        await viewer.can_hear()
        facts = box.sessions.facts()[0]
        await box.client.close(opened.session, "class.paused")
        async with asyncio.timeout(20):
            while not viewer.told:  # noqa: ASYNC110 - filled by aiortc's own tasks
                await asyncio.sleep(0.01)
    await box.until("gone")
    return facts


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_video_flows_through_the_boxs_own_allocation(tmp_path: Path, transport: str) -> None:
    """Every picture, the data channel and the reason of the end go by the relay; it is given back with the session."""

    async def scenario() -> None:
        with coturn(tmp_path) as port:
            # Without addresses of its own the box cannot be reached, nor reach anybody, by another way.
            async with LiveBox(tmp_path, clip(640, 360), addresses=()) as box:
                facts = await watch(box, f"turn:127.0.0.1:{port}?transport={transport}")
                assert facts["path"] == "relay"
                assert facts["dropped"].get("no_relay", 0) == 0
                assert not box.faults
                async with asyncio.timeout(20):
                    while transports():  # noqa: ASYNC110 - closing goes on in aioice's own tasks
                        await asyncio.sleep(0.05)

    def transports() -> list[str]:
        """Connections of ours to the relay that are still there."""
        return [task.get_name() for task in asyncio.all_tasks() if "refresh" in repr(task.get_coro())]

    asyncio.run(scenario())


def test_a_guardian_of_such_a_box_is_told_no_private_address(tmp_path: Path) -> None:
    """A wrong password costs the relay only; what is left of a guardian's answer names no address of ours."""

    async def scenario() -> None:
        with coturn(tmp_path) as port:
            async with LiveBox(tmp_path, clip(640, 360)) as box, Viewer() as viewer:
                grant = make_grant(box.clock, role=Role.GUARDIAN, streams=frozenset({StreamRole.SUB}))
                wrong = with_password(f"turn:127.0.0.1:{port}", box.clock.now_ms() - 86_400_000)
                opened = await box.client.open(box.ticket(grant), await viewer.offer(), StreamRole.SUB, (wrong,))
                assert "a=candidate" not in opened.answer
                assert "127.0.0.1" not in opened.answer
                assert box.sessions.facts()[0]["dropped"] == {"no_relay": 1}

    asyncio.run(scenario())
