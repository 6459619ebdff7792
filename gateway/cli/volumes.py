"""`vuon o-dia`: the footage disks, and the order to use another one.

Owns this command. Invariant: it only asks; the recorder refuses a disk that holds anything but this box's footage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gateway.cli import show
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption
from gateway.core.i18n import Catalogue


def _state(words: Catalogue, volume: Mapping[str, Any]) -> str:
    state = str(volume["state"])
    return "" if state == "ok" else words.texts.get(f"error.volume_{state}", state)


def volumes(
    accept: Annotated[
        int | None,
        typer.Option("--chap-nhan", "--accept", help="Dùng ổ đang cắm ở số này · use the disk that is at this number"),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Các ổ ghi hình; chấp nhận ổ thay thế · the footage disks; accept a replacement (volumes).

    Ổ khác với ổ đã dùng bị từ chối cho tới khi được chấp nhận; ổ có dữ liệu khác không bao giờ bị ghi đè ·
    a disk other than the one used before is refused until accepted; one with other data is never overwritten.
    """
    context = Context(config, data)
    if accept is not None:
        context.run(context.ask("recorder", "volume.accept", {"volume": accept}))
        if not as_json:
            context.say("cli.volumes.accepted", number=accept)
    found = context.run(context.ask("recorder", "volumes", {}))["volumes"]
    if as_json:
        context.json({"volumes": found})
        return
    for number, volume in enumerate(found, 1):
        trouble = _state(context.words, volume)
        free = show.number(volume["free_bytes"] / show.GIB, context.words.language, 1)
        mark = show.BAD if trouble else show.GOOD
        context.say("cli.volumes.line", mark=mark, number=number, path=volume["path"], free=free)
        if trouble:
            context.line(f"    {trouble} ({volume['why']})" if volume["why"] else f"    {trouble}")
        if volume["waiting_bytes"]:
            size = show.number(volume["waiting_bytes"] / show.MIB, context.words.language, 1)
            context.say("cli.volumes.waiting", size=size)
        if volume["state"] in {"wrong", "missing"}:
            context.say("cli.volumes.accept", number=number)
