"""The hub's database as its routes use it.

Owns `hub.db`: enrolment, signed requests, sign-in, the board. Invariants: a claim and a code work once,
only their hashes are stored; a request is believed only after its signature is checked with the key of
the box it names.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
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
from gateway.core.errors import BadInput, CodeRefused, HubRefused
from gateway.core.model import PublicId, new_public_id
from gateway.hub import ingest
from gateway.hub.fleet import SILENT_BOX_MS, SiteBoard, worst_first

MIGRATIONS = Migrations("hub")
T = TypeVar("T")

CLAIM_MS = 24 * 3_600_000
CODE_MS = 30 * 60_000
SESSION_MS = 12 * 3_600_000
IDLE_MS = 30 * 60_000


@MIGRATIONS()
def m0001_hub(db: UtilsDatabase) -> None:
    """Create the tables of schema.sql."""
    apply_schema(db, files("gateway.hub") / "schema.sql")


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def tidy_code(text: str) -> str:
    """Return a code as it is stored: upper case, without spaces and dashes."""
    return "".join(text.upper().split()).replace("-", "")


def new_code(random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """Return a fresh 80-bit code in four groups, to be read aloud and typed."""
    raw = base64.b32encode(random_bytes(10)).decode("ascii")
    return "-".join(raw[at : at + 4] for at in range(0, 16, 4))


class HubStore:
    """Everything the hub's routes ask."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    # -- boxes
    async def make_claim(self, site: str) -> str:
        """Return a one-use claim code for a site, valid a day."""
        code, expires_ms = new_code(), self._clock.now_ms() + CLAIM_MS
        await self._db.write(
            lambda db: db.execute(
                "INSERT INTO claim (code_hash, site, expires_at) VALUES (?, ?, ?)",
                (_hash(tidy_code(code)), site, expires_ms),
            )
        )
        return code

    async def enrol(self, headers: Mapping[str, str], path: str, body: bytes) -> PublicId:
        """Take a box in by its claim; CodeRefused for a wrong claim, HubRefused for a bad signature.

        The same box may repeat it (its answer was lost): it gets the same id.
        """
        request = self._json(body)
        try:
            raw_key = bytes.fromhex(str(request.get("public_key")))
            key = Ed25519PublicKey.from_public_bytes(raw_key)
        except ValueError as error:
            raise BadInput("public_key is no Ed25519 key") from error
        now_ms = self._clock.now_ms()
        verify_request(key, "POST", path, headers, body, now_ms=now_ms)
        wanted = _hash(tidy_code(str(request.get("claim"))))
        fresh = new_public_id()

        def apply(db: sqlite3.Connection) -> PublicId:
            known = db.execute("SELECT id FROM gateway WHERE public_key = ?", (raw_key,)).fetchone()
            row = db.execute("SELECT * FROM claim WHERE code_hash = ?", (wanted,)).fetchone()
            if known is not None and row is not None and row["gateway"] == known["id"]:
                return PublicId(known["id"])
            if row is None or row["gateway"] is not None or row["expires_at"] <= now_ms:
                raise CodeRefused("the claim is unknown, used or expired", reason="claim")
            db.execute(
                "INSERT INTO gateway (id, site, public_key, enrolled_at) VALUES (?, ?, ?, ?)",
                (fresh, row["site"], raw_key, now_ms),
            )
            db.execute("UPDATE claim SET gateway = ? WHERE code_hash = ?", (fresh, wanted))
            return fresh

        return await self._db.write(apply)

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
        lanes = self._json(body).get("lanes")
        if not isinstance(lanes, list) or len(lanes) > 16:
            raise BadInput("hello needs a list of lanes")
        try:
            return await self._seen(gateway, lambda db: ingest.hello(db, gateway, lanes))
        except (KeyError, TypeError, ValueError, sqlite3.IntegrityError) as error:
            raise BadInput("a lane of hello is malformed") from error

    async def events(self, gateway: PublicId, stream: str, body: bytes) -> ingest.Ack:
        """Store a batch."""
        documents = self._json(body).get("events")
        if not isinstance(documents, list):
            raise BadInput("a batch needs a list of events")
        now_ms = self._clock.now_ms()
        return await self._seen(gateway, lambda db: ingest.ingest(db, gateway, stream, documents, now_ms=now_ms))

    async def _seen(self, gateway: PublicId, fn: Callable[[sqlite3.Connection], T]) -> T:
        now_ms = self._clock.now_ms()

        def apply(db: sqlite3.Connection) -> T:
            db.execute("UPDATE gateway SET last_seen_at = ? WHERE id = ?", (now_ms, gateway))
            return fn(db)

        return await self._db.write(apply)

    @staticmethod
    def _json(body: bytes) -> dict[str, Any]:
        try:
            value = json.loads(ingest.decompress(body))
        except ValueError as error:
            raise BadInput("the body is no JSON") from error
        if not isinstance(value, dict):
            raise BadInput("the body is no JSON object")
        return value

    # -- the authority's staff
    async def make_code(self) -> str:
        """Return a one-use sign-in code, valid 30 minutes."""
        code, expires_ms = new_code(), self._clock.now_ms() + CODE_MS
        await self._db.write(
            lambda db: db.execute("INSERT INTO code VALUES (?, ?)", (_hash(tidy_code(code)), expires_ms))
        )
        return code

    async def redeem(self, code: str) -> str:
        """Trade a code for a session token; CodeRefused if it is unknown, used or expired."""
        wanted, token, now_ms = _hash(tidy_code(code)), secrets.token_urlsafe(32), self._clock.now_ms()

        def apply(db: sqlite3.Connection) -> None:
            row = db.execute("DELETE FROM code WHERE code_hash = ? RETURNING expires_at", (wanted,)).fetchone()
            if row is None or row["expires_at"] <= now_ms:
                raise CodeRefused("the code is unknown, used or expired", reason="code")
            db.execute("INSERT INTO session VALUES (?, ?, ?)", (_hash(token), now_ms, now_ms))

        await self._db.write(apply)
        return token

    async def signed_in(self, token: str) -> bool:
        """Say whether a session token is good now, and mark it used."""
        now_ms = self._clock.now_ms()
        done = await self._db.write(
            lambda db: (
                db.execute(
                    "UPDATE session SET seen_at = ? WHERE token_hash = ? AND started_at > ? AND seen_at > ?",
                    (now_ms, _hash(token), now_ms - SESSION_MS, now_ms - IDLE_MS),
                ).rowcount
            )
        )
        return done > 0

    async def sign_out(self, token: str) -> None:
        """End a session."""
        await self._db.write(lambda db: db.execute("DELETE FROM session WHERE token_hash = ?", (_hash(token),)))

    async def board(self) -> list[SiteBoard]:
        """Return every site with the state of every camera, worst first."""
        now_ms = self._clock.now_ms()

        def load(db: sqlite3.Connection) -> list[SiteBoard]:
            cameras: dict[str, list[Any]] = {}
            for row in db.execute("SELECT * FROM camera ORDER BY gateway, number"):
                cameras.setdefault(row["gateway"], []).append(ingest.read_camera(row))
            return [
                SiteBoard(
                    row["id"],
                    row["site"],
                    row["last_seen_at"] is None or now_ms - row["last_seen_at"] > SILENT_BOX_MS,
                    row["last_seen_at"],
                    row["version"] or "",
                    row["viewers"] or 0,
                    tuple(cameras.get(row["id"], ())),
                )
                for row in db.execute("SELECT * FROM gateway")
            ]

        return worst_first(await self._db.read(load))
