"""The smart codec switch of Hikvision and Dahua cameras: ONVIF has no word for it.

Owns the two vendors' requests: Hikvision ISAPI `/ISAPI/Streaming/channels/<n>01` (`SmartCodec/enabled`
in the channel's document) and Dahua `configManager.cgi` (`SmartEncode[n].Enable`), and whose cameras
speak which. Invariants: only HTTP Digest is used (the camera's session sees to that); a Hikvision
document goes back as it came but for the one value; any other maker's camera is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from drivers import xml
from gateway.core.errors import CameraBadReply

Fetch = Callable[[str, str, bytes, str], bytes]
"""method, target, body, content type -> body of the answer; raises `CameraError`."""
_HIKVISION = ("hikvision", "hiwatch", "hilook")
_DAHUA = ("dahua", "kbvision", "imou", "lorex", "amcrest")
_ENABLED = re.compile(rb"SmartEncode\[(\d{1,3})\]\.Enable=(true|false)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hikvision:
    """One channel's main stream of a Hikvision camera or one of its brands."""

    channel: int
    most_bytes: int

    @property
    def _target(self) -> str:
        return f"/ISAPI/Streaming/channels/{self.channel + 1}01"

    def read(self, fetch: Fetch) -> bool | None:
        """Say whether the smart codec is on; None: this model has none."""
        place = self._place(self._document(fetch))
        return None if place is None else (place.text or "").strip().lower() == "true"

    def write(self, fetch: Fetch, on: bool) -> None:
        """Switch it; some models start anew afterwards.

        Raises:
            CameraBadReply: the model has no such switch, or refuses.

        """
        document = self._document(fetch)
        place = self._place(document)
        if place is None:
            raise CameraBadReply("the camera's document has no smart codec", target=self._target)
        place.text = str(on).lower()
        fetch("PUT", self._target, etree.tostring(document, xml_declaration=True, encoding="utf-8"), "application/xml")

    def _document(self, fetch: Fetch) -> etree._Element:
        return xml.parse(fetch("GET", self._target, b"", ""), self.most_bytes)

    @staticmethod
    def _place(document: etree._Element) -> etree._Element | None:
        smart = xml.first(document, "SmartCodec")
        if smart is None:
            return None
        enabled = xml.first(smart, "enabled")
        return smart if enabled is None else enabled


@dataclass(frozen=True, slots=True)
class Dahua:
    """One channel of a Dahua camera or one of its brands."""

    channel: int

    def read(self, fetch: Fetch) -> bool | None:
        """Say whether the smart codec is on; None: this model has none."""
        told = fetch("GET", "/cgi-bin/configManager.cgi?action=getConfig&name=SmartEncode", b"", "")
        found = {int(number): value.lower() == b"true" for number, value in _ENABLED.findall(told)}
        return found.get(self.channel)

    def write(self, fetch: Fetch, on: bool) -> None:
        """Switch it.

        Raises:
            CameraBadReply: the camera does not answer OK.

        """
        place = f"SmartEncode%5B{self.channel}%5D.Enable={str(on).lower()}"  # brackets as they go on the wire
        told = fetch("GET", f"/cgi-bin/configManager.cgi?action=setConfig&{place}", b"", "")
        if not told.strip().upper().startswith(b"OK"):
            raise CameraBadReply("the camera refuses to switch its smart codec")


def switch_for(manufacturer: str, channel: int, most_bytes: int) -> Hikvision | Dahua | None:
    """Return the switch of a maker's cameras; None for makers we know none of."""
    name = manufacturer.lower()
    if any(brand in name for brand in _HIKVISION):
        return Hikvision(channel, most_bytes)
    return Dahua(channel) if any(brand in name for brand in _DAHUA) else None
