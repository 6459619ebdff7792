"""The drivers of the box by name: ours and those of others, found by the entry-point group `vuon.drivers`.

Owns the words of an address that names its driver ("file:la.mp4", "onvif:192.168.1.64") and the loading.
Invariants: a driver is imported when it is asked for and not before (FFmpeg and the simulated camera cost
memory); a name nobody registered is `BadInput` that tells the names there are; what is loaded is checked to
make a `Driver`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol

from drivers.base import Driver
from drivers.gate import LoginGate
from drivers.onvif.pace import CallPool
from drivers.onvif.transport import Limits
from drivers.rtsponly import StreamPlayer
from gateway.core.clock import Clock
from gateway.core.errors import BadInput

GROUP = "vuon.drivers"
_NAMED = re.compile(r"([a-z][a-z0-9_-]{0,31}):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Which camera: what follows the driver's name, and what else the installer said."""

    text: str
    """An address, a file's name: whatever the driver makes of it."""
    port: int | None = None
    path: str | None = None
    """RTSP path, where the driver needs one."""


@dataclass(frozen=True, slots=True)
class Kit:
    """What drivers work with: shared by all of the box."""

    clock: Clock
    pool: CallPool
    player: StreamPlayer
    files: Path | None = None
    """Folder of the films that the file driver may play; None: none."""
    limits: Limits | None = None


class Opener(Protocol):
    """What an entry point of the group names."""

    def __call__(self, place: Place, gate: LoginGate, kit: Kit) -> Driver:
        """Make the driver of one camera; raises BadInput for a place it cannot read. Asks nothing yet."""


def installed() -> Mapping[str, EntryPoint]:
    """Return the registered drivers by name, none of them loaded."""
    return {point.name: point for point in entry_points(group=GROUP)}


def named(address: str) -> tuple[str, str] | None:
    """Return driver and rest of an address that names its driver; None for a plain address."""
    found = _NAMED.fullmatch(address)
    if found is None or _is_address(address):
        return None
    return found[1], found[2]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def open_driver(
    name: str, place: Place, gate: LoginGate, kit: Kit, *, among: Mapping[str, EntryPoint] | None = None
) -> Driver:
    """Make the driver called `name` for one camera.

    Raises:
        BadInput: no such driver, it cannot be loaded, or it cannot read the place.

    """
    known = installed() if among is None else among
    point = known.get(name)
    if point is None:
        raise BadInput(f"there is no driver {name!r}", case="driver", key="driver", value=name, known=sorted(known))
    try:
        opener: Opener = point.load()
    except (ImportError, AttributeError) as error:
        raise BadInput(f"the driver {name!r} cannot be loaded", case="driver", key="driver", value=name) from error
    driver = opener(place, gate, kit)
    if not isinstance(driver, Driver):
        raise BadInput(f"the driver {name!r} is none", case="driver", key="driver", value=name)
    return driver
