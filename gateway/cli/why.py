"""`vuon quyen` (`why`), `quy-dinh` (`rules`): who sees what and why, and what narrows a class's viewing.

Owns these commands; the gateway decides and writes the audit row of each change. Invariant: a time without a date is
today's, by the site's zone.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from gateway.cli import show
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.cli.footage import parse_time
from gateway.core.errors import BadInput
from gateway.core.i18n import Catalogue

PersonOption = Annotated[str | None, typer.Option("--ai", "--who", help="Tên hoặc mã người · name or id")]
CameraOption = Annotated[str | None, typer.Option("--camera", help="Tên hoặc mã camera · camera")]


def why(
    person: PersonOption = None,
    camera: CameraOption = None,
    at: Annotated[str | None, typer.Option("--luc", "--at", help="Lúc nào, mặc định bây giờ · 11:30")] = None,
    on_site: Annotated[
        bool, typer.Option("--o-truong", "--on-site", help="Hỏi từ mạng của trường · at school")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ai xem được camera nào, đến khi nào và vì sao · who sees which camera, until when, and why (why)."""
    context = Context(config, data)
    zone = context.config.site.timezone
    if person is None and camera is None:
        raise BadInput("why needs a person, a camera, or both", case="why_nobody", key="person")
    params: dict[str, Any] = {"on_site": on_site}
    params |= {key: value for key, value in (("person", person), ("camera", camera)) if value is not None}
    if at is not None:
        params["at_ms"] = parse_time(at, zone, dt.datetime.now(ZoneInfo(zone)).date())
    told = context.run(context.ask("gateway", "why", params))
    if as_json:
        context.json(told)
    elif "links" in told:
        for line in explained(told, context.words, zone):
            context.line(line)
    elif "people" in told:
        _rows(context, [(f"{row['name']} ({_role(row, context.words)})", row) for row in told["people"]])
    else:
        _rows(context, [(row["name"], row) for row in told["cameras"]])


def explained(told: dict[str, Any], words: Catalogue, zone: str) -> list[str]:
    """Return the answer, its times, and the chain of facts, a line each."""
    who = f"{told['name']} ({_role(told, words)})"
    head = "cli.why.yes" if told["allowed"] else "cli.why.no"
    lines = [words.text(head, who=who, camera=told["camera_name"], at=_when(told["at_ms"], zone))]
    lines.append(words.text("cli.why.reason", reason=_cause(told, words)))
    lines += [words.text(f"cli.why.{key}", at=_when(at, zone)) for key, at in _times(told)]
    for link in told["links"]:
        text = words.text(
            f"why.{link['code']}.{'yes' if link['holds'] else 'no'}", **{"class": link["class"], "child": link["child"]}
        )
        lines.append(f"  {show.GOOD if link['holds'] else show.BAD} {text}")
    return lines


def _times(told: dict[str, Any]) -> list[tuple[str, int]]:
    until = "at_least" if told["at_least"] else "until"
    found = [(until if told["allowed"] else "changes", told["until_ms"]), ("next", told["next_ms"])]
    return [(key, at) for key, at in found if at is not None and (key != "changes" or at != told["next_ms"])]


def _rows(context: Context, rows: list[tuple[str, dict[str, Any]]]) -> None:
    zone, width = context.config.site.timezone, show.widest(label for label, _ in rows)
    for label, row in rows:
        mark = show.GOOD if row["allowed"] else show.BAD
        reason = _cause(row, context.words)
        times = " · ".join(context.words.text(f"cli.why.{key}", at=_when(at, zone)) for key, at in _times(row))
        context.line(f"{mark} {show.pad(label, width)}  {reason}{' · ' + times if times else ''}")
    if not rows:
        context.say("cli.why.nobody")


def _cause(row: dict[str, Any], words: Catalogue) -> str:
    """Return the true cause where guardians are told less."""
    cause = f"cause.{row['reason']}"
    return words.text(cause if cause in words.texts else f"reason.{row['reason']}")


def _role(row: dict[str, Any], words: Catalogue) -> str:
    return words.text(f"cli.role.{row['role']}")


def _when(at_ms: int, zone: str) -> str:
    return f"{show.clock(at_ms, zone)} {show.day(at_ms, zone)}"


def rules(
    class_name: Annotated[str, typer.Argument(help="Tên lớp · class")],
    on_site: Annotated[
        bool, typer.Option("--chi-o-truong", "--on-site", help="Chỉ xem ở trường · at school only")
    ] = False,
    minutes: Annotated[int | None, typer.Option("--phut", "--minutes", help="Số phút mỗi ngày · minutes a day")] = None,
    first_days: Annotated[
        int | None,
        typer.Option("--lam-quen", "--first-days", help="Chỉ những ngày đầu của bé · only a child's first days"),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Đặt quy định xem của lớp; không có gì: bỏ mọi giới hạn · narrow a class's viewing, nothing: widen it (rules)."""
    context = Context(config, data)
    params: dict[str, Any] = {"class": class_name, "on_site_only": on_site}
    params |= {"daily_minutes": minutes, "adaptation_days": first_days}
    context.run(context.ask("gateway", "class.rules", params))
    context.say("cli.rules.set", name=class_name)
