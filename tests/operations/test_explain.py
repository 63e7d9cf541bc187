"""Why does it wait? One exact sentence for each kind of resting node."""

from __future__ import annotations

from pathlib import Path

import pytest

from duetto import App
from duetto.errors import NotFound
from duetto.kernel.fold import RunState
from duetto.model.definition import Definition
from duetto.model.message import Command, Message
from duetto.operations import Operations
from duetto.operations.explain import Knowledge, waiting
from tests.operations.scene import (
    DeafBroker,
    Soldout,
    Stage,
    StillClock,
    approve,
    both,
    contest,
    each,
    hurried,
    lifted,
    nap,
    only,
    outer,
    rung,
    rung_back,
    sell,
    shop,
    stores_apart,
    tidy_up,
)

HOUR_MS = 3_600_000


def line_of(app: App, workflow: str, index: int) -> int:
    """Return the line of the n-th node of a workflow that has one."""
    definition = app.workflows[workflow].definition
    return definition.regions[0].nodes[index].line


def text(operations: Operations, id: str) -> str:
    return only(operations.explain(id)).text


async def test_a_task_that_runs_says_which_attempt_since_when_and_where(
    stage: Stage, clock: StillClock
) -> None:
    stage.close("pick")
    async with shop(clock=clock) as app:
        await app.start_async(sell, "tea", id="order-1")
        await stage.begun("pick")
        clock.now += 4_000
        found = only(app.operations.explain("order-1"))
        line = line_of(app, "sell", 0)
        assert found.text == (
            f"order-1 runs depot.pick at scene.py:{line}: attempt 1 of 3, since 12:00:00Z (4.0 s)."
        )
        assert (found.kind, found.line, found.path) == ("task", line, "/")
        stage.open("pick")


async def test_progress_is_told_with_when(stage: Stage, clock: StillClock) -> None:
    stage.close("pick")
    async with shop(clock=clock) as app:
        await app.start_async(sell, "tea", id="order-1")
        await stage.begun("pick")
        clock.now += 1_000
        stage.contexts["pick"].progress({"done": 3, "of": 7})
        await app.operations.start("nap", ["cup"], id="other")  # one commit later
        assert "; told 12:00:01Z of its progress: {'done': 3, 'of': 7}" in text(
            app.operations, "order-1"
        )
        stage.open("pick")


async def test_a_next_attempt_says_when_it_is_due_and_what_failed(
    stage: Stage, clock: StillClock
) -> None:
    stage.fail("ring", ConnectionError("reset"))
    async with shop(clock=clock) as app:
        await app.start_async(rung, "tea", id="order-1")
        await failed_once(app, "order-1")
        line = line_of(app, "rung", 0)
        assert text(app.operations, "order-1") == (
            f"order-1 waits at scene.py:{line} for attempt 2 of 3 of till.ring, "
            "due 12:01:00Z (in 1 min), after ConnectionError: reset."
        )


async def failed_once(app: App, id: str) -> None:
    """Return once the history of a run tells of a failed attempt."""
    while not any(fact.what == "attempt failed" for fact in app.operations.history(id)):
        await app.operations.start("nap", ["x"])


async def test_a_task_behind_its_concurrency_limit_says_how_many_are_before_it(
    stage: Stage, clock: StillClock
) -> None:
    stage.close("lift")
    async with shop(clock=clock) as app:
        for number in range(3):
            await app.start_async(lifted, "box", id=f"order-{number}")
        await stage.begun("lift")
        found = only(app.operations.explain("order-2"))
        line = line_of(app, "lifted", 0)
        assert found.kind == "queued"
        assert found.text == (
            f"order-2 waits at scene.py:{line} for room to run depot.lift: 1 run, "
            "at most 1 may; number 2 of 2 that wait."
        )
        assert only(app.operations.explain("order-0")).kind == "task"
        stage.open("lift")


async def test_a_sleeper_says_until_when(clock: StillClock) -> None:
    async with shop(clock=clock) as app:
        handle = await app.start_async(nap, "tea", id="order-1")
        await app.operations.start("nap", ["x"])
        assert handle.status().status == "running"
        line = line_of(app, "nap", 1)
        assert text(app.operations, "order-1") == (
            f"order-1 sleeps at scene.py:{line} until 13:00:00Z (in 1 h), since 12:00:00Z (0 ms)."
        )


async def test_waiting_for_an_event_says_which_key_and_until_when(clock: StillClock) -> None:
    async with shop(clock=clock) as app:
        await app.start_async(approve, "order-3", id="order-3")
        clock.now += 960_000
        line = line_of(app, "approve", 0)
        assert text(app.operations, "order-3") == (
            f"order-3 waits at scene.py:{line} for `Approved` with key `order-3`, "
            "since 12:00:00Z (16 min); 0 matching events kept; "
            "times out 13:00:00Z (in 44 min)."
        )


async def test_a_gather_says_which_branches_are_open(stage: Stage, clock: StillClock) -> None:
    stage.close("pick")
    async with shop(clock=clock) as app:
        await app.start_async(both, "tea", id="order-1")
        await stage.begun("pick")
        await app.operations.start("nap", ["x"])
        parent, branch = app.operations.explain("order-1")
        line = line_of(app, "both", 0)
        assert parent.text == (
            f"order-1 waits at scene.py:{line} for 1 of 2 branches: 1 (1 ended), "
            "since 12:00:00Z (0 ms)."
        )
        assert branch.text.startswith(f"order-1/1[1] runs depot.pick at scene.py:{line}: attempt 1")
        stage.open("pick")


async def test_a_limited_gather_says_how_many_branches_have_not_begun(
    stage: Stage, clock: StillClock
) -> None:
    stage.close("pack b", "pack c")
    async with shop(clock=clock) as app:
        await app.start_async(each, list("abcde"), id="order-1")
        await stage.begun("pack c")
        parent = app.operations.explain("order-1")[0]
        assert "for 4 of 5 branches, 2 of which have not begun: 1, 2, 3, 4 (1 ended)" in parent.text
        stage.open("pack b", "pack c")


async def test_a_race_waits_for_the_first_then_for_the_losers_to_end(
    stage: Stage, clock: StillClock
) -> None:
    stage.close("pack", "pick", "unpick")
    async with shop(clock=clock) as app:
        await app.start_async(contest, "tea", id="order-1")
        await stage.begun("pick")
        assert (
            "for the first of 2 branches: 0, 1 (0 ended)"
            in app.operations.explain("order-1")[0].text
        )
        stage.open("pack")
        await stage.begun("pack")
        await app.operations.start("nap", ["x"])
        parent, loser = app.operations.explain("order-1")
        assert "for 1 of 2 branches to end, as branch 0 won: 1 (1 ended)" in parent.text
        assert loser.text.startswith(
            "order-1/1[1] undoes depot.pick by depot.unpick, once it is known how that ended"
        )
        assert loser.text.endswith("; it is cancelled.")
        stage.open("pick", "unpick")


async def test_a_called_workflow_is_named(stage: Stage, clock: StillClock) -> None:
    stage.close("pick")
    async with shop(clock=clock) as app:
        await app.start_async(outer, "tea", id="order-1")
        await stage.begun("pick")
        parent, child = app.operations.explain("order-1")
        line = line_of(app, "outer", 0)
        assert parent.text == (
            f"order-1 waits at scene.py:{line} for the workflow sell that it called, "
            "since 12:00:00Z (0 ms)."
        )
        assert child.text.startswith("order-1/1[0] runs depot.pick")
        stage.open("pick")


async def test_a_compensation_says_what_it_undoes_and_what_is_left(
    stage: Stage, clock: StillClock
) -> None:
    stage.close("refund")
    stage.fail("pack", Soldout())
    async with shop(clock=clock) as app:
        await app.start_async(sell, "tea", id="order-1")
        await stage.begun("refund")
        found = only(app.operations.explain("order-1"))
        assert found.kind == "undo"
        assert "order-1 undoes till.pay by till.refund at scene.py:" in found.text
        assert ": attempt 1 of 3, since 12:00:00Z (0 ms); 1 more task to undo." in found.text
        stage.open("refund")


async def test_a_compensation_that_failed_says_when_it_is_tried_again(
    stage: Stage, clock: StillClock
) -> None:
    stage.fail("pack", Soldout())
    stage.fail("unring", ConnectionError("reset"))
    async with shop(clock=clock) as app:
        await app.start_async(rung_back, "tea", id="order-1")
        await failed_once(app, "order-1")
        assert (
            "for attempt 2 of 3 of till.unring, which undoes till.ring, due 12:01:00Z (in 1 min), "
            "after ConnectionError: reset."
        ) in text(app.operations, "order-1")


async def test_a_deadline_around_it_and_a_cancel_are_told(stage: Stage, clock: StillClock) -> None:
    stage.close("pack")
    async with shop(clock=clock) as app:
        await app.start_async(hurried, "tea", id="order-1")
        await stage.begun("pack")
        assert text(app.operations, "order-1").endswith("; times out 12:01:00Z (in 1 min).")
        stage.forget("pack")
        await app.start_async(tidy_up, "cup", id="order-2")
        await stage.begun("pack")
        await app.operations.cancel("order-2")
        assert text(app.operations, "order-2").endswith("; the run is cancelled.")
        stage.open("pack")


async def test_a_parked_run_says_why_and_what_an_operator_can_do(
    stage: Stage, clock: StillClock
) -> None:
    stage.fail("pack", Soldout())
    stage.fail("refund", *(Soldout("no") for _ in range(3)))
    async with shop(clock=clock) as app:
        await app.start_async(sell, "tea", id="order-1")
        await app.operations.settled()
        found = only(app.operations.explain("order-1"))
        assert found.kind == "parked"
        assert "order-1 is parked on till.pay at scene.py:" in found.text
        assert ": the compensation till.refund failed 1 times: no; mend that, then" in found.text
        assert "`duetto runs resume order-1`" in found.text
        assert "`duetto runs skip order-1`" in found.text


@pytest.mark.parametrize(
    ("fails", "expected"),
    [
        (False, "order-1 completed at 12:00:00Z, 0 ms after its start."),
        (True, "order-1 failed with Soldout: none left at 12:00:00Z, 0 ms after its start."),
    ],
)
async def test_a_run_that_has_ended_says_how_and_when(
    stage: Stage, clock: StillClock, fails: bool, expected: str
) -> None:
    if fails:
        stage.fail("pick", Soldout("none left"))
    async with shop(clock=clock) as app:
        await app.start_async(sell, "tea", id="order-1")
        await app.operations.outcome("order-1")
        assert text(app.operations, "order-1") == expected


async def test_a_command_says_whether_it_was_received(stage: Stage, clock: StillClock) -> None:
    stage.close("pick")
    async with stores_apart("orchestration", clock) as app:
        await app.start_async(sell, "tea", id="order-1")
        await stage.begun("pick")
        waits, works = app.operations.explain("order-1")
        line = line_of(app, "sell", 0)
        assert waits.text == (
            f"order-1 waits at scene.py:{line} for depot to answer the command depot.pick: "
            "sent 12:00:00Z (0 ms ago), not confirmed as received, and sent again until it is."
        )
        assert works.text == (
            "depot runs depot.pick for order-1, as the app asked 12:00:00Z (0 ms ago)."
        )
        stage.open("pick")


async def test_a_token_under_way_says_where_to_at_which_hop_and_for_how_long(
    stage: Stage, clock: StillClock
) -> None:
    broker = DeafBroker("depot")
    async with stores_apart("choreography", clock, broker) as app:
        await app.start_async(sell, "tea", id="order-1")
        clock.now += 2 * HOUR_MS
        found = only(app.operations.explain("order-1"))
        assert found.kind == "under way"
        assert found.text == (
            "order-1 left for depot at hop 1, not arrived for 2 h; "
            "`duetto runs retry order-1` sends it again."
        )
        broker.deaf.clear()
        assert await app.operations.retry("order-1") == 1
        await app.operations.outcome("order-1")


async def test_a_token_that_arrived_elsewhere_is_explained_there_alone(
    stage: Stage, clock: StillClock
) -> None:
    stage.close("pay")
    async with stores_apart("choreography", clock) as app:
        await app.start_async(sell, "tea", id="order-1")
        await stage.begun("pay")
        found = only(app.operations.explain("order-1"))
        assert (found.participant, found.kind) == ("till", "task")
        assert "runs till.pay" in found.text
        stage.open("pay")


async def test_an_app_at_rest_says_that_a_task_runs_once_it_runs(
    stage: Stage, clock: StillClock, tmp_path: Path
) -> None:
    stage.fail("ring", ConnectionError("reset"))
    app = shop(clock=clock)
    app.configure(store=tmp_path / "shop.sqlite")
    async with app:
        await app.start_async(rung, "tea", id="order-1")
        await failed_once(app, "order-1")
    clock.now += HOUR_MS
    async with app.at_rest(read_only=True) as operations:
        line = line_of(app, "rung", 0)
        assert text(operations, "order-1") == (
            f"order-1 runs till.ring at scene.py:{line} once the app runs: attempt 2 of 3."
        )


async def test_a_task_that_is_unknown_at_its_service_is_told_by_name(clock: StillClock) -> None:
    """A command waits where it came, for a deploy that knows its task."""
    state = RunState(1, "order-1", "d", "")
    command = Command("/", 1, "till.scan", "", "/")
    state.commands["/", 1, False] = Message("order-1", "", "", "till", clock.now, command)
    services = frozenset({"till"})
    known = Knowledge(state, [], {}, services, {}, has_arrived, has_reported)
    found = only(waiting(known, no_definition, str, clock.now))
    assert found.text == (
        "till does not know till.scan, "
        "which the app asked it to run for order-1 12:00:00Z (0 ms ago)."
    )


def has_arrived(participant: str, path: str, hop: int) -> bool:
    return True


def has_reported(participant: str, path: str) -> bool:
    return True


def no_definition(digest: str) -> Definition:
    raise NotFound(f"There is no definition {digest}.")
