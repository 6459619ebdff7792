"""Firmware that is known to be open to anybody on the network.

Owns the small table of advisories and the reading of build dates. Pure. Invariants: only what was certainly
built before its maker's first fix is named (a younger build may still be bad: the maker's page decides);
makers write dates in their own ways, and a text that tells none is unknown, not good.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advisory:
    """One known hole: whose firmware, which models, built before when."""

    name: str
    maker: re.Pattern[str]
    model: re.Pattern[str]
    before: int
    """yymmdd of the first fix."""


def _words(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


ADVISORIES: tuple[Advisory, ...] = (
    Advisory("CVE-2017-7921", _words(r"hik|hangzhou"), _words(r"^DS-2CD2"), 160_530),
    Advisory("CVE-2021-36260", _words(r"hik|hangzhou"), _words(r"^(DS|iDS)-"), 210_625),
    Advisory("CVE-2021-33044", _words(r"dahua|kbvision|imou"), _words(r"^(DH-)?(IPC|VTO|NVR|XVR|KX)"), 210_601),
    Advisory("CVE-2021-4045", _words(r"tp-?link|tapo"), _words(r"C200"), 211_209),
)
"""Newest last: of several that fit, the last is named."""

_BUILD = re.compile(r"build(?:\s*date)?\s*[:.]?\s*(?:20)?(\d{2})-?(\d{2})-?(\d{2})(?!\d)", re.IGNORECASE)
_TAIL = re.compile(r"\.R\.(\d{2})(\d{2})(\d{2})(?!\d)")
"""Dahua's other way: 2.800.0000000.29.R.210630."""


def build_date(firmware: str) -> int | None:
    """Return yymmdd of `V5.5.0 build 190220`, `…, Build Date 2019-11-18` or `….R.210630`; None if it tells none."""
    found = _BUILD.search(firmware) or _TAIL.search(firmware)
    if found is None:
        return None
    year, month, day = (int(part) for part in found.groups())
    return year * 10_000 + month * 100 + day if 1 <= month <= 12 and 1 <= day <= 31 else None


def advisory_for(manufacturer: str, model: str, firmware: str) -> str | None:
    """Return the advisory that fits, "" if none does, None if the firmware tells no build date we can read."""
    concerned = [item for item in ADVISORIES if item.maker.search(manufacturer) and item.model.search(model)]
    if not concerned:
        return "" if manufacturer and model else None
    built = build_date(firmware)
    if built is None:
        return None
    return next((item.name for item in reversed(concerned) if built < item.before), "")
