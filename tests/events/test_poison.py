"""An event that kills its process becomes a dead letter; those beside it are handled."""

from __future__ import annotations

from duetto.runtime.doubts import DEATHS_SUSPECTED, MARKS_MAX
from duetto.testing import AppUnderTest, Crashes
from tests.events.warehouse import Notes, Placed, Sent

HANDLER = "inventory.hold_stock"


def test_what_kills_its_process_becomes_a_letter(
    warehouse: AppUnderTest, duetto_crash: Crashes, notes: Notes
) -> None:
    warehouse.publish(Placed("before"))
    warehouse.settle()
    for call in range(1, DEATHS_SUSPECTED + MARKS_MAX + 2):
        duetto_crash.before(HANDLER, call=call)
    warehouse.publish(Sent("beside"))
    warehouse.publish(Placed("a"))
    warehouse.settle()
    [letter] = warehouse.letters()
    assert (letter.handler, letter.event.key) == (HANDLER, "a")
    assert letter.reason == "its process died 3 times while this event was in hand"
    assert duetto_crash.count == DEATHS_SUSPECTED + MARKS_MAX
    assert notes.done.count("beside") == 1
    duetto_crash.forget()
    warehouse.redrive(HANDLER, letter.position)
    warehouse.settle()
    assert "paid a" in notes.done
    assert warehouse.letters() == []


def test_a_few_deaths_blame_nobody(
    warehouse: AppUnderTest, duetto_crash: Crashes, notes: Notes
) -> None:
    for call in range(1, DEATHS_SUSPECTED + MARKS_MAX):
        duetto_crash.before(HANDLER, call=call)
    for order in ("a", "b", "c"):
        warehouse.publish(Placed(order))
    warehouse.settle()
    assert warehouse.letters() == []
    assert {"paid a", "paid b", "paid c"} <= set(notes.done)
