"""A password that was changed on the camera: no nonce is blamed for it, and every refusal is counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers.gate import MOST_DOUBTS, GateState, LoginGate
from drivers.onvif.client import OnvifClient
from drivers.onvif.transport import Limits
from gateway.core.errors import CameraOverloaded
from gateway.core.model import Login, Secret
from tests.fakes.clock import FakeClock
from tests.fakes.onvif_http import PASSWORD, USER, FakeOnvif

GOOD = Login(USER, Secret(PASSWORD))
QUICK = Limits(total_s=5.0)


@pytest.mark.parametrize("changes", [False, True], ids=["one nonce", "a nonce for each challenge"])
def test_a_changed_password_is_sent_once_in_a_connection(changes: bool) -> None:
    """A login known to be good answers a challenge of the same moment: no nonce is to blame for the refusal."""
    with FakeOnvif(auth="digest", changes_nonce=changes) as camera:
        camera.password = "changed on the camera"
        gate = LoginGate(GOOD, proven=True)
        asks: list[Callable[[OnvifClient], object]] = [
            OnvifClient.device_information,
            lambda client: client.fetch("GET", "/ISAPI/x"),
        ]
        for number, ask in enumerate(asks, start=1):
            client = OnvifClient("127.0.0.1", camera.port, gate, clock=FakeClock(), limits=QUICK)
            with pytest.raises(CameraOverloaded):
                ask(client)
            client.close()
            assert camera.bad_logins == number


def test_each_refusal_of_a_known_login_is_counted() -> None:
    """Of an older nonce, too: after three the gate is closed, before the camera has seen five."""
    with FakeOnvif(auth="digest", changes_nonce=True) as camera:
        gate = LoginGate(GOOD)
        client = OnvifClient("127.0.0.1", camera.port, gate, clock=FakeClock(), limits=QUICK)
        client.device_information()
        camera.password = "changed on the camera"
        for _ in range(4):
            with pytest.raises(CameraOverloaded):
                client.device_information()
        client.close()
        assert gate.state is GateState.PROVEN
        assert camera.bad_logins == MOST_DOUBTS
