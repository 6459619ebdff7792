"""Makers by what a device calls itself: names, hardware texts and `Server:` headers.

Owns the words that give a maker away. Pure. Invariants: what it returns is a hint for people and for the
order of guesses, never a driver; makers are named as `oui.csv` names them.
"""

from __future__ import annotations

import re

from drivers.discovery.oui import maker_of

_WORDS: tuple[tuple[str, str], ...] = (
    ("Hikvision", r"hikvision|hik|ds-2\w|ds-7\w|dnvrs-webs|app-webs"),
    ("KBVision", r"kbvision|kx-\w"),
    ("Imou", r"imou|ipc-[cfkst]\d\w*"),
    ("Dahua", r"dahua|dh-\w|ipc-h[df]b?w|hac-h|xvr\d|dhi-"),
    ("Ezviz", r"ezviz|cs-[a-z]\d"),
    ("TP-Link", r"tp-link|tplink|tapo|vigi"),
    ("Uniview", r"uniview|unv|ipc3\d\d"),
    ("Reolink", r"reolink|rlc-|rln\d"),
    ("Xiongmai", r"xiongmai|uc-httpd|xmeye|h264dvr"),
    ("Axis", r"axis"),
    ("Tiandy", r"tiandy|tc-c\d"),
    ("Hanwha", r"hanwha|wisenet|samsung techwin"),
    ("Viettel", r"viettel"),
    ("VNPT", r"vnpt"),
    ("Vivotek", r"vivotek"),
    ("Milesight", r"milesight"),
    ("Bosch", r"bosch"),
)
_PATTERNS = tuple((name, re.compile(rf"(?<![a-z0-9])(?:{words})", re.IGNORECASE)) for name, words in _WORDS)
MOST_CHARS = 1024


def vendor_in(*texts: str) -> str:
    """Return the maker that the texts give away, the first text first; "" if none does."""
    for text in texts:
        for name, pattern in _PATTERNS:
            if pattern.search(text[:MOST_CHARS]):
                return name
    return ""


def vendor_of(mac: str | None, *texts: str) -> str:
    """Return the maker by the texts, else by the MAC: brands sell under other makers' OUIs; "" if unknown."""
    maker = maker_of(mac)
    return vendor_in(*texts) or (maker.name if maker is not None else "")
