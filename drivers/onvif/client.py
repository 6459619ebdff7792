"""What we ask one ONVIF camera, each question once and typed.

Owns the calls: clock, device information, services, network, profiles, stream addresses, pictures.
Blocking; for one thread at a time (the driver's lock). Invariants: `learn` sends no password; the
login goes out through the session only; addresses and host names the camera names are replaced by
the one we reached; what comes back is bounded and printable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import escape

from lxml import etree

from drivers import xml
from drivers.base import Found, LoginMode
from drivers.discovery.wsd import DEFAULT_PATH
from drivers.gate import LoginGate
from drivers.onvif import profiles as rules
from drivers.onvif import replies, soap
from drivers.onvif.documents import MEDIA2_WSDL, SHARED, Documents
from drivers.onvif.eventcalls import EventCalls
from drivers.onvif.media1 import Media1
from drivers.onvif.media2 import Media2
from drivers.onvif.session import OnvifSession, Unreadable
from drivers.onvif.shared import SharedCamera
from drivers.onvif.transport import CameraTransport, Limits, LoginAsked
from drivers.onvif.written import Ask, written
from drivers.rtsp.source import DEFAULT_PORT, DEFAULT_TLS_PORT, MOST_URL_CHARS, RtspSource
from gateway.core.clock import Clock
from gateway.core.errors import BadInput, CameraBadReply, CameraOverloaded, CameraUnsupported

T = TypeVar("T")

JPEG_MAGIC = b"\xff\xd8\xff"


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
        tls: bool = False,
    ) -> None:
        """With `tls` the camera is spoken to over HTTPS, to the certificate that the gate trusts."""
        self._clock, self._documents, self._gate = clock, documents, gate
        self._transport = CameraTransport(host, port, clock, limits, gate.trust if tls else None)
        self._session = OnvifSession(self._transport, gate, clock)
        self._device_url = self._transport.rewritten(f"http://{host}:{port}{path}")
        self._camera = SharedCamera(self._transport, self._session.token, documents, self._device_url)
        self._services: dict[str, str] | None = None

    @property
    def login_mode(self) -> LoginMode:
        """How the camera wants to be logged in to, as far as it is known."""
        return self._session.mode

    @property
    def username(self) -> str:
        """The user it logs in by; "" for none."""
        login = self._session.login
        return "" if login is None else login.username

    @property
    def login_proven(self) -> bool:
        """Whether the camera took its login."""
        return self._session.login_proven

    @property
    def reply_bytes(self) -> int:
        """Longest reply that is read."""
        return self._transport.limits.reply_bytes

    @property
    def pin(self) -> str:
        """SHA-256 of the certificate this camera is known by; empty for one without TLS."""
        return self._gate.pin

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
            moment = replies.clock_of(self._session.bare(lambda: self._raw_device("GetSystemDateAndTime")))
        except (LoginAsked, CameraUnsupported, CameraBadReply):
            if self._transport.last is None:  # not even HTTP came back
                raise
        round_trip_ms = (self._clock.mono_ns() - sent_ns) // 1_000_000
        if moment is None and self._transport.last is not None:
            moment = replies.http_date(self._transport.last.headers)
        skew_ms = None
        if moment is not None:
            skew_ms = int(moment.timestamp() * 1000) - (sent_ms + round_trip_ms // 2)
        self._session.skew_ms = skew_ms or 0
        return CameraClock(skew_ms, round_trip_ms)

    def trust_clock_of(self, other: OnvifClient) -> None:
        """Sign with the camera time that another client of the same camera has read."""
        self._session.skew_ms = other._session.skew_ms

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
            told = self._asked(
                "devicemgmt", "GetServices", replies.services_told, replies.services_in, IncludeCapability=False
            )
        except (CameraUnsupported, CameraBadReply):
            return {}
        return self._usable_ones(told)

    def _services_by_capabilities(self) -> dict[str, str]:
        """Ask the old way (ONVIF 1.0): media and events are all we need of it."""
        return self._usable_ones(
            self._asked(
                "devicemgmt", "GetCapabilities", replies.capabilities_told, replies.capabilities_in, Category="All"
            )
        )

    def _usable_ones(self, told: Mapping[str, str]) -> dict[str, str]:
        return {namespace: url for namespace, xaddr in told.items() if (url := self._usable(xaddr))}

    def _usable(self, xaddr: object) -> str:
        """Return an XAddr at the camera we reached; "" for what is none."""
        try:
            return self._transport.rewritten(str(xaddr)) if xaddr else ""
        except CameraBadReply:
            return ""

    def mac(self) -> str | None:
        """Return the MAC of the first enabled interface; None when the camera does not say."""
        try:
            addresses = self._asked("devicemgmt", "GetNetworkInterfaces", replies.macs_told, replies.macs_in)
        except (CameraBadReply, CameraUnsupported, CameraOverloaded):  # some tell administrators only
            return None
        return next((mac for _, mac in sorted(addresses, key=lambda pair: not pair[0])), None)

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
            found = self._asked("media", "GetProfiles", replies.profiles_told, rules.from_media1_answer)
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
        uri = self._asked(
            "media", "GetStreamUri", replies.uri_told, replies.uri_in, StreamSetup=setup, ProfileToken=profile.token
        )
        return self.source_from(uri)

    def source_from(self, uri: str) -> RtspSource:
        """Return an RTSP address without login and foreign host.

        Raises:
            CameraBadReply: it is no RTSP address.

        """
        try:
            parts = urlsplit(uri.strip())
            tls = parts.scheme.lower() == "rtsps"
            if not tls and parts.scheme.lower() != "rtsp":
                raise CameraBadReply("the stream address is no RTSP address", scheme=soap.printable(parts.scheme, 20))
            path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
            usual = DEFAULT_TLS_PORT if tls else DEFAULT_PORT
            return RtspSource(self._transport.host, parts.port or usual, path, tls)
        except (ValueError, BadInput) as error:
            raise CameraBadReply("the stream address cannot be used") from error

    def snapshot(self, profile: rules.Profile) -> bytes:
        """Fetch one JPEG.

        Raises:
            CameraBadReply: what came is no JPEG.

        """
        url = self._asked("media", "GetSnapshotUri", replies.uri_told, replies.uri_in, ProfileToken=profile.token)
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

    def ask_device(self, operation: str, inner: str = "") -> etree._Element:
        """Make one raw call of the device service; `inner` is well-formed XML of ours, prefix `m` its namespace."""
        return self._session.exchange(lambda: self._raw_device(operation, inner))

    def fetch(self, method: str, target: str, data: bytes = b"", content_type: str = "") -> bytes:
        """Make one request of a vendor's HTTP interface on the same port and return its body.

        Raises:
            CameraBadReply: the answer's status is not 200.

        """
        headers = {"Content-Type": content_type} if content_type else {}
        reply = self._session.fetch(lambda: self._transport.request(method, target, data, headers))
        if reply.status_code != 200:
            raise CameraBadReply("the camera refuses the vendor's request", status=reply.status_code)
        return reply.content

    def _raw_device(self, operation: str, inner: str = "") -> etree._Element:
        security = self._session.security()
        return soap.call(self._transport, self._device_url, soap.DEVICE_NS, operation, inner, security)

    def _media2(self, operation: str, inner: str) -> etree._Element:
        url = self.services()[soap.MEDIA2_NS]
        return self._session.exchange(
            lambda: soap.call(self._transport, url, soap.MEDIA2_NS, operation, inner, self._session.security())
        )

    def _asked(
        self,
        service: str,
        operation: str,
        told: Callable[[object], T],
        read: Callable[[etree._Element], T],
        **parameters: object,
    ) -> T:
        """Make one call through zeep; what it made nothing of is read by hand from the same reply.

        Args:
            service: onvif-zeep's name of the service.
            operation: the call.
            told: takes what we need out of zeep's answer; falsy for nothing.
            read: takes the same out of the answer's element.
            parameters: of the call.

        """
        if service != "devicemgmt":
            self.services()
        function = self._camera.operation(service, operation)
        try:
            found = told(self._session.exchange(lambda: function(**parameters)))
        except Unreadable as broken:
            return read(broken.answer)
        last = self._transport.last
        if found or last is None:
            return found
        return read(soap.body_of(last, self._transport.limits.reply_bytes))
