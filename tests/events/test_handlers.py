"""Events are handled once in effect, in the order of their key, and lead to others."""

from __future__ import annotations

import pytest

from duetto.brokers import Faults
from duetto.errors import StoreFailed
from duetto.testing import AppFactory, AppUnderTest, Crashes
from tests.events.warehouse import Notes, Paid, Placed, Refused, Sent, app

DONE = [
    "Paid a",
    "dear a",
    "held a 100",
    "paid a",
    "yours, a",
]


def test_one_event_leads_to_others(warehouse: AppUnderTest, notes: Notes) -> None:
    warehouse.publish(Placed("a"))
    warehouse.settle()
    assert sorted(notes.done) == DONE
    assert notes.done.index("held a 100") < notes.done.index("paid a")
    topics = [event.topic for event in warehouse.operations.events.list()]
    assert sorted(topics) == ["Held", "Paid", "Placed", "Sent", "Sent"]


def test_what_follows_names_what_it_follows_from(warehouse: AppUnderTest) -> None:
    name = warehouse.publish(Placed("a"))
    warehouse.settle()
    events = {event.topic: event for event in warehouse.operations.events.list()}
    assert events["Held"].causation == name
    assert events["Paid"].causation == events["Held"].name
    assert {event.correlation for event in events.values()} == {"", name}


def test_events_of_a_key_are_handled_in_their_order(warehouse: AppUnderTest, notes: Notes) -> None:
    notes.failing = {"a": 2}
    for pence in range(5):
        warehouse.publish(Placed("a", pence))
        warehouse.publish(Placed(f"b{pence}", pence))
    warehouse.settle()
    assert [text for text in notes.done if text.startswith("held a ")] == [
        f"held a {pence}" for pence in range(5)
    ]
    assert notes.done.count("paid a") == 5
    assert warehouse.letters() == []


def test_a_retry_waits_and_holds_up_only_its_key(warehouse: AppUnderTest, notes: Notes) -> None:
    notes.failing = {"a": 1}
    warehouse.publish(Placed("a"))
    warehouse.publish(Placed("b"))
    warehouse.settle()
    assert notes.done.index("held b 100") < notes.done.index("held a 100")


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("kept", [False, True])
def test_every_commit_may_be_the_last(
    duetto_app: AppFactory, duetto_crash: Crashes, apart: bool, kept: bool
) -> None:
    """Each event that was published is handled, and what a handler published is there once."""
    number = 0
    while not duetto_crash.planned:
        number += 1
        notes = Notes()
        warehouse = duetto_app(app, resources=[notes], apart=apart)
        assert warehouse.letters() == []
        duetto_crash.at_commit(number, kept=kept)
        for order in ("a", "b"):
            published(warehouse, Placed(order))
        warehouse.settle()
        topics = [(e.topic, e.key) for e in warehouse.operations.events.list()]
        assert len(topics) == 10
        assert topics.count(("Paid", "a")) == topics.count(("Paid", "b")) == 1
        assert set(notes.done) >= {"held a 100", "paid b", "dear a", "yours, b"}
        assert warehouse.letters() == []
    assert number > 4
    duetto_crash.forget()


def published(warehouse: AppUnderTest, event: Placed) -> None:
    """Publish an event; who was not answered looks whether it is there."""
    try:
        warehouse.publish(event)
    except StoreFailed:
        if not warehouse.operations.events.list(topic="Placed", key=event.order):
            published(warehouse, event)


def test_messages_that_are_lost_doubled_and_late_change_nothing(duetto_app: AppFactory) -> None:
    notes = Notes()
    faults = Faults(duplicate=0.3, lose=0.3, delay=0.5, delay_max_ms=3000)
    warehouse = duetto_app(app, resources=[notes], apart=True, faults=faults)
    for number in range(30):
        warehouse.publish(Placed(f"o{number % 7}", number))
    warehouse.settle()
    events = warehouse.operations.events.list(limit=1000)
    assert len(events) == 150
    assert sorted(notes.done) == sorted(
        [f"held o{number % 7} {number}" for number in range(30)]
        + [f"{what} o{number % 7}" for number in range(30) for what in ("paid", "Paid", "dear")]
        + [f"yours, o{number % 7}" for number in range(30)]
    )
    for key in range(7):
        held = [int(text.split()[2]) for text in notes.done if text.startswith(f"held o{key} ")]
        assert held == sorted(held)


def test_a_handler_hears_what_was_published_before_it_was_there(
    duetto_app: AppFactory, notes: Notes
) -> None:
    warehouse = duetto_app(app, resources=[notes])
    for number in range(2500):
        warehouse.publish(Sent(str(number)))
    warehouse.settle()
    assert len(notes.done) == 2500


def test_a_workflow_receives_what_handlers_publish(warehouse: AppUnderTest) -> None:
    warehouse.publish(Placed("early"))
    warehouse.settle()
    assert warehouse.run(app.workflows["await_payment"], "early") == "receipt of early"
    run = warehouse.start(app.workflows["await_payment"], "late")
    warehouse.publish(Placed("late"))
    assert warehouse.result(run) == "receipt of late"


def test_an_event_is_received_once(warehouse: AppUnderTest) -> None:
    first = warehouse.start(app.workflows["await_payment"], "a")
    second = warehouse.start(app.workflows["await_payment"], "a")
    warehouse.publish(Paid("a"))
    assert warehouse.result(first) == "receipt of a"
    warehouse.publish(Paid("a"))
    assert warehouse.result(second) == "receipt of a"


def test_one_event_starts_one_run(warehouse: AppUnderTest) -> None:
    warehouse.publish(Placed("dear", 5000))
    warehouse.publish(Refused("other"))
    warehouse.settle()
    runs = [run for run in warehouse.operations.list() if run.workflow == "apologise"]
    assert sorted(run.result for run in runs) == ["receipt of dear", "receipt of other"]
