"""Makers by MAC address: a table of camera makers' OUIs.

Owns the reading of `oui.csv` (its head names source and licence). Invariants: a MAC gives a hint, never a
driver, a login or an identity: makers build for each other, and many show their Wi-Fi module's OUI; an
address somebody assigned by hand (locally administered, IEEE 802 §8.4) names nobody.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

_LOCAL = 0x02
"""Bit of the first byte: locally administered."""


@dataclass(frozen=True, slots=True)
class Maker:
    """Who had a MAC address assigned."""

    name: str
    only_cameras: bool
    """False: the maker also builds modems, plugs or modules, so a MAC of its does not mean a camera."""


def parse_table(text: str) -> dict[str, Maker]:
    """Return OUI (`aa:bb:cc`, lower case) -> maker; comment lines begin with #."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {row["oui"]: Maker(row["vendor"], row["makes"] == "camera") for row in csv.DictReader(lines)}


@lru_cache(maxsize=1)
def table() -> Mapping[str, Maker]:
    """Return the table, read once."""
    return parse_table((files("drivers.discovery") / "oui.csv").read_text("utf-8"))


def maker_of(mac: str | None) -> Maker | None:
    """Return who made the network part behind a MAC (lower case, colons); None if we do not know."""
    if mac is None or len(mac) < 8 or int(mac[:2], 16) & _LOCAL:
        return None
    return table().get(mac[:8])
