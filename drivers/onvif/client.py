"""What we ask one ONVIF camera, each question once and typed.

Owns the calls: clock, device information, services, network, profiles, stream addresses, pictures.
Blocking; for one thread at a time (the driver's lock). Invariants: `learn` sends no password; the
login goes out through the session only; addresses and host names the camera names are replaced by
the one we reached; what comes back is bounded and printable.
"""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import escape

from lxml import etree

from drivers import xml
from drivers.base import Found, LoginMode
from drivers.discovery.neighbours import normal_mac
from drivers.discovery.wsd import DEFAULT_PATH
from drivers.gate import LoginGate
from drivers.onvif import profiles as rules
from drivers.onvif import soap
from drivers.onvif.documents import MEDIA2_WSDL, SHARED, Documents
from drivers.onvif.eventcalls import EventCalls
from drivers.onvif.media1 import Media1
from drivers.onvif.media2 import Media2
from drivers.onvif.session import OnvifSession
from drivers.onvif.shared import SharedCamera
from drivers.onvif.transport import CameraTransport, Limits, LoginAsked
from drivers.onvif.written import Ask, written
from drivers.rtsp.source import DEFAULT_PORT, MOST_URL_CHARS, RtspSource
from gateway.core.clock import Clock
from gateway.core.errors import BadInput, CameraBadReply, CameraOverloaded, CameraUnsupported

JPEG_MAGIC = b"\xff\xd8\xff"
MOST_SERVICES = 64


@dataclass(frozen=True, slots=True)
class CameraClock:
    """What the camera's clock call told."""

    skew_ms: int | None
    """Camera clock minus ours; None: it tells no time at all."""
    latency_ms: int
    """Round trip."""


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    """GetDeviceInformation (ONVIF Core §8.3.1); "" where the camera says nothing."""

    manufacturer: str
    model: str
    firmware: str
    serial: str
    hardware: str


def device_path(found: Found) -> str:
    """Return the path of a found device's service: that of the XAddr we chose, else the standard one."""
    for url in found.xaddrs:
        parts = urlsplit(url)
        if parts.hostname == found.address and parts.path:
            return parts.path
    return DEFAULT_PATH


def entries_of(answer: object, most: int = MOST_SERVICES) -> list[Any]:
    """Return zeep's list, cut to size; a damaged reply makes it a single thing or nothing: then none."""
    return answer[:most] if isinstance(answer, list) else []


def clock_of(answer: etree._Element) -> datetime | None:
    """Read the UTC time of GetSystemDateAndTime; None when it is missing or no time at all."""
    utc = xml.first(answer, "UTCDateTime")
    try:
        year, month, day, hour, minute, second = (
            int(xml.text_of(utc, name, 8)) for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")
        )
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None


def http_date(headers: Mapping[str, str]) -> datetime | None:
    """Read the Date header of a reply; None when it is missing or broken."""
    try:
        return email.utils.parsedate_to_datetime(headers.get("Date", "")).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


class OnvifClient:
    """One camera, asked question by question; every method raises `CameraError`."""

    def __init__(
        self,
        host: str,
        port: int,
        gate: LoginGate,
        *,
        clock: Clock,
        path: str = DEFAULT_PATH,
        limits: Limits | None = None,
        documents: Documents = SHARED,
    ) -> None:
        self._clock, self._documents = clock, documents
        self._transport = CameraTransport(host, port, clock, limits)
        self._session = OnvifSession(self._transport, gate, clock)
        self._device_url = self._transport.rewritten(f"http://{host}:{port}{path}")
        self._camera = SharedCamera(self._transport, self._session.token, documents, self._device_url)
        self._services: dict[str, str] | None = None

    @property
    def login_mode(self) -> LoginMode:
        """How the camera wants to be logged in to, as far as it is known."""
        return self._session.mode

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def read_clock(self) -> CameraClock:
        """Ask the time without a login, keep the offset for signing, and measure the round trip.

        A camera that wants a login even for this still tells its time in the HTTP Date header.
        """
        sent_ms, sent_ns = self._clock.now_ms(), self._clock.mono_ns()
        moment: datetime | None = None
        try:
            moment = clock_of(self._session.bare(lambda: self._raw_device("GetSystemDateAndTime")))
        except (LoginAsked, CameraUnsupported, CameraBadReply):
            if self._transport.last is None:  # not even HTTP came back
                raise
        round_trip_ms = (self._clock.mono_ns() - sent_ns) // 1_000_000
        if moment is None and self._transport.last is not None:
            moment = http_date(self._transport.last.headers)
        skew_ms = None
        if moment is not None:
            skew_ms = int(moment.timestamp() * 1000) - (sent_ms + round_trip_ms // 2)
        self._session.skew_ms = skew_ms or 0
        return CameraClock(skew_ms, round_trip_ms)

    def learn_login(self) -> LoginMode:
        """Find out how the camera wants to be logged in to, without sending a password.

        Raises:
            CameraUnsupported: what answers is no ONVIF device, or wants Basic only.

        """
        try:
            self._session.bare(lambda: self._raw_device("GetDeviceInformation"))
        except LoginAsked as asked:
            self._session.learn(asked.reply)
        else:
            self._session.mode = LoginMode.OPEN
        return self._session.mode

    def device_information(self) -> DeviceInformation:
        """Ask make, model, firmware and serial; read tolerantly, since many send invalid UTF-8 here."""
        answer = self._session.exchange(lambda: self._raw_device("GetDeviceInformation"))

        def text(name: str) -> str:
            return soap.printable(xml.text_of(answer, name), 100)

        return DeviceInformation(
            text("Manufacturer"), text("Model"), text("FirmwareVersion"), text("SerialNumber"), text("HardwareId")
        )

    def services(self) -> dict[str, str]:
        """Return namespace -> URL of the camera's services; asked once, the old way if need be.

        Raises:
            CameraUnsupported: there is no media service among them.

        """
        if self._services is None:
            services = self._listed_services()
            if not services.keys() & {soap.MEDIA_NS, soap.MEDIA2_NS}:
                services = self._services_by_capabilities()
            if not services:
                raise CameraUnsupported("the camera has no media service")
            self._services = services
            self._camera.use(services)
        return self._services

    def _listed_services(self) -> dict[str, str]:
        try:
            listed = entries_of(self._zeep("devicemgmt", "GetServices", IncludeCapability=False))
        except (CameraUnsupported, CameraBadReply):
            return {}
        told = ((str(rules.path(entry, "Namespace")), rules.path(entry, "XAddr")) for entry in listed)
        return {namespace: url for namespace, xaddr in told if (url := self._usable(xaddr))}

    def _services_by_capabilities(self) -> dict[str, str]:
        """Ask the old way (ONVIF 1.0): media and events are all we need of it."""
        told = self._zeep("devicemgmt", "GetCapabilities", Category="All")
        wanted = ((soap.MEDIA_NS, "Media"), (soap.EVENTS_NS, "Events"))
        found = ((namespace, self._usable(rules.path(told, name, "XAddr"))) for namespace, name in wanted)
        return {namespace: url for namespace, url in found if url}

    def _usable(self, xaddr: object) -> str:
        """Return an XAddr at the camera we reached; "" for what is none."""
        try:
            return self._transport.rewritten(str(xaddr)) if xaddr else ""
        except CameraBadReply:
            return ""

    def mac(self) -> str | None:
        """Return the MAC of the first enabled interface; None when the camera does not say."""
        try:
            interfaces = entries_of(self._zeep("devicemgmt", "GetNetworkInterfaces"))
        except (CameraBadReply, CameraUnsupported, CameraOverloaded):  # some tell administrators only
            return None
        addresses = [
            (bool(rules.path(entry, "Enabled")), normal_mac(str(rules.path(entry, "Info", "HwAddress"))))
            for entry in interfaces
        ]
        return next((mac for _, mac in sorted(addresses, key=lambda pair: not pair[0]) if mac), None)

    def profiles(self) -> tuple[rules.Profile, ...]:
        """Return the video profiles: by Media2 where it works (H.265), else by Media1.

        Raises:
            CameraUnsupported: no profile has video we record.

        """
        found: tuple[rules.Profile, ...] = ()
        if soap.MEDIA2_NS in self.services():
            try:
                found = rules.from_media2(self._media2("GetProfiles", "<m:Type>All</m:Type>"))
            except (CameraBadReply, CameraUnsupported, CameraOverloaded):  # some crash here: Media1 decides
                found = ()
        if not found:
            found = rules.from_media1(entries_of(self._zeep("media", "GetProfiles"), rules.MOST_PROFILES))
        if not found:
            raise CameraUnsupported("the camera offers no H.264 or H.265 profile")
        return found

    def stream_source(self, profile: rules.Profile) -> RtspSource:
        """Return where a profile's stream is: the camera's path and port at the host we reached."""
        if profile.media2:
            token = escape(profile.token)
            inner = f"<m:Protocol>RTSP</m:Protocol><m:ProfileToken>{token}</m:ProfileToken>"
            return self.source_from(xml.text_of(self._media2("GetStreamUri", inner), "Uri", MOST_URL_CHARS))
        setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
        answer = self._zeep("media", "GetStreamUri", StreamSetup=setup, ProfileToken=profile.token)
        return self.source_from(str(rules.path(answer, "Uri") or ""))

    def source_from(self, uri: str) -> RtspSource:
        """Return an RTSP address without login and foreign host.

        Raises:
            CameraBadReply: it is no RTSP address.

        """
        try:
            parts = urlsplit(uri.strip())
            if parts.scheme.lower() != "rtsp":
                raise CameraBadReply("the stream address is no RTSP address", scheme=soap.printable(parts.scheme, 20))
            path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
            return RtspSource(self._transport.host, parts.port or DEFAULT_PORT, path)
        except (ValueError, BadInput) as error:
            raise CameraBadReply("the stream address cannot be used") from error

    def snapshot(self, profile: rules.Profile) -> bytes:
        """Fetch one JPEG.

        Raises:
            CameraBadReply: what came is no JPEG.

        """
        answer = self._zeep("media", "GetSnapshotUri", ProfileToken=profile.token)
        url = str(rules.path(answer, "Uri") or "")
        if not url:
            raise CameraUnsupported("the camera makes no pictures")
        reply = self._session.fetch(lambda: self._transport.get(self._transport.rewritten(url)))
        if reply.status_code != 200 or not reply.content.startswith(JPEG_MAGIC):
            raise CameraBadReply("the picture is no JPEG", status=reply.status_code)
        return reply.content

    def media1(self) -> Media1:
        """Return the typed calls of Media1; raises `CameraUnsupported` if the camera has none."""
        return Media1(self._service(soap.MEDIA_NS, "media.wsdl"))

    def media2(self) -> Media2:
        """Return the typed calls of Media2; raises `CameraUnsupported` if the camera has none."""
        return Media2(self._service(soap.MEDIA2_NS, MEDIA2_WSDL))

    def events(self) -> EventCalls:
        """Return the calls of the event service; whether there is one shows when they are made."""
        return EventCalls(self._transport, self._session, self._clock, self._event_service)

    def _event_service(self) -> str:
        """Return its address: flags that say there is none are not believed, a missing address is."""
        url = self.services().get(soap.EVENTS_NS)
        if url is None:
            raise CameraUnsupported("the camera has no event service", service="events")
        return url

    def _service(self, namespace: str, wsdl: str) -> Ask:
        url = self.services().get(namespace)
        if url is None:
            raise CameraUnsupported("the camera has no such service", namespace=namespace)

        def ask(operation: str, **parameters: object) -> etree._Element:
            def send() -> etree._Element:
                message = written(self._documents.get(wsdl), operation, parameters)
                sealed = soap.sealed(message, self._session.security())
                return soap.send(self._transport, url, f"{namespace}/{operation}", sealed)

            return self._session.exchange(send)

        return ask

    def _raw_device(self, operation: str) -> etree._Element:
        return soap.call(self._transport, self._device_url, soap.DEVICE_NS, operation, "", self._session.security())

    def _media2(self, operation: str, inner: str) -> etree._Element:
        url = self.services()[soap.MEDIA2_NS]
        return self._session.exchange(
            lambda: soap.call(self._transport, url, soap.MEDIA2_NS, operation, inner, self._session.security())
        )

    def _zeep(self, service: str, operation: str, **parameters: object) -> Any:
        if service != "devicemgmt":
            self.services()
        function = self._camera.operation(service, operation)
        return self._session.exchange(lambda: function(**parameters))
