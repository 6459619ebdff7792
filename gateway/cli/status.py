"""`vuon tinh-trang` (`status`): the box at a glance, and the same as JSON.

Owns gathering and the table. Invariants: it asks each daemon itself, so a dead one is shown as such
instead of hiding the others; the exit status is 0 only if every daemon answers, every camera records
and every disk is usable.
"""

from __future__ import annotations

from typing import Any

import typer
from rich.table import Table

from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption, fail
from gateway.core.errors import DaemonUnavailable, VuonError

DAEMONS = ("recorder", "live", "gateway")


async def gather(context: Context) -> dict[str, Any]:
    """Return `{daemons, cameras, volumes, ok}`; an unreachable daemon has `running: false`."""
    answers: dict[str, dict[str, Any] | None] = {}
    for name in DAEMONS:
        async with context.client(name) as client:
            try:
                answers[name] = (await client.call("status")).result
            except DaemonUnavailable:
                answers[name] = None
    recorder, live = answers["recorder"], answers["live"]
    viewers: dict[str, int] = (live or {}).get("viewers", {})
    cameras = [camera | {"viewers": viewers.get(camera["id"], 0)} for camera in (recorder or {}).get("cameras", [])]
    daemons = {
        name: {"running": answer is not None, **((answer or {}).get("daemon") or {})}
        for name, answer in answers.items()
    }
    volumes = (recorder or {}).get("volumes", [])
    good = [d["running"] for d in daemons.values()] + [c["connected"] and c["recording"] for c in cameras]
    ok = all(good) and all(volume["state"] == "ok" for volume in volumes)
    return {
        "ok": ok,
        "site": context.config.site.name,
        "daemons": daemons,
        "cameras": cameras,
        "volumes": volumes,
        "conditions": (answers["gateway"] or {}).get("conditions", []),
        "upstream": (answers["gateway"] or {}).get("upstream"),
    }


def _table(context: Context, status: dict[str, Any]) -> None:
    words = context.words
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for key in ("mark", "camera", "fps", "rate", "last", "gaps", "viewers"):
        table.add_column(words.text(f"cli.status.{key}"), justify="left" if key in ("mark", "camera") else "right")
    for camera in status["cameras"]:
        good = camera["connected"] and camera["recording"]
        why = "" if good else f"  {_why(context, camera)}"
        last = camera.get("last_segment_ms")
        table.add_row(
            "✔" if good else "✘",
            camera["name"] + why,
            f"{camera['fps']:.0f}",
            f"{camera['bitrate_bps'] / 1e6:.1f}".replace(".", "," if words.language == "vi" else "."),
            _clock(context, last) if last else "-",
            str(camera["gaps_today"]),
            str(camera["viewers"] or "-"),
        )
    context.console.print(table)


def _why(context: Context, camera: dict[str, Any]) -> str:
    key = f"error.{camera.get('why')}"
    return context.words.texts.get(key) or context.words.text("cli.status.not_recording")


def _clock(context: Context, at_ms: int) -> str:
    import datetime as dt  # noqa: PLC0415 - only here
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only here

    return f"{dt.datetime.fromtimestamp(at_ms / 1000, ZoneInfo(context.config.site.timezone)):%H:%M:%S}"


def _print(context: Context, status: dict[str, Any]) -> None:
    words = context.words
    context.console.print(f"[bold]{status['site']}[/bold]")
    for name, daemon in status["daemons"].items():
        if daemon["running"]:
            memory = daemon["rss_bytes"] / (1 << 20)
            context.say(
                "cli.status.daemon",
                name=name,
                pid=daemon["pid"],
                uptime=_duration(daemon["uptime_s"]),
                memory=f"{memory:.0f}",
                version=daemon["version"],
            )
        else:
            context.console.print("✘ " + words.text("cli.status.daemon_down", name=name))
    if status["cameras"]:
        _table(context, status)
    else:
        context.say("cli.status.no_cameras")
    for volume in status["volumes"]:
        _print_volume(context, volume)
    for condition in status["conditions"]:
        context.console.print("! " + words.text(f"condition.{condition['code']}"))


def _print_volume(context: Context, volume: dict[str, Any]) -> None:
    if volume["state"] == "ok":
        total = volume["total_bytes"] or 1
        context.say("cli.status.volume", path=volume["path"], pct=round(100 - 100 * volume["free_bytes"] / total))
    else:
        title, hint = context.words.error(f"volume_{volume['state']}")
        context.console.print(f"✘ {title}: {volume['path']}\n  → {hint}", markup=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def status(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Tình trạng các camera và dịch vụ · state of cameras and daemons (status)."""
    context = Context(config, data)
    try:
        context.config  # noqa: B018 - a wrong file must fail before anything is asked
    except VuonError as error:
        fail(error)
    found = context.run(gather(context))
    if as_json:
        context.console.print_json(data=found)
    else:
        _print(context, found)
    if not found["ok"]:
        raise typer.Exit(1)
