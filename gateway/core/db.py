"""One SQLite database of one owner process: one writer thread, readers with their own connections.

Owns opening, migrating and the transactions. Invariants: WAL with `synchronous=FULL` (an acknowledged
commit survives a power cut), `foreign_keys=ON`; every write runs on the one writer thread inside
BEGIN IMMEDIATE ... COMMIT, so writes are serial and a failed one leaves nothing; the file is private
(0600); no other process opens it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from importlib.resources.abc import Traversable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio.to_thread
import sqlite_utils
from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

T = TypeVar("T")

BUSY_TIMEOUT_MS = 5_000
"""Only backups and a stuck tool can hold the lock; after that the write fails, it does not hang."""
MAX_WAITING_WRITES = 1_000
"""A full queue blocks the caller: facts are never dropped, the disk is slow and everyone must feel it."""


def apply_schema(db: UtilsDatabase, schema: Traversable) -> None:
    """Execute a commented schema file as a migration step, statement by statement.

    `executescript` would commit the migration's own transaction first.
    """
    statement = ""
    for line in schema.read_text(encoding="utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.conn.execute(statement)
            statement = ""


def _connect(path: Path) -> sqlite3.Connection:
    # mode=rw: a file that is gone (its disk was unplugged) must not be made anew below the mount point.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _scrub(connection: sqlite3.Connection) -> None:
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit the block, or roll it back and raise; a commit that fails is rolled back as well."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # A full disk makes SQLite roll back by itself; a deferred constraint leaves the transaction open.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class Database:
    """A database while entered (`async with`, or `open()` and `close()` from synchronous code)."""

    def __init__(self, path: Path, migrations: Sequence[Migrations]) -> None:
        self.path = path
        self._migrations = migrations
        self._jobs: queue.Queue[tuple[Callable[[sqlite3.Connection], Any], Future[Any], bool] | None] = queue.Queue(
            MAX_WAITING_WRITES
        )
        """What to do, where its result goes, and whether inside a transaction."""
        self._thread: threading.Thread | None = None
        self._gate = threading.Lock()
        """Held while a job is queued: none may come after the one that ends the thread."""
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        self.writes = 0

    def open(self) -> None:
        """Create or upgrade the file and start the writer thread; raises what SQLite raises."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = _connect(self.path)
        try:
            utils = sqlite_utils.Database(connection)
            for step in self._migrations:
                step.apply(utils)
        except BaseException:
            connection.close()
            raise
        self._thread = threading.Thread(target=self._write_loop, args=(connection,), name=f"db-{self.path.stem}")
        self._thread.start()

    def close(self) -> None:
        """Finish the queued writes, stop the thread, close all connections."""
        with self._gate:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._jobs.put(None)
        if thread is not None:
            thread.join()
        with self._readers_lock:
            while self._readers:
                self._readers.pop().close()

    @property
    def alive(self) -> bool:
        """Say whether the writer thread runs."""
        return self._thread is not None and self._thread.is_alive()

    async def __aenter__(self) -> Self:
        await anyio.to_thread.run_sync(self.open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.close)

    def _submit(self, fn: Callable[[sqlite3.Connection], T], *, bare: bool = False) -> Future[T]:
        future: Future[T] = Future()
        # Running from the start: cancelling the caller must not cancel the transaction (or its answer).
        future.set_running_or_notify_cancel()
        with self._gate:
            self._require_open()
            self._jobs.put((fn, future, not bare))
        return future

    def _require_open(self) -> None:
        if self._thread is None:
            raise RuntimeError(f"{self.path.name} is not open")

    def write_sync(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """Run `fn` in a write transaction and wait; from any thread but the event loop's."""
        return self._submit(fn).result()

    async def write(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """Run `fn` in a write transaction; what it raises is raised here after the rollback.

        A cancelled caller does not undo it: the transaction runs to its end.
        """
        return await asyncio.wrap_future(self._submit(fn))

    async def scrub(self) -> None:
        """Rewrite the file and empty its log: bytes that were replaced or deleted are in neither afterwards.

        What the file system or a flash disk keeps of old blocks is beyond it. Takes as long as copying the file.
        """
        await asyncio.wrap_future(self._submit(_scrub, bare=True))

    def read_sync(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """Run `fn` on a read connection in this thread."""
        self._require_open()
        with self._readers_lock:
            connection = self._readers.pop() if self._readers else None
        if connection is None:
            connection = _connect(self.path)
            connection.execute("PRAGMA query_only = ON")
        try:
            return fn(connection)
        finally:
            with self._readers_lock:
                if self._thread is None:
                    connection.close()
                else:
                    self._readers.append(connection)

    async def read(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """Run `fn` on a read connection in a worker thread."""
        return await anyio.to_thread.run_sync(self.read_sync, fn)

    def _write_loop(self, connection: sqlite3.Connection) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                fn, future, whole = job
                try:
                    with transaction(connection) if whole else contextlib.nullcontext():
                        result = fn(connection)
                except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
                    future.set_exception(error)
                else:
                    self.writes += 1
                    future.set_result(result)
        finally:
            connection.close()
