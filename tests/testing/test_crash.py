"""Crashes where a test wants them: the run goes on, and the money is right."""

from __future__ import annotations

import pytest

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
