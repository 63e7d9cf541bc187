"""Values of every type, drawn by Hypothesis together with the annotation that they have."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any, Union
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.codec import values as v

INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def a_decimal(sign: int, digits: tuple[int, ...], exponent: int) -> Decimal:
    return Decimal((sign, digits, exponent))


def zoned(at: Any, fold: int, zone: Any) -> Any:
    return at.replace(fold=fold, tzinfo=zone)


DECIMALS = st.decimals(allow_nan=False, allow_infinity=False) | st.builds(
    a_decimal,
    st.integers(0, 1),
    st.lists(st.integers(0, 9), min_size=1, max_size=30).map(tuple),
    st.integers(-400, 400),
)
OFFSETS = st.integers(-86399, 86399).map(lambda s: timezone(timedelta(seconds=s)))
ZONES = st.sampled_from([ZoneInfo("Europe/London"), ZoneInfo("America/New_York"), UTC])
DATETIMES = st.builds(
    zoned,
    st.datetimes(),
    st.integers(0, 1),
    st.none() | OFFSETS | ZONES,
)
TIMES = st.builds(
    zoned,
    st.times(),
    st.integers(0, 1),
    st.none() | OFFSETS | ZONES,
)
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    None: st.none(),
    bool: st.booleans(),
    int: INTEGERS,
    float: FLOATS,
    str: TEXT,
    bytes: st.binary(max_size=12),
    bytearray: st.binary(max_size=12).map(bytearray),
    complex: st.complex_numbers(allow_nan=False, allow_infinity=False),
    Fraction: st.fractions(),
    Decimal: DECIMALS,
    v.datetime: DATETIMES,
    v.time: TIMES,
    v.date: st.dates(),
    timedelta: st.timedeltas(),
    v.UUID: st.uuids(),
    v.Colour: st.sampled_from(v.Colour),
    v.Level: st.sampled_from(v.Level),
    v.Text: st.sampled_from(v.Text),
    v.Odd: st.sampled_from(v.Odd),
    v.Rights: st.sampled_from([*v.Rights, v.Rights(0), v.Rights(3)]),
    v.Literal["a", 1, None]: st.sampled_from(["a", 1, None]),
}
POINTS = st.builds(v.Point, INTEGERS, INTEGERS)
FROZEN = st.builds(v.Frozen, TEXT, INTEGERS, FLOATS, st.booleans(), DECIMALS)
NODES = st.recursive(
    st.builds(v.Node, INTEGERS),
    lambda inner: st.builds(v.Node, INTEGERS, st.none() | inner, st.lists(inner, max_size=3)),
    max_leaves=8,
)
PLAIN_KEYS = TEXT | INTEGERS | st.booleans() | st.none() | FLOATS | st.binary(max_size=4)
PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXT | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN_KEYS, inner, max_size=4),
    max_leaves=12,
)
SCALAR_VALUES = st.one_of(*SCALARS.values())
HASHABLE: st.SearchStrategy[Any] = st.recursive(
    st.one_of(*(strategy for kind, strategy in SCALARS.items() if kind is not bytearray)) | POINTS,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)
DYNAMIC: st.SearchStrategy[Any] = st.recursive(
    PLAIN | SCALAR_VALUES | POINTS | FROZEN | HASHABLE | NODES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.sets(HASHABLE, max_size=3)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.builds(v.Box[Any], inner)
        | st.builds(v.Loose, st.lists(FROZEN, max_size=2), st.none(), st.just({}))
        | st.builds(v.Holder[Any], st.lists(inner, max_size=2))
        | st.builds(v.Place, INTEGERS, TEXT)
    ),
    max_leaves=10,
)
CLASSES: dict[Any, st.SearchStrategy[Any]] = {
    v.Frozen: FROZEN,
    v.Loose: st.builds(
        v.Loose,
        st.lists(FROZEN, max_size=2),
        st.none() | TEXT,
        st.dictionaries(TEXT, DYNAMIC, max_size=2),
    ),
    v.Renamed: st.builds(v.Renamed, TEXT, TEXT),
    v.Row: st.builds(v.Row, INTEGERS, TEXT),
    v.Sparse: st.builds(v.Sparse, INTEGERS, st.lists(INTEGERS, max_size=2)),
    v.Hooked: st.builds(v.Hooked, st.integers(0, 9)),
    v.Limited: st.builds(v.Limited, INTEGERS),
    v.Plain: st.builds(v.Plain, TEXT, INTEGERS, FLOATS, st.booleans(), st.lists(TEXT, max_size=3)),
    v.Longer: st.builds(v.Longer, TEXT, INTEGERS, FLOATS, st.booleans(), st.just([]), TEXT),
    v.Point: POINTS,
    v.Slotted: st.builds(v.Slotted, DATETIMES, st.none() | POINTS),
    v.Computed: st.builds(v.Computed, st.integers(-9, 9)),
    v.Hidden: st.builds(v.Hidden, INTEGERS, INTEGERS),
    v.Node: NODES,
    v.Box[int]: st.builds(v.Box[int], INTEGERS),
    v.Box[list[v.Point]]: st.builds(v.Box[Any], st.lists(POINTS, max_size=2)),
    v.Box: st.builds(v.Box[Any], DYNAMIC),
    v.Pair[str, v.Point]: st.builds(v.Pair[str, v.Point], TEXT, POINTS),
    v.IntBox: st.builds(v.IntBox, INTEGERS, TEXT),
    v.Holder[v.date]: st.builds(v.Holder[v.date], st.lists(st.dates(), max_size=2)),
    v.Attr: st.builds(v.Attr, INTEGERS, st.lists(TEXT, max_size=2)),
    v.Solid: st.builds(v.Solid, INTEGERS, TEXT),
    v.Checked: st.builds(v.Checked, INTEGERS),
    v.Model: st.builds(
        v.Model, id=INTEGERS, when=st.none() | st.datetimes(), parts=st.lists(POINTS, max_size=2)
    ),
    v.Still: st.builds(v.Still, a=INTEGERS),
    v.Open: st.builds(v.Open, a=INTEGERS, more=PLAIN),
    v.Wrapped[int]: st.builds(v.Wrapped[int], content=INTEGERS),
    v.Place: st.builds(v.Place, INTEGERS, TEXT),
    v.Options: st.fixed_dictionaries(
        {}, optional={"fast": st.booleans(), "names": st.lists(TEXT, max_size=2)}
    ),
    v.Choice: st.builds(
        v.Choice,
        POINTS | FROZEN,
        st.none() | st.lists(INTEGERS, max_size=3) | st.lists(INTEGERS, max_size=3).map(tuple),
        TEXT | DECIMALS | DATETIMES,
    ),
    v.Tagged: st.builds(
        v.Tagged, st.none() | st.builds(v.Renamed, TEXT) | st.builds(v.Other, TEXT)
    ),
    v.Everything: st.builds(
        v.Everything,
        DATETIMES,
        st.dates(),
        TIMES,
        st.timedeltas(),
        st.uuids(),
        st.sampled_from(v.Colour),
        st.sampled_from(v.Level),
        st.sampled_from(["a", 1, None]),
        st.tuples(INTEGERS, TEXT),
        st.frozensets(TEXT, max_size=3),
        st.dictionaries(st.tuples(INTEGERS, INTEGERS), TEXT, max_size=3),
        st.binary(max_size=4),
        st.binary(max_size=4).map(bytearray),
    ),
}


@st.composite
def annotated(draw: st.DrawFn, depth: int = 2) -> tuple[Any, st.SearchStrategy[Any]]:
    """Draw an annotation and the strategy of its values."""
    known: dict[Any, st.SearchStrategy[Any]] = {**SCALARS, **CLASSES, Any: DYNAMIC}
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(list(known.items())))
    inner, element = draw(annotated(depth - 1))
    kind = draw(st.sampled_from(["list", "tuple", "fixed", "dict", "set", "union", "frozenset"]))
    match kind:
        case "list":
            return list[inner], st.lists(element, max_size=3)
        case "tuple":
            return tuple[inner, ...], st.lists(element, max_size=3).map(tuple)
        case "fixed":
            return tuple[inner, int], st.tuples(element, INTEGERS)
        case "set":
            key, keys = draw(hashable())
            return set[key], st.sets(keys, max_size=3)
        case "frozenset":
            key, keys = draw(hashable())
            return frozenset[key], st.frozensets(keys, max_size=3)
        case "dict":
            key, keys = draw(hashable())
            return dict[key, inner], st.dictionaries(keys, element, max_size=3)
        case _:
            second, others = draw(annotated(depth - 1))
            return Union[inner, second], element | others  # noqa: UP007 its members are data


def hashable() -> st.SearchStrategy[tuple[Any, st.SearchStrategy[Any]]]:
    """Draw an annotation of what may be a key."""
    known: list[tuple[Any, st.SearchStrategy[Any]]] = [
        *((kind, strategy) for kind, strategy in SCALARS.items() if kind is not bytearray),
        (v.Point, POINTS),
        (v.Solid, CLASSES[v.Solid]),
        (Any, HASHABLE),
        (tuple[int, ...], st.lists(INTEGERS, max_size=3).map(tuple)),
        (tuple[str, v.date], st.tuples(TEXT, st.dates())),
        (frozenset[str], st.frozensets(TEXT, max_size=2)),
        (int | str, INTEGERS | TEXT),
    ]
    return st.sampled_from(known)
