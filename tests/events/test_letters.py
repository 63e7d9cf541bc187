"""What keeps failing is a dead letter: kept with its reason, redriven in place, or given up."""

from __future__ import annotations

import pytest

from duetto.errors import NotAllowed, NotFound, ValueRefused
from duetto.operations import Letters
from duetto.testing import AppUnderTest
from tests.events.warehouse import Notes, Placed

HANDLER = "inventory.hold_stock"


@pytest.fixture
def dead(warehouse: AppUnderTest, notes: Notes) -> AppUnderTest:
    """The warehouse with one dead letter, and two events behind it."""
    notes.failing = {"a": 3}
    for pence in (1, 2, 3):
        warehouse.publish(Placed("a", pence))
    warehouse.publish(Placed("b"))
    warehouse.settle()
    return warehouse


def held(notes: Notes) -> list[str]:
    """Return the orders of `a` for which stock was held, in order."""
    return [text for text in notes.done if text.startswith("held a ")]


def test_a_letter_has_its_reason_and_what_waits_behind_it(dead: AppUnderTest, notes: Notes) -> None:
    [letter] = dead.letters()
    assert letter.handler == HANDLER
    assert letter.reason == "ConnectionError: no line for a"
    assert letter.attempts == 3
    assert letter.behind == 2
    assert letter.event.data == {"order": "a", "pence": 1}
    assert "no line for" in letter.trace
    assert held(notes) == []
    assert "held b 100" in notes.done


def test_a_redriven_letter_is_handled_before_what_waits(dead: AppUnderTest, notes: Notes) -> None:
    [letter] = dead.letters()
    dead.redrive(HANDLER, letter.position)
    dead.settle()
    assert held(notes) == ["held a 1", "held a 2", "held a 3"]
    assert dead.letters() == []


def test_a_letter_is_redriven_once(dead: AppUnderTest) -> None:
    [letter] = dead.letters()
    dead.redrive(HANDLER, letter.position)
    with pytest.raises(NotAllowed, match="not dead"):
        dead.redrive(HANDLER, letter.position)


def test_a_mended_letter_is_handled_as_mended(dead: AppUnderTest, notes: Notes) -> None:
    [letter] = dead.letters()
    dead.redrive(HANDLER, letter.position, '{"order": "a", "pence": 77}')
    dead.settle()
    assert held(notes) == ["held a 77", "held a 2", "held a 3"]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ('{"order": "other"}', NotAllowed),
        ('{"order": 5}', ValueRefused),
        ("{", ValueRefused),
    ],
)
def test_what_does_not_mend_a_letter_changes_nothing(
    dead: AppUnderTest, data: str, error: type[Exception]
) -> None:
    [letter] = dead.letters()
    with pytest.raises(error):
        dead.redrive(HANDLER, letter.position, data)
    assert dead.letters() == [letter]


def test_a_letter_that_fails_again_is_dead_again(dead: AppUnderTest, notes: Notes) -> None:
    notes.failing = {"a": 3}
    [letter] = dead.letters()
    dead.redrive(HANDLER, letter.position)
    dead.settle()
    assert [each.position for each in dead.letters()] == [letter.position]


def test_a_discarded_letter_lets_the_others_go_on(dead: AppUnderTest, notes: Notes) -> None:
    [letter] = dead.letters()
    dead.discard(HANDLER, letter.position)
    dead.settle()
    assert held(notes) == ["held a 2", "held a 3"]


def test_letters_are_found_by_what_they_are(dead: AppUnderTest) -> None:
    for asked in (
        Letters(handler=HANDLER),
        Letters(topic="Placed"),
        Letters(key="a"),
        Letters(reason="no line"),
    ):
        assert len(dead.letters(asked)) == 1
    for asked in (Letters(topic="Paid"), Letters(key="b"), Letters(reason="nothing")):
        assert dead.letters(asked) == []
    with pytest.raises(NotFound, match="inventory"):
        dead.letters(Letters(handler="inventory.hold"))


def test_a_row_waits_through_a_restart(dead: AppUnderTest, notes: Notes) -> None:
    before = dead.letters()
    dead.close()
    assert dead.letters() == before
    notes.failing = {}
    dead.redrive(HANDLER, before[0].position)
    dead.settle()
    assert held(notes) == ["held a 1", "held a 2", "held a 3"]
