"""`vuon gio-xem`, `tam-an`, `dan-tuong`, `thong-bao`: class rooms at the box.

Owns these commands; the gateway decides and writes the audit row of each (`console` is the actor). Invariant: what was
not said stays as it is: new hours keep the weekdays, new weekdays keep the hours.
"""

from __future__ import annotations

import sys
from typing import Annotated

import segno
import typer

from gateway.cli import show
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.core.errors import BadInput

ClassName = Annotated[str, typer.Argument(help="Tên lớp · class")]


def hours(
    class_name: ClassName,
    start: Annotated[str | None, typer.Option("--tu", "--from", help="Từ giờ · from, 07:00")] = None,
    end: Annotated[str | None, typer.Option("--den", "--to", help="Đến giờ · to, 16:30")] = None,
    days: Annotated[
        str | None, typer.Option("--thu", "--days", help="Các thứ, 2-8 (8 = CN) · weekdays, 2 = Monday")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Xem hoặc đặt giờ xem của một lớp; phần không nêu giữ nguyên · show or set viewing hours (hours)."""
    context = Context(config, data)
    said = {"start": start, "end": end, "days": days}
    params = {"class": class_name} | {key: text for key, text in said.items() if text is not None}
    result = context.run(context.ask("gateway", "hours.change", params))
    if as_json:
        context.json(result)
        return
    for row in result["hours"]:
        days = row["days"].replace("8", context.words.text("cli.hours.sunday")).replace(",", ", ")
        context.say("cli.hours.set", name=class_name, start=row["start"], end=row["end"], days=days)
    if not result["hours"]:
        context.say("cli.hours.none", name=class_name)


def hide(
    class_name: ClassName,
    minutes: Annotated[
        int | None, typer.Option("--phut", "--minutes", min=1, max=1440, help="Số phút · minutes; else until shown")
    ] = None,
    again: Annotated[bool, typer.Option("--hien-lai", "--show", help="Hiện lại · show again")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Tạm ẩn hình một lớp với phụ huynh, hoặc hiện lại · hide a class from guardians, or show it again (hide)."""
    context = Context(config, data)
    if again:
        if minutes is not None:
            raise BadInput("--hien-lai has no minutes", case="hide_or_show", key="minutes")
        context.run(context.ask("gateway", "class.show", {"class": class_name}))
        context.say("cli.hide.shown", name=class_name)
        return
    params = {"class": class_name} | ({} if minutes is None else {"minutes": minutes})
    context.run(context.ask("gateway", "class.hide", params))
    if minutes is None:
        context.say("cli.hide.open", name=class_name)
    else:
        context.say("cli.hide.for", name=class_name, minutes=minutes)


def wall(
    class_name: ClassName,
    end: Annotated[bool, typer.Option("--thu", "--end", help="Thu mã đang dùng · end the sheet that is up")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tạo mã dán tường mới của một lớp (mã cũ hết hiệu lực) · a new wall sheet of a class (wall)."""
    context = Context(config, data)
    if end:
        context.run(context.ask("gateway", "wall.end", {"class": class_name}))
        context.say("cli.wall.ended", name=class_name)
        return
    result = context.run(context.ask("gateway", "wall.new", {"class": class_name}))
    if as_json:
        context.json(result)
        return
    context.say("cli.wall.new", name=class_name, url=result["url"])
    if sys.stdout.isatty():
        segno.make(result["url"], error="m").terminal(compact=True)


def notice(
    teacher: Annotated[
        str | None, typer.Option("--co", "--teacher", help="Cô đã ký trên giấy · who signed on paper")
    ] = None,
    date: Annotated[str, typer.Option("--ngay", "--date", help="Ngày ký, YYYY-MM-DD · day of the signature")] = "",
    scan: Annotated[str, typer.Option("--so", "--scan", help="Số bản quét · number of the scan")] = "",
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ai đã ký thông báo về camera; nhập bản giấy · who signed the notice to teachers, enter paper (notice)."""
    context = Context(config, data)
    if teacher is not None:
        context.run(context.ask("gateway", "notice.paper", {"teacher": teacher, "date": date, "scan": scan}))
        context.say("cli.notice.paper", name=teacher)
        return
    result = context.run(context.ask("gateway", "notice.list", {}))
    if as_json:
        context.json(result)
        return
    for row in result["teachers"]:
        signed = row["signed_ms"] is not None
        said = "cli.notice.signed" if signed else "cli.notice.missing"
        context.line(f"{show.GOOD if signed else show.BAD} {context.words.text(said, name=row['name'])}")
    if not result["teachers"]:
        context.say("cli.notice.none")
