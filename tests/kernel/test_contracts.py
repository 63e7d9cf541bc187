"""What crosses participants, under each placement."""

from __future__ import annotations

from duetto.kernel.contracts import Contract, contracts
from duetto.model.definition import (
    Bind,
    Choice,
    Definition,
    Parameter,
    Region,
    Return,
    Scope,
    TypeRef,
)
from duetto.model.expression import Const, Name
from duetto.model.placement import choreography, hybrid, orchestration
from tests.drawing.shop import fulfil, task


def told(contract: Contract) -> str:
    """Return a contract as one line."""
    payload = ", ".join(f"{name}: {type}" for name, type in contract.payload)
    where = f"{contract.source or 'app'}→{contract.target or 'app'}"
    return f"{contract.kind} {contract.origin.line}-{contract.to.line} {where} ({payload})"


def test_orchestration_crosses_nothing() -> None:
    assert contracts(fulfil(), orchestration(), "") == []


def test_choreography_crosses_at_each_service_with_what_is_still_read() -> None:
    assert [told(it) for it in contracts(fulfil(), choreography(), "")] == [
        "token 0-13 app→inventory (order: Order)",
        "token 13-14 inventory→payments (order: Order, reservation: Reservation)",
        "token 14-15 payments→shipping (order: Order, payment: Payment)",
        "token 16-16 shipping→notifications (order: Order, payment: Payment)",
        "report 16-16 notifications→shipping (result: Notice)",
        "report 16-0 shipping→app (result: Receipt)",
    ]


def test_a_hybrid_crosses_where_its_services_decide_for_themselves() -> None:
    assert [told(it) for it in contracts(fulfil(), hybrid("payments"), "")] == [
        "token 13-14 app→payments (order: Order, reservation: Reservation)",
        "token 14-15 payments→app (order: Order, payment: Payment)",
    ]


def test_a_home_elsewhere_gets_the_result() -> None:
    found = [told(it) for it in contracts(fulfil(), orchestration(), "payments")]
    assert found[0] == "token 0-13 payments→app (order: Order)"
    assert found[-1] == "report 16-0 app→payments (result: Receipt)"


def test_a_token_may_come_from_several_participants() -> None:
    region = Region(
        (
            Choice(Name("x"), otherwise=2, next=1, line=1),
            task("a.one", next=3, line=2),
            task("b.two", next=3, line=3),
            task("c.three", "x", next=4, line=4),
            Return(Const(None), line=5),
        ),
        (Parameter("x"),),
    )
    found = [told(it) for it in contracts(Definition("w", (region,)), choreography(), "")]
    assert found == [
        "token 0-2 app→a (x: None)",
        "token 0-3 app→b (x: None)",
        "token 2-4 a→c (x: None)",
        "token 3-4 b→c (x: None)",
        "report 4-0 c→app (result: None)",
    ]


def test_an_error_crosses_from_where_its_task_is() -> None:
    handlers = (Scope("finally", final=2, next=1, line=1),)
    region = Region(
        (
            *handlers,
            task("a.one", "x", into=Bind("y", 0), next=4, scope=0, line=2),
            Scope("final", next=3, line=3),
            task("b.two", "x", next=-2, scope=2, line=4),
            Return(Name("y"), 0, line=5),
        ),
        (Parameter("x"),),
    )
    definition = Definition("w", (region,), (TypeRef("int"),))
    assert [told(it) for it in contracts(definition, choreography(), "")] == [
        "token 0-2 app→a (x: None)",
        "token 2-4 a→b (x: None, y: int)",
        "report 4-0 b→app (result: int)",
    ]
