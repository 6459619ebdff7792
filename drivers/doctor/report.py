"""From facts to a report: which faults are there, which could not be looked for.

Owns the examination and its JSON form. Pure. Invariants: every fault of the registry ends in exactly one of
three heaps: found, unknown, fine; faults come loud ones first, in the order of the registry; a report carries
codes, figures and names, no text of any language.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from drivers.doctor.faults import Facts, Fault, Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault that is there."""

    code: str
    severity: Severity
    keys: tuple[str, ...]
    """Settings that put it right; empty: a person has to."""
    command: str
    """What to type; "" where the settings that put it right cannot be set from here."""
    figures: Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class Report:
    """What the doctor says of one camera, or of the box."""

    findings: tuple[Finding, ...]
    unknown: tuple[str, ...]
    """Codes of faults that could not be looked for."""
    fine: tuple[str, ...]


def examine(
    faults: Iterable[Fault[Facts]], facts: Facts, place: Mapping[str, str], beyond: AbstractSet[str] = frozenset()
) -> Report:
    """Try every fault on the facts.

    Args:
        faults: the registry, or part of it.
        facts: what is known.
        place: fills the remedies' {camera} and {address}.
        beyond: settings that cannot be set here; a fault that needs one of them needs a person.

    """
    findings, unknown, fine = [], [], []
    for fault in faults:
        answer = fault.test(facts)
        if answer is None:
            unknown.append(fault.code)
        elif answer:
            figures = {name: round(n, 2) if isinstance(n, float) else n for name, n in fault.figures(facts).items()}
            keys = tuple(key for key in fault.keys if key not in beyond)
            command = fault.command.format(**place) if keys or not fault.keys else ""
            findings.append(Finding(fault.code, fault.severity, keys, command, figures))
        else:
            fine.append(fault.code)
    findings.sort(key=lambda found: found.severity is not Severity.RED)
    return Report(tuple(findings), tuple(unknown), tuple(fine))


def as_row(report: Report) -> dict[str, Any]:
    """Return a report as JSON: `{faults: [{code, severity, fixable, keys, command, figures}], unknown, fine}`."""
    return {
        "faults": [
            {
                "code": found.code,
                "severity": found.severity.value,
                "fixable": bool(found.keys),
                "keys": list(found.keys),
                "command": found.command,
                "figures": dict(found.figures),
            }
            for found in report.findings
        ],
        "unknown": list(report.unknown),
        "fine": list(report.fine),
    }
