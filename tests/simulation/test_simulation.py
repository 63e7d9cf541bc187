"""Generated workflows in simulated systems: every run is held against the plain interpreter."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from duetto.model.placement import Placement, choreography, hybrid, orchestration
from duetto.testing.simulation import CLASSES, Scenario, draw, from_json, to_json
from duetto.testing.simulation.blocks import Fail, First, Saga, Sequence, Sleep, Step, Together
from duetto.testing.simulation.events import EventScenario
from duetto.testing.simulation.faults import MessageForgotten
from duetto.testing.simulation.scenario import APART, PARTICIPANTS
from tests.simulation import regressions
from tests.simulation.events.trying import hold as hold_events
from tests.simulation.trying import Counts, hold, trial

NODES = (
    *("Task", "Assign", "Choice", "Parallel", "ForEach", "Race", "Wait", "Receive", "Emit"),
    *("Call", "Scope", "Return", "Raise"),
)
SEEDS = 200
"""Of each class: some twenty seconds in all; `make simulate` runs as many as one has time for."""

DYING = ("crashes", "storms", "stores", "tasks", "nodes", "operators", "everything")


@pytest.mark.parametrize("kind", CLASSES)
def test_generated_workflows_end_as_the_plain_interpreter_says(kind: str) -> None:
    counts = Counts()
    for seed in range(SEEDS):
        run(kind, seed, counts)
    print(counts.text(kind))
    floor = SEEDS // 20
    nodes = [name for name in NODES if kind != "placements" or name != "Race"]
    few = {name: counts.nodes[name] for name in nodes if counts.nodes[name] < floor}
    assert not few or kind == "simplest", f"too few of these nodes were generated: {few}"
    assert all(counts.depths[depth] for depth in (2, 3)), counts.depths
    assert counts.outcomes["completed"] > floor, counts.outcomes
    assert counts.outcomes["failed"] > floor, counts.outcomes
    assert counts.undone > floor
    assert (counts.crashes > floor) == (kind in DYING)


@pytest.mark.parametrize("name", regressions.names())
def test_what_was_once_wrong_stays_right(name: str) -> None:
    regression = regressions.read(name)
    assert regression.taught
    if isinstance(regression.scenario, EventScenario):
        hold_events(regression.scenario)
    else:
        hold(regression.scenario)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_scenario_is_data_that_json_gives_back(kind: str) -> None:
    for seed in range(20):
        scenario = draw(seed, kind)
        assert from_json(to_json(scenario)) == scenario
        assert draw(seed, kind) == scenario


def run(kind: str, seed: int, counts: Counts) -> None:
    try:
        trial(seed, kind, counts)
    except Exception as error:  # whatever it is, it is raised again with its seed
        error.add_note(f"again: python -m tests.simulation --class {kind} --seed {seed}")
        raise


FORGETFUL = Sequence(
    (
        First((Step("a.slow"), Sequence((Sleep(40), Step("b.keep"))))),
        Together((Step("c.keep"), Step("b.flaky"))),
        Saga(Sequence((Step("a.keep"), Step("c.plain"), Fail("undo it")))),
    )
)


@pytest.mark.parametrize(
    "placement", [orchestration(), choreography(), hybrid("b")], ids=lambda each: each.name
)
def test_whichever_message_a_broker_forgets_is_missed_and_sent_again(placement: Placement) -> None:
    scenario = Scenario(FORGETFUL, APART, (placement,) * 4, seed=3)
    links = {(source, to) for source in PARTICIPANTS for to in PARTICIPANTS if source != to}
    forgotten = 0
    for source, to in sorted(links):
        for nth in range(1, 8):
            fault = MessageForgotten(source, to, nth)
            counts = Counts()
            hold(replace(scenario, faults=(fault,)), counts)
            forgotten += counts.faults["MessageForgotten"]
    assert forgotten > 10
