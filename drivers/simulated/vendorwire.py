"""SADP and Dahua's discovery for the simulated cameras of a process.

Owns one socket for each vendor's group and one on each camera's own address. Ports are shared politely
(SO_REUSEADDR), so that a searching client on the same host hears the groups, too. Invariants: a camera
speaks from its own address, whatever it says of itself; only questions are answered, verbs that would
change a device are not known; what cannot be read is ignored, as a device does.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from types import TracebackType
from typing import Self

from drivers.simulated.counters import Call, Counters
from drivers.simulated.markup import parse, tag, value_of
from drivers.simulated.soap import DECLARATION
from drivers.simulated.state import FIRMWARE, MODEL, CameraState
from drivers.simulated.vendor import DAHUA, HIKVISION, VendorSide
from gateway.core.errors import AddressTaken, CameraBadReply

PLACES = {HIKVISION: ("239.255.255.250", 37020), DAHUA: ("239.255.255.251", 37810)}
MOST_BYTES = 65_535
_HEAD = struct.Struct("<I4sIIIIII")


class Vendored:
    """One camera as its vendor's discovery sees it."""

    def __init__(self, state: CameraState, side: VendorSide, counters: Counters) -> None:
        self.state, self.side, self.counters = state, side, counters

    def answer(self, question: bytes) -> bytes | None:
        """Return the answer to a datagram; None for what is no question to this vendor's devices."""
        if self.side.vendor == HIKVISION:
            identity = _sadp_question(question)
            return None if identity is None else self._sadp(identity)
        return self._dhip() if _dhip_question(question) else None

    def _sadp(self, identity: str) -> bytes:
        state = self.state
        facts = {
            "Uuid": identity,
            "Types": "inquiry",
            "DeviceType": "139",
            "DeviceDescription": MODEL,
            "DeviceSN": state.identity.serial,
            "CommandPort": "8000",
            "HttpPort": state.onvif_port,
            "MAC": state.identity.mac.replace(":", "-"),
            "IPv4Address": state.host,
            "IPv4SubnetMask": "255.255.255.0",
            "IPv4Gateway": "0.0.0.0",  # noqa: S104 - what a camera without a gateway says
            "DHCP": "false",
            "SoftwareVersion": f"V{FIRMWARE}",
            "Activated": "true" if self.side.active else "false",
        }
        return f"{DECLARATION}{tag('ProbeMatch', *(tag(key, value) for key, value in facts.items()))}".encode()

    def _dhip(self) -> bytes:
        state = self.state
        place = {"IPAddress": state.host, "SubnetMask": "255.255.255.0", "DefaultGateway": "", "DhcpEnable": False}
        info = {
            "DeviceClass": "IPC",
            "DeviceType": MODEL,
            "HttpPort": state.onvif_port,
            "Port": 37777,
            "IPv4Address": place,
            "MachineName": state.identity.serial,
            "SerialNo": state.identity.serial,
            "Vendor": "General",
            "Version": FIRMWARE,
            "Init": 3210 if self.side.active else 3209,
        }
        told = {"mac": state.identity.mac, "method": "client.notifyDevInfo", "params": {"deviceInfo": info}}
        body = json.dumps(told).encode() + b"\n\0"
        return _HEAD.pack(_HEAD.size, b"DHIP", 0, 0, len(body), 0, len(body), 0) + body


def _sadp_question(data: bytes) -> str | None:
    try:
        root = parse(data)
    except CameraBadReply:
        return None
    is_question = root.tag == "Probe" and value_of(root, "Types") == "inquiry"
    return value_of(root, "Uuid", "-") if is_question else None


def _dhip_question(data: bytes) -> bool:
    if data[4:8] != b"DHIP":
        return False
    try:
        told = json.loads(data[_HEAD.size :].rstrip(b"\0\r\n "))
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.get("method") == "DHDiscover.search"


class VendorResponder:
    """Answers for every camera added, while entered."""

    def __init__(self, interface: str = "127.0.0.1") -> None:
        self._interface = interface
        self._groups: dict[str, socket.socket] = {}
        self._cameras: dict[str, tuple[Vendored, socket.socket]] = {}
        self.lost = 0
        """Datagrams the kernel refused."""

    async def __aenter__(self) -> Self:
        for vendor, (group, port) in PLACES.items():
            sock = self._bound(group, port)
            self._groups[vendor] = sock
            member = socket.inet_aton(group) + socket.inet_aton(self._interface)
            try:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            except OSError as error:
                self._close()
                raise AddressTaken(f"no multicast on {self._interface}: {error.strerror}", port=port) from error
            asyncio.get_running_loop().add_reader(sock, self._heard, sock, vendor)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for camera, _ in list(self._cameras.values()):
            self.remove(camera)
        self._close()

    def _close(self) -> None:
        for sock in self._groups.values():
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()
        self._groups.clear()

    def _bound(self, address: str, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self._interface))
        sock.setblocking(False)
        try:
            sock.bind((address, port))
        except OSError as error:
            sock.close()
            self._close()
            raise AddressTaken(f"UDP {address}:{port} cannot be used: {error.strerror}", port=port) from error
        return sock

    def add(self, camera: Vendored) -> None:
        """Answer for a camera from now on; raises AddressTaken."""
        _, port = PLACES[camera.side.vendor]
        sock = self._bound(camera.state.address, port)
        self._cameras[camera.state.identity.endpoint] = (camera, sock)
        asyncio.get_running_loop().add_reader(sock, self._heard_one, sock, camera)

    def remove(self, camera: Vendored) -> None:
        """Be silent for a camera; harmless when it was not added."""
        _, sock = self._cameras.pop(camera.state.identity.endpoint, (None, None))
        if sock is not None:
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()

    def _heard(self, sock: socket.socket, vendor: str) -> None:
        heard = _receive(sock)
        for camera, own in list(self._cameras.values()) if heard else ():
            if heard is not None and camera.side.vendor == vendor:
                self._answer(camera, own, *heard)

    def _heard_one(self, sock: socket.socket, camera: Vendored) -> None:
        heard = _receive(sock)
        if heard is not None:
            self._answer(camera, sock, *heard)

    def _answer(self, camera: Vendored, sock: socket.socket, question: bytes, sender: tuple[str, int]) -> None:
        answer = camera.answer(question)
        if answer is None:
            return
        camera.counters.note(Call(camera.state.clock.mono_ns(), "discovery", camera.side.vendor))
        try:
            sock.sendto(answer, sender)
        except OSError:
            self.lost += 1


def _receive(sock: socket.socket) -> tuple[bytes, tuple[str, int]] | None:
    try:
        data, sender = sock.recvfrom(MOST_BYTES)
    except OSError:
        return None
    return data, sender
