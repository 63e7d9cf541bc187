"""What a run costs, by the formula of the design."""

from __future__ import annotations

import pytest
from hypothesis import given

from duetto.kernel.estimate import ChoicePoint, choice_points, estimate, straight
from duetto.model.definition import (
    Assign,
    Bind,
    Choice,
    Definition,
    Emit,
    ForEach,
    Race,
    Raise,
    Receive,
    Region,
    Return,
    Scope,
    Task,
    Wait,
)
from duetto.model.expression import Call, Const, Name, Symbol
from duetto.model.placement import Placement, choreography, hybrid, orchestration
from tests.drawing.shop import fulfil, task
from tests.kernel.graphs import Statement, blocks, region_of

NOTHING = Const(None)


def in_sequence(tasks: int) -> Definition:
    """Return a workflow of tasks, each of a service of its own."""
    nodes = [task(f"s{i}.t", next=i + 1) for i in range(tasks)]
    return Definition("w", (Region((*nodes, Return(NOTHING))),))


def cost(definition: Definition, placement: Placement, *, together: bool) -> tuple[int, int]:
    found = estimate(definition, placement, "", together=together)
    return found.store_writes, found.messages


def test_nine_tasks_cost_what_the_design_says() -> None:
    assert cost(in_sequence(9), choreography(), together=False) == (11, 10)
    assert cost(in_sequence(9), orchestration(), together=False) == (19, 18)


@pytest.mark.parametrize("tasks", [0, 1, 5])
def test_local_steps_cost_one_write_each_and_one_for_the_start(tasks: int) -> None:
    assert cost(in_sequence(tasks), orchestration(), together=True) == (tasks + 1, 0)


def test_in_one_store_a_placement_adds_messages_but_no_writes() -> None:
    assert cost(in_sequence(9), choreography(), together=True) == (10, 10)


def test_a_token_that_stays_pays_for_each_task_but_the_first() -> None:
    nodes = (task("a.x", next=1), task("a.y", next=2), Return(NOTHING))
    assert cost(Definition("w", (Region(nodes),)), choreography(), together=False) == (4, 2)


def test_the_shop() -> None:
    assert cost(fulfil(), orchestration(), together=True) == (6, 0)
    assert cost(fulfil(), orchestration(), together=False) == (11, 10)
    # Three hops, a hop and a report of a branch, the result; dispatch is local where it forks.
    assert cost(fulfil(), choreography(), together=False) == (8, 6)
    # Notifications: a hop and a report instead of a command and its answer.
    assert cost(fulfil(), hybrid("notifications"), together=False) == (11, 10)


def test_waits_events_and_items_count() -> None:
    body = Region(
        (
            Wait(Const(1), next=1),
            Receive("m:E", next=2),
            Emit(Name("e"), next=3),
            ForEach(1, Name("items"), next=4),
            Return(NOTHING),
        )
    )
    branch = Region((task("a.x", next=1), Return(NOTHING)))
    definition = Definition("w", (body, branch))
    assert cost(definition, orchestration(), together=True) == (4, 1)
    assert cost(definition, choreography(), together=False) == (5, 3)


def test_the_straight_path_turns_each_loop_once_and_passes_guards_by() -> None:
    region = Region(
        (
            Choice(Name("bad"), otherwise=2, next=1, line=1),
            Raise(Symbol("ValueError"), line=2),
            Choice(Name("more"), otherwise=4, next=3, line=3),
            task("a.x", next=2, line=4),
            Scope("finally", final=6, next=5, line=5),
            task("a.y", next=8, scope=4, line=6),
            Scope("final", next=7, line=7),
            task("a.z", next=-2, scope=6, line=8),
            Return(NOTHING, line=9),
        )
    )
    assert [node.line for node in straight(region)] == [1, 3, 4, 5, 6, 7, 8, 9]


def test_a_loop_without_end_has_an_estimate() -> None:
    region = Region(
        (Choice(Const(True), otherwise=2, next=1), task("a.x", next=0), task("a.y", next=0))
    )
    assert estimate(Definition("w", (region,)), orchestration(), "", together=True).steps == 2


def test_choice_points_have_their_line_and_reason() -> None:
    region = Region(
        (
            Assign(Call(Symbol("datetime:datetime.now")), Bind("now"), next=1, line=3),
            Scope("timeout", seconds=Const(5), next=2, line=4),
            Receive("shop:Approved", next=3, scope=1, line=5),
            Race((), next=4, line=6),
            ForEach(0, Name("items"), fail_fast=True, next=5, line=7),
            Task("a.x", (Call(Symbol("len"), (Name("items"),)),), next=6, line=8),
            Return(NOTHING, line=9),
        )
    )
    found = choice_points(Definition("w", (region,)), pure=lambda name: name == "len")
    assert found == [
        ChoicePoint(3, "`datetime.now` is not known to be pure"),
        ChoicePoint(4, "timeout: time may pass or not"),
        ChoicePoint(5, "receive: `Approved` may come or not"),
        ChoicePoint(6, "race: the first to end wins"),
        ChoicePoint(7, "gather with cancel=True: the first to fail decides"),
    ]
    assert choice_points(fulfil(), pure=lambda name: True) == []


@given(blocks(2))
def test_property_the_straight_path_ends_and_takes_no_node_twice(
    block: tuple[Statement, ...],
) -> None:
    region = region_of(block)
    path = [id(node) for node in straight(region)]
    assert path
    assert len(path) == len(set(path))
