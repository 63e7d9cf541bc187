"""Put a file through the pipeline, or what a kill left of it, and write what came of it."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import Struct

from duetto import App
from duetto.examples.sensors.events import Aggregate, RowRead
from duetto.examples.sensors.rows import rows
from duetto.examples.sensors.services import sensors_app
from duetto.model.view import WindowView

ROWS_AT_ONCE = 200
"""Rows that are published in one commit."""

LETTERS_MAX = 1_000_000
"""Dead letters that are counted: more than any file has rows."""

HEAD = ("window", "start", "metric", "count", "mean", "min", "max")
PARTS_HEAD = ("day", "part", "metric", "unit", "count", "mean", "min", "max")


class Outcome(Struct, frozen=True):
    """What came of a file."""

    rows: int
    duplicates: int
    dead_letters: int
    aggregates: int
    seconds: float
    events_per_s: float


async def run(
    file: Path,
    directory: Path,
    *,
    consumers: int | None = None,
    broker: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Put the rows of a file through the pipeline, once each, and write the tables.

    What was published by a process that was killed is taken up where it is: the file must be the
    same. Mended and redriven letters change the tables at the next call.
    """
    async with sensors_app(directory, consumers=consumers, broker=broker) as app:
        events, begin = app.operations.events, time.perf_counter()
        before = sum(events.count(topic) for topic in app.kinds.by_topic)
        published = events.count("RowRead")
        for batch in batches(rows(file, after=published), ROWS_AT_ONCE):
            published += len(await events.publish_all(batch))
            progress(published)
        await app.end_of(RowRead)
        await events.quiet()
        seconds = time.perf_counter() - begin
        after = sum(events.count(topic) for topic in app.kinds.by_topic)
        dead = len(events.letters(limit=LETTERS_MAX))
        table, counted = tables(app, directory)
        return Outcome(
            published,
            published - dead - counted,
            dead,
            table,
            round(seconds, 3),
            round((after - before) / seconds, 1),
        )


def batches(given: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of so many, the last one shorter."""
    found = iter(given)
    while batch := list(islice(found, size)):
        yield batch


def tables(app: App, directory: Path) -> tuple[int, int]:
    """Write the tables; return how many aggregates there are, and how many rows they are of."""
    events = app.operations.events
    hours, days = events.results("aggregate.by_hour"), events.results("aggregate.by_day")
    lines = sorted([*_lines("hour", hours), *_lines("day", days)])
    _write(directory / "aggregates.csv", HEAD, lines)
    parts = [
        (f"{view.value.start:%Y-%m-%d}", view.value.part, *_cells(each, unit=True))
        for view in events.results("aggregate.by_part_of_day")
        for each in view.value.aggregates
    ]
    _write(directory / "parts.csv", PARTS_HEAD, sorted(parts))
    return len(lines), sum(view.value.rows for view in hours)


def _lines(window: str, views: list[WindowView]) -> Iterator[tuple[str, ...]]:
    for view in views:
        for each in view.value.aggregates:
            yield (window, f"{view.value.start:%Y-%m-%dT%H:%M:%S}", *_cells(each, unit=False))


def _cells(each: Aggregate, *, unit: bool) -> tuple[str, ...]:
    units = (each.unit,) if unit else ()
    return (each.metric, *units, str(each.count), f"{each.mean:.6f}", str(each.min), str(each.max))


def _write(file: Path, head: Iterable[str], lines: Iterable[Iterable[str]]) -> None:
    """Write a table whole, or leave what was there."""
    draft = file.with_suffix(".draft")
    with draft.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(lines)
    draft.replace(file)
