"""Renders the reference pages that come from code; `python -m tests.docs.reference` writes them.

Owns docs/ref/{errors,config,commands}.md. A test compares the files with what is rendered.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from gateway.cli.app import AUDIT_COMMANDS, COMMANDS, KEY_COMMANDS, PLAYER_COMMANDS, TURN_COMMANDS
from gateway.core.config import Config, Volume
from gateway.core.config_retention import RetentionRule
from gateway.core.errors import all_errors
from gateway.core.i18n import catalogue

REF = Path(__file__).parents[2] / "docs" / "ref"


def errors() -> str:
    """Render every error code with its texts."""
    vi, en = catalogue("vi"), catalogue("en")
    rows = []
    for kind in all_errors():
        meaning = " ".join((kind.__doc__ or "").split())
        title_vi, hint_vi = vi.error(kind.code)
        title_en, hint_en = en.error(kind.code)
        rows.append(f"| `{kind.code}` | {meaning} | {title_vi}. {hint_vi} | {title_en}. {hint_en} |")
    head = (
        "# Errors\n\nEvery error the box raises on purpose; the code is what a person reads aloud to a technician.\n\n"
    )
    return head + "| code | meaning | tiếng Việt | English |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def config() -> str:
    """Render every configuration key with its default."""
    parts = ["# Configuration\n\nKeys of `config.toml`; comments and examples are in `config.example.toml`.\n"]
    for section, field in Config.model_fields.items():
        model = Volume if section == "volumes" else field.annotation
        assert inspect.isclass(model)
        parts.append(_section("[[volumes]]" if section == "volumes" else f"[{section}]", model))
        if section == "retention":
            parts.append(_section("[[retention.rules]]", RetentionRule))
    return "".join(parts)


def _section(title: str, model: type) -> str:
    rows = [f"| `{key}` | {default} |\n" for key, default in _defaults(model)]
    return f"\n## {title}\n\n{inspect.getdoc(model)}\n\n| key | default |\n|---|---|\n" + "".join(rows)


def _defaults(model: type) -> Iterator[tuple[str, str]]:
    for key, field in model.model_fields.items():  # type: ignore[attr-defined]  # a pydantic model
        value = "required" if field.is_required() else "not set" if field.default is None else f"`{_toml(field.default)}`"
        yield key, value


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str | Path) else str(value)


def commands() -> str:
    """Render the commands with their aliases."""
    head = "# Commands\n\nEvery verb has an unaccented Vietnamese name and an English alias; `--help` tells the options.\n\n"
    groups = (("khoa", "key", KEY_COMMANDS), ("trinh-phat", "player", PLAYER_COMMANDS), ("chuyen-tiep", "turn", TURN_COMMANDS),
        ("nhat-ky", "audit", AUDIT_COMMANDS))
    listed = list(COMMANDS)
    for group, english, members in groups:
        listed += ((f"{group} {name}", f"{english} {alias}", function) for name, alias, function in members)
    rows = [
        f"| `vuon {name}` | {f'`{alias}`' if alias else ''} | {' '.join((function.__doc__ or '').split())} |"
        for name, alias, function in listed
    ]
    rows.append("| `vuon hub ghi-danh` | `hub claim` | Mã ghi danh cho hộp của một điểm trường · a claim code |")
    rows.append("| `vuon hub ma` | `hub code` | Mã đăng nhập của cấp trên · a sign-in code at the hub |")
    return head + "| command | alias | what it does |\n|---|---|---|\n" + "\n".join(rows) + "\n"


PAGES = {"errors.md": errors, "config.md": config, "commands.md": commands}

if __name__ == "__main__":
    for name, render in PAGES.items():
        (REF / name).write_text(render(), encoding="utf-8")
