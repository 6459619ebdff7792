"""One form for an address, whatever it came in."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.addresses import address_of, unmapped


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_itself_mapped_or_not(ip: ipaddress.IPv4Address) -> None:
    """Plain, mapped, and mapped with a zone: one and the same address."""
    mapped = ipaddress.IPv6Address(f"::ffff:{ip}")
    assert unmapped(ip) == unmapped(mapped) == ip
    assert address_of(str(ip)) == address_of(str(mapped)) == address_of(f"{mapped}%eth0") == ip


@given(st.ip_addresses(v=6).filter(lambda ip: ip not in ipaddress.ip_network("::ffff:0:0/96")))
def test_any_other_ipv6_address_stays_as_it_is(ip: ipaddress.IPv6Address) -> None:
    """Also those of 6to4 and NAT64, which carry an IPv4 address elsewhere: that one is somebody else's."""
    assert unmapped(ip) == address_of(str(ip)) == ip


@pytest.mark.parametrize(
    "text", ["", "%", "nonsense", "1.2.3", "192.168.7.9, 203.0.113.9", "::ffff:1.2.3.4/96", "1.2.3.4:80"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    """Names, networks, lists and ports are none."""
    assert address_of(text) is None
