"""`vuon lop`, `tre`, `nam-hoc`, `phu-trach`: classes, children and the school year at the box.

Owns these commands; the gateway decides and writes the audit row. Invariant: the year is looked at before it is
turned, and turned only with `--ap-dung`; what it will do is said before it is done, and whoever is there agrees to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gateway.cli import show
from gateway.cli.asking import agrees
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.cli.importing import WORK_S, pair
from gateway.cli.searching import is_a_terminal

_CONSENTS = {"giu": "keep", "hoi-lai": "again"}


def classes(
    add: Annotated[str | None, typer.Option("--them", "--add", help="Thêm lớp · add a class")] = None,
    end: Annotated[str | None, typer.Option("--dong", "--close", help="Đóng lớp không còn trẻ · close a class")] = None,
    rename: Annotated[
        tuple[str, str] | None, typer.Option("--doi-ten", "--rename", help="Tên cũ, tên mới · old name, new name")
    ] = None,
    teacher: Annotated[
        tuple[str, str] | None,
        typer.Option("--giao", "--give", help="Giao lớp: lớp, giáo viên · class, teacher"),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Danh sách lớp; thêm, đổi tên, đóng, giao cho giáo viên · classes: list, add, rename, close (classes)."""
    context = Context(config, data)
    wishes: list[tuple[str, dict[str, str]]] = []
    if add is not None:
        wishes.append(("class.add", {"name": add}))
    if rename is not None:
        wishes.append(("class.rename", {"class": rename[0], "name": rename[1]}))
    if end is not None:
        wishes.append(("class.end", {"class": end}))
    if teacher is not None:
        wishes.append(("teach", {"class": teacher[0], "person": teacher[1]}))
    for act, fields in wishes:
        _act(context, act, fields)
    if wishes:
        return
    found = context.run(context.ask("gateway", "roster.classes", {}))
    if as_json:
        context.json(found)
        return
    names = show.widest(row["name"] for row in found["classes"])
    for row in found["classes"]:
        teachers = ", ".join(item["name"] for item in row["teachers"])
        context.line(f"{show.pad(row['name'] or '-', names)}  {row['children']:4d}  {row['id']}  {teachers}".rstrip())


def children(  # noqa: PLR0913, PLR0917 - each is an option of the command
    class_name: Annotated[str, typer.Option("--lop", "--class", help="Lớp; không có: ở không lớp nào · class")] = "-",
    find: Annotated[str, typer.Option("--tim", "--find", help="Tìm tên bé, phụ huynh · find by a name")] = "",
    move: Annotated[
        tuple[str, str] | None, typer.Option("--chuyen", "--move", help="Chuyển lớp: bé, lớp · child, class")
    ] = None,
    leave: Annotated[str | None, typer.Option("--thoi-hoc", "--leave", help="Bé thôi học · the child leaves")] = None,
    day: Annotated[str, typer.Option("--ngay", "--day", help="Từ ngày, hoặc ngày cuối · from, or the last day")] = "",
    now: Annotated[bool, typer.Option("--ngay-lap-tuc", "--now", help="Thôi học ngay · leave at once")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Trẻ của một lớp; chuyển lớp, thôi học · children of a class: list, move, leave (children)."""
    context = Context(config, data)
    if move is not None:
        _act(context, "child.move", {"child": move[0], "class": move[1], "day": day})
        return
    if leave is not None:
        _act(context, "child.leave", {"child": leave, "day": day, "when": "now" if now else ""})
        return
    params = {"class": class_name, "find": find}
    found = context.run(context.ask("gateway", "roster.children", params))
    if as_json:
        context.json(found)
        return
    names = show.widest(row["name"] for row in found["children"])
    for row in found["children"]:
        kin = ", ".join(
            f"{item['name']} ({item['kind']}, {item['phone']}, {item['state']})" for item in row["guardians"]
        )
        context.line(f"{show.pad(row['name'], names)}  {row['birth'] or '-'}  {row['id']}  {kin}".rstrip())


def school_year(
    target: Annotated[
        list[str] | None,
        typer.Option("--lop", "--class", help="'Mầm 1=Chồi 1'; '-' ra trường · leave; '=' giữ · stay"),
    ] = None,
    day: Annotated[str, typer.Option("--ngay", "--day", help="Từ ngày · from")] = "",
    keep: Annotated[bool, typer.Option("--giu-giao-vien", "--keep-teachers", help="Giữ giáo viên · keep them")] = False,
    consents: Annotated[
        str, typer.Option("--dong-y", "--consents", help="Đồng ý của gia đình: giu | hoi-lai · keep | again")
    ] = "",
    apply: Annotated[bool, typer.Option("--ap-dung", "--apply", help="Làm thật · do it")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sang năm học mới: xem trước rồi chuyển cả trường · step into a new school year (school-year)."""
    context = Context(config, data)
    params: dict[str, Any] = {"targets": dict(pair(item) for item in target or []), "day": day, "keep_teachers": keep}
    params["consents"] = _CONSENTS.get(consents, consents)
    view = context.run(context.ask("gateway", "roster.year", params, timeout_s=WORK_S))
    if not apply and as_json:
        context.json(view)
        return
    if not as_json:
        _year(context, view, params["consents"])
    if not apply:
        _how(context, view)
        return
    if not as_json and is_a_terminal() and not agrees(context, "cli.year.ask"):
        context.say("cli.year.left")
        return
    params["shown"] = view["shown"]
    done = context.run(context.ask("gateway", "roster.year", params, timeout_s=WORK_S))
    if as_json:
        context.json(done)
    else:
        context.say("cli.year.done", act=done["act"])


def _year(context: Context, view: Mapping[str, Any], consents: str) -> None:
    """Say what the step would do, what it ends and when."""
    for step in view["steps"]:
        context.say("cli.year.step", name=step["name"], children=step["children"], target=step["target"])
    if view["new_classes"]:
        context.say("cli.year.new", names=", ".join(view["new_classes"]))
    _when(context, view, consents)


def _how(context: Context, view: Mapping[str, Any]) -> None:
    """Say how many it concerns, and how it is done."""
    context.say("cli.year.counts", **{key: view["counts"][key] for key in ("moved", "left", "same")})
    if view["consents"]:
        context.say("cli.year.consents", n=view["consents"])


def _when(context: Context, view: Mapping[str, Any], consents: str) -> None:
    """Say when it takes effect and what guardians lose then, for each answer that is still to be chosen."""
    closings = view["closings"]
    day = show.day(closings["keep"]["at_ms"], context.config.site.timezone)
    context.say("year.at.now" if view["now"] else "year.at.day", day=day)
    answers = (consents,) if consents in closings else tuple(closings)
    for answer in answers:
        if len(answers) > 1:  # else there is no if any more
            context.say(f"cli.year.if.{answer}")
        item, words = closings[answer], context.words
        shut = [
            words.text("year.shuts.one", name=row["name"], why=words.text(f"year.why.{row['why']}"))
            for row in item["classes"]
        ]
        lines = [words.text("year.shuts", names=", ".join(shut)) if shut else words.text("year.shuts.none")]
        lines += [words.text("year.blind", n=item["children"])] if item["children"] else []
        lines.append(
            words.text("year.logins", people=item["people"], n=item["logins"])
            if item["people"]
            else words.text("year.logins.none")
        )
        for line in lines:
            context.line(f"  {line}")


def responsible(  # noqa: PLR0913, PLR0917 - each is an option of the command
    add: Annotated[str | None, typer.Option("--them", "--add", help="Họ tên · name")] = None,
    title: Annotated[str, typer.Option("--chuc-vu", "--title", help="Chức vụ · position")] = "",
    decision: Annotated[str, typer.Option("--quyet-dinh", "--decision", help="Số quyết định · decision no.")] = "",
    decided: Annotated[str, typer.Option("--ngay-quyet-dinh", "--decided", help="Ngày quyết định · its date")] = "",
    since: Annotated[str, typer.Option("--tu-ngay", "--since", help="Từ ngày · from")] = "",
    until: Annotated[str, typer.Option("--den-ngay", "--until", help="Ngày cuối · last day")] = "",
    end: Annotated[str | None, typer.Option("--ket-thuc", "--end", help="Mã người kết thúc · id of who ends")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hai người phụ trách của đơn vị, theo quyết định · the responsible persons of the unit (responsible)."""
    context = Context(config, data)
    if add is not None:
        fields = {"name": add, "title": title, "decision": decision, "decision_day": decided, "since": since}
        _act(context, "responsible.add", fields | {"until": until})
        return
    if end is not None:
        _act(context, "responsible.end", {"row": end, "day": until})
        return
    rows = context.run(context.ask("gateway", "roster.staff", {}))["responsible"]
    if as_json:
        context.json({"responsible": rows})
        return
    for row in rows:
        context.line(
            f"{row['name']} ({row['title']})  {row['decision']} {row['decision_day']}  "
            f"{row['since']} – {row['until'] or '…'}  {row['id']}"
        )
    if not rows:
        context.say("cli.responsible.none")


def _act(context: Context, act: str, fields: dict[str, str]) -> None:
    context.run(context.ask("gateway", "people.act", {"act": act, "fields": fields}))
    context.say("cli.people.changed")
