"""The ONVIF driver of an adopted camera: at its address, with its login, for its channel.

Owns the one way from a stored camera to its driver. Invariants: a recorder's channel is known by the profile it was
adopted with, so that nothing is read from or written to another channel, whatever order the recorder lists them in;
path and TLS are those of the adoption, and guessed only for cameras adopted before they were kept.
"""

from __future__ import annotations

from dataclasses import replace

from drivers.adopt import speaks_tls
from drivers.base import Found, LoginMode
from drivers.discovery.wsd import DEFAULT_PATH
from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool
from gateway.core.clock import Clock
from recorder.adoption import AdoptOrder
from recorder.registry import Camera


def onvif_driver(camera: Camera, gate: LoginGate, pool: CallPool, clock: Clock) -> OnvifDriver:
    """Return a driver to use and close: at the pace of a camera of ours, in clear where the installer allowed that."""
    about = camera.about
    place = max(about.identity.channel - 1, 0)
    gate.clear_text = about.login_mode == LoginMode.TEXT  # the installer allowed it when the camera was adopted
    driver = OnvifDriver(
        about.address,
        about.port,
        gate,
        pool=pool,
        clock=clock,
        path=about.onvif_path or DEFAULT_PATH,
        channel=place,
        tls=about.onvif_tls,
    )
    driver.settle()
    driver.profile = camera.streams[0].spec.token if camera.streams else ""
    return driver


def with_known_place(found: Found | None, order: AdoptOrder) -> Found | None:
    """Return what discovery said of an address; where it names no service, the place the camera before it had."""
    if not order.onvif_path or order.port is None or (found is not None and found.xaddrs):
        return found
    tls = speaks_tls(order.port) if order.onvif_tls is None else order.onvif_tls
    url = f"{'https' if tls else 'http'}://{order.address}:{order.port}{order.onvif_path}"
    return replace(found or Found("", order.address, order.port, (), "", "", None, ""), xaddrs=(url,))
