"""The tables of services, in the file of their store, changed within its commits.

Statements are executed when a body has ended, in a transaction that stays open until the batch that
they belong to is committed, a moment later: so what SQLite refuses is told while it is an error of
that body alone. Where the transaction is rolled back, as a disk is full, they are executed again
with the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import islice
from threading import RLock

import apsw

from duetto.errors import ValueRefused
from duetto.store import Batch, Statement
from duetto.stores.sqlite.database import Database, Row

ROWS_MAX = 10_000
"""Rows of one `select`: all of them are in memory at once."""

OWN = {"meta", "run", "run_tag", "journal", "definition", "event", "state"}
"""The tables of the store itself."""

FORBIDDEN = {
    apsw.SQLITE_ATTACH,
    apsw.SQLITE_DETACH,
    apsw.SQLITE_PRAGMA,
    apsw.SQLITE_TRANSACTION,
    apsw.SQLITE_SAVEPOINT,
    apsw.SQLITE_CREATE_VTABLE,
    apsw.SQLITE_DROP_VTABLE,
    apsw.SQLITE_ANALYZE,
    apsw.SQLITE_REINDEX,
}
"""What is the store's to do, or reaches beyond its file."""

TABLE_SECOND = {
    apsw.SQLITE_CREATE_INDEX,
    apsw.SQLITE_DROP_INDEX,
    apsw.SQLITE_CREATE_TRIGGER,
    apsw.SQLITE_DROP_TRIGGER,
    apsw.SQLITE_ALTER_TABLE,
}
"""Where SQLite names the table second."""


class Tables:
    """The tables of services over one connection, and the transaction in which they change.

    `read` returns the connection for `select`. Everything here may be called from any thread.
    """

    def __init__(self, db: Database, read: Callable[[], Database]) -> None:
        self._db, self._read = db, read
        self._batch: Batch | None = None
        """To which the open transaction belongs."""
        self.lock = RLock()

    def apply(self, batch: Batch, statements: Sequence[Statement]) -> None:
        """Execute statements behind those of a batch, all or none.

        Raises ValueRefused for what SQLite refuses, with its words.
        """
        check(statements)
        with self.lock:
            self.enter(batch)
            self._db.execute("SAVEPOINT body")
            try:
                with self._guarded(self._db):
                    self._execute(statements)
            except (apsw.FullError, apsw.IOError):
                self.leave()  # the commit of the batch says what it means
            except apsw.Error as error:
                if self._db.in_transaction:  # `OR ROLLBACK` has ended it; it begins anew
                    self._db.execute("ROLLBACK TO body")
                raise refused(error, statements) from error
            finally:
                if self._db.in_transaction:
                    self._db.execute("RELEASE body")
        batch.statements += statements

    def enter(self, batch: Batch) -> None:
        """Be in the transaction of a batch, in which its statements are executed."""
        if self._batch is batch and self._db.in_transaction:
            return
        self.leave()
        self._db.execute("BEGIN IMMEDIATE")
        self._batch = batch
        with self._guarded(self._db):
            self._execute(batch.statements)

    def leave(self) -> None:
        """Roll back what is open; its statements are executed again with their batch."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._batch = None

    def commit(self, batch: Batch) -> None:
        """Commit the statements of a batch alone."""
        with self.lock:
            self.enter(batch)
            self._db.execute("COMMIT")
            self._batch = None

    def _execute(self, statements: Sequence[Statement]) -> None:
        for sql, values in statements:
            self._db.execute(sql, values).fetchall()

    def select(self, sql: str, values: Sequence[object]) -> list[Row]:
        """Return the rows of a query, of what is committed. Raises ValueRefused."""
        statement = [(sql, tuple(values))]
        check(statement)
        with self.lock:
            db = self._read()
            try:
                with self._guarded(db):
                    found = list(islice(db.execute(sql, values), ROWS_MAX + 1))
            except apsw.Error as error:
                raise refused(error, statement) from error
        if len(found) > ROWS_MAX:
            raise ValueRefused(
                "A query has too many rows.",
                found=f"more than {ROWS_MAX:,} for {sql[:100]}",
                expected=f"at most {ROWS_MAX:,} (ROWS_MAX)",
                do="use LIMIT, or let SQL add them up",
            )
        return found

    @contextmanager
    def _guarded(self, db: Database) -> Generator[None]:
        """Keep what is executed away from the store's own tables, and from its transaction."""
        db.authorizer = authorize
        try:
            yield
        finally:
            db.authorizer = None


def authorize(
    operation: int, first: str | None, second: str | None, _: str | None, __: str | None
) -> int:
    """Say whether a statement of a service may do something."""
    table = second if operation in TABLE_SECOND else first
    if operation in FORBIDDEN or (table or "").lower() in OWN:
        return apsw.SQLITE_DENY
    return apsw.SQLITE_OK


def check(statements: Sequence[Statement]) -> None:
    """Raise ValueRefused for values that would not come back as they are."""
    for sql, values in statements:
        for value in values:
            if not is_kept(value):
                raise ValueRefused(
                    "A value cannot be kept in a table.",
                    found=f"{value!a}"[:100] + f" ({type(value).__name__}) for {sql[:100]}",
                    expected="None, bytes, text without lone surrogates, a finite number, an "
                    "integer of 64 bits with its sign",
                )


def is_kept(value: object) -> bool:
    """Return whether SQLite gives a value back as it is."""
    match value:
        case None | bytes():
            return True
        case bool():
            return False
        case int():
            return -(2**63) <= value < 2**63
        case float():
            return math.isfinite(value)
        case str():
            return value.isascii() or not any("\ud800" <= each <= "\udfff" for each in value)
        case _:
            return False


def refused(error: apsw.Error, statements: Sequence[Statement]) -> ValueRefused:
    """Return the error for what SQLite refuses."""
    if isinstance(error, apsw.AuthError):
        return ValueRefused(
            "A statement is not a service's to execute.",
            found="; ".join(sql[:100] for sql, _ in statements),
            expected="statements on tables of its own, without ATTACH, PRAGMA, BEGIN or COMMIT",
            do="name its tables otherwise than Duetto's: " + ", ".join(sorted(OWN)),
        )
    return ValueRefused(
        f"SQLite refuses a statement: {error}.",
        found="; ".join(sql[:100] for sql, _ in statements),
        expected="statements that fit the tables, with their values",
    )


__all__ = ["ROWS_MAX", "Tables"]
