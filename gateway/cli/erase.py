"""`vuon xoa` (`erase`): erase one camera's recordings, or all of the box, for good and with a signed proof.

Owns the command and the two files of the proof. Invariants: it names what would go, then asks for the exact
name: nothing is erased by one word or by Enter; the order is with the recorder before this waits, so closing the
terminal stops nothing; the proof is signed by the box when nothing is left, and can be asked for again.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from gateway.cli import show
from gateway.cli.cameras import camera_id
from gateway.cli.context import ConfigOption, Context, DataOption
from gateway.cli.footage import CameraOption, check_place
from gateway.cli.footage_key import say_left_sealed
from gateway.core.erasureproof import check_proof
from gateway.core.errors import BadInput
from gateway.core.files import write_whole

PLAN_S = 600.0
POLL_S = 1.0
PATIENCE_S = 3600.0
PRIVATE = 0o600


def erase(
    camera: CameraOption = None,
    box: Annotated[bool, typer.Option("--hop", "--box", help="Toàn bộ hộp · everything on the box")] = False,
    resume: Annotated[
        str | None, typer.Option("--tiep", "--resume", help="Xem tiếp việc xóa · follow an order")
    ] = None,
    check: Annotated[Path | None, typer.Option("--kiem-tra", "--verify", help="Kiểm tra biên bản · a proof")] = None,
    lift: Annotated[bool, typer.Option("--bo-giu", "--lift-holds", help="Bỏ cả lệnh giữ · lift holds too")] = False,
    out: Annotated[Path, typer.Option("--ra", "-o", "--out", help="Tệp JSON của biên bản · proof")] = Path(
        "bien-ban-xoa.json"
    ),
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Xóa vĩnh viễn hình của một camera hoặc cả hộp, có biên bản ký số · erase for good, with proof (erase).

    Không lấy lại được: khóa bị hủy trước, rồi đến tệp, dữ liệu và tên · keys first, then files, rows and names.
    """
    context = Context(config, data)
    if sum((camera is not None, box, resume is not None, check is not None)) != 1:
        raise BadInput("say what: --camera, --hop, --tiep or --kiem-tra", case="erase_scope", key="camera")
    if check is not None:
        _check(context, check)
        return
    for target in (out, out.with_suffix(".html")):
        check_place(target, over=False, case="kept")
    name = camera or ""
    order = resume or _order(context, camera, box=box, lift=lift)
    context.say("cli.erase.waiting", id=order)
    proof = context.run(_finished(context, order))
    _write(context, proof, out, name)
    if proof["facts"]["scope"] == "box":
        say_left_sealed(context, context.run(context.ask("gateway", "key.status", {})))


def _order(context: Context, camera: str | None, *, box: bool, lift: bool) -> str:
    async def plan() -> tuple[dict[str, Any], dict[str, Any]]:
        scope: dict[str, Any] = {"box": True} if box else {"camera": await camera_id(context, camera or "")}
        return scope, await context.ask("gateway", "erase.plan", scope, timeout_s=PLAN_S)

    scope, found = context.run(plan())
    counts = {key: found[key] for key in ("files", "keys", "holds")}
    context.say("cli.erase.plan", size=show.number(found["bytes"] / show.MIB, context.words.language), **counts)
    if found["holds"] and not lift:
        raise BadInput("footage of it is held", case="erase_held", key="lift_holds", count=found["holds"])
    typed = str(typer.prompt(context.words.text("cli.erase.type", name=found["confirm"]), err=True))
    params = {**scope, "typed": typed, "lift_holds": lift}
    started = context.run(context.ask("gateway", "erase.start", params, timeout_s=PLAN_S))
    return str(started["erasure"])


async def _finished(context: Context, order: str) -> dict[str, Any]:
    """Wait until nothing is left, then fetch the proof."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (await context.ask("gateway", "erase.status", {"erasure": order}))["state"] != "done":  # noqa: ASYNC110 - another process works
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise BadInput("this erasure is not finished", case="erase_running", key="erasure") from error
    return dict((await context.ask("gateway", "erase.proof", {"erasure": order}, timeout_s=PLAN_S))["proof"])


def _write(context: Context, proof: Mapping[str, Any], out: Path, name: str) -> None:
    from gateway.cli.sheet import template  # noqa: PLC0415 - jinja2 is for printing only

    facts, text = proof["facts"], context.words.text
    console = facts["who"] == "console"
    rows = [
        ("erasure.what", _what(context, facts, name)),
        ("erasure.by", text("erasure.console") if console else facts["who"]),
        ("erasure.ordered", _moment(context, facts["ordered_ms"])),
        ("erasure.done", _moment(context, facts["done_ms"])),
        ("erasure.holds", facts["holds_lifted"]),
        ("erasure.not_there", ", ".join(facts["not_there"]) or show.NOTHING),
    ]
    page = template("erasure.html").render(
        t=text, lang=context.words.language, site=context.config.site, rows=rows, volumes=facts["volumes"], proof=proof
    )
    write_whole(out, json.dumps(proof, ensure_ascii=False, indent=1).encode() + b"\n", PRIVATE)
    html = out.with_suffix(".html")
    write_whole(html, page.encode(), PRIVATE)
    context.say("cli.erase.done", json=out, html=html)


def _what(context: Context, facts: Mapping[str, Any], name: str = "") -> str:
    if facts["scope"] == "box":
        return context.words.text("cli.erase.box")
    return context.words.text("erasure.camera", name=f"{name} ({facts['camera']})" if name else facts["camera"])


def _moment(context: Context, at_ms: int) -> str:
    zone = ZoneInfo(context.config.site.timezone)
    return dt.datetime.fromtimestamp(at_ms / 1000, zone).strftime("%H:%M:%S %d/%m/%Y")


def _check(context: Context, path: Path) -> None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput("this is no proof", case="erase_proof", key="proof") from error
    facts, public = check_proof(value)
    context.say(
        "cli.erase.proof_ok",
        what=_what(context, facts),
        at=_moment(context, int(facts["done_ms"])),
        files=sum(row["files"] for row in facts["volumes"]),
        keys=sum(row["keys"] for row in facts["volumes"]),
        signer=public,
    )
    own = context.config.paths.grant_key.with_name(context.config.paths.grant_key.name + ".pub")
    if own.exists():
        same = base64.b64encode(own.read_bytes()).decode("ascii") == public
        context.say("cli.erase.own_key" if same else "cli.erase.other_key")
