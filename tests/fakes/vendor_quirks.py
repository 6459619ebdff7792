"""Proofs that the makers' quirks of a simulated camera do something a client can see."""

from __future__ import annotations

import asyncio
import json

from drivers.simulated.camera import SimulatedCamera
from tests.fakes.simulated import get, post
from tests.fakes.simulated_client import camera, soap


async def _status(cam: SimulatedCamera) -> bytes:
    return (await asyncio.to_thread(get, f"http://{cam.address}:{cam.onvif_port}/SDK/activateStatus")).body


async def vendor() -> None:
    async with camera(vendor="hikvision") as cam:
        assert b"<Activated>true</Activated>" in await _status(cam)
        assert (await soap(cam, "GetServices")).status == 200
    async with camera(vendor="dahua") as cam:
        url = f"http://{cam.address}:{cam.onvif_port}/OutsideCmd"
        told = await asyncio.to_thread(post, url, b'{"method":"DevInit.getStatus","params":null,"id":1}')
        assert json.loads(told.body)["params"]["Init"] == 2


async def inactive() -> None:
    async with camera(vendor="hikvision", inactive=True) as cam:
        assert b"<Activated>false</Activated>" in await _status(cam)
        assert cam.book.users == {}
        assert (await soap(cam, "GetServices")).status == 404
        assert cam.rtsp_port == 0


async def onvif_off() -> None:
    async with camera(vendor="dahua", onvif_off=True) as cam:
        assert (await soap(cam, "GetServices")).status == 404
        assert cam.rtsp_port != 0


async def activation() -> None:
    async with camera(vendor="hikvision", inactive=True, activation=3) as cam:
        assert b"<supportVersion>3</supportVersion>" in await _status(cam)
