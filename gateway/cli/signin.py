"""`vuon dang-nhap` (`signin`): how staff sign in; what somebody needs who forgot the password or lost the phone.

Owns these commands; the gateway decides and writes the audit row (`console` is the actor). Invariant: no password is
typed or shown here; the code that a reset gives is printed once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import show
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption

Person = Annotated[str, typer.Argument(help="Tên hoặc mã người · a staff member's name or id")]


def list_all(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Tên đăng nhập, mật khẩu, bước hai của từng nhân viên · how each member of staff signs in (list)."""
    context = Context(config, data)
    found = context.run(context.ask("gateway", "signin.list", {}))
    if as_json:
        context.json(found)
        return
    rows, words = found["staff"], context.words
    names, accounts = show.widest(row["name"] for row in rows), show.widest(row["sign_in"] or "-" for row in rows)
    for row in rows:
        password = words.text("cli.signin.has_password" if row["password"] else "cli.signin.no_password")
        second = words.text("cli.signin.has_second" if row["second"] else "cli.signin.no_second")
        places = words.text("cli.signin.sessions", count=row["sessions"])
        mark = show.BAD if row["disabled"] else show.GOOD
        who = f"{mark} {show.pad(row['name'], names)}  {show.pad(row['sign_in'] or '-', accounts)}"
        context.line(f"{who}  {password}, {second}, {places}")
    if not rows:
        context.say("cli.signin.none")


def rename(
    person: Person,
    sign_in: Annotated[str, typer.Argument(help="Tên đăng nhập mới, không dấu · the new sign-in name")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Đặt tên đăng nhập cho một nhân viên · give somebody another sign-in name (name)."""
    context = Context(config, data)
    done = context.run(context.ask("gateway", "signin.rename", {"person": person, "sign_in": sign_in}))
    context.say("cli.signin.renamed", name=done["name"], sign_in=done["sign_in"])


def reset(person: Person, config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Xóa mật khẩu đã quên và cấp mã một lần; mọi nơi đăng xuất · a one-use code instead of the password (reset)."""
    context = Context(config, data)
    done = context.run(context.ask("gateway", "signin.reset", {"person": person}))
    if as_json:
        context.json(done)
    else:
        context.say("cli.signin.reset", name=done["name"], code=done["code"], minutes=done["minutes"])


def second_off(person: Person, config: ConfigOption = None, data: DataOption = None) -> None:
    """Tắt bước hai của người mất điện thoại · switch off the second step of whoever lost the phone (second-off)."""
    context = Context(config, data)
    done = context.run(context.ask("gateway", "signin.second.off", {"person": person}))
    context.say("cli.signin.second_off" if done.get("had", True) else "cli.signin.second_none", name=done["name"])
