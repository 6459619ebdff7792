"""The page of metrics says what the registry says."""

from __future__ import annotations

import re

from gateway.health.metrics import METRICS
from tests.docs.metrics import PAGES
from tests.docs.reference import REF


def test_the_page_is_what_the_registry_says() -> None:
    """It equals what is rendered from the code (`python -m tests.docs.metrics` writes it)."""
    for name, render in PAGES.items():
        assert (REF / name).read_text(encoding="utf-8") == render()


def test_names_follow_the_format_and_its_customs() -> None:
    """Legal names, each once; counters end in _total and nothing else does; every help is a sentence."""
    assert len({item.name for item in METRICS}) == len(METRICS)
    for item in METRICS:
        assert re.fullmatch(r"vuon_[a-z][a-z0-9_]*", item.name)
        assert item.kind in {"gauge", "counter"}
        assert (item.kind == "counter") == item.name.endswith("_total"), item.name
        assert item.help.endswith(".")
        assert "\n" not in item.help
        assert "\\" not in item.help
        assert all(re.fullmatch(r"[a-z]+", label) for label in item.labels)
