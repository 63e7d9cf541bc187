"""One figure: Duetto and its floor in turns, A B A B, and the medians of both."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import workloads
from bench.floor import Floor
from bench.rivals.children.rounds import Plan
from bench.tally import Tallied, Tally, tallied
from duetto.stores.memory import MemoryStore
from duetto.stores.sqlite import SqliteStore

ROUNDS_MIN, ROUNDS_MAX = 3, 5
SHARE = 8
"""A round of Duetto takes an eighth of the budget: five of them, and shorter ones of the floor."""
OVERRUN_MAX = 1.5
"""Times the budget: then the rounds done must do. 100 loops of 10,000 turns are that large."""


@dataclass
class Round:
    """Units per second of both, and what a unit cost."""

    duetto: float
    floor: float | None
    ratio: float | None
    cpu_us: float
    commits: float
    rows: float
    bytes: float
    growth: float | None


@dataclass
class Figures:
    """The medians over the rounds; `ratio` is that of neighbouring rounds."""

    name: str
    backend: str
    concurrency: int
    duetto: float
    floor: float | None
    ratio: float | None
    cpu_us: float
    commits_per_unit: float
    rows_per_unit: float
    bytes_per_row: float
    growth: float | None
    rounds: int
    dbos: float | None = None
    temporal: float | None = None


async def measure(
    name: str,
    backend: str,
    concurrency: int,
    seconds: float,
    directory: Path,
    *,
    around: AbstractContextManager[object] | None = None,
) -> Figures:
    """Measure one workload at one concurrency; on SQLite beside its floor.

    `around` is entered for each round of Duetto that counts: it may watch.
    """
    with ExitStack() as exits:
        floor: Floor | None = None
        store: SqliteStore | MemoryStore = MemoryStore()
        if backend == "sqlite":
            store = SqliteStore.open(directory / "duetto.sqlite")
            floor = Floor(directory / "floor.sqlite")
            exits.callback(floor.close)
        exits.callback(store.close)
        counter = tallied(store)
        async with workloads.new_app(store) as app:
            plan = workloads.plan(app, name, concurrency)
            rounds = await _rounds(plan, counter, floor, seconds, around or nullcontext())
    return _medians(name, backend, concurrency, rounds)


async def _rounds(
    plan: Plan,
    counter: Tallied,
    floor: Floor | None,
    seconds: float,
    around: AbstractContextManager[object],
) -> list[Round]:
    amount = await _sized(plan, seconds / SHARE)
    counted = counter.take()
    if floor is not None:
        floor.replay(counted)
    rounds: list[Round] = []
    began = time.perf_counter()
    while _another(len(rounds), (time.perf_counter() - began) / seconds):
        gc.collect()
        rounds.append(await _round(plan, amount, counter, floor, around))
    return rounds


async def _sized(plan: Plan, share_s: float) -> int:
    """Return how large a round is that takes its share; the ones before warm everything up."""
    await plan.round(plan.amount_first)
    if plan.share_s == float("inf"):
        return plan.amount_max
    amount = plan.amount_first
    while True:
        done = await plan.round(amount)
        factor = share_s / done.filled_s
        if factor < 2:
            return max(1, min(plan.amount_max, round(amount * factor)))
        amount = max(1, min(plan.amount_max, round(amount * min(factor, 10))))
        if amount == plan.amount_max:
            return amount


def _another(rounds_done: int, budgets_spent: float) -> bool:
    if rounds_done < ROUNDS_MIN:
        return rounds_done == 0 or budgets_spent < OVERRUN_MAX
    return rounds_done < ROUNDS_MAX and budgets_spent < 1


async def _round(
    plan: Plan,
    amount: int,
    counter: Tallied,
    floor: Floor | None,
    around: AbstractContextManager[object],
) -> Round:
    cpu_s = time.process_time()
    with around:
        done = await plan.round(amount)
    cpu_s = time.process_time() - cpu_s
    counted = counter.take()
    growth = workloads.marks.growth if workloads.marks.tenth else None
    workloads.marks.tenth = 0
    rate = done.units / done.worked_s
    bare = done.units / floor.replay(counted) if floor is not None else None
    return Round(
        duetto=rate,
        floor=bare,
        ratio=rate / bare if bare is not None else None,
        cpu_us=cpu_s / done.units * 1e6,
        commits=len(counted.commits) / done.units,
        rows=_rows(counted) / done.units,
        bytes=counted.record_bytes,
        growth=growth,
    )


def _rows(counted: Tally) -> int:
    """Store writes: the records. A run's own row is written with its first and its last."""
    return counted.journal_rows


def _medians(name: str, backend: str, concurrency: int, rounds: list[Round]) -> Figures:
    def over(value: Callable[[Round], float]) -> float:
        return median(map(value, rounds))

    def known(value: Callable[[Round], float | None]) -> float | None:
        found = [number for one in rounds if (number := value(one)) is not None]
        return median(found) if found else None

    return Figures(
        name=name,
        backend=backend,
        concurrency=concurrency,
        duetto=over(lambda one: one.duetto),
        floor=known(lambda one: one.floor),
        ratio=known(lambda one: one.ratio),
        cpu_us=over(lambda one: one.cpu_us),
        commits_per_unit=over(lambda one: one.commits),
        rows_per_unit=over(lambda one: one.rows),
        bytes_per_row=over(lambda one: one.bytes),
        growth=known(lambda one: one.growth),
        rounds=len(rounds),
    )
