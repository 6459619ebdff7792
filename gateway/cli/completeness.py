"""`vuon do-day` (`completeness`): how much of the school days is recorded, and what the rest is due to.

Owns the command. Invariants: a day on which anything is missing never reads 100 %; every missing second is told with
its cause; the figures are the recorder's, nothing is worked out here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from gateway.cli import show
from gateway.cli.cameras import camera_id
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.cli.footage import CameraOption

DAYS_SHOWN = 7
"""Columns that fit 80 beside a name; more days are in the JSON and in the lines below."""


async def _ask(context: Context, days: int, camera: str | None) -> dict[str, Any]:
    wanted = {"camera": await camera_id(context, camera)} if camera else {}
    return await context.ask("recorder", "completeness", {"days": days, **wanted})


def completeness(
    days: Annotated[int, typer.Option("--ngay", "--days", min=1, max=366, help="Số ngày · how many days back")] = 7,
    camera: CameraOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hình đã ghi đủ bao nhiêu trong giờ học, thiếu vì sao · recorded share of school hours (completeness)."""
    context = Context(config, data)
    found = context.run(_ask(context, days, camera))
    if as_json:
        context.json(found)
    elif found["days"]:
        _print(context, found["days"])
    else:
        context.say("cli.completeness.none")


def _print(context: Context, days: Sequence[Mapping[str, Any]]) -> None:
    hours = f"{context.config.recording.school_day} ({context.config.site.timezone})"
    context.say("cli.completeness.title", hours=hours)
    shown = list(reversed(days[:DAYS_SHOWN]))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(context.words.text("cli.status.camera"), overflow="ellipsis", no_wrap=True)
    for item in shown:
        table.add_column(_short(item["day"]), justify="right", no_wrap=True)
    for place, row in enumerate(days[0]["cameras"]):
        table.add_row(str(row["name"]), *(_percent(context, item["cameras"][place]["percent"]) for item in shown))
    context.console.print(table)
    if any(row["percent"] is None for item in shown for row in item["cameras"]):
        context.say("cli.completeness.unknown")
    for place, row in enumerate(days[0]["cameras"]):
        lines = [line for item in days for line in _missing(context, item["day"], item["cameras"][place])]
        if lines:
            context.line(str(row["name"]), style="bold")
            for line in lines:
                context.line(f"  {line}")


def _percent(context: Context, percent: float | None) -> str:
    return show.NOTHING if percent is None else show.percent(percent / 100, context.words.language)


def _missing(context: Context, day: str, row: Mapping[str, Any]) -> list[str]:
    """Return a line for each cause of what the camera's main stream misses that day, the longest first."""
    missing = dict(row["streams"][0]["missing_s"])
    texts = context.words.texts
    return [
        context.words.text(
            "cli.completeness.missing",
            day=_short(day),
            time=show.duration(round(missing[cause])) if missing[cause] >= 1 else "<0:00:01",
            cause=texts.get(f"reason.gap.{cause}", cause),
        )
        for cause in sorted(missing, key=lambda cause: -missing[cause])
    ]


def _short(day: str) -> str:
    return f"{dt.date.fromisoformat(day):%d/%m}"
