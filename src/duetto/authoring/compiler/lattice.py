"""Static types as annotations: what is known of a value, from nothing (NEVER) to UNKNOWN."""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Never, Union, get_args, get_origin

UNKNOWN: Any = Any
NEVER: Any = Never
"""The element of an empty display: it joins with anything."""


@dataclass(frozen=True)
class Items:
    """What a `for` loop walks."""

    element: Any


def origin(known: Any) -> Any:
    """Return the class of a type: `list` of `list[int]`."""
    return get_origin(known) or known


def is_union(known: Any) -> bool:
    return get_origin(known) in (Union, types.UnionType)


def members(known: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the type itself."""
    return get_args(known) if is_union(known) else (known,)


def present(known: Any) -> Any:
    """Return a type without None: what is left where an attribute of it was read."""
    return join_all(member for member in members(known) if member is not types.NoneType)


def join(one: Any, other: Any) -> Any:
    """Return a type for values of both; UNKNOWN unless they are alike, or one is None."""
    if one is NEVER or one == other:
        return other
    if other is NEVER:
        return one
    if UNKNOWN in (one, other):
        return UNKNOWN
    if isinstance(one, Items) or isinstance(other, Items):
        alike = isinstance(one, Items) and isinstance(other, Items)
        return Items(join(one.element, other.element)) if alike else UNKNOWN
    if types.NoneType in (*members(one), *members(other)):
        return optional(join(present(one), present(other)))
    same = origin(one) is origin(other) and origin(one) in (list, set, frozenset, dict, tuple)
    left, right = get_args(one), get_args(other)
    if not same or len(left) != len(right) or (... in left) != (... in right):
        return UNKNOWN
    parts = tuple(a if a is ... else join(a, b) for a, b in zip(left, right, strict=True))
    return generic(origin(one), *parts)


def optional(known: Any) -> Any:
    if known is UNKNOWN:
        return UNKNOWN
    return types.NoneType if known is NEVER else union([known, types.NoneType])


def union(known: Iterable[Any]) -> Any:
    """Return a type for values of any of these."""
    made: Any = Union
    return made[tuple(known)]


def join_all(known: Iterable[Any]) -> Any:
    found = NEVER
    for each in known:
        found = join(found, each)
    return found


def generic(of: Any, *arguments: Any) -> Any:
    """Return `of[arguments]`."""
    return of[arguments]


def element(known: Any) -> Any:
    """Return the type of what iteration over a value gives."""
    if isinstance(known, Items):
        return known.element
    known = present(known)
    if is_union(known):
        return UNKNOWN
    match origin(known), get_args(known):
        case (of, _) if of is str:
            return str
        case (of, _) if of in (bytes, range):
            return int
        case (of, (each, last)) if of is tuple and last is ...:
            return each
        case (of, arguments) if of is tuple and arguments:
            return join_all(arguments)
        case (of, (each,)) if isinstance(of, type) and issubclass(of, Iterable):
            return each
        case (of, (key, _)) if of is dict:
            return key
        case _:
            return UNKNOWN


def settled(known: Any) -> Any:
    """Return a type that can be written down: what is still NEVER becomes Any."""
    if known is NEVER:
        return UNKNOWN
    arguments = get_args(known)
    if NEVER not in arguments and not any(get_args(argument) for argument in arguments):
        return known
    if is_union(known):
        return union(map(settled, arguments))
    if origin(known) not in (list, set, frozenset, dict, tuple):
        return known
    return generic(origin(known), *(a if a is ... else settled(a) for a in arguments))
