"""The services of a simulated camera without its sockets, and the schemas ONVIF publishes for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import cache
from pathlib import Path

import onvif
from lxml import etree

from drivers.simulated.device_service import DeviceService
from drivers.simulated.event_service import EventService
from drivers.simulated.faults import Quirks
from drivers.simulated.imaging_service import ImagingService
from drivers.simulated.logins import LoginBook, User
from drivers.simulated.markup import Xml, local, parse
from drivers.simulated.media2_service import Media2Service
from drivers.simulated.media_service import MediaService
from drivers.simulated.soap import SERVICE_PATHS, SoapFault, read_request, reply
from drivers.simulated.state import MAIN, SUB, CameraState, Profile, identity_of
from gateway.core.model import Secret, StreamRole
from tests.fakes.clock import FakeClock
from tests.fakes.simulated import PASSWORD, soap_document

_WSDL = Path(onvif.__file__).parents[1] / "wsdl"
_FILES = {"tds": "devicemgmt.wsdl", "trt": "media.wsdl", "timg": "imaging.wsdl", "tev": "events.wsdl"}
_SCHEMA = "{http://www.w3.org/2001/XMLSchema}schema"


@cache
def schema(prefix: str) -> etree.XMLSchema:
    """The published schema of one service (Media2's is not among those that onvif-zeep carries)."""
    file = _WSDL / _FILES[prefix]
    found = etree.parse(str(file)).find(f".//{_SCHEMA}")
    assert found is not None
    return etree.XMLSchema(etree.fromstring(etree.tostring(found), base_url=str(file)))


class Bench:
    """One camera's services on a clock that stands still; `restarted` holds what its encoders were changed to."""

    def __init__(self, quirks: Quirks | None = None) -> None:
        self.clock, self.quirks = FakeClock(), quirks or Quirks()
        self.restarted: list[Profile] = []
        self.reboots = 0
        book = LoginBook({"admin": User(Secret(PASSWORD))}, self.quirks, self.clock)
        profiles = [Profile(StreamRole.MAIN, "main", "/1", MAIN), Profile(StreamRole.SUB, "sub", "/2?a=b", SUB)]
        self.state = CameraState(
            "Lớp Lá 1", identity_of("bench", 0), "127.0.9.1", self.clock, self.quirks, book, profiles,
            self.restarted.append, onvif_port=80, rtsp_port=554,
        )  # fmt: skip
        self.events = EventService(self.state)
        self.plug()

    def plug(self) -> None:
        """Build the services anew, as a camera does that was unplugged: the state is what it was."""
        self.tables = {
            "tds": DeviceService(self.state, self._reboot).operations(),
            "trt": MediaService(self.state).operations(),
            "tr2": Media2Service(self.state).operations(),
            "tev": self.events.operations(),
            "timg": ImagingService(self.state).operations(),
        }

    def _reboot(self) -> None:
        self.reboots += 1

    def ask(self, prefix: str, operation: str, content: str = "", *, path: str = "") -> etree._Element:
        """Call an operation; returns the Response element as a client parses it. Raises SoapFault."""
        request = read_request(parse(soap_document(prefix, operation, content)), path or SERVICE_PATHS[prefix])
        made = self.tables["tev" if prefix == "wsnt" else prefix][operation](request)
        body = made if isinstance(made, Xml) else asyncio.run(_awaited(made))
        root = parse(reply(request, body))
        return next(item for item in root.iter() if local(item) == f"{operation}Response")

    def refused(self, prefix: str, operation: str, content: str = "", *, path: str = "") -> str:
        """Call an operation that must fail; returns the most particular subcode of the fault."""
        try:
            self.ask(prefix, operation, content, path=path)
        except SoapFault as error:
            return error.detail or error.subcode
        raise AssertionError(f"{operation} was answered")


async def _awaited(made: Awaitable[Xml]) -> Xml:
    return await made


def texts(element: etree._Element, name: str) -> list[str]:
    """The text of every element called `name`, in order."""
    return [item.text or "" for item in element.iter() if local(item) == name]


def named(element: etree._Element, name: str) -> list[etree._Element]:
    """Every element called `name`, in order."""
    return [item for item in element.iter() if local(item) == name]
