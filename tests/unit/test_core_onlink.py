"""Which addresses are the school's own network."""

from __future__ import annotations

import ipaddress

import ifaddr
import pytest

from gateway.core.onlink import MAX_REMEMBERED, REFRESH_S, OnLink, is_on, networks_of, routers
from gateway.live.uplink import is_beyond
from tests.fakes.clock import FakeClock


def adapter(name: str, *ips: tuple[str, int]) -> ifaddr.Adapter:
    """An interface with its addresses."""
    made = [ifaddr.IP((ip, 0, 0) if ":" in ip else ip, prefix, name) for ip, prefix in ips]
    return ifaddr.Adapter(name, name, made)


LAN = adapter("eth0", ("192.168.7.2", 24), ("2a02:5:0:1::2", 64), ("fe80::2%eth0", 64))
LO = adapter("lo", ("127.0.0.1", 8), ("::1", 128))


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("192.168.7.9", True),
        ("::ffff:192.168.7.9", True),
        ("2a02:5:0:1:a:b:c:d", True),
        ("fe80::9%eth0", True),
        ("192.168.8.9", False),
        ("2a02:5:0:2::9", False),
        ("203.0.113.9", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("", False),
        ("nonsense", False),
        ("192.168.7.9, 203.0.113.9", False),
    ],
)
def test_an_address_is_judged_by_the_prefixes_of_the_links(address: str, near: bool) -> None:
    """Private or global, an address is near if one of the box's own prefixes has it, and no other way."""
    assert is_on(address, networks_of([LAN, LO])) is near


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("192.168.7.44", True),
        ("::ffff:192.168.7.44", True),
        ("fd00:7::9%eth0", True),
        ("192.168.8.44", False),
        ("10.0.0.5", False),
        ("203.0.113.9", False),
        ("192.168.7.1", False),
        ("::ffff:192.168.7.1", False),
        ("", False),
        ("testclient", False),
    ],
)
def test_only_the_boxs_own_networks_are_the_school(address: str, near: bool) -> None:
    """A private address of elsewhere is elsewhere; so is what the router sends on in its own name."""
    links = [adapter("eth0", ("192.168.7.2", 24), ("fd00:7::2", 64))]
    router = frozenset({ipaddress.ip_address("192.168.7.1")})
    known = OnLink(FakeClock().mono_ns, adapters=lambda: links, next_routers=lambda: router)
    assert known.covers(address) is near


def test_what_is_not_the_schools_network() -> None:
    """Tunnels, bridges of containers, the provider's own IPv4 network and lone addresses cover nobody."""
    strange = [
        adapter("wg0", ("10.8.0.1", 24)),
        adapter("docker0", ("172.17.0.1", 16)),
        adapter("ppp0", ("10.64.0.1", 8)),
        adapter("eth1", ("9.9.9.2", 24)),
        adapter("eth2", ("10.1.1.1", 32), ("2001:db8::1", 128)),
    ]
    assert networks_of(strange) == ()
    assert networks_of([adapter("br0", ("10.1.1.1", 24))]) == (ipaddress.ip_network("10.1.1.0/24"),)


def test_loopback_counts_only_where_it_is_said() -> None:
    """A relay on the box itself must not make the whole world near; a trial on loopback is near to itself."""
    assert networks_of([LO]) == ()
    assert is_on("127.0.0.5", networks_of([LO], loopback=True))


def test_a_new_prefix_is_known_after_a_while_and_the_old_one_forgotten() -> None:
    """The system is asked at most once in ten seconds, and what it said before does not linger."""
    clock, links, asked = FakeClock(), [LAN], []

    def adapters() -> list[ifaddr.Adapter]:
        asked.append(1)
        return links

    known = OnLink(clock.mono_ns, adapters=adapters)
    assert known.covers("192.168.7.9")
    assert not known.covers("10.9.9.9")
    links[:] = [adapter("eth0", ("10.9.9.2", 24))]
    assert known.covers("192.168.7.9")
    assert len(asked) == 1
    clock.tick(REFRESH_S)
    assert known.covers("10.9.9.9")
    assert not known.covers("192.168.7.9")
    assert len(asked) == 2


def test_many_strangers_do_not_fill_the_memory() -> None:
    """However many addresses ask, only some are remembered, and the answers stay right."""
    known = OnLink(FakeClock().mono_ns, adapters=lambda: [LAN])
    for number in range(3 * MAX_REMEMBERED):
        assert not known.covers(f"203.0.{number % 250}.{number // 250 % 250}") or number < 0
    assert len(known._known) <= MAX_REMEMBERED
    assert known.covers("192.168.7.9")


def test_a_viewer_with_a_global_address_of_the_lan_is_not_beyond_the_uplink() -> None:
    """IPv6 gives phones in the school global addresses: they cost no uplink; others' global addresses do."""
    beyond = is_beyond(OnLink(FakeClock().mono_ns, adapters=lambda: [LAN]).covers)
    assert not beyond("2a02:5:0:1::77")
    assert beyond("2a02:9::77")
    assert beyond("8.8.8.8")
    assert not beyond("192.168.99.1")


def test_this_machine_knows_its_own_address() -> None:
    """With the real interfaces, one's own loopback address is near where that is said; no router is our own address."""
    assert OnLink(FakeClock().mono_ns, loopback=True).covers("127.0.0.1")
    assert ipaddress.ip_address("127.0.0.1") not in routers()
