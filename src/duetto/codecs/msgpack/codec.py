"""The codec: a plan for each type, by its name or its annotation, and exceptions as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from duetto.authoring.symbols import Symbols
from duetto.authoring.types import ANY, AnyItems, annotation_of, describe, stripped
from duetto.codec import Plan
from duetto.codecs.msgpack.builder import Shapes
from duetto.codecs.msgpack.dynamic import TUPLE
from duetto.codecs.msgpack.exceptions import error_of, exception_of, stored_error
from duetto.codecs.msgpack.items import array_of, extension_of, items_plan
from duetto.codecs.msgpack.plans import checked_size, plan_of
from duetto.model.definition import TypeRef
from duetto.model.token import Error


class MsgpackCodec:
    """Values as msgpack; classes are those that the symbols reach."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self._shapes = Shapes(symbols, self.error, lambda wire: self.exception(stored_error(wire)))
        self._plans: dict[TypeRef, Plan] = {}
        self.dynamic: Plan = plan_of(None, self._shapes.dynamic, self._shapes)

    def plan(self, ref: TypeRef, /) -> Plan:
        """Return the plan of a type. Raises NotFound where a name is unknown here."""
        if ref not in self._plans:
            self._plans[ref] = self._planned(ref)
        return self._plans[ref]

    def plan_for(self, annotation: Any, /) -> Plan:
        """Return the plan of a live annotation; its classes need not be reachable by name."""
        ref = describe(annotation)
        if ref not in self._plans:
            self._plans[ref] = self._plan_of(ref, stripped(annotation))
        return self._plans[ref]

    def _planned(self, ref: TypeRef) -> Plan:
        if ref.name == "items":
            item = annotation_of(ref.args[0] if ref.args else ANY, self._symbols.resolve)
            return items_plan(ref, self._shapes.shape(item), self._shapes)
        return self._plan_of(ref, annotation_of(ref, self._symbols.resolve))

    def _plan_of(self, ref: TypeRef, annotation: Any) -> Plan:
        if annotation is AnyItems:
            return items_plan(ref, self._shapes.dynamic, self._shapes)
        return plan_of(ref, self._shapes.shape(annotation), self._shapes)

    def error(self, error: BaseException, /) -> Error:
        """Return an exception as data."""
        return error_of(error, self.dynamic.encode)

    def exception(self, error: Error, /) -> BaseException:
        """Return the exception again where its class is known here, else a TaskError."""
        return exception_of(error, self._symbols, self.dynamic.decode)

    def tuple_of(self, parts: Sequence[bytes], /) -> bytes:
        """Return the bytes of a `tuple[…]` or `list[…]` of encoded elements."""
        return checked_size(array_of(parts), "joined values")

    dynamic_list_of = tuple_of

    def dynamic_tuple_of(self, parts: Sequence[bytes], /) -> bytes:
        """Return the dynamic bytes of a tuple of elements that the dynamic plan encoded."""
        return checked_size(extension_of(TUPLE, array_of(parts)), "joined values")
