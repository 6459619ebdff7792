"""`vuon hub …`: the authority's side, from the machine the hub runs on."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.context import ConfigOption, Context, DataOption

app = typer.Typer(help="Máy chủ của đơn vị quản lý · the authority's hub", no_args_is_help=True)


async def _call(context: Context, method: str, params: dict[str, Any]) -> dict[str, Any]:
    async with context.client("hub") as client:
        return (await client.call(method, params)).result


@app.command("ghi-danh")
def claim(
    site: Annotated[str, typer.Argument(help="Tên điểm trường · school site")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Tạo mã ghi danh cho hộp của một điểm trường · claim code for a site's box (claim)."""
    context = Context(config, data)
    result = context.run(_call(context, "claim.new", {"site": site}))
    context.say("cli.hub.claim", code=result["claim"])


@app.command("ma")
def code(config: ConfigOption = None, data: DataOption = None) -> None:
    """Tạo mã đăng nhập dùng một lần · one-use sign-in code (code)."""
    context = Context(config, data)
    result = context.run(_call(context, "code.new", {}))
    context.say("cli.code.new", code=result["code"], minutes=30)


app.command("claim", hidden=True)(claim)
app.command("code", hidden=True)(code)
