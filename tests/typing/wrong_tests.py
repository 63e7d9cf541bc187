"""The mistakes of a user in tests: pyright strict finds each, on the line that says which it is."""

from __future__ import annotations

from duetto.testing import (
    AppFactory,
    AppUnderTest,
    JumpingClock,
    TaskMocks,
    Trial,
    check_placements,
    simulate,
)
from tests.typing.user import Order, Reservation, count, fulfil, price, reserve
from tests.typing.user_tests import app


def of_apps(duetto_app: AppFactory, duetto_clock: JumpingClock) -> None:
    shop = duetto_app(app, services=[], workflows=[])  # mistake: an app and its parts
    shop = duetto_app(app)
    shop.run(fulfil, "1")  # mistake: a wrong input
    shop.run(reserve)  # mistake: a task without its input
    text: str = shop.run(fulfil, Order("1"))  # mistake: a wrong result of a run
    shop.emitted("1", "Approved")  # mistake: the name of an event for its class
    duetto_clock.advance("1 day")  # mistake: a text for a duration
    print(text)


def of_mocks(duetto_tasks: TaskMocks) -> None:
    duetto_tasks.mock(count).returns("seven")  # mistake: a wrong result of a mock
    duetto_tasks.mock(count).sequence(ConnectionError(), "7")  # mistake: one of several
    duetto_tasks.mock(price).calls(lambda: "7")  # mistake: a stand-in that takes nothing
    duetto_tasks.mock(reserve).returns(Reservation)  # mistake: a class for its object
    duetto_tasks.mock("inventory.count")  # mistake: the name of a task


def nobody(shop: AppUnderTest) -> None: ...


def of_trials() -> None:
    check_placements(app, fulfil, "1")  # mistake: a wrong input of a trial
    simulate(app, fulfil, Order("1"), seeds="many")  # mistake: no seeds
    simulate(app, fulfil, Order("1"), check=nobody)  # mistake: a check that takes no run
    simulate(app, fulfil, Order("1"), errors={reserve: "no"})  # mistake: a text for an error
    Trial(faults=["CommitLost"])  # mistake: the names of faults
