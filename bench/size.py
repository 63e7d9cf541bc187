"""Memory and start-up, with many runs asleep, open or closed: `python -m bench.size [--json]`.

| case | aim |
|---|---|
| after the start | 60 MiB |
| 10,000 runs asleep | 80 MiB |
| 100,000 runs open, started here / recovered | 300 MiB; recovered within 2 s |
| 1,000,000 runs closed | start-up, start of a run and memory below 1.5 times an empty store's |
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from bench import machine
from bench.rivals.environment import CACHE
from duetto.kernel import journal
from duetto.model.record import Ended, Started
from duetto.model.token import ROOT, Completed, Token, Value
from duetto.model.view import COMPLETED, RunRow
from duetto.store import Batch, seal
from duetto.stores.sqlite import SqliteStore

CLOSED = 1_000_000
ROWS = 5_000
"""Runs in one commit while the store is filled."""

REPEATS = 3


def measured(case: str, store: Path) -> dict[str, float]:
    """Run a case in a process of its own."""
    command = [sys.executable, "-m", "bench.children", case, str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def best(case: str, store: Path) -> dict[str, float]:
    """Return the least of several runs of a case: noise only adds."""
    runs = [measured(case, store) for _ in range(REPEATS)]
    return {name: min(run[name] for run in runs) for name in runs[0]}


def fill(path: Path, count: int) -> None:
    """Write closed runs with their records, as the runtime would, by large commits."""
    store = SqliteStore.open(path)
    now = time.time_ns() // 1_000_000
    token = Token(ROOT, "0" * 32, 0, "", "")
    begun = seal(journal.encode(Started(ROOT, now, token)))
    outcome = Completed(Value(-1, b"\x01"))
    ended = seal(journal.encode(Ended(ROOT, now, outcome)))
    result = journal.encode(outcome)
    for first in range(1, count + 1, ROWS):
        rids = range(first, min(count + 1, first + ROWS))
        store.commit(
            Batch(
                runs=[
                    RunRow(rid, f"closed-{rid}", "once", "0" * 32, "", COMPLETED, now, now)
                    for rid in rids
                ],
                ended=[(rid, COMPLETED, now, result) for rid in rids],
                journal=[(rid, record) for rid in rids for record in (begun, ended)],
            )
        )
        print(f"\rbench: {rids[-1]:,} of {count:,} closed runs", end="", file=sys.stderr)
    print(file=sys.stderr)
    store.close()


def figures(directory: Path, closed: int) -> dict[str, dict[str, float]]:
    """Return the figures of all cases, by name."""
    full = directory / "full.sqlite"
    fill(full, closed)
    found = {
        "empty": best("opened", directory / "empty.sqlite"),
        f"{closed:,} closed": best("opened", full),
        "10,000 asleep": measured("sleeping-10000", directory / "asleep.sqlite"),
        "100,000 open": measured("sleeping-100000", directory / "open.sqlite"),
    }
    found["100,000 recovered"] = best("recovered", directory / "open.sqlite")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.size", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--closed", type=int, default=CLOSED, help="closed runs in the full store")
    options = parser.parse_args()
    CACHE.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="data-", dir=CACHE) as data:
        print(f"bench: {machine.described(Path(data))}", file=sys.stderr)
        found = figures(Path(data), options.closed)
    if options.json:
        for name, values in found.items():
            print(json.dumps({"name": name, **values}))
        return 0
    table = Table("case", "memory MiB", "start-up s", "start of a run ms")
    for name, values in found.items():
        cells = (values.get(key) for key in ("rss_mib", "open_s", "start_ms"))
        table.add_row(name, *("–" if cell is None else f"{cell:.2f}" for cell in cells))
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
