"""The shop's workflow as a definition made by hand, and others with every kind of node."""

from __future__ import annotations

from duetto.model.definition import (
    END,
    Assign,
    Bind,
    Branch,
    Definition,
    Parallel,
    Parameter,
    Region,
    Return,
    Task,
    TypeRef,
    Unpack,
)
from duetto.model.expression import Attribute, Call, Name, Symbol

ORDER, RESERVATION, PAYMENT, BOOKING, SHIPMENT, RECEIPT, NOTICE, PAIR = range(8)


def task(
    name: str,
    *args: str,
    into: Bind | None = None,
    undoable: bool = False,
    next: int = END,
    scope: int = -1,
    line: int = 0,
) -> Task:
    """Return a task whose arguments are variables."""
    return Task(name, tuple(Name(arg) for arg in args), (), into, undoable, next, scope, line)


def one_task(name: str, *parameters: Parameter, result: int, undoable: bool = False) -> Region:
    """Return the region of a branch that is one call of a task."""
    args = tuple(parameter.name for parameter in parameters)
    call = task(name, *args, into=Bind("$1", result), undoable=undoable, next=1, line=16)
    return Region((call, Return(Name("$1"), result, line=16)), parameters)


def fulfil() -> Definition:
    """Return the shop's workflow."""
    order, booking, payment = Name("order"), Name("booking"), Name("payment")
    body = Region(
        (
            task("inventory.reserve", "order", into=Bind("reservation", RESERVATION),
                 undoable=True, next=1, line=13),
            task("payments.charge", "order", "reservation", into=Bind("payment", PAYMENT),
                 undoable=True, next=2, line=14),
            task("shipping.book", "order", into=Bind("booking", BOOKING),
                 undoable=True, next=3, line=15),
            Parallel((Branch(1, (order, booking)), Branch(2, (order, payment))),
                     Bind("$1", PAIR), next=4, line=16),
            Assign(Name("$1"), Unpack((Bind("shipment", SHIPMENT), Bind("_", NOTICE))),
                   next=5, line=16),
            Return(
                Call(Symbol("shop:Receipt"),
                     (Attribute(order, "id"), Attribute(Name("shipment"), "tracking"))),
                RECEIPT, line=17,
            ),
        ),
        (Parameter("order", ORDER),),
    )  # fmt: skip
    dispatch = one_task(
        "shipping.dispatch",
        Parameter("order", ORDER),
        Parameter("booking", BOOKING),
        result=SHIPMENT,
    )
    notify = one_task(
        "notifications.notify",
        Parameter("order", ORDER),
        Parameter("payment", PAYMENT),
        result=NOTICE,
        undoable=True,
    )
    names = ("Order", "Reservation", "Payment", "Booking", "Shipment", "Receipt", "Notice")
    types = tuple(TypeRef(f"shop:{name}") for name in names)
    pair = TypeRef("tuple", (types[SHIPMENT], types[NOTICE]))
    return Definition("fulfil", (body, dispatch, notify), (*types, pair), RECEIPT)
