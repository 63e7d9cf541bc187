"""Duetto beside its floor and its rivals: `python -m bench [--json] [--only NAME] …`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import machine, workloads
from bench.measure import Figures, measure
from bench.report import table
from bench.rivals import dbos, temporal
from bench.rivals.child import RivalFailed
from bench.rivals.environment import CACHE
from duetto.app import run_in_loop

CONCURRENCIES = (1, 10, 100)


def main() -> int:
    options = _options()
    CACHE.mkdir(exist_ok=True)
    # Beside the checkout and not in /tmp, which is often in memory, where a sync costs nothing.
    with TemporaryDirectory(prefix="data-", dir=CACHE) as directory:
        _tell(machine.described(Path(directory)))
    found: list[Figures] = []
    for figures in _figures(options):
        found.append(figures)
        if options.json:
            print(json.dumps(_rounded(figures)), flush=True)
    if not options.json:
        table(found)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--only", choices=workloads.NAMES, help="one workload (default: all)")
    parser.add_argument("--concurrency", type=int, help="default: 1, 10 and 100")
    parser.add_argument("--seconds", type=float, default=10.0, help="per figure, about")
    parser.add_argument("--backend", choices=("sqlite", "memory"), default="sqlite")
    parser.add_argument("--no-rivals", action="store_true", help="Duetto and its floor alone")
    return parser.parse_args()


def _figures(options: argparse.Namespace) -> Iterator[Figures]:
    names = [options.only] if options.only else workloads.NAMES
    concurrencies = [options.concurrency] if options.concurrency else CONCURRENCIES
    for name, concurrency in product(names, concurrencies):
        _tell(f"{name}, {concurrency} at a time")
        with TemporaryDirectory(prefix="data-", dir=CACHE) as data:
            directory = Path(data)
            figures = run_in_loop(
                measure(name, options.backend, concurrency, options.seconds, directory)
            )
            if not options.no_rivals:
                case = (name, concurrency, options.seconds, directory)
                figures.dbos = _rival(dbos.measure, *case)
                figures.temporal = _rival(temporal.measure, *case)
        yield figures


def _rival(
    measure: Callable[[str, int, float, Path], float | None],
    name: str,
    concurrency: int,
    seconds: float,
    directory: Path,
) -> float | None:
    try:
        return measure(name, concurrency, seconds, directory)
    except (RivalFailed, RuntimeError) as failed:  # the second: its server does not start
        _tell(f"{measure.__module__}: {failed}")
        return None


def _rounded(figures: Figures) -> dict[str, object]:
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in asdict(figures).items()
    }


def _tell(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
