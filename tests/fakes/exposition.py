"""A strict reader of Prometheus text format 0.0.4, independent of the writer."""

from __future__ import annotations

import re

HEAD = re.compile(r"# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)")
TYPE = re.compile(r"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (gauge|counter)")
LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)', re.DOTALL)
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"', re.DOTALL)
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def parse(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return the figures by name and label values; AssertionError for what is not the format."""
    figures: dict[tuple[str, tuple[str, ...]], float] = {}
    family, seen = "", set()
    assert text == "" or text.endswith("\n")
    lines = iter(text.split("\n")[:-1])
    for line in lines:
        if (head := HEAD.fullmatch(line)) is not None:
            kind = TYPE.fullmatch(next(lines))
            assert kind is not None
            assert kind[1] == head[1]
            family = head[1]
            assert family not in seen, "a family stands together"
            seen.add(family)
            continue
        found = LINE.fullmatch(line)
        assert found is not None, line
        assert found[1] == family
        labels = tuple(_unescaped(value) for _, value in LABEL.findall(found[2] or ""))
        assert (family, labels) not in figures, "a figure is told once"
        figures[family, labels] = float(found[3])
    return figures


def _unescaped(value: str) -> str:
    return re.sub(r'\\\\|\\"|\\n', lambda found: ESCAPES[found[0]], value)
