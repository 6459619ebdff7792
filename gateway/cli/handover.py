"""`vuon ban-giao` (`handover`): the acceptance sheet (biên bản nghiệm thu), to be signed by the principal.

Owns what is asked, and the files. Invariants: every camera of the box is in the sheet; each still is decided
and written down by the gateway; a sheet is whole or not there, readable by its owner only, never over an
older one unless that is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gateway.cli.context import ConfigOption, Context, DataOption
from gateway.cli.footage import check_place
from gateway.cli.preview import Room, gather
from gateway.cli.printing import find_browser, pdf_of
from gateway.cli.sheet import Handover, Sheet, Visit
from gateway.cli.stills import Still, newest
from gateway.core.clock import SystemClock
from gateway.core.errors import BadInput, Denied, VuonError
from gateway.core.files import write_whole
from gateway.core.i18n import catalogue
from gateway.core.version import __version__

STILL_WIDTH = 640
AT_ONCE = 8
DOCTOR_S = 180.0
"""An examination asks a camera once a second at the most, behind a line of others."""
PRIVATE = 0o600
Row = Mapping[str, Any]


async def _examined(context: Context, method: str, params: dict[str, Any]) -> tuple[Row | None, str]:
    """Return the doctor's report; or None and why not: an error code, empty for a box without a doctor."""
    try:
        return await context.ask("recorder", method, params, timeout_s=DOCTOR_S), ""
    except BadInput as error:
        return None, "" if error.fields.get("method") == method else error.code
    except VuonError as error:
        return None, error.code


async def _still(context: Context, camera: str, *, after_acceptance: bool) -> tuple[Still | None, str]:
    """Return the newest still; or None and why not: the reason of a refusal, an error code, empty before the first."""
    try:
        return await newest(context, camera, width=STILL_WIDTH, after_acceptance=after_acceptance), ""
    except Denied as error:
        return None, str(error.fields.get("reason") or error.code)
    except VuonError as error:
        return None, error.code


async def _first_ms(context: Context, camera: str) -> int | None:
    rows = (await context.ask("recorder", "segments", {"camera": camera, "limit": 1}))["segments"]
    return int(rows[0]["start_ms"]) if rows else None


async def _visit(context: Context, room: Room, camera: Row, *, after_acceptance: bool) -> Visit:
    still, no_still = await _still(context, camera["id"], after_acceptance=after_acceptance)
    report, not_examined = await _examined(context, "doctor.camera", {"camera": camera["id"]})
    return Visit(
        about=camera,
        class_name=room.class_of(camera["id"]),
        first_ms=await _first_ms(context, camera["id"]),
        still=still,
        no_still=no_still,
        report=report,
        not_examined=not_examined,
    )


async def collect(context: Context, *, after_acceptance: bool) -> Handover:
    """Ask the box for everything the sheet says; a few cameras side by side."""
    room, places = await gather(context), asyncio.Semaphore(AT_ONCE)

    async def one(camera: Row) -> Visit:
        async with places:
            return await _visit(context, room, camera, after_acceptance=after_acceptance)

    visits: Sequence[Visit] = await asyncio.gather(*map(one, room.cameras))
    status = await context.ask("recorder", "status", {})
    box_report, _ = await _examined(context, "doctor.box", {})
    return Handover(
        config=context.config,
        made_ms=SystemClock().now_ms(),
        version=__version__,
        time_trusted=bool(status.get("time_trusted")),
        volumes=status["volumes"],
        visits=visits,
        box_report=box_report,
    )


def handover(
    out: Annotated[Path, typer.Option("--ra", "-o", "--out", help="Tệp HTML · file to write")] = Path(
        "bien-ban-nghiem-thu.html"
    ),
    pdf: Annotated[bool, typer.Option("--pdf", help="Thêm tệp PDF (cần chromium) · a PDF too")] = False,
    language: Annotated[
        Literal["vi", "en"] | None, typer.Option("--lang", help="Ngôn ngữ của biên bản · language of the sheet")
    ] = None,
    over: Annotated[bool, typer.Option("--ghi-de", "--force", help="Ghi đè tệp đã có · overwrite")] = False,
    after_acceptance: Annotated[
        bool, typer.Option("--sau-nghiem-thu", "--after-acceptance", help="Kèm hình dù hộp đã nghiệm thu · with stills")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Lập biên bản nghiệm thu để in và ký: mọi camera, hình, cài đặt, lỗi còn lại · acceptance sheet (handover).

    Mỗi hình trong biên bản được ghi vào nhật ký mà gia đình xem được · each still is written into the audit.
    """
    context, printed = Context(config, data), out.with_suffix(".pdf")
    for target in (out, printed) if pdf else (out,):
        check_place(target, over=over)
    if pdf and out == printed:
        raise BadInput(f"{out} is the name of the PDF", case="place", path=str(out))
    with context.waiting("cli.handover.running"):
        made = context.run(collect(context, after_acceptance=after_acceptance))
    html = Sheet(made, catalogue(language) if language else context.words).html()
    write_whole(out, html.encode(), PRIVATE)
    context.say("cli.handover.done", path=out, count=len(made.visits))
    if pdf:
        browser = find_browser()
        if browser is None:
            context.say("cli.handover.no_browser", path=out)
        else:
            write_whole(printed, pdf_of(html, browser), PRIVATE)
            context.say("cli.handover.pdf", path=printed)
    if any(visit.no_still == "box.accepted" for visit in made.visits):
        context.say("cli.handover.no_stills")
