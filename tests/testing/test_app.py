"""Apps in memory and in virtual time."""

from __future__ import annotations

import pytest

from duetto import RunFailed
from duetto.testing import AppFactory, AppUnderTest, Crashes, JumpingClock, TaskMocks
from tests.testing.till import (
    Drawer,
    app,
    charge,
    sell,
    sell_later,
    send,
)


@pytest.fixture
def drawer() -> Drawer:
    return Drawer()


@pytest.fixture
def shop(duetto_app: AppFactory, drawer: Drawer) -> AppUnderTest:
    return duetto_app(app, resources=[drawer])


def test_a_run_has_its_effects(shop: AppUnderTest, drawer: Drawer) -> None:
    assert shop.run(sell, "kettle", 700, id="r") == "parcel of kettle"
    assert drawer.pence == 700
    assert shop.ledger.standing("r")[:2] == ["stock.reserve", "till.charge"]
    assert shop.history("r")[-1].what == "run completed"


def test_a_failure_is_undone(shop: AppUnderTest, duetto_tasks: TaskMocks, drawer: Drawer) -> None:
    duetto_tasks.mock(send).raises(ValueError("no address"))
    with pytest.raises(RunFailed) as failed:
        shop.run(sell, "kettle", 700, id="r")
    assert isinstance(failed.value.__cause__, ValueError)
    assert drawer.pence == 0
    assert shop.ledger.standing("r") == ["post.thank"]


def test_days_pass_at_once(shop: AppUnderTest, duetto_clock: JumpingClock) -> None:
    begun = duetto_clock.now
    assert shop.run(sell_later, "kettle", 400.0) == "one kettle"
    assert (duetto_clock.now - begun).days == 400


def test_crashes(shop: AppUnderTest, duetto_crash: Crashes, duetto_tasks: TaskMocks) -> None:
    duetto_crash.after("till.charge")
    duetto_crash.before(send)
    duetto_crash.at_commit(1)
    assert shop.run(sell, "kettle", 700, id="r") == "parcel of kettle"
    assert duetto_crash.count == 3
    assert shop.ledger.repeated("r") == ["till.charge"]
    assert len({call.key for call in duetto_tasks.calls(charge)}) == 1
