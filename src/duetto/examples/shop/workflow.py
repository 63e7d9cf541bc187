"""How an order is fulfilled, whoever decides it."""

from __future__ import annotations

from duetto import gather, workflow
from duetto.examples.shop.orders import Order
from duetto.examples.shop.services import Receipt, book, charge, dispatch, notify, reserve


@workflow
async def fulfil(order: Order) -> Receipt:
    """Reserve, charge, book, then dispatch and notify at the same time."""
    reservation = await reserve(order)
    payment = await charge(order, reservation)
    booking = await book(order)
    shipment, _ = await gather(dispatch(order, booking), notify(order, payment))
    return Receipt(order.id, shipment.tracking)
