"""What an answer tells a viewer: our addresses, and what is not served.

Owns two rules, pure. Invariants: every line of the offer has its line in the answer, in the same order; no candidate
names the address it was found from (RFC 8839 §5.1: it is of our own network); an answer for outside names none that is
not global either, nor a port of one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

from gateway.live.offers import Unserved

NOWHERE = ("0.0.0.0", "::")  # noqa: S104 - nothing listens there: it stands for no address, in IPv4 and IPv6
_RELATED = re.compile(r" raddr \S+ rport \d+")
_MID, _GROUP = re.compile(r"(?m)^a=mid:([^\r\n]+)"), re.compile(r"(?m)^a=group:BUNDLE [^\r\n]*")
_PATH = ("a=ice-", "a=fingerprint:", "a=setup:", "a=candidate:", "a=end-of-candidates")
_PORT = re.compile(r"^(m=\w+) \d+ ")


def told(answer: str, *, outside: bool) -> str:
    """Return an SDP answer of ours with the candidates the viewer may know.

    `outside`: for a guardian or guest of a box that has ways beyond its own addresses; without such ways its own ones
    are all there is to tell.
    """
    return "".join(_lines(answer, outside=outside))


def complete(answer: str, sound: Sequence[Unserved]) -> str:
    """Return an answer that has a line for each line of the offer, in its order; `sound` is not sent.

    Sound stays in the bundle, inactive: where it is the first line, browsers have everything's path on it, and a
    refusal of that line they take for one of all (RFC 9143 §7.3.3).
    """
    if not sound:
        return answer
    head, *sections = re.split(r"(?m)^(?=m=)", answer)
    port, path = sections[0].split(" ", 2)[1], _path(sections[0])
    for item in sound:  # in the order of the offer, so that each finds the ones before it in place
        sections.insert(item.index, _silent(item, port, path))
    off = {item.mid for item in sound if item.off}
    mids = [mid for mid in _MID.findall("".join(sections)) if mid not in off]
    return _GROUP.sub("a=group:BUNDLE " + " ".join(mids), head) + "".join(sections)


def _path(section: str) -> list[str]:
    """Return the lines by which a section says how we are reached."""
    return [line for line in section.split("\r\n") if line.startswith(_PATH)]


def _silent(item: Unserved, port: str, path: list[str]) -> str:
    head = f"m=audio {0 if item.off else port} UDP/TLS/RTP/SAVPF {item.payload_type}"
    lines = [head, f"c=IN IP4 {NOWHERE[False]}", "a=inactive", f"a=mid:{item.mid}", "a=rtcp-mux"]
    lines += [f"a=rtpmap:{item.payload_type} {item.codec}"] if item.codec else []
    return "\r\n".join([*lines, *([] if item.off else path), ""])


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
    """Say whether an address is no global one (IANA's registries of special-purpose addresses), so tells of a network.

    Not a list of ours: a box has addresses of a carrier's NAT, of Tailscale (100.64.0.0/10) or of a lab as well.
    """
    return not ipaddress.ip_address(address).is_global
