"""Annotations become data and come back; what has no name is refused."""

from __future__ import annotations

import collections.abc
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, ForwardRef, Literal, Optional, TypeVar, Union

import pytest

from duetto.authoring.symbols import Symbols
from duetto.authoring.types import annotation_of, describe, name_of
from duetto.errors import DefinitionError, NotFound
from duetto.model.definition import TypeRef
from tests.codec import values as v

SYMBOLS = Symbols([v])
T = TypeVar("T")


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (None, "None"),
        (Any, "Any"),
        (Decimal, "Decimal"),
        (v.Point, "Point"),
        (list[v.Point], "list[Point]"),
        (dict[str, list[int]], "dict[str, list[int]]"),
        (tuple[int, str], "tuple[int, str]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (tuple[()], "tuple[()]"),
        (int | None, "int | None"),
        (v.Box[int], "Box[int]"),
        (v.Pair[str, v.Point], "Pair[str, Point]"),
        (v.Wrapped[int], "Wrapped[int]"),
        (v.Colour, "Colour"),
        (v.Place, "Place"),
        (v.Options, "Options"),
        (Literal["a", 1, None, True, b"x", -5, "it's", 'a"b', "\n\u20ac\\"], None),
        (Literal[v.Colour.RED], None),
        (Literal["[", ":"], None),
    ],
    ids=str,
)
def test_a_described_type_comes_back(annotation: Any, text: str | None) -> None:
    ref = describe(annotation)
    assert text is None or str(ref) == text
    back = annotation_of(ref, SYMBOLS.resolve)
    assert back == annotation
    assert describe(back) == ref


@pytest.mark.parametrize(
    ("annotation", "same_as"),
    [
        (Optional[int], int | None),  # noqa: UP045 the old spelling is what is tested
        (Union[int, str], int | str),  # noqa: UP007 the old spelling is what is tested
        (Annotated[int, "note"], int),
        (list[Annotated[int, "note"]], list[int]),
        (v.OrderId, str),
        (Final[int], int),
        (object, Any),
        (T, Any),
        (Sequence[int], list[int] | tuple[int, ...]),
        (Iterable[int], list[int] | tuple[int, ...]),
        (Mapping[str, int], dict[str, int]),
        (collections.abc.Set[int], set[int] | frozenset[int]),
    ],
    ids=str,
)
def test_spellings_of_one_type_are_one(annotation: Any, same_as: Any) -> None:
    assert describe(annotation) == describe(same_as)


def test_classes_have_qualified_names() -> None:
    assert describe(v.Point) == TypeRef("tests.codec.values:Point")
    assert describe(Decimal) == TypeRef("decimal:Decimal")
    assert describe(list[int]) == TypeRef("list", (TypeRef("int"),))
    assert name_of(ValueError) == "ValueError"
    assert name_of(v.a_codec) == "tests.codec.values:a_codec"


@pytest.mark.parametrize("annotation", ["Point", list[ForwardRef("Point")], 5], ids=str)
def test_what_is_no_type_is_refused(annotation: Any) -> None:
    with pytest.raises(DefinitionError) as caught:
        describe(annotation)
    assert caught.value.found
    assert caught.value.do


def test_a_local_class_is_refused() -> None:
    class Local:
        pass

    with pytest.raises(DefinitionError) as caught:
        describe(list[Local])
    assert "<locals>" in caught.value.found
    assert "top level" in caught.value.do


def test_an_unknown_name_is_not_found() -> None:
    codec = v.a_codec()
    with pytest.raises(NotFound) as caught:
        codec.plan(TypeRef("list", (TypeRef("tests.codec.values:Pont"),)))
    assert "tests.codec.values:Pont" in caught.value.found
    assert caught.value.do == "did you mean `tests.codec.values:Point`?"
