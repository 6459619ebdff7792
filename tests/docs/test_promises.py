"""What is promised under faults is proved somewhere, and nothing else is called a promise."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"^\s*\"\"\"Promises? (\d+(?:(?:, | and )\d+)*)[,:]", re.MULTILINE)


def promised() -> set[int]:
    """Return the numbers in the table of the page."""
    text = (ROOT / "docs/design/recording.md").read_text(encoding="utf-8")
    table = text.partition("## Promises under faults")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
    return {int(number) for cell in cells for number in cell.split(",")}


def test_every_promise_has_a_test() -> None:
    """The numbers in the docstrings of tests are those of the page."""
    files = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    proved = {int(number) for text in files for named in NAMED.findall(text) for number in re.findall(r"\d+", named)}
    assert promised() == proved
    assert len(proved) > 10
