"""Classes of every family, and what compares two values down to their exact types."""

from __future__ import annotations

import enum
import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pydantic

from duetto.authoring.symbols import Symbols
from duetto.codecs import MsgpackCodec
from duetto.codecs.msgpack.families import family_of

T = TypeVar("T")
U = TypeVar("U")

OrderId = NewType("OrderId", str)


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Text(enum.StrEnum):
    A = "a"
    B = "b"


class Odd(enum.Enum):
    PAIR = (1, 2)
    NOTHING = None


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Frozen(msgspec.Struct, frozen=True):
    id: str
    count: int
    price: float
    paid: bool
    total: Decimal


class Loose(msgspec.Struct):
    items: list[Frozen]
    note: str | None = None
    more: dict[str, Any] = {}


class Renamed(msgspec.Struct, rename="camel", tag="renamed", frozen=True):
    first_name: str
    last_name: str = ""


class Other(msgspec.Struct, tag="other", frozen=True):
    first_name: str


class Row(msgspec.Struct, array_like=True):
    a: int
    b: str = "b"


class Sparse(msgspec.Struct, omit_defaults=True):
    a: int = 1
    b: list[int] = []


class Hooked(msgspec.Struct):
    a: int

    def __post_init__(self) -> None:
        self.a += 1


class Limited(msgspec.Struct):
    a: Annotated[int, msgspec.Meta(ge=0)]


@dataclass
class Plain:
    name: str
    size: int
    ratio: float
    on: bool
    tags: list[str] = field(default_factory=list[str])


@dataclass
class Longer(Plain):
    extra: str = ""


@dataclass(frozen=True)
class Point:
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Slotted:
    at: datetime
    where: Point | None = None


@dataclass
class Computed:
    a: int
    twice: int = field(init=False)

    def __post_init__(self) -> None:
        self.twice = 2 * self.a


@dataclass
class Hidden:
    _secret: int
    shown: int = 0


@dataclass
class Caching:
    a: int

    @functools.cached_property
    def double(self) -> int:
        return self.a * 2


@dataclass
class Node:
    value: int
    next: Node | None = None
    children: list[Node] = field(default_factory=list["Node"])


@dataclass
class Box(Generic[T]):
    content: T


@dataclass
class Pair(Box[T], Generic[T, U]):
    other: U


@dataclass
class IntBox(Box[int]):
    label: str = ""


class Holder(msgspec.Struct, Generic[T]):
    content: list[T]


@attrs.define
class Attr:
    a: int
    b: list[str] = attrs.field(factory=list[str])


@attrs.frozen(cache_hash=True)
class Solid:
    a: int
    _hidden: str = ""


@attrs.define
class Checked:
    a: int = attrs.field(converter=int)
    log: list[str] = attrs.field(factory=list[str], init=False)

    def __attrs_post_init__(self) -> None:
        self.log.append("made")


class Model(pydantic.BaseModel):
    id: int
    name: Annotated[str, pydantic.Field(min_length=1)] = "x"
    when: datetime | None = None
    parts: list[Point] = []


class Still(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)
    a: int


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    a: int
    _seen: int = pydantic.PrivateAttr(default=0)


class Wrapped(pydantic.BaseModel, Generic[T]):
    content: T


class Place(NamedTuple):
    x: int
    label: str


class Options(TypedDict, total=False):
    fast: bool
    names: list[str]


class Choice(msgspec.Struct):
    """Unions that msgpack alone cannot tell apart."""

    one: Point | Frozen
    many: list[int] | tuple[int, ...] | None
    text: str | Decimal | datetime


class Tagged(msgspec.Struct):
    who: Renamed | Other | None


class Everything(msgspec.Struct):
    at: datetime
    on: date
    of_day: time
    took: timedelta
    key: UUID
    colour: Colour
    level: Level
    kind: Literal["a", 1, None]
    where: tuple[int, str]
    seen: frozenset[str]
    keys: dict[tuple[int, int], str]
    data: bytes
    buffer: bytearray


@dataclass
class Meta:
    lock: object


@dataclass
class Order:
    meta: Meta


class Refused(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.reason = reason
        self.tries = [code]

    def __str__(self) -> str:
        return f"{self.reason} ({self.args[0]})"


class Picky(Exception):
    def __init__(self) -> None:
        super().__init__("made by itself")


class Unstorable(Exception):
    pass


KIND_OF: Callable[[Any], Any] = type


def a_codec() -> MsgpackCodec:
    """Return a codec that knows this module."""
    return MsgpackCodec(Symbols([sys.modules[__name__]]))


def same(one: Any, two: Any) -> bool:
    """Return whether two values are equal and of exactly the same types, all the way down."""
    if type(one) is not type(two):
        return False
    kind = KIND_OF(one)
    if kind in (list, tuple) or issubclass(kind, tuple):
        return len(one) == len(two) and all(map(same, one, two))
    if kind is dict:
        return same(list(one.items()), list(two.items()))
    if kind in (set, frozenset):
        return one == two and {(type(x), x) for x in one} == {(type(x), x) for x in two}
    if kind is float:
        return repr(one) == repr(two)
    if kind is Decimal:
        return str(one) == str(two)
    if kind in (datetime, time):
        zones = type(one.tzinfo) is type(two.tzinfo) and one.tzinfo == two.tzinfo
        return zones and (repr(one), one.fold) == (repr(two), two.fold)
    family = family_of(kind)
    if family is not None:
        names = [each.name for each in family.fields]
        return all(same(getattr(one, name), getattr(two, name)) for name in names)
    return bool(one == two)
