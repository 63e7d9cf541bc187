"""JSON Schema 2020-12 of types, of every family of classes that values may have.

msgspec and pydantic write what they know. What joins them is here: classes with fields are walked
one by one, so that a dataclass may hold a pydantic model, and a union any classes; msgspec alone
refuses both.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any, cast

import msgspec

from duetto.authoring.types import describe, name_of, parts_of, stripped
from duetto.codecs.msgpack.builder import hints_of
from duetto.codecs.msgpack.families import Constant, Family, family_of
from duetto.errors import DuettoError

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PYTHON_TYPE = "x-python-type"
"""The keyword that names a type which JSON has nothing for; another name is another type."""

SEQUENCES = (list, set, frozenset)
COLLECTIONS = (list, dict, set, frozenset, tuple)
"""What a factory of defaults may be and still be known: it makes an empty one."""


class Schemas:
    """Collects the schemas of classes as `definitions`, and refers to them from there."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self._names: dict[Any, str] = {}

    def schema(self, annotation: Any) -> Schema:
        """Return the schema of an annotation; its classes are references."""
        plain = stripped(annotation)
        origin, args = parts_of(plain)
        if plain is Any or plain is object:
            return {}
        if origin in (typing.Union, types.UnionType):
            return self._union(args)
        if origin in SEQUENCES and args:
            more = {} if origin is list else {"uniqueItems": True}
            return {"type": "array", "items": self.schema(args[0]), **more}
        if origin is dict and args:
            return self._dict(plain, args)
        if origin is tuple and args:
            return self._tuple(args)
        kind: Any = origin or plain
        family = family_of(cast("type[Any]", kind)) if isinstance(kind, type) else None
        if family is not None:
            return self._class(plain, family, args)
        return self._leaf(annotation)

    def _union(self, args: tuple[Any, ...]) -> Schema:
        found: list[Schema] = []
        for arg in args:
            schema = self.schema(arg)
            found += schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]
        return {"anyOf": found}

    def _dict(self, plain: Any, args: tuple[Any, ...]) -> Schema:
        keys = {key: value for key, value in self._leaf(plain).items() if key == "propertyNames"}
        return {"type": "object", **keys, "additionalProperties": self.schema(args[1])}

    def _tuple(self, args: tuple[Any, ...]) -> Schema:
        if args[1:] == (...,):
            return {"type": "array", "items": self.schema(args[0])}
        return {
            "type": "array",
            "prefixItems": [self.schema(arg) for arg in args],
            "items": False,
            "minItems": len(args),
            "maxItems": len(args),
        }

    def _class(self, plain: Any, family: Family, args: tuple[Any, ...]) -> Schema:
        if plain not in self._names:
            name = self._name(plain, family.kind)
            # Named before it is filled, as its fields may mention it.
            self._names[plain] = name
            self.definitions[name] = {}
            self.definitions[name] = (
                self._pydantic(plain) if family.pydantic else self._fields(family, args)
            )
        return reference(self._names[plain])

    def _name(self, plain: Any, kind: type) -> str:
        """Return a name for a class: its own, or with its module where that is taken."""
        taken = self.definitions.keys() | set(self._names.values())
        try:
            spelled = str(describe(plain))
        except DuettoError:
            spelled = kind.__qualname__
        short = _plain(spelled)
        return short if short not in taken else _plain(f"{name_of(kind)} {spelled}")

    def _fields(self, family: Family, args: tuple[Any, ...]) -> Schema:
        hints = hints_of(family.kind, args)
        properties: dict[str, Schema] = {}
        if family.tag is not None:
            properties[family.tag[0]] = {"const": family.tag[1]}
        required = [*properties]
        for field in family.fields:
            schema = self.schema(hints.get(field.name, Any))
            if field.default is None:
                required.append(field.stored)
            else:
                schema = {**schema, **_default(field.default)}
            properties[field.stored] = schema
        found: Schema = {"title": family.kind.__name__, "type": "object", "properties": properties}
        found["required"] = required
        if getattr(getattr(family.kind, "__struct_config__", None), "forbid_unknown_fields", False):
            found["additionalProperties"] = False
        return found

    def _pydantic(self, model: Any) -> Schema:
        """Return the schema of a model as it says itself, with its definitions among ours."""
        # By field names, under which values are kept, not by the aliases of a web API.
        schema: Schema = model.model_json_schema(by_alias=False, ref_template=REFERENCE)
        return self._taken_over(schema, self._names[model])

    def _leaf(self, annotation: Any) -> Schema:
        """Return what msgspec knows of a type; a type that it does not know goes by its name."""
        try:
            schema = msgspec.json.schema(annotation, schema_hook=_by_name)
        except (TypeError, NotImplementedError):
            return {PYTHON_TYPE: _spelled(annotation)}
        return self._taken_over(schema, "")

    def _taken_over(self, schema: Schema, own: str) -> Schema:
        """Move the definitions within a schema among ours; one that is taken gets a new name."""
        inner: dict[str, Schema] = schema.pop("$defs", {})
        renamed: dict[str, str] = {}
        root = schema.get("$ref", "")
        for name in inner:
            # What a recursive model refers to as itself is the schema that is asked for.
            is_own = own and root == reference(name)["$ref"]
            renamed[name] = own if is_own else self._free(name, inner[name])
        moved = {renamed[name]: _renamed(one, renamed) for name, one in inner.items()}
        self.definitions |= {name: one for name, one in moved.items() if name != own}
        return moved[own] if own in moved else _renamed(schema, renamed)

    def _free(self, name: str, schema: Schema) -> str:
        free, count = name, 1
        while free in self.definitions and self.definitions[free] != schema:
            count += 1
            free = f"{name}{count}"
        return free


REFERENCE = "#/$defs/{model}"


def reference(name: str) -> Schema:
    """Return a reference to a definition."""
    return {"$ref": REFERENCE.format(model=name)}


def whole(identity: str, title: str, annotation: Any, **more: Any) -> Schema:
    """Return a document: the schema of a type, with all that it refers to, and what is said of it.

    `identity` makes it a resource of its own, to which its references are relative.
    """
    schemas = Schemas()
    root = schemas.schema(annotation)
    head = {"$schema": DIALECT, "$id": identity, "title": title, **more}
    return {**head, **root, "$defs": dict(sorted(schemas.definitions.items()))}


def mapped(schema: Any, change: Callable[[Schema], Schema]) -> Any:
    """Return a schema with every object in it changed, the innermost first."""
    if isinstance(schema, dict):
        inner = {key: mapped(value, change) for key, value in cast("Schema", schema).items()}
        return change(inner)
    if isinstance(schema, list):
        return [mapped(each, change) for each in cast("list[Any]", schema)]
    return schema


def _renamed(schema: Schema, names: dict[str, str]) -> Schema:
    refs = {reference(old)["$ref"]: reference(new)["$ref"] for old, new in names.items()}

    def change(one: Schema) -> Schema:
        ref = one.get("$ref")
        return {**one, "$ref": refs[ref]} if isinstance(ref, str) and ref in refs else one

    return cast("Schema", mapped(schema, change))


def _default(make: Callable[[], Any]) -> Schema:
    """Return a default as JSON; nothing for what is made anew each time, or has no JSON."""
    if make in COLLECTIONS or typing.get_origin(make) in COLLECTIONS:
        return {"default": msgspec.to_builtins(make())}
    if not isinstance(make, Constant):
        return {}
    try:
        return {"default": msgspec.to_builtins(make.value, str_keys=True)}
    except (msgspec.MsgspecError, TypeError, ValueError):
        return {}


def _by_name(kind: Any) -> Schema:
    return {PYTHON_TYPE: name_of(kind)}


def _spelled(annotation: Any) -> str:
    try:
        return str(describe(annotation))
    except DuettoError:
        return repr(annotation)


def _plain(text: str) -> str:
    """Return a text as the name of a definition, which must not need escaping in a reference."""
    words = "".join(sign if sign.isalnum() or sign in "_." else " " for sign in text)
    return "_".join(words.split())
