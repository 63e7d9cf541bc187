"""The contract of a store: what is committed together is there together, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from duetto.model.view import RunRow


class Batch(Struct):
    """What one commit writes, all or nothing. Filled by the runtime, emptied by nobody.

    `runs` are new rows; `ended` are (rid, status, updated, result) of rows that exist; `journal`
    are (rid, sealed record) in order; `definitions` are (digest, name, encoded definition).
    """

    runs: list[RunRow] = []
    ended: list[tuple[int, int, int, bytes]] = []
    journal: list[tuple[int, bytes]] = []
    definitions: list[tuple[str, str, bytes]] = []

    def __bool__(self) -> bool:
        return bool(self.journal or self.runs or self.ended or self.definitions)


class Query(Struct, frozen=True):
    """Which runs to list, newest first: `before` is a rid to go on from, 0 for the newest."""

    workflow: str = ""
    statuses: tuple[int, ...] = ()
    tag: str = ""
    since: int = 0
    until: int = 0
    before: int = 0
    limit: int = 100


class Damage(Struct, frozen=True):
    """A run that must not be executed from, and why."""

    rid: int
    run: str
    reason: str


class Store(Protocol):
    """One writer's durable state. Every method is synchronous and short.

    Raises StoreFull where there is no room (nothing was committed, it may be tried again) and
    StoreFailed where a write or sync failed (the store is closed to writers until reopened).
    """

    def commit(self, batch: Batch) -> None:
        """Make the batch durable; when this returns it survives a power cut."""
        ...

    def next_rid(self) -> int:
        """Return the first rid that was never used, at opening."""
        ...

    def run(self, id: str) -> RunRow | None:
        """Return the row of a run."""
        ...

    def runs(self, query: Query) -> list[RunRow]:
        """Return the rows that fit, newest first."""
        ...

    def counts(self) -> dict[tuple[str, int], int]:
        """Return how many runs there are by (workflow, status)."""
        ...

    def unfinished(self) -> Iterator[tuple[RunRow, list[bytes]]]:
        """Yield each open run (RUNNING or GUEST) with its records, checked, oldest first.

        A run that is damaged is not yielded but listed by `damaged`.
        """
        ...

    def journal(self, rid: int) -> list[bytes]:
        """Return the records of one run, checked; raises StoreDamaged."""
        ...

    def definition(self, digest: str) -> bytes | None:
        """Return an encoded definition."""
        ...

    def damaged(self) -> tuple[Damage, ...]:
        """Return the runs that are quarantined."""
        ...

    def purge(self, closed_before: int, limit: int) -> int:
        """Delete at most `limit` closed runs that were updated before an instant; return how many."""
        ...

    def backup(self, path: Path) -> None:
        """Write a consistent copy to a new file while in use."""
        ...

    def close(self) -> None:
        """Checkpoint and let go of the store."""
        ...


