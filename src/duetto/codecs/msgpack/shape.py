"""What the codec knows of one type: how to store its values, and when msgspec alone may do it.

There are two ways that give the same bytes. The complete one, `pack` and `unpack`, walks a value
in Python, checks every type exactly and names the place of a culprit. The native one leaves all to
msgspec; it is taken where `checks` prove that nothing gets lost by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from duetto.codec import NESTING_MAX, VALUE_BYTES_MAX
from duetto.errors import LimitExceeded

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
"""What every store and language keeps as it is."""

TEXT_SHOWN_MAX = 40
"""Characters of a culprit's repr in an error of one line."""

EXPECTED = "dataclass, msgspec, attrs, pydantic or plain JSON types"

Check = Callable[[Any], bool]
Pack = Callable[[Any, "Room"], Any]
Unpack = Callable[[Any], Any]


class _NotNative:
    """The mark of a type that msgspec alone does not store exactly."""


NOT_NATIVE: Any = _NotNative()

kind_of: Callable[[Any], Any] = type
"""The exact type of a value. Unlike `type`, it makes no type checker guess at what is inside."""

ARRAYS: Any = (list, tuple)
"""What an array decodes to: tuples where it is the key of a map."""

ENCODE = msgspec.msgpack.Encoder().encode

UINT64 = 0xCF
"""What an integer above 32 bits begins with."""

BEYOND_INT64 = re.compile(rb"\xcf[\x80-\xff]")
"""What may be an integer above 63 bits; it may be text or a number, so it is only a suspicion."""


class Misfit(Exception):
    """A value that does not fit its type, with the place where it was found, innermost last."""

    def __init__(self, value: Any, expected: str, do: str = "") -> None:
        super().__init__()
        self.value, self.expected, self.do = value, expected, do
        self.steps: list[str] = []

    def at(self, step: str) -> Misfit:
        """Say one more step of the place, from the inside outwards."""
        self.steps.append(step)
        return self

    @property
    def place(self) -> str:
        return "".join(reversed(self.steps))

    @property
    def found(self) -> str:
        return named(self.value)


@dataclass(slots=True)
class Shape:
    """How the values of one type are stored.

    `types` are the exact types of its values, or None for any. `wires` are the kinds of msgpack it
    is stored as. `checks` has, by the exact type of a value, what proves that msgspec stores it
    exactly (None: nothing to prove). `flat` says that what is packed can be the key of a dict.
    """

    label: str
    pack: Pack
    unpack: Unpack
    types: frozenset[type] | None
    wires: frozenset[str]
    native: Any = NOT_NATIVE
    checks: Mapping[type, Check | None] = field(default_factory=dict[type, "Check | None"])
    immutable: bool = False
    flat: bool = False
    tag: tuple[str, str | int] | None = None
    """The field and value by which msgspec tells a struct from others in a union."""


def named(value: Any) -> str:
    """Return what a value is, short: scalars with their value, others by their type."""
    kind = kind_of(value)
    if value is None or kind is bool:
        return repr(value)
    if kind in (str, int, float, bytes) or isinstance(value, BaseException):
        return f"{kind.__name__} {shortened(value)}"
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def shortened(value: Any) -> str:
    """Return the repr of a value, cut where it is long."""
    try:
        text = repr(value)
    # A repr is anybody's code, and this is on the way to an error about the same value.
    except Exception:
        return "?"
    return text if len(text) <= TEXT_SHOWN_MAX else f"{text[:TEXT_SHOWN_MAX]}…"


WIRES: dict[type, str] = {
    type(None): "nil",
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    bytes: "bytes",
    list: "array",
    tuple: "array",
    dict: "map",
}
"""The kinds of msgpack, by what they decode to; a timestamp and other things are `ext`."""


class Room:
    """What is left while one value is packed: levels from here on, and parts over all."""

    __slots__ = ("levels", "parts")

    def __init__(self, levels: int = NESTING_MAX, parts: list[int] | None = None) -> None:
        self.levels = levels
        self.parts = [VALUE_BYTES_MAX] if parts is None else parts


def entered(value: Any, room: Room, size: int = 1) -> Room:
    """Return the room inside a container of so many parts, if there is any.

    Each part takes a byte at least. They are counted on the way, since a value that holds one
    part twice at every level is small until it is written out.
    """
    parts = room.parts
    parts[0] -= size
    if parts[0] < 0:
        raise too_big(f"more than {VALUE_BYTES_MAX:,} parts of {named(value)}")
    if room.levels <= 0:
        raise Misfit(
            value,
            f"at most {NESTING_MAX} levels, and no cycle",
            "refer to other values by their ids, or flatten the value",
        )
    return Room(room.levels - 1, parts)


def too_big(found: str) -> LimitExceeded:
    """Return the error for a value above the limit."""
    return LimitExceeded(
        "A value is too big to be stored.",
        found=found,
        expected=f"at most {VALUE_BYTES_MAX:,} bytes (VALUE_BYTES_MAX)",
        do="keep it in a file or database of yours, and pass its name",
    )


def uniform(checks: Mapping[type, Check | None]) -> Callable[[Collection[Any]], bool]:
    """Return the check for all of several values of one type, with as little Python as possible."""
    if not any(checks.values()):
        allowed = frozenset(checks)
        return lambda values: allowed.issuperset(map(type, values))
    if len(checks) == 1:
        [(only, check)] = checks.items()
        return lambda values: _all_are(only, values) and all(map(check or bool, values))

    def check_all(values: Iterable[Any]) -> bool:
        for value in values:
            check = checks.get(kind_of(value), _never)
            if check is not None and not check(value):
                return False
        return True

    return check_all


def _all_are(kind: type, values: Iterable[Any]) -> bool:
    return all(kind_of(value) is kind for value in values)


def _never(_: Any) -> bool:
    return False
