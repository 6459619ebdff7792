"""WS-Discovery for all cameras of a process: Hello, Probe, Resolve, Bye.

Owns one socket that hears the multicast of one interface, and one on each camera's own address. Port 3702
is shared politely (SO_REUSEADDR), so that a client on the same host hears the multicast, too. Invariants: a
camera speaks from its own address; a probe sent to one camera's address is answered by that camera only;
only XML without a DTD is read; what cannot be read is ignored, as a device does. (WS-Discovery 2005/04,
ONVIF Core 7.3)
"""

from __future__ import annotations

import asyncio
import socket
import uuid
from types import TracebackType
from typing import Self

from lxml import etree

from drivers.simulated.counters import Call, Counters
from drivers.simulated.faults import Faults, Quirks
from drivers.simulated.markup import Xml, find, join, parse, tag, value_of
from drivers.simulated.soap import DECLARATION, SOAP
from drivers.simulated.state import CameraState
from gateway.core.errors import AddressTaken, CameraBadReply

GROUP, PORT = "239.255.255.250", 3702
MOST_BYTES = 65_535
_WSA = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_WSD = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_DN = "http://www.onvif.org/ver10/network/wsdl"
_TDS = "http://www.onvif.org/ver10/device/wsdl"
_TYPES = frozenset({"NetworkVideoTransmitter", "Device"})


class Announced:
    """One camera as discovery sees it."""

    def __init__(self, state: CameraState, faults: Faults, counters: Counters) -> None:
        self.state, self.faults, self.counters = state, faults, counters

    @property
    def quirks(self) -> Quirks:
        """Return the camera's deviations."""
        return self.state.quirks


def message(action: str, body: Xml, *, relates_to: str = "", number: int = 1, instance: int = 1) -> bytes:
    """Return one WS-Discovery envelope."""
    related = tag("a:RelatesTo", relates_to) if relates_to else ""
    to = f"{_WSA}/role/anonymous" if relates_to else "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
    header = tag(
        "s:Header",
        tag("a:MessageID", f"urn:uuid:{uuid.uuid4()}"),
        Xml(related),
        tag("a:To", to),
        tag("a:Action", f"{_WSD}/{action}"),
        tag("d:AppSequence", InstanceId=instance, MessageNumber=number),
    )
    marks = f'xmlns:s="{SOAP}" xmlns:a="{_WSA}" xmlns:d="{_WSD}" xmlns:dn="{_DN}" xmlns:tds="{_TDS}"'
    whole = f"<s:Envelope {marks}>{header}{tag('s:Body', body)}</s:Envelope>"
    return f"{DECLARATION}{whole}".encode()


def about(state: CameraState, *, brief: bool = False) -> Xml:
    """Return what Hello and the matches say of a camera; `brief` = the endpoint only, for Bye."""
    endpoint = tag("a:EndpointReference", tag("a:Address", state.identity.endpoint))
    if brief:
        return endpoint
    return join(
        [
            endpoint,
            tag("d:Types", "dn:NetworkVideoTransmitter tds:Device"),
            tag("d:Scopes", " ".join(state.scopes())),
            tag("d:XAddrs", state.service_url("tds")),
            tag("d:MetadataVersion", 1 + state.boots),
        ]
    )


def matches(probe: etree._Element, state: CameraState) -> bool:
    """Say whether a Probe asks for this camera: types by local name, scopes by prefix (WS-Discovery 5.1)."""
    types = value_of(probe, "Types").split()
    if any(name.rpartition(":")[2] not in _TYPES for name in types):
        return False
    own = state.scopes()
    wanted = value_of(probe, "Scopes").split()
    return all(any(scope == want or scope.startswith(want.rstrip("/") + "/") for scope in own) for want in wanted)


class Responder:
    """Answers for every camera added, while entered."""

    def __init__(self, interface: str = "127.0.0.1", *, instance: int = 1) -> None:
        self._interface, self._instance = interface, instance
        self._group: socket.socket | None = None
        self._cameras: dict[str, tuple[Announced, socket.socket]] = {}
        self._pending: set[asyncio.TimerHandle] = set()
        self._number = 0
        self.sent = 0
        self.lost = 0
        """Datagrams the kernel refused."""

    async def __aenter__(self) -> Self:
        self._group = self._bound(GROUP)
        here = socket.inet_aton(self._interface)
        try:
            self._group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + here)
        except OSError as error:
            self._group.close()
            raise AddressTaken(f"no multicast on {self._interface}: {error.strerror}", port=PORT) from error
        asyncio.get_running_loop().add_reader(self._group, self._heard_by_all)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None
        for camera, _ in list(self._cameras.values()):
            self.remove(camera)
        for timer in self._pending:
            timer.cancel()
        asyncio.get_running_loop().remove_reader(self._group)
        self._group.close()

    def _bound(self, address: str) -> socket.socket:
        """Return a socket on port 3702 of `address`; raises AddressTaken."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Not SO_REUSEPORT: the kernel would share unicast probes out among all who listen.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self._interface))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        sock.setblocking(False)
        try:
            sock.bind((address, PORT))
        except OSError as error:
            sock.close()
            raise AddressTaken(f"UDP {address}:{PORT} cannot be used: {error.strerror}", port=PORT) from error
        return sock

    def add(self, camera: Announced) -> None:
        """Say Hello for a camera and answer for it from now on; raises AddressTaken."""
        sock = self._bound(camera.state.address)
        self._cameras[camera.state.identity.endpoint] = (camera, sock)
        asyncio.get_running_loop().add_reader(sock, self._heard_by_one, camera, sock)
        self._send(camera, "Hello", tag("d:Hello", about(camera.state)), (GROUP, PORT))

    def remove(self, camera: Announced) -> None:
        """Say Bye; harmless when the camera was not added."""
        if camera.state.identity.endpoint in self._cameras:
            self._send(camera, "Bye", tag("d:Bye", about(camera.state, brief=True)), (GROUP, PORT))
        self.vanish(camera)

    def vanish(self, camera: Announced) -> None:
        """Stop answering without a Bye, as an unplugged camera does."""
        _, sock = self._cameras.pop(camera.state.identity.endpoint, (None, None))
        if sock is not None:
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()

    def _send(self, camera: Announced, action: str, body: Xml, to: tuple[str, int], *, relates_to: str = "") -> None:
        known = self._cameras.get(camera.state.identity.endpoint)
        if known is None:
            return  # it was unplugged before its late answer
        self._number += 1
        data = message(action, body, relates_to=relates_to, number=self._number, instance=self._instance)
        try:
            known[1].sendto(data, to)
        except OSError:
            self.lost += 1
        else:
            self.sent += 1

    def _heard_by_all(self) -> None:
        assert self._group is not None
        heard = _receive(self._group)
        if heard is not None:
            for camera, _ in list(self._cameras.values()):
                self._answer(camera, *heard)

    def _heard_by_one(self, camera: Announced, sock: socket.socket) -> None:
        heard = _receive(sock)
        if heard is not None:
            self._answer(camera, *heard)

    def _answer(self, camera: Announced, root: etree._Element, sender: tuple[str, int]) -> None:
        related = value_of(root, "MessageID")
        probe, resolve = find(root, "Probe"), find(root, "Resolve")
        if probe is not None and matches(probe, camera.state):
            match = tag("d:ProbeMatch", about(camera.state))
            body = match if camera.quirks.sloppy_match else tag("d:ProbeMatches", match)
            self._note(camera, "Probe")
            self._later(camera, "ProbeMatches", body, sender, related)
        elif resolve is not None and value_of(resolve, "Address") == camera.state.identity.endpoint:
            body = tag("d:ResolveMatches", tag("d:ResolveMatch", about(camera.state)))
            self._note(camera, "Resolve")
            self._later(camera, "ResolveMatches", body, sender, related)

    @staticmethod
    def _note(camera: Announced, operation: str) -> None:
        camera.counters.note(Call(camera.state.clock.mono_ns(), "discovery", operation))

    def _later(self, camera: Announced, action: str, body: Xml, to: tuple[str, int], related: str) -> None:
        """Answer after the camera's delay: some need half a second, and clients must still hear them."""
        if not camera.quirks.discovery_delay_s:
            self._send(camera, action, body, to, relates_to=related)
            return

        def fire() -> None:
            self._pending.discard(timer)
            self._send(camera, action, body, to, relates_to=related)

        timer = asyncio.get_running_loop().call_later(camera.quirks.discovery_delay_s, fire)
        self._pending.add(timer)


def _receive(sock: socket.socket) -> tuple[etree._Element, tuple[str, int]] | None:
    """Return one readable message and its sender; None for what does not concern us."""
    try:
        data, sender = sock.recvfrom(MOST_BYTES)
        return parse(data), sender
    except (OSError, CameraBadReply):
        return None  # a device ignores what it cannot read
