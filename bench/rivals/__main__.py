"""Measure the rivals alone: `python -m bench.rivals [--json] [--only NAME] [--concurrency N]`."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.rivals import dbos, temporal, temporal_activities
from bench.rivals.child import WORKLOADS, RivalFailed

Measure = Callable[[str, int, float, Path], float | None]

RIVALS: dict[str, Measure] = {
    "dbos": dbos.measure,
    "temporal": temporal.measure,
    "temporal-activities": temporal_activities.measure,
}
CONCURRENCIES = (1, 10, 100)


def main() -> int:
    options = _options()
    failures = 0
    for name, rival, concurrency in _cases(options):
        try:
            with TemporaryDirectory(prefix="duetto-bench-") as directory:
                median = RIVALS[rival](name, concurrency, options.seconds, Path(directory))
        except RivalFailed as error:
            print(f"bench: {rival}, {name}, {concurrency}: {error}", file=sys.stderr)
            median = None
            failures += 1
        _show(name, rival, concurrency, median, as_json=options.json)
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.rivals", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--only", choices=WORKLOADS, help="one workload (default: all)")
    parser.add_argument("--rival", choices=RIVALS, help="one rival (default: all)")
    parser.add_argument("--concurrency", type=int, help="default: 1, 10 and 100")
    parser.add_argument("--seconds", type=float, default=10.0, help="per figure, about")
    return parser.parse_args()


def _cases(options: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    names = [options.only] if options.only else WORKLOADS
    rivals = [options.rival] if options.rival else RIVALS
    concurrencies = [options.concurrency] if options.concurrency else CONCURRENCIES
    return product(names, rivals, concurrencies)


def _show(name: str, rival: str, concurrency: int, median: float | None, *, as_json: bool) -> None:
    figure = None if median is None else round(median, 1)
    if as_json:
        row = {"name": name, "rival": rival, "concurrency": concurrency, "median": figure}
        print(json.dumps(row), flush=True)
    else:
        print(f"{name:<10}{rival:<22}{concurrency:>4}{figure or '–':>12}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
