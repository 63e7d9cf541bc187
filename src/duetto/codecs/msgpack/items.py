"""What a `for` loop walks, as stored: all at once, but each element decoded by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, cast

import msgspec

from duetto.codec import ITEMS_MAX
from duetto.codecs.msgpack.builder import Shapes
from duetto.codecs.msgpack.plans import (
    UNREADABLE,
    TypedPlan,
    checked_size,
    damaged,
    plan_of,
    refused,
)
from duetto.codecs.msgpack.scalars import SCALARS
from duetto.codecs.msgpack.shape import ENCODE, Misfit, Room, Shape, kind_of
from duetto.errors import LimitExceeded, ValueRefused
from duetto.model.definition import TypeRef

KEPT = frozenset({str, int, float, bool, bytes, type(None)})
"""Elements that are never changed, so that they may be kept decoded."""


class StoredItems:
    """The elements of an iterable, whose bytes are decoded one by one and anew each time."""

    __slots__ = ("_decode", "_parts")

    def __init__(self, parts: list[Any], decode: Callable[[Any], Any]) -> None:
        self._parts, self._decode = parts, decode

    def __len__(self) -> int:
        return len(self._parts)

    def element(self, index: int, /) -> Any:
        return self._decode(self._parts[index])


class KnownItems:
    """Elements that nobody can change: text, a range, or decoded scalars."""

    __slots__ = ("_values", "element")

    def __init__(self, values: Any) -> None:
        self._values = values
        self.element: Callable[[int], Any] = values.__getitem__

    def __len__(self) -> int:
        return len(self._values)


def items_plan(ref: TypeRef, item: Shape, shapes: Shapes) -> TypedPlan:
    """Return the plan of what a `for` loop walks, given the shape of its elements."""
    label = f"items[{item.label}]"
    walked = Shape(label, item.pack, item.unpack, None, frozenset())
    each = plan_of(None, item, shapes)
    split = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode

    def encode(value: Any) -> bytes:
        try:
            return checked_size(_encode(value, item, each.encode), label)
        except Misfit as misfit:
            raise refused(misfit, walked) from None

    def decode(data: bytes) -> Any:
        try:
            return _decoded(data, split, each.decode, item.immutable)
        except UNREADABLE as error:
            raise damaged(error, walked) from error

    return TypedPlan(ref, True, encode, decode)


def _encode(value: Any, item: Shape, encode_item: Callable[[Any], bytes]) -> bytes:
    """Return a range or text as it is, and anything else as an array of what it yields."""
    kind = kind_of(value)
    if kind is range and item.label in ("int", "Any"):
        _checked_count(len(value))
        return ENCODE({"range": SCALARS[range].pack(value, Room())})
    if kind is str and item.label in ("str", "Any"):
        _checked_count(len(value))
        return ENCODE({"text": SCALARS[str].pack(value, Room())})
    try:
        walk = iter(cast("Iterable[Any]", value))
    except TypeError:
        raise Misfit(
            value, "something to iterate over", "loop over a list, a dict, a range, …"
        ) from None
    parts: list[bytes] = []
    for element in islice(walk, ITEMS_MAX + 1):
        try:
            parts.append(encode_item(element))
        except ValueRefused:
            # Once more, for its place; what is refused once is refused again.
            raise _misfit(element, item).at(f"[{len(parts)}]") from None
    _checked_count(len(parts))
    return array_of(parts)


def _misfit(element: Any, item: Shape) -> Misfit:
    try:
        item.pack(element, Room())
    except Misfit as misfit:
        return misfit
    return Misfit(element, item.label)


def _checked_count(count: int) -> None:
    if count > ITEMS_MAX:
        raise LimitExceeded(
            "A `for` loop has too many items.",
            found=f"more than {ITEMS_MAX:,} items",
            expected=f"at most {ITEMS_MAX:,} items (ITEMS_MAX)",
            do="loop over pages or ranges, and let a task walk each",
        )


def _decoded(
    data: bytes,
    split: Callable[[bytes], list[Any]],
    decode: Callable[[bytes], Any],
    immutable: bool,
) -> StoredItems | KnownItems:
    if data[:1] == b"\x81":
        return KnownItems(_short_form(msgspec.msgpack.decode(data)))
    parts = [bytes(part) for part in split(data)]
    if immutable:
        return KnownItems([decode(part) for part in parts])
    return StoredItems(parts, decode)


def _short_form(wire: dict[Any, Any]) -> Any:
    [(name, value)] = wire.items()
    if name == "range":
        return SCALARS[range].unpack(value)
    if name == "text":
        return SCALARS[str].unpack(value)
    raise Misfit(name, "a range or text")


def array_of(parts: Iterable[bytes]) -> bytes:
    """Return the msgpack array of elements that are encoded already."""
    body = list(parts)
    count = len(body)
    if count < 16:
        head = bytes((0x90 | count,))
    elif count < 2**16:
        head = b"\xdc" + count.to_bytes(2, "big")
    else:
        head = b"\xdd" + count.to_bytes(4, "big")
    return head + b"".join(body)


def extension_of(code: int, data: bytes) -> bytes:
    """Return the msgpack extension around bytes, in the form that msgspec gives it."""
    size = len(data)
    if size in (1, 2, 4, 8, 16):
        head = bytes((0xD4 + size.bit_length() - 1, code))
    elif size < 2**8:
        head = bytes((0xC7, size, code))
    elif size < 2**16:
        head = b"\xc8" + size.to_bytes(2, "big") + bytes((code,))
    else:
        head = b"\xc9" + size.to_bytes(4, "big") + bytes((code,))
    return head + data
