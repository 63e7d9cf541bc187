"""A series of seeds in several processes: what broke, what was covered, and how fast it went."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context

from msgspec import Struct

from duetto.testing.simulation.coverage import NODES, Coverage
from duetto.testing.simulation.drawing import kind_of
from duetto.testing.simulation.events import EVENT_CLASSES
from tests.simulation.against_python import Sources, compare
from tests.simulation.events import trying as events
from tests.simulation.events.trying import EventCounts
from tests.simulation.quiet import quietly
from tests.simulation.reference import Wrong
from tests.simulation.trying import Counts, trial

PYTHON = "python"
"""The class of generated source that is held against Python itself."""

PYTHON_EVERY = 50
"""In the mix of classes one of so many seeds is of it."""

EVENTS_EVERY, EVENTS_AT = 20, 7
"""In the mix one of so many seeds is of events, the one with this remainder."""

CHUNK = 100
"""Seeds that a process takes at a time."""

PROGRESS_S = 10.0
"""How often progress is printed where there is no terminal."""

COVERING_SEEDS = 50_000
"""So many seeds of the mix reach every cell that can be reached; fewer may miss some by chance."""

UNNAMED = 0
"""The number of no promise: what was raised and names none."""


class Broken(Struct, frozen=True):
    """A seed that broke a promise: which, and how."""

    kind: str
    seed: int
    promise: int
    text: str


class Found:
    """What came of some seeds."""

    def __init__(self) -> None:
        self.seeds = 0
        self.counts, self.sources, self.coverage = Counts(), Sources(), Coverage()
        self.events = EventCounts()
        self.broken: list[Broken] = []


class Series(Struct, frozen=True):
    """Which seeds; of their own classes where none is given."""

    first: int
    seeds: int
    kinds: tuple[str, ...] = ()

    def work(self) -> Iterator[tuple[str, int]]:
        """Yield (class, seed)."""
        for seed in range(self.first, self.first + self.seeds):
            if self.kinds:
                yield from ((kind, seed) for kind in self.kinds)
            else:
                yield mixed_kind(seed), seed

    def chunks(self) -> list[Series]:
        """Return the same in parts."""
        end = self.first + self.seeds
        return [
            Series(first, min(CHUNK, end - first), self.kinds)
            for first in range(self.first, end, CHUNK)
        ]


def mixed_kind(seed: int) -> str:
    """Return the class of a seed in the mix of all classes."""
    if seed % PYTHON_EVERY == PYTHON_EVERY - 1:
        return PYTHON
    if seed % EVENTS_EVERY == EVENTS_AT:
        return EVENT_CLASSES[seed // EVENTS_EVERY % len(EVENT_CLASSES)]
    return kind_of(seed)


def tried(series: Series) -> Found:
    """Run seeds, one after the other, in this process."""
    found = Found()
    with quietly():
        for kind, seed in series.work():
            found.seeds += 1
            try:
                if kind == PYTHON:
                    compare(seed, found.sources)
                elif kind in EVENT_CLASSES:
                    events.trial(seed, kind, found.events, found.coverage)
                else:
                    trial(seed, kind, found.counts, found.coverage)
            except Wrong as wrong:
                found.broken.append(Broken(kind, seed, wrong.promise, str(wrong)))
            except Exception as error:  # whatever it is, the series goes on
                text = f"{type(error).__name__}: {error}"
                found.broken.append(Broken(kind, seed, UNNAMED, text))
    return found


def run(series: Series, jobs: int) -> int:
    """Run a series, print what came of it, and return 1 where a promise was broken."""
    began, told = time.perf_counter(), 0.0
    total = Found()
    for found in results(series, jobs):
        merge(total, found)
        for each in found.broken:
            print_broken(each)
        now = time.perf_counter()
        if now - told > (0.5 if sys.stderr.isatty() else PROGRESS_S):
            told = now
            progress(total, series, now - began)
    seconds = time.perf_counter() - began
    summary(total, series)
    gaps = uncovered(total, series)
    last_line(total, seconds, gaps)
    return 1 if total.broken or gaps else 0


def results(series: Series, jobs: int) -> Iterator[Found]:
    if jobs == 1:
        yield from map(tried, series.chunks())
        return
    with get_context("fork").Pool(jobs) as pool:
        yield from pool.imap_unordered(tried, series.chunks())


def merge(total: Found, found: Found) -> None:
    total.seeds += found.seeds
    total.counts.merge(found.counts)
    total.sources.kinds += found.sources.kinds
    total.sources.endings += found.sources.endings
    total.events.merge(found.events)
    total.coverage.cells += found.coverage.cells
    total.broken += found.broken


# -- printing


def print_broken(each: Broken) -> None:
    print(f"python -m tests.simulation --class {each.kind} --seed {each.seed}")
    print(f"    {each.text[:300]}", flush=True)


def progress(total: Found, series: Series, seconds: float) -> None:
    parts = series.seeds * max(1, len(series.kinds))
    text = f"{total.seeds:,} of {parts:,} seeds, {total.seeds / seconds:.0f} seeds/s, "
    text += f"{len(total.broken)} broken"
    end = "\r" if sys.stderr.isatty() else "\n"
    print(text, end=end, file=sys.stderr, flush=True)


def summary(total: Found, series: Series) -> None:
    """Print what was covered."""
    if total.counts.runs:
        print(total.counts.text(", ".join(series.kinds) or "all classes"))
    if total.events.totals:
        print(total.events.text())
    if total.sources.endings:
        print(f"against Python itself: {total.sources.endings.total()} sources")
        print(total.sources.text())
    if total.coverage.cells:
        print(f"\n{total.coverage.table()}")


def uncovered(total: Found, series: Series) -> int:
    """Print why cells are empty; return how many should not be."""
    if series.kinds or not total.counts.faults:
        return 0
    print("\nEmpty cells that cannot be reached, and why:")
    print(total.coverage.reasons())
    left = total.coverage.unexplained()
    enough = series.seeds >= COVERING_SEEDS
    if left:
        by_fault: dict[str, list[str]] = {}
        for gap in left:
            by_fault.setdefault(gap.fault, []).append(f"{gap.node} ({', '.join(gap.placements)})")
        why = "without a reason" if enough else f"missed in fewer than {COVERING_SEEDS:,} seeds"
        print(f"\nEmpty cells {why}:")
        print("\n".join(f"  {fault}: {'; '.join(nodes)}" for fault, nodes in by_fault.items()))
    return sum(len(gap.placements) for gap in left) if enough else 0


def last_line(total: Found, seconds: float, gaps: int) -> None:
    """Print the seeds that were run, and the promises that were broken."""
    by_promise = Counter(each.promise for each in total.broken)
    named = ", ".join(
        f"{f'promise {promise}' if promise else 'no promise named'} {times}×"
        for promise, times in sorted(by_promise.items())
    )
    broken = len({each.promise for each in total.broken})
    text = f"{total.seeds:,} seeds in {seconds:.0f} s ({total.seeds / seconds:.0f}/s), "
    text += f"{broken} promises broken" + (f" in {len(total.broken)} seeds: {named}" * bool(named))
    text += f", {gaps} cells uncovered without a reason" * bool(gaps)
    print(f"\n{text}")


__all__ = ["NODES", "PYTHON", "Series", "run"]
