"""The shape of values whose type is not known: plain JSON types as they are, others with a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from msgspec.msgpack import Ext

from duetto.codecs.msgpack.containers import (
    ANYTHING,
    PLAIN_KEYS,
    hashed,
    pack_each,
    pack_mapping,
    set_shape,
    unpack_mapping,
)
from duetto.codecs.msgpack.scalars import SCALARS
from duetto.codecs.msgpack.shape import (
    BEYOND_INT64,
    ENCODE,
    EXPECTED,
    NOT_NATIVE,
    UINT64,
    Misfit,
    Room,
    Shape,
    entered,
    kind_of,
    uniform,
)

TUPLE, SET, FROZENSET, PAIRS, SCALAR, CLASS, ERROR = range(1, 8)
"""The codes of the extensions; each holds msgpack again. They are in stored values: only add."""

PLAIN = (type(None), bool, int, float, str, bytes)

NAMED_SCALARS = {
    kind.__name__.lower(): shape for kind, shape in SCALARS.items() if kind not in PLAIN
}

NATIVE_KEYS = PLAIN_KEYS - {float}
"""Keys that need no look at their value."""

NATIVE_LEVELS_MAX = 8
"""Levels of lists and dicts that are proved plain at once; deeper ones are packed one by one."""


def dynamic_shape(
    decode: Callable[[Any], Any],
    class_of: Callable[[type[Any]], tuple[str, Shape]],
    decode_class: Callable[[Any], Any],
    pack_error: Callable[[BaseException], Any],
    unpack_error: Callable[[Any], BaseException],
) -> tuple[Shape, Callable[[int, memoryview], Any]]:
    """Return the shape, and the hook that its extensions are decoded by.

    `decode` reads msgpack with that same hook, so what it gives needs no unpacking.
    `class_of` returns the name and shape of a class, or raises Misfit; `decode_class` reads a
    name and what the class of that name is stored as.
    """

    def pack(value: Any, room: Room) -> Any:
        packing = packers.get(kind_of(value))
        if packing is not None:
            return packing(value, room)
        if isinstance(value, Exception):
            return Ext(ERROR, ENCODE(pack_error(value)))
        name, shape = class_of(kind_of(value))
        data = _natively(name, shape, value)
        return Ext(CLASS, data or ENCODE((name, shape.pack(value, room))))

    packers = _packers(pack)
    extensions: dict[int, Callable[[Any], Any]] = {
        TUPLE: lambda wire: tuple(_array(wire)),
        SET: lambda wire: hashed(set, _array(wire)),
        FROZENSET: lambda wire: hashed(frozenset, _array(wire)),
        PAIRS: lambda wire: unpack_mapping(_array(wire), _same, _same, "dict"),
        SCALAR: lambda wire: _unpack_named(wire, NAMED_SCALARS.get),
        ERROR: unpack_error,
    }

    def hook(code: int, data: memoryview) -> Any:
        if code == CLASS:
            return decode_class(data)
        if code not in extensions:
            raise Misfit(code, "an extension of Duetto")
        return extensions[code](decode(data))

    plain = _plain_checks()
    shape = Shape("Any", pack, _same, None, ANYTHING, Any, plain)
    return shape, hook


def _natively(name: str, shape: Shape, value: Any) -> bytes:
    """Return a named object as msgspec alone has it, or nothing where that is not proved exact."""
    check = shape.checks.get(kind_of(value))
    if shape.native is NOT_NATIVE or check is None or not check(value):
        return b""
    try:
        data = ENCODE((name, value))
    except (OverflowError, UnicodeEncodeError):
        return b""
    return b"" if UINT64 in data and BEYOND_INT64.search(data) else data


def _same(value: Any) -> Any:
    return value


def _array(wire: Any) -> list[Any]:
    if kind_of(wire) is not list:
        raise Misfit(wire, "an array")
    return cast("list[Any]", wire)


def _unpack_named(wire: Any, find: Callable[[str], Shape | None]) -> Any:
    if kind_of(wire) is not list or len(cast("list[Any]", wire)) != 2:
        raise Misfit(wire, "a name and a value")
    name, value = cast("list[Any]", wire)
    shape = find(name) if kind_of(name) is str else None
    if shape is None:
        raise Misfit(name, "the name of a type")
    return shape.unpack(value)


def _packers(pack: Callable[[Any, Room], Any]) -> dict[type[Any], Callable[[Any, Room], Any]]:
    """Return how the values of each type are packed that need no name."""
    element = Shape(EXPECTED, pack, _same, None, frozenset())

    def pack_all(value: Any, room: Room) -> Any:
        return pack_each(value, pack, entered(value, room, len(value)))

    def pack_dict(value: Any, room: Room) -> Any:
        wire = pack_mapping(value, pack, pack, entered(value, room, len(value)), flat=False)
        return wire if kind_of(wire) is dict else Ext(PAIRS, ENCODE(wire))

    def extended(code: int, inner: Callable[[Any, Room], Any]) -> Callable[[Any, Room], Any]:
        return lambda value, room: Ext(code, ENCODE(inner(value, room)))

    return {
        **{kind: SCALARS[kind].pack for kind in PLAIN},
        **{
            kind: _pack_scalar(kind.__name__.lower(), shape)
            for kind, shape in SCALARS.items()
            if kind not in PLAIN
        },
        list: pack_all,
        dict: pack_dict,
        tuple: extended(TUPLE, pack_all),
        set: extended(SET, set_shape(set, element).pack),
        frozenset: extended(FROZENSET, set_shape(frozenset, element).pack),
    }


def _pack_scalar(name: str, shape: Shape) -> Callable[[Any, Room], Any]:
    return lambda value, room: Ext(SCALAR, ENCODE((name, shape.pack(value, room))))


def _plain_checks() -> dict[type, Callable[[Any], bool] | None]:
    """Return the checks of plain JSON types, down to a depth that no cycle survives."""
    checks: dict[type, Callable[[Any], bool] | None] = {
        kind: SCALARS[kind].checks[kind] for kind in PLAIN
    }
    for _ in range(NATIVE_LEVELS_MAX):
        checks = {**checks, list: uniform(checks), dict: _plain_dict(uniform(checks))}
    return checks


def _plain_dict(check_values: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def check(value: dict[Any, Any]) -> bool:
        return NATIVE_KEYS.issuperset(map(type, value)) and check_values(value.values())

    return check
