"""What the families of classes have in common: fields, and a way to build an object from them.

Objects are rebuilt from their fields without `__init__`, validators or `__post_init__`: those ran
when the object was made, and would change what was stored, or do it twice.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from duetto.codecs.msgpack.shape import Misfit, kind_of

MISSING: Any = object()

Build = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class FieldOf:
    """A field: its name, its name in bytes, and how to make its default, if it has one."""

    name: str
    stored: str
    default: Callable[[], Any] | None = None


@dataclass(frozen=True, slots=True)
class Constant:
    """Makes a default that is one value, always."""

    value: Any

    def __call__(self) -> Any:
        return self.value


@dataclass(frozen=True, slots=True)
class Family:
    """A class as its family declares it. `native` says that msgspec treats it exactly alike."""

    kind: type[Any]
    fields: tuple[FieldOf, ...]
    build: Build
    frozen: bool
    native: bool
    tag: tuple[str, str | int] | None = None
    pydantic: bool = False


def family_of(kind: type[Any]) -> Family | None:
    """Return the family of a class, or None where it has none."""
    if issubclass(kind, msgspec.Struct):
        return _struct(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    if "__attrs_attrs__" in vars(kind):
        return _attrs(kind)
    if hasattr(kind, "__pydantic_fields__") and hasattr(kind, "__pydantic_validator__"):
        return _pydantic(kind)
    return None


def _struct(kind: type[msgspec.Struct]) -> Family:
    config = kind.__struct_config__
    fields = tuple(
        FieldOf(field.name, field.encode_name, _struct_default(field))
        for field in msgspec.structs.fields(kind)
    )
    hooked = hasattr(kind, "__post_init__")

    def build(values: dict[str, Any]) -> Any:
        built = kind(**values)
        if hooked:
            for name, value in values.items():
                msgspec.structs.force_setattr(built, name, value)
        return built

    tag = None if config.tag is None else (config.tag_field or "type", config.tag)
    plain = not (config.array_like or config.omit_defaults or config.dict or hooked)
    return Family(kind, fields, build, config.frozen, plain, tag)


def _struct_default(field: Any) -> Callable[[], Any] | None:
    if field.default is not msgspec.NODEFAULT:
        return Constant(field.default)
    return None if field.default_factory is msgspec.NODEFAULT else field.default_factory


def _dataclass(kind: type[Any]) -> Family:
    fields = dataclasses.fields(kind)
    plain = not (hasattr(kind, "__post_init__") or hasattr(kind, "__pydantic_validator__"))
    plain = plain and all(field.init and not field.name.startswith("_") for field in fields)
    return Family(
        kind,
        tuple(FieldOf(field.name, field.name, _dataclass_default(field)) for field in fields),
        _setting(kind, ()),
        cast("Any", kind).__dataclass_params__.frozen,
        plain and not slots_beside(kind, [field.name for field in fields]),
    )


def _dataclass_default(field: dataclasses.Field[Any]) -> Callable[[], Any] | None:
    if field.default is not dataclasses.MISSING:
        return Constant(field.default)
    factory = field.default_factory
    return None if factory is dataclasses.MISSING else factory


def _attrs(kind: type[Any]) -> Family:
    fields = cast("Any", kind).__attrs_attrs__
    # attrs keeps a hash that it computed before in a slot of its own, which must be there.
    hashing = getattr(getattr(kind, "__hash__", None), "__code__", None)
    caches = hashing is not None and ATTRS_HASH in hashing.co_names
    return Family(
        kind,
        tuple(FieldOf(field.name, field.name, _attrs_default(field)) for field in fields),
        _setting(kind, (ATTRS_HASH,) if caches else ()),
        getattr(kind.__setattr__, "__name__", "") == "_frozen_setattrs",
        native=False,
    )


ATTRS_HASH = "_attrs_cached_hash"


def _attrs_default(field: Any) -> Callable[[], Any] | None:
    default = field.default
    if kind_of(default).__name__ == "Factory":
        return None if default.takes_self else default.factory
    return None if kind_of(default).__name__ == "_Nothing" else Constant(default)


def _setting(kind: type[Any], hidden: tuple[str, ...]) -> Build:
    def build(values: dict[str, Any]) -> Any:
        built = object.__new__(kind)
        for name, value in values.items():
            object.__setattr__(built, name, value)
        for name in hidden:
            object.__setattr__(built, name, None)
        return built

    return build


def _pydantic(kind: type[Any]) -> Family:
    model = cast("Any", kind)
    fields = tuple(
        FieldOf(name, name, _pydantic_default(field))
        for name, field in model.__pydantic_fields__.items()
    )

    def build(values: dict[str, Any]) -> Any:
        more = values.pop(PYDANTIC_STATE, {})
        built = model.__new__(kind)
        object.__setattr__(built, "__dict__", values)
        object.__setattr__(built, "__pydantic_fields_set__", set(more.get("set", values)))
        object.__setattr__(built, "__pydantic_extra__", more.get("extra"))
        object.__setattr__(built, "__pydantic_private__", more.get("private"))
        return built

    frozen = bool(model.model_config.get("frozen")) and not model.__private_attributes__
    frozen = frozen and model.model_config.get("extra") != "allow"
    return Family(kind, fields, build, frozen, native=False, pydantic=True)


PYDANTIC_STATE = ""
"""The name, which no field can have, of what a pydantic model keeps beside its fields."""


def _pydantic_default(field: Any) -> Callable[[], Any] | None:
    if field.is_required():
        return None
    return functools.partial(field.get_default, call_default_factory=True)


def pydantic_state(value: Any) -> dict[str, Any]:
    """Return what a pydantic model keeps beside its fields, where it says more than they do."""
    state: dict[str, Any] = {}
    if value.__pydantic_fields_set__ != cast("dict[str, Any]", vars(value)).keys():
        state["set"] = sorted(value.__pydantic_fields_set__)
    if value.__pydantic_extra__ is not None:
        state["extra"] = value.__pydantic_extra__
    if value.__pydantic_private__ is not None:
        state["private"] = value.__pydantic_private__
    return state


def slots_beside(kind: type[Any], fields: list[str]) -> list[str]:
    """Return the slots of a class that are no fields of it."""
    known = {*fields, "__dict__", "__weakref__", ATTRS_HASH}
    slots: list[str] = []
    for each in kind.__mro__:
        declared: Any = vars(each).get("__slots__", ())
        slots += [declared] if isinstance(declared, str) else declared
    return [slot for slot in slots if slot not in known]


def computed_by(kind: type[Any]) -> frozenset[str]:
    """Return the names of what a class computes once and keeps in `__dict__`."""
    return frozenset(
        name
        for each in kind.__mro__
        for name, thing in vars(each).items()
        if isinstance(thing, functools.cached_property)
    )


def checked_extras(kind: type[Any], fields: list[str]) -> Callable[[Any], None]:
    """Return what refuses an object that holds more than its fields."""
    # `Box[int](…)` leaves its alias in the object, which says nothing about the value.
    known = {*fields, *computed_by(kind), ATTRS_HASH, "__orig_class__"}
    slots = slots_beside(kind, fields)

    def check(value: Any) -> None:
        state: dict[str, Any] = getattr(value, "__dict__", {})
        extra = [name for name in state if name not in known]
        extra += [slot for slot in slots if hasattr(value, slot)]
        if extra:
            name = extra[0]
            raise Misfit(
                getattr(value, name),
                f"nothing but the fields of {kind.__name__}",
                f"declare `{name}` as a field",
            ).at(f".{name}")

    return check
