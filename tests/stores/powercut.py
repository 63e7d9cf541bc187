"""Cut the power again and again under a working store; `python -m tests.stores.powercut --cuts N`.

After each cut the store must open, with all that was acknowledged and nothing but, if anything,
the one commit that was under way. The opening itself may be cut.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from duetto.errors import StoreError
from duetto.model.view import COMPLETED, RunRow
from duetto.store import Batch, Query, seal
from duetto.stores.memory import MemoryStore
from duetto.stores.sqlite import SqliteStore
from duetto.stores.sqlite import store as sqlite_store
from duetto.testing.stores import a_row
from tests.stores.faulty_vfs import Disk, faulty_disk

CUTS_PER_STORE = 40
"""A fresh store then: what is compared after each cut stays small."""
OPERATIONS_MAX = 300
"""The power goes within so many reads, writes and syncs: some twenty commits."""
RUNS_IN_HAND = 12
"""The newest runs get records and ends, so that older ones are only kept."""
CHECKPOINT_PAGES = 12
"""So small that cuts fall into checkpoints too."""


class Wrong(AssertionError):
    """A promise that a cut broke."""


class State(NamedTuple):
    """All that a store says."""

    rows: list[RunRow]
    journals: list[list[bytes]]
    definitions: list[bytes | None]


def state_of(store: SqliteStore | MemoryStore) -> State:
    """Return all that a store says."""
    rows = store.runs(Query(limit=10_000))
    return State(
        rows,
        [store.journal(row.rid) for row in rows],
        [store.definition(f"d{number}") for number in range(5)],
    )


@dataclass
class Rounds:
    """One store, its model, and what happened so far."""

    disk: Disk
    path: Path
    random: Random
    counts: Counter[str]
    model: MemoryStore = field(default_factory=MemoryStore)
    next_rid: int = 1

    def cut(self) -> None:
        """Work until the power goes; then open and compare, until an opening is not cut."""
        self.disk.cut_after(self.random.randrange(1, OPERATIONS_MAX))
        under_way = self.work()
        while True:
            self.disk.power_comes_back(self.random)
            if self.random.random() < 0.2:
                self.disk.cut_after(self.random.randrange(1, 40))
            store = self.opened()
            if store is not None:
                break
            self.counts["openings cut"] += 1
        self.disk.cut_at = 0
        self.compare(store, under_way)
        store.close()

    def opened(self) -> SqliteStore | None:
        """Return the store, or None if the power went while it was opened."""
        try:
            store = SqliteStore.open(self.path)
        except StoreError as error:
            if self.disk.is_off:
                return None
            raise Wrong(f"the store does not open: {error}") from error
        if self.disk.is_off:
            store.close()
            return None
        return store

    def work(self) -> Batch | int | None:
        """Commit until the power goes; return what was under way."""
        store = self.opened()
        if store is None:
            return None
        under_way: Batch | int | None = None
        while not self.disk.is_off:
            under_way = self.a_batch()
            try:
                perform(store, under_way)
            except StoreError as error:
                if not self.disk.is_off:
                    raise Wrong(f"refused with the power on: {error}") from error
                self.counts["commits cut"] += 1
                break
            perform(self.model, under_way)
            self.counts["commits acknowledged"] += 1
            under_way = None
        store.close()
        return under_way

    def a_batch(self) -> Batch | int:
        """Return something to commit; a number is a purge of so many runs."""
        random = self.random
        if random.random() < 0.05:
            return random.randrange(1, 4)
        runs = [self.a_run() for _ in range(random.randrange(3))]
        known = self.model.runs(Query(limit=RUNS_IN_HAND))
        rids = [row.rid for row in (*known, *runs)]
        name = f"d{random.randrange(5)}"
        return Batch(
            runs=runs,
            ended=[(rid, COMPLETED, rid, b"done") for rid in rids if random.random() < 0.1],
            journal=[(rid, seal(self.a_record())) for rid in rids if random.random() < 0.3],
            definitions=[(name, "w", name.encode() * 50)] if random.random() < 0.1 else [],
        )

    def a_run(self) -> RunRow:
        """Return a new run."""
        self.next_rid += 1
        return a_row(self.next_rid - 1, input=self.random.randbytes(40))

    def a_record(self) -> bytes:
        """Return a record that is small, or spans a page, or spans several."""
        return self.random.randbytes(self.random.choice((10, 200, 200, 6_000)))

    def compare(self, store: SqliteStore, under_way: Batch | int | None) -> None:
        """Raise Wrong unless the store is the model, with or without what was under way."""
        found = state_of(store)
        if store.damaged():
            raise Wrong(f"damaged: {store.damaged()}")
        if found != state_of(self.model) and under_way is not None:
            # If it was seen, it may not be lost later either, so the model goes on with it.
            perform(self.model, under_way)
            self.counts["unanswered commits kept"] += 1
        if found != state_of(self.model):
            raise Wrong("what is in the store is not what was acknowledged")
        self.counts["cuts"] += 1


def perform(store: SqliteStore | MemoryStore, what: Batch | int) -> None:
    """Commit a batch, or purge."""
    if isinstance(what, Batch):
        store.commit(what)
    else:
        store.purge(1 << 40, what)


def cut_power(cuts: int, seed: int) -> Counter[str]:
    """Cut the power so many times, from a seed on; raise Wrong naming the seed that shows it."""
    counts: Counter[str] = Counter()
    logging.getLogger("duetto.stores").setLevel(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as patch, faulty_disk() as disk:
        patch.setattr(sqlite_store, "CHECKPOINT_PAGES", CHECKPOINT_PAGES)
        while counts["cuts"] < cuts:
            try:
                with tempfile.TemporaryDirectory() as folder:
                    rounds = Rounds(disk, Path(folder, "s.sqlite"), Random(seed), counts)
                    for _ in range(min(CUTS_PER_STORE, cuts - counts["cuts"])):
                        rounds.cut()
            except Exception as error:  # whatever went wrong, the seed is what helps
                command = f"python -m tests.stores.powercut --cuts {CUTS_PER_STORE} --seed {seed}"
                raise Wrong(f"{error!r}\nagain: {command}") from error
            disk.forget()
            seed += 1
    return counts


def main() -> int:
    """Run the command; print the counts, or the seed that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    begun = time.monotonic()
    try:
        counts = cut_power(asked.cuts, asked.seed)
    except Wrong as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    for name, count in sorted(counts.items()):
        print(f"{name:<26}{count:>10,}")
    print(f"{'cuts per second':<26}{counts['cuts'] / (time.monotonic() - begun):>10.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
