"""ONVIF Imaging service: enough getters and one setter, so that no client waits for ever.

Owns the translation between `CameraState.imaging` and timg: XML. Invariant: values read back as set; they
change nothing in the drawn picture.
"""

from __future__ import annotations

from drivers.simulated.markup import Xml, tag
from drivers.simulated.soap import Operations, SoapRequest, invalid
from drivers.simulated.state import SOURCE_TOKEN, CameraState

_NAMES = ("Brightness", "ColorSaturation", "Contrast", "Sharpness")
"""In the order of onvif.xsd's ImagingSettings20."""


class ImagingService:
    """Operations of one camera's imaging service; used in the event loop only."""

    def __init__(self, state: CameraState) -> None:
        self._state = state

    def operations(self) -> Operations:
        """Return the table of operations."""
        return {
            "GetServiceCapabilities": lambda _: tag("timg:Capabilities", ImageStabilization=False),
            "GetImagingSettings": self._get,
            "SetImagingSettings": self._set,
            "GetOptions": self._options,
            "GetMoveOptions": lambda r: self._empty(r, "timg:MoveOptions"),
            "GetStatus": lambda r: self._empty(r, "timg:Status"),
        }

    def _known(self, request: SoapRequest) -> None:
        if request.value("VideoSourceToken") != SOURCE_TOKEN:
            raise invalid("NoSource", "no such video source")

    def _get(self, request: SoapRequest) -> Xml:
        self._known(request)
        return tag("timg:ImagingSettings", *(tag(f"tt:{name}", self._state.imaging[name]) for name in _NAMES))

    def _set(self, request: SoapRequest) -> Xml:
        self._known(request)
        try:
            wanted = {name: float(request.value(name, str(self._state.imaging[name]))) for name in _NAMES}
        except ValueError as error:
            raise invalid("SettingsInvalid", "not a number") from error
        if not all(0 <= value <= 100 for value in wanted.values()):
            raise invalid("SettingsInvalid", "out of range")
        self._state.imaging.update(wanted)
        return Xml("")

    def _options(self, request: SoapRequest) -> Xml:
        self._known(request)
        spans = [tag(f"tt:{name}", tag("tt:Min", 0), tag("tt:Max", 100)) for name in _NAMES]
        return tag("timg:ImagingOptions", *spans)

    def _empty(self, request: SoapRequest, name: str) -> Xml:
        """Answer for a lens that has no focus to move."""
        self._known(request)
        return tag(name)
