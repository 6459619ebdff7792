"""`vuon nhap`: a list of children from a file: looked at, written, undone.

Owns the command; the gateway reads the file, decides and writes the audit row. Invariants: a file is looked at before
anything is written, and written only with `--ap-dung`; bad rows are all named with what to do; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.access.roster.refusals import MAX_BYTES, refused
from gateway.cli import show
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.core.errors import BadInput

WORK_S = 180.0
"""Seconds for a call that reads a file: it may wait for another one."""
ABSENT = {"thoi-hoc": "leave", "leave": "leave", "giu": "keep", "keep": "keep", "": ""}
MOST_LINES = 40
"""Children that are told one by one; `--json` has them all."""
_COUNTED = ("new", "moved", "back", "changed", "left", "same", "asked_again")


def import_list(  # noqa: PLR0913, PLR0917 - each is an option of the command
    file: Annotated[Path | None, typer.Argument(help="Tệp XLSX, CSV · XLSX or CSV", show_default=False)] = None,
    apply: Annotated[bool, typer.Option("--ap-dung", "--apply", help="Nhập thật · write it")] = False,
    absent: Annotated[
        str, typer.Option("--vang-mat", "--absent", help="Bé không có trong tệp: thoi-hoc | giu · leave | keep")
    ] = "",
    column: Annotated[
        list[str] | None,
        typer.Option("--cot", "--column", help="Cột là gì, F=mother_phone · what a column holds"),
    ] = None,
    answer: Annotated[
        list[str] | None, typer.Option("--tra-loi", "--answer", help="Dòng là bé nào, 0:12=new hoặc mã · which child")
    ] = None,
    undo: Annotated[str | None, typer.Option("--hoan-tac", "--undo", help="Hoàn tác · undo an act")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Nhập danh sách trẻ từ tệp: xem trước, áp dụng, hoàn tác · import a list of children (import)."""
    context = Context(config, data)
    if undo is not None:
        _undo(context, undo, as_json=as_json)
        return
    if file is None:
        acts = context.run(context.ask("gateway", "roster.acts", {}))
        context.json(acts) if as_json else _acts(context, acts["acts"])
        return
    if absent not in ABSENT:
        raise BadInput(f"{absent!r} is neither thoi-hoc nor giu", case="import_absent", key="absent")
    view = context.run(_look(context, file, column or [], answer or []))
    if not apply or not view["ready"]:
        context.json(view) if as_json else _tell(context, view)
        if not view["ready"]:
            raise typer.Exit(1)
        return
    params = {"draft": view["draft"], "shown": view["plan"]["shown"], "absent": ABSENT[absent]}
    done = context.run(context.ask("gateway", "roster.apply", params, timeout_s=WORK_S))
    if as_json:
        context.json(done)
    else:
        context.say("cli.import.counts", **done["counts"])
        _closes(context, view["plan"])
        context.say("cli.import.done", act=done["act"])


async def _look(context: Context, file: Path, columns: list[str], answers: list[str]) -> dict[str, Any]:
    if file.stat().st_size > MAX_BYTES:  # before it is read: it may be a film
        raise refused("too_big", most=MAX_BYTES >> 20)
    data = file.read_bytes()
    async with context.client("gateway") as client:
        view = (await client.call("roster.open", {"name": file.name}, data, timeout_s=WORK_S)).result
        if columns:
            named = dict(pair(item) for item in columns)
            places = {row["letter"]: str(row["column"]) for row in view["sheets"][0]["columns"]}
            fields = {places.get(letter.upper(), letter): name for letter, name in named.items()}
            params = {"draft": view["draft"], "sheet": 0, "fields": fields}
            view = (await client.call("roster.columns", params, timeout_s=WORK_S)).result
        if answers:
            params = {"draft": view["draft"], "answers": dict(pair(item) for item in answers)}
            view = (await client.call("roster.answer", params, timeout_s=WORK_S)).result
    return view


def pair(text: str) -> tuple[str, str]:
    """Return what stands before and after the first = of an option; BadInput if there is none."""
    key, sign, value = text.partition("=")
    if not sign:
        raise BadInput(f"{text!r} has no =", case="import_field", key="column", value=text)
    return key.strip(), value.strip()


def _tell(context: Context, view: dict[str, Any]) -> None:
    texts = context.words.texts
    context.say("cli.import.look", name=view["name"], rows=view["rows"])
    if view["problems"]:
        context.say("cli.import.bad", n=view["problem_count"])
        for row in view["problems"]:
            what = texts[f"list.bad.{row['what']}"].format(other=row["other"])
            hint = texts[f"list.bad.{row['what']}.hint"]
            place = {"sheet": row["sheet"], "row": row["row"], "column": row["column"], "value": row["value"]}
            context.say("cli.import.row", what=what, hint=hint, **place)
        return
    plan = view["plan"]
    context.say("cli.import.counts", **plan["counts"])
    if view["skipped"]:
        context.say("cli.import.skipped", names=", ".join(view["skipped"]))
    if plan["new_classes"]:
        context.say("cli.import.new_classes", names=", ".join(plan["new_classes"]))
    _closes(context, plan)
    _changes(context, plan)
    for row in plan["questions"]:
        choices = ", ".join(f"{item['id']} ({item['place']})" for item in row["choices"])
        told = {key: row[key] for key in ("row", "name", "place")}
        context.say("cli.import.ask", choices=choices, ask=row["key"], **told)
    if plan["absent"]:
        context.say("cli.import.absent", n=len(plan["absent"]))
    if view["ready"]:
        context.say("cli.import.next")


def _undo(context: Context, act: str, *, as_json: bool) -> None:
    done = context.run(context.ask("gateway", "roster.undo", {"act": act}, timeout_s=WORK_S))
    if as_json:
        context.json(done)
    elif done["blockers"]:
        context.say("cli.import.blocked", n=len(done["blockers"]))
        context.say("list.blocked.more")
        for row in done["blockers"]:
            key = f"list.table.{row['what']}"
            known = key if key in context.words.texts else "list.table.other"
            context.say("cli.import.blocker", name=row["name"] or show.NOTHING, what=context.words.text(known))
    else:
        context.say("cli.import.undone")
    if done["blockers"]:
        raise typer.Exit(1)


def _closes(context: Context, plan: Mapping[str, Any]) -> None:
    """Say which classes guardians will not see for lack of answers: nobody should learn it from the families."""
    if plan["closes"]:
        names = [context.words.text("list.closes.one", name=row["name"], n=row["n"]) for row in plan["closes"]]
        context.say("list.closes", names=", ".join(names))


def _changes(context: Context, plan: Mapping[str, Any]) -> None:
    """Tell what happens to whom, the children that are not in the file last."""
    words = context.words
    lines = [
        words.text(
            "cli.import.change",
            kind=words.text(f"list.kind.{row['kind']}"),
            name=row["name"],
            place=" → ".join(dict.fromkeys(item for item in (row["from"], row["to"]) if item)),
        )
        for row in plan["changes"]
    ]
    lines += [words.text("cli.import.gone", name=row["name"], place=row["place"]) for row in plan["absent"]]
    for line in lines[:MOST_LINES]:
        context.line(line)
    if len(lines) > MOST_LINES:
        context.say("cli.import.more", n=len(lines) - MOST_LINES)


def _acts(context: Context, acts: Sequence[Mapping[str, Any]]) -> None:
    """Tell what was imported of late, and how it is undone."""
    zone, words = context.config.site.timezone, context.words
    for act in acts:
        counts = [
            words.text(f"list.count.{name}", n=act["counts"][name]) for name in _COUNTED if act["counts"].get(name)
        ]
        at = f"{show.day(act['at_ms'], zone)} {show.clock(act['at_ms'], zone)}"
        context.say("cli.import.act", at=at, kind=words.text(f"list.kind.{act['kind']}"), counts=", ".join(counts))
        if act["undone_ms"] is not None:
            context.say("cli.import.act_undone")
        elif act["until_ms"] is not None:
            context.say("cli.import.act_open", until=show.day(act["until_ms"], zone), act=act["id"])
        else:
            context.say("cli.import.act_over")
    if not acts:
        context.say("cli.import.none")
