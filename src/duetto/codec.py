"""The contract of a codec: a value comes back equal and of the same types, or is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from duetto.model.definition import TypeRef
from duetto.model.token import Error

VALUE_BYTES_MAX = 2 * 1024 * 1024
"""Bytes of one value: it is copied with its token at every move, and a commit holds many."""

ITEMS_MAX = 1_000_000
"""Items that one `for` loop walks: they are stored before the first turn, so they must end."""

NESTING_MAX = 64
"""Levels of one value: decoding must succeed on any stack, however deep its caller already is."""


class Plan(Protocol):
    """How the values of one type are stored. Plans are built once and used often."""

    @property
    def ref(self) -> TypeRef | None:
        """The type, or None where each value says its own."""
        ...

    @property
    def immutable(self) -> bool:
        """Whether nothing in a value can change, so that a live one may be shared and kept."""
        ...

    @property
    def encode(self) -> Callable[[Any], bytes]:
        """Return the bytes of a value. Raises ValueRefused, or LimitExceeded for a big one."""
        ...

    @property
    def decode(self) -> Callable[[bytes], Any]:
        """Return the value anew. Raises StoreDamaged where the bytes do not fit the type."""
        ...


class Items(Protocol):
    """What a `for` loop walks, as stored: decoding it decodes no element."""

    def __len__(self) -> int: ...

    def element(self, index: int, /) -> Any:
        """Return one element, decoded anew unless it is immutable."""
        ...


class Codec(Protocol):
    """Values to bytes and back."""

    @property
    def dynamic(self) -> Plan:
        """The plan for values of unknown type: each says its own type, or is refused."""
        ...

    def plan(self, ref: TypeRef, /) -> Plan:
        """Return the plan of a type, cached. Raises NotFound where a name is unknown here."""
        ...

    def plan_for(self, annotation: Any, /) -> Plan:
        """Return the plan of a live annotation, cached."""
        ...

    def error(self, error: BaseException, /) -> Error:
        """Return an exception as data."""
        ...

    def exception(self, error: Error, /) -> BaseException:
        """Return the exception again where its class is known here, else a TaskError."""
        ...

    def tuple_of(self, parts: Sequence[bytes], /) -> bytes:
        """Return the bytes of a `tuple[…]` or `list[…]` whose elements are encoded already."""
        ...

    def dynamic_tuple_of(self, parts: Sequence[bytes], /) -> bytes:
        """Return the dynamic bytes of a tuple whose elements are encoded by the dynamic plan."""
        ...

    def dynamic_list_of(self, parts: Sequence[bytes], /) -> bytes:
        """Return the dynamic bytes of a list whose elements are encoded by the dynamic plan."""
        ...
