"""Whether a camera's own name was given by somebody: "Lớp Lá 1", and not its maker, model, number or address.

Owns that rule. Pure. Invariants: in doubt nobody gave it, and the camera is called by maker and model as ever; a name
that is taken is taken whole, as discovery cleaned it (one line, printable, bounded).
"""

from __future__ import annotations

import re

from drivers.discovery.vendors import vendor_in

USUAL = frozenset((
    "camera", "cameras", "cam", "ip", "ipc", "ipcam", "ipcamera", "network", "net", "web", "webcam", "dome",
    "ipdome", "bullet", "turret", "ptz", "speed", "mini", "pro", "nvr", "dvr", "xvr", "hvr", "hdcvi", "embedded",
    "recorder", "device", "onvif", "nvt", "video", "server", "encoder", "stream", "main", "sub", "channel",
    "channels", "ch", "kenh", "kênh", "h264", "h265", "hd", "fhd", "uhd", "mp", "poe", "wifi", "wireless", "indoor",
    "outdoor", "series", "unknown", "default", "none", "null", "name", "noname", "my", "new", "the", "hostname",
    "localhost", "local", "system", "linux", "ipnc", "transmitter", "storage", "display", "cctv", "surveillance", "h",
    "security",
))  # fmt: skip
"""Words that programs and makers call cameras by."""
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d+|(?=.*\d)[0-9a-f]{6,}")
"""A count, or what looks like a serial or hardware number."""
MIN_PART = 3
"""Characters of a word that is looked for inside another: "Chip" is no channel (ch) of an ip camera."""
_PARTS = frozenset(word for word in USUAL if len(word) >= MIN_PART)


def given_name(told: str, *known: str) -> str:
    """Return the name a device tells if somebody gave it, "" if all of it is explained by what is known.

    Args:
        told: the name, as any step of discovery heard it.
        known: maker, model, hardware text, serial, address: whatever else the device is called by.

    """
    name = " ".join(told.split())
    whole, marks = _joined(name), [mark for text in known if len(mark := _joined(text)) >= MIN_PART]
    if " " not in name and any(mark in whole for mark in marks):  # DS-2CD2143G2-I20200101AAWR123456789
        return ""
    if _NUMBER.fullmatch(whole):  # 44:19:b6:a1:c0:de
        return ""
    explained = {word for text in known for word in _words(text)} | USUAL
    left = [word for word in _words(name) if word not in explained and not _explained(word, marks)]
    return name if left else ""


def _explained(word: str, marks: list[str]) -> bool:
    if _NUMBER.fullmatch(word) or vendor_in(word) or _is_usual(word):
        return True
    return len(word) >= MIN_PART and any(word in mark or mark in word for mark in marks)


def _is_usual(word: str) -> bool:
    """Say whether a word is usual ones written as one, with or without a count: NetworkVideoTransmitter, CH01."""
    stem = word.rstrip("0123456789")
    if len(stem) > 1 and stem in USUAL:  # a room may be called H1
        return True
    ends = {0}  # where such parts may end; a set, because "camera" is "cam" too
    for end in range(1, len(word) + 1):
        if any(word[start:end] in _PARTS or word[start:end].isdecimal() for start in ends):
            ends.add(end)
    return len(word) in ends


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _joined(text: str) -> str:
    return "".join(_words(text))
