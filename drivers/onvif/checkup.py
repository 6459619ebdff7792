"""The doctor's look at one ONVIF camera: its settings, firmware and network as it tells them itself.

Owns the calls and the reading of their answers into `Said`. Invariants: one visit asks each thing once, in the
camera's line (one call a second); what a camera does not tell is missing, never guessed; a refused login or an
unreachable camera ends the visit with what was known by then.
"""

from __future__ import annotations

from lxml import etree

from drivers import xml
from drivers.doctor.said import Said
from drivers.onvif.driver import OnvifDriver
from gateway.core.errors import CameraBadReply, CameraError, CameraOverloaded, CameraUnsupported

_MOST_INTERFACES = 16


def dhcp_of(answer: etree._Element) -> bool | None:
    """Return whether any enabled interface takes its IPv4 address from DHCP (Core §8.2.10); None if none tells."""
    told = []
    for entry in list(xml.all_named(answer, "NetworkInterfaces"))[:_MOST_INTERFACES]:
        config = xml.first(entry, "Config")
        if config is not None and xml.text_of(entry, "Enabled", 8).lower() in ("true", "1"):
            told.append(xml.text_of(config, "DHCP", 8).lower() in ("true", "1"))
    return any(told) if told else None


async def look(driver: OnvifDriver) -> Said:
    """Ask a camera what the doctor wants to know of it; never raises for the camera's sake."""
    said = Said()
    try:
        said = said.with_settings((await driver.settings()).now)
        said = said.with_dhcp(await _dhcp(driver))
        about = await driver.about()
    except CameraError:  # its words end here; what was said so far stands
        return said
    return said.with_make(about.manufacturer, about.model, about.firmware)


async def _dhcp(driver: OnvifDriver) -> bool | None:
    try:
        return dhcp_of(await driver.ask("GetNetworkInterfaces"))
    except (CameraBadReply, CameraUnsupported, CameraOverloaded):  # some tell administrators only
        return None
