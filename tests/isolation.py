"""A network of its own for every process that runs tests beside others.

Owns the move into a new network namespace. Invariants: only a process that pytest-xdist started moves, before
any test is imported, so that every thread and child it makes lives there too; what it shares with the machine
is the disk alone: ports, loopback multicast and firewalls of two such processes never meet; a process that
must move and cannot ends, since its simulated cameras would be found by the neighbour's discovery.
"""

from __future__ import annotations

import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
CARD = ("172.31.255.1/30", "172.31.255.2")
"""Address and gateway of the one card: WebRTC uses no machine that has none but loopback."""


def enter_own_network() -> None:
    """Move this process into an empty network with loopback and one card that leads nowhere.

    Needs root and iproute2; OSError or CalledProcessError without (unshare(2)): run with `-n 0`.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"no network of its own for this process: {os.strerror(number)}; run with -n 0")
    address, gateway = CARD
    for command in (
        ("link", "set", "lo", "up"),
        ("link", "add", "eth0", "type", "veth", "peer", "name", "eth0-end"),
        ("link", "set", "eth0-end", "up"),
        ("address", "add", address, "dev", "eth0"),
        ("link", "set", "eth0", "up"),
        ("route", "add", "default", "via", gateway),
    ):
        subprocess.run(["ip", *command], check=True, capture_output=True, timeout=30)
