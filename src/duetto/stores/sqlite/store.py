"""The store in an SQLite file: one commit is one transaction, synced before it is acknowledged."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import apsw
import msgspec

from duetto.errors import ConflictError, NotAllowed, StoreDamaged, StoreError, StoreFailed
from duetto.model.view import RunRow
from duetto.store import (
    Batch,
    Damage,
    Query,
    Statement,
    refuse_beyond_64_bits,
    refuse_unstorable,
    seal,
)
from duetto.stores.sqlite import log as event_log
from duetto.stores.sqlite import opening
from duetto.stores.sqlite.connection import connect, let_go
from duetto.stores.sqlite.database import Cursor, Database, Row
from duetto.stores.sqlite.log import SqliteLog
from duetto.stores.sqlite.mark import Mark, MarkFile
from duetto.stores.sqlite.mending import mend_indexes
from duetto.stores.sqlite.owner import Ownership
from duetto.stores.sqlite.reading import Reader
from duetto.stores.sqlite.refusals import failed, refusal
from duetto.stores.sqlite.rows import columns_of, end_seal
from duetto.stores.sqlite.schema import Migration
from duetto.stores.sqlite.statements import statements
from duetto.stores.sqlite.tables import Tables

WRITE = statements("write")
PURGE = statements("purge")
INSERT_RUN, END_RUN = WRITE["insert_run"], WRITE["end_run"]
INSERT_JOURNAL = WRITE["insert_journal"]
CHECKPOINT_PAGES = 1000
"""Measured: smaller costs syncs, larger slows reads of the log and the next opening."""
FILLER = [(0, seal(b""))]
"""A commit without records writes one of no run, so that the watermark counts it too."""

log = logging.getLogger("duetto.stores")


class SqliteStore:
    """The embedded store. Made by `open`."""

    def __init__(
        self,
        path: Path,
        db: Database,
        *,
        owner: Ownership | None = None,
        mark: MarkFile | None = None,
        identity: bytes = b"",
        died: bool = False,
    ) -> None:
        self.died = died
        self._path, self._db, self._owner, self._mark = path, db, owner, mark
        self._identity = identity
        self._reader = Reader(db, path)
        self.log = SqliteLog(db, path, self._delete_events)
        self._cursor = db.cursor()
        self._tables = Tables(db, self._second)
        self._beside: Database | None = None
        self._failure: StoreError | None = None
        self._is_closed = False
        self._log_pages, self._checkpoint_at = 0, CHECKPOINT_PAGES
        self._lsn = 0
        if owner is not None:
            db.set_wal_hook(self._note_log_pages)

    @classmethod
    def open(
        cls, path: str | Path, *, read_only: bool = False, accept_loss: bool = False
    ) -> SqliteStore:
        """Open a store, and make it where there is none.

        Raises StoreBusy, StoreDamaged, StoreNewer, and CommitsLost unless `accept_loss`.
        """
        opened = opening.open_files(Path(path), read_only=read_only, accept_loss=accept_loss)
        return cls(
            opened.path,
            opened.db,
            owner=opened.owner,
            mark=opened.mark,
            identity=opened.identity,
            died=opened.died,
        )

    @staticmethod
    def plan(path: str | Path) -> tuple[Migration, ...]:
        """Return the steps that an upgrade would take."""
        return opening.plan(Path(path))

    @staticmethod
    def upgrade(path: str | Path) -> tuple[Migration, ...]:
        """Bring a store to the newest layout, whole or not at all; return the steps taken."""
        return opening.upgrade(Path(path))

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    def commit(self, batch: Batch) -> None:
        """Make the batch durable; when this returns it survives a power cut."""
        self._check_writable()
        if not batch:
            return
        for row in batch.runs:
            refuse_unstorable(row)
        if batch.ended:
            refuse_beyond_64_bits(*(updated for _, _, updated, _ in batch.ended))
        if batch.events:
            event_log.check(batch)
        self._transact(lambda: self._write(batch), batch)
        self._acknowledge()

    def apply(self, batch: Batch, statements: Sequence[Statement]) -> None:
        """Add statements to a batch, executed at once in the transaction that it will be."""
        self._check_writable()
        try:
            self._tables.apply(batch, statements)
        except apsw.Error as error:
            raise self._refusal(error) from error

    def select(self, sql: str, values: Sequence[object]) -> list[Row]:
        """Return the rows of a query on tables of services."""
        return self._tables.select(sql, values)

    def _second(self) -> Database:
        """Return a connection that sees what is committed, and no more."""
        if self._beside is None:
            self._beside = connect(self._path, write=False)
        return self._beside

    def _transact(self, write: Callable[[], None], batch: Batch | None = None) -> None:
        """Write whole or not at all; once more, if that took mending an index."""
        with self._tables.lock:
            try:
                self._attempt(write, batch)
            except StoreDamaged:
                if not mend_indexes(self._db):
                    raise
                self._attempt(write, batch)

    def _attempt(self, write: Callable[[], None], batch: Batch | None) -> None:
        try:
            if batch is not None and batch.statements:
                self._tables.enter(batch)
            else:
                self._tables.leave()
                self._cursor.execute("BEGIN IMMEDIATE")
            write()
            self._cursor.execute("COMMIT")
        except apsw.Error as error:
            refused = self._refusal(error)
            raise refused from error
        finally:
            if self._db.in_transaction:
                self._roll_back()

    def _check_writable(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._owner is None:
            raise NotAllowed(
                f"The store {self._path} is open for reading.", do="open it without `read_only`"
            )

    def _write(self, batch: Batch) -> None:
        many = self._cursor.executemany
        if batch.definitions:
            sealed = [(digest, name, seal(data)) for digest, name, data in batch.definitions]
            many(WRITE["insert_definition"], sealed)
        if batch.runs:
            many(INSERT_RUN, [columns_of(row) for row in batch.runs])
            tags = [(tag, row.rid) for row in batch.runs for tag in row.tags]
            if tags:
                many(WRITE["insert_tag"], tags)
        if batch.ended:
            self._write_ends(batch.ended)
        if batch.events or batch.state:
            event_log.write(self._cursor, batch)
        # Last, so that the last inserted row is a record, whose number the watermark takes.
        many(INSERT_JOURNAL, batch.journal or FILLER)
        self._lsn = self._db.last_insert_rowid()

    def _write_ends(self, ended: list[tuple[int, int, int, bytes]]) -> None:
        before = self._db.total_changes()
        self._cursor.executemany(
            END_RUN,
            [
                (status, updated, result, end_seal(rid, status, updated, result), rid)
                for rid, status, updated, result in ended
            ],
        )
        if self._db.total_changes() - before != len(ended):
            raise ConflictError("There is no such run to end.", do="commit its row first")

    def _refusal(self, error: apsw.Error) -> StoreError | ConflictError:
        """Return the error to raise; after one that leaves durability open, nothing is written."""
        refused = refusal(error, self._path)
        if isinstance(refused, StoreFailed):
            self._failure = refused
        return refused

    def _roll_back(self) -> None:
        try:
            self._cursor.execute("ROLLBACK")
        except apsw.Error as error:
            log.warning("a commit to %s could not be undone: %s", self._path, error)
            self._failure = failed(self._path, str(error))

    def _acknowledge(self) -> None:
        """Note the commit beside the file, and checkpoint when the log is long enough."""
        assert self._mark is not None
        mark = Mark(self._identity, self._lsn, time.time_ns() // 1_000_000)
        if self._log_pages >= self._checkpoint_at and self._checkpoint():
            self._mark.sync(mark)
        else:
            self._mark.write(mark)

    def _note_log_pages(self, _: object, __: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> bool:
        """Move the log into the file; the commits are durable in the log if that fails."""
        # A reader or a full disk may keep it from moving all; then it waits for as much again.
        self._checkpoint_at = self._log_pages + CHECKPOINT_PAGES
        try:
            pages, moved = self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (apsw.FullError, apsw.BusyError) as error:
            log.warning("a checkpoint of %s must wait: %s", self._path, error)
            return False
        except apsw.Error as error:
            log.error("a checkpoint of %s failed: %s", self._path, error)
            self._failure = failed(self._path, str(error))
            return False
        if pages == moved:
            self._checkpoint_at = CHECKPOINT_PAGES
        return True

    def next_rid(self) -> int:
        """Return the first rid that was never used, at opening."""
        kept = self._reader.meta("next_rid")
        return max(int(str(kept or 0)), self._reader.number("last_rid") + 1)

    def run(self, id: str) -> RunRow | None:
        """Return the row of a run."""
        return self._reader.run(id)

    def runs(self, query: Query) -> list[RunRow]:
        """Return the rows that fit, newest first."""
        return self._reader.runs(query)

    def counts(self) -> dict[tuple[str, int], int]:
        """Return how many runs there are by (workflow, status)."""
        return self._reader.counts()

    def unfinished(self) -> Iterator[tuple[RunRow, list[bytes]]]:
        """Yield each open run with its records, checked, oldest first."""
        return self._reader.unfinished()

    def journal(self, rid: int) -> list[bytes]:
        """Return the records of one run, checked; raises StoreDamaged."""
        return self._reader.journal(rid)

    def definition(self, digest: str) -> bytes | None:
        """Return an encoded definition."""
        return self._reader.definition(digest)

    def damaged(self) -> tuple[Damage, ...]:
        """Return the runs that are quarantined."""
        return self._reader.damaged()

    def purge(self, closed_before: int, limit: int) -> int:
        """Delete at most `limit` closed runs that were updated before an instant."""
        self._check_writable()
        try:
            closed = self._cursor.execute(PURGE["closed_rids"], (closed_before, limit)).fetchall()
        except apsw.Error as error:
            raise self._refusal(error) from error
        if closed:
            self._transact(lambda: self._delete(closed))
            self._acknowledge()
        return len(closed)

    def _delete(self, closed: list[Row]) -> None:
        many = self._cursor.executemany
        # The numbers of runs and records never go back, even where the last ones are deleted.
        many(WRITE["put_meta"], [("next_rid", self.next_rid())])
        self._write_filler()
        for rid, tags in closed:
            for tag in msgspec.json.decode(str(tags), type=list[str]) if tags else ():
                many(PURGE["delete_tag"], [(tag, rid)])
        many(PURGE["delete_journal"], [(rid,) for rid, _ in closed])
        many(PURGE["delete_run"], [(rid,) for rid, _ in closed])

    def _delete_events(self, delete: Callable[[Cursor], None]) -> None:
        self._check_writable()

        def write() -> None:
            delete(self._cursor)
            self._write_filler()

        self._transact(write)
        self._acknowledge()

    def _write_filler(self) -> None:
        many = self._cursor.executemany
        many(INSERT_JOURNAL, FILLER)
        self._lsn = self._db.last_insert_rowid()
        many(PURGE["delete_fillers"], [(self._lsn,)])

    def backup(self, path: Path) -> None:
        """Write a consistent copy to a new file while in use."""
        opening.backup(self._path, Path(path))

    def close(self) -> None:
        """Checkpoint and let go of the store; once more does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._tables.leave()
        if self._owner is not None and self._failure is None:
            self._leave()
        self._failure = failed(self._path, "the store was closed")
        let_go(self._beside)
        let_go(self._db)
        if self._mark is not None:
            self._mark.close()
        if self._owner is not None:
            self._owner.release()

    def _leave(self) -> None:
        """Say in the file itself that it is whole without its log."""
        try:
            opening.say_closed(self._db, closed=True)
        except apsw.Error as error:
            log.warning("closing %s: %s", self._path, error)
