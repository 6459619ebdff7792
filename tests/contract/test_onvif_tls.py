"""Cameras that speak ONVIF over TLS: certificates of their own making, pinned on first use."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from drivers.adopt import Learned, Means, learn, speaks_tls
from drivers.base import Found, LoginMode
from drivers.gate import GateState, LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool
from drivers.onvif.transport import CameraTransport, Limits
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm, FarmWorld
from drivers.simulated.faults import Quirks
from gateway.core.clock import SystemClock
from gateway.core.errors import CameraCertificate, CameraError, CameraLoginRefused, CameraUnreachable, CameraUnsupported
from gateway.core.model import Login, Secret
from tests.fakes.onvif_http import raw_server

pytestmark = pytest.mark.anyio
PASSWORD = "Mầm-non-2026"
LIMITS = Limits(total_s=20.0)


@contextlib.asynccontextmanager
async def one_camera(quirks: Quirks) -> AsyncIterator[SimulatedCamera]:
    """A simulated camera that behaves like this."""
    adjust = lambda options: replace(options, quirks=quirks)
    options = replace(QUICK, seed=uuid4().hex, discovery=False)
    async with Farm(1, password=PASSWORD, base="127.0.1.171", options=options, world=FarmWorld(adjust=adjust)) as farm:
        yield farm.cameras[0]


def gate(password: str = PASSWORD, pin: str = "") -> LoginGate:
    return LoginGate(Login("admin", Secret(password)), pin=pin)


def found(camera: SimulatedCamera) -> Found:
    """What discovery says of a camera with HTTPS."""
    url = f"https://{camera.address}:{camera.onvif_port}/onvif/device_service"
    return Found("urn:uuid:1", camera.address, camera.onvif_port, (url,), "", "", None, "lo")


async def learned(camera: SimulatedCamera, key: LoginGate) -> Learned:
    means = Means(SystemClock(), CallPool(), limits=LIMITS)
    return await learn(camera.address, camera.onvif_port, key, means, found=found(camera))


@pytest.mark.parametrize(
    ("auth", "mode"),
    [(("digest",), LoginMode.DIGEST), (("wsse",), LoginMode.WSSE), (("basic",), LoginMode.BASIC)],
    ids=["digest", "wsse", "basic"],
)
async def test_a_camera_with_https_only_is_adopted_and_pinned(auth: tuple[str, ...], mode: LoginMode) -> None:
    """Every login works over TLS, Basic too, and the gate knows the certificate afterwards; a wrong password goes once."""
    async with one_camera(Quirks(https=True, onvif_auth=auth)) as camera:
        assert camera.certificate is not None
        key = gate()
        result = await learned(camera, key)
        assert result.login_mode is mode
        assert len(result.streams) == 2
        assert key.pin == camera.certificate.fingerprint
        assert (key.state, camera.bad_logins) == (GateState.PROVEN, 0)
        wrong = gate("wrong", key.pin)
        for _ in range(2):
            with pytest.raises(CameraLoginRefused):
                await learned(camera, wrong)
        assert camera.bad_logins == 1


async def test_basic_without_tls_is_never_answered() -> None:
    """A camera that offers Basic over plain HTTP gets no password."""
    async with one_camera(Quirks(onvif_auth=("basic",))) as camera:
        driver = OnvifDriver(camera.address, camera.onvif_port, gate(), pool=CallPool(), clock=SystemClock())
        with pytest.raises(CameraUnsupported):
            await driver.probe()
        await driver.close()
        assert (camera.book.good_logins, camera.bad_logins) == (0, 0)


async def test_another_certificate_gets_nothing() -> None:
    """A changed certificate is an error with a remedy; not a byte of a request is sent to it."""
    async with one_camera(Quirks(https=True)) as camera:
        assert camera.certificate is not None
        key = gate()
        await learned(camera, key)
        calls, logins = camera.calls, camera.book.good_logins
        await camera.switch("certificate", True)
        with pytest.raises(CameraCertificate) as caught:
            await learned(camera, key)
        assert caught.value.fields["known"] == key.pin[:16]
        assert camera.calls == calls
        assert camera.book.good_logins == logins
        assert (await learned(camera, gate())).streams  # a login entered anew accepts the present one


async def test_the_pin_of_before_counts_from_the_first_connection() -> None:
    """After a restart no other certificate gets in first."""
    async with one_camera(Quirks(https=True)) as camera:
        with pytest.raises(CameraCertificate):
            await learned(camera, gate(pin="ab" * 32))
        assert camera.calls == {}


async def test_plain_http_to_a_tls_port_costs_no_login() -> None:
    """Spoken to in the wrong way, either side errs without a password."""
    async with one_camera(Quirks(https=True)) as secure, one_camera_elsewhere() as plain:
        for camera, tls in ((secure, False), (plain, True)):
            key = gate()
            driver = OnvifDriver(
                camera.address, camera.onvif_port, key, pool=CallPool(), clock=SystemClock(), limits=LIMITS, tls=tls
            )
            with pytest.raises(CameraError):
                await driver.probe()
            await driver.close()
            assert key.state is GateState.UNPROVEN
            assert camera.book.good_logins == 0


@contextlib.asynccontextmanager
async def one_camera_elsewhere() -> AsyncIterator[SimulatedCamera]:
    """A second camera, on plain HTTP."""
    options = replace(QUICK, seed=uuid4().hex, discovery=False)
    async with Farm(1, password=PASSWORD, base="127.0.1.172", options=options) as farm:
        yield farm.cameras[0]


@pytest.mark.parametrize("words", [b"", b"\x16\x03\x03\x40\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_handshake_that_leads_nowhere_ends(words: bytes) -> None:
    """Silence, half a record and plain text are errors of the camera, within the exchange's time."""

    def script(peer: socket.socket) -> None:
        peer.sendall(words)
        with contextlib.suppress(OSError):
            peer.recv(65_536)

    with raw_server(script, wait_for_request=False) as port:
        transport = CameraTransport("127.0.0.1", port, SystemClock(), Limits(total_s=0.5), trust=lambda _: None)
        with pytest.raises((CameraUnreachable, CameraUnsupported)):
            transport.post(f"https://127.0.0.1:{port}/", b"<x/>", {})
        transport.close()


def test_which_ports_want_tls() -> None:
    """What discovery said comes first, the number of the port second."""
    told = Found("e", "10.0.0.9", 8080, ("https://10.0.0.9:8080/x", "http://10.0.0.9:443/y"), "", "", None, "lo")
    assert speaks_tls(8080, told)
    assert not speaks_tls(443, told)
    assert speaks_tls(443)
    assert not speaks_tls(80)
    assert speaks_tls(443, Found("e", "10.0.0.9", 443, ("http://10.0.0.9:99999/",), "", "", None, "lo"))
