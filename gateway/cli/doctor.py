"""`vuon kiem-tra` (`doctor`): what is wrong with the cameras and the network, why, and what puts it right.

Owns the order of an examination and its words; the recorder measures and judges. Invariants: cameras are examined
side by side but few at a time; what could not be known is listed as such and never counted as well; the exit
status is 0 without faults, 1 with some, 2 when it could not run to its end; `--sua-loi` changes only what faults
name, through `camera.apply`, and looks again before it says that something is fixed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from gateway.cli import show
from gateway.cli.camera_settings import can_go_back
from gateway.cli.cameras import camera_id
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.core.errors import BadInput, VuonError
from gateway.core.typed import quoted
from gateway.health import livefaults

AT_ONCE = 8
LOOK_S = 180.0
"""Fifteen calls, one a second, behind a line of others and a camera that needs five seconds for each."""
FIX_S = 600.0
MORE_LOOKS, PAUSE_S = 8, 1.0
"""After a fix: a camera that starts its streams anew is away for a while, and needs some key frames then."""
WHO = "vuon kiem-tra --sua-loi"
COULD_NOT_RUN = 2
GONE = "not_answering"
_BEYOND = {
    **dict.fromkeys(("clock_skew", "no_ntp"), "cli.doctor.beyond_time"),
    **dict.fromkeys(("h265_main", "h265_sub"), "cli.doctor.beyond_codec"),
}
"""What is said where the box cannot set what a fault names: time is beyond it only while it has no server to name, the
codec of cameras whose settings belong to their maker's app."""
MARKS = {"red": show.BAD, "yellow": show.LOOK}
Row = dict[str, Any]


async def _cameras(context: Context, chosen: str | None) -> list[tuple[str, str]]:
    rows = (await context.ask("recorder", "camera.list", {}))["cameras"]
    wanted = None if chosen is None else await camera_id(context, chosen)
    return [(row["id"], row["name"]) for row in rows if wanted in (None, row["id"])]


async def examine(context: Context, cameras: Sequence[tuple[str, str]], *, fresh: bool = False) -> list[Row]:
    """Let the recorder examine each camera; one that cannot be examined has `error` in place of its faults."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(camera: str, name: str) -> Row:
        async with places:
            try:
                params = {"camera": camera, "fresh": fresh}
                return await context.ask("recorder", "doctor.camera", params, timeout_s=LOOK_S)
            except VuonError as error:
                return {"camera": camera, "name": name, "error": error.code, "faults": [], "unknown": [], "fine": []}

    return list(await asyncio.gather(*(one(camera, name) for camera, name in cameras)))


async def _box(context: Context) -> Row:
    return await context.ask("recorder", "doctor.box", {}, timeout_s=LOOK_S)


async def _live(context: Context) -> Row:
    """Look at live video; a daemon that does not answer leaves all of it unknown (that it is down, the status says)."""
    try:
        return livefaults.examine(await context.ask("live", "status", {}))
    except VuonError as error:
        if isinstance(error.__cause__, PermissionError):
            raise
        return livefaults.examine(None)


def keys_of(row: Row) -> list[str]:
    """Return the settings that put a camera's faults right, each once, in the faults' order."""
    return list(dict.fromkeys(key for fault in row["faults"] for key in fault["keys"]))


async def _apply(context: Context, row: Row) -> Row:
    """Apply what puts a camera right; returns the recorder's answer, or `{failure: code}`."""
    keys = keys_of(row)
    params = {"camera": row["camera"], "settings": keys, "who": WHO}
    try:
        return await context.ask("recorder", "camera.apply", params, timeout_s=FIX_S)
    except VuonError as error:
        return {"failure": error.code}


async def _repaired(context: Context, first: Row) -> Row:
    """Fix a camera and look until it is known whether that helped: its second row, with what became of the first."""
    done = await _apply(context, first)
    tried = [fault["code"] for fault in first["faults"] if fault["keys"]]
    (row,) = await examine(context, [(first["camera"], first["name"])], fresh=True)
    for _ in range(MORE_LOOKS):
        if "error" in row or not _is_settling(first, row, tried):
            break
        await asyncio.sleep(PAUSE_S)
        (row,) = await examine(context, [(first["camera"], first["name"])])
    fixed = [code for code in tried if code in row["fine"]]
    kept = {key: done[key] for key in ("outcomes", "factory_login", "failure") if key in done}
    return row | kept | {"fixed": fixed, "left": [code for code in tried if code not in fixed]}


def _is_settling(first: Row, row: Row, tried: Sequence[str]) -> bool:
    """Say whether a camera is away since it was fixed, or has not shown yet what became of it."""
    away = GONE in {fault["code"] for fault in row["faults"]} - {fault["code"] for fault in first["faults"]}
    return away or not set(tried).isdisjoint(row["unknown"])


async def repair(context: Context, rows: Sequence[Row]) -> list[Row]:
    """Fix what can be fixed, a few cameras side by side; what has nothing to fix stays as it is."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(row: Row) -> Row:
        async with places:
            return await _repaired(context, row) if keys_of(row) else row

    return list(await asyncio.gather(*map(one, rows)))


async def _everything(context: Context, chosen: str | None, *, fix: bool) -> Row:
    cameras = await _cameras(context, chosen)
    box: Row | None = None
    live: Row | None = None
    rows: list[Row]
    if chosen is None:
        box, live, rows = await asyncio.gather(_box(context), _live(context), examine(context, cameras))
    else:
        rows = await examine(context, cameras)
    if fix:
        rows = await repair(context, rows)
    return {"cameras": rows, "box": box, "live": live}


def filled(context: Context, text: str, figures: Mapping[str, str | float]) -> str:
    """Return a fault's text with its figures, numbers as the reader writes them."""

    def written(value: str | float) -> str:
        if isinstance(value, str):
            return value
        return show.number(value, context.words.language, 0 if value == int(value) else 1)

    return text.format(**{name: written(value) for name, value in figures.items()})


def _print(context: Context, title: str, row: Row) -> None:
    words = context.words
    context.line(title, style="bold")
    if "error" in row:
        context.line(f"  {show.BAD} " + words.text("cli.doctor.not_examined", why=words.error(row["error"])[0]))
        return
    for fault in row["faults"]:
        key = f"fault.{fault['code']}"
        context.line(f"  {MARKS[fault['severity']]} " + filled(context, words.texts[key], fault["figures"]))
        context.line("      " + words.texts[f"{key}.why"])
        context.line("      " + words.texts[f"{key}.do"])
        context.line("      " + (fault["command"] or _beyond(context, fault["code"])))
    if row.get("fixed"):
        context.line(f"  {show.GOOD} " + words.text("cli.doctor.fixed", what=_topics(context, row["fixed"])))
    if row.get("left"):
        context.line(f"  {show.BAD} " + words.text("cli.doctor.not_fixed", what=_topics(context, row["left"])))
    if row.get("failure"):
        context.line(f"      {words.error(row['failure'])[0]}")
    if login := row.get("factory_login"):
        context.line(
            f"  {show.LOOK} " + words.text("cli.doctor.factory", user=login["username"], password=login["password"])
        )
    if row["fine"]:
        context.line(f"  {show.GOOD} " + words.text("cli.doctor.well", count=len(row["fine"])))
    if row["unknown"]:
        context.line("  ? " + words.text("cli.doctor.unknown", what=_topics(context, row["unknown"])))


def _beyond(context: Context, code: str) -> str:
    """Return what is left to do where the box cannot set what a fault names."""
    return context.words.text(_BEYOND.get(code, "cli.doctor.beyond"))


def _topics(context: Context, codes: Sequence[str]) -> str:
    return ", ".join(context.words.text(f"fault.{code}.topic") for code in codes)


def _sum(context: Context, chosen: str | None, rows: Sequence[Row]) -> None:
    faults = [fault for row in rows for fault in row["faults"]]
    unknown = sum(len(row["unknown"]) for row in rows)
    if not faults:
        context.say("cli.doctor.none", unknown=unknown)
        return
    red = sum(fault["severity"] == "red" for fault in faults)
    fixable = sum(fault["fixable"] for fault in faults)
    context.say("cli.doctor.total", red=red, yellow=len(faults) - red, unknown=unknown, fixable=fixable)
    if fixable:
        context.say("cli.next", cmd=" ".join(["vuon kiem-tra", *([quoted(chosen)] if chosen else []), "--sua-loi"]))


@contextlib.contextmanager
def _or_two() -> Iterator[None]:
    """Turn the exit status of an explained error into "could not run"."""
    try:
        yield
    except typer.Exit as ended:
        raise typer.Exit(COULD_NOT_RUN) from ended


async def _note(context: Context, camera: str | None, what: Mapping[str, object]) -> None:
    if camera is None:
        raise BadInput("a note needs a camera", case="which_camera", key="camera")
    await context.ask("recorder", "doctor.note", {"camera": await camera_id(context, camera), **what})


def doctor(
    camera: Annotated[str | None, typer.Argument(help="Tên hoặc mã camera, bỏ trống = tất cả · name or id")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
    fix: Annotated[bool, typer.Option("--sua-loi", "--fix", help="Sửa điều sửa được · fix what can be fixed")] = False,
    qcvn: Annotated[str | None, typer.Option(help="Nhập số chứng nhận hợp quy · certificate of conformity")] = None,
    needs_mask: Annotated[
        bool | None, typer.Option("--can-che/--khong-can-che", help="Phải che một phần hình · needs a mask or not")
    ] = None,
    approve: Annotated[bool, typer.Option("--duyet-hinh", help="Duyệt hướng hình hiện tại · approve the view")] = False,
) -> None:
    """Khám camera và mạng: lỗi gì, vì sao, sửa thế nào · what is wrong, why, what to do (doctor)."""
    context = Context(config, data)
    notes = {"qcvn": qcvn, "needs_mask": needs_mask, "approve": approve or None}
    given = {key: value for key, value in notes.items() if value is not None}
    with _or_two():
        if given:
            context.run(_note(context, camera, given))
            context.say("cli.doctor.noted", name=camera or "")
            return
        with context.waiting("cli.doctor.running"):
            found = context.run(_everything(context, camera, fix=fix))
    rows = [row for row in (found["box"], found["live"], *found["cameras"]) if row is not None]
    faults, failed = any(row["faults"] for row in rows), any("error" in row for row in rows)
    if as_json:
        context.json(found | {"ok": not (faults or failed)})
    else:
        if found["box"] is not None:
            _print(context, context.words.text("cli.doctor.box"), found["box"])
            _print(context, context.words.text("cli.doctor.live"), found["live"])
        for row in found["cameras"]:
            _print(context, row["name"], row)
        _sum(context, camera, rows)
        for row in rows:
            if can_go_back(row.get("outcomes", ())):
                context.say("cli.doctor.undo", cmd=f"vuon cai-dat-camera {quoted(row['name'])} --hoan-tac")
    if failed or faults:
        raise typer.Exit(COULD_NOT_RUN if failed else 1)
