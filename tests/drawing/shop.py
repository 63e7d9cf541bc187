"""The shop's workflow as a definition made by hand, and others with every kind of node."""

from __future__ import annotations

from duetto.model.definition import (
    END,
    RESUME,
    Assign,
    Bind,
    Branch,
    Choice,
    Definition,
    Emit,
    ForEach,
    Handler,
    Parallel,
    Parameter,
    Race,
    Raise,
    Receive,
    Region,
    Return,
    Scope,
    Task,
    TypeRef,
    Unpack,
    Wait,
)
from duetto.model.definition import Call as CallWorkflow
from duetto.model.expression import Attribute, Call, Compare, Const, Element, More, Name, Symbol

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


def everything() -> Definition:
    """Return a workflow with every kind of node, a loop, scopes, and a `gather` in a `gather`."""
    body = Region(
        (
            Scope("timeout", seconds=Const(30), next=1, line=1),
            Choice(Compare(Name("total"), ((">", Const(100)),)), otherwise=4, next=2, scope=0,
                   line=2),
            Receive("shop:Approved", Name("total"), into=Bind("approved", 0), next=3, scope=0,
                    line=3),
            Emit(Call(Symbol("shop:Seen"), (Name("total"),)), next=4, scope=0, line=4),
            Assign(Name("items"), Bind("$1"), next=5, line=5),
            Choice(More("$1", "$2"), otherwise=9, next=6, line=5),
            Assign(Element("$1", "$2"), Bind("item", 1), next=7, line=5),
            task("payments.check", "item", into=Bind("checked"), next=8, line=6),
            Wait(Const(5), next=5, line=7),
            Scope("try", (Handler(("shop:Refused",), 14, "error"),), next=10, line=8),
            task("payments.charge", "total", into=Bind("payment", 0), undoable=True, next=11,
                 scope=9, line=9),
            ForEach(1, Name("items"), Bind("parcels"), next=12, scope=9, line=10),
            Race((Branch(2, ()), Branch(3, ())), Bind("quote"), next=13, scope=9, line=11),
            CallWorkflow("invoice", (Name("total"), Name("quote")), next=15, scope=9, line=12),
            Raise(Name("error"), line=14),
            Scope("finally", final=17, next=16, line=15),
            task("notifications.tell", "payment", next=19, scope=15, line=16),
            Scope("final", next=18, line=17),
            task("inventory.tidy", next=RESUME, scope=17, line=18),
            Return(Name("payment"), 0, line=19),
        ),
        (Parameter("total", 0), Parameter("items", 2)),
    )  # fmt: skip
    pack = Region(
        (
            Parallel((Branch(4, (Name("it"),)), Branch(5, (Name("it"),))), next=1, line=10),
            Return(Const(None)),
        ),
        (Parameter("it", 1),),
    )
    names = ("shipping.quick", "inventory.cheap", "shipping.pack", "inventory.pick")
    calls = [
        Region((task(name, "it", into=Bind("$1", 1), next=1), Return(Name("$1"), 1)),
               (Parameter("it", 1),))
        for name in names
    ]  # fmt: skip
    types = (TypeRef("int"), TypeRef("shop:Item"), TypeRef("list", (TypeRef("shop:Item"),)))
    return Definition("everything", (body, pack, *calls), types, 0)
