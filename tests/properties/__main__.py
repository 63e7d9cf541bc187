"""`python -m tests.properties --seeds N --first F`, or `--seed N` for one; `--class` picks."""

from __future__ import annotations

import logging
import sys
import time
import traceback
import warnings
from argparse import ArgumentParser, Namespace
from random import Random

from tests.properties.against_python import Sources, compare
from tests.properties.sources import Source
from tests.properties.trying import CLASSES, Counts, Trial

PYTHON = "python"
"""The class of generated source that is held against Python itself."""


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.properties", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed, with its workflow and traceback")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--class", dest="kinds", action="append", choices=(*CLASSES, PYTHON))
    options = parser.parse_args()
    kinds = options.kinds or [*CLASSES, PYTHON]
    logging.disable(logging.CRITICAL)
    # Python itself leaves the coroutines of a gather whose arguments raise.
    warnings.filterwarnings("ignore", "coroutine .* was never awaited")
    if options.seed is not None:
        return sum(show(kind, options.seed) for kind in kinds)
    return sum(series(kind, options) for kind in kinds)


def show(kind: str, seed: int) -> int:
    """Run one seed, and show all there is to see."""
    try:
        if kind == PYTHON:
            print(Source(Random(f"source {seed}")).module())
            compare(seed, Sources())
        else:
            trial = Trial(seed, kind, Counts())
            print(trial.block)
            trial.run()
    except Exception:  # whatever it is, it is what this command is for
        traceback.print_exc()
        return 1
    print(f"{kind} {seed}: as it should be")
    return 0


def series(kind: str, options: Namespace) -> int:
    counts, sources, wrong, began = Counts(), Sources(), 0, time.perf_counter()
    for seed in range(options.first, options.first + options.seeds):
        try:
            if kind == PYTHON:
                compare(seed, sources)
            else:
                Trial(seed, kind, counts).run()
        except Exception as error:  # whatever it is, the series goes on
            wrong += 1
            notes = " ".join(getattr(error, "__notes__", ()))
            print(f"python -m tests.properties --class {kind} --seed {seed}")
            print(f"    {type(error).__name__}: {str(error)[:300]} {notes}", flush=True)
    seconds = time.perf_counter() - began
    print(
        f"{kind}: {options.seeds} seeds, {wrong} wrong, {options.seeds / seconds:.0f} seeds/s, "
        f"{counts.runs / seconds:.0f} runs/s"
    )
    print(sources.text() if kind == PYTHON else counts.text(kind))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
