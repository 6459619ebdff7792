"""The ladder: its steps, their sum, who was heard, and the sweep over real sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from drivers.base import Found
from drivers.discovery import wsd
from drivers.discovery.interfaces import Address
from drivers.discovery.ladder import Log, Multicast, Ports, Progress, Step, Sweep, climb
from drivers.discovery.multicast import Heard, Statistics
from drivers.discovery.passive import KEEP_S, MOST_HEARD, Presence
from drivers.discovery.ports import Look
from drivers.discovery.ranges import Range
from drivers.discovery.sweep import is_at, sweep
from gateway.core.config import Config
from gateway.core.errors import AddressTaken, BadInput, NotPermitted
from gateway.roofs.searching import Searching
from recorder.discovery import FoundCamera, SearchOrder, SearchRange, SearchStep
from tests.fakes.clock import FakeClock
from tests.unit.test_discovery_tempaddress import FakeSystem
from tests.unit.test_wsd import device, message

pytestmark = pytest.mark.anyio
LO = Address("lo", IPv4Interface("127.0.8.1/8"))
ETH = Address("eth0", IPv4Interface("10.0.0.2/24"))
PART = Range(LO, IPv4Network("127.0.8.0/28"))
CAM = Found("urn:a", "10.0.0.21", 80, (), "Lá", "DS-2CD", None, "eth0")


class FakeStep:
    """Yields what it was told to, then fails if it was told to."""

    def __init__(self, name: str, *found: Found, error: Exception | None = None) -> None:
        self.name, self._found, self._error = name, found, error

    async def run(self, addresses: Sequence[Address]) -> AsyncIterator[Found]:
        for found in self._found:
            yield found
        if self._error is not None:
            raise self._error


class Camera(asyncio.DatagramProtocol):
    """Answers unicast probes on one loopback address, from the `after`-th on."""

    def __init__(self, address: str, endpoint: str, after: int = 1) -> None:
        self.address, self.endpoint, self.after = address, endpoint, after
        self.probes: list[bytes] = []
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # a datagram one
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self.probes.append(data)
        if len(self.probes) >= self.after:
            inner = device(f"http://{self.address}/onvif/device_service", uuid=self.endpoint)
            self._transport.sendto(
                message(f"<d:ProbeMatches><d:ProbeMatch>{inner}</d:ProbeMatch></d:ProbeMatches>"), addr
            )


@contextlib.asynccontextmanager
async def answering(*cameras: Camera) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    transports = []
    try:
        for camera in cameras:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((camera.address, wsd.PORT))
            transport, _ = await loop.create_datagram_endpoint(lambda camera=camera: camera, sock=sock)  # type: ignore[misc]  # bound by default
            transports.append(transport)
        yield
    finally:
        for transport in transports:
            transport.close()
        await asyncio.sleep(0)


async def test_each_device_once_whichever_steps_saw_it() -> None:
    """With the steps that did, in their order, its MAC from the neighbour table and its maker by it."""
    steps = [
        [FakeStep("passive", CAM)],
        [FakeStep("multicast", CAM), FakeStep("sadp", replace(CAM, endpoint="", hardware="X"))],
    ]
    outcome = await climb(steps, [ETH], Log(), mac=lambda _: "3c:ef:8c:00:00:01")
    (one,) = outcome.found
    assert (one.endpoint, one.how, one.mac, one.maker) == (
        "urn:a", ("passive", "multicast", "sadp"), "3c:ef:8c:00:00:01", "Hikvision",
    )  # fmt: skip
    (one,) = (await climb([[FakeStep("x", replace(CAM, hardware=""))]], [ETH], Log(), mac=lambda _: one.mac)).found
    assert one.maker == "Dahua"


async def test_a_step_that_fails_ends_no_other() -> None:
    """What it found until then counts, and it is named with its error."""
    other = replace(CAM, endpoint="urn:b", address="10.0.0.22")
    error = AddressTaken("in use", port=37020)
    steps = [[FakeStep("sadp", CAM, error=error), FakeStep("dahua", other)], [FakeStep("x")]]
    outcome = await climb(steps, [ETH], Log(), mac=lambda _: None)
    assert [one.address for one in outcome.found] == ["10.0.0.21", "10.0.0.22"]
    assert outcome.failed == (("sadp", error),)


async def test_every_step_is_told_with_interface_and_range() -> None:
    """Before it runs; the log keeps the last word of each."""
    told: list[Progress] = []
    log = Log(told.append)
    steps: list[list[Step]] = [
        [FakeStep("sadp", CAM)],
        [Multicast(0.02, log.note)],
        [Sweep([], log.note)],
        [Ports([], log.note)],
    ]
    outcome = await climb(steps, [LO], log, mac=lambda _: None)
    assert told[0] == Progress("sadp", "lo", "127.0.0.0/8")
    assert [now.done for now in told if now.step == "multicast"] == [1, 2, 3]
    assert outcome.steps == (Progress("sadp", "lo", "127.0.0.0/8"), Progress("multicast", "lo", "127.0.0.0/8", 3, 3))


async def test_without_an_address_nothing_is_sent() -> None:
    """No chosen address means none, not all."""
    log = Log()
    assert (await climb([[Multicast(0.02, log.note)]], [], log)).steps == ()


# sweep


async def test_every_host_is_asked_by_itself_twice() -> None:
    """A camera that answers, one that needs the second question, one that is silent; nobody outside the range."""
    mark = uuid4().hex
    near, slow = Camera("127.0.8.3", f"urn:{mark}:near"), Camera("127.0.8.4", f"urn:{mark}:slow", after=2)
    deaf, outside = Camera("127.0.8.5", "urn:deaf", after=99), Camera("127.0.8.40", "urn:outside")
    steps: list[tuple[int, int]] = []
    statistics = Statistics()
    async with answering(near, slow, deaf, outside):
        found = [
            one
            async for one in sweep(
                [PART], on_step=lambda part, done, every: steps.append((done, every)), statistics=statistics, late_s=0.5
            )
        ]
    assert {(one.endpoint, one.address, one.interface) for one in found} == {
        (near.endpoint, "127.0.8.3", "lo"),
        (slow.endpoint, "127.0.8.4", "lo"),
    }
    for camera in (near, slow, deaf):
        assert ["NetworkVideoTransmitter" in probe.decode() for probe in camera.probes] == [True, False]
    assert outside.probes == []
    assert steps == [(0, 26), (16, 26), (26, 26)]
    assert statistics.datagrams >= 3


async def test_an_address_that_went_away_ends_no_sweep() -> None:
    """It is counted, the other ranges are asked."""
    gone = Range(Address("eth9", IPv4Interface("203.0.113.7/30")), IPv4Network("203.0.113.4/30"))
    camera, statistics = Camera("127.0.8.3", f"urn:{uuid4().hex}"), Statistics()
    async with answering(camera):
        found = [one async for one in sweep([gone, PART], statistics=statistics, late_s=0.5)]
    assert [one.address for one in found] == ["127.0.8.3"]
    assert statistics.send_errors >= 1


async def test_who_is_at_an_address() -> None:
    """The device itself says yes, another one and nobody say no; a lost packet costs a repetition."""
    camera = Camera("127.0.8.6", "urn:uuid:me", after=2)
    async with answering(camera):
        assert await is_at("127.0.8.6", "urn:uuid:me", ask_s=0.5)
        assert len(camera.probes) == 2
        assert not await is_at("127.0.8.6", "urn:uuid:other", ask_s=0.1)
    assert not await is_at("127.0.8.7", "urn:uuid:me", ask_s=0.05)
    assert not await is_at("255.255.255.255", "urn:uuid:me", ask_s=0.05)


# who announced himself


def hello(found: Found, kind: wsd.Kind = wsd.Kind.HELLO) -> Heard:
    return Heard(kind, found)


async def test_who_was_heard_is_found_until_it_says_goodbye() -> None:
    """News of a device replaces the old; a Bye by name is enough; the interface counts."""
    presence = Presence(FakeClock().mono_ns)
    assert presence.note(hello(CAM))
    assert not presence.note(hello(CAM))
    assert presence.note(hello(replace(CAM, address="10.0.0.77")))
    assert [one.address async for one in presence.run([ETH])] == ["10.0.0.77"]
    assert [one async for one in presence.run([LO])] == []
    assert not presence.note(hello(replace(CAM, address="10.0.0.3", interface="eth1"), wsd.Kind.BYE))
    assert presence.devices() == ()


async def test_what_is_no_camera_is_not_shown() -> None:
    """Printers and laptops announce themselves too; but it is news, for it may be a camera of ours."""
    presence = Presence(FakeClock().mono_ns)
    assert presence.note(Heard(wsd.Kind.HELLO, CAM, is_camera=False))
    assert presence.devices() == ()


async def test_news_grow_old() -> None:
    """An hour without a word, and it is no news; then it is new again."""
    clock = FakeClock()
    presence = Presence(clock.mono_ns)
    presence.note(hello(CAM))
    clock.tick(KEEP_S - 1)
    assert presence.devices() == (CAM,)
    clock.tick(2)
    assert presence.devices() == ()
    assert presence.note(hello(CAM))


async def test_a_liar_fills_a_bounded_memory() -> None:
    """The oldest go, counted."""
    presence = Presence(FakeClock().mono_ns)
    for number in range(MOST_HEARD + 7):
        presence.note(hello(replace(CAM, endpoint=f"urn:{number}", address=f"10.0.{number // 200}.{number % 200}")))
    assert (len(presence.devices()), presence.pushed_out) == (MOST_HEARD, 7)
    assert presence.devices()[0].endpoint == "urn:7"


# in the recorder's words


def searching(tmp_path: Path, system: FakeSystem | None = None, **more: object) -> Searching:
    config = Config.model_validate(
        {
            "paths": {"state": tmp_path / "state", "run": tmp_path / "run"},
            "cameras": {"interfaces": ["127.0.8.1"], "loopback": True},
        }
    )
    look = Look((5,), (5,), ())
    return Searching(config, FakeClock(), system=system or FakeSystem(), have=lambda: (LO,), look=look, **more)  # type: ignore[arg-type]  # options of one test


async def test_what_is_found_comes_in_the_order_of_addresses(tmp_path: Path) -> None:
    """Also where a closer look put those at the end that only their makers' discovery told of."""
    rows = [replace(CAM, endpoint=f"urn:{last}", address=f"10.0.0.{last}") for last in (9, 30, 4)]

    async def closer(found: Sequence[Found]) -> tuple[Found, ...]:
        return (*found, *rows)

    explored = await searching(tmp_path, closer=closer).explore(SearchOrder(0.05), lambda _: None)
    ours = [item.address for item in explored.found if item.address.startswith("10.")]
    assert ours == ["10.0.0.4", "10.0.0.9", "10.0.0.30"]


async def test_a_search_in_the_recorders_words(tmp_path: Path) -> None:
    """Passive news, multicast, more steps, and the sweep that was ordered; adoption can look it up."""
    camera = Camera("127.0.8.3", f"urn:{uuid4().hex}")
    mine = searching(tmp_path, more=lambda seconds: [FakeStep("sadp", replace(CAM, on_subnet=False))])
    heard = replace(CAM, endpoint="", address="127.0.8.9", interface="lo", mac=None)
    mine.presence.note(hello(heard))
    told: list[SearchStep] = []
    assert mine.ranges() == (SearchRange("lo", "127.0.8.0/22", 1021),)
    async with answering(camera):
        explored = await mine.explore(SearchOrder(0.05, sweep=("127.0.8.0/29",)), told.append)
    rows = {item.address: item for item in explored.found}
    assert rows["127.0.8.3"].endpoint == camera.endpoint
    assert rows["127.0.8.3"].how == ("sweep",)
    assert (rows["127.0.8.9"].how, rows["127.0.8.9"].endpoint) == (("passive",), "")
    assert rows["10.0.0.21"] == FoundCamera(
        "urn:a", "10.0.0.21", 80, "Lá", "DS-2CD", reachable=False, maker="Hikvision", how=("sadp",), interface="eth0"
    )
    assert mine.found["127.0.8.3", camera.endpoint].xaddrs == ("http://127.0.8.3/onvif/device_service",)
    assert {step.step for step in told} == {"passive", "multicast", "sadp", "sweep"}
    with pytest.raises(BadInput):
        await mine.explore(SearchOrder(0.05, ports=("10.1.0.0/24",)), told.append)


async def test_a_temporary_address_is_there_for_the_search_only(tmp_path: Path) -> None:
    """The steps speak from it too; what is seen through it is told as out of reach."""
    system, during = FakeSystem(), list[tuple[str, ...]]()

    class Watching(FakeStep):
        async def run(self, addresses: Sequence[Address]) -> AsyncIterator[Found]:
            during.append((*system.addresses, *(str(ours) for ours in addresses)))
            yield replace(CAM, address="192.168.1.64")

    mine = searching(tmp_path, system, more=lambda seconds: [Watching("sadp")])
    explored = await mine.explore(SearchOrder(0.05, temporary="lo"), lambda step: None)
    assert during == [("192.168.1.250/24", "lo 127.0.8.1/8", "lo 192.168.1.250/24")]
    assert system.addresses == {}
    (row,) = [item for item in explored.found if item.address == "192.168.1.64"]
    assert not row.reachable
    assert ("ports", "192.168.1.0/24") in {(step.step, step.network) for step in explored.steps}
    system.denied = True
    with pytest.raises(NotPermitted):
        await mine.explore(SearchOrder(0.05, temporary="lo"), lambda step: None)


async def test_announcements_reach_the_recorder_once(tmp_path: Path) -> None:
    """A Hello that tells something new is passed on, its repetitions are not; a Bye takes it out."""
    endpoint = f"urn:uuid:{uuid4()}"
    mine, passed = searching(tmp_path), list[FoundCamera]()
    inner = device("http://127.0.8.3:8899/onvif/device_service", uuid=endpoint)

    async def on_heard(item: FoundCamera) -> None:
        if item.endpoint == endpoint:
            passed.append(item)

    def there() -> list[Found]:
        return [one for one in mine.presence.devices() if one.endpoint == endpoint]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.8.1"))
        sock.bind(("127.0.8.3", 0))
        async with anyio.create_task_group() as group:
            group.start_soon(mine.listen, on_heard)
            with anyio.fail_after(20):
                while not there():
                    sock.sendto(message(f"<d:Hello>{inner}</d:Hello>"), (wsd.GROUP, wsd.PORT))
                    await anyio.sleep(0.02)
                while there():
                    sock.sendto(message(f"<d:Bye>{inner}</d:Bye>"), (wsd.GROUP, wsd.PORT))
                    await anyio.sleep(0.02)
            group.cancel_scope.cancel()
    assert [(item.address, item.port) for item in passed] == [("127.0.8.3", 8899)]
