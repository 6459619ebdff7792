"""Figures as text for a monitoring program: Prometheus text exposition format 0.0.4.

Owns the format. Pure. Invariants: a family's samples stand together under its HELP and TYPE; a value that is not known
is left out, never written as 0; every sample belongs to a registered metric and has exactly its labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Metric:
    """One family."""

    name: str
    kind: str
    """`gauge` or `counter`."""
    help: str
    labels: tuple[str, ...] = ()


class Sample(NamedTuple):
    """One value; `labels` in the order of the metric's."""

    name: str
    labels: tuple[str, ...]
    value: float | None


def exposition(metrics: Iterable[Metric], samples: Iterable[Sample]) -> str:
    """Return the text; KeyError for a sample that no metric announces, ValueError for wrong labels."""
    lines: dict[str, list[str]] = {metric.name: [] for metric in metrics}
    known: Mapping[str, Metric] = {metric.name: metric for metric in metrics}
    for name, labels, value in samples:
        names = known[name].labels
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in zip(names, labels, strict=True))
        if value is not None and math.isfinite(value):
            lines[name].append(f"{name}{{{pairs}}} {_number(value)}" if pairs else f"{name} {_number(value)}")
    parts = []
    for metric in known.values():
        if lines[metric.name]:
            head = [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
            parts.append("\n".join([*head, *lines[metric.name]]) + "\n")
    return "".join(parts)


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
