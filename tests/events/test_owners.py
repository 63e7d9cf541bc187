"""The mailbox of an event is at its owner, and who receives it waits there (PROTOCOL, rule 18)."""

from __future__ import annotations

import msgspec
import pytest

from duetto import App, Service, event, receive, workflow
from duetto.errors import ConfigurationError
from duetto.kernel.estimate import estimate
from duetto.model.placement import orchestration
from duetto.testing import AppFactory, Crashes

post, desk = Service("post"), Service("desk")


@event(key="order", owner=post)
class Delivered(msgspec.Struct, frozen=True):
    order: str
    by: str = "van"


@desk.task
async def file(order: str, by: str) -> str:
    return f"{order} came by {by}"


@workflow
async def wait_for(order: str) -> str:
    delivered = await receive(Delivered, key=order, timeout=3600)
    return await file(delivered.order, delivered.by)


app = App("orders", services=[post, desk], workflows=[wait_for])


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("placement", ["orchestration", "choreography"])
def test_who_receives_waits_at_the_owner(
    duetto_app: AppFactory, placement: str, apart: bool
) -> None:
    orders = duetto_app(app, placement=placement, apart=apart)
    run = orders.start(wait_for, "o-1")
    orders.settle(waiting=[run])
    [resting] = orders.operations.explain(run)
    assert "Delivered" in resting.text
    assert resting.participant == "post"
    orders.publish(Delivered("o-1"))
    assert orders.result(run) == "o-1 came by van"


def test_it_waits_on_after_a_crash(duetto_app: AppFactory, duetto_crash: Crashes) -> None:
    orders = duetto_app(app, apart=True)
    run = orders.start(wait_for, "o-1")
    orders.settle(waiting=[run])
    duetto_crash.after(file)
    orders.publish(Delivered("o-1", "bike"))
    assert orders.result(run) == "o-1 came by bike"


def test_the_way_there_is_counted() -> None:
    found = estimate(wait_for.definition, orchestration(), "", together=False)
    assert found.messages == 4  # to the owner; a command, its report; the end


def test_an_owner_is_a_service_of_the_app() -> None:
    with pytest.raises(ConfigurationError, match="owner of the event `Delivered`"):
        App("orders", services=[desk], workflows=[wait_for])
