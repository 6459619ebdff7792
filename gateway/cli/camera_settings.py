"""`vuon cai-dat-camera`: see what would be set on a camera, set it, take it back.

Owns the words of this command; the recorder does the work. Invariants: without `--ap-dung` nothing changes,
and with it a person (or `--co`) agrees after the plan was shown; the factory account's new password is
printed once and kept nowhere; the exit status is 1 when something was tried and not taken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from gateway.cli import show
from gateway.cli.asking import agrees
from gateway.cli.cameras import CODECS, camera_id
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.core.errors import BadInput
from gateway.core.i18n import Catalogue
from gateway.core.typed import quoted

ANSWER_S = 300.0
"""A camera is asked once a second at most; thirty settings with a look after each take minutes."""


FINAL = "user.factory"
"""Cannot be taken back: nobody kept the password of before."""


def camera_settings(
    camera: Annotated[str, typer.Argument(help="Tên hoặc mã camera · name or id")],
    apply: Annotated[bool, typer.Option("--ap-dung", "--apply", help="Đặt thật, sau khi hỏi · change it")] = False,
    only: Annotated[
        str, typer.Option("--chi", "--only", help="Chỉ các mục này: main.gop,audio · only these settings")
    ] = "",
    undo: Annotated[
        bool, typer.Option("--hoan-tac", "--undo", help="Trả lại như trước lần đặt cuối · take the last change back")
    ] = False,
    agreed: Annotated[bool, typer.Option("--co", "--yes", help="Không hỏi lại · do not ask")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cài đặt trên camera: xem trước, đặt, hoàn tác · settings on a camera (camera-settings).

    Không có --ap-dung thì chỉ xem trước, camera không đổi gì. `--chi user.factory` đặt mật khẩu ngẫu nhiên cho
    tài khoản gốc và in ra một lần · without --apply it only shows the plan. `--only user.factory` gives the
    account the camera came with a random password and prints it once.
    """
    context = Context(config, data)
    if undo and (apply or only):
        raise BadInput("--undo takes the whole last change back, alone", case="undo", key="undo")
    params: dict[str, Any] = {"camera": context.run(camera_id(context, camera)), "who": "console"}
    if undo:
        _undo(context, camera, params, as_json=as_json)
        return
    if keys := [key.strip() for key in only.split(",") if key.strip()]:
        params["settings"] = keys
    _plan_and_apply(context, camera, params, apply=apply, agreed=agreed, as_json=as_json)


def _undo(context: Context, camera: str, params: dict[str, Any], *, as_json: bool) -> None:
    answer = context.run(context.ask("recorder", "camera.undo", params, timeout_s=ANSWER_S))
    if as_json:
        context.json(answer)
    else:
        _show_outcomes(context, answer["outcomes"])
        context.say("cli.settings.undone", name=camera, count=sum(item["applied"] for item in answer["outcomes"]))
    _end(answer["outcomes"])


def _plan_and_apply(
    context: Context, camera: str, params: dict[str, Any], *, apply: bool, agreed: bool, as_json: bool
) -> None:
    if not (apply and agreed):
        plan = context.run(context.ask("recorder", "camera.plan", params, timeout_s=ANSWER_S))
        open_changes = [item for item in plan["changes"] if not item["blocked"]]
        if not as_json:
            _show_plan(context, camera, plan["changes"], open_changes)
        elif not apply:
            context.json(plan)
        if not apply:
            if open_changes and not as_json:
                context.say("cli.next", cmd=f"vuon cai-dat-camera {quoted(camera)} --ap-dung")
            return
        if not open_changes:
            return
        if not _agrees(context):
            context.say("cli.settings.left")
            return
    answer = context.run(context.ask("recorder", "camera.apply", params, timeout_s=ANSWER_S))
    if as_json:
        context.json(answer)
    else:
        _show_outcomes(context, answer["outcomes"])
        _show_applied(context, camera, answer)
    _end(answer["outcomes"])


def _agrees(context: Context) -> bool:
    if not sys.stdin.isatty():
        raise BadInput("nobody is here to agree", case="agree", key="yes")
    return agrees(context, "cli.settings.ask")


def _show_plan(
    context: Context, camera: str, changes: list[dict[str, Any]], open_changes: list[dict[str, Any]]
) -> None:
    words = context.words
    if open_changes:
        context.console.print(_table(context, [(show.NEW, item, "") for item in open_changes]))
    else:
        context.say("cli.settings.right", name=camera)
    for item in changes:
        if item["blocked"]:
            name, why = words.text(f"setting.{item['setting']}"), words.text(f"setting.block.{item['blocked']}")
            context.line(f"{show.LOOK} {name}: {why}")


def _show_outcomes(context: Context, outcomes: list[dict[str, Any]]) -> None:
    rows = [
        (show.GOOD if item["applied"] else show.BAD, item, _why(context.words, item["why"]))
        for item in outcomes
        if not item["blocked"]
    ]
    context.console.print(_table(context, rows))


def _show_applied(context: Context, camera: str, answer: dict[str, Any]) -> None:
    outcomes = [item for item in answer["outcomes"] if not item["blocked"]]
    context.say("cli.settings.applied", name=camera, count=sum(item["applied"] for item in outcomes))
    if login := answer.get("factory_login"):
        context.say("cli.settings.factory", user=login["username"], password=login["password"])
    if can_go_back(outcomes):
        context.say("cli.settings.back", cmd=f"vuon cai-dat-camera {quoted(camera)} --hoan-tac")


def can_go_back(outcomes: Iterable[Mapping[str, Any]]) -> bool:
    """Say whether anything of an order can be taken back."""
    return any(item["applied"] and item["setting"] != FINAL for item in outcomes)


def _end(outcomes: list[dict[str, Any]]) -> None:
    if any(not item["applied"] and not item["blocked"] for item in outcomes):
        raise typer.Exit(1)


def _table(context: Context, rows: list[tuple[str, dict[str, Any], str]]) -> Table:
    words = context.words
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("", words.text("cli.settings.setting"), words.text("cli.settings.before"), ""):
        table.add_column(heading)
    table.add_column(words.text("cli.settings.after"))
    if any(why for _, _, why in rows):
        table.add_column("")
    for mark, item, why in rows:
        row = [mark, words.text(f"setting.{item['setting']}"), value_text(words, item["setting"], item["before"])]
        row += ["→", value_text(words, item["setting"], item["after"])]
        table.add_row(*row, *([why] if why else []))
    return table


def _why(words: Catalogue, code: str) -> str:
    if not code:
        return ""
    key = f"setting.why.{code}"
    return words.texts[key] if key in words.texts else words.error(code)[0]


def value_text(words: Catalogue, setting: str, value: str) -> str:
    """Return a setting's text as people read it; what has no better form is shown as it is."""
    written = _VALUES.get(setting.rpartition(".")[2])
    return written(words, value) if value and written is not None else value or show.NOTHING


def _rate(words: Catalogue, value: str) -> str:
    return words.text("cli.stream.fps", fps=value.replace(".", ",") if words.language == "vi" else value)


def _clock(words: Catalogue, value: str) -> str:
    mode, _, off = value.partition(" ")
    shown = words.text(f"setting.value.{mode}")
    return f"{shown} ({words.text('setting.value.off_by', seconds=off)})" if off else shown


_VALUES: dict[str, Callable[[Catalogue, str], str]] = {
    "codec": lambda _, value: CODECS.get(value, value),
    "size": lambda _, value: value.replace("x", "×"),
    "fps": _rate,
    "gop": lambda words, value: words.text("setting.value.pictures", count=value),
    "bitrate": lambda _, value: f"{int(value) // 1000} kb/s" if value.isdecimal() else value,
    "clock": _clock,
    "smart": lambda words, value: words.text(f"setting.value.{value}"),
    "audio": lambda words, value: words.text("setting.value.off" if value == "off" else "setting.value.on"),
    "label": lambda words, value: value.replace("+date", words.text("setting.value.date")),
    "mask": lambda words, value: words.text("setting.value.masks", count=value.count(";") + 1),
    "factory": lambda words, _: words.text("setting.value.random"),
}
