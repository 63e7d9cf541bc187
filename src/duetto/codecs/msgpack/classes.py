"""The shape of a class with fields, whatever its family."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from duetto.codecs.msgpack.containers import native_of
from duetto.codecs.msgpack.families import (
    PYDANTIC_STATE,
    Family,
    FieldOf,
    checked_extras,
    pydantic_state,
)
from duetto.codecs.msgpack.shape import (
    NOT_NATIVE,
    Check,
    Misfit,
    Pack,
    Room,
    Shape,
    Unpack,
    entered,
    kind_of,
)

Part = tuple[FieldOf, Shape]
Parts = tuple[Part, ...]

COMBINATIONS_MAX = 256
"""Combinations of the types of a class's fields that are remembered; others are checked anew."""


def class_shape(
    family: Family, annotation: Any, label: str, shapes: tuple[Shape, ...], dynamic: Shape
) -> Shape:
    """Return the shape of a class. `annotation` is the class, with its arguments where it has."""
    parts: Parts = tuple(zip(family.fields, shapes, strict=True))
    native = native_of(shapes, lambda _: annotation) if family.native else NOT_NATIVE
    return Shape(
        label,
        _packing(family, label, parts, dynamic),
        _unpacking(family, label, parts, dynamic),
        frozenset({family.kind}),
        frozenset({"map"}),
        native,
        {} if native is NOT_NATIVE else {family.kind: _checking(family, shapes)},
        family.frozen and all(shape.immutable for shape in shapes),
        tag=family.tag,
    )


def _packing(family: Family, label: str, parts: Parts, dynamic: Shape) -> Pack:
    kind = family.kind
    check_extras = checked_extras(kind, [field.name for field in family.fields])
    head: dict[str, Any] = dict([family.tag] if family.tag else [])
    steps = [(field.name, field.stored, shape.pack) for field, shape in parts]

    def pack(value: Any, room: Room) -> Any:
        if kind_of(value) is not kind:
            raise _other_class(kind, label, value)
        inside = entered(value, room)
        wire = head.copy()
        name = ""
        try:
            for name, stored, pack_field in steps:
                wire[stored] = pack_field(getattr(value, name), inside)
        except Misfit as misfit:
            raise misfit.at(f".{name}") from None
        except AttributeError:
            raise Misfit(value, f"a {label} with a value for `{name}`") from None
        if family.pydantic:
            _pack_state(value, wire, dynamic, inside)
        else:
            check_extras(value)
        return wire

    return pack


def _pack_state(value: Any, wire: dict[str, Any], dynamic: Shape, room: Room) -> None:
    if state := pydantic_state(value):
        wire[PYDANTIC_STATE] = dynamic.pack(state, room)


def _other_class(kind: type[Any], label: str, value: Any) -> Misfit:
    if isinstance(value, kind):
        return Misfit(
            value,
            f"exactly {label}, since a subclass would come back as its base",
            f"annotate it as `{kind_of(value).__name__}`, or as a union of both",
        )
    return Misfit(value, label)


def _unpacking(family: Family, label: str, parts: Parts, dynamic: Shape) -> Unpack:
    def unpack(wire: Any) -> Any:
        if kind_of(wire) is not dict:
            raise Misfit(wire, label)
        values: dict[str, Any] = {}
        for field, shape in parts:
            values[field.name] = _unpack_field(wire, field, shape, label)
        if family.pydantic and PYDANTIC_STATE in wire:
            values[PYDANTIC_STATE] = dynamic.unpack(wire[PYDANTIC_STATE])
        return family.build(values)

    return unpack


def _unpack_field(wire: dict[str, Any], field: FieldOf, shape: Shape, label: str) -> Any:
    if field.stored in wire:
        try:
            return shape.unpack(wire[field.stored])
        except Misfit as misfit:
            raise misfit.at(f".{field.name}") from None
    if field.default is None:
        raise Misfit(
            wire,
            f"a value for `{field.name}` of {label}",
            f"give `{field.name}` a default, since older values are without it",
        )
    return field.default()


def _checking(family: Family, shapes: tuple[Shape, ...]) -> Check:
    """Return the check of an object of the class: that each field holds exactly what it says.

    The types of all fields are looked at together, by one look-up of their tuple; only what is
    more than a type is looked at by itself.
    """
    count = len(shapes)
    if count == 0:
        return lambda value: not getattr(value, "__dict__", None)
    get = attrgetter(*(field.name for field in family.fields))
    values_of: Callable[[Any], Any] = get if count > 1 else lambda value: (get(value),)
    known: dict[tuple[type, ...], tuple[tuple[int, Check], ...] | None] = {}
    has_dict = bool(family.kind.__dictoffset__)

    def check(value: Any) -> bool:
        if has_dict and len(value.__dict__) != count:
            return False
        values = values_of(value)
        kinds = tuple(map(type, values))
        deeper = known.get(kinds, NOT_NATIVE)
        if deeper is NOT_NATIVE:
            deeper = _deeper(kinds, shapes)
            if deeper is not None and len(known) < COMBINATIONS_MAX:
                known[kinds] = deeper
        if deeper is None:
            return False
        for index, look in deeper:  # noqa: SIM110 a generator would cost more than the checks
            if not look(values[index]):
                return False
        return True

    return check


def _deeper(
    kinds: tuple[type, ...], shapes: tuple[Shape, ...]
) -> tuple[tuple[int, Check], ...] | None:
    """Return what is to be looked at beyond the types of fields, or None where a type is wrong."""
    found: list[tuple[int, Check]] = []
    for index, (kind, shape) in enumerate(zip(kinds, shapes, strict=True)):
        if kind not in shape.checks:
            return None
        check = shape.checks[kind]
        if check is not None:
            found.append((index, check))
    return tuple(found)
