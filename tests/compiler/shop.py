"""A small shop whose services the workflows of these tests call."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from duetto.authoring import Service, event

inventory = Service("inventory")
payments = Service("payments")
log = logging.getLogger(__name__)

RATE = Decimal("0.2")
RETRIES = [1, 2]
LIMITS = {"a": 1}
RETRYABLE = (ConnectionError, TimeoutError)


class OutOfStock(Exception):
    """There is not enough."""


class Colour(Enum):
    """What a lamp shows."""

    RED = 1


@dataclass(frozen=True)
class Line:
    """Some pieces of one article."""

    code: str
    quantity: int
    price: Decimal


@dataclass(frozen=True)
class Order:
    """What a customer wants."""

    id: str
    lines: list[Line]
    note: str | None = None

    @property
    def size(self) -> int:
        """How many lines there are."""
        return len(self.lines)

    def first(self) -> Line:
        """Return the first line."""
        return self.lines[0]


@event(key="order_id")
@dataclass(frozen=True)
class Approved:
    """Somebody agreed."""

    order_id: str


class Meter:
    """Counts what happens, outside of values."""

    def add(self, number: int) -> None:
        """Count."""


class Basket:
    """A value that is changed by building another."""

    def add(self, line: Line) -> Basket:
        """Return a basket with one line more."""
        return self


METER = Meter()


def total(order: Order) -> Decimal:
    """Return what an order costs."""
    return sum((line.price * line.quantity for line in order.lines), Decimal(0))


async def fetch(id: str) -> Order:
    """Return an order; not a task."""
    return Order(id, [])


@inventory.task
async def reserve(order: Order, *, urgent: bool = False) -> str:
    """Set the pieces aside."""
    return order.id


@reserve.compensate
async def release(reservation: str) -> None:
    """Put the pieces back."""


@payments.task
async def charge(order: Order, amount: Decimal) -> int:
    """Take the money."""
    return 1


@payments.task
async def refund(order: Order) -> None:
    """Give the money back."""


@inventory.task
async def count(code: str) -> int:
    """Return how many pieces there are."""
    return len(code)


@inventory.task
async def audit() -> None:
    """Write down what is there."""
