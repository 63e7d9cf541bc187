"""Plans: the hot path by msgspec alone, and the complete way wherever that is not proved exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from duetto.codec import VALUE_BYTES_MAX
from duetto.codecs.msgpack.builder import Shapes
from duetto.codecs.msgpack.shape import (
    BEYOND_INT64,
    ENCODE,
    NOT_NATIVE,
    UINT64,
    Check,
    Misfit,
    Room,
    Shape,
    kind_of,
    too_big,
)
from duetto.errors import DuettoError, StoreDamaged, ValueRefused
from duetto.model.definition import TypeRef

ESCAPES = (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError)
"""What msgspec and checks raise over a value that the complete way then refuses by its place."""

UNREADABLE = (
    msgspec.MsgspecError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    Misfit,
    RecursionError,
    TypeError,
    ValueError,
)
"""What decoding raises over bytes that nobody encoded."""


@dataclass(frozen=True, slots=True)
class TypedPlan:
    """How values of one type are stored."""

    ref: TypeRef | None
    immutable: bool
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def plan_of(ref: TypeRef | None, shape: Shape, shapes: Shapes) -> TypedPlan:
    """Return the plan of a shape."""
    encode, decode = packing(shape), unpacking(shape, shapes)
    if shape.native is not NOT_NATIVE:
        encode = _native_encode(shape, encode)
        decode = _native_decode(shape, shapes, decode)
    return TypedPlan(ref, shape.immutable, encode, decode)


def checked_size(data: bytes, label: str) -> bytes:
    """Return the bytes of a value, unless they are too many."""
    if len(data) > VALUE_BYTES_MAX:
        raise too_big(f"{len(data):,} bytes of {label}")
    return data


def packing(shape: Shape) -> Callable[[Any], bytes]:
    """Return the complete way to encode."""

    def encode(value: Any) -> bytes:
        try:
            data = ENCODE(shape.pack(value, Room()))
        except Misfit as misfit:
            raise refused(misfit, shape) from None
        return checked_size(data, shape.label)

    return encode


def refused(misfit: Misfit, shape: Shape) -> ValueRefused:
    """Return the error for a value that does not come back as it is."""
    root = shape.label.partition("[")[0] if "|" not in shape.label else "value"
    root = "value" if root in ("Any", "") else root
    return ValueRefused(
        f"A value of {shape.label} cannot be stored: it would not come back as it is.",
        found=f"{misfit.found} at {root}{misfit.place}",
        expected=misfit.expected,
        do=misfit.do or "convert it before it is passed on, or change its annotation",
    )


def unpacking(shape: Shape, shapes: Shapes) -> Callable[[bytes], Any]:
    """Return the complete way to decode."""

    def decode(data: bytes) -> Any:
        try:
            return shape.unpack(shapes.decode(data))
        except DuettoError:
            raise
        except UNREADABLE as error:
            raise damaged(error, shape) from error

    return decode


def damaged(error: BaseException, shape: Shape) -> StoreDamaged:
    """Return the error for bytes that do not fit their type."""
    what = f"{error.found} at value{error.place}" if isinstance(error, Misfit) else str(error)
    expected = error.expected if isinstance(error, Misfit) else shape.label
    return StoreDamaged(
        f"Stored bytes do not fit {shape.label}.",
        found=what or kind_of(error).__name__,
        expected=expected,
        do="if the class has changed, give new fields a default and keep the types of the old ones",
    )


def _native_encode(shape: Shape, slow: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    encode_native = msgspec.msgpack.Encoder().encode
    if len(shape.checks) == 1:
        return _one_type_encode(*next(iter(shape.checks.items())), slow)
    checks = dict(shape.checks)

    def encode(value: Any) -> bytes:
        try:
            check = checks[kind_of(value)]
            if check is None or check(value):
                data = encode_native(value)
                if len(data) <= VALUE_BYTES_MAX and (
                    UINT64 not in data or BEYOND_INT64.search(data) is None
                ):
                    return data
        except ESCAPES:
            pass
        return slow(value)

    return encode


def _one_type_encode(
    only: type, check: Check | None, slow: Callable[[Any], bytes]
) -> Callable[[Any], bytes]:
    """Return the same for the values of a single type, which most plans have."""
    encode_native = msgspec.msgpack.Encoder().encode

    def encode(value: Any) -> bytes:
        try:
            if kind_of(value) is only and (check is None or check(value)):
                data = encode_native(value)
                if len(data) <= VALUE_BYTES_MAX and (
                    UINT64 not in data or BEYOND_INT64.search(data) is None
                ):
                    return data
        except ESCAPES:
            pass
        return slow(value)

    return encode


def _native_decode(
    shape: Shape, shapes: Shapes, slow: Callable[[bytes], Any]
) -> Callable[[bytes], Any]:
    decode_native = msgspec.msgpack.Decoder(shape.native, ext_hook=shapes.hook).decode

    def decode(data: bytes) -> Any:
        try:
            return decode_native(data)
        except DuettoError:
            raise
        except UNREADABLE:
            return slow(data)

    return decode
