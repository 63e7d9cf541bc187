"""Crashes where a test wants them: the run goes on, and the money is right."""

from __future__ import annotations

import pytest

from duetto import Retry, RunFailed, Service, resource, workflow
from duetto.brokers import Faults
from duetto.errors import ConfigurationError
from duetto.testing import AppFactory, AppUnderTest, Crashes, PlacementName, TaskMocks
from tests.testing.till import Drawer, app, charge, sell, send

FAULTS = Faults(duplicate=0.2, lose=0.2, delay=0.5, delay_max_ms=3000)


def test_an_effect_that_nobody_heard_of_is_repeated_under_its_key(
    shop: AppUnderTest, duetto_crash: Crashes, duetto_tasks: TaskMocks, drawer: Drawer
) -> None:
    duetto_crash.after("till.charge")
    shop.run(sell, "kettle", 700, id="r")
    assert duetto_crash.count == 1
    assert shop.ledger.repeated("r") == ["till.charge"]
    assert len({call.key for call in duetto_tasks.calls(charge)}) == 1
    assert drawer.pence == 700


def test_what_had_not_begun_is_not_repeated(shop: AppUnderTest, duetto_crash: Crashes) -> None:
    duetto_crash.before(charge)
    duetto_crash.before(send)
    shop.run(sell, "kettle", 700, id="r")
    assert duetto_crash.count == 2
    assert "till.charge" not in shop.ledger.repeated("r")
    assert "post.send" not in shop.ledger.repeated("r")


def test_a_crash_comes_at_a_later_call(
    shop: AppUnderTest, duetto_crash: Crashes, duetto_tasks: TaskMocks
) -> None:
    duetto_tasks.mock(charge).sequence(ConnectionError(), "paid")
    duetto_crash.before(charge, call=2)
    shop.run(sell, "kettle", 700)
    assert [call.attempt for call in duetto_tasks.calls(charge)] == [1, 2, 2]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("apart", [True, False])
def test_every_commit_may_be_the_last(
    duetto_app: AppFactory,
    duetto_crash: Crashes,
    duetto_placement: PlacementName,
    kept: bool,
    apart: bool,
) -> None:
    number = 0
    while not duetto_crash.planned:
        number += 1
        drawer = Drawer()
        shop = duetto_app(app, resources=[drawer], apart=apart, faults=FAULTS)
        duetto_crash.at_commit(number, kept=kept)
        assert shop.run(sell, "kettle", 700, id="r") == "parcel of kettle"
        shop.settle()
        assert drawer.pence == 700
        assert len(shop.ledger.standing("r")) == 4
    assert number > 4
    duetto_crash.forget()


def test_a_crash_while_undoing(
    shop: AppUnderTest, duetto_crash: Crashes, duetto_tasks: TaskMocks, drawer: Drawer
) -> None:
    duetto_tasks.mock(send).raises(ValueError("no address"))
    duetto_crash.after("till.refund")
    run = shop.start(sell, "kettle", 700)
    shop.settle()
    assert shop.show(run).status == "failed"
    assert drawer.pence == 0
    assert shop.ledger.repeated(run) == ["till.refund"]


def test_a_crash_in_what_never_comes_is_refused(duetto_crash: Crashes) -> None:
    with pytest.raises(ConfigurationError, match="what never comes"):
        duetto_crash.at_commit(0)


class Pool:
    """A resource that is opened and closed."""

    opened = closed = 0

    async def __aenter__(self) -> Pool:
        Pool.opened += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        Pool.closed += 1


bank = Service("bank")


@bank.task(retry=Retry(attempts_max=1), timeout=5)
async def pay(pence: int, *, pool: Pool = resource()) -> str:
    return f"paid {pence} over {type(pool).__name__}"


@pay.compensate
async def take_back(payment: str) -> None: ...


@pay.lookup
async def find(key: str) -> str | None: ...


@workflow
async def settle_up(pence: int) -> str:
    return await pay(pence)


def test_resources_are_opened_anew(duetto_app: AppFactory, duetto_crash: Crashes) -> None:
    Pool.opened = Pool.closed = 0
    duetto_crash.before(pay)
    shop = duetto_app(services=[bank], workflows=[settle_up], resources=[Pool])
    assert shop.run(settle_up, 7) == "paid 7 over Pool"
    assert (Pool.opened, Pool.closed) == (2, 1)
    shop.close()
    assert (Pool.opened, Pool.closed) == (2, 2)


def test_a_start_that_is_not_answered_is_repeated(
    duetto_app: AppFactory, duetto_crash: Crashes
) -> None:
    for number in (1, 2, 3):
        duetto_crash.at_commit(number, kept=number > 1)
    shop = duetto_app(services=[bank], workflows=[settle_up], resources=[Pool])
    run = shop.start(settle_up, 7)
    assert duetto_crash.count == 3
    assert shop.result(run) == "paid 7 over Pool"
    assert len(shop.operations.list()) == 1


def test_look_ups_are_mocked_too(duetto_app: AppFactory, duetto_tasks: TaskMocks) -> None:
    duetto_tasks.mock(pay).hangs()
    duetto_tasks.mock(find).returns("paid after all")
    shop = duetto_app(services=[bank], workflows=[settle_up], resources=[Pool])
    with pytest.raises(RunFailed) as failed:
        shop.run(settle_up, 7, id="r")
    assert isinstance(failed.value.__cause__, TimeoutError)
    [asked] = duetto_tasks.calls(find)
    assert asked.args == (duetto_tasks.calls(pay)[0].key,)
    assert duetto_tasks.calls(take_back)[0].args == ("paid after all",)
