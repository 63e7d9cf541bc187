"""A lineage has what something follows from and what followed, over stores, and nothing beside."""

from __future__ import annotations

import pytest

from duetto.errors import NotFound
from duetto.model.view import LineageView
from duetto.operations import lineage
from duetto.testing import AppUnderTest
from tests.events.warehouse import Notes, Paid, Placed, await_payment


def what(view: LineageView) -> list[str]:
    """Return what a lineage has, each with who made it."""
    return sorted(f"{node.kind} {node.what} {node.by}".rstrip() for node in view.nodes)


def name_of(warehouse: AppUnderTest, topic: str) -> str:
    """Return the name of the newest event of a topic."""
    return warehouse.operations.events.list(topic=topic)[0].name


DESCENDANTS = [
    "event Held inventory.hold_stock",
    "event Paid payments.take_payment",
    "event Placed",
    "event Sent mail.write_letters",
    "event Sent mail.write_letters",
]


def test_an_event_has_all_that_followed_from_it(warehouse: AppUnderTest) -> None:
    name = warehouse.publish(Placed("a"))
    warehouse.publish(Placed("b"))
    warehouse.settle()
    found = warehouse.operations.events.lineage(name)
    assert what(found) == DESCENDANTS
    assert (found.asked, found.whole) == (name, True)
    assert len(found.edges) == 4


def test_the_last_event_has_its_ancestors_and_not_their_other_descendants(
    warehouse: AppUnderTest,
) -> None:
    warehouse.publish(Placed("a"))
    warehouse.settle()
    found = warehouse.operations.events.lineage(name_of(warehouse, "Sent"))
    assert what(found) == DESCENDANTS[:-1]


def test_a_run_follows_from_the_event_that_started_it(warehouse: AppUnderTest) -> None:
    warehouse.publish(Placed("a", pence=5000))
    warehouse.settle()
    [run] = [view.id for view in warehouse.operations.list()]
    chain = ["event Placed", "event Refused inventory.hold_stock", "run apologise"]
    assert what(warehouse.operations.events.lineage(run)) == chain
    found = warehouse.operations.events.lineage(name_of(warehouse, "Refused"))
    assert {*chain} < {*what(found)}


def test_a_run_follows_from_an_event_that_it_received(warehouse: AppUnderTest) -> None:
    warehouse.start(await_payment, "a", id="run-1")
    name = warehouse.publish(Paid("a"))
    warehouse.settle()
    events = warehouse.operations.events
    assert what(events.lineage("run-1")) == ["event Paid", "run await_payment"]
    assert (name, "run-1") in events.lineage(name).edges


def test_an_event_that_is_stuck_says_where(warehouse: AppUnderTest, notes: Notes) -> None:
    notes.failing = {"a": 3}
    name = warehouse.publish(Placed("a"))
    behind = warehouse.publish(Placed("a"))
    warehouse.settle()
    events = warehouse.operations.events
    assert {node.what: node.note for node in events.lineage(name).nodes}[
        "inventory.hold_stock"
    ] == ("dead letter: ConnectionError: no line for a")
    assert [node.note for node in events.lineage(behind).nodes if node.kind == "held"] == [
        "waits behind an earlier one of its key"
    ]


def test_a_lineage_is_bounded(warehouse: AppUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "LINEAGE_MAX", 2)
    name = warehouse.publish(Placed("a"))
    warehouse.settle()
    found = warehouse.operations.events.lineage(name)
    assert what(found) == ["event Held inventory.hold_stock", "event Placed"]
    assert not found.whole


def test_what_is_not_there_has_no_lineage(warehouse: AppUnderTest) -> None:
    with pytest.raises(NotFound, match="no event or run `app/Placed/1:99`"):
        warehouse.operations.events.lineage("app/Placed/1:99")
