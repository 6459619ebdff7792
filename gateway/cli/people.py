"""`vuon ma`, `phieu`, `thu-hoi`, `chia-se`, `tai-khoan`: people and rights at the box.

Owns these commands; the gateway decides and writes the audit row of each (`console` is the actor).
Invariant: a word that is not understood changes nothing: above all, nothing opens by a typing error.
"""

from __future__ import annotations

import sys
from typing import Annotated

import segno
import typer

from gateway.cli import show
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.core.errors import BadInput

STOP, RESUME = ("dung", "stop"), ("mo", "resume")
ROLES = {
    "hieu-truong": "principal", "principal": "principal",
    "pho-hieu-truong": "vice_principal", "vice-principal": "vice_principal",
    "giao-vien": "teacher", "teacher": "teacher",
    "du-gio": "observer", "observer": "observer",
    "phong-gd": "authority_it", "authority": "authority_it",
}  # fmt: skip
"""Guardians come with a child; an installer is the console itself."""
CheckedOption = Annotated[
    bool,
    typer.Option(
        "--da-kiem-tra",
        "--checked",
        help="Trao tận tay, đã xem giấy tờ: không cần duyệt lại · identity card seen: no further approval",
    ),
]


def code(
    person: Annotated[
        str | None, typer.Argument(help="Tên hoặc mã người; không có: hiệu trưởng · name or id, else the principal")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tạo mã đăng nhập dùng một lần cho hiệu trưởng, hiệu phó · one-use sign-in code for a principal (code)."""
    context = Context(config, data)
    result = context.run(context.ask("gateway", "code.new", {} if person is None else {"person": person}))
    if as_json:
        context.json(result)
    else:
        context.say("cli.code.new", code=result["code"], minutes=result["minutes"])
        context.say("cli.code.where", url=result["url"])


def slip(
    guardian: Annotated[str, typer.Argument(help="Tên hoặc mã phụ huynh · guardian's name or id")],
    phone: Annotated[
        str, typer.Option("--dien-thoai", "--phone", help="Số điện thoại nhà trường giữ · phone number the school has")
    ] = "",
    checked: CheckedOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tạo phiếu mời mới cho phụ huynh · a new invitation slip for a guardian (slip)."""
    context = Context(config, data)
    params: dict[str, object] = {"guardian": guardian, "checked": checked} | ({"phone": phone} if phone else {})
    result = context.run(context.ask("gateway", "slip.new", params))
    if as_json:
        context.json(result)
        return
    context.say("cli.slip.new", url=result["url"], code=result["code"], days=result["days"])
    context.say("cli.slip.checked" if result["checked"] else "cli.slip.approve")
    if sys.stdout.isatty():
        segno.make(result["url"], error="l").terminal(compact=True)


def revoke(
    guardian: Annotated[str, typer.Argument(help="Tên hoặc mã phụ huynh · guardian's name or id")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Thu hồi quyền xem của một phụ huynh, cắt hình ngay · end a guardian's right at once (revoke)."""
    context = Context(config, data)
    result = context.run(context.ask("gateway", "revoke", {"guardian": guardian}))
    context.say("cli.revoke.done", name=guardian, sessions=result["sessions"])


def sharing(
    state: Annotated[str, typer.Argument(help="dung (stop) | mo (resume)")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Dừng hoặc mở chia sẻ hình cho mọi phụ huynh · stop or resume all sharing (sharing)."""
    context = Context(config, data)
    if state not in (*STOP, *RESUME):
        raise BadInput(f"{state!r} is neither dung (stop) nor mo (resume)", case="switch", key="state", value=state)
    stop = state in STOP
    context.run(context.ask("gateway", "sharing", {"stop": stop}))
    context.say("cli.sharing.stopped" if stop else "cli.sharing.resumed")


def people(
    add: Annotated[
        str | None,
        typer.Option("--them", "--add", help="Thêm người, mặc định phó hiệu trưởng · add somebody, a vice-principal"),
    ] = None,
    role: Annotated[
        str, typer.Option("--vai", "--role", help="hieu-truong, pho-hieu-truong, giao-vien, du-gio, phong-gd")
    ] = "pho-hieu-truong",
    disable: Annotated[
        str | None, typer.Option("--ngung", "--disable", help="Ngừng mọi quyền của người này · end all rights")
    ] = None,
    enable: Annotated[str | None, typer.Option("--mo-lai", "--enable", help="Cho dùng lại · give them back")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Danh sách người dùng và lớp; thêm người, ngừng quyền · people and classes, adding somebody (people)."""
    context = Context(config, data)
    if len([name for name in (add, disable, enable) if name is not None]) > 1:
        raise BadInput("only one of --them, --ngung and --mo-lai at a time", case="one_person", key="person")
    if add is not None:
        if role not in ROLES:
            raise BadInput(f"{role!r} is none of {', '.join(ROLES)}", case="person_role", key="role", value=role)
        result = context.run(context.ask("gateway", "person.add", {"name": add, "role": ROLES[role]}))
        context.json(result) if as_json else context.say("cli.people.added", name=add)
        return
    if (name := disable if disable is not None else enable) is not None:
        params = {"person": name, "disabled": disable is not None}
        result = context.run(context.ask("gateway", "person.disable", params))
        said = "cli.people.disabled" if disable is not None else "cli.people.enabled"
        context.json(result) if as_json else context.say(said, name=name)
        return
    result = context.run(context.ask("gateway", "people.list", {}))
    if as_json:
        context.json(result)
        return
    roles = {row["role"]: context.words.texts.get(f"cli.role.{row['role']}", row["role"]) for row in result["people"]}
    names, kinds = show.widest(row["name"] for row in result["people"]), show.widest(roles.values())
    for person in result["people"]:
        mark = show.BAD if person["disabled"] else show.GOOD
        kind, classes = show.pad(roles[person["role"]], kinds), ", ".join(person["classes"])
        context.line(f"{mark} {show.pad(person['name'], names)}  {kind}  {person['id']}  {classes}".rstrip())
    if not result["people"]:
        context.say("cli.people.none")
