"""Apps in memory and in virtual time: runs, their effects, and what an operator does."""

from __future__ import annotations

import asyncio

import pytest

from duetto import App, RunFailed, Service, context
from duetto.brokers import Faults
from duetto.errors import ConfigurationError, NotFound, RunCancelled, RunParked
from duetto.testing import AppFactory, AppUnderTest, PlacementName, Stage, Stalled, TaskMocks
from tests.testing.till import Drawer, app, charge, refund, release, sell, sell_later, send, thank

FAULTS = Faults(duplicate=0.3, lose=0.3, delay=0.5, delay_max_ms=3000)


def test_a_run_has_its_effects(shop: AppUnderTest, drawer: Drawer) -> None:
    assert shop.run(sell, "kettle", 700, id="r") == "parcel of kettle"
    assert drawer.pence == 700
    assert shop.ledger.standing("r") == ["stock.reserve", "till.charge", "post.send", "post.thank"]
    assert [fact.what for fact in shop.history("r")][-1] == "run completed"
    assert shop.show("r").status == "completed"
    assert shop.counts("r").steps == 4


def test_a_test_sees_the_resources(shop: AppUnderTest, drawer: Drawer) -> None:
    assert shop.resource(Drawer) is drawer
    with pytest.raises(ConfigurationError, match="the test needs a `Stage`"):
        shop.resource(Stage)


def test_a_failure_is_undone(shop: AppUnderTest, duetto_tasks: TaskMocks, drawer: Drawer) -> None:
    duetto_tasks.mock(send).raises(ValueError("no address"))
    with pytest.raises(RunFailed) as failed:
        shop.run(sell, "kettle", 700, id="r")
    assert isinstance(failed.value.__cause__, ValueError)
    assert drawer.pence == 0
    assert shop.ledger.effects("r")[-2:] == ["till.refund", "stock.release"]
    assert shop.ledger.standing("r") == ["post.thank"]


def test_it_is_the_same_whoever_decides(
    duetto_app: AppFactory, duetto_placement: PlacementName
) -> None:
    drawer = Drawer()
    shop = duetto_app(app, resources=[drawer], apart=True, faults=FAULTS)
    expected = {"hybrid": "hybrid:till,post"}.get(duetto_placement, duetto_placement)
    assert shop.placement.name == expected
    assert shop.run(sell, "kettle", 700, id="r") == "parcel of kettle"
    assert drawer.pence == 700
    assert shop.counts("r").messages > 0


def test_a_placement_that_is_given_wins_over_that_of_the_app(duetto_app: AppFactory) -> None:
    placed = App("p", services=app.services.values(), workflows=[sell], placement="choreography")
    assert duetto_app(placed).placement.name == "choreography"
    assert duetto_app(placed, placement="hybrid:stock").placement.name == "hybrid:stock"


def test_the_app_that_was_copied_is_left_alone(shop: AppUnderTest) -> None:
    before = app.resources
    shop.run(sell, "kettle", 700)
    assert app.resources is before
    with pytest.raises(ConfigurationError, match="not running"):
        _ = app.operations


def test_copies_share_what_is_linked_and_nothing_that_they_fetch() -> None:
    name = app.programs.by_name["sell"]
    copy, another = app.programs.beside(), app.programs.beside()
    assert copy.program(name) is another.program(name)
    copy.fetch_from(lambda digest: copy.encoded(name) if digest == "elsewhere" else None)
    assert copy.encoded("elsewhere") == copy.encoded(name)
    for other in (app.programs, another):
        with pytest.raises(NotFound):
            other.encoded("elsewhere")


def test_an_app_is_made_of_its_parts_and_mocks_need_no_resources(
    duetto_app: AppFactory, duetto_tasks: TaskMocks
) -> None:
    duetto_tasks.mock(charge).calls(lambda pence: f"{pence} paid")
    duetto_tasks.mock(refund).returns(None)
    parts = duetto_app(services=app.services.values(), workflows=[sell])
    assert parts.run(sell, "kettle", 700) == "parcel of kettle"


def test_an_app_is_made_of_one_or_the_other(duetto_app: AppFactory) -> None:
    with pytest.raises(ConfigurationError, match="twice"):
        duetto_app(app, services=[Service("more")], workflows=[])  # pyright: ignore[reportCallIssue]  # the mistake is what is tested


def test_a_run_is_cancelled_and_undone(shop: AppUnderTest, duetto_tasks: TaskMocks) -> None:
    duetto_tasks.mock(thank).calls(lambda item: wait_for_cancel())
    run = shop.start(sell, "kettle", 700, id="r")
    assert shop.show(run).status == "running"
    shop.cancel(run)
    shop.settle()
    assert shop.show(run).status == "cancelled"
    assert shop.ledger.standing("r") == ["post.send", "post.thank"]
    with pytest.raises(RunCancelled):
        shop.result(run)


async def wait_for_cancel() -> None:
    await context().wait_cancelled()


def test_what_is_parked_is_resumed(shop: AppUnderTest, duetto_tasks: TaskMocks) -> None:
    duetto_tasks.mock(send).raises(ValueError("no address"))
    undo = duetto_tasks.mock(release).raises(OSError("the stock is away"))
    with pytest.raises(RunParked, match="the stock is away"):
        shop.run(sell, "kettle", 700, id="r")
    undo.returns(None)
    assert shop.resume("r") == 1
    with pytest.raises(RunFailed, match="no address"):
        shop.result("r")
    assert shop.ledger.standing("r") == ["post.thank"]


def test_what_is_parked_is_skipped(shop: AppUnderTest, duetto_tasks: TaskMocks) -> None:
    duetto_tasks.mock(send).raises(ValueError("no address"))
    duetto_tasks.mock(release).raises(OSError("the stock is away"))
    with pytest.raises(RunParked):
        shop.run(sell, "kettle", 700, id="r")
    assert shop.skip("r") == 1
    shop.settle()
    assert shop.show("r").status == "failed"
    assert shop.ledger.standing("r") == ["stock.reserve", "post.thank"]


def test_what_waits_for_ever_says_for_what(shop: AppUnderTest, duetto_tasks: TaskMocks) -> None:
    duetto_tasks.mock(thank).hangs()
    with pytest.raises(Stalled, match=r"(?s)r waits for what never comes\.\n.*post\.thank"):
        shop.run(sell, "kettle", 700, id="r")


def test_what_goes_wrong_in_the_background_is_not_overlooked(
    shop: AppUnderTest, duetto_tasks: TaskMocks
) -> None:
    def leave_something(item: str) -> str:
        asyncio.get_running_loop().call_later(0.1, int, "seven")
        return item

    duetto_tasks.mock(send).calls(leave_something)
    with pytest.raises(ValueError, match="seven"):
        shop.run(sell, "kettle", 700)


def test_an_unknown_run_is_not_waited_for(shop: AppUnderTest) -> None:
    with pytest.raises(NotFound):
        shop.result("nobody")


def test_runs_are_kept_however_far_the_clock_goes(shop: AppUnderTest) -> None:
    shop.run(sell, "kettle", 700, id="r")
    shop.run(sell_later, "kettle", 400.0)
    assert shop.show("r").status == "completed"


@pytest.mark.parametrize("seed", range(5))
def test_equal_seeds_are_equal_runs(seed: int) -> None:
    assert story(seed) == story(seed) != story(seed + 1)


def story(seed: int) -> list[tuple[int, str, str]]:
    """Return what happens to a sale under faults."""
    stage = Stage(seed=seed)
    try:
        shop = AppFactory(stage)(app, apart=True, faults=FAULTS)
        run = shop.start(sell, "kettle", 700)
        shop.settle()
        return [(fact.at, f"{run}{fact.path}", fact.text) for fact in shop.history(run)]
    finally:
        stage.close()


async def test_an_async_test_uses_the_same(shop: AppUnderTest) -> None:
    assert shop.run(sell, "kettle", 700) == "parcel of kettle"
