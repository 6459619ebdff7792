"""The gateway's side of the key and of erasing: decided and written first, then relayed; proofs are signed here."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.access.acts import ERASED_NAME, Acts, sealed_columns
from gateway.access.audit import Actor
from gateway.access.store import always_fresh
from gateway.core import erasureproof
from gateway.core.erasureproof import check_proof, sign_proof
from gateway.core.errors import BadInput, Denied, PassphraseRefused
from gateway.core.model import PublicId, Secret
from gateway.core.unixdoor import Peer
from gateway.core.wire import ControlClient, ControlServer, Reply, Request
from gateway.roofs.footage_desk import FootageDesk
from tests.fakes.access_world import school
from tests.fakes.clock import NOON_MS
from tests.fakes.gateway_console import CAMERA, Box, desk
from tests.fakes.school import NOW

pytestmark = pytest.mark.anyio
WORDS = "hoa phượng nở đỏ sân"
ERASURE = "e" * 16


class KeyRecorder:
    """The recorder's key and erase calls as answers."""

    def __init__(self, folder: Path) -> None:
        self.client = ControlClient(folder / "keys.sock", "recorder")
        self.calls: list[tuple[str, dict[str, Any], bytes]] = []
        self.error: Exception | None = None
        self.facts: dict[str, Any] = {
            "erasure": ERASURE, "scope": "camera", "camera": "c" * 16, "who": "console", "holds_lifted": 0,
            "ordered_ms": 1, "done_ms": 2, "volumes": [{"volume": "v" * 16, "keys": 3, "files": 9, "bytes": 99}],
        }  # fmt: skip

    async def answer(self, request: Request) -> Reply:
        self.calls.append((request.method, dict(request.params), request.blob))
        if self.error is not None:
            raise self.error
        if request.method == "erase.status":
            return Reply({"state": "done" if self.facts["done_ms"] else "ordered", "facts": self.facts})
        return Reply({"erasure": ERASURE} if request.method == "erase.start" else {"unlocked": True})


@asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[tuple[Box, KeyRecorder, FootageDesk]]:
    """A gateway with its database beside such a recorder."""
    async with desk(tmp_path) as box:
        recorder = KeyRecorder(tmp_path)
        names = ("status", "unlock", "lock", "passphrase", "rotate", "handover", "holder")
        methods = [*(f"key.{name}" for name in names), "erase.plan", "erase.start", "erase.status"]
        answers = dict.fromkeys(methods, recorder.answer)
        server = ControlServer(tmp_path / "keys.sock", "recorder", answers, on_fault=lambda name, error: None)
        box.ground.store.stale = always_fresh  # these people have no logins; what a stale one is told: test_signin_flow
        async with server, recorder.client:
            yield box, recorder, FootageDesk(Acts(box.ground.store), recorder.client, box.ground.key)


async def person(box: Box, role: str) -> Actor:
    """Add somebody and return them as an actor."""
    return Actor(PublicId((await box.call("person.add", name="Cô Hà", role=role))["person"]), "device")


async def test_the_principal_unlocks_and_the_audit_says_so(tmp_path: Path) -> None:
    """The row is written before the recorder is asked; the passphrase is in the blob and in no row."""
    async with world(tmp_path) as (box, recorder, footage):
        principal = await person(box, "principal")
        assert await footage.act(principal, "unlock", {"passphrase": Secret(WORDS)}) == {"unlocked": True}
        ((method, params, blob),) = recorder.calls
        assert (method, params, json.loads(blob)) == ("key.unlock", {}, {"passphrase": WORDS})
        row = box.rows()[-1]
        assert (row["what"], row["person"], row["device"]) == ("key.unlock", principal.person, "device")
        assert WORDS not in json.dumps(box.rows(), ensure_ascii=False)


@pytest.mark.parametrize("role", ["teacher", "guardian", "observer", "authority_it", "installer"])
async def test_nobody_else_reaches_the_recorder(tmp_path: Path, role: str) -> None:
    """Refused by the policy, written as a refusal; the recorder hears nothing."""
    async with world(tmp_path) as (box, recorder, footage):
        actor = await person(box, role)
        for act in ("unlock", "lock", "passphrase", "handover", "rotate", "holder"):
            with pytest.raises(Denied):
                await footage.act(actor, act, {"passphrase": Secret(WORDS)})
        assert recorder.calls == []
        assert "denied" in {row["what"] for row in box.rows()}


async def test_a_refusal_of_the_key_is_a_row_too(tmp_path: Path) -> None:
    """A wrong passphrase leaves the try and its refusal, with the reason and without the words."""
    async with world(tmp_path) as (box, recorder, footage):
        principal = await person(box, "principal")
        recorder.error = PassphraseRefused("no", reason="wrong")
        with pytest.raises(PassphraseRefused):
            await footage.act(principal, "unlock", {"passphrase": Secret(WORDS)})
        assert [row["what"] for row in box.rows()][-2:] == ["key.unlock", "key.unlock.refused"]
        assert box.rows()[-1]["reason"] == "wrong"
        with pytest.raises(BadInput):
            await footage.act(principal, "status; rm", {})


async def call(footage: FootageDesk, method: str, params: dict[str, Any] | None = None, blob: bytes = b"") -> Any:
    """Call a method as the control socket does."""
    answer = await footage.handlers()[method](Request(method, params or {}, blob, Peer(0, 0, 0)))
    assert isinstance(answer, Reply)
    return answer.result


async def test_the_console_acts_as_the_console(tmp_path: Path) -> None:
    """Whoever holds the control socket is written down as that; parameters and blob go on unchanged."""
    async with world(tmp_path) as (box, recorder, footage):
        await call(footage, "key.holder", {"place": 1, "public": "00"}, b'{"passphrase": "x"}')
        assert recorder.calls == [("key.holder", {"place": 1, "public": "00"}, b'{"passphrase": "x"}')]
        assert (box.rows()[-1]["what"], box.rows()[-1]["device"]) == ("key.holder", "console")
        assert await call(footage, "key.status") == {"unlocked": True}


async def test_an_erasure_is_audited_and_its_proof_signed(tmp_path: Path) -> None:
    """Plan and status are relayed, the order is a row, the proof verifies and any changed byte is refused."""
    async with world(tmp_path) as (box, recorder, footage):
        scope = {"camera": "c" * 16}
        await call(footage, "erase.plan", scope)
        assert await call(footage, "erase.start", scope | {"typed": "Sân", "lift_holds": True}) == {"erasure": ERASURE}
        sent = recorder.calls[-1][1]
        assert sent == scope | {"typed": "Sân", "lift_holds": True, "who": "console"}
        row = box.rows()[-1]
        assert (row["what"], row["camera"]) == ("erase.start", "c" * 16)
        assert "Sân" not in json.dumps(row, ensure_ascii=False)
        proof = (await call(footage, "erase.proof", {"erasure": ERASURE}))["proof"]
        facts, _ = check_proof(json.loads(json.dumps(proof)))
        assert facts["volumes"] == recorder.facts["volumes"]
        for change in ({"camera": "d" * 16}, {"done_ms": 3}, {"who": "x"}):
            with pytest.raises(BadInput):
                check_proof(proof | {"facts": dict(facts) | change})


async def _held(box: Box, camera: str, why: str) -> str:
    """Place a hold as the console does."""
    span = {"from_ms": NOON_MS - 60_000, "to_ms": NOON_MS}
    return str((await box.call("hold.place", camera=camera, why=why, **span))["hold"])


def _whys(box: Box) -> dict[str, str]:
    """Return the reasons of all holds as they lie in the database."""
    store = box.ground.store
    rows = box.ground.db.read_sync(lambda conn: conn.execute("SELECT id, why_sealed FROM footage_hold").fetchall())
    return {row["id"]: store.unseal("footage_hold.why", row["id"], row["why_sealed"]) for row in rows}


@pytest.mark.parametrize("late", [False, True], ids=["at-the-order", "at-the-proof"])
async def test_holds_of_an_erased_camera_are_not_shown_any_more(tmp_path: Path, late: bool) -> None:
    """They end with the order, or with the proof if the gateway stopped in between; the reason is blotted out."""
    async with world(tmp_path) as (box, recorder, footage):
        await box.school()
        hold = await _held(box, CAMERA, "Bé ngã")
        if late:
            recorder.facts |= {"camera": CAMERA}
            await call(footage, "erase.proof", {"erasure": ERASURE})
        else:
            await call(footage, "erase.start", {"camera": CAMERA, "typed": "Sân", "lift_holds": True})
        assert (await box.call("hold.list"))["holds"] == []
        assert await box.parts.copying.holds.due() == []
        assert _whys(box) == {hold: ERASED_NAME}
        assert [row["erasure"] for row in box.rows() if row["what"] == "erase.holds"] == [ERASURE]


async def test_other_holds_stay_when_a_camera_is_erased_or_refused(tmp_path: Path) -> None:
    """Another camera's hold is as it was; so is every hold when the recorder refuses the order."""
    async with world(tmp_path) as (box, recorder, footage):
        await box.school()
        await _held(box, CAMERA, "Bé ngã")
        await call(footage, "erase.start", {"camera": "d" * 16, "typed": "Sân", "lift_holds": True})
        recorder.error = BadInput("held", case="erase_held")
        with pytest.raises(BadInput):
            await call(footage, "erase.start", {"camera": CAMERA, "typed": "Sân"})
        assert [item["why"] for item in (await box.call("hold.list"))["holds"]] == ["Bé ngã"]


async def test_erasing_the_box_takes_reasons_too(tmp_path: Path) -> None:
    """What people wrote about holds, also about those that were lifted, goes with the names."""
    async with world(tmp_path) as (box, recorder, footage):
        await box.school()
        lifted = await _held(box, CAMERA, "Bé ngã")
        await box.call("hold.lift", hold=lifted, why="xong")
        live = await _held(box, CAMERA, "Bé khóc")
        recorder.facts |= {"scope": "box", "camera": ""}
        await call(footage, "erase.start", {"box": True, "typed": "x", "lift_holds": True})
        await call(footage, "erase.proof", {"erasure": ERASURE})
        assert _whys(box) == {lifted: ERASED_NAME, live: ERASED_NAME}
        assert (await box.call("hold.list"))["holds"] == []


async def test_an_unfinished_erasure_has_no_proof(tmp_path: Path) -> None:
    """While a disk is away nothing is signed."""
    async with world(tmp_path) as (_, recorder, footage):
        recorder.facts["done_ms"] = None
        with pytest.raises(BadInput):
            await call(footage, "erase.proof", {"erasure": ERASURE})


async def test_erasing_the_box_takes_the_names_once(tmp_path: Path) -> None:
    """Every person's and child's name becomes a dash; names entered afterwards stay when the proof is asked again."""
    async with world(tmp_path) as (box, recorder, footage):
        await box.school()
        recorder.facts |= {"scope": "box", "camera": ""}
        await call(footage, "erase.proof", {"erasure": ERASURE})
        people = (await box.call("people.list"))["people"]
        assert {row["name"] for row in people} == {ERASED_NAME}
        assert len(people) == 2
        await box.call("person.add", name="Cô Mới", role="principal")
        await call(footage, "erase.proof", {"erasure": ERASURE})
        assert "Cô Mới" in {row["name"] for row in (await box.call("people.list"))["people"]}
        assert (await box.call("audit.verify"))["ok"] is True


@pytest.mark.parametrize(
    "proof", [None, [], {}, {"facts": {}}, {"facts": {}, "public_key": "!", "signature": "!"}], ids=str
)
def test_other_files_are_no_proof(proof: object) -> None:
    """Anything else is bad input, never a crash."""
    with pytest.raises(BadInput):
        check_proof(proof)


async def test_a_proof_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof that a later version signed is not half understood."""
    async with world(tmp_path) as (box, recorder, _):
        with monkeypatch.context() as patch:
            patch.setattr(erasureproof, "FORMAT", 9)
            proof = sign_proof(recorder.facts, box.ground.key)
        with pytest.raises(BadInput):
            check_proof(proof)


async def test_erasing_the_box_leaves_no_sealed_word(tmp_path: Path) -> None:
    """Names, and reasons of pauses, holds and copies, both ways: every sealed column of the schema."""
    async with school(tmp_path) as w:
        access, span = w.access, (NOW - 60_000, NOW - 30_000)
        await access.exports.request(w.actor, w.camera, *span, "canary wished")
        hold = await access.holds.place(w.actor, w.camera, *span, "canary held")
        await access.holds.lift(w.actor, hold, "canary lifted")
        order = await access.exports.request(w.actor, w.camera, *span, "canary wished too")
        await access.exports.cancel(w.actor, order, "canary ended")
        await Acts(access.store).wipe_names("e" * 16)
        columns = w.db.read_sync(sealed_columns)
        assert {("footage_hold", "lift_why_sealed"), ("person", "name_sealed")} <= set(columns)
        for table, column in columns:
            name = f"{table}.{column.removesuffix('_sealed')}"
            rows = w.rows(f"SELECT id, {column} FROM {table}")
            left = {access.store.unseal(name, row["id"], row[column]) for row in rows if row[column] is not None}
            assert left <= {ERASED_NAME}, name
        assert {row.why for row in await access.exports.rows()} == {ERASED_NAME}
