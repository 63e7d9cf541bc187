"""A window is a function of its input, whatever the order, the copies and the crashes."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
import pytest

from duetto import App, Service, Window, event
from duetto.errors import ConfigurationError, NotFound, StoreFailed, ValueRefused
from duetto.model.event import LANES, lane_of
from duetto.testing import AppFactory, AppUnderTest, Crashes, JumpingClock

station = Service("station")
START = datetime(2004, 3, 10, tzinfo=UTC)


@event(key="row", time="at")
class Reading(msgspec.Struct, frozen=True):
    row: str
    at: datetime
    metric: str
    value: float
    line: int


@event
class Mean(msgspec.Struct, frozen=True):
    metric: str
    hour: int
    values: tuple[float, ...]


@station.window(Reading, size=timedelta(hours=1), by="metric", id="row", position="line")
def hourly(window: Window[Reading]) -> Mean | None:
    values = tuple(each.value for each in window.events)
    if 666.0 in values:
        raise ValueError("the number of the beast")
    return Mean(window.key, window.start.hour, values)


@station.window(
    Reading, size=timedelta(hours=1), by="metric", id="row", lateness=timedelta(minutes=30)
)
def watched(window: Window[Reading]) -> Mean:
    return Mean(window.key, window.start.hour, tuple(each.value for each in window.events))


heard: list[Mean] = []


@station.on(Mean)
async def listen(mean: Mean) -> None:
    heard.append(mean)


app = App("weather", services=[station], store="memory:")


@pytest.fixture
def weather(duetto_app: AppFactory) -> AppUnderTest:
    """The station."""
    heard.clear()
    return duetto_app(app)


def reading(minute: int, value: float, *, metric: str = "CO(GT)/x", line: int = 1) -> Reading:
    """Return a reading; its row is its minute."""
    at = START + timedelta(minutes=minute)
    return Reading(f"{at:%H:%M}", at, metric, value, line)


def test_what_is_still_to_come_is_refused(
    weather: AppUnderTest, duetto_clock: JumpingClock
) -> None:
    ahead = duetto_clock.now + timedelta(hours=2)
    with pytest.raises(ValueRefused, match="in the future"):
        weather.publish(Reading("r", ahead, "CO", 1.0, 1))
    weather.publish(reading(1, 1.0))
    weather.settle()
    assert weather.letters() == []


def shown(weather: AppUnderTest, window: str = "station.hourly") -> dict[tuple[str, int], object]:
    """Return the values of each window that was shown, by key and hour."""
    found = weather.operations.events.results(window)
    return {(one.key, one.value.hour): one.value.values for one in found}


def show(weather: AppUnderTest) -> None:
    """Let the input have ended."""
    weather.end_of(Reading)
    weather.settle()


def test_a_window_has_what_happened_in_it_by_key(weather: AppUnderTest) -> None:
    for minute, value in ((0, 1.0), (59, 2.0), (60, 3.0)):
        weather.publish(reading(minute, value, line=minute))
    weather.publish(reading(5, 9.0, metric="T"))
    show(weather)
    assert shown(weather) == {
        ("CO(GT)/x", 0): (1.0, 2.0),
        ("CO(GT)/x", 1): (3.0,),
        ("T", 0): (9.0,),
    }
    assert len([mean for mean in heard if mean.hour == 1]) == 2


def test_the_order_of_arrival_and_copies_change_nothing(duetto_app: AppFactory) -> None:
    readings = [reading(10 * n, float(n), line=n) for n in range(9)]
    readings += [reading(10 * n, 100.0 + n, line=50 + n) for n in range(9)]
    tables: list[object] = []
    for seed in range(4):
        weather = duetto_app(app)
        order = readings * 2
        Random(seed).shuffle(order)
        for one in order:
            weather.publish(one)
        show(weather)
        tables.append(shown(weather))
    assert tables[0] == {
        ("CO(GT)/x", 0): (0.0, 1.0, 2.0, 3.0, 4.0, 5.0),
        ("CO(GT)/x", 1): (6.0, 7.0, 8.0),
    }
    assert all(table == tables[0] for table in tables)


def test_what_comes_after_corrects_what_was_shown(weather: AppUnderTest) -> None:
    weather.publish(reading(0, 1.0, line=4))
    show(weather)
    weather.publish(reading(0, 5.0, line=2))
    weather.publish(reading(1, 6.0, line=9))
    weather.publish(reading(0, 7.0, line=8))
    weather.settle()
    assert shown(weather) == {("CO(GT)/x", 0): (5.0, 6.0)}
    [result] = weather.operations.events.results("station.hourly")
    assert result.revision == 3
    show(weather)
    [result] = weather.operations.events.results("station.hourly")
    assert result.revision == 3


def rows_of_lane(lane: int, count: int) -> list[str]:
    """Return the names of rows that fall into one lane."""
    names = (f"row {number}" for number in itertools.count())
    return list(itertools.islice((name for name in names if lane_of(name, LANES) == lane), count))


def test_a_window_is_shown_when_its_lanes_have_passed_it(weather: AppUnderTest) -> None:
    *rows, last = rows_of_lane(3, 6)
    for row, minute in zip(rows, (0, 10, 50, 70, 89), strict=True):
        weather.publish(Reading(row, START + timedelta(minutes=minute), "T", float(minute), 0))
        weather.settle()
    assert shown(weather, "station.watched") == {}
    weather.publish(Reading(last, START + timedelta(minutes=90), "T", 90.0, 0))
    weather.settle()
    assert shown(weather, "station.watched") == {("T", 0): (0.0, 10.0, 50.0)}


@pytest.mark.parametrize("dies", [False, True])
def test_a_lane_that_has_fallen_silent_holds_windows_back(
    weather: AppUnderTest, duetto_crash: Crashes, dies: bool
) -> None:
    [silent], rows = rows_of_lane(3, 1), rows_of_lane(4, 3)
    weather.publish(Reading(silent, START, "T", 1.0, 0))
    weather.settle()
    if dies:
        duetto_crash.at_commit(1)
        with pytest.raises(StoreFailed):
            weather.publish(reading(0, 1.0))
    for hour, row in enumerate(rows):
        weather.publish(Reading(row, START + timedelta(hours=hour), "T", 2.0, 0))
    weather.settle()
    assert shown(weather, "station.watched") == {}
    show(weather)
    assert shown(weather, "station.watched")["T", 0] == (1.0, 2.0)


def test_what_is_late_is_a_letter_and_corrects_when_it_is_redriven(weather: AppUnderTest) -> None:
    first, second = rows_of_lane(0, 2)
    weather.publish(Reading(first, START + timedelta(minutes=100), "T", 1.0, 0))
    weather.publish(Reading(second, START + timedelta(minutes=10), "T", 2.0, 0))
    weather.settle()
    [letter] = weather.letters()
    assert letter.handler == "station.watched"
    assert "late" in letter.reason
    weather.redrive(letter.handler, letter.position)
    show(weather)
    assert shown(weather, "station.watched")["T", 0] == (2.0,)


def test_of_two_with_one_id_the_lower_position_counts_wherever_they_fall(
    duetto_app: AppFactory,
) -> None:
    first, second = reading(30, 1.0, line=1), reading(90, 2.0, line=2)
    second = msgspec.structs.replace(second, row=first.row)
    for order in ([first, second], [second, first]):
        for is_shown_between in (False, True):
            weather = duetto_app(app)
            weather.publish(reading(0, 0.0, line=9))
            for one in order:
                weather.publish(one)
                if is_shown_between:
                    show(weather)
            show(weather)
            assert shown(weather) == {("CO(GT)/x", 0): (1.0, 0.0)}


def test_what_is_mended_leaves_the_window_in_which_it_was(weather: AppUnderTest) -> None:
    weather.publish(reading(0, 1.0, line=1))
    weather.publish(reading(5, 1.0, line=5, metric="T"))
    show(weather)
    weather.publish(reading(1, 666.0, line=2))
    weather.settle()
    [letter] = weather.letters()
    mended = reading(1, 2.0, line=2, metric="T")
    weather.redrive(letter.handler, letter.position, msgspec.json.encode(mended).decode())
    weather.settle()
    assert shown(weather) == {("CO(GT)/x", 0): (1.0,), ("T", 0): (2.0, 1.0)}
    assert weather.letters() == []


@pytest.mark.parametrize("kept", [True, False])
def test_every_commit_may_be_the_last(
    duetto_app: AppFactory, duetto_crash: Crashes, kept: bool
) -> None:
    for number in itertools.count(1):
        weather = duetto_app(app)
        assert weather.letters() == []
        duetto_crash.at_commit(number, kept=kept)
        for minute in (0, 1, 70):
            surely(weather, reading(minute, float(minute), line=minute))
        while True:
            try:
                show(weather)
                break
            except StoreFailed:
                continue
        assert shown(weather) == {("CO(GT)/x", 0): (0.0, 1.0), ("CO(GT)/x", 1): (70.0,)}
        if duetto_crash.planned:
            break
    duetto_crash.forget()


def surely(weather: AppUnderTest, one: Reading) -> None:
    """Publish an event, twice where nobody answered: its row counts once."""
    try:
        weather.publish(one)
    except StoreFailed:
        weather.publish(one)


def test_a_function_that_fails_loses_nothing(weather: AppUnderTest) -> None:
    weather.publish(reading(0, 1.0, line=1))
    show(weather)
    weather.publish(reading(1, 666.0, line=2))
    weather.settle()
    [letter] = weather.letters()
    assert "number of the beast" in letter.reason
    assert shown(weather)["CO(GT)/x", 0] == (1.0,)
    mended = msgspec.json.encode(reading(1, 2.0, line=2)).decode()
    weather.redrive(letter.handler, letter.position, mended)
    weather.settle()
    assert shown(weather)["CO(GT)/x", 0] == (1.0, 2.0)


def test_a_window_that_fails_keeps_no_other_from_being_shown(weather: AppUnderTest) -> None:
    weather.publish(reading(0, 666.0, line=1))
    weather.publish(reading(70, 2.0, line=2))
    show(weather)
    assert shown(weather) == {("CO(GT)/x", 1): (2.0,)}
    [letter] = weather.letters()
    with pytest.raises(ValueRefused, match="cannot make anything"):
        weather.redrive(letter.handler, letter.position)
    weather.publish(reading(0, 1.0, line=0))
    weather.settle()
    assert shown(weather)["CO(GT)/x", 0] == (1.0,)
    assert weather.letters() == []


def test_what_does_not_fit_is_refused(weather: AppUnderTest) -> None:
    with pytest.raises(ConfigurationError, match="no time of their own"):
        station.window(Mean, size=timedelta(hours=1))(hourly.body)
    with pytest.raises(ConfigurationError, match="size"):
        station.window(Reading, size=timedelta(0))(hourly.body)
    with pytest.raises(ConfigurationError, match="two handlers"):
        station.window(Reading, size=timedelta(hours=1))(hourly.body)
    with pytest.raises(NotFound):
        weather.operations.events.results("station.listen")
