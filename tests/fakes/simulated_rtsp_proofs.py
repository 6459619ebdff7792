"""Proofs of the quirks of a simulated camera's transport: what a plain client sees of each."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl

from drivers.simulated.faults import Quirks, Sound
from tests.fakes.simulated import HANG_S, RtspClient
from tests.fakes.simulated_client import camera, described, talk


def heard_over_udp(client: RtspClient, count: int) -> tuple[str, list[int]]:
    """Set up and play over UDP; return the Transport line and the sequence numbers as they came."""
    with socket.socket(type=socket.SOCK_DGRAM) as rtp:
        rtp.bind(("127.0.0.1", 0))
        rtp.settimeout(HANG_S)
        port = rtp.getsockname()[1]
        answer = client.setup(transport=f"RTP/AVP;unicast;client_port={port}-{port + 1}")
        client.play()
        numbers = [int.from_bytes(rtp.recv(2048)[2:4], "big") for _ in range(count)]
        client.teardown()
    return answer.values("Transport")[0], numbers


async def udp_swaps() -> None:
    async with camera(udp_swaps=True) as cam:
        _, numbers = await talk(cam, lambda client: heard_over_udp(client, 4))
        assert [(number - min(numbers)) & 0xFFFF for number in numbers] == [1, 0, 3, 2]


async def udp_no_ports() -> None:
    async with camera(udp_no_ports=True) as cam:
        place, _ = await talk(cam, lambda client: heard_over_udp(client, 1))
        assert "server_port" not in place


def shown_certificate(address: str, port: int) -> str:
    """Return the SHA-256 of what a TLS server shows, by a handshake of our own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((address, port), HANG_S) as raw, context.wrap_socket(raw) as wrapped:
        return hashlib.sha256(wrapped.getpeercert(binary_form=True) or b"").hexdigest()


async def rtsps() -> None:
    async with camera(rtsps=True) as cam:
        assert cam.certificate is not None
        first = await asyncio.to_thread(shown_certificate, cam.address, cam.rtsps_port)
        assert first == cam.certificate.fingerprint
        await cam.switch("certificate", True)
        assert await asyncio.to_thread(shown_certificate, cam.address, cam.rtsps_port) != first
    async with camera() as cam:
        assert (cam.rtsps_port, cam.certificate) == (0, None)


async def sound() -> None:
    async with camera() as cam:
        assert b"m=audio" not in (await talk(cam, described)).body
        for kind, name in {Sound.AAC: b"MPEG4-GENERIC", Sound.PCMU: b"PCMU", Sound.G726: b"G726"}.items():
            cam.quirks.sound = kind
            assert name in (await talk(cam, described)).body


async def retry_after_s() -> None:
    async with camera(retry_after_s=7) as cam:
        cam.faults.refuse_status = 503
        assert (await talk(cam, described)).values("Retry-After") == ["7"]


TRANSPORT_QUIRKS = {proof.__name__: proof for proof in (udp_swaps, udp_no_ports, rtsps, sound, retry_after_s)}
assert set(TRANSPORT_QUIRKS) <= set(Quirks.__slots__)
