"""What dead processes leave, and counts of all that."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from duetto.kernel import fold, journal
from duetto.kernel.fold import RunState
from duetto.model.definition import decode
from duetto.model.token import OnUndo, Parked, Token
from duetto.model.view import GUEST, RUNNING
from duetto.store import Query
from duetto.stores.sqlite import SqliteStore
from tests.crashes.generated_holding import ROWS_MAX

UNDOING = "(undoing)"
"""Stands for a kind of node where a token is undoing."""


@dataclass
class Tally:
    """Counts over all batches."""

    runs: int = 0
    kills: int = 0
    idle: int = 0
    lives: int = 0
    in_flight: list[int] = field(default_factory=list[int])
    points: Counter[str] = field(default_factory=Counter[str])
    nodes: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    in_hand: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """What tokens of open runs rested at when their process died, by (kind of node, placement)."""
    cancels: int = 0
    blamed: int = 0
    repeated: int = 0
    broken: list[str] = field(default_factory=list[str])


class Left:
    """What is in the stores of a process: how many records of each run, which runs are open, and
    what their tokens rest at."""

    def __init__(self, path: Path) -> None:
        self.records: dict[int, int] = {}
        self.open: list[str] = []
        self.resting: Counter[str] = Counter()
        if path.exists():
            store = SqliteStore.open(path, read_only=True)
            try:
                self._read(store)
            finally:
                store.close()

    def _read(self, store: SqliteStore) -> None:
        for row in store.runs(Query(limit=ROWS_MAX)):
            records = store.journal(row.rid)
            self.records[row.rid] = len(records)
            if row.status in (RUNNING, GUEST):
                state = RunState(row.rid, row.id, row.digest, row.home)
                for data in records:
                    fold.apply(state, journal.record(data))
                self.resting.update(kind(store, token) for token in state.tokens.values())
                if row.status == RUNNING or state.tokens or state.commands:
                    self.open.append(row.id)


def kind(store: SqliteStore, token: Token) -> str:
    """Return the kind of node that a token rests at."""
    rest = token.rest.over if isinstance(token.rest, Parked) else token.rest
    if isinstance(rest, OnUndo):
        return UNDOING
    data = store.definition(token.definition)
    if data is None:
        return "(unknown)"
    return type(decode(data).regions[token.region].nodes[token.node]).__name__
