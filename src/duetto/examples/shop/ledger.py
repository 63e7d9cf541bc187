"""A service's ledger: an SQLite database outside Duetto in which a key can be used once.

The database is the truth. `SERVICE.jsonl` beside it is its export, a line per effect in the order
of the commits; what a kill kept from being exported is made good when the ledger is opened.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

BATCH_EFFECTS_MAX = 256
"""Effects that share one commit, so that one slow batch cannot hold up thousands of answers."""
BUSY_MS = 5_000
"""How long to wait for somebody who reads or copies the database."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS effect (
    seq       INTEGER PRIMARY KEY,
    key       TEXT    NOT NULL UNIQUE,
    "order"   TEXT    NOT NULL,
    operation TEXT    NOT NULL,
    at_ns     INTEGER NOT NULL,
    amount    TEXT,
    units     INTEGER
) STRICT
"""
FIND = """SELECT seq, "order", operation, key, at_ns, amount, units FROM effect WHERE key = ?"""
INSERT = """
INSERT INTO effect ("order", operation, key, at_ns, amount, units) VALUES (?, ?, ?, ?, ?, ?)
"""
SINCE = """
SELECT seq, "order", operation, key, at_ns, amount, units FROM effect WHERE seq > ? ORDER BY seq
"""


class KeyReused(Exception):
    """An idempotency key came again with another request; the first effect stands alone."""

    def __init__(self, key: str, found: str, expected: str) -> None:
        super().__init__(key, found, expected)
        self.key = key
        self.found = found
        self.expected = expected

    def __str__(self) -> str:
        return (
            f"Key {self.key} was used for another request; nothing was done.\n"
            f"  found     {self.found}\n"
            f"  expected  {self.expected}\n"
            f"  do        use a key of its own for each request"
        )


class LedgerClosed(RuntimeError):
    """An effect was asked of a ledger that is closed; nothing was done."""


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a service is asked to do for an order: pounds as text, or pieces, or neither."""

    order: str
    operation: str
    amount: str | None = None
    units: int | None = None


class Effect(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a service has done, once, under a key; `at_ns` since the epoch."""

    order: str
    operation: str
    key: str
    at_ns: int
    amount: str | None = None
    units: int | None = None

    @property
    def request(self) -> Request:
        """The request that this effect answers."""
        return Request(self.order, self.operation, self.amount, self.units)

    @property
    def reference(self) -> str:
        """The name that the service gives its effect: the same wherever the run was placed."""
        return f"{self.operation}-{sha256(self.key.encode()).hexdigest()[:12]}"


class Use:
    """A use of a key that waits for its commit."""

    def __init__(self, key: str, request: Request) -> None:
        self.key = key
        self.request = request
        self.answer: Future[Effect] = Future()

    def settle(self, outcome: Effect | Exception) -> None:
        """Give the outcome to who waits for it, unless they have gone."""
        if not self.answer.set_running_or_notify_cancel():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class Export:
    """The lines of a ledger in a file, which is always a prefix of what the ledger holds."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Open the file, and bring it up to the ledger."""
        self._connection = connection
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._seq = 0
        self._size = 0
        present = path.read_bytes()
        lines, _ = self._missing()
        if not lines.startswith(present):
            # A kill leaves a prefix, a power cut may leave anything: then write all of it again.
            os.ftruncate(self._file, 0)
        self.catch_up()

    def catch_up(self) -> None:
        """Write the lines that are not yet there.

        At the known end of the file and not at its present one, so that what is left of a write
        that failed half-way is written over.
        """
        lines, seq = self._missing()
        write_at(self._file, lines, self._size)
        self._seq = seq
        self._size += len(lines)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _missing(self) -> tuple[bytes, int]:
        rows = self._connection.execute(SINCE, (self._seq,)).fetchall()
        lines = b"".join(msgspec.json.encode(_effect(row)) + b"\n" for row in rows)
        return lines, rows[-1]["seq"] if rows else self._seq


class Ledger:
    """The effects of one service, in `FOLDER/SERVICE.sqlite` and `FOLDER/SERVICE.jsonl`.

    A thread of its own commits them, as many at a time as have come while the disk was busy. One
    process at a time may have it open.
    """

    def __init__(self, folder: Path, service: str) -> None:
        """Open the ledger, and make good what a kill kept from its export. Blocks."""
        folder.mkdir(parents=True, exist_ok=True)
        self.service = service
        self._connection = connect(folder / f"{service}.sqlite")
        self._export = Export(folder / f"{service}.jsonl", self._connection)
        self._uses: queue.SimpleQueue[Use | None] = queue.SimpleQueue()
        self._door = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(
            target=self._commit_all, name=f"ledger-{service}", daemon=True
        )
        self._thread.start()

    async def use(self, key: str, request: Request) -> Effect:
        """Return the effect of a request once it is durable; its first one where the key was used.

        Raises KeyReused where the key stands for another request, LedgerClosed after `close`, and
        what the disk raises; whoever asks again with the same key does no harm.
        """
        use = Use(key, request)
        with self._door:
            if self._closed:
                raise LedgerClosed(f"The ledger of {self.service} is closed; nothing was done.")
            self._uses.put(use)
        return await asyncio.wrap_future(use.answer)

    def close(self) -> None:
        """Commit what was asked for, then close the files. Blocks; a second call does nothing."""
        with self._door:
            if self._closed:
                return
            self._closed = True
            self._uses.put(None)
        self._thread.join()
        self._export.close()
        self._connection.close()

    def _commit_all(self) -> None:
        last = False
        while not last:
            uses, last = self._take()
            for use, outcome in zip(uses, self._outcomes(uses), strict=True):
                use.settle(outcome)

    def _take(self) -> tuple[list[Use], bool]:
        """Wait for a use, then take what else is there; the flag tells that it was the last."""
        uses: list[Use] = []
        while (use := self._uses.get()) is not None:
            uses.append(use)
            if len(uses) == BATCH_EFFECTS_MAX or self._uses.empty():
                return uses, False
        return uses, True

    def _outcomes(self, uses: Sequence[Use]) -> Sequence[Effect | Exception]:
        """Commit and export a batch. Nobody hears of an effect before both are done."""
        try:
            outcomes = commit(self._connection, uses)
            self._export.catch_up()
        except (OSError, sqlite3.Error) as error:
            return [error] * len(uses)
        return outcomes


def connect(path: Path) -> sqlite3.Connection:
    """Open a ledger's database, made where there is none; commits are synced before they return."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(SCHEMA)
    return connection


def commit(connection: sqlite3.Connection, uses: Sequence[Use]) -> list[Effect | Exception]:
    """Return what each use comes to, in one commit. Raises sqlite3.Error, with nothing done."""
    if not uses:
        return []
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcomes = [_outcome(connection, use) for use in uses]
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return outcomes


def write_at(file: int, data: bytes, offset: int) -> None:
    """Write all of the data at an offset, in bytes. Raises OSError, with a part of it written."""
    while data:
        written = os.pwrite(file, data, offset)
        data = data[written:]
        offset += written


def _outcome(connection: sqlite3.Connection, use: Use) -> Effect | Exception:
    row = connection.execute(FIND, (use.key,)).fetchone()
    if row is not None:
        first = _effect(row)
        return first if first.request == use.request else _reused(use, first)
    request = use.request
    effect = Effect(
        order=request.order,
        operation=request.operation,
        key=use.key,
        at_ns=time.time_ns(),
        amount=request.amount,
        units=request.units,
    )
    connection.execute(INSERT, msgspec.structs.astuple(effect))
    return effect


def _reused(use: Use, first: Effect) -> KeyReused:
    found, expected = (msgspec.json.encode(each).decode() for each in (use.request, first.request))
    return KeyReused(use.key, found, expected)


def _effect(row: Any) -> Effect:
    return Effect(
        order=row["order"],
        operation=row["operation"],
        key=row["key"],
        at_ns=row["at_ns"],
        amount=row["amount"],
        units=row["units"],
    )
