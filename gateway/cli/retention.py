"""`vuon luu-tru`: carry out retention, or say what it would do and how many days there really are.

Owns this command. Invariants: a trial run deletes nothing and leaves nothing unsaid: what would go and why, what
is kept whatever happens, which names in the rules mean nothing, and days that are not known are written as
such, never as a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gateway.cli import show
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.cli.footage import LONG_S


def retention(
    dry_run: Annotated[bool, typer.Option("--chay-thu", "--dry-run", help="Chỉ nói, không xóa · only tell")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Xóa hình quá hạn lưu; chạy thử: số ngày lưu thật · apply retention, or only tell the real days (retention)."""
    context = Context(config, data)
    result = context.run(context.ask("recorder", "retention", {"dry_run": dry_run}, timeout_s=LONG_S))
    if as_json:
        context.json(result)
        return
    key = "cli.retention.would" if dry_run else "cli.retention.did"
    context.say(key, count=result["count"], size=_size(context, result["bytes"]))
    _say_victims(context, result)
    if dry_run:
        _say_kept(context, result)
        _say_days(context, result["days"])
        _say_doubts(context, result)


def _size(context: Context, size_bytes: float) -> str:
    language = context.words.language
    if size_bytes >= show.GIB:
        return f"{show.number(size_bytes / show.GIB, language, 1)} GiB"
    return f"{show.number(size_bytes / show.MIB, language, 1)} MiB"


def _whose(context: Context, row: Mapping[str, Any]) -> str:
    if not row["name"]:
        return context.words.text("cli.retention.nobody", stream=row["stream"])
    name = f"{row['name']} · {context.words.text('cli.stream.' + row['stream'])}"
    return f"{name} {context.words.text('cli.retention.removed')}" if row["removed"] else name


def _span(context: Context, row: Mapping[str, Any]) -> str:
    zone = context.config.site.timezone
    start, end = (f"{show.day(row[key], zone)} {show.clock(row[key], zone)}" for key in ("from_ms", "to_ms"))
    return f"{start} – {end}"


def _say_victims(context: Context, result: Mapping[str, Any]) -> None:
    for row in result["would_go"]:
        context.say(
            f"cli.retention.{row['reason']}",
            who=_whose(context, row),
            count=row["count"],
            size=_size(context, row["bytes"]),
            span=_span(context, row),
        )
    if not result["complete"]:
        context.say("cli.retention.more")


def _say_kept(context: Context, result: Mapping[str, Any]) -> None:
    for row in result["kept"]:
        context.say(
            "cli.retention.kept",
            who=_whose(context, row),
            held=_size(context, row["held_bytes"]),
            pinned=_size(context, row["pinned_bytes"]),
        )


def _say_days(context: Context, days: Mapping[str, Any]) -> None:
    language = context.words.language
    if days["disk_days"] is not None:
        context.say("cli.retention.disk_days", days=show.number(days["disk_days"], language, 1))
    elif days["enough"]:
        context.say("cli.retention.disk_enough")
    else:
        context.say("cli.retention.disk_unknown")
    for row in days["streams"]:
        if row["real_days"] is None:
            context.say("cli.retention.days_unknown", who=_whose(context, row), rule=row["rule_days"])
            continue
        context.say(
            "cli.retention.days" if row["real_days"] >= row["rule_days"] else "cli.retention.days_short",
            who=_whose(context, row),
            rule=row["rule_days"],
            real=show.number(row["real_days"], language, 1),
            rate=_size(context, row["bytes_a_day"]),
            basis=context.words.text("cli.retention.guess")
            if not row["from_days"]
            else context.words.text("cli.retention.basis", days=row["from_days"]),
        )


def _say_doubts(context: Context, result: Mapping[str, Any]) -> None:
    for row in result["unknown"]:
        context.say(f"cli.retention.unknown_{row['kind']}", name=row["name"])
    if result["calm_s"]:
        context.say("cli.retention.calm", left=show.duration(result["calm_s"]))
    elif not result["by_age"]:
        context.say("cli.retention.no_clock")
    for row in result["disks"]:
        if row["full_by_hold"]:
            context.say("cli.retention.full_by_hold", path=row["path"])
        elif row["short_bytes"]:
            context.say("cli.retention.short", path=row["path"], size=_size(context, row["short_bytes"]))
