"""The footage key over the recorder's socket: secrets in the blob only, one act at a time, each one told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.core.clock import SystemClock
from gateway.core.errors import BadInput, PassphraseRefused, VuonError
from gateway.core.keysheet import RecoveryKey, encode_sheet
from recorder.keystore import KeyStore, Unlock
from recorder.passphrase import Kdf
from recorder.school import public_of
from tests.fakes.canary import every_byte
from tests.fakes.recorder_box import RecorderBox, recorder_box

pytestmark = pytest.mark.anyio
OLD, NEW = "hoa phượng nở đỏ sân", "ve kêu suốt cả mùa hè"
PRIVATE = bytes(range(32))
SHEET = "\n".join(encode_sheet(RecoveryKey(2, PRIVATE)))


@asynccontextmanager
async def school(root: Path, mode: Unlock = "passphrase") -> AsyncIterator[RecorderBox]:
    """A recorder with a key."""
    (root / "keys").mkdir(exist_ok=True)
    async with recorder_box(root, keys=KeyStore(root / "keys", mode, SystemClock(), kdf=Kdf(64, 1, 1))) as box:
        yield box


async def act(box: RecorderBox, name: str, params: dict[str, Any] | None = None, **secrets: str) -> dict[str, Any]:
    """Call a key act with what a person brings."""
    return (await box.client.call(f"key.{name}", params or {}, json.dumps(secrets).encode())).result


async def told(box: RecorderBox) -> list[str]:
    """Return what the journal says of the key."""
    events = (await box.call("journal", after=0, limit=500, wait_ms=0))["events"]
    return [item["data"]["what"] for item in events if item["type"] == "footage.key.v1"]


async def test_the_whole_life_over_the_socket(tmp_path: Path) -> None:
    """Passphrase, holder, hand-over, lock, unlock by sheet: each answers with the new state and is an event."""
    async with school(tmp_path) as box:
        assert (await box.call("key.status"))["passphrase_set"] is False
        assert (await act(box, "passphrase", new=OLD))["place"] == "passphrase"
        holder = {"place": 2, "public": public_of(PRIVATE).hex()}
        assert (await act(box, "holder", holder, passphrase=OLD))["holders"][0]["place"] == 2
        assert (await act(box, "handover", passphrase=OLD, new=NEW))["former"] == 2
        assert (await act(box, "lock"))["unlocked"] is False
        with pytest.raises(PassphraseRefused):
            await act(box, "unlock", passphrase=OLD)
        assert (await act(box, "unlock", sheet=SHEET))["unlocked"] is True
        assert (await act(box, "rotate", passphrase=NEW))["former"] == 3
        assert (await act(box, "passphrase", sheet=SHEET, new=OLD))["unlocked"] is True
        assert await told(box) == [
            "passphrase", "holder", "handover", "locked", "unlocked", "rotated", "passphrase",
        ]  # fmt: skip
    kept = every_byte(tmp_path)
    for secret in (OLD, NEW, SHEET.split("\n")[0]):
        assert secret.encode() not in kept


BAD_BLOBS = [b"{", b"[]", b'{"passphrase": 5}', b'{"other": "x"}', b"\xff\xfe", b'{"new": "' + b"x" * 5000 + b'"}']


@pytest.mark.parametrize("blob", BAD_BLOBS, ids=range(len(BAD_BLOBS)))
async def test_other_blobs_are_refused_without_quoting_them(tmp_path: Path, blob: bytes) -> None:
    """Anything but a few known texts is bad input; the message holds none of it."""
    async with school(tmp_path) as box:
        for method in ("key.unlock", "key.passphrase", "key.handover", "key.rotate"):
            with pytest.raises(BadInput) as error:
                await box.client.call(method, {}, blob)
            assert "xxxx" not in error.value.message
        assert await told(box) == []


async def test_a_second_try_is_refused_not_queued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one passphrase is computed, the next caller is told to wait: guesses cannot take the threads."""
    async with school(tmp_path) as box:
        await act(box, "passphrase", new=OLD)
        await act(box, "lock")
        assert box.keys is not None
        release, entered = anyio.Event(), anyio.Event()
        real = box.keys.unlock

        def slow(proof: Any) -> None:
            anyio.from_thread.run_sync(entered.set)
            anyio.from_thread.run(release.wait)
            real(proof)

        monkeypatch.setattr(box.keys, "unlock", slow)
        refused: list[VuonError] = []
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: act(box, "unlock", passphrase=OLD))
                await entered.wait()
                try:
                    await act(box, "unlock", passphrase=OLD)
                except PassphraseRefused as error:
                    refused.append(error)
                assert (await box.call("key.status"))["unlocked"] is False
                release.set()
        assert [error.fields["reason"] for error in refused] == ["wait"]
        assert (await box.call("key.status"))["unlocked"] is True


async def test_wrong_parameters_name_their_key(tmp_path: Path) -> None:
    """A holder needs a place and 64 hex digits; a new passphrase has to be there."""
    async with school(tmp_path, "box") as box:
        for params in ({}, {"place": 1}, {"place": 1, "public": "zz"}, {"place": 3, "public": "00" * 32}):
            with pytest.raises(BadInput):
                await act(box, "holder", params)
        with pytest.raises(BadInput):
            await act(box, "passphrase")
        with pytest.raises(BadInput):
            await act(box, "lock")
        assert (await act(box, "rotate"))["former"] == 1


async def test_a_box_without_encryption_says_so(tmp_path: Path) -> None:
    """Status tells, every act is refused."""
    async with recorder_box(tmp_path) as box:
        assert await box.call("key.status") == {"encrypted": False}
        with pytest.raises(BadInput):
            await act(box, "lock")
