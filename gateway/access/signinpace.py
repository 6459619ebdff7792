"""How often a password may be tried, so that guessing is slow and nobody is locked out.

Owns the lanes. Invariants: monotonic time only. A browser in which the person signed in before has a lane of its own,
and so has each pair of account and network (/24, /56): after `FREE` wrong tries in a row the next one is taken after
1, 2, 4 ... at most `MOST_S` seconds, and nobody else's tries make that longer. Networks together have a pace, too:
tries of many names from one network, and (from outside the school) of one name from many networks, are taken from a
bucket; a right password gives back what it took. What is remembered is bounded; the longest unused is forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.access.limits import MAX_BUCKETS, RateLimit, is_own_network, network_of

FREE = 3
MOST_S = 30.0
SECOND_MOST_S = 300.0
"""Six digits are guessed more easily than a password, and whoever tries them has that already."""
NETWORK_BURST, NETWORK_EVERY_S = 20, 3.0
ACCOUNT_BURST, ACCOUNT_EVERY_S = 20, 6.0


def delay_s(wrong: int, most_s: float = MOST_S) -> float:
    """Return how long the next try waits after so many wrong ones in a row."""
    return 0.0 if wrong < FREE else min(most_s, 2.0 ** min(wrong - FREE, 10))


@dataclass(slots=True)
class _Lane:
    wrong: int = 0
    next_ns: int = 0


@dataclass(frozen=True, slots=True)
class Try:
    """A try that was let through."""

    lane: str
    network: str
    account: str
    """Empty: not taken from the account's bucket."""
    wait_s: float = 0.0
    """Not let through: come back after this."""

    @property
    def stranger(self) -> str:
        """The network, "" for a browser that is known."""
        return "" if self.lane.startswith("mark ") else self.network


class SignInPace:
    """Lets tries through, or says how long to wait."""

    def __init__(self, mono_ns: Callable[[], int], *, most_s: float = MOST_S) -> None:
        self._mono_ns, self._most_s = mono_ns, most_s
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()
        self._networks = RateLimit(mono_ns, burst=NETWORK_BURST, every_s=NETWORK_EVERY_S)
        self._accounts = RateLimit(mono_ns, burst=ACCOUNT_BURST, every_s=ACCOUNT_EVERY_S)

    def begin(self, account: str, address: str, *, mark: str = "") -> Try:
        """Ask for a try at an account (a name as typed); `mark` names a browser that this account knows.

        The next try in the same lane waits as if this one were wrong, until `right` says otherwise.
        """
        network = network_of(address)
        lane = f"mark {mark} {account}" if mark else f"{account} {network}"
        state, now_ns = self._lane(lane), self._mono_ns()
        if now_ns < state.next_ns:
            return Try(lane, network, "", (state.next_ns - now_ns) / 1e9)
        if not mark and not self._networks.take_key(network):
            return Try(lane, network, "", NETWORK_EVERY_S)
        shared = "" if mark or is_own_network(address) else account
        if shared and not self._accounts.take_key(shared):
            return Try(lane, network, "", ACCOUNT_EVERY_S)
        state.wrong += 1
        state.next_ns = now_ns + int(delay_s(state.wrong, self._most_s) * 1e9)
        return Try(lane, network, shared)

    def right(self, done: Try) -> None:
        """Take note that it was right: the lane is free again."""
        self._lanes.pop(done.lane, None)
        self._give_back(done)

    def unmade(self, done: Try) -> None:
        """Take note that nobody had time to look at it: it counts for nothing."""
        state = self._lane(done.lane)
        state.wrong, state.next_ns = max(0, state.wrong - 1), self._mono_ns()
        self._give_back(done)

    def _give_back(self, done: Try) -> None:
        if not done.lane.startswith("mark "):
            self._networks.give_back(done.network)
        if done.account:
            self._accounts.give_back(done.account)

    def _lane(self, key: str) -> _Lane:
        state = self._lanes.pop(key, None) or _Lane()
        self._lanes[key] = state
        while len(self._lanes) > MAX_BUCKETS:
            self._lanes.popitem(last=False)
        return state
