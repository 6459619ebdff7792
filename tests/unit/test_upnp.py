"""What the modem lets in: found on our own network only, read with bounds, never believed about others."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.discovery import upnp
from drivers.discovery.interfaces import Address
from drivers.discovery.upnp import LIMITS, NOTHING, Modem, Told, ask_modems, find_modems, read_answer, search_message
from drivers.doctor.facts import Forward
from drivers.onvif.pace import CallPool
from drivers.onvif.transport import Limits
from gateway.core.clock import SystemClock
from tests.fakes.igd import igd

LOOPBACK = Address("lo", ipaddress.IPv4Interface("127.0.0.1/8"))
NETWORK = ipaddress.IPv4Network("192.168.1.0/24")
CAMERA = (8000, "TCP", "192.168.1.20", 80, "1")


async def ask(limits: Limits = LIMITS) -> Told:
    pool, clock = CallPool(2), SystemClock()
    return await ask_modems((), pool, clock, loopback=True, have=lambda: (LOOPBACK,), seconds=0.6, limits=limits)


def answer(location: str, st: str = "urn:schemas-upnp-org:device:InternetGatewayDevice:1") -> bytes:
    return f"HTTP/1.1 200 OK\r\nST: {st}\r\nLocation: {location}\r\n\r\n".encode()


# the search


def test_a_search_is_one_request_for_gateways() -> None:
    """M-SEARCH as the UPnP Device Architecture writes it."""
    lines = search_message("urn:x").decode().split("\r\n")
    assert lines[0] == "M-SEARCH * HTTP/1.1"
    assert "HOST: 239.255.255.250:1900" in lines
    assert 'MAN: "ssdp:discover"' in lines
    assert lines[-2:] == ["", ""]


@pytest.mark.parametrize(
    "data",
    [
        answer("http://192.168.1.9:5000/d.xml"),
        answer("http://8.8.8.8/d.xml"),
        answer("https://192.168.1.1/d.xml"),
        answer("http://user@192.168.1.9/d.xml"),
        answer("http://192.168.1.1:99999/d.xml"),
        answer("file:///etc/passwd"),
        answer(""),
        answer("http://192.168.1.1/d.xml", st="upnp:rootdevice"),
        b"NOTIFY * HTTP/1.1\r\n\r\n",
        b"",
    ],
)
def test_an_answer_that_names_another_place_is_none(data: bytes) -> None:
    """Only plain HTTP at the very address that answered, and only a gateway."""
    assert read_answer(data, "192.168.1.1", NETWORK) is None


def test_an_answer_from_another_network_is_none() -> None:
    """A modem is on our own subnet; what answers from elsewhere is not asked."""
    data = answer("http://10.0.0.1:5000/d.xml?x=1")
    assert read_answer(data, "10.0.0.1", NETWORK) is None
    assert read_answer(data, "10.0.0.1", ipaddress.IPv4Network("10.0.0.0/8")) == Modem("10.0.0.1", 5000, "/d.xml?x=1")


@given(st.binary(max_size=2000), st.sampled_from(["192.168.1.1", "10.0.0.1", "not an address"]))
def test_no_datagram_breaks_the_search(data: bytes, source: str) -> None:
    """Whatever arrives is a modem of ours or nothing."""
    for text in (data, b"HTTP/1.1 200 OK\r\n" + data, answer("http://") + data):
        found = read_answer(text, source, NETWORK)
        assert found is None or found.host == source


# the visit


@pytest.mark.anyio
async def test_forwards_and_line_are_told() -> None:
    """Each open door once, with where it leads; one that is switched off or leads nowhere is none."""
    doors = [
        CAMERA,
        (9000, "UDP", "192.168.1.30", 9000, "true"),
        (1, "TCP", "192.168.1.31", 1, "0"),
        (7, "TCP", "", 7, "1"),
    ]
    with igd(entries=doors) as modem:
        told = await ask()
        assert modem.searched >= 2
    assert told == Told(
        (Forward(8000, "TCP", "192.168.1.20", 80, "cam & co"), Forward(9000, "UDP", "192.168.1.30", 9000, "cam & co")),
        40_000_000,
    )
    assert modem.asked.count("GetGenericPortMappingEntry") == 5
    assert set(modem.asked) == {"GET /desc.xml?a=1", "GetGenericPortMappingEntry", "GetCommonLinkProperties"}


@pytest.mark.anyio
@pytest.mark.parametrize("code", ["713", "714"])
async def test_no_forwards_is_known(code: str) -> None:
    """A list that ends at its first entry is an empty list."""
    with igd(end_code=code, uplink="0"):
        assert await ask() == Told((), None)


@pytest.mark.anyio
async def test_a_modem_that_will_not_say_is_unknown() -> None:
    """An error that is not the end of the list leaves the forwards unknown."""
    with igd(end_code="606"):
        assert await ask() == Told(None, 40_000_000, whole=False)


@pytest.mark.anyio
async def test_without_a_modem_nothing_is_known() -> None:
    """No answer is no statement about doors."""
    with igd(mode="silent") as modem:
        assert await ask() == NOTHING
        assert modem.searched >= 2
        assert modem.asked == []


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["redirect", "huge", "garbage", "dtd", "login"])
async def test_a_hostile_modem_tells_nothing(mode: str) -> None:
    """Redirects, floods, entities, garbage and logins end the visit; nothing is followed and nobody is named."""
    with igd(mode=mode, entries=[CAMERA]) as modem:
        assert await ask() == NOTHING
    assert modem.asked == ["GET /desc.xml?a=1"]


@pytest.mark.anyio
async def test_a_dripping_modem_ends_by_time() -> None:
    """A body that never comes costs one exchange's time."""
    with igd(mode="drip"):
        assert await ask(limits=replace(LIMITS, total_s=0.5)) == NOTHING


@pytest.mark.anyio
async def test_a_visit_ends_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing more is asked once the visit's time is over, however many services a modem claims to have."""
    monkeypatch.setattr(upnp, "VISIT_S", 0.0)
    with igd(entries=[CAMERA]) as modem:
        assert await ask() == NOTHING
    assert modem.asked == ["GET /desc.xml?a=1"]


@pytest.mark.anyio
async def test_an_endless_list_is_cut() -> None:
    """A modem that always has one more entry is asked a bounded number of times."""
    with igd(mode="endless", entries=[CAMERA]) as modem:
        told = await ask()
    assert told.forwards is not None
    assert len(told.forwards) == upnp.MOST_FORWARDS
    assert modem.asked.count("GetGenericPortMappingEntry") == upnp.MOST_FORWARDS


@pytest.mark.anyio
async def test_control_urls_stay_at_the_modem() -> None:
    """A description that points elsewhere is asked at the modem itself."""
    with igd(control="http://10.255.255.1:9/ctl", entries=[CAMERA]) as modem:
        told = await ask()
    assert told.forwards is not None
    assert len(told.forwards) == 1
    assert "GetGenericPortMappingEntry" in modem.asked


@pytest.mark.anyio
async def test_a_modem_that_points_elsewhere_is_not_visited() -> None:
    """LOCATION at another host is no modem."""
    with igd(location="http://127.0.0.9:1/desc.xml") as modem:
        assert await find_modems((LOOPBACK,), 0.6) == ()
        assert modem.searched >= 2
    assert modem.asked == []


@pytest.mark.anyio
async def test_an_address_that_went_away_ends_nothing() -> None:
    """The search goes on from the others."""
    gone = Address("gone", ipaddress.IPv4Interface("203.0.113.7/24"))
    with igd(entries=[CAMERA]):
        assert len(await find_modems((gone, LOOPBACK), 0.6)) == 1


@pytest.mark.anyio
async def test_a_list_whose_end_was_not_seen_is_not_empty() -> None:
    """Sixty-four entries that are switched off say nothing of the next one; the line's rate is told all the same."""
    with igd(mode="endless", entries=[(8000, "TCP", "192.168.1.20", 80, "0")]):
        assert await ask() == Told(None, 40_000_000, whole=False)


@pytest.mark.anyio
async def test_doors_before_an_end_that_was_not_seen_are_told_as_such() -> None:
    """The first ones are known, and that there may be more."""
    with igd(mode="endless", entries=[(8443, "TCP", "192.168.1.2", 443, "1")]):
        told = await ask()
    assert told.forwards is not None
    assert (told.forwards[0].port, told.whole) == (443, False)
