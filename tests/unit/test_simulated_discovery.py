"""WS-Discovery over loopback multicast, with a client on the same host."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from lxml import etree

from drivers.simulated.discovery import GROUP, PORT, Announced, Responder, matches
from drivers.simulated.farm import QUICK, Farm, FarmWorld
from drivers.simulated.faults import Faults, Quirks
from drivers.simulated.markup import find, parse, value_of
from drivers.simulated.options import CameraOptions
from tests.fakes.simulated import PASSWORD, probe_message

pytestmark = pytest.mark.anyio

BASE = "127.0.3.11"
SEED = "tests of discovery"
"""Other farms may answer on this host at the same time: ours are known by their endpoints."""


def farm(count: int = 2, quirks: Quirks | None = None) -> Farm:
    def adjust(camera: CameraOptions) -> CameraOptions:
        return replace(camera, quirks=quirks or Quirks(), faults=Faults())

    return Farm(count, base=BASE, password=PASSWORD, options=replace(QUICK, seed=SEED), world=FarmWorld(adjust=adjust))


@contextlib.contextmanager
def listener(*, member: bool = False) -> Iterator[socket.socket]:
    """A client's socket: bound to loopback, or a member of the group that hears Hello and Bye."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        here = socket.inet_aton("127.0.0.1")
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
        if member:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((GROUP, PORT))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + here)
        else:
            sock.bind(("127.0.0.1", 0))
        sock.settimeout(20)
        yield sock


def wait_for(sock: socket.socket, action: str, endpoints: set[str]) -> dict[str, tuple[etree._Element, str]]:
    """Return for each endpoint the message with `action` and its sender; other traffic is passed over."""
    found: dict[str, tuple[etree._Element, str]] = {}
    while set(found) != endpoints:
        data, sender = sock.recvfrom(65_535)
        root = parse(data)
        address = value_of(root, "Address")
        if value_of(root, "Action").endswith("/" + action) and address in endpoints:
            found[address] = (root, sender[0])
    return found


def nothing_for(sock: socket.socket, endpoints: set[str], asked: bytes, to: tuple[str, int]) -> bool:
    """Say whether `asked` is not answered by `endpoints`, while an ordinary probe after it is."""
    sock.sendto(asked, to)
    ordinary = probe_message()
    sock.sendto(ordinary, (GROUP, PORT))
    ident = value_of(parse(ordinary), "MessageID")
    answered: set[str] = set()
    while answered != endpoints:
        root = parse(sock.recvfrom(65_535)[0])
        if value_of(root, "Address") in endpoints:
            if value_of(root, "RelatesTo") != ident:
                return False
            answered.add(value_of(root, "Address"))
    return True


def endpoints(f: Farm) -> set[str]:
    return {camera.state.identity.endpoint for camera in f.cameras}


async def test_probe_finds_every_camera_at_its_own_address() -> None:
    """One multicast probe is answered by each camera from its own address, with its XAddr and related id."""
    async with farm() as f:
        with listener() as sock:
            asked = probe_message()
            sock.sendto(asked, (GROUP, PORT))
            found = await asyncio.to_thread(wait_for, sock, "ProbeMatches", endpoints(f))
        for camera in f.cameras:
            root, sender = found[camera.state.identity.endpoint]
            assert sender == camera.address
            assert value_of(root, "XAddrs") == f"http://{camera.address}:{camera.onvif_port}/onvif/device_service"
            assert value_of(root, "RelatesTo") == value_of(parse(asked), "MessageID")
            assert "dn:NetworkVideoTransmitter" in value_of(root, "Types")
            assert camera.counters.count("Probe", "discovery") >= 1


async def test_unicast_probe_is_answered_by_that_camera_only() -> None:
    """A probe sent to one camera's address is answered by it alone, as in a sweep of a filtered network."""
    async with farm() as f:
        camera = f.cameras[1]
        before = f.cameras[0].counters.count("Probe", "discovery")
        with listener() as sock:
            asked = probe_message()
            ident = value_of(parse(asked), "MessageID")
            sock.sendto(asked, (camera.address, PORT))
            found = await asyncio.to_thread(wait_for, sock, "ProbeMatches", {camera.state.identity.endpoint})
        assert value_of(found[camera.state.identity.endpoint][0], "RelatesTo") == ident
        assert f.cameras[0].counters.count("Probe", "discovery") == before


async def test_hello_and_bye_are_heard() -> None:
    """A listener on the same host hears every camera come and go."""
    with listener(member=True) as sock:
        async with farm() as f:
            hello = await asyncio.to_thread(wait_for, sock, "Hello", endpoints(f))
            assert all(value_of(root, "XAddrs") for root, _ in hello.values())
        assert set(await asyncio.to_thread(wait_for, sock, "Bye", endpoints(f))) == endpoints(f)


async def test_resolve() -> None:
    """A Resolve for one endpoint is answered by the camera that has it."""
    async with farm() as f:
        wanted = f.cameras[1].state.identity.endpoint
        text = probe_message().decode()
        head, _, tail = text.partition("<d:Probe>")
        tail = tail.partition("</d:Probe>")[2]
        ask = f"{head}<d:Resolve><a:EndpointReference><a:Address>{wanted}</a:Address></a:EndpointReference></d:Resolve>{tail}"
        with listener() as sock:
            sock.sendto(ask.encode(), (GROUP, PORT))
            found = await asyncio.to_thread(wait_for, sock, "ResolveMatches", {wanted})
        assert find(found[wanted][0], "ResolveMatch") is not None


async def test_sloppy_match_has_no_wrapper() -> None:
    """Sloppy firmware sends ProbeMatch directly in the body."""
    async with farm(1, Quirks(sloppy_match=True)) as f:
        with listener() as sock:
            sock.sendto(probe_message(), (GROUP, PORT))
            found = await asyncio.to_thread(wait_for, sock, "ProbeMatches", endpoints(f))
        body = find(next(iter(found.values()))[0], "Body")
        assert body is not None
        assert etree.QName(body[0]).localname == "ProbeMatch"


async def test_late_answers_come() -> None:
    """A slow camera's answer comes later than a quick one's, and comes."""
    async with farm() as f:
        f.cameras[0].quirks.discovery_delay_s = 0.3
        with listener() as sock:
            sock.sendto(probe_message(), (GROUP, PORT))
            found = await asyncio.to_thread(wait_for, sock, "ProbeMatches", endpoints(f))
        assert list(found) == [camera.state.identity.endpoint for camera in reversed(f.cameras)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 100,
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        probe_message("dn:Printer"),
        probe_message(scopes="onvif://www.onvif.org/location/elsewhere"),
    ],
)
async def test_what_does_not_concern_us_is_ignored(data: bytes) -> None:
    """Garbage, other types and other scopes get no answer, and the next probe does."""
    async with farm(1) as f:
        with listener() as sock:
            assert await asyncio.to_thread(nothing_for, sock, endpoints(f), data, (GROUP, PORT))


async def test_offline_camera_is_not_found_and_says_no_bye() -> None:
    """An unplugged camera vanishes without a word; plugged in again it says Hello and has its old ports."""
    async with farm() as f:
        gone = f.cameras[0]
        ports = (gone.onvif_port, gone.rtsp_port)
        with listener(member=True) as sock:
            await gone.switch("offline", value=True)
            left = {f.cameras[1].state.identity.endpoint}
            with listener() as client:
                assert await asyncio.to_thread(nothing_for, client, left, probe_message("dn:Printer"), (GROUP, PORT))
            await gone.switch("offline", value=False)
            heard: list[str] = []
            while not heard or heard[-1] != "Hello":
                root = parse(await asyncio.to_thread(sock.recv, 65_535))
                if value_of(root, "Address") == gone.state.identity.endpoint:
                    heard.append(value_of(root, "Action").rpartition("/")[2])
            assert "Bye" not in heard
        assert (gone.onvif_port, gone.rtsp_port) == ports


async def test_scopes_match_by_prefix() -> None:
    """A scope matches itself and what begins with it, by whole segments; types by local name."""
    async with farm(1) as f:
        state = f.cameras[0].state

        def asks(types: str = "", scopes: str = "") -> bool:
            probe = find(parse(probe_message(types, scopes)), "Probe")
            assert probe is not None
            return matches(probe, state)

        assert asks()
        assert asks("dn:NetworkVideoTransmitter tds:Device")
        assert asks(scopes="onvif://www.onvif.org/Profile")
        assert asks(scopes="onvif://www.onvif.org/Profile/Streaming onvif://www.onvif.org/hardware")
        assert not asks(scopes="onvif://www.onvif.org/Prof")
        assert not asks("dn:Other")


async def test_no_bye_for_what_was_never_there() -> None:
    """Removing a camera that was not added sends nothing."""
    async with farm(1) as f:
        camera = f.cameras[0]
        async with Responder() as responder:
            responder.remove(Announced(camera.state, camera.faults, camera.counters))
            assert responder.sent == 0
