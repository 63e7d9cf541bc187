"""Read what a directory of the shop holds: effects by order, and each key's uses."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from duetto.examples.shop.ledger import Effect
from duetto.examples.shop.report import UNDOING
from duetto.examples.shop.workshop import SERVICES, Attempt

T = TypeVar("T")
Orders = dict[str, tuple[tuple[str, str, str | int | None], ...]]

REAL = Path(__file__).parents[3] / "shared" / "data" / "retail_orders.csv"
"""The orders of a real shop, where they lie beside the checkout."""


def effects(directory: Path) -> list[Effect]:
    """Return all effects in the order in which they happened."""
    found = [
        effect
        for service in SERVICES
        for effect in _lines(directory / "ledgers" / f"{service}.jsonl", Effect)
    ]
    return sorted(found, key=lambda effect: effect.at_ns)


def attempts(directory: Path) -> list[Attempt]:
    """Return the attempts in the order in which they began."""
    return list(_lines(directory / "attempts.jsonl", Attempt))


def by_operation(found: Iterable[Effect]) -> dict[str, int]:
    """Return how many effects each operation had."""
    return dict(Counter(effect.operation for effect in found))


def by_order(found: Iterable[Effect]) -> Orders:
    """Return each order's effects (operation, key, amount or units): as a sequence where it was
    undone, else sorted, as a parcel and its notice are made side by side."""
    orders: dict[str, list[tuple[str, str, str | int | None]]] = defaultdict(list)
    for effect in found:
        size = effect.units if effect.amount is None else effect.amount
        orders[effect.order].append((effect.operation, effect.key, size))
    return {
        order: tuple(entries if _is_undone(entries) else sorted(entries, key=str))
        for order, entries in orders.items()
    }


def without_keys(
    orders: Orders,
) -> dict[str, tuple[tuple[str, str | int | None], ...]]:
    """Return what `by_order` does without keys, which name the run or the event."""
    return {
        order: tuple((operation, size) for operation, _, size in entries)
        for order, entries in orders.items()
    }


def undone(found: Iterable[Effect]) -> Counter[tuple[str, ...]]:
    """Return which sequences of compensations there were, and for how many orders."""
    orders: dict[str, list[str]] = defaultdict(list)
    for effect in found:
        if effect.operation in UNDOING:
            orders[effect.order].append(effect.operation)
    return Counter(tuple(operations) for operations in orders.values())


def _is_undone(entries: list[tuple[str, str, str | int | None]]) -> bool:
    return any(operation in UNDOING for operation, _, _ in entries)


def _lines(path: Path, kind: type[T]) -> Iterator[T]:
    yield from msgspec.json.Decoder(kind).decode_lines(path.read_bytes())
