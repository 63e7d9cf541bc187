"""The closed language of expressions, as trees of data.

A tree has no behaviour of its own: `duetto.kernel.expressions` turns it into closures. Names of
variables are resolved in the token; symbols are `module:qualified.name`, or a bare builtin.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Const(Struct, frozen=True, tag="const"):
    """None, a bool, a 64-bit integer, a finite float, text or bytes."""

    value: Any


class Name(Struct, frozen=True, tag="name"):
    """A variable of the token; `local` ones belong to a comprehension or lambda around."""

    id: str
    local: bool = False


class Symbol(Struct, frozen=True, tag="symbol"):
    """A class, function or constant that is reachable by name, or an allowed builtin."""

    name: str


class Attribute(Struct, frozen=True, tag="attribute"):
    value: Expr
    name: str


class More(Struct, frozen=True, tag="more"):
    """Whether a `for` loop goes on: the variable `index` is below the size of `source`."""

    source: str
    index: str


class Element(Struct, frozen=True, tag="element"):
    """The item of a `for` loop at `index`; decodes this one item only."""

    source: str
    index: str


class Item(Struct, frozen=True, tag="item"):
    value: Expr
    index: Expr


class Slice(Struct, frozen=True, tag="slice"):
    start: Expr | None = None
    stop: Expr | None = None
    step: Expr | None = None


class Starred(Struct, frozen=True, tag="starred"):
    """`*value` in a call or display; with `double`, `**value`."""

    value: Expr
    double: bool = False


class Call(Struct, frozen=True, tag="call"):
    """A call of a symbol or of a method (an Attribute)."""

    function: Expr
    args: tuple[Expr, ...] = ()
    kwargs: tuple[tuple[str, Expr], ...] = ()


class Unary(Struct, frozen=True, tag="unary"):
    """`op` is one of `not`, `-`, `+`, `~`."""

    op: str
    value: Expr


class Binary(Struct, frozen=True, tag="binary"):
    """`op` is an arithmetic or bitwise operator as written in Python."""

    op: str
    left: Expr
    right: Expr


class Compare(Struct, frozen=True, tag="compare"):
    """A chain: `first op value op value …`, each value evaluated once."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


class Logic(Struct, frozen=True, tag="logic"):
    """`and` or `or`, with Python's short circuit."""

    op: str
    values: tuple[Expr, ...]


class IfElse(Struct, frozen=True, tag="if"):
    test: Expr
    then: Expr
    otherwise: Expr


class Display(Struct, frozen=True, tag="display"):
    """`kind` is `list`, `tuple` or `set`."""

    kind: str
    items: tuple[Expr, ...]


class Mapping(Struct, frozen=True, tag="dict"):
    """A dict display; a key of None spreads its value (`**value`)."""

    items: tuple[tuple[Expr | None, Expr], ...]


class Format(Struct, frozen=True, tag="format"):
    """One replacement field of an f-string: `conversion` is `s`, `r`, `a` or empty."""

    value: Expr
    conversion: str = ""
    spec: Expr | None = None


class Text(Struct, frozen=True, tag="text"):
    """An f-string: its parts, joined."""

    parts: tuple[Expr, ...]


class Loop(Struct, frozen=True, tag="loop"):
    """One `for target in items if …` of a comprehension; `target` is a name or nested names."""

    target: Target
    items: Expr
    conditions: tuple[Expr, ...] = ()


class Target(Struct, frozen=True, tag="target"):
    """A name, or with `items` a pattern to unpack; `star` is the index of a starred item or -1."""

    name: str = ""
    items: tuple[Target, ...] = ()
    star: int = -1


class Comprehension(Struct, frozen=True, tag="comprehension"):
    """`kind` is `list`, `set`, `dict` or `generator`; `key` is for dicts only."""

    kind: str
    element: Expr
    loops: tuple[Loop, ...]
    key: Expr | None = None


class Lambda(Struct, frozen=True, tag="lambda"):
    """Only as an argument of a call within the same expression; never stored."""

    parameters: tuple[str, ...]
    body: Expr


Expr = (
    Const
    | Name
    | Symbol
    | Attribute
    | More
    | Element
    | Item
    | Slice
    | Starred
    | Call
    | Unary
    | Binary
    | Compare
    | Logic
    | IfElse
    | Display
    | Mapping
    | Format
    | Text
    | Comprehension
    | Lambda
)
