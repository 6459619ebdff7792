"""`vuon dong-y` (`consent`): who has answered, and one child's statement to be printed.

Owns this command; it reads only. Invariant: no answer is shown as such, never as consent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gateway.cli import show
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.core.errors import BadInput

PURPOSES = ("view", "record", "observe")


def consent(
    class_name: Annotated[str | None, typer.Argument(help="Tên lớp; không có: mọi lớp · class, else all")] = None,
    child: Annotated[
        str | None, typer.Option("--be", "--child", help="In bản ghi đồng ý của một bé · one child's statement")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Gia đình nào đã trả lời, lớp nào còn thiếu; in bản ghi của một bé · consent of families (consent)."""
    context = Context(config, data)
    if child is not None and class_name is not None:
        raise BadInput("either a class or a child", case="consent_one", key="child")
    if child is not None:
        found = context.run(context.ask("gateway", "consent.statement", {"child": child}))
        context.json(found) if as_json else _statement(context, found)
        return
    params = {} if class_name is None else {"class": class_name}
    found = context.run(context.ask("gateway", "consent.list", params))
    if as_json:
        context.json(found)
        return
    for row in found["classes"]:
        if not row["children"]:  # nothing is done where nobody is
            context.line(f"{show.NOTHING} {row['name']}: {context.words.text('cli.consent.empty')}")
            continue
        mark = show.LOOK if row["waiting"] else show.GOOD
        text = context.words.text(
            "cli.consent.class", agreed=row["agreed"], children=row["children"], silent=row["silent"],
            refused=row["refused"], waiting=row["waiting"],
        )  # fmt: skip
        context.line(f"{mark} {row['name']}: {text}")
    if not found["classes"]:
        context.say("cli.consent.none")
    told = {"record"} if found.get("basis") == "regulation" else set()
    names = show.widest(row["name"] for row in found["children"])
    for row in found["children"]:
        said = "  ".join(
            f"{context.words.text(f'cli.consent.{name}')}: {_said(context, row['answers'][name], told=name in told)}"
            for name in PURPOSES
        )
        mark = show.LOOK if row["waits"] else show.GOOD
        context.line(f"  {mark} {show.pad(row['name'], names)}  {said}")


def _said(context: Context, answer: bool | None, *, told: bool = False) -> str:
    """Return an answer in words; what families are `told` and not asked is never missing."""
    word = ("told" if told else "none") if answer is None else "yes" if answer else "no"
    return context.words.text(f"cli.consent.said.{word}")


def _statement(context: Context, found: Mapping[str, Any]) -> None:
    zone, words = context.config.site.timezone, context.words
    context.line(f"{found['child_name']}  {found['class_name']}  {context.config.site.name}")
    for row in found["entries"]:
        said = words.text("cli.consent.said.withdrawn") if row["withdrawal"] else _said(context, row["given"])
        line = f"{show.day(row['since_ms'], zone)}  {words.text('cli.consent.' + row['purpose'])}: {said}"
        line += f"  {row['who'] or words.text('cli.consent.family')}, {words.text('cli.consent.via.' + row['via'])}"
        if row["scan"]:
            line += f" {row['day']} {row['scan']}"
        if row["sha256"]:
            line += "  " + words.text("cli.consent.text", version=row["version"], hash=row["sha256"][:16])
        context.line(line)
    if not found["entries"]:
        context.say("cli.consent.nothing")
