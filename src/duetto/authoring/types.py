"""Types as data: from an annotation to a TypeRef, and back where the names are known."""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, ForwardRef, Literal, NewType, TypeVar, cast

from duetto.errors import DefinitionError
from duetto.model.definition import TypeRef

BUILTIN_TYPES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(str, int, float, bool, bytes, bytearray, complex, range),
        *(list, tuple, dict, set, frozenset),
    )
}
"""The types that go by a bare name, with Python's own classes of exceptions and `None`."""

ANY = TypeRef("Any")
NONE = TypeRef("None")
ELLIPSIS = TypeRef("...")
"""The second argument of `tuple[T, ...]`."""
EMPTY = TypeRef("()")
"""The argument of `tuple[()]`, which a bare `tuple` has not."""

Resolve = Callable[[str], Any]

SEQUENCES = (collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable)
MAPPINGS = (collections.abc.Mapping, collections.abc.MutableMapping)


class AnyItems:
    """What a `for` loop walks, as an annotation: `items` of anything."""


def name_of(thing: Any) -> str:
    """Return the name of a class or function: `module:qualified.Name`, or a bare builtin."""
    module, qualified = getattr(thing, "__module__", ""), getattr(thing, "__qualname__", "")
    if not qualified:
        qualified = getattr(thing, "__name__", "")
    return qualified if module == "builtins" else f"{module}:{qualified}"


def describe(annotation: Any) -> TypeRef:
    """Return an annotation as data. Raises DefinitionError where its classes have no name."""
    plain = stripped(annotation)
    special = _special(plain)
    if special is not None:
        return special
    origin, args = parts_of(plain)
    if origin in (typing.Union, types.UnionType):
        return TypeRef("union", tuple(describe(arg) for arg in args))
    if origin is Literal:
        return TypeRef("literal", tuple(TypeRef(_literal(arg)) for arg in args))
    if origin is tuple:
        return TypeRef("tuple", _tuple_arguments(args))
    if origin is not None:
        return _generic(origin, args)
    return _abstract(plain, (Any, Any)) or TypeRef(_class_name(plain))


def parts_of(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the generic and the arguments of an annotation, or (None, ())."""
    # pydantic makes a class of its own for each specialisation of a generic model.
    model: dict[str, Any] = getattr(annotation, "__pydantic_generic_metadata__", {})
    if isinstance(annotation, type) and model.get("origin"):
        return model["origin"], model["args"]
    return typing.get_origin(annotation), typing.get_args(annotation)


def stripped(annotation: Any) -> Any:
    """Return an annotation without what says nothing of its values' types."""
    while True:
        if isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        elif isinstance(annotation, TypeVar):
            annotation = annotation.__bound__ or Any
        elif typing.get_origin(annotation) in QUALIFIERS:
            annotation = typing.get_args(annotation)[0]
        else:
            return annotation


QUALIFIERS = (
    *(Annotated, typing.ClassVar, typing.Final),
    *(typing.Required, typing.NotRequired),
)


def annotation_of(ref: TypeRef, resolve: Resolve) -> Any:
    """Return the annotation that a TypeRef describes; `resolve` finds classes by name."""
    args = tuple(arg for arg in ref.args if arg is not EMPTY and arg.name != EMPTY.name)
    match ref.name:
        case "Any":
            return Any
        case "None":
            return None
        case "items":
            return AnyItems
        case "literal":
            return Literal[tuple(_literal_value(arg.name, resolve) for arg in args)]
        case "union":
            return typing.Union[tuple(annotation_of(arg, resolve) for arg in args)]  # noqa: UP007 its members are data
        case "tuple" if ref.args:
            return _tuple(args, resolve)
        case name:
            kind = BUILTIN_TYPES[name] if name in BUILTIN_TYPES else resolve(name)
            return kind[tuple(annotation_of(arg, resolve) for arg in args)] if args else kind


def _tuple(args: tuple[TypeRef, ...], resolve: Resolve) -> Any:
    if not args:
        return tuple[()]
    kinds = tuple(... if arg == ELLIPSIS else annotation_of(arg, resolve) for arg in args)
    return tuple.__class_getitem__(kinds)


def _special(annotation: Any) -> TypeRef | None:
    if annotation is Any or annotation is object or annotation is collections.abc.Hashable:
        return ANY
    if annotation is None or annotation is type(None):
        return NONE
    if annotation is AnyItems:
        return TypeRef("items", (ANY,))
    if isinstance(annotation, str | ForwardRef):
        name = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        raise DefinitionError(
            f"The type `{name}` is only a name here.",
            found=f"an unresolved forward reference `{name}`",
            expected="a type that can be evaluated in its module",
            do="import it at the top of the module, outside `if TYPE_CHECKING`",
        )
    return None


def _generic(origin: Any, args: tuple[Any, ...]) -> TypeRef:
    return _abstract(origin, args) or TypeRef(_class_name(origin), tuple(map(describe, args)))


def _abstract(origin: Any, args: tuple[Any, ...]) -> TypeRef | None:
    """Return what may stand for an abstract collection; its values keep their own type."""
    if origin in SEQUENCES:
        item = describe(args[0])
        return TypeRef("union", (TypeRef("list", (item,)), TypeRef("tuple", (item, ELLIPSIS))))
    if origin in MAPPINGS:
        return TypeRef("dict", (describe(args[0]), describe(args[1])))
    if origin is collections.abc.Set:
        item = describe(args[0])
        return TypeRef("union", (TypeRef("set", (item,)), TypeRef("frozenset", (item,))))
    if origin is collections.abc.MutableSequence:
        return TypeRef("list", (describe(args[0]),))
    return None


def _tuple_arguments(args: tuple[Any, ...]) -> tuple[TypeRef, ...]:
    return tuple(ELLIPSIS if arg is ... else describe(arg) for arg in args) or (EMPTY,)


def _class_name(kind: Any) -> str:
    if not isinstance(kind, type):
        raise DefinitionError(
            f"`{kind!r}` cannot be the type of a value.",
            found=repr(kind),
            expected="a class, or a union, list, tuple, dict, set or Literal of such",
            do="name a class that is defined at the top level of a module",
        )
    name = name_of(kind)
    if "<locals>" in name:
        raise DefinitionError(
            f"The class `{kind.__name__}` is defined inside a function.",
            found=name,
            expected="a class that can be found again by its name",
            do="move it to the top level of its module",
        )
    return name


def _literal(value: Any) -> str:
    """Return a literal value as text; an enum's member by its class and name."""
    kind = cast("type[Any]", type(value))
    if hasattr(kind, "__members__"):
        return f"{_class_name(kind)}.{value.name}"
    return repr(value)


def _literal_value(text: str, resolve: Resolve) -> Any:
    """Return the value of a literal's repr, which is read by hand, never evaluated."""
    constants = {"None": None, "True": True, "False": False}
    if text in constants:
        return constants[text]
    if text.lstrip("-").isdigit():
        return int(text)
    if text[:1] in "'\"" or text[:2] in ("b'", 'b"'):
        return _text(text)
    return resolve(text)


def _text(quoted: str) -> str | bytes:
    """Return what a repr of text or bytes stands for."""
    binary = quoted.startswith("b")
    inner = quoted[2:-1] if binary else quoted[1:-1]
    if "\\" in inner:
        # Only ASCII goes through the codec of escapes, which reads the rest as Latin-1.
        inner = inner.encode("ascii", "backslashreplace").decode("unicode_escape")
    return inner.encode("latin-1") if binary else inner
