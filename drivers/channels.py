"""The channels of a recorder (NVR, DVR, XVR): where makers put them, and which number each has.

Owns the table of channel paths, the numbering and the reading of `1,3-5`. Pure. Invariants: a channel has the
number printed on the recorder, from 1, or the order of its appearance if nothing tells it; numbers of one device
are distinct; no path holds a login. The paths are the makers' documented ones, also used by their OEM brands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.rtsp.source import RtspSource
from gateway.core.errors import BadInput

MOST_CHANNELS = 64
"""What one adoption takes: larger recorders are taken in parts."""
MOST_NUMBER = 256


@dataclass(frozen=True, slots=True)
class Family:
    """How one maker writes the RTSP path of a channel; `{c}` is its number from 1."""

    name: str
    main: str
    sub: str

    def paths(self, channel: int) -> tuple[str, str]:
        """Return the paths of main and sub stream of a channel."""
        return self.main.format(c=channel), self.sub.format(c=channel)

    def channel_of(self, path: str) -> int | None:
        """Return the channel a path of this family names, main or sub; None for any other path."""
        for template in (self.main, self.sub):
            head, tail = (re.escape(part) for part in template.split("{c}"))
            if (found := re.fullmatch(f"{head}([0-9]{{1,3}}){tail}", path.partition("&unicast")[0])) is not None:
                number = int(found[1])
                return number if 1 <= number <= MOST_NUMBER else None
        return None


FAMILIES = (
    Family("hikvision", "/Streaming/Channels/{c}01", "/Streaming/Channels/{c}02"),
    Family("dahua", "/cam/realmonitor?channel={c}&subtype=0", "/cam/realmonitor?channel={c}&subtype=1"),
    Family("uniview", "/unicast/c{c}/s0/live", "/unicast/c{c}/s1/live"),
)


def family_of(path: str) -> tuple[Family, int] | None:
    """Return the family and channel a stream's path names; None if it is of none of the table."""
    for family in FAMILIES:
        channel = family.channel_of(path)
        if channel is not None:
            return family, channel
    return None


def sources(host: str, port: int, family: Family, channel: int) -> tuple[RtspSource, RtspSource]:
    """Return where main and sub of a channel are."""
    main, sub = family.paths(channel)
    return RtspSource(host, port, main), RtspSource(host, port, sub)


def number_channels(tokens: Sequence[str], paths: Sequence[str]) -> tuple[int, ...]:
    """Return the number of each channel of a device, in the order given.

    The maker's path tells it best; else the number at the end of the video source's token (counted from 0 or
    1); else the order, which shifts when a channel is taken away. One rule for all channels of a device.

    Args:
        tokens: video source tokens.
        paths: paths of the main streams, one for each token; "" if not known.

    """
    by_path = [found[1] if (found := family_of(path)) else 0 for path in paths]
    if all(by_path) and _distinct(by_path):
        return tuple(by_path)
    ends = [match for token in tokens if (match := re.search(r"([0-9]{1,3})$", token))]
    if len(ends) == len(tokens):
        by_token = [int(match[1]) for match in ends]
        by_token = [number + 1 for number in by_token] if 0 in by_token else by_token
        if _distinct(by_token):
            return tuple(by_token)
    return tuple(range(1, len(tokens) + 1))


def _distinct(numbers: Sequence[int]) -> bool:
    return len(set(numbers)) == len(numbers) and all(1 <= number <= MOST_NUMBER for number in numbers)


def read_channels(text: str) -> frozenset[int]:
    """Read `1,3-5`; BadInput for anything else, for number 0 and for more than `MOST_CHANNELS`."""
    numbers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,3})\s*(?:-\s*([0-9]{1,3})\s*)?", part, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= MOST_NUMBER:
            raise BadInput(f"channels look like 1,3-5, not {text[:40]!r}", key="channels", value=text[:40])
        numbers.update(range(first, last + 1))
    if len(numbers) > MOST_CHANNELS:
        raise BadInput(f"at most {MOST_CHANNELS} channels at a time", key="channels", value=text[:40])
    return frozenset(numbers)
