"""Reading a store: rows and records by name, checked, and damage kept to the runs it concerns."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import apsw

from duetto.errors import StoreDamaged
from duetto.model.view import RunRow
from duetto.store import Damage, Query, fits, is_storable, unseal
from duetto.stores.sqlite.database import Database, Row, Value, numbers
from duetto.stores.sqlite.refusals import is_damage, refusal
from duetto.stores.sqlite.rows import read_rows
from duetto.stores.sqlite.selecting import select_rids
from duetto.stores.sqlite.statements import statements

SQL = statements("read")
RUNS_PER_READ = 500
"""Open runs are read in whole portions, so that no read is open while the runtime commits."""


class Reader:
    """Every question to a store, over one connection."""

    def __init__(self, db: Database, path: Path) -> None:
        self._db, self._path = db, path
        self._damaged: dict[int, Damage] = {}

    def last_lsn(self) -> int:
        """Return the number of the last record."""
        return self.number("last_lsn")

    def number(self, name: str) -> int:
        """Return the single number that a statement gives."""
        return self._ask(name)[0][0]

    def meta(self, name: str) -> Value:
        """Return what the file knows of itself under a name."""
        found = self._ask("get_meta", name)
        return found[0][0] if found else None

    def run(self, id: str) -> RunRow | None:
        """Return the row of a run."""
        if not is_storable(id):
            return None
        rows = self._rows("run_by_id", id)
        return rows[0] if rows else None

    def runs(self, query: Query) -> list[RunRow]:
        """Return the rows that fit, newest first."""
        if not all(is_storable(name) for name in (query.workflow, query.tag) if name):
            return []
        try:
            rids = select_rids(self._db, query)
        except apsw.Error as error:
            if not is_damage(error):
                raise refusal(error, self._path) from error
            return self._runs_around_damage(query)
        return self._rows_of(sorted(rids))[::-1]

    def _runs_around_damage(self, query: Query) -> list[RunRow]:
        """Return the rows that fit, each read alone: slow, and only what is damaged is missing."""
        rows: list[RunRow] = []
        for rid in self._rids_around_damage("every_rid"):
            if not 0 < query.before <= rid:
                rows += [row for row in self._row_alone(rid) if fits(row, query)]
            if len(rows) == query.limit:
                break
        return rows

    def _rids_around_damage(self, name: str) -> list[int]:
        """Return rids out of whichever of table and index can be read."""
        try:
            found = self._ask(f"{name}_by_index")
        except StoreDamaged:
            found = self._ask(f"{name}_by_table")
        return [rid for (rid,) in found]

    def counts(self) -> dict[tuple[str, int], int]:
        """Return how many runs there are by (workflow, status)."""
        return {(str(name), status): n for name, status, n in self._ask("counts")}

    def definition(self, digest: str) -> bytes | None:
        """Return an encoded definition, checked."""
        found = self._ask("definition", digest)
        return unseal(found[0][0]) if found else None

    def journal(self, rid: int) -> list[bytes]:
        """Return the records of one run, checked; raises StoreDamaged."""
        try:
            return [unseal(data) for (data,) in self._ask("journal_of_run", rid)]
        except StoreDamaged as error:
            self._quarantine(rid, error)
            raise

    def damaged(self) -> tuple[Damage, ...]:
        """Return the runs that were found damaged."""
        return tuple(self._damaged[rid] for rid in sorted(self._damaged))

    def unfinished(self) -> Iterator[tuple[RunRow, list[bytes]]]:
        """Yield each open run with its records, oldest first."""
        rids = self._rids_around_damage("open_rids")
        for at in range(0, len(rids), RUNS_PER_READ):
            yield from self._portion(rids[at : at + RUNS_PER_READ])

    def _portion(self, rids: list[int]) -> list[tuple[RunRow, list[bytes]]]:
        """Return these runs with their records; one by one where anything is damaged."""
        try:
            rows, records = self._rows("runs_by_rid", rids), self._records(rids)
        except StoreDamaged:
            return [run for rid in rids for run in self._single(rid)]
        return [(row, records.get(row.rid, [])) for row in rows]

    def _single(self, rid: int) -> list[tuple[RunRow, list[bytes]]]:
        try:
            rows = self._rows("runs_by_rid", [rid])
            return [(row, self.journal(rid)) for row in rows]
        except StoreDamaged as error:
            self._quarantine(rid, error)
            return []

    def _records(self, rids: list[int]) -> dict[int, list[bytes]]:
        found = self._ask("journal_of_runs", rids)
        return {
            rid: [unseal(data) for _, data in group] for rid, group in groupby(found, itemgetter(0))
        }

    def _rows_of(self, rids: list[int]) -> list[RunRow]:
        """Return the rows of these runs without those that are damaged."""
        if not rids:
            return []
        try:
            return self._rows("runs_by_rid", rids)
        except StoreDamaged:
            return [row for rid in rids for row in self._row_alone(rid)]

    def _row_alone(self, rid: int) -> list[RunRow]:
        try:
            return self._rows("runs_by_rid", [rid])
        except StoreDamaged as error:
            self._quarantine(rid, error)
            return []

    def _quarantine(self, rid: int, error: StoreDamaged) -> None:
        if rid not in self._damaged:
            reason = f"{error.message} {error.found}".strip()
            self._damaged[rid] = Damage(rid=rid, run=self._name(rid), reason=reason)

    def _name(self, rid: int) -> str:
        """Return the id of a run whose row may be what is damaged."""
        for name in ("name_by_rid", "name_by_index"):
            try:
                found = self._ask(name, rid)
            except StoreDamaged:
                continue
            if found:
                return str(found[0][0])
        return ""

    def _rows(self, name: str, value: str | list[int]) -> list[RunRow]:
        try:
            return read_rows(self._db.execute(SQL[name], (_bound(value),)))
        except apsw.Error as error:
            raise refusal(error, self._path) from error

    def _ask(self, name: str, value: str | int | list[int] | None = None) -> list[Row]:
        try:
            bindings = () if value is None else (_bound(value),)
            return self._db.execute(SQL[name], bindings).fetchall()
        except apsw.Error as error:
            raise refusal(error, self._path) from error


def _bound(value: str | int | Sequence[int]) -> object:
    """Return a value as SQLite takes it; a list of numbers becomes a table of them."""
    return value if isinstance(value, str | int) else numbers(array("q", value))
