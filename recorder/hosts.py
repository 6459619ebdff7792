"""The devices the cameras of the box are on.

Owns which camera shares a `Host` with which. Invariants: cameras at one address are on one device unless their
marks say that they are not (several cameras behind one forwarded address); a host without cameras is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable

from recorder.host import Host
from recorder.identity import Identity, Verdict, judge
from recorder.registry import Camera


class Hosts:
    """Finds the host of a camera; event loop only."""

    def __init__(self, make: Callable[[bool], Host]) -> None:
        """`make(suspect)` makes a host."""
        self._make = make
        self._known: dict[str, list[tuple[Identity, Host]]] = {}

    def of(self, camera: Camera, *, suspect: bool) -> Host:
        """Return the host of a camera; a new one begins `suspect` unless the device was just asked."""
        address, identity = camera.about.address, camera.about.identity
        entries = [entry for entry in self._known.get(address, []) if not entry[1].empty]
        self._known[address] = entries
        for known, host in entries:
            if judge(known, identity) is not Verdict.OTHER:
                return host
        host = self._make(suspect)
        host.others_play = lambda: self._others_play(host)
        entries.append((identity, host))
        return host

    def _others_play(self, host: Host) -> bool:
        entries = (entry for known in self._known.values() for entry in known)
        return any(other.sessions.playing for _, other in entries if other is not host)

    def forget_empty(self) -> None:
        """Drop the hosts whose last camera left."""
        for address in list(self._known):
            self._known[address] = [entry for entry in self._known[address] if not entry[1].empty]
            if not self._known[address]:
                del self._known[address]
