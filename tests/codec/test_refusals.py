"""What does not come back exactly is refused, with its place, what fits instead and what to do."""

from __future__ import annotations

import threading
from collections import OrderedDict, UserDict, defaultdict, namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import pytest

from duetto.codec import ITEMS_MAX, VALUE_BYTES_MAX
from duetto.errors import DuettoError, LimitExceeded, ValueRefused
from duetto.model.definition import TypeRef
from tests.codec import values as v

CODEC = v.a_codec()
WRONG: Any = "a"
A_NODE = v.Node(1, v.Node(2, None, [v.Node(WRONG)]))
LATER: Any = namedtuple  # as a caller that no type checker sees would have it
UNNAMED = LATER("UNNAMED", "a b")
DEFAULTS: dict[str, int] = defaultdict(int)
USERS: UserDict[str, int] = UserDict()
ORDERED: OrderedDict[str, int] = OrderedDict(a=1)


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Stranger:
    pass


class Elsewhere(tzinfo):
    def utcoffset(self, dt: datetime | None, /) -> timedelta:
        return timedelta(hours=1)

    def dst(self, dt: datetime | None, /) -> timedelta | None:
        return None

    def tzname(self, dt: datetime | None, /) -> str:
        return "elsewhere"


class SubDecimal(Decimal):
    __slots__ = ()


def refusal(annotation: Any, value: Any) -> ValueRefused:
    """Return the error of encoding a value."""
    with pytest.raises(ValueRefused) as caught:
        CODEC.plan_for(annotation).encode(value)
    assert caught.value.found
    assert caught.value.expected
    assert caught.value.do
    return caught.value


def cyclic_list() -> list[Any]:
    cycle: list[Any] = [1]
    cycle.append({"again": cycle})
    return cycle


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("annotation", [Any, list[Any], dict[str, Any]], ids=str)
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(float("nan"), id="not a number"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param(-float("inf"), id="minus infinity"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param("a\udfffb", id="lone low surrogate"),
        pytest.param(2**63, id="2**63"),
        pytest.param(2**64 - 1, id="2**64 - 1"),
        pytest.param(2**64, id="2**64"),
        pytest.param(-(2**63) - 1, id="below -2**63"),
        pytest.param(cyclic_list(), id="cycle"),
        pytest.param(deep(70), id="too deep"),
        pytest.param(deep(5000), id="far too deep"),
        pytest.param(Text("a"), id="subclass of str"),
        pytest.param(Number(1), id="subclass of int"),
        pytest.param(ORDERED, id="ordered dict"),
        pytest.param(DEFAULTS, id="default dict"),
        pytest.param(USERS, id="user dict"),
        pytest.param(UNNAMED(1, 2), id="named tuple that is not known"),
        pytest.param(Stranger(), id="object without fields"),
        pytest.param(threading.Lock(), id="lock"),
        pytest.param(lambda: 1, id="function"),
        pytest.param(int, id="class"),
        pytest.param(iter([1]), id="iterator"),
        pytest.param(memoryview(b"a"), id="memoryview"),
        pytest.param(KeyboardInterrupt(), id="an exception that is not for programs"),
        pytest.param(Decimal("NaN"), id="Decimal that is not a number"),
        pytest.param(Decimal("Infinity"), id="infinite Decimal"),
        pytest.param(SubDecimal("1"), id="subclass of Decimal"),
        pytest.param(datetime(2020, 1, 1, tzinfo=Elsewhere()), id="time zone of its own"),
        pytest.param(datetime(2020, 1, 1, tzinfo=timezone(timedelta(0), "x")), id="named offset"),
    ],
)
def test_what_no_store_gives_back_is_refused_wherever_it_stands(
    annotation: Any, value: Any
) -> None:
    within = {Any: value, list[Any]: [1, value], dict[str, Any]: {"a": value}}[annotation]
    refusal(annotation, within)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, True),
        (int, 1.0),
        (int, "1"),
        (int, Number(1)),
        (int, 2**63),
        (int, v.Level.LOW),
        (bool, 1),
        (float, 1),
        (float, True),
        (float, float("nan")),
        (str, b"a"),
        (str, Text("a")),
        (str, v.Text.A),
        (str, "\ud800"),
        (bytes, bytearray(b"a")),
        (None, 0),
        (Decimal, 1),
        (datetime, datetime.now(UTC).date()),
        (v.date, datetime(2020, 1, 1)),
        (list[int], (1, 2)),
        (list[int], [1, True]),
        (list[int], [1, 2**63]),
        (list[float], [1.0, 2]),
        (list[float], [1.0, float("inf")]),
        (tuple[int, str], (1,)),
        (tuple[int, str], (1, "a", 2)),
        (tuple[int, ...], [1]),
        (tuple[int, ...], v.Place(1, "a")),
        (v.Place, (1, "a")),
        (set[int], frozenset({1})),
        (set[int], {1, "a"}),
        (frozenset[int], {1}),
        (dict[str, int], {1: 1}),
        (dict[str, int], {"a": 1.0}),
        (dict[str, int], OrderedDict(a=1)),
        (dict[int, int], {True: 1}),
        (v.Colour, "red"),
        (v.Level, 1),
        (v.Literal["a", 1, None], True),
        (v.Literal["a", 1, None], "b"),
        (v.Point, v.Frozen("a", 1, 1.0, True, Decimal(1))),
        (v.Point, {"x": 1, "y": 2}),
        (v.Point, v.Point(1, 2.0)),  # type: ignore[arg-type] the wrong type is what is tested
        (v.Plain, v.Longer("a", 1, 1.0, True)),
        (v.Box[int], v.Box("a")),
        (v.Options, {"fast": 1}),
        (v.Options, {"slow": True}),
        (int | None, "a"),
        (int | str, 1.0),
        (v.Point | v.Frozen, 1),
        (v.Renamed | v.Other, v.Point(1, 2)),
        (ValueError, KeyError("a")),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_refused(annotation: Any, value: Any) -> None:
    refusal(annotation, value)


def test_the_culprit_is_named_with_its_place() -> None:
    error = refusal(v.Order, v.Order(v.Meta(threading.Lock())))
    assert error.found == "_thread.lock at Order.meta.lock"
    assert error.expected == "dataclass, msgspec, attrs, pydantic or plain JSON types"
    assert str(error).splitlines()[1:] == [
        "  found     _thread.lock at Order.meta.lock",
        "  expected  dataclass, msgspec, attrs, pydantic or plain JSON types",
        "  do        keep it out of values: make it a resource, or store what it is made from",
    ]


@pytest.mark.parametrize(
    ("annotation", "value", "found"),
    [
        (Any, {"a": [1, {"b c": "\ud800"}]}, r"str '\ud800' at value.a[1]['b c']"),
        (list[v.Plain], [v.Plain("a", 1, 1.0, True, ["b", 3])], "int 3 at list[0].tags[1]"),  # type: ignore[list-item] the wrong type is what is tested
        (dict[str, int], {"a": 1, "b": True}, "True at dict.b"),
        (dict[str, int], {1: 1}, "int 1 at dict{key}"),
        (tuple[int, str], (1, 2), "int 2 at tuple[1]"),
        (v.Place, v.Place(1, 2), "int 2 at Place.label"),  # type: ignore[arg-type] the wrong type is what is tested
        (set[int], {1.5}, "float 1.5 at set{…}"),
        (
            v.Node,
            A_NODE,
            "str 'a' at Node.next.children[0].value",
        ),
        (float | None, 1, "int 1 at value"),
        (v.Point | None, v.Point(1, "a"), "str 'a' at value.y"),  # type: ignore[arg-type] the wrong type is what is tested
    ],
    ids=str,
)
def test_every_kind_of_place_can_be_read(annotation: Any, value: Any, found: str) -> None:
    assert refusal(annotation, value).found == found


def test_a_cycle_through_classes_is_refused() -> None:
    node = v.Node(1)
    node.next = node
    assert "no cycle" in refusal(v.Node, node).expected
    box: v.Box[Any] = v.Box(1)
    box.content = [box]
    refusal(Any, box)


def test_a_value_that_holds_one_part_twice_at_every_level_is_refused_in_no_time() -> None:
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    with pytest.raises(DuettoError):
        CODEC.dynamic.encode(value)


def test_an_attribute_that_is_no_field_is_refused() -> None:
    plain = v.Plain("a", 1, 1.0, True)
    plain.more = 1  # type: ignore[attr-defined] it is what is tested
    error = refusal(v.Plain, plain)
    assert (error.found, error.do) == ("int 1 at Plain.more", "declare `more` as a field")


def test_a_field_without_a_value_is_refused() -> None:
    plain = v.Plain("a", 1, 1.0, True)
    del plain.size
    assert "a value for `size`" in refusal(v.Plain, plain).expected


def test_a_class_that_cannot_be_found_by_name_must_be_annotated() -> None:
    @dataclass
    class Local:
        a: int

    class LocalColour(Enum):
        RED = 1

    for value in (Local(1), LocalColour.RED, msgspec.defstruct("Made", ["a"])(1)):
        assert refusal(Any, value).found.endswith("at value")
    assert "annotate it" in refusal(Any, Local(1)).do


def test_a_value_above_the_limit_is_refused_by_its_size() -> None:
    for annotation in (str, Any, v.Box[str] | None):
        big: Any = "x" * VALUE_BYTES_MAX
        value = v.Box(big) if annotation == v.Box[str] | None else big
        with pytest.raises(LimitExceeded) as caught:
            CODEC.plan_for(annotation).encode(value)
        assert "VALUE_BYTES_MAX" in caught.value.expected
        assert caught.value.do
    assert CODEC.plan_for(str).encode("x" * (VALUE_BYTES_MAX - 5))


def test_an_endless_loop_is_refused() -> None:
    plan = CODEC.plan(TypeRef("items", (TypeRef("Any"),)))
    for endless in (range(ITEMS_MAX + 1), (0 for _ in iter(int, 1))):
        with pytest.raises(LimitExceeded):
            plan.encode(endless)
    with pytest.raises(ValueRefused) as refused:
        plan.encode(5)
    assert "iterate" in refused.value.expected


@pytest.mark.parametrize(
    "value",
    [
        "a\x00b",
        "\x00",
        "",
        "x" * 3000,
        "é",
        "e\u0301",
        {"é": 1, "e\u0301": 2},
        2**63 - 1,
        -(2**63),
        -0.0,
        5e-324,
        1.7976931348623157e308,
        "\U0010ffff",
    ],
    ids=ascii,
)
def test_what_stores_treat_differently_comes_back_untouched(value: Any) -> None:
    cases: list[tuple[Any, Any]] = [(Any, value), (list[Any], [value]), (v.KIND_OF(value), value)]
    for annotation, within in cases:
        plan = CODEC.plan_for(annotation)
        assert v.same(plan.decode(plan.encode(within)), within)
