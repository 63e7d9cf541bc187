"""Which expressions may be evaluated again after a crash, and give the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from duetto.model.expression import Call, Expr, Symbol

PURE = frozenset(
    (
        *("abs", "all", "any", "bool", "bytes", "chr", "dict", "divmod", "enumerate", "float"),
        *("frozenset", "int", "isinstance", "len", "list", "max", "min", "ord", "pow", "range"),
        *("repr", "reversed", "round", "set", "sorted", "str", "sum", "tuple", "zip"),
    )
)
"""Builtins whose value depends on their arguments alone."""


def is_pure(expr: Expr, symbol: Callable[[str], Any]) -> bool:
    """Return whether a tree calls nothing but constructors and builtins known to be pure.

    A method may read a clock (`datetime.now`), so a call of one counts as impure.
    """
    if isinstance(expr, Call) and not _is_pure_target(expr.function, symbol):
        return False
    return all(is_pure(part, symbol) for part in parts(expr))


def _is_pure_target(function: Expr, symbol: Callable[[str], Any]) -> bool:
    if not isinstance(function, Symbol):
        return False
    return function.name in PURE or isinstance(symbol(function.name), type)


def parts(value: object) -> list[Any]:
    """Return the trees directly below a tree."""
    if not isinstance(value, Struct):
        return []
    found: list[Any] = []
    pending: list[object] = [getattr(value, field.name) for field in msgspec.structs.fields(value)]
    while pending:
        one = pending.pop()
        if isinstance(one, tuple):
            pending.extend(one)  # pyright: ignore[reportUnknownArgumentType]  # trees and texts
        elif isinstance(one, Struct):
            found.append(one)
    return found
