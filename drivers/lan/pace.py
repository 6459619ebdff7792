"""How often a stranger on the camera network is answered.

Owns the counting. Pure of I/O and clocks. Invariants: at most `MOST_KNOWN` askers are remembered, the one
unheard longest makes room; one asker cannot use up the turns of all, because each has its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

MOST_KNOWN = 1_024


class Turns:
    """Token buckets, one for each asker and one for all together; one thread."""

    def __init__(self, *, burst: int, per_s: float, all_burst: int, all_per_s: float, most: int = MOST_KNOWN) -> None:
        self._each, self._all, self._most = (float(burst), per_s), (float(all_burst), all_per_s), most
        self._level: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()
        self._total: tuple[float, int] | None = None

    def __len__(self) -> int:
        return len(self._level)

    def take(self, asker: Hashable, mono_ns: int) -> bool:
        """Take a turn; False when the asker, or all of them together, have had theirs."""
        mine = _filled(self._level.get(asker), self._each, mono_ns)
        total = _filled(self._total, self._all, mono_ns)
        good = mine >= 1 and total >= 1
        cost = 1 if good else 0
        self._level[asker] = (mine - cost, mono_ns)
        self._level.move_to_end(asker)
        while len(self._level) > self._most:
            self._level.popitem(last=False)
        self._total = (total - cost, mono_ns)
        return good


def _filled(state: tuple[float, int] | None, rule: tuple[float, float], mono_ns: int) -> float:
    """Return the level of a bucket now: full for one never used."""
    burst, per_s = rule
    if state is None:
        return burst
    level, at_ns = state
    return min(burst, level + max(0, mono_ns - at_ns) / 1e9 * per_s)
