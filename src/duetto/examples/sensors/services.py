"""The services of the pipeline: each knows the events that it takes, and none of the others."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from duetto import App, Retry, Service, Window
from duetto.examples.sensors.events import (
    UNITS,
    Aggregate,
    Day,
    Enriched,
    Hour,
    Measured,
    PartOfDay,
    Reading,
    RowRead,
)
from duetto.examples.sensors.rows import measured

PARTS = ("night", "morning", "afternoon", "evening")
"""Six hours each, from midnight on."""


def services(folder: Path | None, consumers: int | None) -> list[Service]:
    """Return the four services, each with a store of its own in a folder, if there is one, and with
    so many consumers a stage."""

    def service(name: str) -> Service:
        return Service(name, store=str(folder / f"{name}.sqlite") if folder else None)

    ingest, parse = service("ingest"), service("parse")
    enrich, aggregate = service("enrich"), service("aggregate")

    # What a row says does not change when it is read again.
    @parse.on(RowRead, retry=Retry(attempts_max=1), concurrency_max=consumers)
    async def read_row(row: RowRead) -> Measured:
        return measured(row)

    @enrich.on(Measured, concurrency_max=consumers)
    async def add_units(row: Measured) -> Enriched:
        readings = tuple(Reading(name, UNITS[name], value) for name, value in row.values.items())
        return Enriched(row.row, row.line, row.at, PARTS[row.at.hour // 6], readings)

    @aggregate.window(Enriched, size=timedelta(hours=1), id="row", position="line")
    def by_hour(window: Window[Enriched]) -> Hour:
        return Hour(window.start, len(window.events), aggregated(window.events))

    @aggregate.window(Enriched, size=timedelta(days=1), id="row", position="line")
    def by_day(window: Window[Enriched]) -> Day:
        return Day(window.start, aggregated(window.events))

    @aggregate.window(Enriched, size=timedelta(days=1), by="part", id="row", position="line")
    def by_part_of_day(window: Window[Enriched]) -> PartOfDay:
        return PartOfDay(window.start, window.key, aggregated(window.events))

    return [ingest, parse, enrich, aggregate]


def aggregated(rows: Iterable[Enriched]) -> tuple[Aggregate, ...]:
    """Return the aggregates of each metric that has a value; sums are exact, so that they do not
    depend on an order."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for reading in row.readings:
            values.setdefault(reading.metric, []).append(reading.value)
    return tuple(
        Aggregate(metric, UNITS[metric], len(n), math.fsum(n) / len(n), min(n), max(n))
        for metric, n in sorted(values.items())
    )


def sensors_app(directory: Path, *, consumers: int | None = None, broker: str | None = None) -> App:
    """Return the pipeline, its store in a directory. With a broker each service has a store of its
    own, and what they tell one another goes over the broker."""
    apart = directory if broker is not None else None
    return App(
        "sensors",
        services=services(apart, consumers),
        store=directory / "sensors.sqlite",
        broker=broker,
    )
