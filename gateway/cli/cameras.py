"""`vuon tim`, `nhan`, `mat-khau-camera`, `go-camera`: finding cameras and making them ours.

Owns the words and the order of these commands; the recorder does the work. Invariants: a password is
read from the terminal, a pipe or `VUON_CAMERA_PASSWORD`, never from the command line, and never an empty
one by accident (each try counts against the camera's lock).
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections import Counter
from typing import Annotated, Any

import typer
from rich.table import Table

from gateway.cli import show
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.cli.searching import WEB_PORT, agreed_ranges, next_command, search, show_steps
from gateway.core.errors import BadInput
from gateway.roofs.lookup import only

PASSWORD_ENV = "VUON_CAMERA_PASSWORD"  # noqa: S105 - the name of a variable
ADOPT_S = 120
"""A recorder with 64 channels, each asked for its streams and its picture."""
FIXED = 54
"""Columns of a found device's mark, address, profiles and state."""

UserOption = Annotated[
    str, typer.Option("--user", help="Tên đăng nhập camera, rỗng nếu không cần · camera user, empty for none")
]


def read_password(context: Context) -> str:
    """Return the camera password from the environment, a pipe, or a prompt without echo; BadInput if empty."""
    value = os.environ.get(PASSWORD_ENV, "")
    if not value and sys.stdin.isatty():
        value = str(typer.prompt(context.words.text("cli.camera.password"), hide_input=True, err=True))
    elif not value:
        value = sys.stdin.readline().rstrip("\r\n")
    if not value:
        raise BadInput("no password was given", case="password", key="password", variable=PASSWORD_ENV)
    return value


async def camera_id(context: Context, name: str) -> str:
    """Return the public id of a camera given by id or name; BadInput lists what there is."""
    cameras = (await context.ask("recorder", "camera.list", {}))["cameras"]
    return only(name, [(row["id"], row["name"]) for row in cameras], "camera")


def state_of(item: dict[str, Any]) -> str:
    """Return what a found device is to us: adopted, a remedy it needs first, unreachable, new, rtsp or closed."""
    if item.get("adopted_as"):
        return "adopted"
    if (remedy := str(item.get("remedy", ""))) in NOT_READY:
        return remedy
    if not item.get("reachable", True):
        return "unreachable"
    if item.get("port", WEB_PORT):
        return "new"
    return "rtsp" if item.get("rtsp_port") else "closed"


NOT_READY = ("activate", "onvif_on", "apart")
"""Remedies of devices that cannot be adopted yet, in the order they are told."""
MARKS = {
    "adopted": show.GOOD,
    "new": show.NEW,
    "rtsp": show.NEW,
    "unreachable": show.LOOK,
    "closed": show.LOOK,
} | dict.fromkeys(NOT_READY, show.LOOK)


def _found(context: Context, found: list[dict[str, Any]]) -> Table:
    words = context.words
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column(words.text("cli.discover.address"), no_wrap=True)
    for key in ("hardware", "name"):
        room = max(10, (context.console.width - FIXED) // 2)
        table.add_column(words.text(f"cli.discover.{key}"), overflow="ellipsis", no_wrap=True, max_width=room)
    table.add_column(words.text("cli.discover.profiles"), no_wrap=True)
    table.add_column(words.text("cli.discover.state"), no_wrap=True)
    for item in found:
        state = state_of(item)
        number = item.get("port", WEB_PORT) or item.get("rtsp_port") or WEB_PORT
        port = "" if number == WEB_PORT else f":{number}"
        maker, hardware = item.get("maker") or "", item.get("hardware") or ""
        device = hardware if maker.casefold() in hardware.casefold() else f"{maker} {hardware}".strip()
        table.add_row(
            MARKS[state],
            f"{item['address']}{port}",
            device or show.NOTHING,
            item.get("name") or show.NOTHING,
            " ".join(item.get("profiles", [])) or show.NOTHING,
            words.text(f"cli.discover.{state}"),
        )
    return table


def _next_steps(context: Context, found: list[dict[str, Any]]) -> None:
    """Say for each kind of obstacle what it is, and the command for each device that has it."""
    for remedy in (*NOT_READY, "reach"):
        commands = [item["command"] for item in found if item.get("remedy") == remedy]
        if commands:
            context.say(f"cli.discover.step.{remedy}", count=len(commands))
        for command in dict.fromkeys(commands):
            context.line(f"  {command}")


def discover(
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
    seconds: Annotated[
        float | None, typer.Option(min=1, max=60, help="Nghe bao nhiêu giây · how long to listen")
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--quet", "--sweep", help="Hỏi từng địa chỉ, khi mạng chặn multicast · ask every host")
    ] = False,
    ports: Annotated[
        bool, typer.Option("--cong", "--ports", help="Thử cổng, thấy cả camera tắt ONVIF · try every host's ports")
    ] = False,
    temporary: Annotated[
        str, typer.Option("--dia-chi-tam", "--temporary", help="Thêm địa chỉ tạm cho card mạng này · interface")
    ] = "",
    yes: Annotated[bool, typer.Option("--dong-y", "--yes", help="Không hỏi lại · agree beforehand")] = False,
) -> None:
    """Tìm camera trong mạng · find cameras on the network (discover).

    Không gửi mật khẩu nào · no password is sent.
    """
    context = Context(config, data)
    order: dict[str, Any] = {} if seconds is None else {"seconds": seconds}
    if sweep or ports:
        ranges = agreed_ranges(context, yes=yes)
        order |= {name: ranges for name, wanted in (("sweep", sweep), ("ports", ports)) if wanted}
    if temporary:
        order["temporary"] = temporary
    result = context.run(search(context, order))
    found = [item | {"next": next_command(item)} for item in result["found"]]
    if as_json:
        context.json(result | {"found": found})
        return
    show_steps(context, result)
    if not found:
        context.say("cli.discover.none")
        return
    context.console.print(_found(context, found))
    counts = Counter(map(state_of, found))
    fresh = [item for item in found if MARKS[state_of(item)] == show.NEW]
    context.say("cli.discover.total", count=len(found), adopted=counts["adopted"], new=len(fresh))
    for state in ("unreachable", "closed"):
        if counts[state]:
            context.say(f"cli.discover.many.{state}", count=counts[state])
    _next_steps(context, [item for item in found if state_of(item) != "adopted"])
    plain = [item for item in found if MARKS[state_of(item)] == show.LOOK and not item.get("remedy")]
    for command in dict.fromkeys(item["next"] for item in plain if item["next"]):
        context.say("cli.next", cmd=command)
    if fresh:
        context.say("cli.next", cmd=fresh[0]["next"])


def parse_address(text: str) -> str:
    """Return an IPv4 address as the recorder takes it; BadInput names what is none."""
    try:
        return str(ipaddress.IPv4Address(text.strip()))
    except ValueError as error:
        raise BadInput(f"{text!r} is no IPv4 address", case="address", key="address", value=text) from error


def _place(text: str) -> str:
    """Return what the recorder adopts: an IP address, or `driver:place` (`file:la.mp4`)."""
    return text if re.fullmatch(r"[a-z][a-z0-9_-]*:[^:/][^:]*", text) else parse_address(text)


def adopt(  # noqa: PLR0913, PLR0917 - one argument for each option
    address: Annotated[str | None, typer.Argument(help="Địa chỉ IP · IP address")] = None,
    user: UserOption = "admin",
    name: Annotated[
        str | None,
        typer.Option(help="Tên camera; không có: tên đã đặt trong camera, hoặc hãng và kiểu · its name"),
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Cổng ONVIF · ONVIF port")] = None,
    rtsp: Annotated[
        str | None,
        typer.Option(
            help="Không có ONVIF: /stream1, :8554/stream1, rtsps://:322/stream1 hoặc :8554 (tự dò) · RTSP path"
        ),
    ] = None,
    channels: Annotated[
        str | None, typer.Option("--kenh", "--channels", help="Kênh của đầu ghi: 1,3-5 · channels of a recorder")
    ] = None,
    instead_of: Annotated[
        str | None,
        typer.Option("--thay", "--replace", metavar="CAMERA", help="Thay cho camera này · take this camera's place"),
    ] = None,
    clear: Annotated[
        bool,
        typer.Option(
            "--mat-khau-ro",
            "--clear-password",
            help="Cho gửi mật khẩu không mã hóa nếu camera chỉ nhận vậy · may be sent in clear if it must",
        ),
    ] = False,
    engine: Annotated[
        str | None, typer.Option(help="native; pyav: FFmpeg; auto: thử rồi ghim · what plays it, tried now and pinned")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Nhận camera, hoặc mọi kênh của đầu ghi, và bắt đầu ghi · adopt a camera or a recorder's channels (adopt).

    Mật khẩu được hỏi tại chỗ, hoặc đọc từ ống dẫn hay $VUON_CAMERA_PASSWORD; hộp thử đúng một lần ·
    the password is asked for, or read from a pipe or $VUON_CAMERA_PASSWORD; it is tried once.
    """
    context = Context(config, data)
    if address is None and instead_of is None:
        raise BadInput("no address was given", case="adopt_address", key="address")
    params: dict[str, Any] = {} if address is None else {"address": _place(address)}
    if user and not (address or "").startswith("file:"):
        params |= {"username": user, "password": read_password(context)}
    given = (("name", name), ("port", port), ("rtsp_path", rtsp), ("channels", channels), ("engine", engine))
    params |= {key: value for key, value in given if value is not None}
    if clear:
        params["clear_text"] = True
    with context.waiting("cli.adopt.running"):
        answer = context.run(_adopt(context, params, instead_of))
    if as_json:
        context.json(answer["cameras"][0] if len(answer["cameras"]) == 1 else answer["cameras"])
        return
    for camera in answer["cameras"]:
        show_adopted(context, camera, "cli.adopt.done" if instead_of is None else "cli.adopt.replaced")
    _say_the_rest(context, answer)
    show_next(context, answer["cameras"][0])


def show_adopted(context: Context, camera: dict[str, Any], words: str = "cli.adopt.done") -> None:
    """Say that a camera is ours, and stream by stream what is recorded of it."""
    context.say(words, name=camera["name"])
    for stream in camera["streams"]:
        context.line("  " + describe(context, stream))
    if camera.get("engine") == "pyav":
        why = camera.get("engine_why")
        context.say("cli.adopt.engine.probed" if why else "cli.adopt.engine.pinned", why=why)


async def _adopt(context: Context, params: dict[str, Any], instead_of: str | None) -> dict[str, Any]:
    """Adopt, or put what answers in a camera's place; a recorder with many channels takes its time."""
    if instead_of is None:
        return await context.ask("recorder", "adopt", params, timeout_s=ADOPT_S)
    params = {**params, "camera": await camera_id(context, instead_of)}
    return await context.ask("recorder", "camera.replace", params, timeout_s=ADOPT_S)


def _say_the_rest(context: Context, answer: dict[str, Any]) -> None:
    """Tell what was not adopted, and why."""
    for twin in answer.get("taken", ()):
        context.say("cli.adopt.numbered" if answer["numbered"] else "cli.adopt.twins", **twin)
    if answer.get("empty"):
        context.say("cli.adopt.empty", channels=", ".join(map(str, answer["empty"])))
    if answer.get("already"):
        context.say("cli.adopt.already", count=answer["already"])
    if answer.get("left"):
        context.say("cli.adopt.left", count=len(answer["left"]))


def show_next(context: Context, camera: dict[str, Any]) -> None:
    """Say what comes after an adoption."""
    if camera.get("driver") == "onvif":
        context.say("cli.next", cmd=f"vuon cai-dat-camera {camera['id']}")
    context.say("cli.next", cmd="vuon tinh-trang")


CODECS = {"h264": "H.264", "h265": "H.265", "hevc": "H.265"}


def describe(context: Context, stream: dict[str, Any]) -> str:
    """Return a stream as people read it: `main  1920×1080  15 fps  H.264`; only what is known."""
    parts = [context.words.text(f"cli.stream.{stream['stream']}")]
    if stream.get("width") and stream.get("height"):
        parts.append(f"{stream['width']}×{stream['height']}")
    if stream.get("fps"):
        parts.append(context.words.text("cli.stream.fps", fps=show.number(stream["fps"], context.words.language)))
    if stream.get("codec"):
        parts.append(CODECS.get(str(stream["codec"]).lower(), str(stream["codec"])))
    return "  ".join(parts)


async def _login(context: Context, camera: str, user: str, password: str) -> None:
    params = {"camera": await camera_id(context, camera), "username": user, "password": password}
    await context.ask("recorder", "camera.login", params)


def camera_password(
    camera: Annotated[str, typer.Argument(help="Tên hoặc mã camera · name or id")],
    user: UserOption = "admin",
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Đặt lại mật khẩu đã lưu của camera, hộp thử đúng một lần · set a camera's login (camera-password)."""
    context = Context(config, data)
    context.run(_login(context, camera, user, read_password(context)))
    context.say("cli.camera.login_set", name=camera)


async def _remove(context: Context, camera: str) -> None:
    await context.ask("recorder", "camera.remove", {"camera": await camera_id(context, camera)})


def remove(
    camera: Annotated[str, typer.Argument(help="Tên hoặc mã camera · name or id")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Gỡ camera khỏi hộp; hình đã ghi còn theo thời hạn lưu · remove a camera, footage stays (remove)."""
    context = Context(config, data)
    context.run(_remove(context, camera))
    context.say("cli.camera.removed", name=camera)
