"""`vuon giu`: footage that must stay.

Owns the command; the gateway decides and writes the audit row (`console` is the actor). Invariant: a hold is never
said to stand before the recorder confirmed it.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli import show
from gateway.cli.cameras import camera_id
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.cli.footage import CameraOption, parse_time
from gateway.core.errors import BadInput


def hold(  # noqa: PLR0913, PLR0917 - one argument for each option
    camera: CameraOption = None,
    start: Annotated[str | None, typer.Option("--tu", "--from", help="Từ lúc · from, 2026-11-21T10:15:00")] = None,
    end: Annotated[str | None, typer.Option("--den", "--to", help="Đến lúc · to")] = None,
    why: Annotated[str | None, typer.Option("--ly-do", "--why", help="Lý do · reason")] = None,
    days: Annotated[int, typer.Option("--ngay", "--days", help="Số ngày giữ · days to hold")] = 30,
    lift: Annotated[str | None, typer.Option("--bo", "--lift", help="Bỏ giữ đoạn có mã này · lift this hold")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Giữ lại một đoạn hình để không bị tự xóa; không có tùy chọn thì liệt kê · keep a span, or list holds (hold)."""
    context = Context(config, data)
    if lift is not None:
        lifted = context.run(context.ask("gateway", "hold.lift", {"hold": lift, "why": why or ""}))
        if as_json:
            context.json({"hold": lift, **lifted})
        else:
            context.say("cli.hold.lifted", hold=lift)
        return
    if (camera, start, end, why) == (None, None, None, None):
        _list(context, as_json=as_json)
        return
    if camera is None or start is None or end is None or why is None:
        raise BadInput("a hold needs a camera, a span and a reason", case="hold", key="camera")
    zone = context.config.site.timezone
    span = {"from_ms": parse_time(start, zone), "to_ms": parse_time(end, zone)}
    if span["from_ms"] >= span["to_ms"]:
        raise BadInput(f"{start} is not before {end}", case="span", key="to_ms", start=start, end=end)

    async def work() -> dict[str, Any]:
        params = {"camera": await camera_id(context, camera), "why": why, "days": days, **span}
        return await context.ask("gateway", "hold.place", params)

    placed = context.run(work())
    if as_json:
        context.json(placed)
    else:
        key = "cli.hold.done" if placed["confirmed"] else "cli.hold.waits"
        context.say(key, hold=placed["hold"], until=show.day(placed["until_ms"], zone))


def _list(context: Context, *, as_json: bool) -> None:
    holds = context.run(context.ask("gateway", "hold.list", {}))["holds"]
    if as_json:
        context.json({"holds": holds})
        return
    cameras = context.run(context.ask("recorder", "camera.list", {}))["cameras"] if holds else []
    names, zone = {row["id"]: row["name"] for row in cameras}, context.config.site.timezone
    for row in holds:
        context.say(
            "cli.hold.row",
            hold=row["hold"],
            camera=names.get(row["camera"], row["camera"]),
            day=show.day(row["from_ms"], zone),
            start=show.clock(row["from_ms"], zone),
            end=show.clock(row["to_ms"], zone),
            until=show.day(row["until_ms"], zone),
            why=row["why"],
        )
    if not holds:
        context.say("cli.hold.none")
