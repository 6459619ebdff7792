"""`vuon xem` (`preview`): what a camera sees, in the terminal, and which class it shows, by one key.

Owns the order of looking and assigning; the gateway decides each look and writes it down. Invariants: a
picture always says when it was taken; without a terminal nothing is asked and nothing is changed; `--lop`
assigns without a look; what is no key of the list changes nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from gateway.cli import show
from gateway.cli.cameras import describe
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.cli.halfblock import Colour, Light, colour_of, fit, light, paint
from gateway.cli.keys import END, single_keys
from gateway.cli.stills import Still, newest, scaled
from gateway.core.clock import SystemClock
from gateway.core.errors import BadInput
from gateway.roofs.lookup import only

KEYS = "123456789acdefghijklmnoprstuvwxyz"
"""One for each class; b, q and + have a meaning of their own."""
SKIP, QUIT, NEW = "b", "q", "+"
STILL_WIDTH = 320
TEXT_LINES = 7
"""Of the terminal's lines, what facts and the question need."""
SEEN_WIDTH, SEEN_HEIGHT = 48, 27
"""Enough to say how bright a picture is."""


@dataclass(frozen=True, slots=True)
class Room:
    """What there is: cameras as status and list tell them, and classes with their cameras."""

    cameras: Sequence[Mapping[str, Any]]
    classes: Sequence[Mapping[str, Any]]

    def class_of(self, camera: str) -> str | None:
        """Return the name of the class a camera shows; several are joined."""
        return ", ".join(row["name"] for row in self.classes if camera in row["cameras"]) or None

    def find(self, wanted: str) -> Mapping[str, Any]:
        """Return the camera of a number (in the order of `vuon tinh-trang`), a name or an id; BadInput."""
        names = {row["name"] for row in self.cameras}
        if wanted.isdecimal() and wanted not in names and 1 <= int(wanted) <= len(self.cameras):
            return self.cameras[int(wanted) - 1]
        found = only(wanted, [(row["id"], row["name"]) for row in self.cameras], "camera")
        return next(row for row in self.cameras if row["id"] == found)


async def gather(context: Context) -> Room:
    """Ask recorder and gateway what there is."""
    about = {row["id"]: row for row in (await context.ask("recorder", "camera.list", {}))["cameras"]}
    status = (await context.ask("recorder", "status", {}))["cameras"]
    classes = (await context.ask("gateway", "people.list", {}))["classes"]
    return Room([{**about.get(row["id"], {}), **row} for row in status], classes)


def facts_line(context: Context, camera: Mapping[str, Any]) -> str:
    """Return a camera's line: address, maker and model, main stream, rate, whether it records."""
    good = camera.get("connected") and camera.get("recording")
    maker, model = str(camera.get("manufacturer") or ""), str(camera.get("model") or "")
    device = model if maker.casefold() in model.casefold() else f"{maker} {model}".strip()
    parts = [str(camera.get("address") or ""), device]
    if camera.get("streams"):
        parts.append(describe(context, camera["streams"][0]).partition("  ")[2])
    if camera.get("bitrate_bps"):
        parts.append(show.number(camera["bitrate_bps"] / 1e6, context.words.language, 1) + " Mb/s")
    parts.append(context.words.text("cli.preview.recording" if good else "cli.status.not_recording"))
    return f"{show.GOOD if good else show.BAD} " + "  ".join(part for part in parts if part)


def age_line(context: Context, still: Still, now_ms: int) -> str:
    """Say when the picture was taken, and how long ago in words when it is not of this moment."""
    at = show.clock(still.captured_ms, context.config.site.timezone)
    return context.words.text("cli.preview.taken", at=at, ago=show.duration(max(0, now_ms - still.captured_ms) / 1000))


def light_line(context: Context, seen: Light) -> str:
    """Say in words how bright the picture is: for those who cannot see it, and against a window in the back."""
    words = context.words
    text = words.text(f"cli.preview.light.{seen.word}", percent=f"{seen.mean:.0%}")
    if seen.side is None:
        return text
    return f"{text}; {show.LOOK} " + words.text("cli.preview.glare", side=words.text(f"cli.preview.{seen.side}"))


def look(context: Context, camera: Mapping[str, Any], *, after_acceptance: bool, colour: Colour) -> None:
    """Show one camera: its picture or words for it, and its facts. Raises Denied and what a daemon says."""
    context.line(str(camera["name"]), style="bold")
    still = context.run(newest(context, camera["id"], width=STILL_WIDTH, after_acceptance=after_acceptance))
    if still is None:
        context.say("cli.preview.no_picture")
    else:
        size = shutil.get_terminal_size()
        if colour is not Colour.NONE:
            across, down = fit(still.width, still.height, size.columns, size.lines - TEXT_LINES)
            for line in paint(scaled(still, across, down), colour):
                typer.echo(line, color=True)
        context.line(age_line(context, still, SystemClock().now_ms()))
        context.line(light_line(context, light(scaled(still, SEEN_WIDTH, SEEN_HEIGHT))))
    context.line(facts_line(context, camera))


def question(context: Context, room: Room) -> str:
    """Return the question with a key for each class."""
    words = context.words
    keys = [f"{key} {row['name']}" for key, row in zip(KEYS, room.classes, strict=False)]
    rest = [
        f"{key} {words.text(f'cli.preview.{name}')}" for key, name in ((NEW, "new"), (SKIP, "skip"), (QUIT, "quit"))
    ]
    return "  ".join([words.text("cli.preview.which"), *keys, *rest])


def chosen(room: Room, read_key: Callable[[], str]) -> str:
    """Return the name of the class whose key was pressed, or SKIP, QUIT, NEW; other keys are passed over."""
    names = {key: str(row["name"]) for key, row in zip(KEYS, room.classes, strict=False)}
    while True:
        key = read_key().lower()
        if key in names:
            return names[key]
        if key in {SKIP, QUIT, NEW}:
            return key
        if key in {"\r", "\n"}:
            return SKIP
        if key == END:
            return QUIT
        if key == END:
            return QUIT


def assign(context: Context, camera: Mapping[str, Any], name: str, *, new: bool = False) -> None:
    """Say which class a camera shows; `new` makes the class first."""
    if new:
        context.run(context.ask("gateway", "class.add", {"name": name, "cameras": [camera["id"]]}))
    else:
        context.run(context.ask("gateway", "camera.assign", {"camera": camera["id"], "class": name}))
    context.say("cli.preview.assigned", camera=camera["name"], name=name)


def ask_class(context: Context, room: Room, camera: Mapping[str, Any]) -> bool:
    """Ask for the class of one camera and assign it; False when no more should be asked."""
    if now := room.class_of(camera["id"]):
        context.say("cli.preview.now", name=now)
    with single_keys() as read_key:
        context.line(question(context, room))
        answer = chosen(room, read_key)
    if answer == QUIT:
        return False
    if answer == NEW:
        name = str(typer.prompt(context.words.text("cli.preview.new_name"), default="", show_default=False))
        if name.strip():
            assign(context, camera, name, new=True)
    elif answer != SKIP:
        assign(context, camera, answer)
    return True


def as_facts(room: Room, camera: Mapping[str, Any], still: Still | None) -> dict[str, Any]:
    """Return what `--json` prints of a camera; the picture itself stays out."""
    row = {key: camera.get(key) for key in ("id", "name", "address", "manufacturer", "model", "recording", "streams")}
    if still is None:
        return row | {"class": room.class_of(camera["id"]), "picture": None}
    seen = light(scaled(still, SEEN_WIDTH, SEEN_HEIGHT))
    picture = {"captured_ms": still.captured_ms, "width": still.width, "height": still.height}
    return row | {"class": room.class_of(camera["id"]), "picture": picture | {"light": seen.mean, "glare": seen.side}}


async def _all_facts(
    context: Context, room: Room, cameras: Sequence[Mapping[str, Any]], *, after_acceptance: bool
) -> list[dict[str, Any]]:
    rows = []
    for camera in cameras:
        still = await newest(context, camera["id"], width=STILL_WIDTH, after_acceptance=after_acceptance)
        rows.append(as_facts(room, camera, still))
    return rows


def _wanted(room: Room, camera: str | None) -> list[Mapping[str, Any]]:
    """Return the camera that was named, or all that show no class."""
    if camera is not None:
        return [room.find(camera)]
    return [row for row in room.cameras if room.class_of(row["id"]) is None]


def preview(
    camera: Annotated[
        str | None, typer.Argument(help="Số, tên hoặc mã; bỏ trống = các camera chưa có lớp · number, name or id")
    ] = None,
    class_name: Annotated[
        str, typer.Option("--lop", "--class", help="Gán camera vào lớp này, không xem · assign it to this class")
    ] = "",
    new_class: Annotated[
        str, typer.Option("--lop-moi", "--new-class", help="Tạo lớp này rồi gán camera · make this class first")
    ] = "",
    after_acceptance: Annotated[
        bool,
        typer.Option("--sau-nghiem-thu", "--after-acceptance", help="Xem khi sửa chữa, gia đình biết · for a repair"),
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Xem hình một camera ngay trong cửa sổ này và gán vào lớp bằng một phím · look, assign a class (preview).

    Mỗi lần xem được ghi vào nhật ký mà gia đình xem được · each look is written into the audit.
    """
    context = Context(config, data)
    if class_name or new_class:
        if camera is None or (class_name and new_class):
            raise BadInput("name one camera and one class", case="preview_class", key="camera")
        assign(context, context.run(gather(context)).find(camera), class_name or new_class, new=bool(new_class))
        return
    room = context.run(gather(context))
    if as_json:
        rows = _all_facts(context, room, _wanted(room, camera), after_acceptance=after_acceptance)
        context.json({"cameras": context.run(rows)})
        return
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    colour, shown = colour_of(os.environ, is_terminal=sys.stdout.isatty()), 0
    for number, row in enumerate(_wanted(room, camera)):
        if interactive and number:  # a class may be new since the last camera
            room = context.run(gather(context))
        shown += 1
        look(context, row, after_acceptance=after_acceptance, colour=colour)
        if interactive and not ask_class(context, room, row):
            break
    if not shown:
        context.say("cli.preview.all_assigned" if room.cameras else "cli.status.no_cameras")
