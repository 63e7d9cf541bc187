"""One row of the demo: the shop's own command as a process, its store, and a real kill."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from duetto.errors import DuettoError, NotFound, StoreError
from duetto.kernel import journal
from duetto.model.definition import Definition, decode
from duetto.model.record import Ended, TaskEnded
from duetto.model.token import task_key
from duetto.model.view import RUNNING
from duetto.store import Query
from duetto.stores.sqlite import SqliteStore

MODULE = "duetto.examples.shop"
BY_EVENTS = "events"
"""What its command takes in the place of a placement: the shop without a workflow."""
ENDS = frozenset({"ParcelSent", "SoldOut", "StockReleased"})
"""The events behind which nothing follows there."""
CONCURRENCY = 100
TASK_MS = 2
"""A body takes a moment, as real ones do, so that a kill finds tasks in hand on any machine."""
RUNS_MAX = 1_000_000
"""More orders than any file of them has."""


class ShopFailed(DuettoError):
    """The shop's command ended with an error."""


class Kill(Struct):
    """What a kill met: runs, and the keys whose results were stored."""

    ended_before: int
    continued: int
    stored: frozenset[str]
    attempts: int
    recomputed: int = 0


class Went(Struct):
    """What the shop's command said at its end."""

    figures: dict[str, Any]
    kill: Kill | None = None


class Shop:
    """The shop under one placement, or by events, in a folder of its own."""

    def __init__(self, orders: Path, folder: Path, placement: str) -> None:
        self.orders, self.folder, self.placement = orders, folder, placement
        self._process: subprocess.Popen[bytes] | None = None
        self._store: SqliteStore | None = None

    @property
    def store(self) -> Path:
        """Where its runs are."""
        return self.folder / "shop.sqlite"

    def start(self) -> None:
        """Start the command."""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", MODULE, "run", str(self.orders)),
                *("--placement", self.placement, "--data", str(self.folder)),
                *("--concurrency", str(CONCURRENCY), "--task-ms", str(TASK_MS), "--json"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def wait(self, timeout_s: float) -> bool:
        """Return whether it ended within a time."""
        assert self._process is not None, "it was started"
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def figures(self) -> dict[str, Any]:
        """Return what it printed. Raises ShopFailed."""
        assert self._process is not None, "it was started"
        said, errors = self._process.communicate()
        if self._process.returncode:
            raise ShopFailed(
                f"The shop's command failed under {self.placement}.",
                found=errors.decode(errors="replace").strip()[-2000:],
                do=f"run it alone: {' '.join(map(str, self._process.args))}",  # pyright: ignore[reportArgumentType]  # a list, as given above
            )
        return msgspec.json.decode(said)

    def ended(self) -> int:
        """Return how many runs, or orders, have ended, by the store."""
        try:
            self._store = self._store or SqliteStore.open(self.store, read_only=True)
        except (NotFound, StoreError):
            return 0  # it is just being made
        if self.placement == BY_EVENTS:
            heads = self._store.log.heads()
            return sum(last for (topic, _), last in heads.items() if topic in ENDS)
        counts = self._store.counts()
        return sum(count for (_, status), count in counts.items() if status > RUNNING)

    def kill(self) -> Kill:
        """Kill the process as `kill -9` does, and return what it had in hand."""
        assert self._process is not None, "it was started"
        self._process.kill()
        self._process.communicate()
        self.close()
        store = SqliteStore.open(self.store, read_only=True)
        try:
            rows = store.runs(Query(limit=RUNS_MAX))
            stored = {key for row in rows for key in stored_keys(store, row.id, row.rid)}
        finally:
            store.close()
        ended = sum(row.status > RUNNING for row in rows)
        return Kill(ended, len(rows) - ended, frozenset(stored), len(self.attempts()))

    def attempts(self) -> list[str]:
        """Return the keys of all bodies that were begun, in order."""
        file = self.folder / "attempts.jsonl"
        lines = file.read_bytes().splitlines() if file.exists() else []
        return [msgspec.json.decode(line)["key"] for line in lines if line.endswith(b"}")]

    def definition(self) -> Definition:
        """Return the workflow as the store has it."""
        store = SqliteStore.open(self.store, read_only=True)
        try:
            [row] = store.runs(Query(limit=1))
            data = store.definition(row.digest)
        finally:
            store.close()
        assert data is not None, "a run is committed with its definition"
        return decode(data)

    def close(self) -> None:
        """Let go of the store, and end the process if it runs."""
        if self._store is not None:
            self._store.close()
            self._store = None
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def stored_keys(store: SqliteStore, run: str, rid: int) -> Iterator[str]:
    """Yield the keys of the tasks of a run whose results are stored."""
    for data in store.journal(rid):
        record = journal.record(data)
        if isinstance(record, TaskEnded | Ended) and record.task and record.error is None:
            yield task_key(run, record.path, record.step)


def invoices_in(file: Path) -> int:
    """Return how many invoices a file has: orders, and what the shop will refuse."""
    lines = file.read_text("utf-8", "replace").splitlines()[1:]
    return len({line.partition(",")[0] for line in lines if line})
