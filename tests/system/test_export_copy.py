"""A copy of encrypted footage by the real recorder daemon: nothing of it ever lies on the disk in clear."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path
from typing import Any

import av
import pytest

from gateway.core.errors import NotFound
from gateway.core.model import Action, PublicId
from gateway.core.secrets import load_signing_key
from recorder.exportverify import verify
from recorder.manifest import sign_manifest
from tests.fakes.recorderd import Recorderd, recorderd, small_farm

pytestmark = [pytest.mark.anyio, pytest.mark.system]
ORDER, HOLD = PublicId("o" * 16), PublicId("h" * 16)


async def footage(daemon: Recorderd, camera: str) -> tuple[int, int]:
    """Wait for a closed segment of the main stream; returns a span that ends in the one after it."""

    async def closed() -> list[dict[str, Any]]:
        rows = list((await daemon.call("segments", camera=camera, stream="main"))["segments"])
        return rows if any(row["closed"] for row in rows) and rows[-1]["duration_ms"] > 1_500 else []

    rows = await daemon.until(closed)
    return rows[0]["start_ms"] + 300, rows[-1]["start_ms"] + 1_000


async def state(daemon: Recorderd) -> str:
    (order,) = (await daemon.call("export.list"))["orders"]
    return str(order["state"])


def pictures(data: bytes) -> set[bytes]:
    """Pieces of the film's pictures that must be nowhere on the disk."""
    at = data.index(b"mdat") + 64
    return {data[start : start + 24] for start in range(at, len(data) - 24, max(1, len(data) // 40))}


async def test_a_copy_is_whole_and_nothing_of_it_lies_on_the_disk(tmp_path: Path) -> None:
    """Held, ordered, measured, signed with the box's key, fetched after a restart: it verifies and plays; no piece
    of its pictures is in any file of the box.
    """
    async with small_farm(1, tmp_path) as farm, recorderd(tmp_path) as daemon:
        (camera,) = await daemon.adopt_all(farm)
        span = dict(zip(("from_ms", "to_ms"), await footage(daemon, camera), strict=True))
        until_ms = time.time_ns() // 1_000_000 + 86_400_000
        await daemon.call("hold.place", camera=camera, until_ms=until_ms, who="p" * 16, hold=HOLD, **span)
        ticket = daemon.ticket(camera, Action.EXPORT, **span)
        facts = {"site": {"name": "Hoa Sen", "zone": "Asia/Ho_Chi_Minh"}}
        await daemon.call("export.start", ticket=ticket, order=ORDER, hold=HOLD, facts=facts)

        async def measured() -> bool:
            return await state(daemon) == "measured"

        await daemon.until(measured)
        key = load_signing_key(tmp_path / "state" / "keys" / "gateway.key")
        manifest = (await daemon.client.call("export.manifest", {"order": ORDER})).blob
        with pytest.raises(NotFound):
            await daemon.call("export.size", ticket=ticket, order=ORDER)
        await daemon.client.call("export.sign", {"order": ORDER}, sign_manifest(manifest, key))
        assert await daemon.stop() == 0
        await daemon.start()
        assert await state(daemon) == "ready"
        whole = b"".join(
            [chunk async for chunk in daemon.client.stream("export.file", {"ticket": ticket, "order": ORDER})]
        )
        stored = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        opened.extractall(tmp_path / "out")
    folder = tmp_path / "out" / f"trich-xuat-{ORDER}"
    verdict = verify(folder)
    assert verdict.good, verdict.problems
    assert {item["stream"] for item in verdict.manifest["segments"]} == {"main"}
    with av.open(str(folder / "phim-01.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) > 20
    pieces = pictures((folder / "phim-01.mp4").read_bytes())
    assert len(pieces) > 20
    found = {str(path) for path, data in stored.items() if any(piece in data for piece in pieces)}
    assert found == set()
