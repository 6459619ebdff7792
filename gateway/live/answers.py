"""What an answer tells a viewer about our addresses.

Owns one rule, pure. Invariants: no candidate names the address it was found from (RFC 8839 §5.1: it is of our own
network); an answer for outside names no private, unique-local or link-local address either, nor a port of one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

NOWHERE = ("0.0.0.0", "::")  # noqa: S104 - nothing listens there: it stands for no address, in IPv4 and IPv6
_RELATED = re.compile(r" raddr \S+ rport \d+")
_PORT = re.compile(r"^(m=\w+) \d+ ")
_OWN = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "127.0.0.0/8",
            "fc00::/7",
            "fe80::/10",
            "::1/128",
        ),
    )
)


def told(answer: str, *, outside: bool) -> str:
    """Return an SDP answer of ours with the candidates the viewer may know.

    `outside`: for a guardian of a box that has ways beyond its own addresses; without such ways its own ones are all
    there is to tell.
    """
    return "".join(_lines(answer, outside=outside))


def _lines(answer: str, *, outside: bool) -> Iterator[str]:
    for line in answer.splitlines(keepends=True):
        if line.startswith("a=candidate:"):
            address = line.split(" ")[4]
            if not (outside and is_own(address)):
                yield _RELATED.sub(f" raddr {NOWHERE[':' in address]} rport 9", line)
        elif outside and line.startswith("c="):
            yield f"c=IN IP4 {NOWHERE[False]}\r\n"  # as RFC 9429 §5.3.1 has it where candidates are all there is
        elif outside and line.startswith("m="):
            yield _PORT.sub(r"\1 9 ", line, count=1)
        else:
            yield line


def is_own(address: str) -> bool:
    """Say whether an address means something in the school's own network only, and so tells how that is laid out."""
    ip = ipaddress.ip_address(address)
    return any(ip.version == net.version and ip in net for net in _OWN)
