"""A handler handles events once more, of which nobody else takes notice."""

from __future__ import annotations

import pytest

from duetto import App, Service, context, resource
from duetto.authoring.batch import Batch
from duetto.errors import NotAllowed, NotFound
from duetto.operations import Picked, Replayed
from duetto.runtime.reactions import Reactions
from duetto.testing import AppFactory, AppUnderTest, Crashes
from tests.events.warehouse import Notes, Placed, Sent, hold_stock

HANDLER = "inventory.hold_stock"


@pytest.fixture
def done(warehouse: AppUnderTest, notes: Notes) -> AppUnderTest:
    """The warehouse after four orders of two keys."""
    for order, pence in (("a", 1), ("b", 2), ("a", 3), ("b", 4)):
        warehouse.publish(Placed(order, pence))
    warehouse.settle()
    notes.done.clear()
    return warehouse


def test_it_is_handled_once_more_in_its_order_and_nobody_else_notices(
    done: AppUnderTest, notes: Notes
) -> None:
    assert done.replay(HANDLER) == Replayed(1, 4)
    done.settle()
    for order, expected in (("a", ["1", "3"]), ("b", ["2", "4"])):
        held = [text.split()[2] for text in notes.done if text.startswith(f"held {order}")]
        assert held == expected
    assert len(notes.done) == 4


def test_it_publishes_again_where_that_is_asked_for(done: AppUnderTest, notes: Notes) -> None:
    done.replay(HANDLER, Picked(key="a"), publishes=True)
    done.settle()
    assert [text for text in notes.done if text.startswith("paid")] == ["paid a", "paid a"]


def test_what_is_picked_is_replayed_and_no_more(done: AppUnderTest, notes: Notes) -> None:
    views = sorted(done.operations.events.list(topic="Placed"), key=lambda each: each.at)
    assert done.replay(HANDLER, Picked(key="b")).count == 2
    done.settle()
    assert notes.done == ["held b 2", "held b 4"]
    assert done.replay(HANDLER, Picked(until=views[0].at)) == Replayed(0, 0)
    assert done.replay(HANDLER, Picked(since=views[0].at)).count == 4
    done.settle()
    with pytest.raises(NotFound, match="Placed"):
        done.replay(HANDLER, Picked(topic="Paid"))


def test_each_replay_has_a_key_of_its_own(duetto_app: AppFactory) -> None:
    keys: list[str] = []
    desk = Service("desk")

    @desk.on(Sent)
    async def answer(sent: Sent) -> None:
        keys.append(context().key)

    shop = duetto_app(App("desk", services=[desk]))
    shop.publish(Sent("x"))
    shop.settle()
    shop.replay("desk.answer")
    shop.settle()
    shop.replay("desk.answer")
    shop.settle()
    assert len(set(keys)) == 3
    assert [key.removeprefix(keys[0]) for key in keys] == ["", "!1", "!2"]


def test_live_events_come_behind_the_block_of_their_key(
    done: AppUnderTest, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reactions, "held_max", 2)
    done.replay(HANDLER)
    done.publish(Placed("a", 5))
    done.publish(Placed("b", 6))
    done.settle()
    held = [text.split()[1:] for text in notes.done if text.startswith("held")]
    assert [pence for order, pence in held if order == "a"] == ["1", "3", "5"]
    assert [pence for order, pence in held if order == "b"] == ["2", "4", "6"]
    assert [text for text in notes.done if text.startswith("paid")] == ["paid a", "paid b"]


def test_a_replay_goes_on_after_a_crash(
    done: AppUnderTest, notes: Notes, duetto_crash: Crashes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reactions, "held_max", 1)
    duetto_crash.after(hold_stock.task)
    done.replay(HANDLER)
    done.settle()
    held = [text for text in notes.done if text.startswith("held a")]
    assert held[-1] == "held a 3"
    assert set(held) == {"held a 1", "held a 3"}
    assert not [text for text in notes.done if text.startswith("paid")]


def test_what_fails_again_is_a_letter_and_holds_its_key(done: AppUnderTest, notes: Notes) -> None:
    notes.failing = {"a": 3}
    done.replay(HANDLER)
    done.publish(Placed("a", 5))
    done.settle()
    [letter] = done.letters()
    assert (letter.event.data["pence"], letter.behind) == (1, 2)
    done.redrive(HANDLER, letter.position)
    done.settle()
    held = [text for text in notes.done if text.startswith("held a")]
    assert held == ["held a 1", "held a 3", "held a 5"]
    assert [text for text in notes.done if text.startswith("paid")] == ["paid a"]


def test_one_at_a_time(done: AppUnderTest, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reactions, "held_max", 1)
    notes.failing = {"a": 1}
    done.replay(HANDLER)
    with pytest.raises(NotAllowed, match="under way"):
        done.replay(HANDLER)
    done.settle()
    assert done.replay(HANDLER) == Replayed(2, 4)


def test_handlers_alone(done: AppUnderTest) -> None:
    with pytest.raises(NotAllowed, match="no handler"):
        done.replay("@mailbox.Paid")
    with pytest.raises(NotFound, match="hold_stock"):
        done.replay("inventory.hold")


def test_a_handler_of_batches_gets_them_one_by_one(duetto_app: AppFactory, notes: Notes) -> None:
    desk = Service("desk")

    @desk.on(Sent, batch=Batch(size_max=10))
    async def file(sent: list[Sent], *, notes: Notes = resource()) -> None:
        notes.note("+".join(each.text for each in sent))

    shop = duetto_app(App("desk", services=[desk], resources=[notes]))
    shop.publish(Sent("x"))
    shop.publish(Sent("y"))
    shop.settle()
    notes.done.clear()
    shop.replay("desk.file")
    shop.settle()
    assert sorted(notes.done) == ["x", "y"]
