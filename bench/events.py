"""Events per second beside their floor and FastStream: `python -m bench.events [--events N] …`.

One handler, and a chain of four, on the embedded store with fsync. The floor is a bare loop that
commits the same rows in the same transactions to the same tables, and does nothing else.
`bench.rivals.faststream` does the same on NATS JetStream, once with a sync for each message and
once with the server's defaults. All take turns, on files of their own, and the median of the
ratios is what counts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct

from bench import machine
from bench.rivals import faststream
from bench.rivals.child import RivalFailed
from bench.rivals.environment import CACHE
from duetto import App, Service, event
from duetto.app import run_in_loop
from duetto.store import Batch
from duetto.stores.sqlite import SqliteStore
from duetto.stores.sqlite.connection import connect
from duetto.stores.sqlite.statements import statements
from duetto.stores.sqlite.store import CHECKPOINT_PAGES, FILLER

WRITE = statements("write")
AT_ONCE = 100
"""Events that are published in one commit."""

KEYS = 100


@event(key="key")
class First(Struct, frozen=True):
    key: str
    number: int


@event(key="key")
class Second(Struct, frozen=True):
    key: str
    number: int


@event(key="key")
class Third(Struct, frozen=True):
    key: str
    number: int


@event(key="key")
class Fourth(Struct, frozen=True):
    key: str
    number: int


def one_handler() -> Service:
    """Return a service that takes events, and publishes none."""
    service = Service("service")

    @service.on(First)
    async def take(first: First) -> None:
        pass

    return service


def chain() -> Service:
    """Return four handlers, three of which publish for the next."""
    service = Service("service")

    @service.on(First)
    async def parse(first: First) -> Second:
        return Second(first.key, first.number)

    @service.on(Second)
    async def enrich(second: Second) -> Third:
        return Third(second.key, second.number)

    @service.on(Third)
    async def join(third: Third) -> Fourth:
        return Fourth(third.key, third.number)

    @service.on(Fourth)
    async def end(fourth: Fourth) -> None:
        pass

    return service


class Counted(SqliteStore):
    """A store that remembers what was committed, for its floor."""

    batches: list[Batch]

    def commit(self, batch: Batch) -> None:
        super().commit(batch)
        if batch:
            self.batches.append(batch)


class Round(Struct):
    """One run of each: seconds, of Duetto's the CPU too, and how many events were handled."""

    seconds: float
    cpu: float
    floor: float
    handled: int
    synced: faststream.Took | None = None
    unsynced: faststream.Took | None = None


async def handled(service: Service, path: Path, count: int) -> tuple[float, float, list[Batch]]:
    """Publish events, and wait until all is quiet; return the seconds, the CPU's, and the rows."""
    store = Counted.open(path)
    assert isinstance(store, Counted)
    store.batches = []
    async with App("bench", services=[service], store=store) as app:
        events = app.operations.events
        values = [First(f"k{number % KEYS}", number) for number in range(count)]
        began, cpu = time.perf_counter(), time.process_time()
        for at in range(0, count, AT_ONCE):
            await events.publish_all(values[at : at + AT_ONCE])
        while not events.is_quiet:
            await app.operations.home.durable()
        await app.operations.home.durable()
        took = time.perf_counter() - began, time.process_time() - cpu
    store.close()
    return *took, store.batches


def floor(path: Path, batches: list[Batch]) -> float:
    """Commit the same rows, and return the seconds."""
    SqliteStore.open(path).close()
    db = connect(path, write=True)
    db.wal_autocheckpoint(CHECKPOINT_PAGES)
    cursor = db.cursor()
    began = time.perf_counter()
    for batch in batches:
        cursor.execute("BEGIN IMMEDIATE")
        if batch.events:
            cursor.executemany(WRITE["insert_event"], batch.events)
        if batch.state:
            cursor.executemany(WRITE["put_state"], list(batch.state.items()))
        cursor.executemany(WRITE["insert_journal"], FILLER)
        cursor.execute("COMMIT")
    seconds = time.perf_counter() - began
    db.close()
    return seconds


def rounds(
    make: Callable[[], Service], stages: int, count: int, times: int, *, rivals: bool
) -> list[Round]:
    """Return what all took, side by side."""
    found: list[Round] = []
    for _ in range(times):
        with TemporaryDirectory(prefix="data-", dir=CACHE) as data:
            folder = Path(data)
            seconds, cpu, batches = run_in_loop(handled(make(), folder / "store.sqlite", count))
            bare = floor(folder / "floor.sqlite", batches)
            one = Round(seconds, cpu, bare, count * stages)
            if rivals:
                one.synced = rival(stages, count, faststream.SYNCED, folder)
                one.unsynced = rival(stages, count, faststream.UNSYNCED, folder)
            found.append(one)
    return found


def rival(stages: int, count: int, sync: str, folder: Path) -> faststream.Took | None:
    """Return what FastStream took, or None where it is absent or fails, which is said."""
    try:
        return faststream.round_of(stages, count, AT_ONCE, sync=sync, directory=folder)
    except (RivalFailed, RuntimeError) as failed:  # the second: its server does not start
        print(f"bench: faststream: {failed}", file=sys.stderr, flush=True)
        return None


def figures_of(found: list[Round]) -> dict[str, float | None]:
    """Return the medians over rounds; None where a rival is absent."""
    return {
        "events_per_s": round(median(one.handled / one.seconds for one in found)),
        "floor_per_s": round(median(one.handled / one.floor for one in found)),
        "of_the_floor": round(median(one.floor / one.seconds for one in found), 2),
        "us_cpu_per_event": round(median(one.cpu / one.handled for one in found) * 1e6, 1),
        **_beside("faststream", [(one, one.synced) for one in found]),
        **_beside("faststream_unsynced", [(one, one.unsynced) for one in found]),
    }


def _beside(
    name: str, found: list[tuple[Round, faststream.Took | None]]
) -> dict[str, float | None]:
    pairs = [(one, took) for one, took in found if took is not None]
    if not pairs:
        return {f"{name}_per_s": None, f"times_{name}": None, f"{name}_us_cpu_per_event": None}
    return {
        f"{name}_per_s": round(median(one.handled / took.seconds for one, took in pairs)),
        f"times_{name}": round(median(took.seconds / one.seconds for one, took in pairs), 1),
        f"{name}_us_cpu_per_event": round(
            median(took.cpu / one.handled for one, took in pairs) * 1e6, 1
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.events", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000, help="published in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-rivals", action="store_true", help="Duetto and its floor alone")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    CACHE.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="data-", dir=CACHE) as directory:
        print(machine.described(Path(directory)), file=sys.stderr)
    for name, make, stages in (("one handler", one_handler, 1), ("chain of four", chain, 4)):
        found = rounds(make, stages, options.events, options.rounds, rivals=not options.no_rivals)
        figures = {"workload": name, **figures_of(found)}
        print(msgspec.json.encode(figures).decode() if options.json else _line(figures))


def _line(figures: dict[str, str | float | None]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())


if __name__ == "__main__":
    main()
