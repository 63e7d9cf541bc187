"""From an annotation to its shape: built once, for recursive types too."""

from __future__ import annotations

import collections.abc
import enum
import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec

from duetto.authoring.symbols import Symbols
from duetto.authoring.types import MAPPINGS, SEQUENCES, describe, name_of, stripped
from duetto.codecs.msgpack.classes import class_shape
from duetto.codecs.msgpack.containers import (
    dict_shape,
    fixed_shape,
    list_shape,
    set_shape,
    tuple_shape,
    typed_dict_shape,
)
from duetto.codecs.msgpack.dynamic import dynamic_shape
from duetto.codecs.msgpack.families import Family, family_of
from duetto.codecs.msgpack.scalars import SCALARS, enum_shape, literal_shape
from duetto.codecs.msgpack.shape import EXPECTED, NOT_NATIVE, Misfit, Room, Shape
from duetto.codecs.msgpack.unions import union_shape
from duetto.errors import DefinitionError
from duetto.model.definition import TypeRef

ANNOTATE = "annotate it with its type, and import that at the top of a module of the app"


class Shapes:
    """The shapes of one app's types."""

    def __init__(
        self,
        symbols: Symbols,
        pack_error: Callable[[BaseException], Any],
        unpack_error: Callable[[Any], BaseException],
    ) -> None:
        self._symbols = symbols
        self._built: dict[Any, Shape] = {}
        self._open: dict[Any, Shape] = {}
        self._named: dict[type[Any], tuple[str, Shape]] = {}
        self.dynamic, hook = dynamic_shape(
            lambda data: self.decode(data),
            self._class_of,
            lambda data: self._decode_class(data),
            pack_error,
            unpack_error,
        )
        self.hook = hook
        self._split = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw]).decode
        self._decoders: dict[str, Callable[[Any], Any]] = {}
        self.decode: Callable[[Any], Any] = msgspec.msgpack.Decoder(ext_hook=hook).decode

    def shape(self, annotation: Any) -> Shape:
        """Return the shape of a live annotation."""
        plain = stripped(annotation)
        try:
            hash(plain)
        except TypeError:
            return self._build(plain)
        # Python holds Literal[0] and Literal[False] apart, but not the types of other arguments.
        key = (plain, repr(plain))
        if key not in self._built:
            self._built[key] = self._build(plain)
        return self._built[key]

    def _build(self, annotation: Any) -> Shape:
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if annotation is None:
            return SCALARS[type(None)]
        if annotation in SCALARS:
            return SCALARS[annotation]
        if origin in (typing.Union, types.UnionType):
            return self._union(args)
        if origin is Literal:
            return literal_shape(args)
        kind = origin or annotation
        collection = self._collection(kind, args)
        if collection is not None:
            return collection
        return self._class(annotation, kind, args) if isinstance(kind, type) else self.dynamic

    def _collection(self, kind: Any, args: tuple[Any, ...]) -> Shape | None:
        first, second = (*args, Any, Any)[:2]
        if kind is list or kind is collections.abc.MutableSequence:
            return list_shape(self.shape(first))
        if kind is tuple:
            return self._tuple(args)
        if kind is set or kind is frozenset:
            return set_shape(kind, self.shape(first))
        if kind is dict or kind in MAPPINGS:
            return dict_shape(self.shape(first), self.shape(second))
        if kind in SEQUENCES:
            return self._union((list[first], tuple[first, ...]))
        if kind is collections.abc.Set:
            return self._union((set[first], frozenset[first]))
        return None

    def _tuple(self, args: tuple[Any, ...]) -> Shape:
        if args[1:] == (...,) or not args:
            # A bare `tuple` and `tuple[()]` look alike here; the latter is the narrower.
            return tuple_shape(self.shape((*args, Any)[0]))
        shapes = tuple(map(self.shape, args))
        label = f"tuple[{', '.join(shape.label for shape in shapes)}]"
        return fixed_shape(tuple, label, shapes, tuple(f"[{i}]" for i in range(len(args))))

    def _union(self, args: tuple[Any, ...]) -> Shape:
        members = {spelled(arg): self.shape(arg) for arg in args}
        if any(shape is self.dynamic for shape in members.values()):
            return self.dynamic
        return union_shape(members) if len(members) > 1 else next(iter(members.values()))

    def _class(self, annotation: Any, kind: type[Any], args: tuple[Any, ...]) -> Shape:
        if issubclass(kind, BaseException):
            return self._exception(kind)
        if issubclass(kind, enum.Enum):
            return enum_shape(kind)
        if typing.is_typeddict(kind):
            return self._recursive(annotation, kind, "map", lambda: self._typed_dict(kind, args))
        if _is_named_tuple(kind):
            return self._recursive(annotation, kind, "array", lambda: self._named_tuple(kind, args))
        family = family_of(kind)
        if family is None:
            return self.dynamic
        return self._recursive(
            annotation, kind, "map", lambda: self._fielded(annotation, family, args)
        )

    def _fielded(self, annotation: Any, family: Family, args: tuple[Any, ...]) -> Shape:
        hints = hints_of(family.kind, args, pydantic=family.pydantic)
        annotations = [hints.get(field.name, Any) for field in family.fields]
        shapes = tuple(map(self.shape, annotations))
        if any(map(_is_constrained, annotations)):
            # msgspec would apply the constraints when decoding, though nobody did before.
            family = Family(
                family.kind, family.fields, family.build, family.frozen, False, family.tag
            )
        return class_shape(family, annotation, _label(annotation), shapes, self.dynamic)

    def _typed_dict(self, kind: Any, args: tuple[Any, ...]) -> Shape:
        hints = hints_of(kind, args)
        required = frozenset(kind.__required_keys__)
        return typed_dict_shape(kind, {k: self.shape(v) for k, v in hints.items()}, required)

    def _named_tuple(self, kind: Any, args: tuple[Any, ...]) -> Shape:
        hints = hints_of(kind, args)
        names: tuple[str, ...] = kind._fields
        shapes = tuple(self.shape(hints.get(name, Any)) for name in names)
        return fixed_shape(kind, kind.__name__, shapes, tuple(f".{name}" for name in names))

    def _exception(self, kind: type[BaseException]) -> Shape:
        def pack(value: Any, room: Room) -> Any:
            if not isinstance(value, kind):
                raise Misfit(value, kind.__name__)
            return self.dynamic.pack(value, room)

        def unpack(wire: Any) -> Any:
            if not isinstance(wire, BaseException):
                raise Misfit(wire, kind.__name__)
            return wire

        return Shape(kind.__name__, pack, unpack, None, frozenset({"ext"}))

    def _recursive(
        self, annotation: Any, kind: Any, wire: str, build: Callable[[], Shape]
    ) -> Shape:
        """Build the shape of a class, which may mention itself while it is built."""
        if annotation in self._open:
            return self._open[annotation]
        types_of = {dict} if typing.is_typeddict(kind) else {kind}
        later: list[Shape] = []
        self._open[annotation] = Shape(
            _label(annotation),
            lambda value, room: later[0].pack(value, room),
            lambda stored: later[0].unpack(stored),
            frozenset(types_of),
            frozenset({wire}),
        )
        try:
            later.append(build())
        finally:
            del self._open[annotation]
            if not later:
                # What was built meanwhile may hold the shape that never came to be.
                self._built.clear()
        return later[0]

    def _class_of(self, kind: type[Any]) -> tuple[str, Shape]:
        """Return the name and shape of a value's class. Raises Misfit where it is not known."""
        if kind in self._named:
            return self._named[kind]
        name = name_of(kind)
        known = self._symbols.has(name) and self._symbols.resolve(name) is kind
        shape = self.shape(kind) if known else self.dynamic
        if shape is self.dynamic:
            raise _Unknown(kind)
        self._named[kind] = name, shape
        return name, shape

    def _decode_class(self, data: Any) -> Any:
        """Return an object from its class's name and what it is stored as. Raises NotFound."""
        name, stored = self._split(data)
        if name not in self._decoders:
            self._decoders[name] = self._decoder(self._shape_named(name))
        return self._decoders[name](stored)

    def _decoder(self, shape: Shape) -> Callable[[Any], Any]:
        def complete(stored: Any) -> Any:
            return shape.unpack(self.decode(stored))

        if shape.native is NOT_NATIVE:
            return complete
        natively = msgspec.msgpack.Decoder(shape.native, ext_hook=self.hook).decode

        def decode(stored: Any) -> Any:
            try:
                return natively(stored)
            except msgspec.ValidationError:
                return complete(stored)

        return decode

    def _shape_named(self, name: str) -> Shape:
        """Return the shape of a class by its name. Raises NotFound."""
        kind = self._symbols.resolve(name)
        shape = self.shape(kind) if isinstance(kind, type) else self.dynamic
        if shape is self.dynamic:
            raise Misfit(name, "the name of a class of values")
        return shape


class _Unknown(Misfit):
    """A value of a class that cannot be found by name."""

    def __init__(self, kind: type[Any]) -> None:
        super().__init__(None, EXPECTED, ANNOTATE if family_of(kind) else KEEP_OUT)
        self.kind = kind

    @property
    def found(self) -> str:
        module = self.kind.__module__
        name = self.kind.__qualname__
        return name if module == "builtins" else f"{module}.{name}"


KEEP_OUT = "keep it out of values: make it a resource, or store what it is made from"


def spelled(annotation: Any) -> str:
    """Return the full name of a type, by which a union tells its members apart."""
    try:
        return _spelled(describe(annotation))
    except DefinitionError:
        return repr(annotation)


def _spelled(ref: TypeRef) -> str:
    return f"{ref.name}[{', '.join(map(_spelled, ref.args))}]" if ref.args else ref.name


def _label(annotation: Any) -> str:
    args = typing.get_args(annotation)
    kind = typing.get_origin(annotation) or annotation
    return f"{kind.__name__}[{', '.join(map(_label_of, args))}]" if args else kind.__name__


def _label_of(annotation: Any) -> str:
    return getattr(annotation, "__name__", repr(annotation))


def _is_named_tuple(kind: Any) -> bool:
    return hasattr(kind, "_fields") and issubclass(kind, tuple)


def _is_constrained(annotation: Any) -> bool:
    if typing.get_origin(annotation) is Annotated:
        first, *metadata = typing.get_args(annotation)
        return any(isinstance(one, msgspec.Meta) for one in metadata) or _is_constrained(first)
    return any(map(_is_constrained, typing.get_args(annotation)))


def hints_of(kind: Any, args: tuple[Any, ...] = (), *, pydantic: bool = False) -> dict[str, Any]:
    """Return the annotations of a class and its bases, with type variables replaced."""
    if pydantic:
        return {name: field.annotation for name, field in kind.__pydantic_fields__.items()}
    found: dict[str, Any] = {}
    bound = _bindings(kind, args)
    for each in reversed(kind.__mro__):
        own = inspect.get_annotations(each) if each is not object else {}
        if own and each.__module__ not in ("builtins", "msgspec"):
            hints = _evaluated(each)
            found |= {k: _replaced(hints[k], bound.get(each, {})) for k in own if k in hints}
    if typing.is_typeddict(kind):
        hints = _evaluated(kind)
        found |= {name: _replaced(hint, bound.get(kind, {})) for name, hint in hints.items()}
    return found


def _evaluated(kind: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        name = getattr(error, "name", None) or str(error)
        raise DefinitionError(
            f"The annotations of `{kind.__qualname__}` cannot be evaluated.",
            file=getattr(sys.modules.get(kind.__module__), "__file__", "") or "",
            line=1,
            column=1,
            found=f"an unresolved name: {name}",
            expected="types that can be evaluated in their module",
            do="import them at the top of the module, outside `if TYPE_CHECKING`",
        ) from error


def _bindings(kind: Any, args: tuple[Any, ...]) -> dict[Any, dict[Any, Any]]:
    """Return what the type variables of a generic class and of its bases stand for."""
    own: dict[Any, Any] = dict(zip(getattr(kind, "__parameters__", ()), args, strict=False))
    found: dict[Any, dict[Any, Any]] = {kind: own}
    for base in cast("dict[str, Any]", vars(kind)).get("__orig_bases__", ()):
        origin = typing.get_origin(base)
        if isinstance(origin, type) and origin is not typing.Generic:
            inner = tuple(_replaced(arg, own) for arg in typing.get_args(base))
            found = {**_bindings(origin, inner), **found}
    return found


def _replaced(annotation: Any, bound: dict[Any, Any]) -> Any:
    if isinstance(annotation, TypeVar):
        return bound.get(annotation, annotation)
    parameters: tuple[Any, ...] = getattr(annotation, "__parameters__", ())
    if not parameters or isinstance(annotation, type):
        return annotation
    values = tuple(bound.get(parameter, Any) for parameter in parameters)
    return annotation[values]
