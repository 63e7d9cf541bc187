"""The floor: a bare loop that commits what a round committed, and does nothing else.

The same tables, indexes, page checksums and pragmas, the same rows and bytes in the same number
of transactions; no watermark, no seals computed, no workflows. Everything is made before the clock
starts.
"""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

from msgspec.structs import replace

from bench.tally import Rows, Tally
from duetto.model.view import COMPLETED, RunRow
from duetto.runtime.clock import SystemClock
from duetto.stores.sqlite import SqliteStore
from duetto.stores.sqlite.connection import connect
from duetto.stores.sqlite.database import Row
from duetto.stores.sqlite.rows import columns_of, end_seal
from duetto.stores.sqlite.statements import statements
from duetto.stores.sqlite.store import CHECKPOINT_PAGES

WRITE = statements("write")
INSERT_RUN, END_RUN = WRITE["insert_run"], WRITE["end_run"]
INSERT_JOURNAL = WRITE["insert_journal"]

Transaction = tuple[list[Row], list[Row], list[Row]]


class Floor:
    """A store's file with nothing around it. It grows from round to round, as the store does."""

    def __init__(self, path: Path) -> None:
        SqliteStore.open(path).close()
        self._db = connect(path, write=True)
        self._db.wal_autocheckpoint(CHECKPOINT_PAGES)
        self._open: deque[int] = deque()
        self._last_rid = 0
        self._clock = SystemClock()

    def replay(self, tally: Tally) -> float:
        """Commit as much as was tallied, and return how many seconds it took."""
        transactions = [self._transaction(rows, tally) for rows in tally.commits]
        cursor = self._db.cursor()
        execute, executemany = cursor.execute, cursor.executemany
        began = time.perf_counter()
        for runs, ended, journal in transactions:
            execute("BEGIN IMMEDIATE")
            if runs:
                executemany(INSERT_RUN, runs)
            if ended:
                executemany(END_RUN, ended)
            if journal:
                executemany(INSERT_JOURNAL, journal)
            execute("COMMIT")
        return time.perf_counter() - began

    def _transaction(self, rows: Rows, tally: Tally) -> Transaction:
        runs = [columns_of(self._next_run(tally)) for _ in range(rows.runs)]
        record = bytes(tally.record_bytes)
        journal: list[Row] = [(self._next_open(), record) for _ in range(rows.journal)]
        return runs, [self._end(tally) for _ in range(rows.ended)], journal

    def _next_run(self, tally: Tally) -> RunRow:
        assert tally.run is not None, "a run was started before any ended"
        self._last_rid += 1
        self._open.append(self._last_rid)
        return replace(tally.run, rid=self._last_rid, id=self._clock.draw_id())

    def _next_open(self) -> int:
        """Runs take turns, as they do where they run at the same time."""
        if not self._open:
            return self._last_rid
        self._open.rotate(-1)
        return self._open[-1]

    def _end(self, tally: Tally) -> Row:
        rid = self._open.popleft() if self._open else self._last_rid
        updated = self._clock.now_ms()
        seal = end_seal(rid, COMPLETED, updated, tally.result)
        return (COMPLETED, updated, tally.result, seal, rid)

    def close(self) -> None:
        self._db.close()
