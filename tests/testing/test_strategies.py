"""Strategies that users import: what they draw fits the app, and shrinks to what matters."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from duetto import workflow
from duetto.model.placement import Placement, check
from duetto.testing import Trial, check_trial
from duetto.testing.simulation import Scenario, Shape, World, compiled
from duetto.testing.simulation.blocks import Block
from duetto.testing.simulation.faults import CommitUnanswered, OperatorCancels, TaskRaises
from duetto.testing.strategies import (
    arguments,
    faults,
    placements,
    scenarios,
    trials,
    workflows,
)
from duetto.testing.strikes import Strikes, TrialFault
from duetto.testing.trials import Subject, ran
from tests.testing.till import Drawer, app, sell

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PLAIN = settings(
    max_examples=2_000, deadline=None, database=None, phases=[Phase.generate, Phase.shrink]
)


@given(placements(app))
def test_placements_fit_the_app(placement: Placement) -> None:
    check(placement, app.services, app.tasks)


def test_placements_are_of_every_kind() -> None:
    for name in ("orchestration", "choreography", "hybrid:till", "hybrid:till,post"):
        assert find(placements(app), lambda one, name=name: one.name == name, settings=PLAIN)
    apart = find(placements(app), lambda one: len(set(one.by_task.values())) > 2, settings=PLAIN)
    assert apart.by_task.keys() == app.tasks.keys()
    assert find(placements(app), lambda _: True, settings=PLAIN).name == "orchestration"


@given(faults(app, cancels=True, reach=20))
def test_faults_fit_the_app(drawn: tuple[TrialFault, ...]) -> None:
    assert len(drawn) <= 5
    assert Strikes(drawn).struck == []


def test_kinds_of_faults_are_left_out() -> None:
    only = faults(app, crashes=False, messages=False, failures=False, moves=False, cancels=True)
    drawn = find(only, lambda some: len(some) == 2, settings=PLAIN)
    assert drawn == (OperatorCancels(0.0), OperatorCancels(1.0))
    none = faults(app, crashes=False, messages=False, failures=False, moves=False)
    assert find(none, lambda _: True, settings=PLAIN) == ()


def test_what_fails_shrinks_to_one_fault_in_the_plainest_place() -> None:
    def fails(trial: Trial) -> bool:
        subject = Subject(app=app, workflow=sell, args=("kettle", 7), resources=lambda: [Drawer()])
        return ran(subject, trial).outcome.status == "failed"

    found = find(trials(app), fails, settings=PLAIN)
    assert found == Trial(Placement(), faults=(TaskRaises("till", 1, 1000),))


@FEW
@given(trial=trials(app))
def test_a_sale_keeps_its_promises(trial: Trial) -> None:
    check_trial(app, sell, "kettle", 7, trial=trial, resources=lambda: [Drawer()])


@dataclass(frozen=True)
class Order:
    item: str
    pence: int


@workflow
async def take_order(order: Order, urgent: bool) -> int:
    return order.pence if urgent else 0


@given(arguments(take_order))
def test_arguments_have_the_types_of_the_parameters(drawn: tuple[Any, ...]) -> None:
    order, urgent = drawn
    assert isinstance(order, Order)
    assert isinstance(urgent, bool)


def test_arguments_can_be_stored() -> None:
    large = find(arguments(take_order), lambda it: it[0].pence > 2**32, settings=PLAIN)
    assert large[0].pence == 2**32 + 1
    with pytest.raises(NoSuchExample):
        find(arguments(take_order), lambda it: abs(it[0].pence) > 2**63, settings=PLAIN)


@FEW
@given(workflows(Shape(choices=True)))
def test_workflows_compile(block: Block) -> None:
    assert compiled(block).root


def test_workflows_shrink() -> None:
    found = find(workflows(), lambda block: "Saga" in repr(block), settings=PLAIN)
    assert repr(found).count("Step(") < 8, found


@FEW
@given(st.sampled_from(("crashes", "simplest")).flatmap(scenarios))
def test_scenarios_run(scenario: Scenario) -> None:
    with World(scenario) as world:
        assert world.run() is not None


def test_scenarios_lose_faults_as_they_shrink() -> None:
    def dies(scenario: Scenario) -> bool:
        return any(isinstance(fault, CommitUnanswered) for fault in scenario.faults)

    assert len(find(scenarios("crashes"), dies, settings=PLAIN).faults) == 1


def test_failing_tasks_are_drawn_for_good_and_for_once() -> None:
    for times in (1, 1000):
        drawn = find(
            faults(app),
            lambda some, times=times: any(
                isinstance(one, TaskRaises) and one.times == times for one in some
            ),
            settings=PLAIN,
        )
        assert len(drawn) == 1


def test_hypothesis_is_asked_for_only_where_it_is_used() -> None:
    code = """
import sys
sys.modules["hypothesis"] = None
import duetto.testing
try:
    import duetto.testing.strategies
except ImportError as error:
    sys.exit("pip install 'duetto[hypothesis]'" not in str(error))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_they_are_skipped_by_what_pytest_has_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "duetto.testing.strategies")
    with pytest.raises(pytest.skip.Exception, match="needs Hypothesis"):
        pytest.importorskip("duetto.testing.strategies", exc_type=ImportError)
