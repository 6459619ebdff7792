"""The registries of events and conditions: documented, and with words in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.core.events import EVENT_TYPES
from gateway.core.i18n import catalogue
from gateway.health.conditions import CONDITIONS
from gateway.upstream.payload import ALLOWED
from tests.docs.reference import REF
from tests.docs.registries import PAGES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", PAGES)
def test_a_registry_page_is_what_the_code_says(name: str) -> None:
    """The page equals what is rendered from the code (`python -m tests.docs.registries` writes it)."""
    assert (REF / name).read_text(encoding="utf-8") == PAGES[name]()


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_code_has_its_texts(language: str) -> None:
    """Each event a title; each condition a title and a next step; and no text is left over."""
    texts = catalogue(language).texts
    wanted = {f"event.{kind}" for kind in EVENT_TYPES}
    wanted |= {f"condition.{code}{part}" for code in CONDITIONS for part in ("", ".next")}
    assert {key for key in texts if key.startswith(("event.", "condition."))} == wanted
    assert all(texts[key].strip() for key in wanted)


def test_every_row_tells_lane_fields_and_whether_it_leaves() -> None:
    """The page can be read by itself: a row for each type, each field with its meaning, the leaving ones bold."""
    text = (REF / "events.md").read_text(encoding="utf-8")
    for kind in EVENT_TYPES.values():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{kind.name}` |")]
        assert row.count("|") == 7
        for name, meaning in kind.fields.items():
            assert meaning in row
            assert (f"**{name}**" in row) is (name in ALLOWED.get(kind.name, ()))


def test_the_design_page_is_linked_to_what_is_there() -> None:
    """Every file and module that docs/design/upstream.md names exists."""
    text = (ROOT / "docs" / "design" / "upstream.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:gateway|web|docs|tests)/[\w./-]+\.\w+)`", text))
    assert named
    assert {name for name in named if not (ROOT / name).exists()} == set()
