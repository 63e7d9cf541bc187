"""The same shop without a workflow: facts, and services that react to them.

    OrderPlaced → StockReserved → OrderPaid → CarrierBooked → CustomerTold → ParcelSent
        ↓             ↓               ↓                            ↓
     SoldOut      CardRefused    RouteRefused                ParcelRefused
                      ↓               ↓                            ↓
                StockReleased ← PaymentRefunded ← BookingCancelled ← CustomerConsoled

Nobody decides the whole. Each service knows what it listens to and what it publishes, and what
undoes is a reaction like any other.

Two things that a workflow says in a word are built here. The way back is a chain of its own, which
somebody has to keep in step with the way there. And to dispatch and notify at the same time, then
undo both, somebody would have to wait for two facts; so the customer is told before the parcel is
handed over. What is done and undone is the same, order by order.
"""

from __future__ import annotations

import msgspec

from duetto import Service, event
from duetto.examples.shop.orders import Order
from duetto.examples.shop.services import (
    COUNTRIES,
    INJECTED,
    LINES_MAX,
    QUANTITY_MAX,
    RETRY,
    TOTAL_MAX,
)
from duetto.examples.shop.workshop import Workshop

inventory, payments = Service("inventory"), Service("payments")
shipping, notifications = Service("shipping"), Service("notifications")


class Fact(msgspec.Struct, frozen=True):
    """Something that happened to an order."""

    order: Order

    @property
    def id(self) -> str:
        """The key: the facts of one order are taken one after the other."""
        return self.order.id


# -- what happens


@event(key="id")
class OrderPlaced(Fact, frozen=True):
    """A customer has ordered."""


@event(key="id")
class StockReserved(Fact, frozen=True):
    """The pieces are set aside."""


@event(key="id")
class OrderPaid(Fact, frozen=True):
    """The total was charged."""


@event(key="id")
class CarrierBooked(Fact, frozen=True):
    """A carrier has room for it."""


@event(key="id")
class CustomerTold(Fact, frozen=True):
    """The customer knows that it is on its way."""


@event(key="id")
class ParcelSent(Fact, frozen=True):
    """It is on its way: the order is fulfilled."""

    tracking: str


# -- what goes wrong, and what undoes it


@event(key="id")
class SoldOut(Fact, frozen=True):
    """There are not as many pieces; nothing was done, so nothing is undone."""


@event(key="id")
class CardRefused(Fact, frozen=True):
    """The total cannot be charged."""


@event(key="id")
class RouteRefused(Fact, frozen=True):
    """No carrier goes there."""


@event(key="id")
class ParcelRefused(Fact, frozen=True):
    """It does not make one parcel, and the customer thinks that it is on its way."""


@event(key="id")
class CustomerConsoled(Fact, frozen=True):
    """The customer knows that it is not."""


@event(key="id")
class BookingCancelled(Fact, frozen=True):
    """The carrier has its room back."""


@event(key="id")
class PaymentRefunded(Fact, frozen=True):
    """The customer has the money back."""


@event(key="id")
class StockReleased(Fact, frozen=True):
    """The pieces are back: nothing of the order is left."""


# -- who reacts


@inventory.on(OrderPlaced, retry=RETRY)
async def reserve(fact: OrderPlaced, *, shop: Workshop = INJECTED) -> StockReserved | SoldOut:
    """Set aside the pieces of all lines."""
    await shop.begin(fact.id, "reserve")
    if max(line.quantity for line in fact.order.lines) > QUANTITY_MAX:
        return SoldOut(fact.order)
    await shop.effect("inventory", fact.id, "reserve", units=fact.order.units)
    return StockReserved(fact.order)


@payments.on(StockReserved, retry=RETRY)
async def charge(fact: StockReserved, *, shop: Workshop = INJECTED) -> OrderPaid | CardRefused:
    """Charge the total."""
    await shop.begin(fact.id, "charge")
    if fact.order.total > TOTAL_MAX:
        return CardRefused(fact.order)
    await shop.effect("payments", fact.id, "charge", amount=fact.order.total)
    return OrderPaid(fact.order)


@shipping.on(OrderPaid, retry=RETRY)
async def book(fact: OrderPaid, *, shop: Workshop = INJECTED) -> CarrierBooked | RouteRefused:
    """Book room with a carrier."""
    await shop.begin(fact.id, "book")
    if fact.order.country not in COUNTRIES:
        return RouteRefused(fact.order)
    await shop.effect("shipping", fact.id, "book")
    return CarrierBooked(fact.order)


@notifications.on(CarrierBooked, retry=RETRY)
async def notify(fact: CarrierBooked, *, shop: Workshop = INJECTED) -> CustomerTold:
    """Tell the customer that the parcel is on its way."""
    await shop.begin(fact.id, "notify")
    await shop.effect("notifications", fact.id, "notify")
    return CustomerTold(fact.order)


@shipping.on(CustomerTold, retry=RETRY)
async def dispatch(fact: CustomerTold, *, shop: Workshop = INJECTED) -> ParcelSent | ParcelRefused:
    """Hand the parcel over."""
    await shop.begin(fact.id, "dispatch")
    if len(fact.order.lines) > LINES_MAX:
        return ParcelRefused(fact.order)
    return ParcelSent(fact.order, await shop.effect("shipping", fact.id, "dispatch"))


# -- who undoes


@notifications.on(ParcelRefused, retry=RETRY)
async def apologise(fact: ParcelRefused, *, shop: Workshop = INJECTED) -> CustomerConsoled:
    """Tell the customer that it is not."""
    await shop.begin(fact.id, "apologise")
    await shop.effect("notifications", fact.id, "apologise")
    return CustomerConsoled(fact.order)


@shipping.on(CustomerConsoled, retry=RETRY)
async def cancel_booking(fact: CustomerConsoled, *, shop: Workshop = INJECTED) -> BookingCancelled:
    """Give the room back."""
    await shop.begin(fact.id, "cancel_booking")
    await shop.effect("shipping", fact.id, "cancel_booking")
    return BookingCancelled(fact.order)


@payments.on(RouteRefused, BookingCancelled, retry=RETRY)
async def refund(
    fact: RouteRefused | BookingCancelled, *, shop: Workshop = INJECTED
) -> PaymentRefunded:
    """Give back what was charged."""
    await shop.begin(fact.id, "refund")
    await shop.effect("payments", fact.id, "refund", amount=fact.order.total)
    return PaymentRefunded(fact.order)


@inventory.on(CardRefused, PaymentRefunded, retry=RETRY)
async def release(
    fact: CardRefused | PaymentRefunded, *, shop: Workshop = INJECTED
) -> StockReleased:
    """Put the pieces back."""
    await shop.begin(fact.id, "release")
    await shop.effect("inventory", fact.id, "release", units=fact.order.units)
    return StockReleased(fact.order)


FAILURES = {
    "SoldOut": "OutOfStock",
    "CardRefused": "PaymentDeclined",
    "RouteRefused": "NotDeliverable",
    "ParcelRefused": "TooBulky",
}
"""By fact: the error with which the workflow fails in its place."""

ENDS = ("ParcelSent", "SoldOut", "StockReleased")
"""The facts to which nobody reacts."""
