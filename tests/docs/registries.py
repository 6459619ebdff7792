"""Renders docs/ref/{events,conditions}.md from the registries; `python -m tests.docs.registries` writes them."""

from __future__ import annotations

from gateway.core.events import EVENT_TYPES, EventType
from gateway.core.i18n import catalogue
from gateway.health.conditions import CONDITIONS
from gateway.upstream.payload import ALLOWED
from tests.docs.reference import REF

EVENTS_HEAD = """# Events

Everything that happens on a box, in the words of `gateway/core/events.py`. An event never changes; its type
ends in a version and may only gain fields. The lane decides the order in which it goes to the hub: alarm
before report before routine, each a numbered stream of its own (`docs/design/upstream.md`).

**Bold** fields leave the school; the others, and whole types marked *stays*, never do. A value leaves only in
the shape of its field (a code, a public id, a number, a digest): text that is none of these is cut.

| type | lane | fields | leaves the school | tiếng Việt | English |
|---|---|---|---|---|---|
"""
CONDITIONS_HEAD = """# Conditions

What can be wrong now, in the words of `gateway/health/conditions.py`. A condition is raised when it has held
for its time, and cleared when it no longer holds; both are events, one each. It hides while one that it
depends on holds for the same camera or for the box: one root cause is one alarm. While the recorder is down
nobody sees cameras and disks, so what was raised of them stays as it was.

| code | severity | told after | hidden by | tiếng Việt | next step | English | next step |
|---|---|---|---|---|---|---|---|
"""


def events() -> str:
    """Render every event type: lane, fields with meaning, what leaves the school."""
    vi, en = catalogue("vi"), catalogue("en")
    rows = [
        f"| `{kind.name}` | {kind.lane} | {_fields(kind)} | {'yes' if kind.name in ALLOWED else '*stays*'} |"
        f" {vi.text(f'event.{kind.name}')} | {en.text(f'event.{kind.name}')} |\n"
        for kind in EVENT_TYPES.values()
    ]
    return EVENTS_HEAD + "".join(rows)


def _fields(kind: EventType) -> str:
    leaving = ALLOWED.get(kind.name, frozenset())
    return "; ".join(
        f"{f'**{name}**' if name in leaving else name}: {meaning}" for name, meaning in kind.fields.items()
    )


def conditions() -> str:
    """Render every condition: severity, time, dependencies, texts."""
    vi, en = catalogue("vi"), catalogue("en")
    rows = []
    for kind in CONDITIONS.values():
        parents = ", ".join(f"`{parent}`" for parent in kind.depends_on) or "–"
        texts = " | ".join(
            words.text(key) for words in (vi, en) for key in (f"condition.{kind.code}", f"condition.{kind.code}.next")
        )
        after = "at once" if not kind.visible_after_s else f"{kind.visible_after_s:g} s"
        rows.append(f"| `{kind.code}` | {kind.severity} | {after} | {parents} | {texts} |\n")
    return CONDITIONS_HEAD + "".join(rows)


PAGES = {"events.md": events, "conditions.md": conditions}

if __name__ == "__main__":
    for name, render in PAGES.items():
        (REF / name).write_text(render(), encoding="utf-8")
