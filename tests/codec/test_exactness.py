"""What is encoded comes back equal and of exactly the same types, or it is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duetto.codec import NESTING_MAX
from duetto.codecs.msgpack.plans import packing, unpacking
from duetto.errors import DuettoError
from tests.codec import strategies as s
from tests.codec import values as v

CODEC = v.a_codec()
KNOWN: dict[Any, Any] = {**s.SCALARS, **s.CLASSES, Any: s.DYNAMIC}


@pytest.mark.parametrize("annotation", list(KNOWN), ids=str)
@settings(max_examples=40)
@given(data=st.data())
def test_values_of_a_type_come_back(annotation: Any, data: st.DataObject) -> None:
    value = data.draw(KNOWN[annotation])
    plan = CODEC.plan_for(annotation)
    back = plan.decode(plan.encode(value))
    assert v.same(value, back), (value, back)


@given(st.data())
def test_values_of_composed_types_come_back_the_same_both_ways(data: st.DataObject) -> None:
    annotation, strategy = data.draw(s.annotated())
    value = data.draw(strategy)
    plan, shape = CODEC.plan_for(annotation), CODEC._shapes.shape(annotation)  # pyright: ignore[reportPrivateUsage] both ways are compared
    stored = plan.encode(value)
    assert v.same(value, plan.decode(stored)), (annotation, value, plan.decode(stored))
    complete = packing(shape)(value)
    assert stored == complete, (annotation, value)
    assert v.same(value, unpacking(shape, CODEC._shapes)(complete))  # pyright: ignore[reportPrivateUsage] both ways are compared


@given(s.DYNAMIC)
def test_values_of_no_known_type_come_back(value: Any) -> None:
    assert v.same(value, CODEC.dynamic.decode(CODEC.dynamic.encode(value)))


@given(st.data())
def test_a_value_of_another_type_is_refused_or_comes_back(data: st.DataObject) -> None:
    annotation, _ = data.draw(s.annotated())
    value = data.draw(s.DYNAMIC)
    plan = CODEC.plan_for(annotation)
    try:
        stored = plan.encode(value)
    except DuettoError:
        return
    assert v.same(value, plan.decode(stored)), (annotation, value, plan.decode(stored))


@given(st.data())
def test_bytes_do_not_depend_on_the_order_of_a_set(data: st.DataObject) -> None:
    elements = data.draw(st.lists(s.HASHABLE, unique=True, max_size=6))
    there, back = set(elements), {*elements[::-1]}
    assert CODEC.dynamic.encode(there) == CODEC.dynamic.encode(back)


def test_equal_plans_are_built_once() -> None:
    assert CODEC.plan_for(v.Frozen) is CODEC.plan_for(v.Frozen)
    assert CODEC.plan_for(list[v.Frozen]) is CODEC.plan(CODEC.plan_for(list[v.Frozen]).ref)  # type: ignore[arg-type] a described plan has a ref


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, True),
        (None, True),
        (v.Colour, True),
        (v.Frozen, True),
        (v.Point, True),
        (v.Slotted, True),
        (v.Solid, True),
        (v.Still, True),
        (v.Place, True),
        (tuple[v.Point, ...], True),
        (frozenset[str], True),
        (v.Point | None, True),
        (v.Literal["a", 1], True),
        (v.OrderId, True),
        (bytearray, False),
        (list[int], False),
        (tuple[list[int], int], False),
        (dict[str, int], False),
        (v.Loose, False),
        (v.Plain, False),
        (v.Model, False),
        (v.Attr, False),
        (v.Box[int], False),
        (v.Options, False),
        (Any, False),
    ],
    ids=str,
)
def test_only_what_nothing_can_change_is_immutable(annotation: Any, expected: bool) -> None:
    assert CODEC.plan_for(annotation).immutable is expected


def test_a_decoded_value_is_a_new_one() -> None:
    plan = CODEC.plan_for(list[v.Plain])
    stored = plan.encode([v.Plain("a", 1, 1.0, True)])
    one, two = plan.decode(stored), plan.decode(stored)
    one[0].tags.append("changed")
    assert two[0].tags == []


def test_validators_and_hooks_do_not_run_again() -> None:
    checked = v.Checked("5")
    back = CODEC.plan_for(v.Checked).decode(CODEC.plan_for(v.Checked).encode(checked))
    assert (back.a, back.log) == (5, ["made"])
    hooked = v.Hooked(1)
    assert CODEC.plan_for(v.Hooked).decode(CODEC.plan_for(v.Hooked).encode(hooked)).a == 2


def test_what_pydantic_keeps_beside_the_fields_comes_back() -> None:
    model = v.Open.model_validate({"a": 1, "more": [1, 2]})
    model._seen = 3  # pyright: ignore[reportPrivateUsage] it is what is tested
    back = CODEC.plan_for(v.Open).decode(CODEC.plan_for(v.Open).encode(model))
    assert back == model
    assert back._seen == 3
    assert back.model_extra == {"more": [1, 2]}
    assert CODEC.plan_for(v.Model).decode(
        CODEC.plan_for(v.Model).encode(v.Model(id=1))
    ).model_fields_set == {"id"}


def test_a_computed_property_is_computed_anew() -> None:
    value = v.Caching(4)
    assert value.double == 8
    back = CODEC.plan_for(v.Caching).decode(CODEC.plan_for(v.Caching).encode(value))
    assert vars(back) == {"a": 4}


def test_values_may_be_nested_up_to_the_limit() -> None:
    value: Any = 1
    for _ in range(NESTING_MAX):
        value = [value]
    assert CODEC.dynamic.decode(CODEC.dynamic.encode(value)) == value
    with pytest.raises(DuettoError):
        CODEC.dynamic.encode([value])


@given(st.lists(s.DYNAMIC, max_size=20))
def test_encoded_parts_are_joined_without_decoding(values: list[Any]) -> None:
    parts = [CODEC.dynamic.encode(value) for value in values]
    assert v.same(CODEC.dynamic.decode(CODEC.dynamic_list_of(parts)), values)
    assert v.same(CODEC.dynamic.decode(CODEC.dynamic_tuple_of(parts)), tuple(values))
    assert CODEC.dynamic_tuple_of(parts) == CODEC.dynamic.encode(tuple(values))


@pytest.mark.parametrize("count", [0, 1, 15, 16, 70_000])
def test_parts_of_a_typed_tuple_or_list_are_joined(count: int) -> None:
    parts = [CODEC.plan_for(int).encode(1)] * count
    assert CODEC.plan_for(list[int]).decode(CODEC.tuple_of(parts)) == [1] * count
    assert CODEC.plan_for(tuple[int, ...]).decode(CODEC.tuple_of(parts)) == (1,) * count
    assert CODEC.dynamic.decode(CODEC.dynamic_tuple_of(parts)) == (1,) * count
