"""What a test asserts of a run: the order of effects, its history, the events that it emitted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from duetto import Service, emit, event, gather, sleep, workflow
from duetto.errors import NotFound, RunFailed
from duetto.testing import (
    AppFactory,
    AppUnderTest,
    Crashes,
    PlacementName,
    Stage,
    Stalled,
    TaskMocks,
)
from tests.testing.till import Drawer, app, charge, release, reserve, sell, sell_later, send, thank

news = Service("news")


@event(key="item")
@dataclass(frozen=True)
class Sold:
    item: str


@event
@dataclass(frozen=True)
class Counted:
    number: int


@news.task
async def gather_news(item: str) -> str:
    return f"news of {item}"


@workflow
async def tell_only(item: str) -> str:
    emit(Sold(item))
    return item


@workflow
async def tell_much(item: str, times: int) -> str:
    emit(Sold(item))
    for number in range(times):
        emit(Counted(number))
    told = await gather_news(item)
    await sleep(60)
    emit(Sold(told))
    await gather(tell_only("a branch"), tell_only("another"))
    return told


def test_the_order_of_effects_leaves_room_for_others(
    shop: AppUnderTest, duetto_tasks: TaskMocks
) -> None:
    duetto_tasks.mock(send).raises(ValueError("no address"))
    with pytest.raises(RunFailed):
        shop.run(sell, "kettle", 700, id="r")
    shop.ledger.assert_order("r", reserve, charge, "till.refund", release)
    shop.ledger.assert_order("r", thank, release)
    with pytest.raises(AssertionError) as wrong:
        shop.ledger.assert_order("r", release, charge)
    assert str(wrong.value) == (
        "The tasks of r did not take effect in this order: till.charge comes too early."
        "\n  found     stock.reserve, till.charge, post.thank, till.refund, stock.release"
        "\n  expected  stock.release, then till.charge"
    )
    with pytest.raises(AssertionError, match=r"post\.send took no effect"):
        shop.ledger.assert_order("r", reserve, send)


def test_of_a_run_that_there_is_not_nothing_is_said(shop: AppUnderTest) -> None:
    shop.run(sell, "kettle", 700, id="order-1")
    for ask in (shop.ledger.effects, shop.ledger.standing, shop.emitted, shop.history):
        with pytest.raises(NotFound, match="did you mean `order-1`"):
            ask("order1")


def test_the_history_is_asserted_in_its_order(shop: AppUnderTest) -> None:
    shop.run(sell, "kettle", 700, id="r")
    shop.assert_history("r", "run of sell begins", "stock.reserve completed", "the run completed")
    with pytest.raises(AssertionError) as wrong:
        shop.assert_history("r", "till.charge completed", "stock.reserve completed")
    assert "expected  `stock.reserve completed` behind `till.charge completed`" in str(wrong.value)
    assert "    forks 2 branches\n" in str(wrong.value)


@pytest.mark.parametrize("apart", [True, False])
def test_events_are_heard_once_they_are_durable(
    duetto_app: AppFactory, duetto_placement: PlacementName, apart: bool
) -> None:
    paper = duetto_app(services=[news], workflows=[tell_much], apart=apart)
    paper.run(tell_much, "kettle", 2, id="r")
    assert paper.emitted("r", Counted) == [Counted(0), Counted(1)]
    assert paper.emitted("r")[0] == Sold("kettle")
    told = [Sold("kettle"), Sold("news of kettle"), Sold("a branch"), Sold("another")]
    assert paper.emitted("r", Sold) == told


def test_a_run_that_does_nothing_else_is_heard(duetto_app: AppFactory) -> None:
    paper = duetto_app(services=[news], workflows=[tell_only])
    paper.run(tell_only, "kettle", id="r")
    assert paper.emitted("r") == [Sold("kettle")]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("apart", [True, False])
def test_events_are_heard_once_whatever_dies(
    duetto_app: AppFactory,
    duetto_crash: Crashes,
    duetto_placement: PlacementName,
    apart: bool,
    kept: bool,
) -> None:
    number = 0
    while not duetto_crash.planned:
        number += 1
        paper = duetto_app(services=[news], workflows=[tell_much], apart=apart)
        duetto_crash.at_commit(number, kept=kept)
        run = paper.start(tell_much, "kettle", 1, id=f"run-{number}")
        paper.settle()
        found = [str(event) for event in paper.emitted(run)]
        assert len(found) == len(set(found)) == 5, (number, found)
    assert number > 3
    duetto_crash.forget()


def test_what_waits_for_ever_keeps_it_from_being_quiet(
    shop: AppUnderTest, duetto_tasks: TaskMocks
) -> None:
    duetto_tasks.mock(thank).hangs()
    shop.start(sell, "kettle", 700, id="stuck")
    shop.start(sell_later, "kettle", 3.0, id="later")
    with pytest.raises(Stalled) as stalled:
        shop.settle()
    assert "stuck/3[1] runs post.thank at" in str(stalled.value)
    assert shop.show("later").status == "completed"
    shop.settle(waiting=["stuck"])


def test_what_goes_round_for_ever_is_noticed(
    shop: AppUnderTest, duetto_tasks: TaskMocks, duetto_stage: Stage
) -> None:
    async def spin(item: str) -> str:
        while True:  # noqa: ASYNC110  # it is what goes round for ever
            await asyncio.sleep(0)

    duetto_stage.loop.limit(jumps_max=500, turns_max=5000)
    duetto_tasks.mock(send).calls(spin)
    with pytest.raises(Stalled, match=r"(?s)After 5,000 turns.*r/3\[0\] runs post\.send at"):
        shop.run(sell, "kettle", 700, id="r")


def test_an_error_has_the_lines_of_the_body_that_raised_it(
    shop: AppUnderTest, duetto_tasks: TaskMocks
) -> None:
    def broken(item: str) -> str:
        raise KeyError(item)

    duetto_tasks.mock(send).calls(broken)
    with pytest.raises(RunFailed) as failed:
        shop.run(sell, "kettle", 700)
    cause = failed.value.__cause__
    assert cause is not None
    assert cause.__traceback__ is not None
    assert cause.__traceback__.tb_frame.f_code.co_name == "broken"


def test_a_history_tells_once_that_a_token_turns_round(
    duetto_app: AppFactory, duetto_tasks: TaskMocks
) -> None:
    duetto_tasks.mock(send).raises(ValueError("no address"))
    shop = duetto_app(app, resources=[Drawer()], apart=True, placement="choreography")
    with pytest.raises(RunFailed):
        shop.run(sell, "kettle", 700, id="r")
    turns = [fact for fact in shop.history("r") if fact.what == "unwinding"]
    assert [(fact.participant, fact.text) for fact in turns] == [
        ("till", "turns round, to undo 2 tasks")
    ]
    assert all(fact.participant for fact in shop.history("r") if fact.path != "/")
