"""The shapes of lists, tuples, sets, dicts, typed dicts and named tuples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from duetto.codecs.msgpack.shape import (
    ARRAYS,
    ENCODE,
    NOT_NATIVE,
    Check,
    Misfit,
    Pack,
    Room,
    Shape,
    Unpack,
    entered,
    kind_of,
    uniform,
)


def native_of(shapes: Iterable[Shape], build: Callable[[list[Any]], Any]) -> Any:
    """Return the native type of a container, if all of its parts have one."""
    natives = [shape.native for shape in shapes]
    return NOT_NATIVE if NOT_NATIVE in natives else build(natives)


def pack_each(values: Iterable[Any], pack: Pack, room: Room) -> list[Any]:
    """Pack every element. Elements and their index are looked at again only for an error."""
    packed: list[Any] = []
    try:
        for value in values:
            packed.append(pack(value, room))  # noqa: PERF401 its length says where it failed
    except Misfit as misfit:
        raise misfit.at(f"[{len(packed)}]") from None
    return packed


def unpack_each(wire: Any, unpack: Unpack, expected: str) -> list[Any]:
    """Unpack every element."""
    if kind_of(wire) is not list and kind_of(wire) is not tuple:
        raise Misfit(wire, expected)
    found: list[Any] = []
    try:
        for part in wire:
            found.append(unpack(part))  # noqa: PERF401 its length says where it failed
    except Misfit as misfit:
        raise misfit.at(f"[{len(found)}]") from None
    return found


def list_shape(item: Shape) -> Shape:
    """Return the shape of `list[item]`."""
    label = f"list[{item.label}]"

    def pack(value: Any, room: Room) -> Any:
        if kind_of(value) is not list:
            raise Misfit(value, label, "convert it with `list(…)`")
        return pack_each(value, item.pack, entered(value, room, len(value)))

    return Shape(
        label,
        pack,
        lambda wire: unpack_each(wire, item.unpack, label),
        frozenset({list}),
        frozenset({"array"}),
        native_of([item], lambda natives: list[natives[0]]),
        {list: uniform(item.checks)},
    )


def tuple_shape(item: Shape) -> Shape:
    """Return the shape of `tuple[item, ...]`. Packed as a tuple, since it may be a key."""
    label = f"tuple[{item.label}, ...]"

    def pack(value: Any, room: Room) -> Any:
        if kind_of(value) is not tuple:
            raise Misfit(value, label, "convert it with `tuple(…)`")
        return tuple(pack_each(value, item.pack, entered(value, room, len(value))))

    return Shape(
        label,
        pack,
        lambda wire: tuple(unpack_each(wire, item.unpack, label)),
        frozenset({tuple}),
        frozenset({"array"}),
        native_of([item], lambda natives: tuple[natives[0], ...]),
        {tuple: uniform(item.checks)},
        item.immutable,
        item.flat,
    )


def fixed_shape(
    kind: type[Any], label: str, items: tuple[Shape, ...], steps: tuple[str, ...]
) -> Shape:
    """Return the shape of `tuple[a, b]`, or of a class of named tuples."""
    count = len(items)
    make: Callable[[list[Any]], Any] = getattr(kind, "_make", kind)

    def pack(value: Any, room: Room) -> Any:
        if kind_of(value) is not kind or len(value) != count:
            raise Misfit(value, label)
        return tuple(_pack_parts(value, items, steps, entered(value, room, count)))

    def unpack(wire: Any) -> Any:
        if kind_of(wire) not in ARRAYS or len(wire) != count:
            raise Misfit(wire, label)
        return make(_unpack_parts(wire, items, steps))

    def check(value: Any) -> bool:
        return len(value) == count and fits(tables, value)

    native = native_of(items, lambda natives: tuple.__class_getitem__(tuple(natives)))
    tables = [shape.checks for shape in items]
    return Shape(
        label,
        pack,
        unpack,
        frozenset({kind}),
        frozenset({"array"}),
        native if kind is tuple or native is NOT_NATIVE else kind,
        {kind: check},
        all(shape.immutable for shape in items),
        all(shape.flat for shape in items),
    )


def _pack_parts(
    values: Iterable[Any], items: tuple[Shape, ...], steps: tuple[str, ...], room: Room
) -> list[Any]:
    packed: list[Any] = []
    try:
        for value, item in zip(values, items, strict=True):
            packed.append(item.pack(value, room))
    except Misfit as misfit:
        raise misfit.at(steps[len(packed)]) from None
    return packed


def _unpack_parts(wire: Any, items: tuple[Shape, ...], steps: tuple[str, ...]) -> list[Any]:
    found: list[Any] = []
    try:
        for part, item in zip(wire, items, strict=True):
            found.append(item.unpack(part))
    except Misfit as misfit:
        raise misfit.at(steps[len(found)]) from None
    return found


def fits(tables: Iterable[Mapping[type, Check | None]], values: Iterable[Any]) -> bool:
    """Return whether each value passes the check of its place."""
    for checks, value in zip(tables, values, strict=True):
        kind = kind_of(value)
        if kind not in checks:
            return False
        check = checks[kind]
        if check is not None and not check(value):
            return False
    return True


GENERIC_SETS: dict[Any, Any] = {set: set, frozenset: frozenset}


def set_shape(kind: type[Any], item: Shape) -> Shape:
    """Return the shape of `set[item]` or `frozenset[item]`.

    Sets are sorted by their packed elements, since their order differs between processes, and
    equal inputs must have equal digests; so msgspec alone decodes but never encodes them.
    """
    label = f"{kind.__name__}[{item.label}]"

    def pack(value: Any, room: Room) -> Any:
        if kind_of(value) is not kind:
            raise Misfit(value, label)
        inside = entered(value, room, len(value))
        return sorted_wires([_in_set(element, item.pack, inside) for element in value])

    def unpack(wire: Any) -> Any:
        return hashed(kind, unpack_each(wire, item.unpack, label))

    return Shape(
        label,
        pack,
        unpack,
        frozenset({kind}),
        frozenset({"array"}),
        native_of([item], lambda natives: GENERIC_SETS[kind][natives[0]]),
        {kind: lambda value: not value},
        kind is frozenset and item.immutable,
        item.flat,
    )


def hashed(kind: Callable[[list[Any]], Any], elements: list[Any]) -> Any:
    """Return a set or dict of what is hashable, or say so."""
    try:
        return kind(elements)
    except TypeError:
        raise Misfit(elements, "elements and keys that can be hashed") from None


def sorted_wires(wires: list[Any]) -> Any:
    """Return packed elements in the order of their bytes, as what may be a key."""
    return tuple(sorted(wires, key=ENCODE))


def _in_set(element: Any, pack: Pack, room: Room) -> Any:
    try:
        return pack(element, room)
    except Misfit as misfit:
        raise misfit.at("{…}") from None


PLAIN_KEYS = frozenset({str, int, float, bool, bytes, type(None)})
"""What msgpack has as the key of a map in any case."""


ANYTHING = frozenset({"any"})
"""What a value of unknown type is stored as; where it is a key, checks look at its own type."""


def dict_shape(key: Shape, value: Shape) -> Shape:
    """Return the shape of `dict[key, value]`: a map, or pairs where a packed key is none."""
    label = f"dict[{key.label}, {value.label}]"
    native = native_of([key, value], lambda natives: dict[natives[0], natives[1]])
    if not key.flat and key.wires != ANYTHING:
        native = NOT_NATIVE
    check_keys, check_values = uniform(key.checks), uniform(value.checks)

    def pack(mapping: Any, room: Room) -> Any:
        if kind_of(mapping) is not dict:
            raise Misfit(mapping, label, "convert it with `dict(…)`")
        inside = entered(mapping, room, len(mapping))
        return pack_mapping(mapping, key.pack, value.pack, inside, flat=key.flat)

    return Shape(
        label,
        pack,
        lambda wire: unpack_mapping(wire, key.unpack, value.unpack, label),
        frozenset({dict}),
        frozenset({"map"} if key.flat else {"map", "array"}),
        native,
        {dict: lambda mapping: check_keys(mapping) and check_values(mapping.values())},
    )


def pack_mapping(
    mapping: dict[Any, Any], pack_key: Pack, pack_value: Pack, room: Room, *, flat: bool
) -> Any:
    """Return a packed dict, as a dict where all of its packed keys may be keys."""
    pairs = [
        (_pack_key(k, pack_key, room), _pack_at(k, v, pack_value, room)) for k, v in mapping.items()
    ]
    if flat or all(kind_of(wire) in PLAIN_KEYS for wire, _ in pairs):
        return dict(pairs)
    return pairs


def _pack_key(key: Any, pack: Pack, room: Room) -> Any:
    try:
        return pack(key, room)
    except Misfit as misfit:
        raise misfit.at("{key}") from None


def _pack_at(key: Any, value: Any, pack: Pack, room: Room) -> Any:
    try:
        return pack(value, room)
    except Misfit as misfit:
        raise misfit.at(step_of(key)) from None


def step_of(key: Any) -> str:
    """Return the step of a place that leads to the value of a key."""
    if kind_of(key) is str and key.isidentifier():
        return f".{key}"
    return f"[{key!r}]" if kind_of(key) in PLAIN_KEYS else "[…]"


def unpack_mapping(wire: Any, unpack_key: Unpack, unpack_value: Unpack, label: str) -> Any:
    """Return a dict from a map, or from pairs."""
    if kind_of(wire) is dict:
        pairs: Any = wire.items()
    elif kind_of(wire) in ARRAYS and all(_is_pair(pair) for pair in wire):
        pairs = wire
    else:
        raise Misfit(wire, label)
    return hashed(dict, [(unpack_key(key), unpack_value(value)) for key, value in pairs])


def _is_pair(wire: Any) -> bool:
    return kind_of(wire) in ARRAYS and len(wire) == 2


def typed_dict_shape(kind: Any, items: dict[str, Shape], required: frozenset[str]) -> Shape:
    """Return the shape of a TypedDict: its keys and no others."""
    label: str = kind.__name__

    def pack(value: Any, room: Room) -> Any:
        if kind_of(value) is not dict:
            raise Misfit(value, label)
        if strange := [key for key in value if kind_of(key) is not str or key not in items]:
            raise Misfit(strange[0], f"a key of {label}", f"declare it in {label}")
        if missing := required - value.keys():
            raise Misfit(value, f"a value for the key {min(missing)!r} of {label}")
        inside = entered(value, room)
        return {key: _pack_at(key, each, items[key].pack, inside) for key, each in value.items()}

    def unpack(wire: Any) -> Any:
        if kind_of(wire) is not dict or not required <= wire.keys():
            raise Misfit(wire, label)
        # A key that was dropped from the class since is left out, as for other classes.
        return {key: items[key].unpack(each) for key, each in wire.items() if key in items}

    def check(value: Any) -> bool:
        if not required <= value.keys() <= items.keys():
            return False
        return fits([items[key].checks for key in value], value.values())

    return Shape(
        label,
        pack,
        unpack,
        frozenset({dict}),
        frozenset({"map"}),
        native_of(items.values(), lambda _: kind),
        {dict: check},
    )
