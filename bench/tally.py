"""Counts what a store commits, so that the floor can commit as many rows and bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from duetto.model.view import RunRow
from duetto.store import Batch
from duetto.stores.memory import MemoryStore
from duetto.stores.sqlite import SqliteStore


class Rows(NamedTuple):
    """The rows of one commit."""

    runs: int
    ended: int
    journal: int


@dataclass
class Tally:
    """What was committed since it was last taken."""

    commits: list[Rows] = field(default_factory=list[Rows])
    journal_bytes: int = 0
    run: RunRow | None = None
    result: bytes = b""

    @property
    def journal_rows(self) -> int:
        return sum(rows.journal for rows in self.commits)

    @property
    def record_bytes(self) -> int:
        """The mean size of a record."""
        return round(self.journal_bytes / max(1, self.journal_rows))


class Tallied:
    """Stands before the commit of a store."""

    def __init__(self, commit: Callable[[Batch], None]) -> None:
        self._commit = commit
        self._tally = Tally()

    def commit(self, batch: Batch) -> None:
        self._commit(batch)
        tally = self._tally
        tally.commits.append(Rows(len(batch.runs), len(batch.ended), len(batch.journal)))
        tally.journal_bytes += sum([len(data) for _, data in batch.journal])
        if batch.runs:
            tally.run = batch.runs[-1]
        if batch.ended:
            tally.result = batch.ended[-1][3]

    def take(self) -> Tally:
        """Return what was counted, and begin anew."""
        taken, self._tally = self._tally, Tally(run=self._tally.run, result=self._tally.result)
        return taken


def tallied(store: SqliteStore | MemoryStore) -> Tallied:
    """Count the commits of a store from now on."""
    counter = Tallied(store.commit)
    store.commit = counter.commit
    return counter
