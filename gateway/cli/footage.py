"""`vuon doan`, `trich-xuat`, `reindex`: footage from the terminal of the box.

Owns these commands. Invariants: what is written is complete or not there (written beside, then renamed),
readable by its owner only, and never over an older file unless that is asked for; an export goes through
the gateway, which decides, writes the audit row, reports it and hands the recorder a grant.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
from collections.abc import AsyncGenerator, Mapping
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo

import typer

from gateway.cli import show
from gateway.cli.cameras import camera_id
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.cli.verify import verify_copy
from gateway.core.errors import BadInput

LONG_S = 3600.0
"""Reading every file of a full disk takes a while."""

CameraOption = Annotated[str | None, typer.Option("--camera", help="Tên hoặc mã camera · name or id")]


class StreamName(StrEnum):
    """Which encoding of the camera."""

    MAIN = "main"
    SUB = "sub"


def parse_time(text: str, zone: str, today: dt.date | None = None) -> int:
    """Return UTC ms of `YYYY-MM-DDTHH:MM[:SS]` in the site's zone (an explicit offset wins); BadInput.

    A time without a date is `today`'s, where the command says which day that is.
    """
    try:
        said = text.strip()
        alone = today is not None and _TIME_ALONE.fullmatch(said)
        when = dt.datetime.fromisoformat(f"{today}T{said:0>5}" if alone else said)
        return round((when if when.tzinfo else when.replace(tzinfo=ZoneInfo(zone))).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise BadInput(
            f"{text!r} is no time; write 2026-11-21T10:15:00", case="time", key="time", value=text
        ) from error


_TIME_ALONE = re.compile(r"[0-9]{1,2}:[0-9]{2}")


async def _segments(context: Context, camera: str | None) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return closed segments in order, and the cameras' names."""
    async with context.client("recorder") as client:
        cameras = (await client.call("camera.list")).result["cameras"]
        names = {str(item["id"]): str(item["name"]) for item in cameras}
        wanted = [await camera_id(context, camera)] if camera else list(names)
        found: list[dict[str, Any]] = []
        for chosen in wanted:
            page: dict[str, Any] = {}
            while not page or "next" in page:
                after = {"after": page["next"]} if page else {}
                page = (await client.call("segments", {"camera": chosen, "closed_only": True, **after})).result
                found.extend(page["segments"])
    return sorted(found, key=lambda row: (row["camera"], row["stream"], row["start_ms"])), names


def segments(
    camera: CameraOption = None, config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Liệt kê các đoạn hình đã đóng · list closed segments (segments)."""
    context = Context(config, data)
    found, names = context.run(_segments(context, camera))
    if as_json:
        context.json({"segments": found})
    elif found:
        _list(context, found, names)
    else:
        context.say("cli.segments.none")


def _list(context: Context, found: list[dict[str, Any]], names: Mapping[str, str]) -> None:
    """Print segments under a head of camera, stream and day: each line fits 80 columns with its path whole."""
    zone, words = context.config.site.timezone, context.words
    for head, rows in groupby(found, lambda row: (row["camera"], row["stream"], show.day(row["start_ms"], zone))):
        stream = words.text(f"cli.stream.{head[1]}")
        context.line(f"{names.get(head[0], head[0])} · {stream} · {head[2]}", style="bold")
        for row in rows:
            seconds = show.number(row["duration_ms"] / 1000, words.language, 1)
            size = show.number(row["bytes"] / show.MIB, words.language, 1)
            at = show.clock(row["start_ms"], zone)
            context.console.print(f"  {at}  {seconds:>6} s  {size:>6} MiB  {row['path']}", soft_wrap=True)
    context.say("cli.next", cmd=f"vuon trich-xuat {found[-1]['path']}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


async def _export(context: Context, params: dict[str, Any], target: Path) -> int:
    part, size = target.with_name(target.name + ".part"), 0
    async with context.client("gateway") as client:
        stream = cast("AsyncGenerator[bytes, None]", client.stream("export", params))
        try:
            async with contextlib.aclosing(stream) as chunks:
                with open(part, "wb", opener=_private) as out:  # noqa: ASYNC230 - one file, and its mode
                    async for chunk in chunks:
                        size += out.write(chunk)
                    out.flush()
                    os.fsync(out.fileno())
            if size == 0:
                raise BadInput("there is no footage in this span", case="empty", key="time")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return size


async def _export_params(
    context: Context, segment: str | None, camera: str | None, start: str | None, end: str | None, stream: str
) -> dict[str, Any]:
    if segment is not None and (camera, start, end) == (None, None, None):
        return {"segment": segment}
    if segment is not None or camera is None or start is None or end is None:
        raise BadInput("name a segment, or a camera and a span", case="export", key="camera")
    zone = context.config.site.timezone
    span = {"from_ms": parse_time(start, zone), "to_ms": parse_time(end, zone)}
    if span["from_ms"] >= span["to_ms"]:
        raise BadInput(f"{start} is not before {end}", case="span", key="to_ms", start=start, end=end)
    return {"camera": await camera_id(context, camera), "stream": stream, **span}


async def _parts(context: Context, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a span; its export holds the first. A segment has one."""
    if "segment" in params:
        return []
    return list((await context.ask("recorder", "export.plan", params))["parts"])


def _say_rest(context: Context, params: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    """Say what of the span is not in the file, and how to get it: nobody may think that it is everything."""
    zone = context.config.site.timezone
    if len(parts) > 1:
        context.say("cli.export.part", count=len(parts), at=show.clock(parts[0]["end_ms"], zone))
    for part in parts[1:]:
        start, end = (_iso(part[key], zone) for key in ("start_ms", "end_ms"))
        camera, stream = params["camera"], params["stream"]
        cmd = f"vuon trich-xuat --camera {camera} --stream {stream} --tu {start} --den {end} --ra FILE.mp4"
        context.console.print(f"  {cmd}", soft_wrap=True, highlight=False)


def _iso(at_ms: int, zone: str) -> str:
    """Return a time as `parse_time` reads it, to the millisecond."""
    at = dt.datetime.fromtimestamp(at_ms // 1000, ZoneInfo(zone)).replace(microsecond=at_ms % 1000 * 1000)
    return at.isoformat(timespec="milliseconds")


def check_place(target: Path, *, over: bool, case: str = "exists") -> None:
    """Raise BadInput unless a file may be written there; `case` is the remedy for one that is there already."""
    if target.is_dir() or not target.absolute().parent.is_dir():
        raise BadInput(f"{target} is no place for a file", case="place", path=str(target))
    if target.exists() and not over:
        raise BadInput(f"{target} exists", case=case, path=str(target))


def export(  # noqa: PLR0913, PLR0917 - one argument for each option
    segment: Annotated[
        str | None, typer.Argument(help="Đoạn hình (đường dẫn từ `vuon doan`) · a segment's path")
    ] = None,
    camera: CameraOption = None,
    start: Annotated[str | None, typer.Option("--tu", "--from", help="Từ lúc · from, 2026-11-21T10:15:00")] = None,
    end: Annotated[str | None, typer.Option("--den", "--to", help="Đến lúc · to")] = None,
    stream: Annotated[StreamName, typer.Option(help="Luồng chính hay phụ · encoding")] = StreamName.MAIN,
    out: Annotated[Path, typer.Option("--ra", "-o", "--out", help="Tệp MP4 · file to write")] = Path("trich-xuat.mp4"),
    over: Annotated[bool, typer.Option("--ghi-de", "--force", help="Ghi đè tệp đã có · overwrite")] = False,
    check: Annotated[
        Path | None, typer.Option("--xac-minh", "--verify", help="Kiểm tra thư mục trích xuất · check a copy's folder")
    ] = None,
    mark: Annotated[
        str, typer.Option("--dau", "--fingerprint", help="Dấu khóa in trên phiếu · the printed mark of the box's key")
    ] = "",
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Trích xuất hình thành MP4; được ghi nhật ký và báo cấp trên · footage as MP4, audited and reported (export).

    Mỗi lần trích xuất tại hộp được ghi vào nhật ký mà gia đình xem được, và được báo lên cấp trên ·
    each export at the box is written into the audit, which families can see, and reported to the authority.
    """
    if check is not None:
        verify_copy(check, mark)
        return
    context = Context(config, data)
    check_place(out, over=over)

    async def work() -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
        params = await _export_params(context, segment, camera, start, end, stream.value)
        parts = await _parts(context, params)
        return await _export(context, params, out), params, parts

    size, params, parts = context.run(work())
    context.say("cli.export.done", path=out, size=show.number(size / show.MIB, context.words.language, 1))
    _say_rest(context, params, parts)
    context.say("cli.export.told")


def reindex(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Dựng lại chỉ mục từ các tệp hình · rebuild the index from the files (reindex)."""
    context = Context(config, data)
    result = context.run(context.ask("recorder", "reindex", {}, timeout_s=LONG_S))
    if as_json:
        context.json(result)
    else:
        counts = {key: result[key] for key in ("segments", "files", "added", "removed")}
        context.say("cli.reindex.done", damaged=len(result["damaged"]), **counts)
        if result["closed"]:
            context.say("cli.reindex.closed", count=result["closed"])
