"""Retained events are read from where they begin to be of interest."""

from __future__ import annotations

import pytest

from duetto.operations import log
from duetto.testing import AppFactory, AppUnderTest
from tests.events.warehouse import Notes, Placed
from tests.events.warehouse import app as warehouse

COUNT = 40


@pytest.fixture
def app(duetto_app: AppFactory, monkeypatch: pytest.MonkeyPatch) -> AppUnderTest:
    monkeypatch.setattr(log, "CLOCK_MS", 0)
    return duetto_app(warehouse, resources=[Notes()])


def test_what_is_older_is_left_out(app: AppUnderTest) -> None:
    for number in range(COUNT):
        app.publish(Placed("a", number))
        app.settle()
    events = app.operations.events
    found = events.list(topic="Placed", limit=COUNT)[::-1]
    assert len(found) == COUNT
    for each in found:
        later = events.list(topic="Placed", since=each.at, limit=COUNT)[::-1]
        assert later == [event for event in found if event.at >= each.at]


def test_what_was_purged_is_older(app: AppUnderTest) -> None:
    for number in range(COUNT):
        app.publish(Placed("a", number))
    app.settle()
    [host] = app.hosts
    newest = app.operations.events.list(topic="Placed", limit=1)[0]
    assert host.store.log.purge(newest.at + 1, COUNT // 2) == COUNT // 2
    found = app.operations.events.list(topic="Placed", since=newest.at, limit=COUNT)
    assert (found[0], len(found)) == (newest, COUNT // 2)


def test_events_of_one_moment_are_in_the_order_of_their_lane(app: AppUnderTest) -> None:
    names = [app.publish(Placed("a", number)) for number in range(COUNT)]
    found = app.operations.events.list(topic="Placed", limit=COUNT)
    assert [event.name for event in found] == names[::-1]
