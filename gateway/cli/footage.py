"""`vuon doan`, `trich-xuat`, `reindex`, `luu-tru`: footage from the terminal of the box.

Owns these commands. Invariants: what is written is complete or not there (written beside, then renamed);
an export goes through the gateway, which decides, writes the audit row and hands the recorder a grant.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from gateway.cli.cameras import camera_id
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.core.errors import BadInput

CameraArgument = Annotated[str | None, typer.Option("--camera", help="Tên hoặc mã camera · name or id")]


def parse_time(text: str, zone: str) -> int:
    """Return UTC ms of `YYYY-MM-DDTHH:MM[:SS]` in the site's zone (an explicit offset wins)."""
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{text!r} is no time; write 2026-11-21T10:15:00", key="time") from error
    return int((when if when.tzinfo else when.replace(tzinfo=ZoneInfo(zone))).timestamp() * 1000)


async def _segments(context: Context, camera: str | None) -> list[dict[str, Any]]:
    async with context.client("recorder") as client:
        cameras = (await client.call("camera.list")).result["cameras"]
        wanted = [await camera_id(context, camera)] if camera else [str(item["id"]) for item in cameras]
        found: list[dict[str, Any]] = []
        for chosen in wanted:
            found.extend((await client.call("segments", {"camera": chosen, "closed_only": True})).result["segments"])
    return sorted(found, key=lambda row: (row["camera"], row["stream"], row["start_ms"]))


def segments(
    camera: CameraArgument = None, config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Liệt kê các đoạn hình đã đóng · list closed segments (segments)."""
    context = Context(config, data)
    found = context.run(_segments(context, camera))
    if as_json:
        context.console.print_json(data={"segments": found})
        return
    zone = ZoneInfo(context.config.site.timezone)
    for row in found:
        at = dt.datetime.fromtimestamp(row["start_ms"] / 1000, zone)
        seconds, mebibytes = row["duration_ms"] / 1000, row["bytes"] / (1 << 20)
        context.console.print(
            f"{at:%Y-%m-%d %H:%M:%S}  {seconds:6.1f} s  {mebibytes:6.1f} MiB  {row['stream']:<4}  {row['path']}",
            soft_wrap=True,
        )


async def _export(context: Context, params: dict[str, Any], target: Path) -> int:
    part, size = target.with_name(target.name + ".part"), 0
    async with context.client("gateway") as client:
        try:
            with part.open("wb") as out:
                async for chunk in client.stream("export", params):
                    size += out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            if size == 0:
                raise BadInput(context.words.text("cli.export.empty"), key="time")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return size


async def _export_params(
    context: Context, segment: str | None, camera: str | None, start: str | None, end: str | None, stream: str
) -> dict[str, Any]:
    if segment is not None:
        return {"segment": segment}
    if camera is None or start is None or end is None:
        raise BadInput(context.words.text("cli.export.usage"), key="camera")
    zone = context.config.site.timezone
    span = {"from_ms": parse_time(start, zone), "to_ms": parse_time(end, zone)}
    return {"camera": await camera_id(context, camera), "stream": stream, **span}


def export(
    segment: Annotated[
        str | None, typer.Argument(help="Đoạn hình (đường dẫn từ `vuon doan`) · a segment's path")
    ] = None,
    camera: CameraArgument = None,
    start: Annotated[str | None, typer.Option("--tu", "--from", help="Từ lúc · from, 2026-11-21T10:15:00")] = None,
    end: Annotated[str | None, typer.Option("--den", "--to", help="Đến lúc · to")] = None,
    stream: Annotated[str, typer.Option(help="main | sub")] = "main",
    out: Annotated[Path, typer.Option("--ra", "-o", "--out", help="Tệp MP4 · file to write")] = Path("trich-xuat.mp4"),
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Trích xuất hình thành MP4, có ghi nhật ký · write footage as MP4, audited (export)."""
    context = Context(config, data)

    async def work() -> int:
        return await _export(context, await _export_params(context, segment, camera, start, end, stream), out)

    size = context.run(work())
    context.say("cli.export.done", path=out, size=f"{size / (1 << 20):.1f}")


async def _call(context: Context, daemon: str, method: str, params: dict[str, Any]) -> dict[str, Any]:
    async with context.client(daemon) as client:
        return (await client.call(method, params, timeout_s=3600)).result


def reindex(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Dựng lại chỉ mục từ các tệp hình · rebuild the index from the files (reindex)."""
    context = Context(config, data)
    result = context.run(_call(context, "recorder", "reindex", {}))
    if as_json:
        context.console.print_json(data=result)
    else:
        counts = {key: result[key] for key in ("segments", "files", "added", "removed")}
        context.say("cli.reindex.done", damaged=len(result["damaged"]), **counts)


def retention(
    dry_run: Annotated[bool, typer.Option("--chay-thu", "--dry-run", help="Chỉ nói, không xóa · only tell")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Xóa hình quá hạn lưu ngay bây giờ · apply retention now (retention)."""
    context = Context(config, data)
    result = context.run(_call(context, "recorder", "retention", {"dry_run": dry_run}))
    if as_json:
        context.console.print_json(data=result)
        return
    key = "cli.retention.would" if dry_run else "cli.retention.did"
    context.say(key, count=len(result["plan"]), size=f"{result['bytes'] / (1 << 20):.0f}")
