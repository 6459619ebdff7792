"""Which addresses are the school's own network."""

from __future__ import annotations

import ipaddress

import pytest

from gateway.roofs.site_networks import FRESH_S, Address, Network, SiteNetworks, own_networks, routers
from tests.fakes.clock import FakeClock

LAN = ipaddress.ip_network("192.168.7.0/24")
V6 = ipaddress.ip_network("fd00:7::/64")
ROUTER: frozenset[Address] = frozenset({ipaddress.ip_address("192.168.7.1")})


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("192.168.7.44", True),
        ("::ffff:192.168.7.44", True),
        ("fd00:7::9%eth0", True),
        ("192.168.8.44", False),
        ("10.0.0.5", False),
        ("203.0.113.9", False),
        ("192.168.7.1", False),
        ("", False),
        ("testclient", False),
    ],
)
def test_only_the_boxs_own_networks_are_the_school(address: str, here: bool) -> None:
    """A private address of elsewhere is elsewhere; so is what the router sends on in its own name."""
    assert SiteNetworks(lambda: (LAN, V6), lambda: ROUTER).has(address) is here


def test_a_network_that_changes_is_learnt() -> None:
    """The cards are read again after half a minute, and not at each request."""
    clock, reads = FakeClock(), list[int]()
    networks: list[Network] = [LAN]

    def read() -> list[Network]:
        reads.append(1)
        return networks

    site = SiteNetworks(read, frozenset, lambda: clock.mono_ns() / 1e9)
    assert site.has("192.168.7.44")
    networks[:] = [ipaddress.ip_network("10.1.0.0/16")]
    assert site.has("192.168.7.44")
    clock.tick(FRESH_S)
    assert not site.has("192.168.7.44")
    assert site.has("10.1.2.3")
    assert len(reads) == 2


def test_this_machines_cards_and_routes_can_be_read() -> None:
    """The loopback network is always one of them; no router is our own address."""
    assert any(ipaddress.ip_address("127.0.0.1") in network for network in own_networks())
    assert ipaddress.ip_address("127.0.0.1") not in routers()
