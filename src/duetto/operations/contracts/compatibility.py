"""What changed between two JSON Schemas, and whom it keeps from reading whose data.

A change breaks `backward` where readers of the new schema cannot read data of the old one, and
`forward` where readers of the old schema cannot read data of the new one. Properties that a schema
does not name are ignored by its readers, unless it says `additionalProperties: false`.

The schemas are those that `schemas` writes: what types have, with references. A keyword that
constrains in another way is compared as a whole, and taken to break both ways where it differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, cast

import msgspec
from msgspec import Struct

Schema = dict[str, Any]
Direction = Literal["backward", "forward"]

BACKWARD: tuple[Direction, ...] = ("backward",)
FORWARD: tuple[Direction, ...] = ("forward",)
BOTH: tuple[Direction, ...] = ("backward", "forward")
NEITHER: tuple[Direction, ...] = ()

ANYTHING: Schema = {}
LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
"""Constraints of which a greater one lets less through."""
MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
"""Constraints of which a smaller one lets less through."""
EXACT = (
    *("pattern", "multipleOf", "format", "contentEncoding", "contentMediaType"),
    *("x-python-type", "uniqueItems"),
    *("not", "if", "then", "else", "contains", "patternProperties", "dependentRequired"),
)
"""Constraints that are there or not; another one lets other values through."""
SAYING = ("title", "description", "examples", "deprecated", "readOnly", "writeOnly", "$comment")
"""What says nothing about values."""


class Change(Struct, frozen=True):
    """One exact change: where, what, and which directions it breaks."""

    path: str
    what: str
    breaks: tuple[Direction, ...] = ()


def changes(old: Schema, new: Schema) -> list[Change]:
    """Return every change from one schema to another, in the order of the new one."""
    return list(_Comparison(old, new, set()).compare(old, new, ""))


class Member(Struct, frozen=True):
    """One of the schemas that a union joins, with the definition that it comes from, if any."""

    schema: Schema
    ref: str = ""


class _Comparison:
    """Compares two documents; `done` has the pairs of definitions that were, or are being.

    So a class is compared once, wherever it is used, and a recursive one comes to an end: its own
    changes are all that can differ further down.
    """

    def __init__(self, old: Schema, new: Schema, done: set[tuple[str, str]]) -> None:
        self.old, self.new, self.done = old, new, done

    def compare(self, old: Any, new: Any, path: str) -> Iterator[Change]:
        """Yield the changes between two schemas within the documents."""
        yield from _default(_resolved(old, self.old), _resolved(new, self.new), path)
        ones, others = _members(old, self.old), _members(new, self.new)
        if len(ones) == len(others) == 1:
            yield from self.alike(ones[0], others[0], path)
        else:
            yield from self.union(ones, others, path)

    def union(self, ones: list[Member], others: list[Member], path: str) -> Iterator[Change]:
        """Yield the changes of a union: members that fit each other, the rest gone or new."""
        removed, added = list(ones), list(others)
        for fitting in (self.same, self.related):
            for one in list(removed):
                fits = [other for other in added if fitting(one, other)]
                # Of several that look alike, the one that did not change.
                match = min(fits, key=lambda other: len(self.trial(one, other)), default=None)
                if match is not None:
                    removed.remove(one)
                    added.remove(match)
                    yield from self.alike(one, match, path)
        for one in removed:
            covered = any("backward" not in self.broken(one, other) for other in others)
            what = f"{spelled(one.schema)} is no longer possible"
            yield Change(path, what, NEITHER if covered else BACKWARD)
        for other in added:
            covered = any("forward" not in self.broken(one, other) for one in ones)
            what = f"{spelled(other.schema)} became possible"
            yield Change(path, what, NEITHER if covered else FORWARD)

    def same(self, one: Member, other: Member) -> bool:
        """Are two members the same one, by its type, name or tag?"""
        return _signature(one.schema) == _signature(other.schema)

    def related(self, one: Member, other: Member) -> bool:
        """Is one of two members a wider form of the other?"""
        return len(self.broken(one, other)) < len(BOTH)

    def broken(self, one: Member, other: Member) -> set[Direction]:
        """Return which directions the step from one member to another breaks."""
        return {each for change in self.trial(one, other) for each in change.breaks}

    def trial(self, one: Member, other: Member) -> list[Change]:
        """Return the changes between two members, without remembering that they were compared."""
        trial = _Comparison(self.old, self.new, set(self.done))
        return list(trial.alike(one, other, ""))

    def alike(self, one: Member, other: Member, path: str) -> Iterator[Change]:
        """Yield the changes between two schemas that are no unions."""
        if one.ref and other.ref:
            if (one.ref, other.ref) in self.done:
                return
            self.done.add((one.ref, other.ref))
        old, new = one.schema, other.schema
        if _values(old) is not None or _values(new) is not None:
            yield from _enumerated(old, new, path)
        elif old.get("type") != new.get("type") or ("prefixItems" in old) != ("prefixItems" in new):
            yield Change(path, f"{spelled(old)} became {spelled(new)}", _retyped(old, new))
        else:
            yield from _constraints(old, new, path)
            if "properties" in old or "properties" in new:
                yield from self.properties(old, new, path)
            yield from self.others(old, new, path)
            yield from self.items(old, new, path)

    def properties(self, old: Schema, new: Schema, path: str) -> Iterator[Change]:
        """Yield the changes of an object's fields."""
        olds: Schema = old.get("properties", {})
        news: Schema = new.get("properties", {})
        for name in (*news, *(name for name in olds if name not in news)):
            at = f"{path}.{name}" if path else name
            if name not in news:
                refused = new.get("additionalProperties") is False
                broken = _both_of(refused, name in _required(old))
                how = "required" if name in _required(old) else "optional"
                yield Change(at, f"removed ({how} before)", broken)
                # What is named no more is one of the other properties now, and has their type.
                for others in _others(new):
                    yield from self.compare(olds[name], others, at)
            elif name not in olds:
                refused = old.get("additionalProperties") is False
                broken = _both_of(name in _required(new), refused)
                how = "required" if name in _required(new) else "optional"
                yield Change(at, f"added ({how})", broken)
                for others in _others(old):
                    yield from self.compare(others, news[name], at)
            else:
                yield from _requirement(name, old, new, at)
                yield from self.compare(olds[name], news[name], at)

    def others(self, old: Schema, new: Schema, path: str) -> Iterator[Change]:
        """Yield the changes of what the properties beside the named ones may be."""
        for keyword, at in (("additionalProperties", f"{path}{{}}"), ("propertyNames", path)):
            one, other = old.get(keyword, True), new.get(keyword, True)
            if one == other and one in (True, False):
                continue
            if other is False:
                yield Change(path, "other fields are refused now", BACKWARD)
            elif one is False:
                yield Change(path, "other fields are no longer refused", FORWARD)
            else:
                yield from self.compare(_as_schema(one), _as_schema(other), at)

    def items(self, old: Schema, new: Schema, path: str) -> Iterator[Change]:
        """Yield the changes of an array's items."""
        if "prefixItems" in old and "prefixItems" in new:
            ones, others = old["prefixItems"], new["prefixItems"]
            if len(ones) != len(others):
                what = f"{len(ones)} items became {len(others)}"
                yield Change(path, what, _sized(old, new))
            for index, (one, other) in enumerate(zip(ones, others, strict=False)):
                yield from self.compare(one, other, f"{path}[{index}]")
        elif "items" in old or "items" in new:
            one, other = _as_schema(old.get("items", True)), _as_schema(new.get("items", True))
            yield from self.compare(one, other, f"{path}[]")


def _ref(schema: Any) -> str:
    ref = _as_schema(schema).get("$ref", "") if isinstance(schema, dict) else ""
    return ref if isinstance(ref, str) else ""


def _resolved(schema: Any, document: Schema) -> Schema:
    """Return a schema without its reference, and without what says nothing of values."""
    found, seen = _as_schema(schema), set[str]()
    while ref := _ref(found):
        if ref in seen:
            return ANYTHING
        seen.add(ref)
        target: Any = document
        for step in ref.removeprefix("#").strip("/").split("/"):
            target = cast("Schema", target).get(step, {}) if isinstance(target, dict) else {}
        beside = {key: value for key, value in found.items() if key not in ("$ref", "$defs")}
        found = {**_as_schema(target), **beside}
    if isinstance(parts := found.get("allOf"), list):
        rest = {key: value for key, value in found.items() if key != "allOf"}
        for part in cast("list[Any]", parts):
            rest = {**_resolved(part, document), **rest}
        found = rest
    return {key: value for key, value in found.items() if key not in SAYING or key == "title"}


def _others(schema: Schema) -> list[Schema]:
    """Return the schema of properties that are not named, where there is one."""
    found = schema.get("additionalProperties")
    return [cast("Schema", found)] if isinstance(found, dict) else []


def _as_schema(schema: Any) -> Schema:
    if isinstance(schema, dict):
        return cast("Schema", schema)
    return ANYTHING if schema is True else {"not": {}}


def _members(schema: Any, document: Schema) -> list[Member]:
    """Return the members of a union, those of unions in it included; or the schema itself."""
    found, ref = _resolved(schema, document), _ref(schema)
    inner = found.get("anyOf", found.get("oneOf"))
    if isinstance(inner, list):
        each = (_members(one, document) for one in cast("list[Any]", inner))
        return [member for members in each for member in members]
    values, kinds = _values(found), found.get("type")
    if values is not None:
        return [Member(one) for one in _by_kind(values)]
    if isinstance(kinds, list):
        return [Member({**found, "type": kind}) for kind in cast("list[str]", kinds)]
    return [Member(found, ref)]


def _by_kind(values: list[Any]) -> list[Schema]:
    """Return values as schemas, one for each type of JSON."""
    groups: dict[str, list[Any]] = {}
    for value in values:
        kind = next(kind for kind, types in KINDS.items() if type(value) in types)
        groups.setdefault(kind, []).append(value)
    if "null" in groups:
        groups.pop("null")
        return [{"type": "null"}, *({"type": kind, "enum": each} for kind, each in groups.items())]
    return [{"type": kind, "enum": each} for kind, each in groups.items()]


def _values(schema: Schema) -> list[Any] | None:
    """Return the values of an enum or constant."""
    if "const" in schema:
        return [schema["const"]]
    found = schema.get("enum")
    return cast("list[Any]", found) if isinstance(found, list) else None


def _signature(schema: Schema) -> tuple[object, ...]:
    """Return by what a member of a union is known again: its type, its tag or name, its format."""
    if _values(schema) is not None:
        return "enum", schema.get("type", "")
    kind = schema.get("type", schema.get("x-python-type", ""))
    if "properties" not in schema:
        return kind, schema.get("format", "")
    tags = [
        (name, repr(_values(each)))
        for name, each in cast("Schema", schema["properties"]).items()
        if len(_values(_as_schema(each)) or ()) == 1
    ]
    return kind, *(tags or [schema.get("title", "")])


def spelled(schema: Schema) -> str:
    """Return a schema in a word or two."""
    values = _values(schema)
    if values is not None:
        return " | ".join(_json(value) for value in values)
    kind = schema.get("type")
    if schema.get("title") and "properties" in schema:
        return str(schema["title"])
    if kind == "array" and "prefixItems" in schema:
        return f"array of {len(schema['prefixItems'])}"
    if kind is None:
        return str(schema.get("x-python-type", "anything" if "not" not in schema else "nothing"))
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _enumerated(old: Schema, new: Schema, path: str) -> Iterator[Change]:
    """Yield the changes of values, where at least one side lists them."""
    ones, others = _values(old), _values(new)
    if ones is None or others is None:
        listed = ones if ones is not None else others or []
        fits = all(_is_of(value, new if others is None else old) for value in listed)
        fitting = FORWARD if others is None else BACKWARD
        what = f"{spelled(old)} became {spelled(new)}"
        yield Change(path, what, fitting if fits else BOTH)
        return
    # By their JSON, in which 1 is not True.
    before, after = {_json(value) for value in ones}, {_json(value) for value in others}
    for value in ones:
        if _json(value) not in after:
            yield Change(path, f"value {_json(value)} removed", BACKWARD)
    for value in others:
        if _json(value) not in before:
            yield Change(path, f"value {_json(value)} added", FORWARD)


KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def _is_of(value: Any, schema: Schema) -> bool:
    """Is a value of a schema's type, as far as that has no further constraints?"""
    kind = schema.get("type")
    if kind is None:
        return "x-python-type" not in schema and "not" not in schema
    if any(key in schema for key in (*LEAST, *MOST, *EXACT)):
        return False
    return isinstance(value, KINDS.get(kind, ())) and (kind == "boolean" or value is not True)


def _retyped(old: Schema, new: Schema) -> tuple[Direction, ...]:
    """Return what another type breaks: a wider one only those who know the narrower."""
    if _wider(new, old):
        return FORWARD
    return BACKWARD if _wider(old, new) else BOTH


def _wider(one: Schema, other: Schema) -> bool:
    """Has one type all values of the other?"""
    bare = not any(key in one for key in (*LEAST, *MOST, *EXACT))
    if one.get("type") is None:
        return bare and "x-python-type" not in one
    return bare and (one.get("type"), other.get("type")) == ("number", "integer")


def _constraints(old: Schema, new: Schema, path: str) -> Iterator[Change]:
    for key in (*LEAST, *MOST, *EXACT):
        one, other = old.get(key), new.get(key)
        if one == other or (key in ("minItems", "maxItems") and "prefixItems" in new):
            continue
        if one is None or other is None:
            what = f"{key} {_json(other)} added" if one is None else f"{key} {_json(one)} removed"
            yield Change(path, what, BACKWARD if one is None else FORWARD)
            continue
        what = f"{key} {_json(one)} became {_json(other)}"
        if key in EXACT:
            yield Change(path, what, BOTH)
        else:
            yield Change(path, what, BACKWARD if (other > one) == (key in LEAST) else FORWARD)


def _sized(old: Schema, new: Schema) -> tuple[Direction, ...]:
    """Return what another length of a tuple breaks: optional ones at its end break one way."""
    ones, others = len(old["prefixItems"]), len(new["prefixItems"])
    backward = old.get("minItems", 0) < new.get("minItems", 0) or others < ones
    forward = new.get("minItems", 0) < old.get("minItems", 0) or ones < others
    return _both_of(backward, forward)


def _required(schema: Schema) -> list[str]:
    return schema.get("required", [])


def _requirement(name: str, old: Schema, new: Schema, path: str) -> Iterator[Change]:
    before, after = name in _required(old), name in _required(new)
    if before != after:
        what = "optional became required" if after else "required became optional"
        yield Change(path, what, BACKWARD if after else FORWARD)


def _default(old: Schema, new: Schema, path: str) -> Iterator[Change]:
    """Yield another default: it breaks nobody, but what is absent is read as something else."""
    one, other = old.get("default", ...), new.get("default", ...)
    if one is not ... and other is not ... and one != other:
        yield Change(path, f"default {_json(one)} became {_json(other)}")


def _both_of(backward: bool, forward: bool) -> tuple[Direction, ...]:
    return (*(BACKWARD if backward else ()), *(FORWARD if forward else ()))
