"""Read what a dead process had committed: the keys that have a result, by its own journal."""

from __future__ import annotations

from pathlib import Path

from duetto.kernel import fold, journal
from duetto.kernel.fold import RunState
from duetto.model.record import CommandEnded, Ended, Moved, Record, TaskEnded
from duetto.model.token import OnUndo, task_key
from duetto.model.view import GUEST, RUNNING, RunRow
from duetto.runtime.attempt import UNDO_SUFFIX
from duetto.store import Query
from duetto.stores.sqlite import SqliteStore

RUNS_MAX = 1_000_000
LAST_RECORDS = 12
"""Enough to see the deaths that were counted before a token was parked."""


class Stored:
    """The keys with a stored result of one store, read once more after each death."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys: set[str] = set()
        self._closed: set[int] = set()

    def read(self) -> frozenset[str]:
        """Return all keys whose task or compensation has ended in a committed record."""
        if not self.path.exists():
            return frozenset()
        store = SqliteStore.open(self.path, read_only=True)
        try:
            for row in store.runs(Query(limit=RUNS_MAX)):
                self._read_run(row, store)
        finally:
            store.close()
        return frozenset(self.keys)

    def parked(self) -> list[str]:
        """Return why tokens of open runs were parked, with each run's last records."""
        if not self.path.exists():
            return []
        store = SqliteStore.open(self.path, read_only=True)
        try:
            open_runs = store.runs(Query(limit=RUNS_MAX, statuses=(RUNNING, GUEST)))
            journals = [[journal.record(data) for data in store.journal(r.rid)] for r in open_runs]
        finally:
            store.close()
        return [
            "\n".join([f"{self.path.name}:", *map(repr, records[-LAST_RECORDS:])])
            for records in journals
            if any(isinstance(record, Moved) and record.cause == "parked" for record in records)
        ]

    def _read_run(self, row: RunRow, store: SqliteStore) -> None:
        if row.rid in self._closed:
            return
        state = RunState(row.rid, row.id, row.digest, row.home)
        for data in store.journal(row.rid):
            record = journal.record(data)
            self.keys.update(ended_keys(state, record))
            fold.apply(state, record)
        if row.status != RUNNING:
            self._closed.add(row.rid)


def ended_keys(state: RunState, record: Record) -> list[str]:
    """Return the keys that a record ends, given the state before it."""
    match record:
        case TaskEnded(path=path, step=step):
            return [task_key(state.id, path, step)]
        case CommandEnded(path=path, step=step, undo=undo):
            return [task_key(state.id, path, step) + (UNDO_SUFFIX if undo else "")]
        case Ended(path=path, step=step, task=task) if task:
            return [task_key(state.id, path, step)]
        case Ended(path=path, cause="undone") | Moved(path=path, cause="undone"):
            rest = state.tokens[path].rest
            assert isinstance(rest, OnUndo), "only a token on a compensation is `undone`"
            return [task_key(state.id, rest.entry.path, rest.entry.step) + UNDO_SUFFIX]
        case _:
            return []
