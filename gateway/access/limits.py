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

MAX_BUCKETS = 4_096


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

    def give_back(self, address: str) -> None:
        """Undo `take` of a try that was right: only wrong ones are to count, many people may share a network."""
        bucket = self._buckets.get(network_of(address))
        if bucket is not None:
            bucket.tokens = min(self._burst, bucket.tokens + 1)


def network_of(address: str) -> str:
    """Return the network that shares a bucket; anything that is no address shares one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "other"
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    prefix = 24 if ip.version == 4 else 56
    return str(ipaddress.ip_network((ip, prefix), strict=False))
