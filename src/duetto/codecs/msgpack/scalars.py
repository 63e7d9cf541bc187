"""The shapes of values without parts: numbers, text, bytes, instants, enums, literals."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from duetto.codecs.msgpack.shape import (
    ARRAYS,
    INT_MAX,
    INT_MIN,
    NOT_NATIVE,
    Check,
    Misfit,
    Room,
    Shape,
    kind_of,
    shortened,
)

NONE_TYPE = type(None)

ROOM = Room()
"""What scalars do not look at."""


def _exactly(kind: type, expected: str, value: Any) -> Any:
    if kind_of(value) is not kind:
        raise Misfit(value, expected, _advice(kind, value))
    return value


def _advice(kind: type, value: Any) -> str:
    if isinstance(value, kind) and kind is not int:
        return f"convert it with `{kind.__name__}(…)`"
    if kind is float and kind_of(value) is int:
        return f"write {value}.0, or convert it with `float(…)`"
    return ""


def _none(value: Any, _: Room = ROOM) -> Any:
    return _exactly(NONE_TYPE, "None", value)


def _bool(value: Any, _: Room = ROOM) -> Any:
    return _exactly(bool, "bool", value)


def pack_text(value: Any, _: Room = ROOM) -> Any:
    """Check text: exact, and without half of a surrogate pair."""
    _exactly(str, "str", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Misfit(
            value,
            "text that UTF-8 can hold, so no lone surrogates",
            "decode it with errors='replace', or keep it as bytes",
        ) from None
    return value


def pack_int(value: Any, _: Room = ROOM) -> Any:
    """Check an integer: exact, and of 64 bits."""
    _exactly(int, "int", value)
    if not INT_MIN <= value <= INT_MAX:
        raise Misfit(value, "an integer of 64 bits with sign", "keep it as text or as Decimal")
    return value


def pack_float(value: Any, _: Room = ROOM) -> Any:
    """Check a float: exact and finite."""
    _exactly(float, "float", value)
    if not math.isfinite(value):
        raise Misfit(value, "a finite float", "use None where there is no number")
    return value


def _unpack_float(wire: Any) -> float:
    return float(wire) if kind_of(wire) is int else pack_float(wire)


def _bytes(value: Any, _: Room = ROOM) -> Any:
    return _exactly(bytes, "bytes", value)


def _pack_bytearray(value: Any, _: Room) -> bytes:
    return bytes(_exactly(bytearray, "bytearray", value))


def _unpack_bytearray(wire: Any) -> bytearray:
    return bytearray(_bytes(wire))


def _pack_complex(value: Any, _: Room) -> Any:
    _exactly(complex, "complex", value)
    return pack_float(value.real), pack_float(value.imag)


def _unpack_complex(wire: Any) -> complex:
    real, imaginary = _parts(wire, 2, "complex")
    return complex(_unpack_float(real), _unpack_float(imaginary))


def _parts(wire: Any, count: int, expected: str) -> Any:
    if kind_of(wire) not in ARRAYS or len(wire) != count:
        raise Misfit(wire, expected)
    return wire


def _pack_range(value: Any, _: Room) -> Any:
    _exactly(range, "range", value)
    return pack_int(value.start), pack_int(value.stop), pack_int(value.step)


def _unpack_range(wire: Any) -> range:
    start, stop, step = _parts(wire, 3, "range")
    try:
        return range(pack_int(start), pack_int(stop), pack_int(step))
    except ValueError:
        raise Misfit(wire, "range") from None


def _pack_fraction(value: Any, _: Room) -> str:
    _exactly(Fraction, "Fraction", value)
    try:
        return f"{value.numerator}/{value.denominator}"
    except ValueError:  # Python writes no integer of more than 4,300 digits
        raise Misfit(value, "a Fraction of at most 4,300 digits") from None


def _unpack_fraction(wire: Any) -> Fraction:
    # Fraction itself would work out any exponent that the text has.
    numerator, _, denominator = _exactly(str, "Fraction", wire).partition("/")
    try:
        return Fraction(int(numerator), int(denominator))
    except (ValueError, ZeroDivisionError):
        raise Misfit(wire, "Fraction") from None


def _pack_decimal(value: Any, _: Room) -> Any:
    _exactly(Decimal, "Decimal", value)
    if not value.is_finite():
        raise Misfit(value, "a finite Decimal", "use None where there is no number")
    return value


def _unpack_decimal(wire: Any) -> Decimal:
    try:
        found = Decimal(_exactly(str, "Decimal", wire))
    except InvalidOperation:
        raise Misfit(wire, "Decimal") from None
    return _pack_decimal(found, ROOM)


def _is_plain_zone(value: Any) -> bool:
    return (value.tzinfo is None or value.tzinfo is UTC) and not value.fold


def _is_nameless(zone: timezone) -> bool:
    return str(zone) == str(timezone(zone.utcoffset(None)))


def _instant(kind: type[datetime] | type[time]) -> Shape:
    """Return the shape of a datetime or time: msgspec's own text, or `text[zone;fold=1]`."""

    def pack(value: Any, _: Room) -> Any:
        _exactly(kind, kind.__name__, value)
        if _is_plain_zone(value):
            return value
        zone = value.tzinfo
        fold = ";fold=1" if value.fold else ""
        if kind_of(zone) is timezone and _is_nameless(zone):
            return value.isoformat() + (f"[{fold}]" if fold else "")
        if zone is not None and not (kind_of(zone) is ZoneInfo and zone.key):
            raise Misfit(
                zone,
                "UTC, an offset without a name, or a zoneinfo.ZoneInfo",
                "convert it with `.astimezone(UTC)`",
            )
        name = zone.key if zone else ""
        return f"{value.replace(tzinfo=None).isoformat()}[{name}{fold}]"

    def unpack(wire: Any) -> Any:
        if kind_of(wire) is str and wire.endswith("]"):
            return _zoned(kind, wire)
        return _converted(kind, wire)

    wires = {"str", "ext"} if kind is datetime else {"str"}
    return Shape(
        kind.__name__,
        pack,
        unpack,
        frozenset({kind}),
        frozenset(wires),
        kind,
        {kind: _is_plain_zone},
        immutable=True,
        flat=True,
    )


def _zoned(kind: type[datetime] | type[time], wire: str) -> Any:
    text, _, zone = wire[:-1].partition("[")
    name, _, fold = zone.partition(";")
    try:
        local = kind.fromisoformat(text)
        zoned = local.replace(tzinfo=ZoneInfo(name)) if name else local
        return zoned.replace(fold=1 if fold else 0)
    except (ValueError, ZoneInfoNotFoundError, OSError):
        raise Misfit(wire, kind.__name__) from None


def _converted(kind: Any, wire: Any) -> Any:
    if kind_of(wire) is kind:
        return wire
    if kind_of(wire) is not str:
        raise Misfit(wire, kind.__name__)
    try:
        return msgspec.convert(wire, kind)
    except msgspec.ValidationError:
        pass
    try:
        return kind.fromisoformat(wire)  # an offset with seconds, which msgspec does not read
    except (ValueError, AttributeError):
        raise Misfit(wire, kind.__name__) from None


def _textual(kind: type, check: Check | None = None) -> Shape:
    """Return the shape of a type that msgspec stores as text by itself."""
    return Shape(
        kind.__name__,
        lambda value, _: _exactly(kind, kind.__name__, value),
        lambda wire: _converted(kind, wire),
        frozenset({kind}),
        frozenset({"str"}),
        kind,
        {kind: check},
        immutable=True,
        flat=True,
    )


def _scalar(
    kind: type,
    pack: Callable[[Any, Room], Any],
    unpack: Callable[[Any], Any],
    wire: str,
    *,
    native: bool = True,
    check: Check | None = None,
    immutable: bool = True,
) -> Shape:
    return Shape(
        "None" if kind is NONE_TYPE else kind.__name__,
        pack,
        unpack,
        frozenset({kind}),
        frozenset({wire}),
        kind if native else NOT_NATIVE,
        {kind: check} if native else {},
        immutable,
        flat=True,
    )


SCALARS: dict[Any, Shape] = {
    NONE_TYPE: _scalar(NONE_TYPE, _none, _none, "nil"),
    bool: _scalar(bool, _bool, _bool, "bool"),
    int: _scalar(int, pack_int, pack_int, "int"),
    float: _scalar(float, pack_float, _unpack_float, "float", check=math.isfinite),
    str: _scalar(str, pack_text, pack_text, "str"),
    bytes: _scalar(bytes, _bytes, _bytes, "bytes"),
    bytearray: _scalar(bytearray, _pack_bytearray, _unpack_bytearray, "bytes", immutable=False),
    complex: _scalar(complex, _pack_complex, _unpack_complex, "array", native=False),
    range: _scalar(range, _pack_range, _unpack_range, "array", native=False),
    Fraction: _scalar(Fraction, _pack_fraction, _unpack_fraction, "str", native=False),
    Decimal: _scalar(Decimal, _pack_decimal, _unpack_decimal, "str", check=Decimal.is_finite),
    datetime: _instant(datetime),
    time: _instant(time),
    date: _textual(date),
    timedelta: _textual(timedelta),
    UUID: _textual(UUID),
}
"""The shapes that depend on nothing else. Integers of more than 64 bits are found in the bytes."""


def enum_shape(kind: type[enum.Enum]) -> Shape:
    """Return the shape of an enum: by value where all are text or all integers, else by name."""
    if issubclass(kind, enum.Flag):
        return _flag_shape(kind)
    members = list(kind)
    by_value = any({kind_of(member.value) for member in members} == {one} for one in (str, int))
    by_value = by_value and all(kind_of(m.value) is str or _is_64_bit(m.value) for m in members)
    wire_of: dict[Any, Any] = {m: m.value if by_value else m.name for m in members}
    member_of = {wire: member for member, wire in wire_of.items()}

    def pack(value: Any, _: Room) -> Any:
        _exactly(kind, kind.__name__, value)
        if value not in wire_of:
            raise Misfit(value, f"a member of {kind.__name__}")
        return wire_of[value]

    def unpack(wire: Any) -> Any:
        if kind_of(wire) not in (str, int) or wire not in member_of:
            raise Misfit(wire, f"a member of {kind.__name__}")
        return member_of[wire]

    return Shape(
        kind.__name__,
        pack,
        unpack,
        frozenset({kind}),
        frozenset({"int" if by_value and kind_of(members[0].value) is int else "str"}),
        kind if by_value else NOT_NATIVE,
        {kind: wire_of.__contains__} if by_value else {},
        immutable=True,
        flat=True,
    )


def _is_64_bit(value: Any) -> bool:
    return kind_of(value) is int and INT_MIN <= value <= INT_MAX


def _flag_shape(kind: type[enum.Flag]) -> Shape:
    def pack(value: Any, _: Room) -> Any:
        return pack_int(_exactly(kind, kind.__name__, value).value)

    def unpack(wire: Any) -> Any:
        try:
            return kind(pack_int(wire))
        except ValueError:
            raise Misfit(wire, f"flags of {kind.__name__}") from None

    return Shape(
        kind.__name__,
        pack,
        unpack,
        frozenset({kind}),
        frozenset({"int"}),
        immutable=True,
        flat=True,
    )


def literal_shape(values: tuple[Any, ...]) -> Shape:
    """Return the shape of `Literal[…]`: its values, of exactly their types."""
    by_type: dict[type, dict[Any, Any]] = {}
    for value in values:
        is_member = isinstance(value, enum.Enum)
        wire = f"{kind_of(value).__qualname__}.{value.name}" if is_member else value
        by_type.setdefault(kind_of(value), {})[value] = wire
    wires: dict[Any, Any] = {
        (kind_of(wire), wire): value for group in by_type.values() for value, wire in group.items()
    }
    label = f"Literal[{', '.join(shortened(value) for value in values)}]"
    native = all(kind in (str, int, NONE_TYPE) for kind in by_type)
    native = native and all(kind_of(v) is not int or _is_64_bit(v) for v in values)

    def pack(value: Any, _: Room) -> Any:
        group = by_type.get(kind_of(value))
        if group is None or value not in group:
            raise Misfit(value, label)
        return group[value]

    def unpack(wire: Any) -> Any:
        key: tuple[Any, Any] = (kind_of(wire), wire)
        if kind_of(wire) not in (str, int, bool, bytes, NONE_TYPE) or key not in wires:
            raise Misfit(wire, label)
        return wires[key]

    kinds = {"nil" if kind is NONE_TYPE else kind.__name__ for kind, _ in wires}
    return Shape(
        label,
        pack,
        unpack,
        frozenset(by_type),
        frozenset(kinds),
        Literal[values] if native else NOT_NATIVE,
        {kind: group.__contains__ for kind, group in by_type.items()} if native else {},
        immutable=True,
        flat=True,
    )
