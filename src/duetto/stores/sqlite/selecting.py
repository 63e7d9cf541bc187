"""Which runs fit a query: by tag, by the index where few fit, else newest first over the table."""

from __future__ import annotations

from collections.abc import Iterator

from duetto.store import Query
from duetto.stores.sqlite.database import Database
from duetto.stores.sqlite.statements import statements

SQL = statements("select")
FEW_RUNS = 20_000
"""So many rids of the index are sorted faster than the table is searched for so few."""


def select_rids(db: Database, query: Query) -> list[int]:
    """Return the rids of the runs that fit, newest first."""
    if query.tag:
        return _found(db, SQL["by_tag"], query, query.limit)
    if query.workflow or query.statuses:
        indexed = " AND ".join((SQL["by_index"], *_indexed(query)))
        few = db.execute(f"{indexed} LIMIT {FEW_RUNS}", _values(query)).fetchall()
        if len(few) < FEW_RUNS:
            return _found(db, SQL["by_index"], query, query.limit)
    return _found(db, SQL["by_rid"], query, query.limit)


def _found(db: Database, select: str, query: Query, limit: int) -> list[int]:
    conditions = (select, *_indexed(query), *_others(query))
    sql = " AND ".join(conditions) + " ORDER BY rid DESC LIMIT :limit"
    found = db.execute(sql, {**_values(query), "limit": limit})
    return [rid for (rid,) in found]


def _indexed(query: Query) -> Iterator[str]:
    """Yield the conditions that the index of statuses answers."""
    if query.statuses:
        yield f"status IN ({', '.join(str(int(status)) for status in query.statuses)})"
    if query.workflow:
        yield "workflow = :workflow"
    if query.before:
        yield "rid < :before"


def _others(query: Query) -> Iterator[str]:
    if query.since:
        yield "created >= :since"
    if query.until:
        yield "created < :until"


def _values(query: Query) -> dict[str, str | int]:
    return {
        "workflow": query.workflow,
        "tag": query.tag,
        "before": query.before,
        "since": query.since,
        "until": query.until,
    }
