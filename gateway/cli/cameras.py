"""`vuon tim`, `nhan`, `mat-khau-camera`, `go-camera`: finding cameras and making them ours.

Owns the words and the order of these commands; the recorder does the work. Invariants: a password is
read from the terminal, a pipe or `VUON_CAMERA_PASSWORD`, never from the command line.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.core.errors import BadInput, CameraUnreachable

PASSWORD_ENV = "VUON_CAMERA_PASSWORD"  # noqa: S105 - the name of a variable

UserOption = Annotated[str, typer.Option("--user", help="Tên đăng nhập camera · camera user")]


def read_password(context: Context) -> str:
    """Return the camera password from the environment, a pipe, or a prompt without echo."""
    if value := os.environ.get(PASSWORD_ENV):
        return value
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt(context.words.text("cli.camera.password"), hide_input=True))


async def camera_id(context: Context, name: str) -> str:
    """Return the public id of a camera given by id or name; BadInput lists what there is."""
    async with context.client("recorder") as client:
        cameras = (await client.call("camera.list")).result["cameras"]
    for camera in cameras:
        if name in (camera["id"], camera["name"]):
            return str(camera["id"])
    known = ", ".join(camera["name"] for camera in cameras) or "-"
    raise BadInput(context.words.text("cli.camera.unknown", name=name, known=known), key="camera")


async def _discover(context: Context, seconds: float | None) -> list[dict[str, Any]]:
    params = {"seconds": seconds} if seconds else {}
    async with context.client("recorder") as client:
        return list((await client.call("discover", params, timeout_s=90)).result["found"])


def discover(
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
    seconds: Annotated[float | None, typer.Option(help="Nghe bao lâu · how long to listen")] = None,
) -> None:
    """Tìm camera trong mạng · find cameras on the network (discover)."""
    context = Context(config, data)
    with context.console.status(context.words.text("cli.discover.running")):
        found = context.run(_discover(context, seconds))
    if as_json:
        context.console.print_json(data={"found": found})
        return
    if not found:
        context.say("cli.discover.none")
    for item in found:
        mark = "✔" if item.get("adopted_as") else "+"
        context.console.print(f"{mark} {item['address']:<15} {item.get('hardware') or ''}  {item.get('name') or ''}")
    if any(not item.get("adopted_as") for item in found):
        context.say("cli.next", cmd="vuon nhan ĐỊA-CHỈ --user admin")


async def _adopt(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    async with context.client("recorder") as client:
        try:
            return dict((await client.call("adopt", params, timeout_s=60)).result["camera"])
        except CameraUnreachable as error:
            if "rtsp_path" not in params:
                error.fields["remedy"] = context.words.text("cli.adopt.no_answer")
            raise


def adopt(
    address: Annotated[str, typer.Argument(help="Địa chỉ IP · IP address")],
    user: UserOption = "admin",
    name: Annotated[str | None, typer.Option(help="Tên camera · its name")] = None,
    port: Annotated[int | None, typer.Option(help="Cổng ONVIF · ONVIF port")] = None,
    rtsp: Annotated[
        str | None, typer.Option(help="Nếu không có ONVIF: /stream1 hoặc :8554/stream1 · RTSP path without ONVIF")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Nhận camera vào hộp và bắt đầu ghi · adopt a camera and start recording (adopt)."""
    context = Context(config, data)
    params: dict[str, Any] = {"address": address, "username": user, "password": read_password(context)}
    params |= {key: value for key, value in (("name", name), ("port", port), ("rtsp_path", rtsp)) if value is not None}
    camera = context.run(_adopt(context, params))
    if as_json:
        context.console.print_json(data=camera)
    else:
        context.say("cli.adopt.done", name=camera["name"], streams=len(camera["streams"]))


async def _login(context: Context, camera: str, user: str, password: str) -> None:
    chosen = await camera_id(context, camera)
    async with context.client("recorder") as client:
        await client.call("camera.login", {"camera": chosen, "username": user, "password": password})


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
    chosen = await camera_id(context, camera)
    async with context.client("recorder") as client:
        await client.call("camera.remove", {"camera": chosen})


def remove(
    camera: Annotated[str, typer.Argument(help="Tên hoặc mã camera · name or id")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Gỡ camera khỏi hộp; hình đã ghi còn theo thời hạn lưu · remove a camera, footage stays (remove)."""
    context = Context(config, data)
    context.run(_remove(context, camera))
    context.say("cli.camera.removed", name=camera)
