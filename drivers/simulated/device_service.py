"""ONVIF device service (ONVIF Core 8): identity, clock, network, users, scopes, capabilities.

Owns the translation between `CameraState` and tds: XML. Invariants: every getter a Profile S client may
call has an answer; a setter changes the state and the getter shows it; setters that would cut the camera
off from the machine it runs on (network, factory reset) are refused as not supported.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime

from lxml import etree

from drivers.simulated.logins import User
from drivers.simulated.markup import Xml, find, find_all, join, tag, value_of
from drivers.simulated.soap import NAMESPACES, SERVICE_PATHS, Operations, SoapFault, SoapRequest, invalid
from drivers.simulated.state import FIRMWARE, HARDWARE, MANUFACTURER, MODEL, CameraState
from gateway.core.model import Secret

LEAST_PASSWORD, MOST_USERS = 8, 8
MOST_SCOPES, MOST_SCOPE_CHARS = 32, 256
"""Discovery sends all of them in one datagram."""
YEARS = range(2000, 2100)
"""What the camera's clock can be set to."""
_LEVELS = frozenset({"Administrator", "Operator", "User"})
_NOTHING = Xml("")


class DeviceService:
    """Operations of one camera's device service; used in the event loop only."""

    def __init__(self, state: CameraState, on_reboot: Callable[[], None]) -> None:
        self._state, self._on_reboot = state, on_reboot

    def operations(self) -> Operations:
        """Return the table of operations."""
        return {
            "GetSystemDateAndTime": self._get_time,
            "SetSystemDateAndTime": self._set_time,
            "GetNTP": self._get_ntp,
            "SetNTP": self._set_ntp,
            "GetDeviceInformation": self._information,
            "GetServices": self._services,
            "GetServiceCapabilities": self._service_capabilities,
            "GetCapabilities": self._capabilities,
            "GetScopes": self._scopes,
            "AddScopes": self._add_scopes,
            "SetScopes": self._set_scopes,
            "GetHostname": self._hostname,
            "SetHostname": self._set_hostname,
            "GetNetworkInterfaces": self._interfaces,
            "GetNetworkProtocols": self._protocols,
            "GetNetworkDefaultGateway": lambda _: tag("tds:NetworkGateway"),
            "GetDNS": lambda _: tag("tds:DNSInformation", tag("tt:FromDHCP", True)),
            "GetDiscoveryMode": lambda _: tag("tds:DiscoveryMode", "Discoverable"),
            "GetUsers": self._users,
            "CreateUsers": self._create_users,
            "SetUser": self._set_user,
            "DeleteUsers": self._delete_users,
            "GetEndpointReference": lambda _: tag("tds:GUID", self._state.identity.endpoint),
            "GetWsdlUrl": lambda _: tag("tds:WsdlUrl", "https://www.onvif.org/"),
            "GetRelayOutputs": lambda _: _NOTHING,
            "GetCertificates": lambda _: _NOTHING,
            "SystemReboot": self._reboot,
        }

    def _get_time(self, _: SoapRequest) -> Xml:
        state, now = self._state, datetime.fromtimestamp(self._state.now_ms() / 1000, UTC)
        parts = [
            tag("tt:DateTimeType", state.time_type),
            tag("tt:DaylightSavings", False),
            tag("tt:TimeZone", tag("tt:TZ", state.time_zone)),
            tag("tt:UTCDateTime", _clock(now)),
        ]
        return tag("tds:SystemDateAndTime", *parts)

    def _set_time(self, request: SoapRequest) -> Xml:
        state = self._state
        kind = request.value("DateTimeType")
        if kind not in ("Manual", "NTP"):
            raise invalid("InvalidDateTime", "DateTimeType is Manual or NTP")
        given = find(request.element, "UTCDateTime")
        if kind == "Manual" and given is not None:
            state.quirks.clock_skew_s = (_moment(given).timestamp() * 1000 - state.clock.now_ms()) / 1000
        elif kind == "NTP":
            state.quirks.clock_skew_s = 0.0  # the simulated time server always answers at once
        state.time_type = kind
        state.time_zone = request.value("TZ", state.time_zone)
        return _NOTHING

    def _get_ntp(self, _: SoapRequest) -> Xml:
        manual = [_host("tt:NTPManual", server) for server in self._state.ntp_servers]
        return tag("tds:NTPInformation", tag("tt:FromDHCP", self._state.ntp_from_dhcp), *manual)

    def _set_ntp(self, request: SoapRequest) -> Xml:
        names = ("IPv4Address", "IPv6Address", "DNSname")
        self._state.ntp_servers = [
            value
            for server in find_all(request.element, "NTPManual")
            for name in names
            if (value := value_of(server, name))
        ]
        self._state.ntp_from_dhcp = request.value("FromDHCP") in ("true", "1")
        return _NOTHING

    def _information(self, _: SoapRequest) -> Xml:
        quirks = self._state.quirks
        return join(
            [
                tag("tds:Manufacturer", quirks.manufacturer or MANUFACTURER),
                tag("tds:Model", quirks.model or MODEL),
                tag("tds:FirmwareVersion", quirks.firmware or FIRMWARE),
                tag("tds:SerialNumber", self._state.identity.serial),
                tag("tds:HardwareId", HARDWARE),
            ]
        )

    def _offered(self) -> list[str]:
        return [prefix for prefix in SERVICE_PATHS if not (prefix == "tr2" and self._state.quirks.no_media2)]

    def _services(self, _: SoapRequest) -> Xml:
        if self._state.quirks.no_get_services:
            raise SoapFault("ActionNotSupported", "GetServices is not implemented", receiver=True)
        version = tag("tds:Version", tag("tt:Major", 2), tag("tt:Minor", 60))
        return join(
            [
                tag(
                    "tds:Service",
                    tag("tds:Namespace", NAMESPACES[prefix]),
                    tag("tds:XAddr", self._state.service_url(prefix)),
                    version,
                )
                for prefix in self._offered()
            ]
        )

    def _service_capabilities(self, _: SoapRequest) -> Xml:
        auth = self._state.quirks.onvif_auth
        return tag(
            "tds:Capabilities",
            tag("tds:Network", NTP=1, HostnameFromDHCP=False),
            tag("tds:Security", UsernameToken="wsse" in auth, HttpDigest="digest" in auth, MaxUsers=MOST_USERS),
            tag("tds:System", DiscoveryResolve=True, DiscoveryBye=True, RemoteDiscovery=False),
        )

    def _capabilities(self, _: SoapRequest) -> Xml:
        def section(name: str, prefix: str, *more: Xml) -> Xml:
            return tag(name, tag("tt:XAddr", self._state.service_url(prefix)), *more)

        events = [
            tag("tt:WSSubscriptionPolicySupport", False),
            tag("tt:WSPullPointSupport", not self._state.quirks.event_flags_lie),
            tag("tt:WSPausableSubscriptionManagerInterfaceSupport", False),
        ]
        streaming = tag(
            "tt:StreamingCapabilities",
            tag("tt:RTPMulticast", False),
            tag("tt:RTP_TCP", True),
            tag("tt:RTP_RTSP_TCP", True),
        )
        return tag(
            "tds:Capabilities",
            section("tt:Device", "tds"),
            section("tt:Events", "tev", *events),
            section("tt:Imaging", "timg"),
            section("tt:Media", "trt", streaming),
        )

    def _scopes(self, _: SoapRequest) -> Xml:
        added = set(self._state.scopes_added)

        def shown(item: str) -> Xml:
            kind = "Configurable" if item in added else "Fixed"
            return tag("tds:Scopes", tag("tt:ScopeDef", kind), tag("tt:ScopeItem", item))

        return join([shown(item) for item in self._state.scopes()])

    def _add_scopes(self, request: SoapRequest) -> Xml:
        return self._keep_scopes(self._state.scopes_added + _texts(request, "ScopeItem"))

    def _set_scopes(self, request: SoapRequest) -> Xml:
        return self._keep_scopes(_texts(request, "Scopes"))

    def _keep_scopes(self, scopes: list[str]) -> Xml:
        if len(scopes) > MOST_SCOPES or any(len(item) > MOST_SCOPE_CHARS for item in scopes):
            raise SoapFault("OperationProhibited", "too many scopes", detail="TooManyScopes")
        self._state.scopes_added = scopes
        return _NOTHING

    def _hostname(self, _: SoapRequest) -> Xml:
        return tag("tds:HostnameInformation", tag("tt:FromDHCP", False), tag("tt:Name", self._state.hostname))

    def _set_hostname(self, request: SoapRequest) -> Xml:
        self._state.hostname = request.value("Name", self._state.hostname)
        return _NOTHING

    def _interfaces(self, _: SoapRequest) -> Xml:
        state = self._state
        info = [tag("tt:Name", "eth0"), tag("tt:HwAddress", state.identity.mac), tag("tt:MTU", 1500)]
        manual = tag("tt:Manual", tag("tt:Address", state.address), tag("tt:PrefixLength", 24))
        ipv4 = tag("tt:IPv4", tag("tt:Enabled", True), tag("tt:Config", manual, tag("tt:DHCP", state.quirks.dhcp)))
        about = [tag("tt:Enabled", True), tag("tt:Info", *info), ipv4]
        return tag("tds:NetworkInterfaces", *about, token="eth0")  # noqa: S106 - an ONVIF token names a thing

    def _protocols(self, _: SoapRequest) -> Xml:
        ports = (("HTTP", self._state.onvif_port), ("RTSP", self._state.rtsp_port))
        return join(
            [
                tag("tds:NetworkProtocols", tag("tt:Name", name), tag("tt:Enabled", True), tag("tt:Port", port))
                for name, port in ports
            ]
        )

    def _users(self, _: SoapRequest) -> Xml:
        return join(
            [
                tag("tds:User", tag("tt:Username", name), tag("tt:UserLevel", user.level))
                for name, user in self._state.book.users.items()
            ]
        )

    def _create_users(self, request: SoapRequest) -> Xml:
        users = self._state.book.users
        fresh = find_all(request.element, "User")
        if len(users) + len(fresh) > MOST_USERS:
            raise SoapFault("OperationProhibited", "too many users", detail="TooManyUsers")
        for user in fresh:
            if value_of(user, "Username") in users:
                raise SoapFault("OperationProhibited", "the user exists", detail="UsernameClash")
            self._check_user(user, password_needed=True)
        for user in fresh:
            users[value_of(user, "Username")] = User(Secret(value_of(user, "Password")), value_of(user, "UserLevel"))
        return _NOTHING

    def _set_user(self, request: SoapRequest) -> Xml:
        users = self._state.book.users
        changed = find_all(request.element, "User")
        for user in changed:
            if value_of(user, "Username") not in users:
                raise invalid("UsernameMissing", "no such user")
            self._check_user(user, password_needed=False)
        for user in changed:
            known = users[value_of(user, "Username")]
            password = value_of(user, "Password")
            known.level = value_of(user, "UserLevel", known.level)
            if password:
                known.password = Secret(password)
        return _NOTHING

    def _check_user(self, user: etree._Element, *, password_needed: bool) -> None:
        password = value_of(user, "Password")
        short = len(password) < LEAST_PASSWORD
        if (password_needed or password) and (short or (self._state.quirks.needs_symbol and password.isalnum())):
            raise SoapFault("OperationProhibited", "the password is too weak", detail="PasswordTooWeak")
        if value_of(user, "UserLevel", "User") not in _LEVELS:
            raise invalid("UserLevel", "unknown user level")

    def _delete_users(self, request: SoapRequest) -> Xml:
        users = self._state.book.users
        names = _texts(request, "Username")
        if any(name not in users for name in names):
            raise invalid("UsernameMissing", "no such user")
        if not any(user.level == "Administrator" for name, user in users.items() if name not in names):
            raise SoapFault("OperationProhibited", "one administrator must stay", detail="FixedUser")
        for name in names:
            del users[name]
        return _NOTHING

    def _reboot(self, _: SoapRequest) -> Xml:
        self._state.boots += 1
        self._on_reboot()
        return tag("tds:Message", "Rebooting in 0 seconds")


def _texts(request: SoapRequest, name: str) -> list[str]:
    return [(item.text or "").strip() for item in find_all(request.element, name)]


def _host(name: str, server: str) -> Xml:
    """Return a NetworkHost element for an address or a name."""
    try:
        kind = f"IPv{ipaddress.ip_address(server).version}"
    except ValueError:
        return tag(name, tag("tt:Type", "DNS"), tag("tt:DNSname", server))
    return tag(name, tag("tt:Type", kind), tag(f"tt:{kind}Address", server))


def _clock(now: datetime) -> Xml:
    time = tag("tt:Time", tag("tt:Hour", now.hour), tag("tt:Minute", now.minute), tag("tt:Second", now.second))
    return join([time, tag("tt:Date", tag("tt:Year", now.year), tag("tt:Month", now.month), tag("tt:Day", now.day))])


def _moment(element: etree._Element) -> datetime:
    names = ("Year", "Month", "Day", "Hour", "Minute", "Second")
    try:
        year, month, day, hour, minute, second = (int(value_of(element, name, "x")) for name in names)
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise invalid("InvalidDateTime", "no such date and time") from error
    if moment.year not in YEARS:
        raise invalid("InvalidDateTime", "no clock runs there")
    return moment
