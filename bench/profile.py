"""Where the CPU of a local step goes: `python -m bench.profile [--concurrency N] [--seconds S]`.

The process samples itself by a timer of its own CPU time, which costs nothing between the samples
and so distorts nothing. A sample belongs to the innermost line of Python that has a part; C code
counts for the line that called it. Shares become microseconds by the CPU that a step took.
"""

from __future__ import annotations

import argparse
import linecache
import signal
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from rich.console import Console
from rich.table import Table

from bench import machine
from bench.measure import measure
from bench.rivals.environment import CACHE
from duetto.app import run_in_loop

SAMPLE_S = 0.001
PLACES_SHOWN = 40

LINES = (
    ('"COMMIT"', "COMMIT"),
    ("_log_pages", "COMMIT"),  # its hook: there arrive the samples that C code held back
    ("wal_checkpoint", "checkpoint"),
    ('"BEGIN', "SQL"),
    ("journal.encode(", "record and seal"),
    ("seal(", "record and seal"),
    ("now_ms()", "clocks"),
    ("perf_counter", "clocks"),
)
"""Text in the innermost line that tells its part, before its file does."""

FILES = (
    ("bench/workloads.py", "the task's coroutine"),
    ("bench/", "the benchmark itself"),
    ("duetto/kernel/", "kernel"),
    ("duetto/model/", "kernel"),
    ("duetto/codecs/", "arguments and results"),
    ("duetto/runtime/tasks.py", "arguments and results"),
    ("duetto/stores/", "SQL"),
    ("duetto/store.py", "record and seal"),
    ("duetto/invokers/", "invoker"),
    ("duetto/runtime/attempt", "attempts"),
    ("duetto/authoring/", "attempts"),
    ("duetto/runtime/clock.py", "clocks"),
    ("duetto/runtime/runs.py", "starts and ends of runs"),
    ("duetto/operations/", "starts and ends of runs"),
    ("duetto/app.py", "starts and ends of runs"),
    ("duetto/observers/", "observers"),
    ("duetto/observer.py", "observers"),
    ("duetto/runtime/desk.py", "host: batch and release"),
    ("duetto/runtime/", "host: tokens"),
    ("asyncio/", "loop"),
)


class Samples:
    """Counts samples by part and by place."""

    def __init__(self) -> None:
        self.parts: Counter[str] = Counter()
        self.places: Counter[str] = Counter()

    def take(self, _: int, frame: FrameType | None) -> None:
        while frame is not None:
            part = part_of(frame)
            if part:
                self.parts[part] += 1
                code = frame.f_code
                self.places[f"{short(code.co_filename)}:{line_of(frame)} {code.co_name}"] += 1
                return
            frame = frame.f_back

    def __enter__(self) -> Samples:
        signal.signal(signal.SIGPROF, self.take)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)


def part_of(frame: FrameType) -> str:
    file = frame.f_code.co_filename
    if "duetto" in file:
        line = linecache.getline(file, line_of(frame))
        for text, part in LINES:
            if text in line:
                return part
    return next((part for name, part in FILES if name in file), "")


def line_of(frame: FrameType) -> int:
    """Return the line; a frame that has not begun yet has none, whatever its type says."""
    number: int | None = frame.f_lineno
    return number or frame.f_code.co_firstlineno


def short(file: str) -> str:
    for root in ("/src/", "/lib/"):
        if root in file:
            return file.rpartition(root)[2]
    return file


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--workload", default="sequence")
    parser.add_argument("--backend", choices=("sqlite", "memory"), default="sqlite")
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--places", action="store_true", help="the dearest lines as well")
    options = parser.parse_args()
    samples = Samples()
    CACHE.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="data-", dir=CACHE) as data:
        print(machine.described(Path(data)), file=sys.stderr)
        case = (options.workload, options.backend, options.concurrency, options.seconds)
        figures = run_in_loop(measure(*case, Path(data), around=samples))
    show(samples.parts, figures.cpu_us, f"{figures.duetto:,.0f} units/s")
    if options.places:
        show(Counter(dict(samples.places.most_common(PLACES_SHOWN))), figures.cpu_us, "", samples)
    return 0


def show(counts: Counter[str], cpu_us: float, title: str, of: Samples | None = None) -> None:
    total = sum((of.parts if of is not None else counts).values())
    table = Table("part", "share", "µs", title=title, box=None, header_style="bold")
    for name, count in counts.most_common():
        table.add_row(name, f"{count / total:.1%}", f"{cpu_us * count / total:.2f}")
    if of is None:
        table.add_row("all", f"{total} samples", f"{cpu_us:.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main())
