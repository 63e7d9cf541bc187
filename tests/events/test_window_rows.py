"""What a window keeps of its events, for how long, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from duetto import App, Service, Window, event
from duetto.errors import ConfigurationError, NotAllowed, ValueRefused
from duetto.runtime.windows import SHOWN_AT_ONCE_MAX
from duetto.testing import AppFactory, AppUnderTest

scales = Service("scales")
START = datetime(2025, 11, 26, tzinfo=UTC)


@event(key="sale", time="at")
class Sold(msgspec.Struct, frozen=True):
    sale: str
    at: datetime | int
    grams: int
    place: Any = 0


@event
class Hour(msgspec.Struct, frozen=True):
    grams: tuple[int, ...]


broken: list[bool] = []


@scales.window(Sold, size=timedelta(hours=1), id="sale", position="place")
def by_hour(window: Window[Sold]) -> Hour:
    if broken:
        raise ValueError("out of order")
    return Hour(tuple(each.grams for each in window.events))


app = App("scales", services=[scales], store="memory:")


@pytest.fixture
def shop(duetto_app: AppFactory) -> AppUnderTest:
    """The scales."""
    broken.clear()
    return duetto_app(app)


def shown(shop: AppUnderTest) -> list[tuple[int, ...]]:
    """Return what was shown, window by window."""
    return [each.value.grams for each in shop.operations.events.results("scales.by_hour")]


def rows(shop: AppUnderTest, prefix: str) -> int:
    """Return how many rows of a kind the store has."""
    return len(shop.hosts[0].store.log.state(prefix))


def show(shop: AppUnderTest) -> None:
    """Let the input have ended."""
    shop.end_of(Sold)
    shop.settle()


@pytest.mark.parametrize("place", ["3", None, 1.5, True, 2**63])
def test_a_position_that_is_no_whole_number_is_a_letter_that_says_so(
    shop: AppUnderTest, place: object
) -> None:
    with_it = Sold("s1", START, 1, place)
    try:
        shop.publish(with_it)
    except ValueRefused:
        assert place == 2**63  # no event has it
        return
    shop.settle()
    [letter] = shop.letters()
    assert "no position in the window scales.by_hour" in letter.reason
    assert f"`place` is {place!r}" in letter.reason
    shop.redrive(letter.handler, letter.position, _json(msgspec.structs.replace(with_it, place=1)))
    show(shop)
    assert shown(shop) == [(1,)]


def _json(sold: Sold) -> str:
    return msgspec.json.encode(sold).decode()


def test_positions_below_zero_are_in_their_order(shop: AppUnderTest) -> None:
    for number, place in enumerate((5, -1, -20, 0)):
        shop.publish(Sold(f"s{number}", START, place, place))
    show(shop)
    assert shown(shop) == [(-20, -1, 0, 5)]


@pytest.mark.parametrize("at", [2**60, -(2**60), 2**63 - 1])
def test_a_time_that_is_none_is_refused(shop: AppUnderTest, at: int) -> None:
    with pytest.raises(ValueRefused, match="does not say when"):
        shop.publish(Sold("s1", at, 1))


def test_the_first_and_the_last_instants_have_windows(
    shop: AppUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duetto.runtime.publishing.AHEAD_MS_MAX", 2**60)
    shop.publish(Sold("s1", datetime.min.replace(tzinfo=UTC), 1))
    shop.publish(Sold("s2", datetime.max.replace(tzinfo=UTC, microsecond=0), 2))
    shop.publish(Sold("s3", 0, 3))
    show(shop)
    assert shown(shop) == [(1,), (3,), (2,)]


def test_contributions_go_once_events_do_and_the_result_stays(shop: AppUnderTest) -> None:
    shop.publish(Sold("s1", START, 1))
    show(shop)
    shop.publish(Sold("s2", START + timedelta(hours=2), 2))
    shop.settle()
    now = shop.hosts[0].clock.now_ms()
    shop.hosts[0].events.sweep(now)
    shop.settle()
    assert rows(shop, "window/") == rows(shop, "id/") == 2, "nothing is older than now"
    shop.hosts[0].events.sweep(now + 1)
    shop.operations.events.list()
    shop.settle()
    shop.publish(Sold("s3", START + timedelta(hours=5), 3))
    shop.settle()
    assert rows(shop, "window/") == rows(shop, "id/") == 1
    assert shown(shop) == [(1,), (2,), (3,)]


def test_what_comes_for_a_window_without_contributions_is_a_letter(shop: AppUnderTest) -> None:
    shop.publish(Sold("s1", START, 1))
    show(shop)
    shop.hosts[0].events.sweep(shop.hosts[0].clock.now_ms() + 1)
    shop.publish(Sold("s2", START, 2))
    shop.settle()
    [letter] = shop.letters()
    assert "too late to correct" in letter.reason
    assert shown(shop) == [(1,)]


def test_many_windows_are_shown_in_several_commits(shop: AppUnderTest) -> None:
    count = 3 * SHOWN_AT_ONCE_MAX + 7
    for number in range(count):
        shop.publish(Sold(f"s{number}", START + timedelta(hours=number), number))
    show(shop)
    assert shown(shop) == [(number,) for number in range(count)]
    revisions = {each.revision for each in shop.operations.events.results("scales.by_hour")}
    assert revisions == {1}


def test_a_window_that_fails_when_it_is_due_is_a_letter_about_it(shop: AppUnderTest) -> None:
    broken.append(True)
    shop.publish(Sold("s1", START, 1))
    show(shop)
    [letter] = shop.letters()
    assert "out of order" in letter.reason
    with pytest.raises(NotAllowed, match="no data of its own"):
        shop.redrive(letter.handler, letter.position, _json(Sold("s1", START, 1)))
    with pytest.raises(ValueRefused):
        shop.redrive(letter.handler, letter.position)
    broken.clear()
    shop.redrive(letter.handler, letter.position)
    shop.settle()
    assert shown(shop) == [(1,)]
    assert shop.letters() == []


def test_late_without_lateness_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Nothing is ever late"):
        scales.window(Sold, size=timedelta(hours=1), late=lambda sold: sold, name="other")(
            by_hour.body
        )


def test_what_is_made_of_late_events_is_declared() -> None:
    window = scales.window(
        Sold,
        size=timedelta(hours=1),
        lateness=timedelta(0),
        late=lambda sold: sold,
        name="undeclared",
    )(by_hour.body)
    del scales.windows["undeclared"]
    with pytest.raises(ConfigurationError, match="is no event"):
        assert window.makes
