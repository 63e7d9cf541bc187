"""The four services of the shop: their tasks, what undoes them, and their business errors."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from duetto import Retry, Service, resource
from duetto.examples.shop.orders import Order
from duetto.examples.shop.workshop import Workshop

QUANTITY_MAX = 200
"""Pieces of one article that the inventory gives to one order."""
TOTAL_MAX = Decimal("1000.00")
"""Pounds that can be charged at once."""
LINES_MAX = 60
"""Lines of an order that still make one parcel."""
COUNTRIES = frozenset(
    {
        "United Kingdom",
        "EIRE",
        "Germany",
        "France",
        "Belgium",
        "Netherlands",
        "Spain",
        "Portugal",
        "Italy",
    }
)
"""Where the carriers go."""

inventory = Service("inventory")
payments = Service("payments")
shipping = Service("shipping")
notifications = Service("notifications")

INJECTED: Workshop = resource()
"""The workshop, from the app; a direct call is provided with one, or passes it."""


class OutOfStock(Exception):
    """A line of the order asks for more pieces than there are."""

    def __init__(self, stock_code: str, quantity: int) -> None:
        super().__init__(stock_code, quantity)
        self.stock_code = stock_code
        self.quantity = quantity

    def __str__(self) -> str:
        return f"{self.quantity} of {self.stock_code} are asked for, above {QUANTITY_MAX}"


class PaymentDeclined(Exception):
    """The total, in pounds, is above what can be charged."""

    def __init__(self, total: Decimal) -> None:
        super().__init__(total)
        self.total = total

    def __str__(self) -> str:
        return f"{self.total} is above {TOTAL_MAX}"


class NotDeliverable(Exception):
    """No carrier goes to the country."""

    def __init__(self, country: str) -> None:
        super().__init__(country)
        self.country = country

    def __str__(self) -> str:
        return f"no carrier goes to {self.country or 'an unknown country'}"


class TooBulky(Exception):
    """The order has more lines than make one parcel."""

    def __init__(self, lines: int) -> None:
        super().__init__(lines)
        self.lines = lines

    def __str__(self) -> str:
        return f"{self.lines} lines are more than {LINES_MAX}"


class Reservation(msgspec.Struct, frozen=True):
    """Pieces that are set aside for an order."""

    reference: str
    units: int


class Payment(msgspec.Struct, frozen=True):
    """Pounds that were charged for an order."""

    reference: str
    amount: Decimal


class Booking(msgspec.Struct, frozen=True):
    """Room with a carrier."""

    reference: str


class Shipment(msgspec.Struct, frozen=True):
    """A parcel on its way."""

    tracking: str


class Notice(msgspec.Struct, frozen=True):
    """A message to the customer."""

    reference: str


class Receipt(msgspec.Struct, frozen=True):
    """What the customer gets to see of a fulfilled order."""

    order: str
    tracking: str


# A service out of reach is asked again soon; a business error is an answer, and is not.
RETRY = Retry(
    attempts_max=5,
    delay_ms=20,
    never=(OutOfStock, PaymentDeclined, NotDeliverable, TooBulky),
)


@inventory.task(retry=RETRY)
async def reserve(order: Order, *, shop: Workshop = INJECTED) -> Reservation:
    """Set aside the pieces of all lines. Raises OutOfStock."""
    await shop.begin(order.id, "reserve")
    for line in order.lines:
        if line.quantity > QUANTITY_MAX:
            raise OutOfStock(line.stock_code, line.quantity)
    reference = await shop.effect("inventory", order.id, "reserve", units=order.units)
    return Reservation(reference, order.units)


@reserve.compensate
async def release(reservation: Reservation, order: Order, *, shop: Workshop = INJECTED) -> None:
    """Put the pieces back."""
    await shop.begin(order.id, "release")
    await shop.effect("inventory", order.id, "release", units=reservation.units)


@payments.task(retry=RETRY)
async def charge(order: Order, reservation: Reservation, *, shop: Workshop = INJECTED) -> Payment:
    """Charge the total. Raises PaymentDeclined."""
    await shop.begin(order.id, "charge")
    total = order.total
    if total > TOTAL_MAX:
        raise PaymentDeclined(total)
    return Payment(await shop.effect("payments", order.id, "charge", amount=total), total)


@charge.compensate
async def refund(
    payment: Payment,
    order: Order,
    reservation: Reservation,
    *,
    shop: Workshop = INJECTED,
) -> None:
    """Give back what was charged."""
    await shop.begin(order.id, "refund")
    await shop.effect("payments", order.id, "refund", amount=payment.amount)


@shipping.task(retry=RETRY)
async def book(order: Order, *, shop: Workshop = INJECTED) -> Booking:
    """Book room with a carrier. Raises NotDeliverable."""
    await shop.begin(order.id, "book")
    if order.country not in COUNTRIES:
        raise NotDeliverable(order.country)
    return Booking(await shop.effect("shipping", order.id, "book"))


@book.compensate
async def cancel_booking(booking: Booking, order: Order, *, shop: Workshop = INJECTED) -> None:
    """Give the room back."""
    await shop.begin(order.id, "cancel_booking")
    await shop.effect("shipping", order.id, "cancel_booking")


@shipping.task(retry=RETRY)
async def dispatch(order: Order, booking: Booking, *, shop: Workshop = INJECTED) -> Shipment:
    """Hand the parcel over. Raises TooBulky."""
    await shop.begin(order.id, "dispatch")
    if len(order.lines) > LINES_MAX:
        raise TooBulky(len(order.lines))
    return Shipment(await shop.effect("shipping", order.id, "dispatch"))


@notifications.task(retry=RETRY)
async def notify(order: Order, payment: Payment, *, shop: Workshop = INJECTED) -> Notice:
    """Tell the customer that the parcel is on its way."""
    await shop.begin(order.id, "notify")
    return Notice(await shop.effect("notifications", order.id, "notify"))


@notify.compensate
async def apologise(
    notice: Notice, order: Order, payment: Payment, *, shop: Workshop = INJECTED
) -> None:
    """Tell the customer that it is not."""
    await shop.begin(order.id, "apologise")
    await shop.effect("notifications", order.id, "apologise")
