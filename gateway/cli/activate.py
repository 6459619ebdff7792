"""`vuon kich-hoat`: giving a new camera its first password, and switching ONVIF on.

Owns the words and the order of this command; the recorder does the work. Invariants: what will be done is
said first, and nothing is done without a yes (typed, or `--dong-y`); the new password is printed once, to
standard output only; a password a person knows is read as `vuon nhan` reads it.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.asking import agrees
from gateway.cli.cameras import UserOption, parse_address, read_password, show_adopted, show_next
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption, fail
from gateway.cli.searching import is_a_terminal
from gateway.core.errors import BadInput, by_code

YES = "--dong-y"
TIMEOUT_S = 90.0
"""A camera takes some seconds for its first password and some more until ONVIF answers."""


def explain(context: Context, told: dict[str, Any]) -> None:
    """Say what the device is, what it lacks, and what the box would do about it."""
    vendor = context.words.text(f"cli.activate.vendor.{told['vendor']}")
    context.say("cli.activate.found", address=told["address"], vendor=vendor)
    for need in told["needs"]:
        context.say(f"cli.activate.need.{need}")


def agreed(context: Context, *, yes: bool, as_json: bool) -> bool:
    """Ask for a yes; without a person who reads what will be done only the option counts."""
    if yes:
        return True
    if as_json or not is_a_terminal():
        raise BadInput("nobody is there to agree", case="activate_agree", key="yes", option=YES)
    return agrees(context, "cli.activate.ask")


def activate(  # noqa: PLR0913, PLR0917 - one argument for each option
    address: Annotated[str, typer.Argument(help="Địa chỉ IP · IP address")],
    user: UserOption = "admin",
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Cổng web · its web port")] = None,
    yes: Annotated[bool, typer.Option(YES, "--yes", help="Đồng ý trước · do it without asking")] = False,
    other: Annotated[
        bool,
        typer.Option(
            "--mat-khau-khac",
            "--other-password",
            help="Hỏi mật khẩu dù hộp đang giữ một cái cho địa chỉ này · ask for it though the box keeps one",
        ),
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--nhan/--khong-nhan", help="Sau đó nhận camera và ghi · then adopt it and record")
    ] = True,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Kích hoạt camera mới: đặt mật khẩu, bật ONVIF, nhận vào hộp · make a new camera ready (activate).

    Camera Hikvision và Dahua. Lệnh nói trước sẽ làm gì và hỏi; mật khẩu mới do hộp đặt, in ra một lần và
    giữ niêm phong trong hộp · Hikvision and Dahua; says first what it will do, and asks.
    """
    context = Context(config, data)
    params: dict[str, Any] = {"address": parse_address(address)} | ({} if port is None else {"port": port})
    with context.waiting("cli.adopt.running"):
        told = context.run(context.ask("recorder", "camera.activate", params, timeout_s=TIMEOUT_S))
    if not as_json:
        explain(context, told)
    if not told["needs"] and not told["kept"]:
        _nothing_to_do(context, told, as_json=as_json)
        return
    if not agreed(context, yes=yes, as_json=as_json):
        context.say("cli.activate.nothing_changed")
        raise typer.Exit(1)
    login: dict[str, Any] = {}
    if "password" not in told["needs"] and (other or not told["kept"]):
        login = {"username": user, "password": read_password(context)}
    _carry_out(context, params, login, adopt=adopt, as_json=as_json)


def _nothing_to_do(context: Context, told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        context.json(told)
        return
    context.say("cli.activate.ready")
    context.say("cli.next", cmd=f"vuon nhan {told['address']} --port {told['port']} --user admin")


def _carry_out(context: Context, params: dict[str, Any], login: dict[str, Any], *, adopt: bool, as_json: bool) -> None:
    with context.waiting("cli.activate.running"):
        order = params | login | {"go": True}
        told = context.run(context.ask("recorder", "camera.activate", order, timeout_s=TIMEOUT_S))
    if not as_json:
        _say_done(context, told)
    if trouble := told.get("trouble"):
        if as_json:
            context.json(told)
        fail(by_code(str(trouble["code"]))(str(trouble["message"])), context.words.language)
    if adopt:
        order = {"address": told["address"], "port": told["port"]} | login
        with context.waiting("cli.adopt.running"):
            told["camera"] = context.run(context.ask("recorder", "adopt", order, timeout_s=60))["camera"]
    if as_json:
        context.json(told)
    elif adopt:
        show_adopted(context, told["camera"])
        show_next(context, told["camera"])
    else:
        context.say("cli.next", cmd=f"vuon nhan {told['address']} --port {told['port']} --user ''")


def _say_done(context: Context, told: dict[str, Any]) -> None:
    for step in told["done"]:
        context.say(f"cli.activate.step.{step}")
    if "password" in told:
        context.say("cli.activate.password", user=told["username"], password=told["password"])
