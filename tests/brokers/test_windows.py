"""The end of an input comes to windows in another process, by the lanes of its events."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from duetto import App, Service, Window, event

near, far = Service("near"), Service("far")


@event
class Line(msgspec.Struct, frozen=True):
    n: int


@event(key="n", time="at", lanes=3)
class Sample(msgspec.Struct, frozen=True):
    n: int
    at: datetime


@event
class Day(msgspec.Struct, frozen=True):
    rows: tuple[int, ...]


class Told:
    """What was made of days, for a test to wait for."""

    days: asyncio.Queue[Day]


@near.on(Line)
async def read(line: Line) -> Sample:
    return Sample(line.n, datetime(2025, 11, 26, tzinfo=UTC) + timedelta(minutes=line.n))


@far.window(Sample, size=timedelta(days=1), id="n", position="n")
def daily(window: Window[Sample]) -> Day:
    return Day(tuple(each.n for each in window.events))


@far.on(Day)
async def tell(day: Day) -> None:
    Told.days.put_nowait(day)


def an_app(folder: Path, *participants: str) -> App:
    """Return the app as one process has it."""
    return App(
        "lines",
        services=[near, far],
        store=folder / f"{participants[0]}.sqlite",
        broker=f"sqlite:{folder}/broker.sqlite",
        participants=participants,
    )


async def test_windows_in_another_process_are_shown_once_at_the_end(tmp_path: Path) -> None:
    Told.days = asyncio.Queue()
    async with an_app(tmp_path, "lines", "near") as here, an_app(tmp_path, "far"):
        events = here.operations.events
        await events.publish_all([Line(n) for n in range(100)])
        await events.quiet()
        assert Told.days.empty()
        await here.end_of(Line)
        assert await Told.days.get() == Day(tuple(range(100)))
    assert Told.days.empty()


async def test_the_end_is_known_after_a_restart(tmp_path: Path) -> None:
    Told.days = asyncio.Queue()
    async with an_app(tmp_path, "lines", "near") as here:
        await here.operations.events.publish_all([Line(n) for n in range(10)])
        await here.end_of(Line)
        await here.operations.events.quiet()
    async with an_app(tmp_path, "far"):
        pass
    async with an_app(tmp_path, "lines", "near"), an_app(tmp_path, "far"):
        assert await Told.days.get() == Day(tuple(range(10)))
    assert Told.days.empty()
