"""What is held against a trial: seen from outside, by calls, effects and the outcome."""

from __future__ import annotations

import pytest

from duetto.testing.promises import Broken, broken, causal, compared
from duetto.testing.simulation.faults import OperatorCancels
from duetto.testing.tasks import Call
from duetto.testing.trials import Outcome, Ran, Trial
from tests.testing.till import app

RESERVE, CHARGE, SEND = "r/#1", "r/#2", "r/3[0]#1"
TASKS = {RESERVE: "stock.reserve", CHARGE: "till.charge", SEND: "post.send"}
UNDOS = {RESERVE: "stock.release", CHARGE: "till.refund"}


def a_run(*keys: str, status: str = "completed", what: object = None, stored: int = 99) -> Ran:
    """Return what came of a trial whose bodies ended in this order; `!` marks an undo."""
    calls = [
        Call(
            UNDOS[key.removesuffix("!undo")] if key.endswith("!undo") else TASKS[key],
            key,
            (),
            1,
            "r",
        )
        for key in keys
    ]
    return Ran(
        outcome=Outcome(status, what),
        entries=calls,
        made=calls,
        stored={call.key: stored for call in calls},
        struck=[],
        keys={},
        commits={},
        links={},
        lasted_ms=0,
        story=[],
    )


def found(ran: Ran, *, drops: bool = False) -> list[tuple[int, str, str]]:
    return [(each.promise, each.what, each.found) for each in broken(app, ran, drops=drops)]


def test_nothing_is_said_of_a_run_that_is_right() -> None:
    assert found(a_run(RESERVE, CHARGE, SEND)) == []
    undone = a_run(RESERVE, CHARGE, f"{CHARGE}!undo", f"{RESERVE}!undo", status="failed")
    assert found(undone) == []


def test_a_stored_task_that_runs_again() -> None:
    assert found(a_run(RESERVE, RESERVE, stored=1)) == [
        (2, "A task ran again though its result was stored.", "stock.reserve")
    ]


def test_compensations_out_of_order() -> None:
    ran = a_run(RESERVE, CHARGE, f"{RESERVE}!undo", f"{CHARGE}!undo", status="failed")
    names = "stock.reserve, then till.charge"
    assert found(ran) == [(5, "Compensations came oldest first.", names)]


def test_a_compensation_that_is_missing() -> None:
    ran = a_run(RESERVE, CHARGE, SEND, f"{CHARGE}!undo", status="cancelled")
    expected = (5, "The run cancelled, and not all is undone.", "stock.reserve")
    assert found(ran) == [expected]
    assert found(ran, drops=True) == []


def test_a_compensation_of_nothing_and_an_effect_behind_it() -> None:
    assert found(a_run(f"{CHARGE}!undo")) == [(5, "What had no effect was undone.", "till.refund")]
    ran = a_run(CHARGE, f"{CHARGE}!undo", CHARGE)
    assert found(ran) == [(5, "A task took effect after it was undone.", "till.charge")]


@pytest.mark.parametrize(
    ("first", "second", "before"),
    [
        ("r/#1", "r/#2", True),
        ("r/#2", "r/#1", False),
        ("r/#1", "r/3[0]#1", True),
        ("r/3[0]#1", "r/#4", True),
        ("r/3[0]#1", "r/3[1]#2", False),
        ("r/3[1]/1[0]#1", "r/3[1]/2[2]#1", True),
    ],
)
def test_names_tell_what_came_before(first: str, second: str, before: bool) -> None:
    assert causal(first, second) == before


def test_another_outcome_or_effect_is_another_only_where_nothing_chooses() -> None:
    one, other = a_run(RESERVE, what=1), a_run(RESERVE, CHARGE, what=2)
    said = list(compared(Trial(), one, other, has_choices=False))
    assert [each.promise for each in said] == [4, 4]
    assert said[0] == Broken(
        4, "The outcome is another.", "completed with 1", "completed with 2, as elsewhere"
    )
    assert said[1].what == "What has no effect is another."
    assert said[1].found == "till.charge()"
    assert list(compared(Trial(), one, other, has_choices=True)) == []
    cancelled = Trial(faults=(OperatorCancels(1.0),))
    assert list(compared(cancelled, one, other, has_choices=False)) == []
