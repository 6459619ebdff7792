"""Every fault of a simulated camera does something that a client can see.

`FAULTS` names one proof for each field; a field without a proof fails a test.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import fields

import pytest

from drivers.simulated.faults import Faults, Look
from gateway.core.model import StreamRole
from tests.fakes.clock import FakeClock
from tests.fakes.simulated import (
    RtspClient,
    soap_document,
)  # fmt: skip
from tests.fakes.simulated_client import camera, described, soap, talk

pytestmark = pytest.mark.anyio

Proof = Callable[[], Awaitable[None]]


async def freeze() -> None:
    async with camera() as cam:
        await cam.switch("freeze", value=True)
        assert (await cam.streams[StreamRole.MAIN].ready()).spec.look is Look.FROZEN


async def look() -> None:
    async with camera() as cam:
        for word in Look:
            await cam.switch("look", str(word))
            assert (await cam.streams[StreamRole.SUB].ready()).spec.look is word


async def drop() -> None:
    async with camera() as cam:
        cam.faults.drop = 0.5

        def body(client: RtspClient) -> None:
            client.setup()
            client.play()
            numbers = [packet.seq for packet in client.take(12)]
            assert (numbers[-1] - numbers[0]) & 0xFFFF > 11

        await talk(cam, body)
        assert cam.calls["dropped_packets"] > 0


async def silent() -> None:
    async with camera() as cam:
        cam.faults.silent = True

        def body(client: RtspClient) -> bool:
            client.setup()
            client.play()
            client._socket.settimeout(0.4)
            with suppress(TimeoutError):
                return bool(client.take(1))
            return False

        assert await talk(cam, body) is False
        assert cam.calls.get("rtp_packets", 0) == 0


async def garbage() -> None:
    async with camera() as cam:
        cam.faults.garbage = True

        def body(client: RtspClient) -> bytes:
            client.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            return client.read_raw(4)

        assert await talk(cam, body) == b"\x00\xff\x17G"


async def refuse_status() -> None:
    async with camera() as cam:
        for status in (403, 453, 503):
            await cam.switch("refuse_status", status)
            assert (await talk(cam, described)).status == status


async def refuse_logins() -> None:
    async with camera() as cam:
        cam.faults.refuse_logins = True
        assert (await talk(cam, described)).status == 401
        assert cam.bad_logins == 0


async def max_sessions() -> None:
    async with camera() as cam:
        cam.faults.max_sessions = 1

        def body(client: RtspClient) -> list[int]:
            return [client.setup().status, client.setup(StreamRole.SUB).status]

        assert await talk(cam, body) == [200, 453]


async def jump_90k() -> None:
    async with camera() as cam:

        def body(client: RtspClient) -> int:
            client.setup()
            client.play()
            before = client.take(1)[0].time_90k
            cam.faults.jump_90k = 90_000_000
            while (step := (client.take(1)[0].time_90k - before) % 2**32) < 80_000_000:  # RTP time wraps
                assert step < 20 * 90_000
            return step

        assert await talk(cam, body) >= 80_000_000


async def no_params_in_sdp() -> None:
    async with camera() as cam:
        assert b"sprop-parameter-sets" in (await talk(cam, described)).body
        cam.faults.no_params_in_sdp = True
        assert b"sprop-parameter-sets" not in (await talk(cam, described)).body


async def no_params_in_band() -> None:
    async with camera() as cam:
        cam.faults.no_params_in_band = True

        def body(client: RtspClient) -> set[int]:
            client.setup()
            client.play()
            return {packet.nal_type for packet in client.take(15)}

        assert not {7, 8} & await talk(cam, body)


async def latency_s() -> None:
    clock = FakeClock()
    async with camera(clock) as cam:
        cam.faults.latency_s = 3
        asked = asyncio.create_task(talk(cam, lambda client: client.once("OPTIONS", "*").status))
        while not clock._sleepers:  # noqa: ASYNC110 - the request comes by a socket, which sets no event of ours
            await asyncio.sleep(0.01)
        assert not asked.done()
        await clock.advance(3)
        assert await asked == 200


async def hang() -> None:
    async with camera() as cam:
        cam.faults.hang = True
        reader, writer = await asyncio.open_connection(cam.address, cam.onvif_port)
        document = soap_document("tds", "GetSystemDateAndTime")
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(document) + document)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        assert cam.calls["onvif.GetSystemDateAndTime"] == 1
        writer.close()


async def html_error() -> None:
    async with camera() as cam:
        cam.faults.html_error = True
        answer = await soap(cam, "NoSuchThing")
        assert (answer.status, b"<html>" in answer.body) == (500, True)


async def offline() -> None:
    async with camera() as cam:
        await cam.switch("offline", value=True)
        for port in (cam.rtsp_port, cam.onvif_port):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((cam.address, port), 5)
        await cam.switch("offline", value=False)
        assert (await soap(cam)).status == 200


FAULTS: dict[str, Proof] = {
    proof.__name__: proof
    for proof in (
        freeze, look, drop, silent, garbage, refuse_status, refuse_logins, max_sessions, jump_90k, no_params_in_sdp,
        no_params_in_band, latency_s, hang, html_error, offline,
    )
}  # fmt: skip


def test_every_fault_has_its_proof() -> None:
    """No fault is only a name."""
    assert set(FAULTS) == {field.name for field in fields(Faults)}


@pytest.mark.parametrize("name", FAULTS)
async def test_the_fault_can_be_seen_from_outside(name: str) -> None:
    """A client of the camera notices that this fault is on."""
    await FAULTS[name]()
