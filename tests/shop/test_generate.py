"""The shipped orders come from a seed, and have every case."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from duetto.examples.shop.generate import SHIPPED, generate
from duetto.examples.shop.orders import REASONS, Order, Refusal, read_orders

BYTES_MAX = 1_500_000


def test_the_shipped_file_is_what_the_seed_makes() -> None:
    assert SHIPPED.read_bytes() == generate().encode()
    assert SHIPPED.stat().st_size < BYTES_MAX


def test_another_seed_makes_another_file() -> None:
    assert generate(1) == generate(1) != generate(2)


def test_the_shipped_file_has_a_thousand_orders_and_every_reason_to_refuse() -> None:
    invoices = list(read_orders(SHIPPED))
    reasons = Counter(each.reason for each in invoices if isinstance(each, Refusal))
    assert sum(isinstance(each, Order) for each in invoices) == 1_035
    assert set(reasons) == set(REASONS)


def test_the_shipped_orders_touch_every_limit_from_both_sides() -> None:
    orders = [each for each in read_orders(SHIPPED) if isinstance(each, Order)]
    pieces = {line.quantity for order in orders for line in order.lines}
    lines = {len(order.lines) for order in orders}
    totals = {order.total for order in orders}
    assert 200 in pieces
    assert max(pieces) > 200
    assert {60, 61} <= lines
    assert {Decimal("1000.00"), Decimal("1000.02")} <= totals


def test_some_shipped_totals_are_rounded_down_to_even_and_some_up() -> None:
    orders = [each for each in read_orders(SHIPPED) if isinstance(each, Order)]
    halves = [
        order.total - exact
        for order in orders
        if (exact := sum((line.quantity * line.unit_price for line in order.lines), Decimal(0)))
        % Decimal("0.01")
        == Decimal("0.005")
    ]
    assert set(halves) == {Decimal("-0.005"), Decimal("0.005")}
