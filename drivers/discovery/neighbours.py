"""MAC addresses of cameras on our own subnets, from the kernel's neighbour table.

Owns the reading of `/proc/net/arp`. Invariants: a MAC is a hint for identity, never an identity; no
entry, an incomplete one and a host behind a router all look the same: None.
"""

from __future__ import annotations

import re
from pathlib import Path

ARP_TABLE = Path("/proc/net/arp")
_MAC = re.compile(r"^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$")
_COMPLETE = 0x2
"""ATF_COM of if_arp.h: the kernel has heard the answer."""


def parse_table(text: str) -> dict[str, str]:
    """Return IPv4 address -> MAC of the complete entries of an ARP table."""
    macs: dict[str, str] = {}
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 4 or not fields[2].startswith("0x"):
            continue
        mac = normal_mac(fields[3])
        if mac and int(fields[2], 16) & _COMPLETE:
            macs[fields[0]] = mac
    return macs


def normal_mac(text: str) -> str | None:
    """Return a MAC in lower case with colons; None for anything else and for 00:.. and ff:.."""
    mac = text.strip().lower().replace("-", ":")
    if len(mac) == 12:
        mac = ":".join(mac[i : i + 2] for i in range(0, 12, 2))
    return mac if _MAC.match(mac) and mac not in {"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"} else None


def mac_of(address: str, table: Path = ARP_TABLE) -> str | None:
    """Return the MAC behind an IPv4 address on one of our links, if the kernel knows it."""
    try:
        return parse_table(table.read_text("ascii", "replace")).get(address)
    except OSError:  # no procfs (a container): identity has to do without
        return None
