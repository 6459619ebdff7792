"""The search of `vuon tim`: what is asked first, what is shown meanwhile, what comes next.

Owns the order to the recorder and the words for its steps. Invariants: hosts are asked one by one only
after the ranges were named and somebody agreed (`--dong-y` for scripts); a command that is suggested names
only addresses, ports and interfaces, never a text a device sent.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from ipaddress import IPv4Address
from typing import Any, cast

import typer

from gateway.cli import show
from gateway.cli.asking import agrees
from gateway.cli.context import Context
from gateway.core.errors import BadInput
from gateway.core.i18n import Catalogue

WEB_PORT = 80
"""Where ONVIF answers unless a camera says otherwise."""
RTSP_PORTS = (554, 8554)
"""Tried by adoption without being named."""
FACTORY_PREFIX = "192.168.1."
"""What a temporary address reaches."""


def agreed_ranges(context: Context, *, yes: bool) -> list[str]:
    """Return the networks whose hosts may be asked one by one; names them and asks, unless `yes`.

    Raises BadInput when nobody is there to agree, and typer.Exit when the answer is no.
    """
    ranges = context.run(context.ask("recorder", "discover.ranges", {}))["ranges"]
    if not yes and ranges:
        shown = ", ".join(f"{item['interface']} {item['network']} ({item['hosts']})" for item in ranges)
        if not is_a_terminal():
            raise BadInput("nobody is there to agree", case="search_agree", key="sweep", ranges=shown)
        if not agrees(context, "cli.discover.agree", ranges=shown):
            typer.echo(context.words.text("cli.discover.not_agreed"), err=True)
            raise typer.Exit(1)
    return [item["network"] for item in ranges]


def is_a_terminal() -> bool:
    """Say whether a person can answer."""
    return sys.stdin.isatty()


async def search(context: Context, order: Mapping[str, Any]) -> dict[str, Any]:
    """Search and return the recorder's result; on a terminal the step is shown while it lasts."""
    result: dict[str, Any] = {"found": []}
    with context.waiting("cli.discover.running") as shown:
        async with context.client("recorder") as client:
            stream = cast("AsyncGenerator[bytes, None]", client.stream("discover.run", order))
            async with aclosing(stream) as chunks:
                async for chunk in chunks:
                    item = json.loads(chunk)
                    if "step" in item:
                        shown(step_text(context.words, item["step"]))
                    else:
                        result = item
    return result


def step_name(words: Catalogue, step: str) -> str:
    """Return what a step is called; vendors' steps are called as they are."""
    key = f"cli.discover.by.{step}"
    return words.text(key) if key in words.texts else step


def step_text(words: Catalogue, step: Mapping[str, Any]) -> str:
    """Return one step as people read it: name, interface, range, and how far it is if that is counted."""
    parts = [step_name(words, str(step["step"])), str(step["interface"]), str(step["network"])]
    if step.get("every"):
        parts.append(show.percent(min(1.0, step["done"] / step["every"]), words.language))
    return "  ".join(parts)


def show_steps(context: Context, result: Mapping[str, Any]) -> None:
    """Print where was searched and how, and which step failed."""
    words = context.words
    where: dict[str, list[str]] = {}
    for step in result.get("steps", []):
        name = step_name(words, str(step["step"]))
        where.setdefault(name, []).append(f"{step['interface']} {step['network']}")
    for name, ranges in where.items():
        context.line(f"{show.GOOD} {show.pad(name, show.widest(where))}  {', '.join(ranges)}")
    for item in result.get("failed", []):
        title, hint = words.error(str(item["code"]))
        context.line(f"{show.BAD} {step_name(words, str(item['step']))}: {title}. {hint}")
    if result.get("dropped"):
        context.say("cli.discover.dropped", count=result["dropped"])


def next_command(item: Mapping[str, Any]) -> str:
    """Return what to type next for a found device; "" when there is nothing, or no command for it."""
    address, port, rtsp = str(item["address"]), item.get("port", WEB_PORT), item.get("rtsp_port", 0)
    if item.get("adopted_as"):
        return ""
    if item.get("command"):  # the recorder knows better: the device lacks something
        return str(item["command"])
    if not item.get("reachable", True):
        interface, seen = str(item.get("interface", "")), item.get("how", [])
        wanted = address.startswith(FACTORY_PREFIX) and not {"multicast", "sweep", "ports"} & set(seen)
        return f"vuon tim --dia-chi-tam {shlex.quote(interface)}" if wanted and interface else ""
    if port:
        return f"vuon nhan {IPv4Address(address)}{'' if port == WEB_PORT else f' --port {port}'} --user admin"
    if rtsp:
        return f"vuon nhan {IPv4Address(address)}{'' if rtsp in RTSP_PORTS else f' --rtsp :{rtsp}'} --user admin"
    return ""
