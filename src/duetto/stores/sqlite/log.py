"""The events of a store in an SQLite file, and the small rows of who takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw

from duetto.store import INT_MAX, Batch, StateRow, refuse_beyond_64_bits, unseal
from duetto.stores.sqlite.database import Bindings, Cursor, Database, Row
from duetto.stores.sqlite.refusals import refusal
from duetto.stores.sqlite.statements import statements

READ = statements("read")
WRITE = statements("write")
PURGE = statements("purge")
INSERT_EVENT, PUT_STATE = WRITE["insert_event"], WRITE["put_state"]
BEYOND = chr(0x10FFFF)
"""Sorts after every character that a name has."""


class SqliteLog:
    """Reads by a connection; `delete` runs a write as a commit of its own."""

    def __init__(
        self, db: Database, path: Path, delete: Callable[[Callable[[Cursor], None]], None]
    ) -> None:
        self._db, self._path, self._delete = db, path, delete

    def heads(self) -> dict[tuple[str, int], int]:
        """Return the last seq of each lane."""
        return {(topic, lane): seq for topic, lane, seq in self._ask("heads", ())}

    def events(self, topic: str, lane: int, after: int, limit: int) -> list[bytes]:
        """Return the first events of a lane after a seq, in order."""
        found = self._ask("events_of_lane", (topic, lane, after, limit))
        return [unseal(data) for (data,) in found]

    def state(self, prefix: str, *, after: str = "", limit: int = INT_MAX) -> list[StateRow]:
        """Return small rows whose name begins so, in order."""
        first = max(prefix, after + "\0") if after else prefix
        found = self._ask("states", (first, prefix + BEYOND, limit))
        return [(name, unseal(data)) for name, data in found]

    def purge(self, published_before: int, limit: int) -> int:
        """Delete the oldest events of each lane, but never its last."""
        old: list[Row] = []
        for (topic, lane), head in self.heads().items():
            asked = (topic, lane, head, published_before, limit - len(old))
            old += self._rows(PURGE["old_events"], asked)
            if len(old) >= limit:
                break
        if old:
            self._delete(lambda cursor: _many(cursor, PURGE["delete_event"], old))
        return len(old)

    def _ask(self, name: str, bindings: Bindings) -> list[Row]:
        return self._rows(READ[name], bindings)

    def _rows(self, sql: str, bindings: Bindings) -> list[Row]:
        try:
            return self._db.execute(sql, bindings).fetchall()
        except apsw.Error as error:
            raise refusal(error, self._path) from error


def check(batch: Batch) -> None:
    """Raise ValueRefused for numbers that a column cannot hold."""
    for _, _, seq, at, _ in batch.events:
        refuse_beyond_64_bits(seq, at)


def write(cursor: Cursor, batch: Batch) -> None:
    """Write what a batch says of events and rows, within its transaction."""
    if batch.events:
        _many(cursor, INSERT_EVENT, batch.events)
    if batch.state:
        gone = [(name,) for name, data in batch.state.items() if data is None]
        if gone:
            _many(cursor, WRITE["delete_state"], gone)
        _many(cursor, PUT_STATE, [row for row in batch.state.items() if row[1] is not None])


def _many(cursor: Cursor, sql: str, rows: list[Row]) -> None:
    cursor.executemany(sql, rows)
