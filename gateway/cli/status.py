"""`vuon tinh-trang` (`status`): the box at a glance, and the same as JSON.

Owns gathering and the table. Invariants: it asks each daemon itself, all at once and each for a short
while, so a dead or stuck one is shown as such instead of hiding the others; the exit status is 0 only if
every daemon answers and every camera records.
"""

from __future__ import annotations

import asyncio
from typing import Any

import typer
from rich.table import Table

from gateway.cli import show
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.core.clock import SystemClock
from gateway.core.daemonize import explain
from gateway.core.errors import VuonError, by_code

DAEMONS = ("recorder", "live", "gateway")
LIVE_FIGURES = ("open", "places", "totals", "ended", "paths", "dropped")
"""What the live daemon tells of its viewers: each open session, and sums since it began; no person."""
ASK_S = 5.0
"""A daemon that needs longer to say how it is, is not well."""
FIGURES, LEAST_NAME = 64, 16
"""Columns that the figures of a camera need, and that its name gets at the least."""


async def gather(context: Context) -> dict[str, Any]:
    """Return `{daemons, cameras, volumes, ok, ...}`; a daemon that does not answer has `running: false`."""
    found = dict(zip(DAEMONS, await asyncio.gather(*(_ask(context, name) for name in DAEMONS)), strict=True))
    recorder, live, gateway = (found[name] for name in DAEMONS)
    viewers: dict[str, int] = live.get("viewers", {})
    cameras = [camera | {"viewers": viewers.get(camera["id"], 0)} for camera in recorder.get("cameras", [])]
    daemons = {name: answer["daemon"] for name, answer in found.items()}
    ok = all(d["running"] for d in daemons.values()) and all(map(is_good, cameras))
    return {
        "ok": ok,
        "site": context.config.site.name,
        "daemons": daemons,
        "cameras": cameras,
        "volumes": recorder.get("volumes", []),
        "conditions": gateway.get("conditions", []),
        "upstream": gateway.get("upstream"),
        "lan": recorder.get("lan"),
        "live": {name: live.get(name) for name in LIVE_FIGURES},
        "transcodes": live.get("transcodes", {}),
    }


async def _ask(context: Context, name: str) -> dict[str, Any]:
    try:
        answer = await context.ask(name, "status", {}, timeout_s=ASK_S)
    except VuonError as error:
        if isinstance(error.__cause__, PermissionError):
            raise  # the daemons may be well: it is the asker who may not ask
        return {"daemon": {"running": False, "why": error.code}}
    return answer | {"daemon": {"running": True, **(answer.get("daemon") or {})}}


def is_good(camera: dict[str, Any]) -> bool:
    """Say whether a camera does what it is for."""
    return bool(camera["connected"] and camera["recording"] and not camera.get("frozen"))


def _table(context: Context, status: dict[str, Any], now_ms: int) -> Table:
    words, zone = context.words, context.config.site.timezone
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(words.text("cli.status.mark"))
    room = max(LEAST_NAME, context.console.width - FIGURES)
    table.add_column(words.text("cli.status.camera"), overflow="ellipsis", no_wrap=True, max_width=room)
    for key in ("fps", "rate", "enough", "today", "last", "viewers"):
        table.add_column(words.text(f"cli.status.{key}"), justify="right", no_wrap=True)
    for camera in status["cameras"]:
        last = camera.get("last_segment_ms")
        share = show.share_recorded(camera.get("gap_seconds_today", 0.0), now_ms, zone)
        table.add_row(
            show.GOOD if is_good(camera) else show.BAD,
            camera["name"],
            show.number(camera["fps"], words.language),
            show.number(camera["bitrate_bps"] / 1e6, words.language, 1),
            enough(camera, words.language),
            show.percent(share, words.language),
            show.clock(last, zone) if last else show.NOTHING,
            str(camera["viewers"] or show.NOTHING),
        )
    return table


def enough(camera: dict[str, Any], language: str) -> str:
    """Return how complete the footage of the school day is that runs or was last; a dash before the first."""
    percent = (camera.get("complete") or {}).get("percent")
    return show.NOTHING if percent is None else show.percent(percent / 100, language)


def why_not(context: Context, camera: dict[str, Any]) -> str:
    """Say in words what is wrong with a camera."""
    texts = context.words.texts
    if camera.get("frozen") and camera["connected"] and camera["recording"]:
        return texts["condition.camera.frozen"]
    return texts.get(f"error.{camera.get('why')}") or context.words.text("cli.status.not_recording")


def _troubles(context: Context, status: dict[str, Any]) -> list[str]:
    """Return a line for each camera that does not record, and for each other condition."""
    words = context.words
    names = {camera["id"]: camera["name"] for camera in status["cameras"]}
    bad = {camera["id"]: camera for camera in status["cameras"] if not is_good(camera)}
    lines = [f"{show.BAD} {camera['name']}: {why_not(context, camera)}" for camera in bad.values()]
    for condition in status["conditions"]:
        about = str(condition.get("subject") or "")
        if about not in bad:  # said above, and fresher
            text = words.texts.get(f"condition.{condition['code']}", condition["code"])
            lines.append(f"{show.LOOK} {names[about]}: {text}" if about in names else f"{show.LOOK} {text}")
    return lines


def _daemons(context: Context, status: dict[str, Any]) -> None:
    words = context.words
    for name, daemon in status["daemons"].items():
        if not daemon["running"]:
            key = "cli.status.daemon_other" if daemon["why"] == "wire" else "cli.status.daemon_down"
            context.line(f"{show.BAD} {words.text(key, name=name)}")
            continue
        context.say(
            "cli.status.daemon",
            name=show.pad(name, show.widest(DAEMONS)),
            pid=daemon["pid"],
            uptime=show.duration(daemon["uptime_s"]),
            memory=f"{daemon['rss_bytes'] / show.MIB:.0f}",
            version=daemon["version"],
        )


def _places(context: Context, status: dict[str, Any]) -> None:
    """Print where footage goes and how the way to the hub is."""
    words, language = context.words, context.words.language
    for volume in status["volumes"]:
        if volume["state"] != "ok":
            text = words.texts.get(f"error.volume_{volume['state']}", volume["state"])
            context.line(f"{show.BAD} {volume['path']}: {text}")
            continue
        used = 1 - volume["free_bytes"] / (volume["total_bytes"] or 1)
        free = show.number(volume["free_bytes"] / show.GIB, language, 1)
        context.say("cli.status.volume", bar=show.bar(used), pct=f"{used:.0%}", free=free, path=volume["path"])
    for line in live_lines(context, status["live"]):
        context.line(line)
    for line in lan_lines(context, status["lan"] or {}):
        context.line(line)
    for line in transcode_lines(context, status["transcodes"]):
        context.line(line)
    upstream = status["upstream"]
    if upstream and upstream["configured"]:
        key = "cli.status.hub_up" if upstream["connected"] else "cli.status.hub_down"
        context.say(key, waiting=sum(upstream["waiting"].values()))


def live_lines(context: Context, live: dict[str, Any]) -> list[str]:
    """Say how many pictures are watched (a wall of rooms is many), and what of the uplink they draw; or nothing."""
    words, places = context.words, live["places"] or {}
    if not live["open"]:
        return []
    counts = {"count": len(live["open"]), "outside": places.get("outside", 0), "waiting": places.get("waiting", 0)}
    lines = [words.text("cli.status.watching", **counts)]
    if limit := places.get("uplink_bps"):
        drawn = (places.get("uplink_drawn_bps") or 0) / 1e6
        shown = {"drawn": show.number(drawn, words.language, 1), "limit": show.number(limit / 1e6, words.language, 1)}
        lines.append(words.text("cli.status.uplink", **shown))
    return lines


def transcode_lines(context: Context, figures: dict[str, Any]) -> list[str]:
    """Say how many cameras without H.264 are transcoded, where there are any."""
    if not figures.get("processes") and not figures.get("refused"):
        return []
    key = "cli.status.transcodes_full" if figures["refused"] else "cli.status.transcodes"
    return [context.words.text(key, running=figures["processes"], most=figures["most"], refused=figures["refused"])]


def lan_lines(context: Context, lan: dict[str, Any]) -> list[str]:
    """Say what the box serves on the cameras' network, and why not where it should."""
    words, lines = context.words, []
    time, addresses = lan.get("time") or {}, lan.get("addresses") or {}
    if time.get("served"):
        lines.append(words.text("cli.status.time", addresses=", ".join(time["served"])))
    if addresses.get("serving"):
        key = "cli.status.leases_full" if addresses["full"] else "cli.status.leases"
        lines.append(words.text(key, count=addresses["leases"], interface=addresses["interface"]))
    for part in (time, addresses):
        for error in part.get("errors", []):
            kind = by_code(error["code"])(error["message"], **error["fields"])
            lines.append(explain(kind, words.language).replace(show.BAD, show.LOOK, 1))
    return lines


def _print(context: Context, status: dict[str, Any], now_ms: int) -> None:
    context.line(status["site"], style="bold")
    _daemons(context, status)
    if status["cameras"]:
        context.console.print(_table(context, status, now_ms))
    elif status["daemons"]["recorder"]["running"]:
        context.say("cli.status.no_cameras")
    for line in _troubles(context, status):
        context.line(line)
    _places(context, status)
    if not all(daemon["running"] for daemon in status["daemons"].values()):
        context.say("cli.status.start")


def status(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Tình trạng các camera và dịch vụ · state of cameras and daemons (status)."""
    context = Context(config, data)
    found = context.run(gather(context))
    if as_json:
        context.json(found)
    else:
        _print(context, found, SystemClock().now_ms())
    if not found["ok"]:
        raise typer.Exit(1)
