"""`vuon trinh-phat` (`player`): tokens for players that cannot sign in.

Owns these commands; the gateway decides and writes the audit row. Invariant: a token is printed once, by the command
that makes it.
"""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import show
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption

USUAL_DAYS = 90


def new(
    person: Annotated[str, typer.Argument(help="Tên hoặc mã hiệu trưởng, giáo viên · a staff member's name or id")],
    label: Annotated[str, typer.Argument(help="Màn hình nào, ví dụ: TV sảnh · which screen it is for")],
    days: Annotated[int, typer.Option("--ngay", "--days", min=1, max=400, help="Số ngày · days")] = USUAL_DAYS,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tạo mã cho trình phát WHEP của một giáo viên; chỉ hiện một lần · a token for a staff member's player (new)."""
    context = Context(config, data)
    params = {"person": person, "label": label, "days": days}
    made = context.run(context.ask("gateway", "player.new", params))
    if as_json:
        context.json(made)
        return
    day = show.day(made["until_ms"], context.config.site.timezone)
    context.say("cli.player.new", token=made["token"], url=made["url"], day=day)


def list_all(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Các mã trình phát còn hiệu lực · the tokens that work (list)."""
    context = Context(config, data)
    found = context.run(context.ask("gateway", "player.list", {}))
    if as_json:
        context.json(found)
        return
    rows = found["players"]
    labels, names = show.widest(row["label"] for row in rows), show.widest(row["person"] for row in rows)
    for row in rows:
        day = show.day(row["until_ms"], context.config.site.timezone)
        context.line(f"{show.pad(row['label'], labels)}  {show.pad(row['person'], names)}  {row['id']}  → {day}")
    if not rows:
        context.say("cli.player.none")


def revoke(
    player: Annotated[str, typer.Argument(help="Tên màn hình, hoặc mã ghi trong danh-sach · its label or id")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Hủy một mã trình phát, cắt hình ngay · end a token and what it watches, at once (revoke)."""
    context = Context(config, data)
    ended = context.run(context.ask("gateway", "player.end", {"player": player}))
    context.say("cli.player.ended", label=ended["label"])
