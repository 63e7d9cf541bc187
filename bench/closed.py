"""What closed runs cost: `python -m bench.closed [--runs N] [--json]`.

A store with 1,000,000 closed runs against one without: start-up, start of a run, resident memory.
The aim: none of them grows by half.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from bench import machine, workloads
from bench.children import answer, answer_of
from bench.rivals.environment import CACHE
from duetto.app import run_in_loop
from duetto.model.view import COMPLETED, RunRow
from duetto.runtime.clock import SystemClock
from duetto.store import Batch
from duetto.stores.sqlite import SqliteStore

RUNS = 1_000_000
RUNS_PER_COMMIT = 10_000
STARTS = 400
REPEATS = 5
RATIO_MAX = 1.5
FIGURES = ("start-up, ms", "start of a run, µs", "memory, MiB")


class Recording(Batch):
    """A batch of one run, gathered from its commits."""

    def add(self, other: Batch) -> None:
        self.runs += other.runs
        self.ended += other.ended
        self.journal += other.journal
        self.definitions += other.definitions


async def recorded(path: Path) -> Recording:
    """Run one workflow, and return all that it committed."""
    store = SqliteStore.open(path)
    recording, commit = Recording(), store.commit

    def record(batch: Batch) -> None:
        commit(batch)
        recording.add(batch)

    store.commit = record
    async with workloads.new_app(store) as app:
        await app.run_async(workloads.nap, 0.0)
    store.close()
    return recording


def fill(path: Path, model: Recording, count: int) -> None:
    """Write as many closed runs as wanted, each with the records of the model."""
    store = SqliteStore.open(path)
    store.commit(Batch(definitions=model.definitions))
    for batch in _batches(model, store.next_rid(), count):
        store.commit(batch)
    store.close()


def _batches(model: Recording, first: int, count: int) -> Iterator[Batch]:
    clock = SystemClock()
    for start in range(first, first + count, RUNS_PER_COMMIT):
        rids = range(start, min(start + RUNS_PER_COMMIT, first + count))
        yield Batch(
            runs=[_closed(model, rid, clock) for rid in rids],
            journal=[(rid, data) for rid in rids for _, data in model.journal],
        )


def _closed(model: Recording, rid: int, clock: SystemClock) -> RunRow:
    row, (_, _, updated, result) = model.runs[0], model.ended[0]
    return RunRow(
        rid,
        clock.draw_id(),
        row.workflow,
        row.digest,
        row.home,
        COMPLETED,
        row.created,
        updated,
        row.identity,
        row.input,
        result,
    )


async def child(path: Path) -> None:
    """Start an app on the store, start runs one after the other, and answer."""
    began = time.perf_counter()
    store = SqliteStore.open(path)
    async with workloads.new_app(store) as app:
        startup_s = time.perf_counter() - began
        took: list[float] = []
        for _ in range(STARTS):
            began = time.perf_counter()
            handle = await app.start_async(workloads.nap, 0.0)
            took.append(time.perf_counter() - began)
            await handle.result()
        mib = machine.resident_mib()
    store.close()
    answer(startup_ms=startup_s * 1e3, start_us=median(took) * 1e6, mib=mib)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.closed", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_in_loop(child(options.child))
        return
    CACHE.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="data-", dir=CACHE) as data:
        empty, full = Path(data, "empty.sqlite"), Path(data, "full.sqlite")
        model = run_in_loop(recorded(Path(data, "model.sqlite")))
        fill(empty, model, 0)
        fill(full, model, options.runs)
        gib = full.stat().st_size / 2**30
        pairs = [
            [
                list(answer_of("bench.closed", "--child", str(path)).values())
                for path in (empty, full)
            ]
            for _ in range(REPEATS)
        ]
    shown = Table("", "empty", "full", "ratio", box=None, header_style="bold")
    shown.title = f"{options.runs:,} closed runs, {gib:.2f} GiB"
    for index, name in enumerate(FIGURES):
        without, with_closed = (median(pair[side][index] for pair in pairs) for side in (0, 1))
        ratio = with_closed / without
        if options.json:
            line = {"name": name, "empty": without, "full": with_closed, "ratio": ratio}
            print(json.dumps(line | {"ratio_max": RATIO_MAX}), flush=True)
        shown.add_row(name, f"{without:.1f}", f"{with_closed:.1f}", f"{ratio:.2f}")
    if not options.json:
        Console().print(shown)


if __name__ == "__main__":
    main()
