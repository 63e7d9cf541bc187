"""What a change of a schema is called, and which direction it breaks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duetto.operations.contracts.compatibility import Change, Direction, changes
from duetto.operations.contracts.schemas import mapped
from tests.contracts.validating import newest

NO: tuple[Direction, ...] = ()
BACK: tuple[Direction, ...] = ("backward",)
FORTH: tuple[Direction, ...] = ("forward",)
BOTH: tuple[Direction, ...] = ("backward", "forward")

TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
NULL, FLAG = {"type": "null"}, {"type": "boolean"}


def fields(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


def listed(items: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def fixed(*items: Any, least: int | None = None) -> dict[str, Any]:
    least = len(items) if least is None else least
    sizes = {"minItems": least, "maxItems": len(items)}
    return {"type": "array", "prefixItems": list(items), "items": False, **sizes}


def one_of(*members: Any) -> dict[str, Any]:
    return {"anyOf": list(members)}


def tagged(tag: str, **properties: Any) -> dict[str, Any]:
    return fields("type", type={"const": tag}, **properties)


def named(title: str, **properties: Any) -> dict[str, Any]:
    return {"title": title, **fields("", **properties)}


CLOSED = {"additionalProperties": False}

# What it is about, the old schema, the new one, and the changes: path, words, what breaks.
TABLE: list[tuple[str, Any, Any, list[tuple[str, str, tuple[Direction, ...]]]]] = [
    ("nothing", fields("a", a=TEXT), fields("a", a=TEXT), []),
    ("words", {**TEXT, "title": "A", "description": "x"}, {**TEXT, "title": "B"}, []),
    (
        "an optional field is added",
        fields("a", a=TEXT),
        fields("a", a=TEXT, b=WHOLE),
        [("b", "added (optional)", NO)],
    ),
    (
        "a required field is added",
        fields("a", a=TEXT),
        fields("a b", a=TEXT, b=WHOLE),
        [("b", "added (required)", BACK)],
    ),
    (
        "an optional field is removed",
        fields("a", a=TEXT, b=WHOLE),
        fields("a", a=TEXT),
        [("b", "removed (optional before)", NO)],
    ),
    (
        "a required field is removed",
        fields("a b", a=TEXT, b=WHOLE),
        fields("a", a=TEXT),
        [("b", "removed (required before)", FORTH)],
    ),
    (
        "a field is renamed",
        fields("a", a=TEXT),
        fields("b", b=TEXT),
        [("b", "added (required)", BACK), ("a", "removed (required before)", FORTH)],
    ),
    (
        "a field becomes required",
        fields("", a=TEXT),
        fields("a", a=TEXT),
        [("a", "optional became required", BACK)],
    ),
    (
        "a field becomes optional",
        fields("a", a=TEXT),
        fields("", a=TEXT),
        [("a", "required became optional", FORTH)],
    ),
    (
        "an optional field is added where others were refused",
        {**fields("", a=TEXT), **CLOSED},
        {**fields("", a=TEXT, b=TEXT), **CLOSED},
        [("b", "added (optional)", FORTH)],
    ),
    (
        "a field is removed where others are refused",
        {**fields("", a=TEXT, b=TEXT), **CLOSED},
        {**fields("", a=TEXT), **CLOSED},
        [("b", "removed (optional before)", BACK)],
    ),
    (
        "others are refused",
        fields("", a=TEXT),
        {**fields("", a=TEXT), **CLOSED},
        [("", "other fields are refused now", BACK)],
    ),
    (
        "others are no longer refused",
        {**fields("", a=TEXT), **CLOSED},
        fields("", a=TEXT),
        [("", "other fields are no longer refused", FORTH)],
    ),
    ("another type", TEXT, WHOLE, [("", "string became integer", BOTH)]),
    ("a wider number", WHOLE, NUMBER, [("", "integer became number", FORTH)]),
    ("a narrower number", NUMBER, WHOLE, [("", "number became integer", BACK)]),
    ("anything is possible", TEXT, {}, [("", "string became anything", FORTH)]),
    ("not anything is possible", {}, TEXT, [("", "anything became string", BACK)]),
    (
        "a deep field",
        fields("a", a=listed(fields("b", b=TEXT))),
        fields("a", a=listed(fields("b", b=WHOLE))),
        [("a[].b", "string became integer", BOTH)],
    ),
    (
        "the values of a map",
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object", "additionalProperties": WHOLE},
        [("{}", "string became integer", BOTH)],
    ),
    ("None is possible", TEXT, one_of(TEXT, NULL), [("", "null became possible", FORTH)]),
    (
        "None is no longer possible",
        one_of(TEXT, NULL),
        TEXT,
        [("", "null is no longer possible", BACK)],
    ),
    (
        "the order of a union",
        one_of(TEXT, NULL, WHOLE),
        one_of(WHOLE, TEXT, NULL),
        [],
    ),
    (
        "a member is wider",
        one_of(WHOLE, NULL),
        one_of(NUMBER, NULL),
        [("", "integer became number", FORTH)],
    ),
    (
        "a member that another covers",
        one_of(NUMBER, TEXT),
        one_of(NUMBER, WHOLE, TEXT),
        [("", "integer became possible", NO)],
    ),
    (
        "types in a list",
        {"type": ["string", "null"]},
        {"type": ["string", "integer"]},
        [("", "null is no longer possible", BACK), ("", "integer became possible", FORTH)],
    ),
    (
        "a tagged member is known by its tag",
        one_of(tagged("a", x=TEXT), tagged("b", y=TEXT)),
        one_of(tagged("b", y=WHOLE), tagged("a", x=TEXT)),
        [("y", "string became integer", BOTH)],
    ),
    (
        "another tag",
        tagged("a"),
        tagged("b"),
        [("type", 'value "a" removed', BACK), ("type", 'value "b" added', FORTH)],
    ),
    (
        "a named member is known by its name",
        one_of(named("A", x=TEXT), named("B", x=WHOLE)),
        one_of(named("B", x=TEXT), named("A", x=TEXT)),
        [("x", "integer became string", BOTH)],
    ),
    (
        "a value is added",
        {"enum": ["a"]},
        {"enum": ["a", "b"]},
        [("", 'value "b" added', FORTH)],
    ),
    (
        "a value is removed",
        {"enum": ["a", "b"]},
        {"enum": ["a"]},
        [("", 'value "b" removed', BACK)],
    ),
    (
        "1 is not True",
        {"enum": [1]},
        {"enum": [True]},
        [("", "value 1 removed", BACK), ("", "value true added", FORTH)],
    ),
    ("values become text", {"enum": ["a"]}, TEXT, [("", '"a" became string', FORTH)]),
    ("text becomes values", TEXT, {"enum": ["a"]}, [("", 'string became "a"', BACK)]),
    ("values become numbers", {"enum": ["a"]}, WHOLE, [("", '"a" became integer', BOTH)]),
    (
        "a literal with None, and text with None",
        {"enum": [None, "a"]},
        one_of(TEXT, NULL),
        [("", '"a" became string', FORTH)],
    ),
    (
        "a bound is added",
        WHOLE,
        {**WHOLE, "minimum": 1},
        [("", "minimum 1 added", BACK)],
    ),
    ("a bound goes", {**WHOLE, "maximum": 1}, WHOLE, [("", "maximum 1 removed", FORTH)]),
    (
        "a bound is tighter",
        {**WHOLE, "maximum": 9},
        {**WHOLE, "maximum": 5},
        [("", "maximum 9 became 5", BACK)],
    ),
    (
        "a bound is looser",
        {**TEXT, "minLength": 9},
        {**TEXT, "minLength": 5},
        [("", "minLength 9 became 5", FORTH)],
    ),
    (
        "another pattern",
        {**TEXT, "pattern": "a"},
        {**TEXT, "pattern": "b"},
        [("", 'pattern "a" became "b"', BOTH)],
    ),
    (
        "a format",
        TEXT,
        {**TEXT, "format": "uuid"},
        [("", 'format "uuid" added', BACK)],
    ),
    (
        "a type that JSON has not",
        {"x-python-type": "complex"},
        {"x-python-type": "range"},
        [("", 'x-python-type "complex" became "range"', BOTH)],
    ),
    (
        "a set becomes a list",
        listed(TEXT, uniqueItems=True),
        listed(TEXT),
        [("", "uniqueItems true removed", FORTH)],
    ),
    ("a list becomes a tuple", listed(TEXT), fixed(TEXT), [("", "array became array of 1", BOTH)]),
    (
        "a tuple grows",
        fixed(TEXT),
        fixed(TEXT, TEXT),
        [("", "1 items became 2", BOTH)],
    ),
    (
        "a tuple grows by an item with a default",
        fixed(TEXT),
        fixed(TEXT, TEXT, least=1),
        [("", "1 items became 2", FORTH)],
    ),
    (
        "an item of a tuple",
        fixed(TEXT, TEXT),
        fixed(TEXT, WHOLE),
        [("[1]", "string became integer", BOTH)],
    ),
    (
        "another default breaks nobody",
        fields("", a={**WHOLE, "default": 1}),
        fields("", a={**WHOLE, "default": 2}),
        [("a", "default 1 became 2", NO)],
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "found"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_a_change_has_a_name_and_a_direction(old: Any, new: Any, found: Any) -> None:
    assert [(one.path, one.what, one.breaks) for one in changes(old, new)] == found


@pytest.mark.parametrize(("old", "new"), [row[1:3] for row in TABLE], ids=[r[0] for r in TABLE])
def test_the_way_back_breaks_the_other_direction(old: Any, new: Any) -> None:
    assert directions(changes(new, old)) == {
        {"backward": "forward", "forward": "backward"}[each]
        for each in directions(changes(old, new))
    }


def directions(found: list[Change]) -> set[str]:
    return {each for change in found for each in change.breaks}


def tree(value: Any) -> dict[str, Any]:
    """Return a schema that mentions itself, in a list and in a union."""
    node = {"$ref": "#/$defs/Node"}
    inner = fields(
        "v", v=value, below=listed(node), left=one_of(node, NULL), right=one_of(node, NULL)
    )
    return {"$ref": "#/$defs/Node", "$defs": {"Node": {"title": "Node", **inner}}}


def test_a_recursive_type_is_compared_once() -> None:
    assert changes(tree(TEXT), tree(TEXT)) == []
    assert changes(tree(TEXT), tree(WHOLE)) == [Change("v", "string became integer", BOTH)]


def test_classes_that_mention_each_other_come_to_an_end() -> None:
    def two(value: Any) -> dict[str, Any]:
        a, b = {"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}
        defs = {"A": named("A", b=one_of(b, a, NULL)), "B": named("B", a=one_of(a, b), v=value)}
        return {"$defs": defs, **one_of(a, b)}

    assert changes(two(TEXT), two(TEXT)) == []
    assert Change("b.v", "string became integer", BOTH) in changes(two(TEXT), two(WHOLE))


def test_a_class_may_be_renamed() -> None:
    old = {"$ref": "#/$defs/A", "$defs": {"A": fields("a", a=TEXT)}}
    new = {"$ref": "#/$defs/B", "$defs": {"B": fields("a", a=TEXT)}}
    assert changes(old, new) == []


@pytest.mark.parametrize(
    "schema", [{"$ref": "#/$defs/gone"}, {"$ref": "#", "x": 1}, {"allOf": [TEXT, {"minLength": 1}]}]
)
def test_odd_schemas_are_compared_all_the_same(schema: Any) -> None:
    assert changes(schema, schema) == []


SCALARS: list[Any] = [
    *(TEXT, WHOLE, NUMBER, FLAG, NULL, {}, {**WHOLE, "minimum": 1}, {**TEXT, "maxLength": 1}),
    *({"enum": ["a", "b"]}, {"enum": ["a", None, 1]}, {"const": 1}),
]


def an_object(given: dict[str, Any], required: set[str], is_closed: bool) -> dict[str, Any]:
    names = " ".join(name for name in given if name in required)
    return {**fields(names, **given), **(CLOSED if is_closed else {})}


def a_map(inner: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": inner}


def composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    properties = st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    return st.one_of(
        st.builds(an_object, properties, st.sets(st.sampled_from("ab")), st.booleans()),
        st.builds(listed, inner),
        st.builds(fixed, inner),
        st.builds(one_of, inner, inner),
        st.builds(a_map, inner),
    )


SCHEMAS = st.recursive(st.sampled_from(SCALARS), composed, max_leaves=4)

ATOMS: list[Any] = ["a", "c", "cc", 0, 1, 1.5, True, None]
VALUES: list[Any] = [
    *(*ATOMS, [], {}, ["a", 1], {"c": "a"}, {"a": "a", "c": 1}, {"a": [1], "b": {"a": "a"}}),
    *([atom] for atom in ATOMS),
    *({"a": each} for each in [*ATOMS, [], {}, ["a"], {"a": 1}, {"b": "a"}]),
    *({"b": each} for each in ATOMS),
    *({"a": one, "b": other} for one in ATOMS for other in ATOMS),
]


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what is written by a schema: readers ignore other fields, but nobody writes them."""
    is_open = "properties" in schema and "additionalProperties" not in schema
    return {**schema, **CLOSED} if is_open else schema


@given(old=SCHEMAS, new=SCHEMAS)
def test_property_what_breaks_nothing_keeps_every_value_valid(old: Any, new: Any) -> None:
    """Held against a validator: whatever the old schema takes, the new one takes as well."""
    if "backward" in directions(changes(old, new)):
        return
    written = mapped(old, closed)
    before, after = newest(written), newest(new)
    for value in VALUES:
        if before.is_valid(value):
            assert after.is_valid(value), json.dumps(value)


@given(schema=SCHEMAS)
def test_property_what_did_not_change_breaks_nothing(schema: Any) -> None:
    assert not directions(changes(schema, json.loads(json.dumps(schema))))
