"""A user's tests without a mistake: pyright strict has nothing to say about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import assert_type

from hypothesis import given

from duetto import App, hybrid
from duetto.testing import (
    AppFactory,
    AppUnderTest,
    Call,
    Crashes,
    JumpingClock,
    PlacementName,
    Stage,
    TaskMocks,
    Trial,
    Tried,
    check_placements,
    check_trial,
    simulate,
)
from duetto.testing.simulation.faults import CommitLost, TaskRaises
from duetto.testing.strategies import arguments, trials
from tests.typing.user import (
    Approved,
    Order,
    Receipt,
    Reservation,
    Warehouse,
    charge,
    count,
    fulfil,
    inventory,
    payments,
    price,
    reserve,
)

app = App("shop", services=[inventory, payments], workflows=[fulfil])


def of_apps(
    duetto_app: AppFactory, duetto_clock: JumpingClock, duetto_placement: PlacementName
) -> None:
    shop = duetto_app(app, apart=True, placement=duetto_placement)
    assert_type(shop, AppUnderTest)
    assert_type(shop.run(fulfil, Order("1"), True, id="order-1"), Receipt)
    run = shop.start(fulfil, Order("1"))
    duetto_clock.advance(timedelta(days=1))
    duetto_clock.advance_to(datetime(2026, 2, 1, tzinfo=UTC))
    shop.settle(waiting=[run])
    assert_type(shop.emitted(run, Approved), list[Approved])
    assert_type(shop.ledger.effects(run), list[str])
    assert_type(shop.resource(Warehouse), Warehouse)
    shop.ledger.assert_order(run, reserve, "payments.charge_card")
    shop.assert_history(run, "run of fulfil begins")
    duetto_app(services=[inventory], workflows=[fulfil], placement=hybrid("inventory"))


def of_mocks(duetto_tasks: TaskMocks, duetto_crash: Crashes) -> None:
    duetto_tasks.mock(reserve).returns(Reservation("1"))
    duetto_tasks.mock(count).takes(3).sequence(ConnectionError(), 7)
    duetto_tasks.mock(count).calls(lambda order: len(order.id))
    duetto_tasks.mock(charge).raises(ValueError("no"))
    duetto_tasks.mock(price).hangs()
    assert_type(duetto_tasks.calls(reserve), list[Call])
    duetto_crash.after(reserve, call=2)
    duetto_crash.before("payments.charge_card")


def warehouses() -> Iterable[object]:
    return [Warehouse()]


def is_right(shop: AppUnderTest, run: str) -> None:
    assert shop.show(run).status


def nobody_counts(tasks: TaskMocks) -> None:
    tasks.mock(count).returns(0)


def of_trials() -> None:
    assert_type(check_placements(app, fulfil, Order("1"), True, crashes=True), Tried)
    simulate(app, fulfil, Order("1"), seeds=[1, 2], resources=warehouses, check=is_right)
    simulate(app, fulfil, Order("1"), mocks=nobody_counts, errors={reserve: ValueError("no")})
    trial = Trial("hybrid:inventory", faults=(CommitLost(0, 1, 0.0), TaskRaises("payments", 1, 1)))
    check_trial(app, fulfil, Order("1"), trial=trial)


@given(args=arguments(fulfil), trial=trials(app, messages=False))
def of_strategies(args: tuple[Order, bool], trial: Trial) -> None:
    check_trial(app, fulfil, *args, trial=trial)


def of_a_stage() -> None:
    with Stage(seed=7) as stage:
        AppFactory(stage)(app).run(fulfil, Order("1"))
        stage.tasks.mock(count).returns(3)
        JumpingClock(stage).advance(3)
