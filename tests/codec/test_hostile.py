"""Bytes that nobody encoded end in an error of Duetto, never in a crash or another error."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from duetto.codec import Plan
from duetto.errors import DuettoError, NotFound, StoreDamaged
from duetto.model.definition import TypeRef
from duetto.model.token import Error
from tests.codec import strategies as s
from tests.codec import values as v

CODEC = v.a_codec()
PLANS: list[Plan] = [
    CODEC.dynamic,
    CODEC.plan(TypeRef("items", (TypeRef("Any"),))),
    CODEC.plan(TypeRef("items", (TypeRef("int"),))),
    *(CODEC.plan_for(annotation) for annotation in [*s.SCALARS, *s.CLASSES]),
    CODEC.plan_for(dict[v.Point, set[frozenset[int]]]),
    CODEC.plan_for(list[int] | tuple[int, ...] | set[str] | None),
]
ENCODE = msgspec.msgpack.encode
INNERS: list[Any] = [5, [], [[]], ["decimal", "x"], ["fraction", "1/0"], [1, 2], [{}, []]]


def decodes_or_errs(data: bytes) -> None:
    for plan in PLANS:
        try:
            found = plan.decode(data)
            if hasattr(found, "element"):
                [found.element(index) for index in range(min(len(found), 3))]
        except DuettoError:
            continue


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x91" * 100_000 + b"\x01", id="100,000 arrays"),
        pytest.param(b"\x81\xa1a" * 100_000 + b"\x01", id="100,000 maps"),
        pytest.param(b"\x81" * 100_000, id="100,000 keys"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="array of 4 G"),
        pytest.param(b"\xdf\xff\xff\xff\xff", id="map of 4 G"),
        pytest.param(b"\xc6\xff\xff\xff\xffabc", id="bytes of 4 G"),
        pytest.param(b"\xdb\xff\xff\xff\xffabc", id="text of 4 G"),
        pytest.param(b"\xc9\xff\xff\xff\xff\x01", id="extension of 4 G"),
        pytest.param(b"\xa2\xff\xfe", id="no UTF-8"),
        pytest.param(b"\x01\x02", id="two values"),
        pytest.param(b"\xc1", id="a byte that is not used"),
        pytest.param(b"\xd6\xff\xff\xff\xff\xff", id="a timestamp"),
        pytest.param(b"\xc7\x0c\xff" + b"\xff" * 12, id="a timestamp out of range"),
        pytest.param(ENCODE({"range": [0, 5, 0]}), id="a range without step"),
        pytest.param(ENCODE({"range": [0, 10**18, 1]}), id="a huge range"),
        pytest.param(ENCODE({"text": 5}), id="text that is none"),
        pytest.param(ENCODE({"a": 1, "b": 2}), id="a map"),
        *(pytest.param(ENCODE(Ext(code, b"")), id=f"empty {code}") for code in range(9)),
        *(
            pytest.param(ENCODE(Ext(code, ENCODE(inner))), id=f"extension {code} of {inner}")
            for code in range(9)
            for inner in INNERS
        ),
    ],
)
def test_what_nobody_encoded_is_told_so(data: bytes) -> None:
    decodes_or_errs(data)


def test_extensions_within_extensions_end_somewhere() -> None:
    data = ENCODE(1)
    for _ in range(3000):
        data = ENCODE(Ext(1, ENCODE([msgspec.Raw(data)])))
    decodes_or_errs(data)


@given(st.binary(max_size=60))
@example(b"\xd9\x01[")
@example(ENCODE("[]"))
@example(ENCODE("2020-01-01[../../etc]"))
@example(ENCODE("2020-01-01[/etc/hostname]"))
@example(ENCODE("1e9999999999999999999"))
def test_random_bytes(data: bytes) -> None:
    decodes_or_errs(data)


def extended(code: int, wire: Any) -> Ext:
    return Ext(code, ENCODE(wire))


WIRES: st.SearchStrategy[Any] = st.recursive(
    s.PLAIN | st.sampled_from(["x", "y", "id", "content", "tests.codec.values:Point", "decimal"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["", "a", "x", "y", "id", "type"]), inner, max_size=4)
        | st.builds(extended, st.integers(-3, 9), inner)
    ),
    max_leaves=12,
)


@given(WIRES)
def test_msgpack_of_another_shape(wire: Any) -> None:
    decodes_or_errs(ENCODE(wire))


@given(st.data())
def test_a_flipped_byte(data: st.DataObject) -> None:
    annotation = data.draw(st.sampled_from(list(s.CLASSES)))
    plan = CODEC.plan_for(annotation)
    stored = bytearray(plan.encode(data.draw(s.CLASSES[annotation])))
    stored[data.draw(st.integers(0, len(stored) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(DuettoError):
        plan.decode(bytes(stored))


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "subprocess:Popen",
        "builtins:eval",
        "eval",
        "threading:Thread",
        "tests.codec.values:sys.exit",
        "tests.codec.values:a_codec",
        "tests.codec.values:Point.__init__",
        "datetime:timezone",
        "ValueError",
    ],
)
def test_a_name_in_bytes_makes_nothing_but_values(name: str) -> None:
    with pytest.raises((NotFound, StoreDamaged)):
        CODEC.dynamic.decode(ENCODE(Ext(6, ENCODE([name, {}]))))


@pytest.mark.parametrize("name", ["os:system", "SystemExit", "tests.codec.values:Point", "print"])
def test_an_error_of_a_name_that_is_no_error_class_stays_data(name: str) -> None:
    found = CODEC.exception(Error(name, (), "no", CODEC.dynamic.encode(((), {}))))
    assert type(found).__name__ == "TaskError"


def test_the_error_says_what_is_wrong_where() -> None:
    with pytest.raises(StoreDamaged) as caught:
        CODEC.plan_for(list[v.Point]).decode(ENCODE([{"x": 1, "y": 2}, {"x": 1, "y": "b"}]))
    assert caught.value.found == "str 'b' at value[1].y"
    assert caught.value.expected == "int"
    with pytest.raises(StoreDamaged) as caught:
        CODEC.plan_for(v.Point).decode(ENCODE({"x": 1}))
    assert "a value for `y` of Point" in caught.value.expected
    assert "default" in caught.value.do


def test_values_of_an_older_class_get_the_defaults_of_new_fields() -> None:
    old = ENCODE({"name": "a", "size": 1, "ratio": 0.5, "on": True, "dropped": [1]})
    assert CODEC.plan_for(v.Plain).decode(old) == v.Plain("a", 1, 0.5, True)
    assert CODEC.plan_for(v.Model).decode(ENCODE({"id": 1})) == v.Model(id=1)
    assert CODEC.plan_for(v.Attr).decode(ENCODE({"a": 1})) == v.Attr(1)
    assert CODEC.plan_for(v.Node).decode(ENCODE({"value": 1})) == v.Node(1)
