"""`vuon hub …`: the authority's side, from the machine the hub runs on."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption, guarded
from gateway.cli.usage import Verb, Verbs

CODE_MINUTES = 30
"""The hub's codes live this long (gateway.hub.staff)."""

app = typer.Typer(cls=Verbs, help="Máy chủ của đơn vị quản lý · the authority's hub", no_args_is_help=True)


def claim(
    site: Annotated[str, typer.Argument(help="Tên điểm trường · school site")],
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tạo mã ghi danh cho hộp của một điểm trường · claim code for a site's box (claim)."""
    context = Context(config, data)
    result = context.run(context.ask("hub", "claim.new", {"site": site}))
    if as_json:
        context.json(result)
    else:
        context.say("cli.hub.claim", code=result["claim"])


def code(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Tạo mã đăng nhập dùng một lần · one-use sign-in code (code)."""
    context = Context(config, data)
    result = context.run(context.ask("hub", "code.new", {}))
    if as_json:
        context.json(result)
    else:
        context.say("cli.code.new", code=result["code"], minutes=CODE_MINUTES)


for name, alias, command in (("ghi-danh", "claim", claim), ("ma", "code", code)):
    app.command(name, cls=Verb)(guarded(command))
    app.command(alias, cls=Verb, hidden=True)(guarded(command))
