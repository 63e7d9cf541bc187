"""A workflow is tried wherever it may be decided; what does not keep a promise is found."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import pytest

from duetto import App, Retry, Service, resource, workflow
from duetto.errors import ConfigurationError
from duetto.model.placement import choreography, parse
from duetto.testing import (
    AppUnderTest,
    PromiseBroken,
    TaskMocks,
    Trial,
    check_placements,
    check_trial,
    simulate,
)
from duetto.testing.simulation.faults import (
    CommitLost,
    CommitUnanswered,
    MessageDelayed,
    MessageDoubled,
    MessageLost,
    MessageRedelivered,
    MessageReordered,
    MessageUnconfirmed,
    NodePauses,
    OperatorCancels,
    OperatorMoves,
    TaskKills,
    TaskRaises,
)
from tests.testing.till import Drawer, app, charge, reserve, sell, sell_later, send, thank

KETTLE = ("kettle", 700)


def fresh() -> Iterable[object]:
    return [Drawer()]


def test_every_placement_has_the_same_outcome() -> None:
    tried = check_placements(app, sell, *KETTLE, resources=fresh)
    assert tried.trials == 2 * 6, "both ends, three services alone, every second one; twice"
    assert tried.outcomes == {"completed": 12}


def test_every_commit_may_be_the_last() -> None:
    tried = check_placements(app, sell, *KETTLE, resources=fresh, crashes=True)
    assert tried.struck["CommitLost"] == tried.struck["CommitUnanswered"] > 60


def test_seeds_come_by_every_kind_of_fault() -> None:
    tried = simulate(app, sell_later, "kettle", 1.0, seeds=60, cancels=True, resources=fresh)
    more = simulate(app, sell, *KETTLE, seeds=range(60, 160), resources=fresh)
    kinds = {
        *("CommitLost", "CommitUnanswered", "TaskKills", "TaskRaises", "OperatorMoves"),
        *("MessageDelayed", "MessageDoubled", "MessageLost", "MessageRedelivered"),
        *("MessageReordered", "MessageUnconfirmed", "OperatorCancels"),
    }
    assert kinds <= tried.struck.keys() | more.struck.keys()
    assert {"completed", "failed"} <= more.outcomes.keys()
    assert "cancelled" in tried.outcomes
    assert str(more).startswith("100 trials: completed ")


def test_equal_trials_are_equal(trial: Trial) -> None:
    stories: list[list[tuple[int, str]]] = []

    def note(shop: AppUnderTest, run: str) -> None:
        stories.append([(fact.at, fact.text) for fact in shop.history(run)])

    for _ in range(2):
        check_trial(app, sell, *KETTLE, trial=trial, resources=fresh, check=note)
    assert stories[-1] == stories[len(stories) // 2 - 1]


@pytest.fixture(
    params=[
        (CommitLost(0, 2, 0.0),),
        (CommitUnanswered(3, 1, 2000.0),),
        (MessageDoubled("", "till", 1, 40.0), MessageDelayed("till", "", 1, 3000.0)),
        (MessageReordered("", "post", 1, 3000.0), MessageRedelivered("", "post", 2, 5.0)),
        (MessageLost("", "stock", 1), MessageUnconfirmed("till", "", 1)),
        (TaskKills("till", 1, 2, 600_000.0), TaskRaises("till", 1, 1)),
        (OperatorMoves(0, 1.0, choreography()), OperatorCancels(30.0)),
    ],
    ids=lambda faults: type(faults[0]).__name__,
)
def trial(request: pytest.FixtureRequest) -> Trial:
    return Trial(apart=True, faults=request.param, dawdle_ms=40, seed=3)


def test_what_is_given_strikes(trial: Trial) -> None:
    tried = check_trial(app, sell, *KETTLE, trial=trial, resources=fresh)
    assert set(tried.struck) == {type(fault).__name__ for fault in trial.faults}


# -- what is found

bank = Service("bank")


class Account:
    """Money, as a service has it that does not look at keys."""

    def __init__(self) -> None:
        self.pence = 0
        self.asked = 0


@bank.task
async def pay_in(pence: int, *, account: Account = resource()) -> int:
    account.pence += pence
    return pence


@pay_in.compensate
async def pay_out(paid: int, *, account: Account = resource()) -> None:
    account.pence -= paid


@bank.task(retry=Retry(attempts_max=1))
async def count_calls(*, account: Account = resource()) -> int:
    account.asked += 1
    return account.asked


@workflow
async def save_up(pence: int) -> int:
    await pay_in(pence)
    return await count_calls()


savings = App("savings", services=[bank], workflows=[save_up], resources=[Account()])
Try = Callable[..., object]


@pytest.mark.parametrize("try_out", [simulate, check_placements])
def test_an_effect_without_its_key_is_found(try_out: Try) -> None:
    account = Account()

    def accounts() -> Iterable[object]:
        account.pence = account.asked = 0
        return [account]

    def check(shop: AppUnderTest, run: str) -> None:
        status = shop.show(run).status
        assert account.pence == (7 if status == "completed" else 0)

    more = {"crashes": True} if try_out is check_placements else {}
    with pytest.raises(AssertionError) as wrong:
        try_out(savings, save_up, 7, resources=accounts, check=check, **more)
    [note] = [one for one in wrong.value.__notes__ if "check_trial" in one]
    again = eval_trial(note)
    with pytest.raises(AssertionError, match="pence"):
        check_trial(savings, save_up, 7, trial=again, resources=accounts, check=check)
    assert again.placed.name == "orchestration", "it is cut down"
    assert 1 <= len(again.faults) <= 2, "a crash at the effect, or a failure and one at its undo"
    assert again.seed == 0


def eval_trial(note: str) -> Trial:
    """Return the trial that a failure prints, as a reader takes it over."""
    names: dict[str, Any] = {each.__name__: each for each in (Trial, CommitLost, CommitUnanswered)}
    names |= {"parse": parse, "TaskRaises": TaskRaises, "TaskKills": TaskKills}
    text = note.partition("trial=")[2].strip()[:-1]
    return eval(text, names)


def test_an_outcome_that_depends_on_crashes_is_found() -> None:
    with pytest.raises(PromiseBroken) as wrong:
        simulate(savings, save_up, 7, resources=lambda: [Account()])
    assert wrong.value.promise == 4
    said = str(wrong.value)
    assert said.startswith("Promise 4 is not kept: The outcome is another.")
    assert "  found     completed with 2" in said
    assert "  expected  completed with 1, as elsewhere" in said
    assert f"check_trial(…, trial={wrong.value.trial!r})" in said
    assert "bank.count_calls completed" in said, "the story of the run is told"
    assert len(wrong.value.trial.faults) == 1


def test_a_run_that_never_ends_is_found() -> None:
    def hang(tasks: TaskMocks) -> None:
        tasks.mock(thank).hangs()

    with pytest.raises(PromiseBroken, match=r"(?s)Promise 3 .* never ends.*runs post\.thank"):
        check_placements(app, sell, *KETTLE, resources=fresh, mocks=hang)


def test_what_fails_anyway_is_what_is_compared_with() -> None:
    def fail(tasks: TaskMocks) -> None:
        tasks.mock(send).raises(ValueError("no address"))

    drawers: list[Drawer] = []

    def new() -> Iterable[object]:
        drawers.append(Drawer())
        return drawers[-1:]

    def check(shop: AppUnderTest, run: str) -> None:
        assert drawers[-1].pence == 0
        shop.ledger.assert_order(run, reserve, charge, "till.refund", "stock.release")

    tried = check_placements(
        app, sell, *KETTLE, resources=new, mocks=fail, check=check, crashes=True
    )
    assert tried.outcomes.keys() == {"failed"}


class Refused(Exception):
    """What a bank says."""


def test_failures_may_be_those_of_the_task() -> None:
    found: list[str] = []
    check_trial(
        app,
        sell,
        *KETTLE,
        trial=Trial(faults=(TaskRaises("till", 1, 1000),)),
        resources=fresh,
        errors={charge: Refused("limit")},
        check=lambda shop, run: found.append(shop.show(run).error),
    )
    assert found[-1] == "Refused: limit"


def test_only_workflows_are_tried_and_only_by_what_an_app_has() -> None:
    plain: Callable[[str, int], Coroutine[Any, Any, str]] = sell.body
    with pytest.raises(ConfigurationError, match="Only a workflow can be tried"):
        simulate(app, plain, *KETTLE)
    faults: Any = (NodePauses(0, 1.0, 1.0),)
    with pytest.raises(ConfigurationError, match="no such fault"):
        check_trial(app, sell, *KETTLE, trial=Trial(faults=faults), resources=fresh)


async def test_an_async_test_tries_the_same() -> None:
    assert check_placements(app, sell, *KETTLE, resources=fresh).trials == 12


def test_a_trial_is_written_as_it_is_made() -> None:
    assert repr(Trial()) == "Trial()"
    moved = OperatorMoves(1, 2.0, parse("hybrid:till"))
    trial = Trial(parse("till.charge=post"), apart=True, faults=(moved,), seed=7)
    assert repr(trial) == (
        "Trial(placement=parse('till.charge=post'), apart=True, faults=(OperatorMoves(host=1, "
        "at_ms=2.0, placement=parse('hybrid:till')),), seed=7)"
    )
