"""What a `for` loop walks: stored at once, decoded one by one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duetto.errors import StoreDamaged, ValueRefused
from duetto.model.definition import TypeRef
from tests.codec import strategies as s
from tests.codec import values as v

CODEC = v.a_codec()
ANY = CODEC.plan(TypeRef("items", (TypeRef("Any"),)))


def walked(value: Any, plan: Any = ANY) -> list[Any]:
    """Return the elements of a value that was stored to be walked."""
    items = plan.decode(plan.encode(value))
    return [items.element(index) for index in range(len(items))]


@given(st.lists(s.DYNAMIC, max_size=20))
def test_every_element_comes_back(elements: list[Any]) -> None:
    assert v.same(walked(elements), elements)
    assert v.same(walked(iter(elements)), elements)


@pytest.mark.parametrize(
    "value",
    [
        range(0),
        range(5),
        range(10, -10, -3),
        "",
        "añ\U0001f600",
        b"ab",
        {"a": 1, 2: 3},
        {"a": 1}.items(),
        {"a": [1]}.values(),
        {5},
        (1, "a", None),
    ],
    ids=repr,
)
def test_any_iterable_can_be_walked(value: Any) -> None:
    assert v.same(walked(value), list(value))


def test_iterators_are_walked_once() -> None:
    assert walked(zip("ab", [1, 2], strict=True)) == [("a", 1), ("b", 2)]
    assert walked(enumerate("ab")) == [(0, "a"), (1, "b")]


def test_a_range_stays_a_range() -> None:
    assert len(ANY.encode(range(1_000_000))) < 30


def test_elements_are_decoded_anew_each_time() -> None:
    items = ANY.decode(ANY.encode([[1], [2]]))
    items.element(0).append(5)
    assert items.element(0) == [1]
    typed = CODEC.plan(TypeRef("items", (TypeRef("tests.codec.values:Plain"),)))
    plain = typed.decode(typed.encode([v.Plain("a", 1, 1.0, True)]))
    assert plain.element(0) is not plain.element(0)


def test_only_the_element_that_is_asked_for_is_decoded() -> None:
    plan = CODEC.plan(TypeRef("items", (TypeRef("tests.codec.values:Plain"),)))
    damaged = CODEC.tuple_of([CODEC.plan_for(int).encode(1)])
    items = plan.decode(damaged)
    assert len(items) == 1
    with pytest.raises(StoreDamaged):
        items.element(0)


def test_elements_that_cannot_change_may_be_shared() -> None:
    plan = CODEC.plan(TypeRef("items", (TypeRef("tests.codec.values:Point"),)))
    items = plan.decode(plan.encode([v.Point(1, 2)]))
    assert items.element(0) is items.element(0)
    assert plan.immutable
    assert ANY.immutable


def test_an_element_of_another_type_is_refused() -> None:
    plan = CODEC.plan(TypeRef("items", (TypeRef("int"),)))
    with pytest.raises(ValueRefused) as caught:
        plan.encode([1, "a"])
    assert caught.value.found == "str 'a' at items[1]"
    with pytest.raises(ValueRefused):
        plan.encode("ab")


def test_joined_parts_can_be_walked() -> None:
    parts = [CODEC.dynamic.encode(value) for value in (1, [2], (3,))]
    assert len(ANY.decode(CODEC.dynamic_list_of(parts))) == 3
