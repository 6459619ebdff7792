"""Discovery and adoption against a farm of simulated cameras on loopback."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import anyio
import pytest

from drivers.adopt import Means, learn
from drivers.base import LoginMode
from drivers.discovery import multicast as discovery
from drivers.discovery import wsd
from drivers.gate import LoginGate
from drivers.onvif.pace import CallPool
from drivers.simulated.farm import QUICK, Farm
from gateway.core.clock import SystemClock
from gateway.core.model import Login, Secret
from tests.fakes.searched import discover_all

pytestmark = pytest.mark.anyio
PASSWORD = "Mầm-non-2026"
COUNT = 6


def farm() -> Farm:
    """Cameras of our own: other farms may run on this machine."""
    return Farm(COUNT, password=PASSWORD, base="127.0.1.101", options=replace(QUICK, seed=uuid4().hex))


async def test_all_are_found_and_learned() -> None:
    """Every camera of a farm is found once, where it is, and adopted with one login and no bad one."""
    async with farm() as cameras:
        wanted = {camera.address: camera.onvif_port for camera in cameras.cameras}
        found = [one for one in await discover_all(("127.0.0.1",), 1.5) if wanted.get(one.address) == one.port]
        assert [one.address for one in found] == sorted(wanted)
        assert len({one.endpoint for one in found}) == COUNT
        means = Means(SystemClock(), CallPool())
        serials = set()
        for one in found:
            gate = LoginGate(Login("admin", Secret(PASSWORD)))
            learned = await learn(one.address, one.port, gate, means, found=one)
            assert learned.login_mode in {LoginMode.WSSE, LoginMode.DIGEST}
            assert learned.endpoint == one.endpoint
            assert learned.mac
            serials.add(learned.serial)
        assert len(serials) == COUNT
        assert sum(camera.bad_logins for camera in cameras.cameras) == 0


async def test_hello_and_bye_are_heard() -> None:
    """A farm that comes and goes is heard without a probe."""
    async with discovery.Listener(("127.0.0.1",)) as listener:
        async with farm() as cameras:
            wanted = {(camera.address, camera.onvif_port) for camera in cameras.cameras}
        came, gone = set(), set()
        with anyio.fail_after(20):
            async for heard in listener.heard():
                where = (heard.found.address, heard.found.port)
                if heard.kind is wsd.Kind.HELLO and where in wanted:
                    came.add(heard.found.endpoint)
                elif heard.kind is wsd.Kind.BYE and heard.found.endpoint in came:
                    gone.add(heard.found.endpoint)
                if len(gone) == COUNT:
                    break
        assert came == gone
