"""The cameras of the box: who they are, how to reach them, how to log in.

Owns `cameras.db` (schema.sql), its tables `camera` and `stream`. Invariants: a password is stored
sealed and bound to its camera; a refused login stays refused over restarts until `set_login`, so that a
wrong password is never sent again by itself; a removed camera keeps its row, its footage is still named
by it; every change is journalled in its own transaction.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.clock import Clock
from gateway.core.db import Database, apply_schema
from gateway.core.errors import BadInput, NotFound
from gateway.core.events import Event
from gateway.core.model import CameraId, Login, PublicId, Secret, StreamId, StreamRole, new_public_id
from gateway.core.secrets import SealKey
from recorder.identity import Identity, same_camera
from recorder.journal import Journal

MIGRATIONS = Migrations("cameras")
MAX_NAME = 80
LATER_COLUMNS = (
    ("camera", "tls_pin", "TEXT NOT NULL DEFAULT ''"),
    ("camera", "channel", "INTEGER NOT NULL DEFAULT 0 CHECK (channel BETWEEN 0 AND 256)"),
    ("stream", "tls", "INTEGER NOT NULL DEFAULT 0 CHECK (tls IN (0, 1))"),
)
"""Columns that databases of version 1 lack, as in schema.sql."""
NATIVE = "native"
"""The engine of a camera to which no other was pinned."""


@MIGRATIONS()
def m0001(db: UtilsDatabase) -> None:
    """Create the schema of version 1."""
    apply_schema(db, files("recorder") / "schema.sql")


@MIGRATIONS()
def m0002_channels_and_tls(db: UtilsDatabase) -> None:
    """Tell the channels of a recorder apart, and what came with TLS; a new database has these columns already."""
    for table, name, kind in LATER_COLUMNS:
        if not any(column.name == name for column in db.table(table).columns):
            db.conn.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")


@MIGRATIONS()
def m0003(db: UtilsDatabase) -> None:
    """Add the book of camera-side settings (`recorder.settingbook`)."""
    apply_schema(db, files("recorder") / "schema_settings.sql")


@MIGRATIONS()
def m0004(db: UtilsDatabase) -> None:
    """Add the checklists (`recorder.checklist`)."""
    apply_schema(db, files("recorder") / "schema_checklist.sql")


@MIGRATIONS()
def pinned_engine(db: UtilsDatabase) -> None:
    """Remember which engine plays a camera, and why; it needs `m0001` only."""
    apply_schema(db, files("recorder") / "schema_engine.sql")


@MIGRATIONS()
def onvif_place(db: UtilsDatabase) -> None:
    """Remember where ONVIF was learned to be; it needs `m0001` only."""
    apply_schema(db, files("recorder") / "schema_onvif.sql")


class LoginState(StrEnum):
    """What is known of the stored password."""

    UNTRIED = "untried"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """Where one encoding is fetched and what the camera says it is; `fps` may be 0 = unknown."""

    role: StreamRole
    host: str
    port: int
    path: str
    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    bitrate_bps: int = 0
    token: str = ""
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Stream:
    """A recorded stream: its id is its folder on a volume."""

    id: StreamId
    camera: PublicId
    spec: StreamSpec

    @property
    def role(self) -> StreamRole:
        """Main or sub."""
        return self.spec.role


@dataclass(frozen=True, slots=True)
class NewCamera:
    """What adoption learned."""

    name: str
    driver: str
    address: str
    port: int
    identity: Identity
    login: Login | None = None
    login_mode: str = ""
    login_state: LoginState = LoginState.UNTRIED
    tls_pin: str = ""
    """SHA-256 of the certificate it showed first, hex; empty while it was never spoken to over TLS."""
    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    streams: tuple[StreamSpec, ...] = field(default=())
    engine: str = NATIVE
    """What plays its streams: ours, or the one pinned at adoption; nothing else ever changes it."""
    engine_why: str = ""
    """Why the probe at adoption pinned another engine; empty if a person did."""
    onvif_path: str = ""
    """Path of its ONVIF device service; empty: not known, or it speaks none."""
    onvif_tls: bool | None = None
    """Whether that service speaks TLS; None: not known."""


@dataclass(frozen=True, slots=True)
class Camera:
    """An adopted camera with its streams, main first."""

    id: CameraId
    public_id: PublicId
    about: NewCamera
    streams: tuple[Stream, ...]
    added_ms: int
    removed_ms: int | None = None

    @property
    def name(self) -> str:
        """The name people gave it."""
        return self.about.name


_AS_THEY_ARE = (
    "name", "driver", "address", "port", "login_mode", "tls_pin", "manufacturer", "model", "firmware",
    "engine", "engine_why", "onvif_path",
)  # fmt: skip
"""What of a `NewCamera` is a column of the same name and value."""


def _check_name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise BadInput(f"a camera's name has 1 to {MAX_NAME} printable characters", key="name")
    return name


def _context(camera: PublicId) -> str:
    return f"camera:{camera}"


class Registry:
    """Reads and changes the adopted cameras; methods run on the database's own threads."""

    def __init__(self, db: Database, seal: SealKey, journal: Journal, clock: Clock) -> None:
        self._db, self._seal, self._journal, self._clock = db, seal, journal, clock

    async def box_id(self) -> PublicId:
        """Return this box's id, made once: footage volumes carry it so that a foreign disk is refused."""

        def take(connection: sqlite3.Connection) -> PublicId:
            connection.execute("INSERT OR IGNORE INTO fact VALUES ('box_id', ?)", (new_public_id(),))
            return PublicId(connection.execute("SELECT value FROM fact WHERE name = 'box_id'").fetchone()[0])

        return await self._db.write(take)

    async def volumes(self) -> dict[str, PublicId]:
        """Return the footage disks that were in use, by path."""
        return await self._db.read(
            lambda connection: {
                row["path"]: PublicId(row["public_id"]) for row in connection.execute("SELECT * FROM volume")
            }
        )

    async def note_volume(self, path: str, volume: PublicId) -> None:
        """Remember the disk that is in use at a path."""
        row = (path, volume, self._clock.now_ms())
        await self._db.write(
            lambda connection: connection.execute(
                "INSERT INTO volume VALUES (?, ?, ?) ON CONFLICT (path) DO UPDATE SET public_id = excluded.public_id",
                row,
            )
        )

    async def cameras(self, *, removed: bool = False) -> tuple[Camera, ...]:
        """Return the cameras in order of adoption; with `removed` also those taken away."""
        return await self._db.read(lambda connection: self._load(connection, removed=removed))

    async def add(self, new: NewCamera) -> Camera:
        """Store a new camera with its streams; BadInput if it is one of ours already."""
        new = dataclasses.replace(new, name=_check_name(new.name))
        public_id, now_ms = new_public_id(), self._clock.now_ms()
        event = self._journal.event(
            "camera.adopted", subject=public_id, camera=public_id, driver=new.driver, streams=len(new.streams)
        )

        def insert(connection: sqlite3.Connection) -> Camera:
            known = same_camera(self._load(connection, removed=False), new.identity)
            if known is not None:
                raise BadInput("this camera is adopted already", key="address", camera=known.public_id)
            row = {**self._columns(new, public_id), "public_id": public_id, "added_ms": now_ms}
            names = ", ".join(row)
            marks = ", ".join(f":{name}" for name in row)
            connection.execute(f"INSERT INTO camera ({names}) VALUES ({marks})", row)  # noqa: S608 - our own names
            camera = _one(self._load(connection, removed=False), public_id)
            _insert_streams(connection, camera.id, new.streams)
            return _one(self._load(connection, removed=False), public_id)

        return await self._journal.record(insert, event)

    async def rename(self, camera: PublicId, name: str) -> Camera:
        """Change the name shown to people."""
        return await self._update(camera, {"name": _check_name(name)})

    async def remove(self, camera: PublicId) -> Camera:
        """Stop calling it ours; its password is forgotten at once, its footage follows retention."""
        gone = {"removed_ms": self._clock.now_ms(), "username": None, "password": None}
        event = self._journal.event("camera.removed", subject=camera, camera=camera)
        return await self._update(camera, gone, event, removed=True)

    async def set_login(self, camera: PublicId, login: Login, *, keep_pin: bool = False) -> Camera:
        """Store another login: the one way out of `refused`; `keep_pin`: no person vouches for the camera."""
        sealed = self._seal.seal(login.password.reveal().encode(), _context(camera))
        columns = {"username": login.username, "password": sealed, "login_state": LoginState.UNTRIED.value}
        if not keep_pin:
            columns["tls_pin"] = ""  # whoever enters a login vouches for the camera that is there now
        return await self._update(camera, columns)

    async def note_login(self, camera: PublicId, state: LoginState) -> Camera:
        """Remember what the camera said to the stored password."""
        return await self._update(camera, {"login_state": state.value})

    async def note_pin(self, camera: PublicId, fingerprint: str) -> Camera:
        """Remember the TLS certificate that the camera showed first."""
        return await self._update(camera, {"tls_pin": fingerprint})

    async def move(self, camera: PublicId, address: str, port: int) -> Camera:
        """Follow a camera whose address changed; its streams move with it."""
        event = self._journal.event("camera.address", subject=camera, camera=camera)

        def follow(connection: sqlite3.Connection) -> Camera:
            known = _one(self._load(connection, removed=False), camera)
            tls = known.about.onvif_tls if port == known.about.port else None  # what another port speaks is not known
            place = (address, port, tls, known.id)
            connection.execute("UPDATE camera SET address = ?, port = ?, onvif_tls = ? WHERE id = ?", place)
            connection.execute("UPDATE stream SET host = ? WHERE camera_id = ?", (address, known.id))
            return _one(self._load(connection, removed=False), camera)

        return await self._journal.record(follow, event)

    async def replace(self, camera: PublicId, new: NewCamera) -> Camera:
        """Make a camera another device: name, id and streams stay, all that is known of the device changes.

        `new` has at least the streams the camera has; others are added.
        """
        event = self._journal.event("camera.replaced", subject=camera, camera=camera)

        def swap(connection: sqlite3.Connection) -> Camera:
            known = _one(self._load(connection, removed=False), camera)
            columns = {name: value for name, value in self._columns(new, camera).items() if name != "name"}
            assignments = ", ".join(f"{name} = :{name}" for name in columns)
            connection.execute(
                f"UPDATE camera SET {assignments} WHERE id = :id",  # noqa: S608 - our own column names
                {**columns, "id": known.id},
            )
            roles = {stream.role: stream.id for stream in known.streams}
            for spec in new.streams:
                if spec.role in roles:
                    _update_stream(connection, roles[spec.role], spec)
            _insert_streams(connection, known.id, tuple(spec for spec in new.streams if spec.role not in roles))
            return _one(self._load(connection, removed=False), camera)

        return await self._journal.record(swap, event)

    async def restate(self, camera: PublicId, streams: Sequence[StreamSpec]) -> Camera:
        """Note what a camera now says of its encodings; where they are fetched stays as it was."""

        def change(connection: sqlite3.Connection) -> Camera:
            known = _one(self._load(connection, removed=False), camera)
            connection.executemany(
                "UPDATE stream SET codec = ?, width = ?, height = ?, fps = ?, bitrate_bps = ?"
                " WHERE camera_id = ? AND role = ?",
                [(s.codec, s.width, s.height, s.fps, s.bitrate_bps, known.id, s.role.value) for s in streams],
            )
            return _one(self._load(connection, removed=False), camera)

        return await self._db.write(change)

    async def _update(
        self, camera: PublicId, columns: Mapping[str, object], *events: Event, removed: bool = False
    ) -> Camera:
        assignments = ", ".join(f"{name} = :{name}" for name in columns)

        def change(connection: sqlite3.Connection) -> Camera:
            known = _one(self._load(connection, removed=False), camera)
            connection.execute(
                f"UPDATE camera SET {assignments} WHERE id = :id",  # noqa: S608 - our own column names
                {**columns, "id": known.id},
            )
            return _one(self._load(connection, removed=removed), camera)

        return await self._journal.record(change, *events)

    def _columns(self, new: NewCamera, public_id: PublicId) -> dict[str, object]:
        sealed = new.login and self._seal.seal(new.login.password.reveal().encode(), _context(public_id))
        return {
            **{name: getattr(new, name) for name in _AS_THEY_ARE},
            **dataclasses.asdict(new.identity),
            "username": new.login.username if new.login else None,
            "password": sealed,
            "login_state": new.login_state.value,
            "onvif_tls": new.onvif_tls,
        }

    def _load(self, connection: sqlite3.Connection, *, removed: bool) -> tuple[Camera, ...]:
        where = "" if removed else "WHERE removed_ms IS NULL"
        streams: dict[int, list[sqlite3.Row]] = {}
        for row in connection.execute("SELECT * FROM stream ORDER BY camera_id, role"):
            streams.setdefault(row["camera_id"], []).append(row)
        rows = connection.execute(f"SELECT * FROM camera {where} ORDER BY id")  # noqa: S608 - a constant
        return tuple(self._camera(row, streams.get(row["id"], [])) for row in rows)

    def _camera(self, row: sqlite3.Row, streams: list[sqlite3.Row]) -> Camera:
        public_id = PublicId(row["public_id"])
        login = None
        if row["username"] is not None:
            password = self._seal.unseal(row["password"], _context(public_id)).decode()
            login = Login(row["username"], Secret(password))
        specs = tuple(_stream(item, public_id) for item in streams)
        about = NewCamera(
            **{name: row[name] for name in _AS_THEY_ARE},
            identity=Identity(row["endpoint"], row["mac"], row["serial"], row["channel"]),
            login=login,
            login_state=LoginState(row["login_state"]),
            onvif_tls=None if row["onvif_tls"] is None else bool(row["onvif_tls"]),
            streams=tuple(item.spec for item in specs),
        )
        return Camera(CameraId(row["id"]), public_id, about, specs, row["added_ms"], row["removed_ms"])


def _stream(row: sqlite3.Row, camera: PublicId) -> Stream:
    named = {item.name: row[item.name] for item in dataclasses.fields(StreamSpec) if item.name != "role"}
    named["tls"] = bool(named["tls"])
    return Stream(StreamId(row["id"]), camera, StreamSpec(role=StreamRole(row["role"]), **named))


def _insert_streams(connection: sqlite3.Connection, camera: CameraId, streams: tuple[StreamSpec, ...]) -> None:
    for spec in streams:
        row = {**dataclasses.asdict(spec), "role": spec.role.value, "camera_id": camera}
        names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        connection.execute(f"INSERT INTO stream ({names}) VALUES ({marks})", row)  # noqa: S608 - our own names


def _update_stream(connection: sqlite3.Connection, stream: StreamId, spec: StreamSpec) -> None:
    row = {name: value for name, value in dataclasses.asdict(spec).items() if name != "role"}
    assignments = ", ".join(f"{name} = :{name}" for name in row)
    connection.execute(
        f"UPDATE stream SET {assignments} WHERE id = :id",  # noqa: S608 - our own column names
        {**row, "id": stream},
    )


def _one(cameras: tuple[Camera, ...], public_id: PublicId) -> Camera:
    for camera in cameras:
        if camera.public_id == public_id:
            return camera
    raise NotFound("no such camera", key="camera")
