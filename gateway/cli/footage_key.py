"""`vuon khoa` (`key`): who can open what was recorded, from the terminal of the box.

Owns these commands. Invariants: a passphrase or sheet is asked for without echo, travels as the blob of one call and is
never an argument; each act goes through the gateway, which writes the audit row; a recovery sheet's private half is
made here, is in the file that is to be printed and nowhere else; a new passphrase is typed twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway.cli import show
from gateway.cli.asking import hidden
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.cli.credential import CREDSTORE, SYSTEMD_CREDS, check_unit, seal_credential
from gateway.cli.footage import check_place
from gateway.cli.recovery_sheet import RecoverySheet
from gateway.core.clock import SystemClock
from gateway.core.errors import BadInput
from gateway.core.files import write_whole
from gateway.core.i18n import catalogue
from gateway.core.keysheet import LINES, RecoveryKey, check_line
from recorder.keyplace import shred

ACT_S = 90.0
PRIVATE = 0o600
SCANNED_CHARS = 20
"""A typed line has 12 characters with its spaces; the scanned code is the whole sheet."""
Secrets = dict[str, str]


async def _act(context: Context, act: str, secrets: Secrets, params: dict[str, Any] | None = None) -> dict[str, Any]:
    blob = json.dumps(secrets).encode() if secrets else b""
    async with context.client("gateway") as client:
        return (await client.call(f"key.{act}", params or {}, blob, timeout_s=ACT_S)).result


def _hidden(context: Context, key: str) -> str:
    return hidden(context, key)


def _twice(context: Context) -> str:
    new = _hidden(context, "cli.key.ask_new")
    if _hidden(context, "cli.key.ask_again") != new:
        raise BadInput("the two entries differ", case="two_alike", key="passphrase")
    return new


def _state(context: Context) -> dict[str, Any]:
    return context.run(context.ask("gateway", "key.status", {}))


def _proof(context: Context, state: dict[str, Any], key: str = "cli.key.ask_old") -> Secrets:
    """Ask for the passphrase where there is one."""
    return {"passphrase": _hidden(context, key)} if state.get("passphrase_set") else {}


def status(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Khóa hình nằm ở đâu, đang mở hay khóa, ai mở được · where the footage key lies, who can open (status)."""
    context = Context(config, data)
    state = _state(context)
    if as_json:
        context.json(state)
        return
    if not state["encrypted"]:
        context.say("cli.key.off")
        return
    context.say("cli.key.unlocked" if state["unlocked"] else "cli.key.locked")
    context.say(f"cli.key.place.{state['place']}")
    context.say(f"cli.key.thief.{_thief_disk(state)}")
    context.say(f"cli.key.thief.{state['place']}")
    if state["mode"] == "passphrase" and not state["passphrase_set"]:
        context.say("cli.key.unset")
    made = {item["place"]: item["since_ms"] for item in state["holders"]}
    free = [place for place in (1, 2) if place not in made]
    if free:
        context.say("cli.key.holders", count=len(made), place=free[0])
    else:
        context.say("cli.key.holders_full")
    for place in sorted(made):
        context.say("cli.key.holder", place=place, day=show.day(made[place], context.config.site.timezone))
    say_left_sealed(context, state)


def _thief_disk(state: Mapping[str, Any]) -> str:
    """Return which text says what the footage disk alone is worth: a key that opens by itself may lie on it."""
    on_disk = state["place"] in {"file", "host"} and state["disk"] != "apart"
    return f"disk_{state['disk']}" if on_disk else "disk"


def say_left_sealed(context: Context, state: Mapping[str, Any]) -> None:
    """Name the systemd credentials that still hold a key which is out of use: only root can remove them."""
    for name in state.get("left_sealed", ()):
        context.say("cli.key.left_sealed", path=CREDSTORE / name)


def unlock(config: ConfigOption = None, data: DataOption = None) -> None:
    """Mở hình đã ghi bằng mật khẩu · open the recordings with the passphrase (unlock)."""
    context = Context(config, data)
    if _state(context).get("unlocked"):
        context.say("cli.key.unlocked")
        return
    context.run(_act(context, "unlock", {"passphrase": _hidden(context, "cli.key.ask")}))
    context.say("cli.key.done.unlock")


def lock(config: ConfigOption = None, data: DataOption = None) -> None:
    """Khóa lại hình đã ghi; vẫn ghi bình thường · lock the recordings, recording goes on (lock)."""
    context = Context(config, data)
    context.run(_act(context, "lock", {}))
    context.say("cli.key.done.lock")


def passphrase(config: ConfigOption = None, data: DataOption = None) -> None:
    """Đặt hoặc đổi mật khẩu mở hình · set or change the passphrase (passphrase)."""
    context = Context(config, data)
    secrets = _proof(context, _state(context))
    context.run(_act(context, "passphrase", secrets | {"new": _twice(context)}))
    context.say("cli.key.done.passphrase" if secrets else "cli.key.done.passphrase_first")
    context.say("cli.key.warn")


def rotate(config: ConfigOption = None, data: DataOption = None) -> None:
    """Đổi khóa của trường; hình cũ vẫn mở được · a new school key, earlier recordings stay readable (rotate)."""
    context = Context(config, data)
    context.run(_act(context, "rotate", _proof(context, _state(context), "cli.key.ask")))
    context.say("cli.key.done.rotate")


def handover(
    by_sheet: Annotated[
        bool, typer.Option("--to-khoi-phuc", "--sheet", help="Dùng tờ khôi phục thay mật khẩu cũ · by a recovery sheet")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Bàn giao cho hiệu trưởng mới: mật khẩu mới, mật khẩu cũ hết hiệu lực · to a new principal (handover)."""
    context = Context(config, data)
    secrets = {"sheet": _typed_sheet(context)} if by_sheet else {"passphrase": _hidden(context, "cli.key.ask_old")}
    context.run(_act(context, "handover", secrets | {"new": _twice(context)}))
    context.say("cli.key.done.handover")
    context.say("cli.key.warn")


def holder(
    place: Annotated[int, typer.Argument(min=1, max=2, help="Tờ số 1 hay 2 · which of the two sheets")],
    out: Annotated[Path | None, typer.Option("--ra", "-o", "--out", help="Tệp HTML để in · file to print")] = None,
    language: Annotated[
        Literal["vi", "en"] | None, typer.Option("--lang", help="Ngôn ngữ của tờ giấy · language of the sheet")
    ] = None,
    over: Annotated[bool, typer.Option("--ghi-de", "--force", help="Ghi đè tệp đã có · overwrite")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Lập hoặc thay tờ khôi phục của một người giữ; chỉ in ra một lần · a recovery sheet, printed once (holder)."""
    context = Context(config, data)
    target = out or Path(f"to-khoi-phuc-{place}.html")
    check_place(target, over=over)
    state = _state(context)
    replaced = any(item["place"] == place for item in state.get("holders", ()))
    secrets = _proof(context, state, "cli.key.ask")
    private = X25519PrivateKey.generate()
    words = catalogue(language) if language else context.words
    sheet = RecoverySheet(RecoveryKey(place, private.private_bytes_raw()), context.config.site, SystemClock().now_ms())
    write_whole(target, sheet.html(words).encode(), PRIVATE)  # first: a key that is on no paper must not be taken
    params = {"place": place, "public": private.public_key().public_bytes_raw().hex()}
    done = False
    try:
        context.run(_act(context, "holder", secrets, params))
        done = True
    finally:
        if not done:  # a sheet that opens nothing would be believed
            shred(target)
    context.say("cli.key.done.holder", place=place, path=target)
    if replaced:
        context.say("cli.key.replaced", place=place)
    context.say("cli.key.warn")


def _typed_sheet(context: Context) -> str:
    """Ask for the seven lines, a mistyped one again at once; a scanned code in the first line is all of it."""
    lines: list[str] = []
    while len(lines) < LINES:
        number = len(lines) + 1
        line = hidden(context, "cli.key.ask_sheet", line=number)
        if number == 1 and len(line) > SCANNED_CHARS:
            return line
        try:
            check_line(number, line)
        except BadInput:
            typer.echo(context.words.text("case.sheet_line", line=number), err=True)
        else:
            lines.append(line)
    return "\n".join(lines)


def recover(config: ConfigOption = None, data: DataOption = None) -> None:
    """Mở hình bằng tờ khôi phục, rồi đặt mật khẩu mới · unlock by a recovery sheet, then a new passphrase (recover)."""
    context = Context(config, data)
    sheet = _typed_sheet(context)
    context.run(_act(context, "unlock", {"sheet": sheet}))
    context.say("cli.key.done.unlock")
    if _state(context).get("passphrase_set"):
        context.run(_act(context, "passphrase", {"sheet": sheet, "new": _twice(context)}))
        context.say("cli.key.done.passphrase")


def seal(config: ConfigOption = None, data: DataOption = None) -> None:
    """Niêm phong khóa vào chip TPM hoặc systemd (chạy bằng root) · seal the key to TPM or systemd (seal)."""
    context = Context(config, data)
    recorder = context.run(context.ask("recorder", "status", {}))["daemon"]
    check_unit(int(recorder["pid"]))
    place = seal_credential(context.config.paths.keys / "footage.key", SYSTEMD_CREDS)
    context.say(f"cli.key.sealed.{place}")
