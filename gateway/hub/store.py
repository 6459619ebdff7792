"""The hub's database as its routes use it: boxes, what they send, the board.

Owns `hub.db` and its schema (codes and sessions of people are `staff.py`). Invariants: a claim works once
and only its hash is stored; a request is believed only after its signature is checked with the key of the
box it names, and nothing but an enrolment of a few bytes is unpacked before that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.boxsign import GATEWAY_HEADER, verify_request
from gateway.core.clock import Clock
from gateway.core.db import Database, apply_schema
from gateway.core.errors import BadInput, CodeRefused, HubBusy, HubRefused
from gateway.core.model import PublicId, new_public_id
from gateway.hub import ingest
from gateway.hub.batch import MAX_CLAIM_BYTES, number_of, unpack
from gateway.hub.fleet import SILENT_BOX_MS, UNTOLD, WARNINGS, SiteBoard, SiteCondition, worst_first
from gateway.hub.quota import Quota
from gateway.hub.staff import Staff, hashed, new_code, tidy_code

MIGRATIONS = Migrations("hub")
T = TypeVar("T")

CLAIM_MS = 24 * 3_600_000
MAX_LANES = 16


@MIGRATIONS()
def m0001_hub(db: UtilsDatabase) -> None:
    """Create the tables of schema.sql."""
    apply_schema(db, files("gateway.hub") / "schema.sql")


class HubStore:
    """Everything the hub's routes ask."""

    def __init__(self, db: Database, clock: Clock, quota: Quota | None = None) -> None:
        self._db, self._clock, self._quota = db, clock, quota or Quota()
        self.staff = Staff(db, clock)

    async def make_claim(self, site: str) -> str:
        """Return a one-use claim code for a site, valid a day; BadInput for a site without a name."""
        site = " ".join(site.split())
        if not 1 <= len(site) <= 200:
            raise BadInput("a site's name has 1 to 200 characters")
        code, now_ms = new_code(), self._clock.now_ms()

        def apply(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM claim WHERE gateway IS NULL AND expires_at <= ?", (now_ms,))
            db.execute(
                "INSERT INTO claim (code_hash, site, expires_at) VALUES (?, ?, ?)",
                (hashed(tidy_code(code)), site, now_ms + CLAIM_MS),
            )

        await self._db.write(apply)
        return code

    async def enrol(self, headers: Mapping[str, str], path: str, body: bytes) -> PublicId:
        """Take a box in by its claim; CodeRefused for a wrong claim, HubRefused for a bad signature.

        The same box may repeat it (its answer was lost): it gets the same id. A known box with a fresh
        claim keeps its id and moves to that claim's site.
        """
        request = unpack(body, MAX_CLAIM_BYTES)
        try:
            raw_key = bytes.fromhex(str(request.get("public_key")))
            key = Ed25519PublicKey.from_public_bytes(raw_key)
        except ValueError as error:
            raise BadInput("public_key is no Ed25519 key") from error
        now_ms = self._clock.now_ms()
        verify_request(key, "POST", path, headers, body, now_ms=now_ms)
        wanted = hashed(tidy_code(str(request.get("claim"))))
        return await self._db.write(lambda db: _take_in(db, wanted, raw_key, now_ms))

    async def authenticate(self, headers: Mapping[str, str], method: str, path: str, body: bytes) -> PublicId:
        """Return the box that signed this request; HubRefused otherwise."""
        gateway = headers.get(GATEWAY_HEADER, "")
        row = await self._db.read(
            lambda db: db.execute("SELECT public_key FROM gateway WHERE id = ?", (gateway,)).fetchone()
        )
        if row is None:
            raise HubRefused("this box is not enrolled here", reason="unknown")
        key = Ed25519PublicKey.from_public_bytes(row["public_key"])
        verify_request(key, method, path, headers, body, now_ms=self._clock.now_ms())
        return PublicId(gateway)

    async def hello(self, gateway: PublicId, body: bytes) -> list[dict[str, Any]]:
        """Return our cursors of the box's lanes."""
        lanes = unpack(body).get("lanes")
        if not isinstance(lanes, list) or len(lanes) > MAX_LANES:
            raise BadInput("hello needs a list of lanes")
        return await self._seen(gateway, lambda db: ingest.hello(db, gateway, lanes))

    async def events(self, gateway: PublicId, stream: str, body: bytes) -> ingest.Ack:
        """Store a batch; HubBusy if the box is over its quota."""
        request = unpack(body)
        first, documents = number_of(request.get("first")), request.get("events")
        if not first or not isinstance(documents, list):
            raise BadInput("a batch needs the number of its first event, and a list of events")
        wait_s = self._quota.take(gateway, len(documents), self._clock.mono_ns())
        if wait_s:
            raise HubBusy("this box sends more than its quota", retry_after_s=wait_s)
        now_ms = self._clock.now_ms()
        return await self._seen(gateway, lambda db: ingest.ingest(db, gateway, stream, first, documents, now_ms=now_ms))

    async def _seen(self, gateway: PublicId, fn: Callable[[sqlite3.Connection], T]) -> T:
        now_ms = self._clock.now_ms()

        def apply(db: sqlite3.Connection) -> T:
            db.execute("UPDATE gateway SET last_seen_at = ? WHERE id = ?", (now_ms, gateway))
            return fn(db)

        return await self._db.write(apply)

    async def board(self) -> list[SiteBoard]:
        """Return every site with the state of every camera, worst first."""
        now_ms = self._clock.now_ms()
        return worst_first(await self._db.read(lambda db: _load_board(db, now_ms)))


def _take_in(db: sqlite3.Connection, wanted: bytes, raw_key: bytes, now_ms: int) -> PublicId:
    known = db.execute("SELECT id FROM gateway WHERE public_key = ?", (raw_key,)).fetchone()
    claim = db.execute("SELECT * FROM claim WHERE code_hash = ?", (wanted,)).fetchone()
    if known is not None and claim is not None and claim["gateway"] == known["id"]:
        return PublicId(known["id"])
    if claim is None or claim["gateway"] is not None or claim["expires_at"] <= now_ms:
        raise CodeRefused("the claim is unknown, used or expired", reason="claim")
    if known is not None:
        gateway = PublicId(known["id"])
        db.execute("UPDATE gateway SET site = ? WHERE id = ?", (claim["site"], gateway))
    else:
        gateway = new_public_id()
        db.execute(
            "INSERT INTO gateway (id, site, public_key, enrolled_at) VALUES (?, ?, ?, ?)",
            (gateway, claim["site"], raw_key, now_ms),
        )
    db.execute("UPDATE claim SET gateway = ? WHERE code_hash = ?", (gateway, wanted))
    return gateway


def _load_board(db: sqlite3.Connection, now_ms: int) -> list[SiteBoard]:
    warnings: dict[tuple[str, str], SiteCondition] = {}
    conditions: dict[str, list[SiteCondition]] = {}
    for row in db.execute("SELECT * FROM condition ORDER BY gateway, since_at, code"):
        if row["code"] in UNTOLD:
            continue
        if row["about"] == ingest.BOX:
            conditions.setdefault(row["gateway"], []).append(SiteCondition(row["code"], row["since_at"]))
        elif row["code"] in WARNINGS:
            warnings[row["gateway"], row["about"]] = SiteCondition(row["code"], row["since_at"])
    cameras: dict[str, list[Any]] = {}
    for row in db.execute("SELECT * FROM camera WHERE removed = 0 ORDER BY gateway, number"):
        camera, warning = ingest.read_camera(row), warnings.get((row["gateway"], row["camera"]))
        if warning is not None:
            camera = camera.warned(warning)
        cameras.setdefault(row["gateway"], []).append(camera)
    return [
        SiteBoard(
            row["id"],
            row["site"],
            row["last_seen_at"] is None or now_ms - row["last_seen_at"] > SILENT_BOX_MS,
            row["last_seen_at"],
            row["version"] or "",
            row["viewers"] or 0,
            tuple(cameras.get(row["id"], ())),
            tuple(conditions.get(row["id"], ())),
        )
        for row in db.execute("SELECT * FROM gateway")
    ]
