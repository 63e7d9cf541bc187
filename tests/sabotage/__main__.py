"""`make sabotage`: switch one guard off at a time, and show which promise notices at which seed."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.sabotage import page
from tests.sabotage.guards import GUARDS, STANDING, SUPERFLUOUS, guard_named
from tests.sabotage.searching import Found, Place, record, recorded, search
from tests.sabotage.switching import Guard

SUPERFLUOUS_SEEDS = 100
"""What is no guard is tried so often before it is said that nothing notices."""


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.sabotage", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="this guard, or several")
    parser.add_argument("--seeds", type=int, default=3000, metavar="N", help="most of each class")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    parser.add_argument(
        "--record", action="store_true", help="keep the seeds for the quick check, and its page"
    )
    options = parser.parse_args()
    guards = [guard_named(name) for name in options.only] if options.only else list(GUARDS)
    began = time.perf_counter()
    places, wrong = tell(guards, options)
    if options.record and not wrong:
        kept = {**recorded(), **places} if options.only else places
        record(kept)
        page.written(kept)
    if not options.only:
        wrong += tell_superfluous(options)
        for rule, reason in STANDING.items():
            print(f"rule {rule:9} cannot be switched off: {reason}")
    seconds = time.perf_counter() - began
    print(f"{len(guards)} guards, {len(places)} caught, {wrong} wrong, {seconds:.0f} s")
    return 1 if wrong else 0


def tell(guards: list[Guard], options: Namespace) -> tuple[dict[str, Place], int]:
    """Say of each guard what caught it; return where, and how many were not, or not soundly."""
    places: dict[str, Place] = {}
    wrong = 0
    found_all = searched(guards, options.jobs, options.seeds)
    for guard, found in zip(guards, found_all, strict=True):
        print(line(guard, found), flush=True)
        for dirty in found.dirty:
            print(f"    fails with every guard on: {dirty}", flush=True)
        wrong += found.place is None or bool(found.dirty)
        if found.place is not None:
            places[guard.name] = found.place
    return places, wrong


def tell_superfluous(options: Namespace) -> int:
    """Say of what is no guard why; return how many were caught all the same."""
    wrong = 0
    found_all = searched(SUPERFLUOUS, options.jobs, SUPERFLUOUS_SEEDS)
    for guard, found in zip(SUPERFLUOUS, found_all, strict=True):
        if found.place is None:
            head = f"rule {guard.rule:9} {guard.name:21}"
            print(f"{head} no guard, nothing changes without it: {guard.because}", flush=True)
        else:
            wrong += 1
            print(f"{line(guard, found)}: it was thought to be no guard", flush=True)
    return wrong


def searched(guards: Iterable[Guard], jobs: int, seeds: int) -> Iterator[Found]:
    """Search for all guards, in their order."""
    one = partial(search_for, seeds=seeds)
    names = [guard.name for guard in guards]
    if jobs == 1:
        yield from map(one, names)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(one, names)


def search_for(name: str, seeds: int) -> Found:
    guard = guard_named(name)
    return search(guard, seeds)


def line(guard: Guard, found: Found) -> str:
    """Return what is told of a guard."""
    head = f"rule {guard.rule:9} {guard.name:21} {guard.without:86}"
    if (place := found.place) is None:
        broke = f"; raised, and named no promise: {found.broke}" if found.broke else ""
        return f"{head} NOT CAUGHT by {found.seeds} seeds  {found.seconds:.1f} s{broke}"
    return (
        f"{head} caught by promise {place.promise} at seed {place.seed} (class {place.kind})"
        f"  {found.seconds:.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
