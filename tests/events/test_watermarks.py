"""Watermarks travel in the lanes, through handlers, stores, crashes and retries."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
import pytest

from duetto import App, Retry, Service, Window, event
from duetto.authoring import Batch
from duetto.errors import NotAllowed, StoreFailed
from duetto.model.event import lane_of
from duetto.testing import AppFactory, AppUnderTest, Crashes

START = datetime(1969, 12, 31, 22, tzinfo=UTC)
"""Windows before 1970 are as good as any."""

reader, enricher, counter = Service("reader"), Service("enricher"), Service("counter")
SLOW_S = 5.0


@event
class Line(msgspec.Struct, frozen=True):
    n: int
    minute: int


@event(key="n", time="at", lanes=2)
class Sample(msgspec.Struct, frozen=True):
    n: int
    at: datetime


@event(key="n", time="at", lanes=3)
class Rich(msgspec.Struct, frozen=True):
    n: int
    at: datetime


@event(time="start", lanes=1)
class Hour(msgspec.Struct, frozen=True):
    start: datetime
    rows: tuple[int, ...]


@event(lanes=1)
class Day(msgspec.Struct, frozen=True):
    hours: int


@event(key="n", time="at", lanes=2)
class Copied(msgspec.Struct, frozen=True):
    n: int
    at: datetime


@event(key="n", time="at", lanes=2)
class Gathered(msgspec.Struct, frozen=True):
    n: int
    at: datetime


@event
class Total(msgspec.Struct, frozen=True):
    rows: tuple[int, ...]


@event
class TooLate(msgspec.Struct, frozen=True):
    rich: Rich


failing: dict[int, int] = {}
"""Which rows fail, and how often still."""


@reader.on(Line, retry=Retry(attempts_max=1))
async def read(line: Line) -> Sample:
    if line.minute < 0:
        raise ValueError("no time")
    return Sample(line.n, START + timedelta(minutes=line.minute))


@enricher.on(Sample, retry=Retry(attempts_max=9, delay_ms=600_000))
async def enrich(sample: Sample) -> Rich:
    if failing.get(sample.n, 0):
        failing[sample.n] -= 1
        raise ValueError("not yet")
    if sample.n % 3 == 0:
        await asyncio.sleep(SLOW_S)
    return Rich(sample.n, sample.at)


@counter.window(
    Rich, size=timedelta(hours=1), id="n", position="n", lateness=timedelta(0), late=TooLate
)
def hourly(window: Window[Rich]) -> Hour:
    return Hour(window.start, tuple(each.n for each in window.events))


@counter.window(Hour, size=timedelta(days=1), lateness=timedelta(0))
def daily(window: Window[Hour]) -> Day:
    return Day(len(window.events))


@reader.on(Rich)
async def copy(rich: Rich) -> Copied:
    if rich.n % 2:
        await asyncio.sleep(SLOW_S)
    return Copied(rich.n, rich.at)


@counter.on(Copied, batch=Batch(3, wait_ms=50))
async def gather(several: list[Copied]) -> list[Gathered]:
    await asyncio.sleep(SLOW_S)
    return [Gathered(each.n, each.at) for each in several]


@enricher.window(Gathered, size=timedelta(days=365), id="n", position="n")
def total(window: Window[Gathered]) -> Total:
    return Total(tuple(each.n for each in window.events))


app = App("stages", services=[reader, enricher, counter], store="memory:")


@pytest.fixture(params=[False, True], ids=["together", "apart"])
def stages(duetto_app: AppFactory, request: pytest.FixtureRequest) -> AppUnderTest:
    """Three stages, in one store or in three."""
    failing.clear()
    return duetto_app(app, apart=request.param)


def hours(stages: AppUnderTest) -> dict[int, tuple[int, ...]]:
    """Return what was shown, by hour."""
    found = stages.operations.events.results("counter.hourly")
    first = int(START.timestamp() * 1000)
    return {(one.start - first) // 3_600_000: one.value.rows for one in found}


def totals(stages: AppUnderTest) -> tuple[int, ...]:
    """Return what was shown of what is not shown before the end."""
    found = stages.operations.events.results("enricher.total")
    return tuple(n for each in found for n in each.value.rows)


def names(stages: AppUnderTest, topic: str) -> int:
    """Return how many events of a type are listed."""
    return len(stages.operations.events.list(topic=topic, limit=10_000))


def test_the_end_of_an_input_travels_through_all_stages(stages: AppUnderTest) -> None:
    for n in range(8):
        stages.publish(Line(n, 20 * n))
    stages.settle()
    assert 2 not in hours(stages)
    assert totals(stages) == ()
    stages.end_of(Line)
    stages.settle()
    assert hours(stages) == {0: (0, 1, 2), 1: (3, 4, 5), 2: (6, 7)}
    assert totals(stages) == tuple(range(8))
    assert [each.revision for each in stages.operations.events.results("counter.hourly")] == [1] * 3
    [one, two] = stages.operations.events.results("counter.daily")
    assert one.value.hours + two.value.hours == 3


def test_marks_are_no_events(stages: AppUnderTest) -> None:
    stages.publish(Line(1, 0))
    stages.end_of(Line)
    stages.end_of(Line)
    stages.settle()
    events = stages.operations.events
    assert names(stages, "Line") == events.count("Line") == 1
    assert names(stages, "Rich") == events.count("Rich") == 1
    assert stages.letters() == []


def test_what_is_made_of_others_ends_with_them(stages: AppUnderTest) -> None:
    with pytest.raises(NotAllowed, match="made of others"):
        stages.end_of(Rich)


def test_windows_are_shown_before_the_end_as_their_lanes_pass_them(stages: AppUnderTest) -> None:
    for n in range(40):
        stages.publish(Line(n, 10 * n))
    stages.settle()
    found = hours(stages)
    assert found
    assert all(rows == tuple(range(6 * hour, 6 * hour + 6)) for hour, rows in found.items())
    assert names(stages, "TooLate") == 0


def test_what_is_retried_holds_the_windows_back(stages: AppUnderTest) -> None:
    failing[1] = 2
    for n in range(40):
        stages.publish(Line(n, 10 * n))
    stages.end_of(Line)
    for _ in range(20):
        stages.operations.events.list()
    assert hours(stages) == {}
    stages.settle()
    assert hours(stages)[0] == (0, 1, 2, 3, 4, 5)
    revisions = {each.revision for each in stages.operations.events.results("counter.hourly")}
    assert revisions == {1}


def test_a_dead_letter_holds_nothing_back_and_corrects(stages: AppUnderTest) -> None:
    stages.publish(Line(1, 10))
    stages.publish(Line(2, -1))
    stages.publish(Line(3, 200))
    stages.end_of(Line)
    stages.settle()
    assert hours(stages) == {0: (1,), 3: (3,)}
    [letter] = stages.letters()
    stages.redrive(letter.handler, letter.position, '{"n": 2, "minute": 20}')
    stages.settle()
    assert hours(stages) == {0: (1, 2), 3: (3,)}
    assert names(stages, "TooLate") == 0


def test_what_is_late_is_published_as_what_is_declared(stages: AppUnderTest) -> None:
    for n, minute in ((2, 0), (4, 300), (6, 10)):
        stages.publish(Line(n, minute))
        stages.settle()
    stages.end_of(Line)
    stages.settle()
    [late] = stages.operations.events.list(topic="TooLate")
    assert late.data["rich"]["n"] == 6
    assert hours(stages) == {0: (2,), 5: (4,)}
    assert stages.letters() == []


def directly(rows: list[tuple[int, int]]) -> tuple[dict[int, tuple[int, ...]], list[int]]:
    """Return the hours of rows (n, minute), and what is late, as their order alone has it."""
    latest: dict[int, int] = {}
    kept: dict[int, int] = {}
    late: list[int] = []
    for n, minute in rows:
        lane = lane_of(str(n), 2)
        if minute < latest.get(lane, minute):
            late.append(n)
        else:
            kept.setdefault(n, minute)
        latest[lane] = max(minute, latest.get(lane, minute))
    found: dict[int, tuple[int, ...]] = {}
    for n in sorted(kept):
        hour = kept[n] // 60
        found[hour] = (*found.get(hour, ()), n)
    return found, sorted(late)


@pytest.mark.parametrize("seed", range(12))
def test_the_table_is_that_of_the_rows_however_fast_anybody_is(
    stages: AppUnderTest, seed: int
) -> None:
    random = Random(seed)
    rows = [(random.randrange(30), max(0, 9 * n - random.randrange(60))) for n in range(40)]
    failing.update({n: random.randrange(8) for n in random.sample(range(30), 8)})
    for n, minute in rows:
        stages.publish(Sample(n, START + timedelta(minutes=minute)))
    stages.end_of(Line)
    stages.settle()
    hourly, late = directly(rows)
    found = stages.operations.events.list(topic="TooLate", limit=1000)
    assert sorted(each.data["rich"]["n"] for each in found) == late
    assert hours(stages) == hourly


@pytest.mark.parametrize(("minute", "is_late"), [(30, False), (10, True)])
def test_what_is_redriven_keeps_its_stamp(stages: AppUnderTest, minute: int, is_late: bool) -> None:
    """A row is late by what was before it, not by what came until it was mended."""
    failing[6] = 9
    for n, at in ((4, 20), (6, minute), (2, 600)):
        stages.publish(Line(n, at))
    stages.end_of(Line)
    stages.settle()
    assert hours(stages) == {0: (4,), 10: (2,)}
    [letter] = stages.letters()
    stages.redrive(letter.handler, letter.position)
    stages.settle()
    assert hours(stages) == {0: (4,) if is_late else (4, 6), 10: (2,)}
    assert names(stages, "TooLate") == is_late


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("kept", [False, True])
def test_every_commit_may_be_the_last(
    duetto_app: AppFactory, duetto_crash: Crashes, kept: bool, apart: bool
) -> None:
    failing.clear()
    for number in itertools.count(1):
        stages = duetto_app(app, apart=apart)
        stages.operations.events.list()
        duetto_crash.at_commit(number, kept=kept)
        for n in range(8):
            surely(stages, n)
        while True:
            try:
                stages.end_of(Line)
                stages.settle()
                break
            except StoreFailed:
                continue
        assert hours(stages) == {0: (0, 1, 2), 1: (3, 4, 5), 2: (6, 7)}
        revisions = {each.revision for each in stages.operations.events.results("counter.hourly")}
        assert revisions == {1}
        assert totals(stages) == tuple(range(8))
        if duetto_crash.planned:
            break
    duetto_crash.forget()


def surely(stages: AppUnderTest, n: int) -> None:
    """Publish an event, twice where nobody answered: its row counts once."""
    try:
        stages.publish(Line(n, 20 * n))
    except StoreFailed:
        stages.publish(Line(n, 20 * n))
