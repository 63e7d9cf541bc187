"""A store in memory: the contract without a disk, for tests and for what may be forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from duetto.errors import ConflictError, NotAllowed, StoreDamaged
from duetto.model.view import GUEST, RUNNING, RunRow
from duetto.store import (
    INT_MAX,
    Batch,
    Damage,
    Query,
    Statement,
    StateRow,
    fits,
    refuse_beyond_64_bits,
    refuse_unstorable,
    unseal,
)
from duetto.stores.sqlite.database import Database, connected
from duetto.stores.sqlite.tables import Tables


class MemoryLog:
    """Events by lane, each lane in order, and small rows by name."""

    def __init__(self) -> None:
        self.lanes: dict[tuple[str, int], dict[int, tuple[int, bytes]]] = {}
        self.rows: dict[str, bytes] = {}

    def check(self, batch: Batch) -> None:
        """Raise ConflictError for events that do not follow the last of their lane."""
        last = self.heads()
        for topic, lane, seq, at, _ in batch.events:
            refuse_beyond_64_bits(seq, at)
            if seq <= last.get((topic, lane), 0):
                raise ConflictError(
                    f"Event {seq} of lane {lane} of {topic} is there already.",
                    do="number the events of a lane in their order",
                )
            last[topic, lane] = seq

    def keep(self, batch: Batch) -> None:
        """Take what a batch says of events and rows."""
        for topic, lane, seq, at, sealed in batch.events:
            self.lanes.setdefault((topic, lane), {})[seq] = (at, sealed)
        for name, data in batch.state.items():
            if data is None:
                self.rows.pop(name, None)
            else:
                self.rows[name] = data

    def heads(self) -> dict[tuple[str, int], int]:
        """Return the last seq of each lane."""
        return {lane: next(reversed(events)) for lane, events in self.lanes.items() if events}

    def events(self, topic: str, lane: int, after: int, limit: int) -> list[bytes]:
        """Return the first events of a lane after a seq, in order."""
        found = self.lanes.get((topic, lane), {})
        following = (sealed for seq, (_, sealed) in found.items() if seq > after)
        return [unseal(sealed) for sealed in islice(following, limit)]

    def state(self, prefix: str, *, after: str = "", limit: int = INT_MAX) -> list[StateRow]:
        """Return small rows whose name begins so, in order."""
        names = sorted(name for name in self.rows if name.startswith(prefix) and name > after)
        return [(name, unseal(self.rows[name])) for name in islice(names, limit)]

    def purge(self, published_before: int, limit: int) -> int:
        """Delete the oldest events of each lane, but never its last."""
        old = [
            (events, seq)
            for events in self.lanes.values()
            for seq, (at, _) in islice(events.items(), max(0, len(events) - 1))
            if at < published_before
        ][:limit]
        for events, seq in old:
            del events[seq]
        return len(old)


class MemoryStore:
    """Everything in dictionaries; a commit is checked whole before any of it is kept."""

    def __init__(self) -> None:
        self._runs: dict[int, RunRow] = {}
        self._rids: dict[str, int] = {}
        self._journal: dict[int, list[bytes]] = {}
        self._definitions: dict[str, bytes] = {}
        self._damaged: dict[int, Damage] = {}
        self._rid_last = 0
        self.log = MemoryLog()
        self.died = False

    def commit(self, batch: Batch) -> None:
        """Keep the batch whole, or raise and keep nothing of it."""
        self._check(batch)
        if batch.statements:
            self._tables.commit(batch)
        self.died = True  # whoever has it may from now on, and nothing would tell
        for row in batch.runs:
            self._runs[row.rid], self._rids[row.id] = row, row.rid
            self._rid_last = max(self._rid_last, row.rid)
        for rid, status, updated, result in batch.ended:
            row = self._runs[rid]
            self._runs[rid] = replace(row, status=status, updated=updated, result=result)
        for rid, sealed in batch.journal:
            self._journal.setdefault(rid, []).append(sealed)
        for digest, _, encoded in batch.definitions:
            self._definitions.setdefault(digest, encoded)
        self.log.keep(batch)

    def apply(self, batch: Batch, statements: Sequence[Statement]) -> None:
        """Add statements to a batch, executed at once in the transaction that it will be."""
        self._tables.apply(batch, statements)

    def select(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Return the rows of a query on tables of services."""
        return self._tables.select(sql, values)

    @cached_property
    def _tables(self) -> Tables:
        db = connected(":memory:")

        def alone() -> Database:
            tables.leave()  # one connection sees what is not committed too
            return db

        tables = Tables(db, alone)
        return tables

    def _check(self, batch: Batch) -> None:
        rids, ids = set(self._runs), set[str]()
        for row in batch.runs:
            refuse_unstorable(row)
            if row.rid in rids or row.id in ids or row.id in self._rids:
                raise ConflictError(
                    f"Run `{row.id}` is there already.", do="use a run id and a rid only once"
                )
            rids.add(row.rid)
            ids.add(row.id)
        for rid, _, updated, _ in batch.ended:
            refuse_beyond_64_bits(updated)
            if rid not in rids:
                raise ConflictError(f"There is no run {rid} to end.", do="commit its row first")
        self.log.check(batch)

    def next_rid(self) -> int:
        """Return the first rid that was never used."""
        return self._rid_last + 1

    def run(self, id: str) -> RunRow | None:
        """Return the row of a run."""
        rid = self._rids.get(id)
        return None if rid is None else self._runs[rid]

    def runs(self, query: Query) -> list[RunRow]:
        """Return the rows that fit, newest first."""
        rids = sorted((rid for rid in self._runs if not 0 < query.before <= rid), reverse=True)
        rows = [self._runs[rid] for rid in rids if fits(self._runs[rid], query)]
        return rows[: query.limit]

    def counts(self) -> dict[tuple[str, int], int]:
        """Return how many runs there are by (workflow, status)."""
        return dict(Counter((row.workflow, row.status) for row in self._runs.values()))

    def unfinished(self) -> Iterator[tuple[RunRow, list[bytes]]]:
        """Yield each open run with its records, oldest first; a damaged one is quarantined."""
        for rid in sorted(self._runs):
            row = self._runs.get(rid)
            if row is None or row.status not in (RUNNING, GUEST):
                continue
            try:
                records = self.journal(rid)
            except StoreDamaged:
                continue
            yield row, records

    def journal(self, rid: int) -> list[bytes]:
        """Return the records of one run, checked."""
        try:
            return [unseal(sealed) for sealed in self._journal.get(rid, ())]
        except StoreDamaged as error:
            name = self._runs[rid].id if rid in self._runs else ""
            self._damaged[rid] = Damage(rid=rid, run=name, reason=error.message)
            raise

    def definition(self, digest: str) -> bytes | None:
        """Return an encoded definition."""
        return self._definitions.get(digest)

    def damaged(self) -> tuple[Damage, ...]:
        """Return the runs that are quarantined."""
        return tuple(self._damaged[rid] for rid in sorted(self._damaged))

    def purge(self, closed_before: int, limit: int) -> int:
        """Delete closed runs that were updated before an instant; return how many."""
        closed = [
            row
            for row in self._runs.values()
            if row.status not in (RUNNING, GUEST) and row.updated < closed_before
        ]
        oldest = sorted(closed, key=lambda row: (row.updated, row.rid))[:limit]
        for row in oldest:
            del self._runs[row.rid], self._rids[row.id]
            self._journal.pop(row.rid, None)
            self._damaged.pop(row.rid, None)
        return len(oldest)

    def backup(self, path: Path) -> None:
        """Refuse: there is nothing that a file could be opened as."""
        raise NotAllowed(
            "A store in memory has no backup.",
            found=f"a backup to {path}",
            do="use a store in a file: `store='./app.sqlite'`",
        )

    def close(self) -> None:
        """Let go; what was kept stays readable for the test that holds the store."""
