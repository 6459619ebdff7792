"""A thief with a copy of the disk and the databases finds no picture and no name; the school plays the same copy."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import av
import numpy as np
import pytest

from gateway.access.audit import CONSOLE
from gateway.access.children import Children
from gateway.access.classes import Classes
from gateway.access.migrations import MIGRATIONS
from gateway.access.people import People
from gateway.access.store import FactStore
from gateway.core.clock import SystemClock
from gateway.core.db import Database
from gateway.core.errors import CameraClosed, KeyLocked
from gateway.core.model import Action, Role, Secret, new_public_id
from gateway.core.secrets import load_seal_key
from gateway.upstream import outbox
from recorder.keystore import KeyStore, Proof
from recorder.passphrase import Kdf
from tests.fakes import canary
from tests.fakes.recorder_box import RecorderBox, adopt, recorder_box

pytestmark = pytest.mark.anyio
WORDS = Secret("cây bàng trước cổng trường có tổ chim")
FAST = Kdf(64, 1, 1)
Mode = Literal["box", "passphrase"]


def key_store(folder: Path, mode: Mode) -> KeyStore:
    """The school's key with a quick passphrase."""
    folder.mkdir(parents=True, exist_ok=True)
    return KeyStore(folder, mode, SystemClock(), kdf=FAST)


@asynccontextmanager
async def people(root: Path) -> AsyncIterator[FactStore]:
    """gateway.db with the canary's people, sealed with a key beside the databases."""
    seal = load_seal_key(root / "keys" / "people.key")
    async with Database(root / "gateway.db", [MIGRATIONS, outbox.MIGRATIONS]) as db:
        store = FactStore(db, SystemClock(), zone=ZoneInfo("Asia/Ho_Chi_Minh"), seal=seal, emit=outbox.put)
        await store.load()
        await People(store).add(CONSOLE, Role.GUARDIAN, canary.PERSON)
        class_id = await Classes(store).add(CONSOLE, "Lớp Mầm 1")
        await Children(store).add(CONSOLE, canary.CHILD, class_id)
        yield store


async def filmed(box: RecorderBox) -> tuple[str, int, int]:
    """Adopt a camera, record the canary, hold it for the canary's reason; returns camera and span."""
    camera = await adopt(box, streams=1)
    session = await box.player.wait_for(1)
    await canary.show(session)
    session.fail(CameraClosed("over"))

    async def closed() -> list[dict[str, int]]:
        rows = (await box.call("segments", camera=camera, closed_only=True))["segments"]
        return list(rows) if sum(row["duration_ms"] for row in rows) >= 11_900 else []

    rows = await box.until(closed)
    span = rows[0]["start_ms"], rows[-1]["start_ms"] + rows[-1]["duration_ms"]
    await box.call(
        "hold.place", camera=camera, from_ms=span[0], to_ms=span[1], until_ms=span[1] + 10**9, who=new_public_id(),
        why=canary.REASON,
    )  # fmt: skip
    return camera, *span


async def exported(box: RecorderBox, camera: str, from_ms: int, to_ms: int) -> bytes:
    """Export a span as the gateway would."""
    ticket = box.ticket(camera, Action.EXPORT, from_ms=from_ms, to_ms=to_ms)
    return b"".join([chunk async for chunk in box.client.stream("export", {"ticket": ticket, "stream": "main"})])


def shows_the_canary(mp4: bytes) -> bool:
    """Decode the film and compare its pictures with the canary, block by block."""
    with av.open(BytesIO(mp4), "r") as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(frames) > canary.GOP
    assert frames[0].shape == (canary.HEIGHT, canary.WIDTH)
    differences = [float(np.abs(frame.astype(int) - canary.picture().astype(int)).mean()) for frame in frames]
    return max(differences) < 12  # the noise over it has a mean of 5.5


@pytest.mark.parametrize("mode", ["box", "passphrase"])
async def test_a_copy_without_the_key_shows_nothing_and_with_it_plays(tmp_path: Path, mode: Mode) -> None:
    """No piece of the film, no row of its picture, no MP4 box and no name is in any byte, logs of the databases
    included; the same copy with the card and the passphrase (or the box's key) gives the canary back.
    """
    live, copy = tmp_path / "live", tmp_path / "copy"
    keys = key_store(live / "keys", mode)
    keys.load()
    if mode == "passphrase":
        keys.set_passphrase(None, WORDS)
    async with people(live), recorder_box(live, keys=keys) as box:
        camera, from_ms, to_ms = await filmed(box)
        assert [row["why"] for row in (await box.call("hold.list"))["holds"]] == [canary.REASON]
        shutil.copytree(live, copy, ignore=shutil.ignore_patterns("keys", "*.sock"))  # while it runs: with its WAL
    assert {path.name for path in copy.iterdir()} >= {"cameras.db", "cameras.db-wal", "gateway.db", "gateway.db-wal"}
    assert len(list(copy.rglob("*.seg"))) >= 2
    stolen = canary.every_byte(copy)
    assert canary.found_in(stolen) == []
    assert WORDS.reveal().encode() not in canary.every_byte(live)
    await _plays(live, copy, mode, (camera, from_ms, to_ms))


async def _plays(live: Path, copy: Path, mode: Mode, span: tuple[str, int, int]) -> None:
    """Bring the copy what the thief has not: the card (and the box's key, where it has one)."""
    shutil.copytree(live / "keys", copy / "keys", ignore=shutil.ignore_patterns("*.sock"))
    assert (copy / "keys" / "footage.key").exists() is (mode == "box")
    async with recorder_box(copy, keys=key_store(copy / "keys", mode)) as box:
        if mode == "passphrase":
            with pytest.raises(KeyLocked):
                await exported(box, *span)
            await box.client.call("key.unlock", {}, json.dumps({"passphrase": WORDS.reveal()}).encode())
        assert shows_the_canary(await exported(box, *span))
        assert [row["why"] for row in (await box.call("hold.list"))["holds"]] == [canary.REASON]


async def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """The same search finds the film on a disk without encryption: it is not blind."""
    async with recorder_box(tmp_path) as box:
        await filmed(box)
        found = canary.found_in(canary.every_byte(tmp_path / "footage"))
    assert "a piece of the film" in found
    assert "a fragment of MP4" in found
    assert canary.found_in(canary.PERSON.encode()) == [canary.PERSON]
    assert canary.found_in(bytes(canary.picture())) == ["a row of the picture"]


async def test_the_past_is_shut_after_a_restart_and_the_present_is_written(tmp_path: Path) -> None:
    """With a passphrase a restarted box records on, and what it wrote before opens only when somebody unlocks."""
    keys = key_store(tmp_path / "keys", "passphrase")
    keys.load()
    keys.set_passphrase(None, WORDS)
    async with recorder_box(tmp_path, keys=keys) as box:
        span = await filmed(box)
    again = KeyStore(tmp_path / "keys", "passphrase", SystemClock(), kdf=FAST)
    async with recorder_box(tmp_path, keys=again) as box:
        assert (await box.call("key.status"))["unlocked"] is False
        session = await box.player.wait_for(1)
        await canary.show(session)
        session.fail(CameraClosed("over"))

        async def more() -> bool:
            rows = (await box.call("segments", camera=span[0], closed_only=True))["segments"]
            return bool(sum(row["duration_ms"] for row in rows) >= 23_800)  # as much as before, again

        await box.until(more)
        with pytest.raises(KeyLocked):
            await exported(box, *span)
        again.unlock(Proof(WORDS))
        assert shows_the_canary(await exported(box, *span))
        await box.call("key.lock")
        with pytest.raises(KeyLocked):
            await exported(box, *span)
