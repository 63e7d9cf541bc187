"""What came of the orders: counts over all that a directory holds, times of this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from pathlib import Path

import msgspec
from rich.table import Table

from duetto.examples.shop.ledger import Effect
from duetto.examples.shop.orders import Reason
from duetto.examples.shop.workshop import SERVICES, Attempt

UNDOING = frozenset({"release", "refund", "cancel_booking", "apologise"})
"""The operations that undo another."""


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How the runs of an app went: all of its store, but for the times, which are of this process.

    `failed` is by the name of the error's class; `latencies_ms` has one for each run that ended.
    """

    completed: int
    failed: Mapping[str, int]
    parked: int
    messages: int
    store_writes: int
    latencies_ms: Sequence[float]


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What the services did, by their own books; `steps_now` since a given instant."""

    steps: int
    steps_now: int
    retries: int
    compensated: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `run`; `None` for the percentiles where no run ended in this process.

    `steps` are effects, `retries` are attempts after the first of their key, `compensated` are
    runs with at least one compensation.
    """

    placement: str
    orders: int
    completed: int
    failed: Mapping[str, int]
    compensated: int
    parked: int
    refused: Mapping[Reason, int]
    steps: int
    retries: int
    messages: int
    store_writes: int
    seconds: float
    steps_per_s: float
    p50_ms: float | None
    p99_ms: float | None


def tally(directory: Path, *, since_ns: int) -> Tally:
    """Count what the ledgers and the attempts of a directory hold; the instant is of the epoch."""
    effects = list(_effects(directory / "ledgers"))
    return Tally(
        steps=len(effects),
        steps_now=sum(effect.at_ns >= since_ns for effect in effects),
        # A kill makes an attempt come again under its number; it is still the same attempt.
        retries=len(
            {(each.key, each.attempt) for each in _attempts(directory) if each.attempt > 1}
        ),
        compensated=len({effect.order for effect in effects if effect.operation in UNDOING}),
    )


def report(
    *,
    placement: str,
    orders: int,
    refused: Sequence[Reason],
    course: Course,
    books: Tally,
    seconds: float,
) -> Report:
    """Put together what is known of the runs and of the effects."""
    return Report(
        placement=placement,
        orders=orders,
        completed=course.completed,
        failed=dict(sorted(course.failed.items())),
        compensated=books.compensated,
        parked=course.parked,
        refused=dict(sorted(Counter(refused).items())),
        steps=books.steps,
        retries=books.retries,
        messages=course.messages,
        store_writes=course.store_writes,
        seconds=round(seconds, 3),
        steps_per_s=round(books.steps_now / seconds, 1) if seconds else 0.0,
        p50_ms=percentile(course.latencies_ms, 50),
        p99_ms=percentile(course.latencies_ms, 99),
    )


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Return the least value that so many per cent do not exceed; None where there are none."""
    if not values:
        return None
    return round(sorted(values)[ceil(len(values) * percent / 100) - 1], 3)


def table(figures: Report) -> Table:
    """Show a report to people."""
    grid = Table.grid(padding=(0, 2))
    for name, value in msgspec.structs.asdict(figures).items():
        grid.add_row(name, _cell(value))
    return grid


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        counts = (f"{name} {count}" for name, count in msgspec.to_builtins(value).items())
        return ", ".join(counts) or "none"
    return "none" if value is None else str(value)


def _effects(folder: Path) -> Iterator[Effect]:
    decoder = msgspec.json.Decoder(Effect)
    for service in SERVICES:
        yield from decoder.decode_lines(_read(folder / f"{service}.jsonl"))


def _attempts(directory: Path) -> Sequence[Attempt]:
    return msgspec.json.Decoder(Attempt).decode_lines(_read(directory / "attempts.jsonl"))


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
