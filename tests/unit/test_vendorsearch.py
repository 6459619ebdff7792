"""The vendors' discovery over real sockets on loopback, and the values a stranger's words become."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from random import randrange
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import DeviceState
from drivers.discovery import dahua, sadp, vendordevice
from drivers.discovery import interfaces as ifs
from drivers.discovery.merging import MOST_FOUND
from drivers.discovery.multicast import Statistics
from drivers.discovery.vendordevice import VendorDevice
from drivers.discovery.vendorsearch import PROTOCOLS, Devices, VendorStep, asking_socket, hearing_socket, merge, search
from drivers.simulated.farm import QUICK, Farm
from tests.unit.test_dahua_discovery import answer as dahua_answer
from tests.unit.test_sadp import ANSWER, one

LO = ifs.Address("lo", IPv4Interface(f"127.{randrange(90, 250)}.{randrange(250)}.1/8"))
"""An address of our own: an answer to a port that several searches share goes to one of them only."""
HANG_S = 20.0
ODD = ("hikvision:inactive", "dahua:inactive", "hikvision:onvif_off", "dahua:onvif_off", "hikvision:ready")


async def heard(
    is_last: Callable[[VendorDevice], bool],
    protocols: Sequence[vendordevice.VendorProtocol] = PROTOCOLS,
    statistics: Statistics | None = None,
) -> list[VendorDevice]:
    """Search until a device is the one that was waited for."""
    devices = []
    async with contextlib.aclosing(search((LO,), HANG_S, protocols=protocols, statistics=statistics)) as found:
        async for device in found:
            devices.append(device)
            if is_last(device):
                return devices
    raise AssertionError(f"never came: {devices}")


def farm() -> Farm:
    """Cameras of our own: others on this machine may be heard as well."""
    seed = uuid4().hex
    base = f"127.88.{int(seed[:2], 16)}.11"
    return Farm(6, password="Mat-khau-1", base=base, options=replace(QUICK, odd=ODD, seed=seed, warm=False))


@pytest.mark.anyio
async def test_simulated_cameras_are_found_and_described() -> None:
    """Each camera with a vendor is found where it is, with its state, serial and MAC; the plain one is not."""
    async with farm() as cameras:
        wanted = {camera.address: camera for camera in cameras.cameras}
        last: dict[str, VendorDevice] = {}

        def all_came(device: VendorDevice) -> bool:
            if device.address in wanted:
                last[device.address] = device
            return len(last) == 5

        await heard(all_came)
        assert sorted(last) == sorted(wanted)[:5]
        for address, device in last.items():
            camera = wanted[address]
            assert (device.serial, device.mac) == (camera.state.identity.serial, camera.state.identity.mac)
            assert (device.http_port, device.on_subnet) == (camera.onvif_port, True)
        assert [last[address].vendor for address in sorted(last)] == [word.partition(":")[0] for word in ODD]
        assert [last[address].active for address in sorted(last)] == [False, False, True, True, True]


@pytest.mark.anyio
async def test_the_step_yields_what_the_ladder_takes() -> None:
    """As one step of a search it gives `Found`s, with the state and no invented endpoint."""
    async with farm() as cameras:
        inactive = cameras.cameras[0]
        async with contextlib.aclosing(VendorStep(HANG_S).run((LO,))) as found:
            async for item in found:
                if item.address == inactive.address:
                    assert (item.state, item.vendor, item.endpoint) == (DeviceState.INACTIVE, "hikvision", "")
                    return
    raise AssertionError("never came")


class Old(asyncio.DatagramProtocol):
    """A device that answers to the group, as old firmware does, or sends garbage first."""

    def __init__(self, answers: list[bytes], target: tuple[str, int]) -> None:
        self.answers, self.target = answers, target

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if b"<Types>inquiry</Types>" in data or b"DHDiscover.search" in data:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.1.78", 0))
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
                for answer in self.answers:
                    sock.sendto(answer, self.target)


@contextlib.asynccontextmanager
async def old_device(protocol: vendordevice.VendorProtocol, answers: list[bytes], to: str) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    sock = hearing_socket(protocol, LO, group=True)
    transport, _ = await loop.create_datagram_endpoint(lambda: Old(answers, (to, protocol.port)), sock=sock)
    try:
        yield
    finally:
        transport.close()


@pytest.mark.anyio
@pytest.mark.parametrize("to", [sadp.GROUP, str(LO.ip.ip)], ids=["group", "port"])
async def test_an_answer_to_the_group_or_the_port_is_heard(to: str) -> None:
    """Firmware that does not answer to where the question came from is found all the same; garbage is counted."""
    serial, statistics = uuid4().hex, Statistics()
    text = ANSWER.replace("DS-2CD2143G2-I20260101AAWRK12345678", serial)
    async with old_device(sadp.SADP, [b"garbage", text.encode()], to):
        devices = await heard(lambda item: item.serial == serial, (sadp.SADP,), statistics)
    assert (devices[-1].address, devices[-1].on_subnet) == (devices[-1].source, True)  # it names a place out of reach
    assert statistics.unreadable > 0


@pytest.mark.anyio
async def test_a_dahua_answer_to_the_group_is_heard() -> None:
    """The other vendor's group, too."""
    serial = uuid4().hex[:12]
    async with old_device(dahua.DHIP, [dahua_answer(SerialNo=serial)], dahua.GROUP):
        await heard(lambda item: item.serial == serial, (dahua.DHIP,))


@pytest.mark.anyio
async def test_an_address_that_went_away_is_counted() -> None:
    """A search from an address that is not ours any more ends without an error and without a device."""
    gone = ifs.Address("eth9", IPv4Interface("192.0.2.7/24"))
    statistics = Statistics()
    assert [item async for item in search((gone,), 0.1, statistics=statistics)] == []
    assert statistics.send_errors > 0


def test_sockets_keep_to_their_address() -> None:
    """The asking socket speaks from the chosen address with TTL 1; only protocols that broadcast may do so."""
    for protocol, may in ((sadp.SADP, 0), (dahua.DHIP, 1)):
        with asking_socket(protocol, LO) as sock:
            assert sock.getsockname()[0] == str(LO.ip.ip)
            assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 1
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == may


def test_a_liar_fills_no_memory() -> None:
    """Devices beyond the bound are counted and dropped; those known stay."""
    statistics = Statistics()
    devices, device = Devices(statistics), one(ANSWER)
    for number in range(MOST_FOUND + 5):
        devices.add(replace(device, mac=None, serial=f"S{number}"))
    assert statistics.dropped == 5
    assert devices.add(replace(device, mac=None, serial="S0", firmware="V6")) is None


def test_a_second_answer_adds_what_the_first_left_out() -> None:
    """Nothing is forgotten, and only news is passed on."""
    devices, device = Devices(Statistics()), one(ANSWER)
    bare = replace(device, model="", active=None, gateway="")
    assert devices.add(bare) == bare
    assert devices.add(bare) is None
    assert devices.add(device) == device


def test_a_device_is_kept_where_its_address_belongs() -> None:
    """Heard on two of our networks, the one it belongs to counts."""
    device = one(ANSWER)
    astray = replace(device, interface="eth0", on_subnet=False)
    assert merge(astray, device).interface == merge(device, astray).interface == "eth1"


# values


@given(st.one_of(st.text(max_size=600), st.integers(), st.none(), st.binary()), st.integers(1, 64))
def test_words_are_printable_and_short(text: object, most: int) -> None:
    """One line, cut to size, whatever a device sends."""
    said = vendordevice.words(text, most)
    assert len(said) <= most
    assert said.isprintable()
    assert said == said.strip()


@given(st.one_of(st.text(max_size=20), st.integers(0, 0xFFFFFFFF).map(lambda n: str(IPv4Address(n))), st.none()))
def test_a_host_is_an_address_a_device_can_have(text: object) -> None:
    """Nothing, or a unicast IPv4 address in its normal form."""
    address = vendordevice.host(text)
    if address:
        assert str(IPv4Address(address)) == address
        assert not IPv4Address(address).is_multicast


@given(st.integers(0, 0xFFFFFFFF))
def test_a_mask_is_ones_then_zeros(bits: int) -> None:
    """Other patterns are not taken."""
    text = str(IPv4Address(bits))
    good = bits != 0 and f"{bits:032b}".find("01") < 0
    assert vendordevice.mask(text) == (text if good else "")


@pytest.mark.parametrize(
    ("value", "port"),
    [("8080", 8080), (8080, 8080), ("0", 80), ("x", 80), (True, 80), ("99999", 80), (None, 80), ("\uff11", 80)],
)
def test_a_port_is_a_number_in_range(value: object, port: int) -> None:
    """Anything else is the web's own port."""
    assert vendordevice.tcp_port(value) == port


@pytest.mark.parametrize(
    ("value", "said"),
    [("true", True), ("FALSE", False), (1, True), ("0", False), ("yes", None), (None, None), (2, None), (True, True)],
)
def test_yes_and_no_are_not_guessed(value: object, said: bool | None) -> None:
    """Only true, false, 1 and 0 mean something."""
    assert vendordevice.yes_no(value) is said


def test_a_question_carries_our_id() -> None:
    """So that an answer can be told from another searcher's; DHIP has no place for one."""
    assert sadp.message(UUID(int=1)) != sadp.message(UUID(int=2))
    assert dahua.message(UUID(int=1)) == dahua.message(UUID(int=2))
