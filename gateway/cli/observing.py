"""`vuon du-gio` (`observe`): visits in which a guest watches one class.

Owns these commands; the gateway decides and writes the audit row of each. Invariants: a visit shows nothing before
the teacher's assent is noted; a guest's code is printed once and kept nowhere.
"""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import show
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.cli.footage import parse_time

SAID = {"yes": "cli.observe.agreed", "no": "cli.observe.refused", "waits": "cli.observe.waits"}
SessionArgument = Annotated[str, typer.Argument(help="Mã buổi dự giờ · the session's id")]


def new(  # noqa: PLR0913, PLR0917 - one argument for each option
    guest: Annotated[str, typer.Argument(help="Tên hoặc mã khách dự giờ · the guest's name or id")],
    class_name: Annotated[str, typer.Argument(help="Lớp · class")],
    start: Annotated[str, typer.Option("--tu", "--from", help="Từ giờ · from, 09:00")],
    end: Annotated[str, typer.Option("--den", "--to", help="Đến giờ · to, 10:00")],
    new_guest: Annotated[
        bool, typer.Option("--khach-moi", "--new-guest", help="Thêm khách này · add the guest")
    ] = False,
    reason: Annotated[str, typer.Option("--ly-do", "--reason", help="Để làm gì · what for")] = "",
    invited: Annotated[str, typer.Option("--nguoi-moi", "--invited-by", help="Ai mời khách · who asked them in")] = "",
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cho một khách dự giờ một lớp, tối đa 4 giờ · let a guest watch a class, up to four hours (new)."""
    context = Context(config, data)
    zone = context.config.site.timezone
    params = {"person": guest, "new": new_guest, "class": class_name, "reason": reason, "invited": invited}
    params |= {"from_ms": parse_time(start, zone), "to_ms": parse_time(end, zone)}
    made = context.run(context.ask("gateway", "observation.make", params))
    context.json(made) if as_json else context.say("cli.observe.made", session=made["session"])


def list_all(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Danh sách các buổi dự giờ · all sessions (list)."""
    context = Context(config, data)
    zone = context.config.site.timezone
    told = context.run(context.ask("gateway", "observation.list", {}))
    if as_json:
        context.json(told)
        return
    for row in told["sessions"]:
        said = context.words.text("cli.observe.over" if row["ended"] else SAID[row["said"]])
        context.say(
            "cli.observe.row",
            session=row["id"],
            day=show.day(row["since_ms"], zone),
            start=show.clock(row["since_ms"], zone),
            end=show.clock(row["until_ms"], zone),
            name=row["class"],
            person=row["person"],
            said=said,
        )
    if not told["sessions"]:
        context.say("cli.observe.none")


def assent(session: SessionArgument, config: ConfigOption = None, data: DataOption = None) -> None:
    """Ghi rằng cô giáo của lớp đã đồng ý · note that the class's teacher agrees (assent)."""
    context = Context(config, data)
    context.run(context.ask("gateway", "observation.assent", {"session": session}))
    context.say("cli.observe.assented")


def decline(session: SessionArgument, config: ConfigOption = None, data: DataOption = None) -> None:
    """Ghi rằng cô giáo không đồng ý, cắt hình ngay · note the teacher's no, ending the picture (decline)."""
    context = Context(config, data)
    context.run(context.ask("gateway", "observation.assent", {"session": session, "given": False}))
    context.say("cli.observe.declined")


def code(
    session: SessionArgument, config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """In mã vào cho khách của một buổi, mã cũ hết hiệu lực · print the guest's code, voiding older ones (code)."""
    context = Context(config, data)
    zone = context.config.site.timezone
    made = context.run(context.ask("gateway", "observation.code", {"session": session}))
    if as_json:
        context.json(made)
        return
    until_ms = made["until_ms"]
    context.say(
        "cli.observe.code",
        code=made["code"],
        url=made["url"],
        time=show.clock(until_ms, zone),
        day=show.day(until_ms, zone),
    )


def end(session: SessionArgument, config: ConfigOption = None, data: DataOption = None) -> None:
    """Kết thúc hoặc hủy một buổi, cắt hình ngay · end or call off a session at once (end)."""
    context = Context(config, data)
    context.run(context.ask("gateway", "observation.end", {"session": session}))
    context.say("cli.observe.ended")
