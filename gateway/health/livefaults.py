"""What is wrong with live video that a person can mend: read from the live daemon's status.

Owns these faults, for the doctor and for the conditions. Pure: a test sees the status and answers True (it is so),
False (it is not) or None (it cannot be known). Invariants: None is never taken for well; every fault has four texts in
both catalogues (`fault.<code>`, `.why`, `.do`, `.topic`) and a row in docs/ref/faults.md, and a condition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, TypeAlias

Status: TypeAlias = Mapping[str, Any]
LEAST_OUTSIDE = 2
"""One phone in a strange network says nothing about the school's modem."""


@dataclass(frozen=True, slots=True)
class LiveFault:
    """One thing that can be wrong."""

    code: str
    condition: str
    test: Callable[[Status], bool | None]
    figures: Callable[[Status], Mapping[str, float]]
    command: str = "vuon tinh-trang"
    severity: str = "yellow"


def _uplink(status: Status) -> bool | None:
    places = status.get("places")
    return None if places is None else bool(places["uplink_bps"] and places["waiting"] and not places["full"])


def _cpu(status: Status) -> bool | None:
    places = status.get("places")
    return None if places is None or places["cpu"] is None else bool(places["full"])


def _ways_outside(status: Status) -> list[str]:
    """Return the ways of the connections from outside (whoever comes over a relay is); the tiles of a wall are one."""
    rows = [row for row in status.get("open", ()) if row["state"] == "live"]
    far = [(str(row.get("connection", n)), row["path"]) for n, row in enumerate(rows) if _is_outside(row)]
    return list(dict(far).values())


def _is_outside(row: Status) -> bool:
    return bool(row["outside"] or row["path"] == "relay")


def _relay(status: Status) -> bool | None:
    ways = _ways_outside(status)
    return None if len(ways) < LEAST_OUTSIDE else set(ways) == {"relay"}


LIVE_FAULTS: Mapping[str, LiveFault] = {
    fault.code: fault
    for fault in (
        LiveFault(
            "live_uplink",
            "live.uplink_small",
            _uplink,
            lambda status: {
                "waiting": status["places"]["waiting"],
                "mbps": round(status["places"]["uplink_bps"] / 1e6, 1),
                "wanted": round(status["places"]["wanted_bps"] / 1e6, 1),
            },
        ),
        LiveFault(
            "live_cpu",
            "live.cpu_full",
            _cpu,
            lambda status: {"percent": round(100 * status["places"]["cpu"])},
        ),
        LiveFault(
            "live_relay",
            "live.relay_only",
            _relay,
            lambda status: {"viewers": len(_ways_outside(status))},
        ),
    )
}


def examine(status: Status | None) -> dict[str, Any]:
    """Return `{faults, unknown, fine}` as the doctor's other rows; without a status nothing is known."""
    answers = {code: fault.test(status) if status is not None else None for code, fault in LIVE_FAULTS.items()}
    found = [LIVE_FAULTS[code] for code, answer in answers.items() if answer]
    return {
        "faults": [
            {
                "code": fault.code,
                "severity": fault.severity,
                "fixable": False,
                "keys": [],
                "command": fault.command,
                "figures": dict(fault.figures(status or {})),
            }
            for fault in found
        ],
        "unknown": [code for code, answer in answers.items() if answer is None],
        "fine": [code for code, answer in answers.items() if answer is False],
    }


def conditions_of(status: Status, before: AbstractSet[str] = frozenset()) -> set[str]:
    """Return the codes of the conditions that hold; what cannot be known now is as it was `before`."""
    answers = {fault.condition: fault.test(status) for fault in LIVE_FAULTS.values()}
    return {code for code, answer in answers.items() if answer or (answer is None and code in before)}
