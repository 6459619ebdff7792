"""`vuon in-phieu`: the slips of a class as one file for the printer.

Owns the sheet's words and form. Invariants: the file is private (0600) and loads nothing (its policy forbids it); it
holds no family name of a child and no phone number; what exists is not overwritten without being told to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import segno
import typer
from segno import consts

from gateway.cli.context import ConfigOption, Context, DataOption
from gateway.cli.demo import write_private
from gateway.cli.footage import check_place
from gateway.cli.people import CheckedOption
from gateway.cli.sheet import template


def qr(url: str) -> str:
    """Return a slip's QR code as SVG; both sides of the `#` in alphanumeric mode (ISO/IEC 18004 7.4.4)."""
    before, _, secret = url.partition("#")
    modes = (consts.MODE_ALPHANUMERIC, consts.MODE_BYTE, consts.MODE_ALPHANUMERIC)
    parts = [(part, mode, None) for part, mode in zip((before, "#", secret), modes, strict=True)]
    code = segno.make(parts, error="m")  # type: ignore[arg-type]  # its encoder takes parts; its annotation does not
    return str(code.svg_inline(scale=1, border=4, svgclass="qr", lineclass="", omitsize=True))


def render(slips: list[Mapping[str, Any]], context: Context) -> str:
    """Return the sheet."""
    words, site = context.words, context.config.site
    zone = ZoneInfo(site.timezone)
    rows = [
        {
            "qr": qr(slip["url"]),
            "child": slip["child"],
            "kind": words.text(f"kin.{slip['kind']}") if slip["kind"] else "",
            "class_name": slip["class"],
            "code": slip["code"],
            "page": slip["url"].partition("#")[0].lower(),
            "day": dt.datetime.fromtimestamp(slip["until_ms"] / 1000, zone).strftime("%d/%m/%Y"),
        }
        for slip in slips
    ]
    return str(template("slips.html").render(t=words.text, lang=words.language, site=site, slips=rows))


def print_slips(
    class_name: Annotated[str, typer.Argument(help="Tên lớp · class")],
    out: Annotated[Path, typer.Option("--ra", "-o", "--out", help="Tệp HTML · file to write")] = Path("phieu-moi.html"),
    over: Annotated[bool, typer.Option("--ghi-de", "--force", help="Ghi đè tệp đã có · overwrite")] = False,
    checked: CheckedOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """In phiếu mời cho phụ huynh chưa vào của một lớp · slips for a class's guardians who are not in yet (slips)."""
    context = Context(config, data)
    check_place(out, over=over)
    result = context.run(context.ask("gateway", "slip.sheet", {"class": class_name, "checked": checked}))
    write_private(out, render(result["slips"], context))
    context.say("cli.slips.done", count=len(result["slips"]), path=out)
