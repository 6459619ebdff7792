"""Lines of the audit in words: acts, people, spans, reasons.

Owns how a `LedgerLine` reads. Pure. Invariants: every text comes from a catalogue; an act without words of its own is
called by its code, never left out; a time is the site's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.core.model import PublicId
from web.i18n import Words
from web.ledger_services import ChainFacts, LedgerLine

ICONS = {"look": "video", "copy": "download", "denied": "x-circle", "people": "users", "config": "sliders"}
PLAIN_ENDS = frozenset({"viewer.left", "viewer.gone", "stream.replaced"})
"""How a look ends by itself: no reason worth a word."""


def act_of(line: LedgerLine, words: Words) -> str:
    """Return what was done."""
    key = f"ledger.act.{line.act}"
    if words.has(key):
        return str(words.text(key))
    if line.act.endswith(".refused"):
        base = act_of(LedgerLine(0, None, line.act.removesuffix(".refused"), line.group, "", ""), words)
        return str(words.text("ledger.act.refused", act=base))
    return str(words.text("ledger.act.other", code=line.act))


def icon_of(line: LedgerLine) -> str:
    """Return the sign of an act."""
    if line.act == "granted.playback":
        return "clock-back"
    return ICONS.get(line.group, "sliders")


def who_of(line: LedgerLine, words: Words) -> tuple[str, str]:
    """Return whoever acted: name (or what stands for it), and the role below it."""
    if not line.role:
        return str(words.text("ledger.nobody")), ""
    role = str(words.text(f"ledger.role.{line.role}")) if words.has(f"ledger.role.{line.role}") else line.role
    return (line.who, role) if line.who else (role, "")


def length(seconds: int, words: Words) -> str:
    """Return a length with its seconds: 8 phút 13 giây."""
    minutes, rest = divmod(max(0, seconds), 60)
    if minutes >= 60:
        return words.duration(seconds * 1000)
    return str(words.text("ledger.ms" if minutes else "ledger.s", m=minutes, s=rest))


def note_of(line: LedgerLine, words: Words, *, causes: bool = False) -> str:
    """Return what else there is to say: recorded time, length, reason (`causes`: the true one), how often."""
    parts = []
    if line.span is not None:
        start, end = line.span
        day = words.local(start).strftime("%d/%m/%Y")
        clocks = [words.local(at_ms).strftime("%H:%M:%S") for at_ms in (start, end)]
        parts.append(str(words.text("ledger.span", day=day, start=clocks[0], end=clocks[1])))
    if line.seconds is not None and line.act.startswith(("granted.live", "ended.")):
        parts.append(length(line.seconds, words))
    if line.minutes is not None and line.act.startswith(("granted.live", "ended.")):
        parts.append(words.duration(line.minutes * 60_000) if line.minutes else str(words.text("ledger.under_minute")))
    if line.reason and line.reason not in PLAIN_ENDS and words.has(f"reason.{line.reason}"):
        parts.append(words.cause(line.reason) if causes else words.reason(line.reason))
    parts += [str(words.text(f"list.count.{name}", n=count)) for name, count in line.counts]
    if line.at_once is not None:
        parts.append(str(words.text("ledger.at_once" if line.at_once else "ledger.last_day")))
    if line.times is not None:
        parts.append(str(words.text("ledger.times", times=line.times)))
    if line.erased_by is not None:
        parts.append(str(words.text("ledger.erased_by", row=line.erased_by)))
    return " · ".join(parts)


def about_of(line: LedgerLine, cameras: Mapping[PublicId, str]) -> str:
    """Return with what: classes and people by name, else the camera's name."""
    named = list(dict.fromkeys(line.about))
    if line.camera is not None and (not named or line.act.startswith("camera.")):
        named.insert(0, cameras.get(line.camera, ""))
    return ", ".join(item for item in named if item)


def view_of(
    line: LedgerLine, words: Words, cameras: Mapping[PublicId, str], *, dated: bool, causes: bool = False
) -> dict[str, Any]:
    """Return a line as the templates show it; `dated`: the list holds more than one day; `causes`: see `note_of`."""
    when = words.local(line.at_ms) if line.at_ms is not None else None
    who, role = who_of(line, words)
    return {
        "seq": line.seq,
        "time": when.strftime("%H:%M" if line.to_the_minute else "%H:%M:%S") if when else "–",
        "day": when.strftime("%d/%m/%Y") if when and dated else "",
        "who": who,
        "role": role,
        "act": act_of(line, words),
        "icon": icon_of(line),
        "tone": {"denied": "bad", "copy": "hold"}.get(line.group, ""),
        "about": about_of(line, cameras),
        "note": note_of(line, words, causes=causes),
        "device": line.device,
        "parts": [view_of(part, words, cameras, dated=False, causes=causes) for part in line.parts],
    }


def findings_of(chain: ChainFacts, words: Words) -> list[str]:
    """Return what is wrong with the chain, place by place."""
    found = []
    for problem, seq, to_seq in chain.findings:
        rows = str(seq) if seq == to_seq else f"{seq}-{to_seq}"
        key = f"audit.problem.{problem}"
        found.append(
            str(words.text(key, rows=rows, last=to_seq, left=seq - 1)) if words.has(key) else f"{problem} {rows}"
        )
    return found


def number(value: int, words: Words) -> str:
    """Return a count with the language's separator: 48.213."""
    return f"{value:,}".replace(",", "." if words.language == "vi" else ",")
