"""What every store promises of the tables of services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from duetto.errors import ValueRefused
from duetto.model.view import RUNNING, RunRow
from duetto.store import Batch, Query, Store


class TablesContract:
    """Tables of services change with the batch that their statements are of."""

    def test_statements_are_committed_with_their_batch(self, store: Store) -> None:
        make(store)
        batch = Batch(runs=[RunRow(1, "run-1", "w", "d", "", RUNNING, 1, 1, b"i", b"p", b"")])
        store.apply(batch, [("INSERT INTO mine VALUES (?, ?)", (1, "ä"))])
        assert rows(store) == []
        store.apply(batch, [("UPDATE mine SET t = t || 'b'", ())])
        store.commit(batch)
        assert rows(store) == [(1, "äb")]
        assert [row.rid for row in store.runs(Query())] == [1]

    def test_what_is_refused_leaves_the_others_of_its_batch(self, store: Store) -> None:
        make(store)
        batch = Batch()
        store.apply(batch, [("INSERT INTO mine VALUES (1, 'a')", ())])
        for sql in ("INSERT INTO mine VALUES (1, 'c')", "INSERT OR ROLLBACK INTO mine VALUES (1)"):
            statements = [("INSERT INTO mine VALUES (2, 'b')", ()), (sql, ())]
            assert is_refused(lambda both=statements: store.apply(batch, both))
        store.apply(batch, [("INSERT INTO mine VALUES (3, 'd')", ())])
        store.commit(batch)
        assert rows(store) == [(1, "a"), (3, "d")]

    def test_a_batch_that_is_not_committed_changes_nothing(self, store: Store) -> None:
        make(store)
        lost, later = (
            Batch(),
            Batch(runs=[RunRow(1, "run-1", "w", "d", "", RUNNING, 1, 1, b"i", b"p", b"")]),
        )
        store.apply(lost, [("INSERT INTO mine VALUES (1, 'lost')", ())])
        store.commit(later)
        assert rows(store) == []
        store.apply(later := Batch(), [("INSERT INTO mine VALUES (1, 'kept')", ())])
        store.purge(1, 10)
        store.commit(later)
        assert rows(store) == [(1, "kept")]

    def test_the_tables_of_the_store_are_not_a_services(self, store: Store) -> None:
        make(store)
        forbidden = [("PRAGMA user_version = 1000", ())]
        assert is_refused(lambda: store.apply(Batch(), forbidden))
        assert is_refused(lambda: store.select("SELECT * FROM no_such_table", ()))


def rows(store: Store) -> list[tuple[Any, ...]]:
    """Return what a table of a service has."""
    return store.select("SELECT n, t FROM mine ORDER BY n", ())


def make(store: Store) -> None:
    """Make a table of a service."""
    batch = Batch()
    store.apply(batch, [("CREATE TABLE mine (n INTEGER PRIMARY KEY, t TEXT) STRICT", ())])
    store.commit(batch)


def is_refused(act: Callable[[], object]) -> bool:
    """Return whether a call is refused."""
    try:
        act()
    except ValueRefused:
        return True
    return False
