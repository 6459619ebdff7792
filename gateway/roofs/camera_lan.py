"""What the box does for the network of its cameras: it serves time, and addresses where that was ordered.

Owns both servers' lives inside the recorder. Invariants: neither is ever fatal for recording: what a person
can put right is a state with its error (shown by `vuon tinh-trang`), everything else is supervised; each is
tried again every `RETRY_S`; a state is logged when it changes, not each time.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup

from drivers.discovery.interfaces import Address, choose, installed
from drivers.discovery.neighbours import mac_of
from drivers.lan import sntp
from drivers.lan.dhcp import KEY, Book, DhcpServer, Wire, another, card_socket, choose_address, leads_out, other_server
from drivers.lan.dhcpmessage import CLIENT_PORT, SERVER_PORT
from drivers.lan.leases import Pool
from drivers.lan.timeserver import Port, TimeServer
from gateway.core.clock import Clock, kernel_unsure_s
from gateway.core.config import Config
from gateway.core.errors import AddressTaken, ConfigError, NotPermitted, VuonError
from gateway.core.log import get_logger
from gateway.core.supervise import FaultSink, supervise

RETRY_S = 30.0
ROUTES = Path("/proc/net/route")

Have = Callable[[], Sequence[Address]]


class CameraLan:
    """Entered = both servers run as far as they can; `facts` says how they are."""

    def __init__(
        self, config: Config, clock: Clock, book: Book, on_fault: FaultSink, *, have: Have = installed
    ) -> None:
        self._config, self._clock, self._book, self._on_fault, self._have = config, clock, book, on_fault, have
        self._log = get_logger("camera-lan")
        self._time: TimeServer | None = None
        self._dhcp: DhcpServer | None = None
        self._errors: dict[str, VuonError] = {}
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        if self._config.cameras.serve_time:
            self._tasks.start_soon(self._supervised, "time-server", self._serve_time)
        if self._config.camera_lan.interface:
            self._tasks.start_soon(self._supervised, "address-server", self._serve_addresses)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._tasks is not None
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    def facts(self) -> dict[str, Any]:
        """Return `{time, addresses}` for the status, each None where it is not wanted; JSON."""
        return {
            "time": self._time_facts() if self._config.cameras.serve_time else None,
            "addresses": self._address_facts() if self._config.camera_lan.interface else None,
        }

    async def leases(self) -> Mapping[str, ipaddress.IPv4Address]:
        """Return the addresses the box gives, by MAC; none while it is not ordered to give any."""
        return await self._book.leases() if self._config.camera_lan.interface else {}

    def time_for(self, camera: str) -> str | None:
        """Return the address at which the host `camera` gets our time; None if it would get none, or a doubtful one."""
        server = self._time
        if server is None or self._config.cameras.time_port != sntp.PORT or not self._clock.trusted():
            return None  # cameras ask port 123 only
        try:
            host = ipaddress.IPv4Address(camera)
        except ValueError:
            return None
        fits = (ours for ours, state in server.ports.items() if state is Port.OPEN and host in ours.ip.network)
        return next((str(ours.ip.ip) for ours in fits), None)

    def _time_facts(self) -> dict[str, Any]:
        server, port = self._time, self._config.cameras.time_port
        ports = server.ports if server is not None else {}
        errors = [self._errors["time-server"]] if "time-server" in self._errors else []
        errors += [_trouble(ours, state, port) for ours, state in ports.items() if state in _TROUBLES]
        return {
            "served": [str(ours.ip.ip) for ours, state in ports.items() if state is Port.OPEN],
            "answered": server.counts.answered if server is not None else 0,
            "errors": [_told(error) for error in errors],
        }

    def _address_facts(self) -> dict[str, Any]:
        server, error = self._dhcp, self._errors.get("address-server")
        return {
            "interface": self._config.camera_lan.interface,
            "serving": server is not None,
            "leases": len(server.leases.known) if server is not None else None,
            "full": server is not None and server.leases.full,
            "errors": [_told(error)] if error is not None else [],
        }

    async def _supervised(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        async def tried() -> None:
            while True:
                try:
                    await run()
                except VuonError as error:
                    self._note(name, error)
                await self._clock.sleep(RETRY_S)

        await supervise(name, tried, clock=self._clock, on_fault=self._on_fault)

    def _note(self, name: str, error: VuonError) -> None:
        known = self._errors.get(name)
        self._errors[name] = error
        if known is None or _told(known) != _told(error):
            self._log.warning(f"{name}.stopped", error, **error.fields)

    def _good(self, name: str, **fields: object) -> None:
        self._errors.pop(name, None)
        self._log.info(f"{name}.serving", **fields)

    # time

    def _addresses(self) -> Sequence[Address]:
        """Return where cameras are: the addresses that search for them, and those of their own network."""
        cameras, card = self._config.cameras, self._config.camera_lan.interface
        have = self._have()
        found = choose(cameras.interfaces, have, loopback=cameras.loopback)
        return (*found, *(item for item in have if item.interface == card))

    async def _serve_time(self) -> None:
        port = self._config.cameras.time_port
        async with TimeServer(self._clock, self._addresses, kernel_unsure_s, port=port) as server:
            self._time = server
            self._good("time-server", addresses=", ".join(address for address, _ in server.bound()))
            for ours, state in server.ports.items():
                if state in _TROUBLES:
                    self._log.warning("time-server.port", _trouble(ours, state, port), address=str(ours))
            try:
                await server.follow()
            finally:
                self._time = None

    # addresses

    async def _serve_addresses(self) -> None:
        wanted = self._config.camera_lan
        first, last = wanted.addresses
        if leads_out(wanted.interface, ROUTES.read_text("ascii", "replace")):
            raise ConfigError(
                f"{wanted.interface} leads to the internet: it is no network of cameras alone",
                case="camera_lan_route",
                key=KEY,
                value=wanted.interface,
                remedy="name a card that has cameras and nothing else behind it",
            )
        ours = choose_address(wanted.interface, first, last, self._have())
        with card_socket(wanted.interface, CLIENT_PORT) as asking:
            xid = random.getrandbits(32)
            other = await other_server(asking, _mac(wanted.interface), xid)
        if other is not None:
            raise another(other)
        pool = Pool(ours.ip, first, last, serves_time=self._config.cameras.serve_time)
        server = DhcpServer(pool, self._book, self._clock, Wire(wanted.interface, mac_of).is_held)
        with card_socket(wanted.interface, SERVER_PORT) as serving:
            self._dhcp = server
            self._good("address-server", interface=wanted.interface, range=wanted.range)
            try:
                await server.serve(serving)
            finally:
                self._dhcp = None


_TROUBLES = frozenset({Port.TAKEN, Port.DENIED})


def _trouble(ours: Address, state: Port, port: int) -> VuonError:
    if state is Port.TAKEN:
        return AddressTaken(
            f"UDP {port} of {ours.ip.ip} is in use",
            case="time_port",
            port=port,
            address=str(ours.ip.ip),
            network=str(ours.ip.network),
        )
    return NotPermitted(f"UDP {port} needs CAP_NET_BIND_SERVICE", case="low_port", port=port)


def _told(error: VuonError) -> dict[str, Any]:
    """Return an error as it crosses a socket: code, message and fields."""
    fields = {key: value for key, value in error.fields.items() if isinstance(value, str | int | float)}
    return {"code": error.code, "message": error.message, "fields": fields}


def _mac(interface: str) -> str:
    """Return our own MAC on a card (sysfs), or one that is nobody's: the question needs any."""
    try:
        return Path(f"/sys/class/net/{interface}/address").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return "02:00:00:00:00:01"
