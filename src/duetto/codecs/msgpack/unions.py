"""The shape of a union: as it is where its members can be told apart, else each with its name."""

from __future__ import annotations

import typing
from itertools import combinations
from typing import Any

import msgspec

from duetto.codecs.msgpack.shape import (
    ARRAYS,
    NOT_NATIVE,
    WIRES,
    Check,
    Misfit,
    Room,
    Shape,
    kind_of,
)

NIL = frozenset({"nil"})


def union_shape(members: dict[str, Shape]) -> Shape:
    """Return the shape of a union, given its members by their full names."""
    shapes = list(members.values())
    label = " | ".join(shape.label for shape in shapes)
    plain = _tell_apart(shapes)
    others = {name: shape for name, shape in members.items() if shape.wires != NIL}
    tags = {id(shape): None if plain else name for name, shape in others.items()}

    def pack(value: Any, room: Room) -> Any:
        shape, wire = _pack_as_one_of(_candidates(shapes, value), value, room, label)
        tag = tags.get(id(shape))
        return wire if tag is None else (tag, wire)

    def unpack(wire: Any) -> Any:
        if plain:
            return _by_wire(shapes, wire, label).unpack(wire)
        if WIRES.get(kind_of(wire)) == "nil" and len(others) < len(members):
            return None
        if not _is_named(wire) or wire[0] not in others:
            raise Misfit(wire, label)
        return others[wire[0]].unpack(wire[1])

    wires = {"array", "nil"} if len(others) < len(members) else {"array"}
    return Shape(
        label,
        pack,
        unpack,
        _all_types(shapes),
        frozenset({wire for shape in shapes for wire in shape.wires} if plain else wires),
        _native(shapes) if plain else NOT_NATIVE,
        _checks(shapes),
        all(shape.immutable for shape in shapes),
        all(shape.flat for shape in shapes),
    )


def _is_named(wire: Any) -> bool:
    return kind_of(wire) in ARRAYS and len(wire) == 2 and kind_of(wire[0]) is str


def _tell_apart(shapes: list[Shape]) -> bool:
    """Return whether what is packed says by its kind, or by its tag, which member it is."""
    return all(
        not one.wires & two.wires or _by_tag(one, two) for one, two in combinations(shapes, 2)
    )


def _by_tag(one: Shape, two: Shape) -> bool:
    if one.tag is None or two.tag is None:
        return False
    return one.tag[0] == two.tag[0] and one.tag[1] != two.tag[1]


def _all_types(shapes: list[Shape]) -> frozenset[type] | None:
    found: set[type] = set()
    for shape in shapes:
        if shape.types is None:
            return None
        found |= shape.types
    return frozenset(found)


def _checks(shapes: list[Shape]) -> dict[type, Check | None]:
    """Return the checks of all members, without the types that more than one of them has."""
    found: dict[type, Check | None] = {}
    doubled: set[type] = set()
    for shape in shapes:
        doubled |= found.keys() & shape.checks.keys()
        found |= shape.checks
    return {kind: check for kind, check in found.items() if kind not in doubled}


def _native(shapes: list[Shape]) -> Any:
    natives = [shape.native for shape in shapes]
    if NOT_NATIVE in natives:
        return NOT_NATIVE
    union = typing.Union[tuple(natives)]  # noqa: UP007 its members are data
    try:
        msgspec.msgpack.Decoder(union)
    except (TypeError, NameError):
        return NOT_NATIVE
    return union


def _candidates(shapes: list[Shape], value: Any) -> list[Shape]:
    kind = kind_of(value)
    return [shape for shape in shapes if shape.types is None or kind in shape.types]


def _pack_as_one_of(shapes: list[Shape], value: Any, room: Room, label: str) -> tuple[Shape, Any]:
    """Return the first member that a value fits, packed. The error is the only member's own."""
    failed: Misfit | None = None
    for shape in shapes:
        try:
            return shape, shape.pack(value, room)
        except Misfit as misfit:
            failed = misfit
    if failed is not None and len(shapes) == 1:
        raise failed
    raise Misfit(value, label)


def _by_wire(shapes: list[Shape], wire: Any, label: str) -> Shape:
    kind = WIRES.get(kind_of(wire), "ext")
    for shape in shapes:
        if kind in shape.wires and (shape.tag is None or _has_tag(wire, shape.tag)):
            return shape
    raise Misfit(wire, label)


def _has_tag(wire: Any, tag: tuple[str, str | int]) -> bool:
    return kind_of(wire) is dict and wire.get(tag[0]) == tag[1]
