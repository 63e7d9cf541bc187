"""The schemas of what users bring: each says what its values look like as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID

import jsonschema
import msgspec
import pydantic
import pytest

from duetto.operations.contracts.schemas import DIALECT, whole
from tests.contracts.choreography import Address, Card, Cash, Declined, Held, Line, Placed, Size
from tests.contracts.validating import newest, references

T = TypeVar("T")
Sku = NewType("Sku", str)


@dataclass
class Box(Generic[T]):
    inside: T


class Pair(NamedTuple):
    left: int
    right: str = "x"


class Options(TypedDict, total=False):
    deep: bool


class Closed(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    first_name: str


class Empty(pydantic.BaseModel):
    pass


@dataclass
class Mixed:
    address: Address
    again: Address
    box: Box[int]
    other: Box[str]


def schema(annotation: Any) -> dict[str, Any]:
    return whole("urn:x", "x", annotation)


def plain(annotation: Any) -> dict[str, Any]:
    kept = ("$schema", "$id", "title")
    return {key: value for key, value in schema(annotation).items() if key not in kept}


TYPES = [
    *(int, str, float, bool, bytes, None, Any, object, list, dict, tuple, set, Size, Sku),
    *(datetime, timedelta, Decimal, UUID, Fraction, complex, range, ValueError),
    *(list[int], dict[str, int], dict[int, str], tuple[int, str], tuple[int, ...], tuple[()]),
    *(set[str], Sequence[int], int | None, Literal["a", 1], Card | Cash | None, list[Card | Cash]),
    *(Pair, Options, Closed, Empty, Box[int], Box[Box[str]], Line, Address, Mixed, Placed, Held),
    *(Declined, dict[str, Line], list[Any]),
]


@pytest.mark.parametrize("annotation", TYPES, ids=str)
def test_every_type_has_a_schema_whose_references_are_there(annotation: Any) -> None:
    found = schema(annotation)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$schema"] == DIALECT
    for ref in references(found):
        assert ref.removeprefix("#/$defs/") in found["$defs"]
    assert found == schema(annotation), "it is the same each time"


VALUES: list[tuple[Any, list[Any], list[Any]]] = [
    (Card | Cash, [{"number": "1"}, {"currency": "EUR"}, {}], [{"number": 1, "currency": "DM"}]),
    (Line, [{"sku": "a", "parts": [{"sku": "b"}]}], [{}, {"sku": "a", "count": 0}, {"sku": 1}]),
    (
        Address,
        [{"street": "a", "near": {"street": "b"}}],
        [{"st": "a"}, {"street": "a", "near": 1}],
    ),
    (Closed, [{"firstName": "a"}], [{"firstName": "a", "more": 1}, {"first_name": "a"}]),
    (Held, [{"type": "Held", "order": "a", "matrix": [1, 0]}], [{"order": "a", "matrix": [1, 0]}]),
    (tuple[int, str], [[1, "a"]], [[1], [1, "a", 2], ["a", 1]]),
    (Pair, [[1], [1, "a"]], [[], ["a"]]),
    (Options, [{}, {"deep": True}], [{"deep": 1}]),
    (Box[int], [{"inside": 1}], [{"inside": "a"}]),
    (Size | None, ["small", None], ["medium"]),
]


@pytest.mark.parametrize(("annotation", "good", "bad"), VALUES, ids=lambda it: str(it)[:40])
def test_a_schema_takes_what_fits(annotation: Any, good: list[Any], bad: list[Any]) -> None:
    validator = newest(schema(annotation))
    for value in good:
        validator.validate(value)
    for value in bad:
        assert not validator.is_valid(value), value


def test_defaults_are_said_where_they_are_always_the_same() -> None:
    placed = schema(Placed)["$defs"]["Placed"]
    assert placed["properties"]["size"]["default"] == "small"
    assert placed["properties"]["total"]["default"] == "0"
    assert placed["properties"]["notes"] == {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "default": {},
    }
    assert "default" not in placed["properties"]["trace"], "drawn anew for each event"
    assert placed["required"] == ["order", "lines", "paid_by", "to"]


def test_what_json_has_not_goes_by_its_name() -> None:
    assert plain(complex) == {"x-python-type": "complex", "$defs": {}}
    assert plain(Fraction)["x-python-type"] == "fractions:Fraction"


def test_a_model_within_a_class_is_defined_once() -> None:
    found = schema(Mixed)
    assert found["$defs"].keys() == {"Mixed", "Address", "Box_int", "Box_str"}
    mixed = found["$defs"]["Mixed"]["properties"]
    assert mixed["address"] == mixed["again"] == {"$ref": "#/$defs/Address"}


def test_two_classes_of_one_name_are_kept_apart() -> None:
    @dataclass
    class Line:
        other: int

    first = Line
    found = whole("urn:x", "x", tuple[first, globals()["Line"]])
    assert len(found["$defs"]) == 2
    required = [one["required"] for one in found["$defs"].values()]
    assert sorted(required) == [["other"], ["sku"]]
