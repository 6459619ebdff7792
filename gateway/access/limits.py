"""How often somebody may try: token buckets per network, or per device.

Owns the arithmetic. Invariants: monotonic time only; addresses of one /24 (IPv4) or /56 (IPv6) share a
bucket, because one household or attacker holds many; at most `MAX_BUCKETS` are remembered, the longest
unused is forgotten first (by then it is full again, or we are under a flood that the web server limits).
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.core.addresses import address_of

MAX_BUCKETS = 4_096
_PRIVATE = tuple(
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
"""RFC 1918, 3927, 4193, 4291: networks that nobody outside has an address in.

Not `core.onlink`, which knows the networks that the box stands in now and gives rights by them: here no right hangs on
the answer. It is how a login is told to people months later ("at the school, outside"), and which strangers share a
bucket; it must be the same for the same address whatever cable is plugged in, and a school's other subnet, which the
box does not stand in, is the school for both.
"""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_ns: int


class RateLimit:
    """`burst` tries at once, then one every `every_s` seconds."""

    def __init__(self, mono_ns: Callable[[], int], *, burst: int, every_s: float) -> None:
        self._mono_ns = mono_ns
        self._burst = burst
        self._every_ns = every_s * 1e9
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, address: str) -> bool:
        """Use up one try of this address's network; False if none is left."""
        return self.take_key(network_of(address))

    def take_key(self, key: str) -> bool:
        """Use up one try of whatever shares this key; False if none is left."""
        now_ns = self._mono_ns()
        bucket = self._buckets.pop(key, None) or _Bucket(self._burst, now_ns)
        bucket.tokens = min(self._burst, bucket.tokens + (now_ns - bucket.at_ns) / self._every_ns)
        bucket.at_ns = now_ns
        self._buckets[key] = bucket
        while len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def give_back(self, key: str) -> None:
        """Give back one try that was right, or that was not made."""
        if (bucket := self._buckets.get(key)) is not None:
            bucket.tokens = min(self._burst, bucket.tokens + 1)


def is_own_network(address: str) -> bool:
    """Say whether an address is of the box itself or of a private network, as the school's is (RFC 1918, RFC 4193)."""
    return place_of(address) != "outside"


def place_of(address: str) -> str:
    """Return where an address is, for people: box, school or outside; "" for what is no address."""
    if (ip := address_of(address)) is None:
        return ""
    if ip.is_loopback:
        return "box"
    return "school" if any(ip in net for net in _PRIVATE if net.version == ip.version) else "outside"


def network_of(address: str) -> str:
    """Return the network that shares a bucket; anything that is no address shares one."""
    if (ip := address_of(address)) is None:
        return "other"
    prefix = 24 if ip.version == 4 else 56
    return str(ipaddress.ip_network((ip, prefix), strict=False))
