"""IP addresses as they come in: each in one form, whatever socket, header or adapter it came from.

Owns `unmapped` and `address_of`. Invariant: an IPv4 address that comes mapped into IPv6 (RFC 4291 §2.5.5.2), as a
socket of both kinds tells it, is judged as that IPv4 address or refused, never as an IPv6 one. Pure.
"""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def unmapped(ip: Address) -> Address:
    """Return the IPv4 address that is mapped into this IPv6 one; any other address as it is."""
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def address_of(text: str) -> Address | None:
    """Return an address without its zone, IPv4 also where it comes mapped into IPv6; None for what is none."""
    try:
        return unmapped(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None
