"""How the command line writes things: broken lines, numbers, times, bars.

Pure. Invariants: everything reads without colour (a mark or a word carries the meaning, never a colour
alone); numbers are written as the reader's language writes them; a line is broken between words only.
"""

from __future__ import annotations

import datetime as dt
import textwrap
import unicodedata
from collections.abc import Iterable
from zoneinfo import ZoneInfo

GOOD, BAD, LOOK, NEW = "✔", "✘", "!", "+"
"""Fine, broken, wants a look, not ours yet."""
NOTHING = "–"
MIB, GIB = 1 << 20, 1 << 30
BAR_CELLS = 20


def wrap(text: str, width: int) -> str:
    """Break each line between words at `width` columns; what follows is indented under its beginning."""
    return "\n".join(_wrap_line(line, max(width, 20)) for line in text.split("\n"))


def _wrap_line(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )


def number(value: float, language: str, digits: int = 0) -> str:
    """Return a number with a decimal comma in Vietnamese, a point otherwise."""
    text = f"{value:.{digits}f}"
    return text.replace(".", ",") if language == "vi" else text


def duration(seconds: float) -> str:
    """Return hours, minutes and seconds: `1:02:03`, with days in front from one day on."""
    days, rest = divmod(max(0, int(seconds)), 86_400)
    clock = f"{rest // 3600}:{rest % 3600 // 60:02}:{rest % 60:02}"
    return f"{days}d {clock}" if days else clock


def clock(at_ms: int, zone: str) -> str:
    """Return the time of day in the site's zone."""
    return f"{dt.datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)):%H:%M:%S}"


def day(at_ms: int, zone: str) -> str:
    """Return the date in the site's zone, day first."""
    return f"{dt.datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)):%d/%m/%Y}"


def share_recorded(gap_seconds: float, now_ms: int, zone: str) -> float:
    """Return which part of today (0 to 1, the site's day up to now) is not missing."""
    now = dt.datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    past_s = max(1.0, now.timestamp() - midnight.timestamp())
    return min(1.0, max(0.0, 1 - gap_seconds / past_s))


def percent(share: float, language: str) -> str:
    """Return a share as a percentage that says 100 only of the whole and 0 only of nothing."""
    value = round(share * 100, 1)
    if share < 1:
        value = min(value, 99.9)
    if share > 0:
        value = max(value, 0.1)
    return number(value, language, 0 if value in (0, 100) else 1) + "%"


def bar(share: float, cells: int = BAR_CELLS) -> str:
    """Return a bar that reads without colour: filled cells, then dots."""
    filled = min(cells, max(0, round(share * cells)))
    return "━" * filled + "·" * (cells - filled)


def columns(text: str) -> int:
    """Return how many cells a text takes: combining marks take none."""
    return sum(unicodedata.combining(char) == 0 for char in text)


def pad(text: str, cells: int) -> str:
    """Return the text filled with spaces to a number of cells."""
    return text + " " * max(0, cells - columns(text))


def widest(texts: Iterable[str]) -> int:
    """Return the cells of the widest text, 0 for none."""
    return max((columns(text) for text in texts), default=0)
