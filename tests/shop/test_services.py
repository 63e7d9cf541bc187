"""What the services accept and refuse, and what undoes what, called as plain Python."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from duetto.authoring.resources import provided
from duetto.examples.shop.generate import SHIPPED
from duetto.examples.shop.orders import Line, Order, read_orders
from duetto.examples.shop.services import (
    COUNTRIES,
    Booking,
    NotDeliverable,
    Notice,
    OutOfStock,
    Payment,
    PaymentDeclined,
    Reservation,
    Shipment,
    TooBulky,
    apologise,
    book,
    cancel_booking,
    charge,
    dispatch,
    notify,
    refund,
    release,
    reserve,
)
from duetto.examples.shop.workflow import fulfil
from duetto.examples.shop.workshop import Workshop

REAL = Path(__file__).parents[3] / "shared" / "data" / "retail_orders.csv"
RESERVATION = Reservation("r", 8)
PAYMENT = Payment("p", Decimal("7.50"))
BOOKING = Booking("b")
NOTICE = Notice("n")
BUSINESS = (OutOfStock, PaymentDeclined, NotDeliverable, TooBulky)


class Books(Workshop):
    """A workshop that only notes what it was asked for."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, Decimal | int | None]] = []

    async def begin(self, order: str, operation: str) -> None:
        """Do nothing."""

    async def effect(
        self,
        service: str,
        order: str,
        operation: str,
        *,
        amount: Decimal | None = None,
        units: int | None = None,
    ) -> str:
        """Note the effect."""
        self.entries.append((service, operation, units if amount is None else amount))
        return operation


def an_order(*pieces: int, price: str = "1.00", country: str = "EIRE") -> Order:
    lines = [Line(str(at), "TEA TOWEL", count, Decimal(price)) for at, count in enumerate(pieces)]
    return Order("1", "17850", country, tuple(lines))


async def test_a_line_of_200_pieces_is_in_stock_and_one_more_is_not() -> None:
    assert (await reserve(an_order(200, 200), shop=Books())).units == 400
    with pytest.raises(OutOfStock, match="201 of 1 are asked for"):
        await reserve(an_order(200, 201), shop=Books())


async def test_1000_pounds_can_be_charged_and_a_penny_more_cannot() -> None:
    charged = await charge(an_order(1, price="1000.005"), RESERVATION, shop=Books())
    assert charged.amount == Decimal("1000.00")
    with pytest.raises(PaymentDeclined, match=r"1000\.01 is above 1000\.00"):
        await charge(an_order(1, price="1000.0051"), RESERVATION, shop=Books())


@pytest.mark.parametrize("country", sorted(COUNTRIES))
async def test_carriers_go_to_nine_countries(country: str) -> None:
    assert len(COUNTRIES) == 9
    assert (await book(an_order(1, country=country), shop=Books())).reference


@pytest.mark.parametrize("country", ["Japan", "germany", ""])
async def test_carriers_go_nowhere_else(country: str) -> None:
    with pytest.raises(NotDeliverable):
        await book(an_order(1, country=country), shop=Books())


async def test_60_lines_make_one_parcel_and_61_do_not() -> None:
    assert (await dispatch(an_order(*[1] * 60), BOOKING, shop=Books())).tracking
    with pytest.raises(TooBulky, match="61 lines"):
        await dispatch(an_order(*[1] * 61), BOOKING, shop=Books())


async def test_each_operation_makes_one_entry_in_the_ledger_of_its_service() -> None:
    shop, order = Books(), an_order(5, 3, price="2.50")
    await reserve(order, shop=shop)
    await charge(order, RESERVATION, shop=shop)
    await book(order, shop=shop)
    assert await dispatch(order, BOOKING, shop=shop) == Shipment("dispatch")
    await notify(order, PAYMENT, shop=shop)
    await apologise(NOTICE, order, PAYMENT, shop=shop)
    await cancel_booking(BOOKING, order, shop=shop)
    await refund(PAYMENT, order, RESERVATION, shop=shop)
    await release(RESERVATION, order, shop=shop)
    assert shop.entries == [
        ("inventory", "reserve", 8),
        ("payments", "charge", Decimal("20.00")),
        ("shipping", "book", None),
        ("shipping", "dispatch", None),
        ("notifications", "notify", None),
        ("notifications", "apologise", None),
        ("shipping", "cancel_booking", None),
        ("payments", "refund", Decimal("7.50")),
        ("inventory", "release", 8),
    ]


async def test_a_bulky_order_is_undone_newest_first() -> None:
    shop = Books()
    with provided(shop), pytest.raises(TooBulky):
        await fulfil(an_order(*[1] * 61))
    assert [operation for _, operation, _ in shop.entries] == [
        "reserve",
        "charge",
        "book",
        "notify",
        "apologise",
        "cancel_booking",
        "refund",
        "release",
    ]


@pytest.mark.parametrize(
    "error",
    [OutOfStock("10A", 201), PaymentDeclined(Decimal(1001)), NotDeliverable("Japan"), TooBulky(61)],
)
def test_an_error_is_made_again_from_its_arguments(error: Exception) -> None:
    assert str(type(error)(*error.args)) == str(error)


async def outcomes(path: Path) -> Counter[str]:
    orders = [each for each in read_orders(path) if isinstance(each, Order)]
    with provided(Books()):
        return Counter([await outcome(order) for order in orders])


async def outcome(order: Order) -> str:
    try:
        await fulfil(order)
    except BUSINESS as error:
        return type(error).__name__
    return "completed"


EXPECTED = {
    "completed": 900,
    "OutOfStock": 39,
    "PaymentDeclined": 49,
    "NotDeliverable": 10,
    "TooBulky": 37,
}


NEEDS_REAL = pytest.mark.skipif(not REAL.exists(), reason="no real orders beside this checkout")


@pytest.mark.parametrize(
    "path", [SHIPPED, pytest.param(REAL, marks=NEEDS_REAL)], ids=["shipped", "real"]
)
async def test_a_thousand_orders_end_as_counted(path: Path) -> None:
    assert await outcomes(path) == EXPECTED
