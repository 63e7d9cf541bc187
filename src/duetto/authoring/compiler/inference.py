"""The static type of an expression, as far as annotations and Python's own rules tell."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Self, cast, get_args, get_type_hints

from duetto.authoring.compiler.lattice import (
    NEVER,
    UNKNOWN,
    Items,
    element,
    generic,
    is_union,
    join,
    join_all,
    members,
    origin,
    present,
)
from duetto.authoring.compiler.manual import (
    BUILTINS,
    COPIES,
    INSTANTS,
    MAKERS,
    METHODS,
    NUMBERS,
    SETS,
)
from duetto.model.expression import (
    Attribute,
    Binary,
    Call,
    Compare,
    Comprehension,
    Const,
    Display,
    Element,
    Expr,
    IfElse,
    Item,
    Logic,
    Mapping,
    More,
    Name,
    Slice,
    Starred,
    Symbol,
    Target,
    Text,
    Unary,
)


@dataclass(frozen=True)
class Inference:
    """Infers types where `variables` have theirs; `symbols` are what names stand for."""

    symbols: dict[str, Any]
    variables: dict[str, Any] = field(default_factory=dict[str, Any])
    local: dict[str, Any] = field(default_factory=dict[str, Any])

    def inside(self, names: dict[str, Any]) -> Inference:
        return Inference(self.symbols, self.variables, {**self.local, **names})

    def infer(self, expr: Expr) -> Any:
        """Return the type of an expression, UNKNOWN where nothing is known."""
        match expr:
            case Const(value):
                return cast("Any", type(value))
            case Name(id, local):
                return (self.local if local else self.variables).get(id, UNKNOWN)
            case Symbol(name):
                return self.constant(self.symbols.get(name))
            case Attribute(value, name):
                return self.attribute(value, name)
            case Call():
                return self.call(expr)
            case More() | Compare():
                return bool if self.compares(expr) else UNKNOWN
            case Element(source, _):
                return element(self.variables.get(source, UNKNOWN))
            case Binary(op, left, right):
                return arithmetic(op, self.infer(left), self.infer(right))
            case Unary(op, value):
                return bool if op == "not" else signed(self.infer(value))
            case Logic("or", (*firsts, last)):
                # What is passed over is false; None always is.
                return join_all(
                    [*(present(self.infer(value)) for value in firsts), self.infer(last)]
                )
            case Logic(_, values):
                return join_all(map(self.infer, values))
            case IfElse(_, then, otherwise):
                return join(self.infer(then), self.infer(otherwise))
            case Item(value, index):
                return self.item(value, index)
            case Text():
                return str
            case Display():
                return self.display(expr)
            case Mapping(items):
                return self.mapping(items)
            case Comprehension():
                return self.comprehension(expr)
            case _:
                return UNKNOWN

    def compares(self, expr: More | Compare) -> bool:
        """Do the operands give a bool? Classes may overload what comparing gives."""
        if isinstance(expr, More):
            return True
        plain = {"is", "is not", "in", "not in"}
        operands = [expr.first, *(value for _, value in expr.rest)]
        return all(op in plain for op, _ in expr.rest) or all(
            is_plain(self.infer(operand)) for operand in operands
        )

    def constant(self, value: Any) -> Any:
        """Return the type of a value of the module."""
        if value is None or isinstance(value, type | FunctionType):
            return UNKNOWN
        return bare(cast("Any", type(value)))

    def attribute(self, value: Expr, name: str) -> Any:
        if isinstance(value, Symbol) and isinstance(found := self.symbols.get(value.name), type):
            return class_attribute(found, name)
        owners = members(present(self.infer(value)))
        return join_all(field_type(owner, name) for owner in owners)

    def item(self, value: Expr, index: Expr) -> Any:
        known = present(self.infer(value))
        if is_union(known):
            return UNKNOWN
        of, arguments = origin(known), get_args(known)
        if isinstance(index, Slice):
            return sliced(known)
        if of is dict and len(arguments) == 2:
            return arguments[1]
        if of is tuple and arguments and ... not in arguments:
            at = index.value if isinstance(index, Const) else None
            inside = isinstance(at, int) and -len(arguments) <= at < len(arguments)
            return arguments[at] if isinstance(at, int) and inside else join_all(arguments)
        return element(known) if of in (list, tuple, str, bytes, range) else UNKNOWN

    def display(self, expr: Display) -> Any:
        starred = any(isinstance(item, Starred) for item in expr.items)
        if expr.kind == "tuple":
            if not expr.items or starred:
                return tuple[self.elements(expr.items), ...] if expr.items else tuple[()]
            return generic(tuple, *map(self.infer, expr.items))
        return generic(list if expr.kind == "list" else set, self.elements(expr.items))

    def elements(self, items: Iterable[Expr]) -> Any:
        return join_all(
            element(self.infer(item.value)) if isinstance(item, Starred) else self.infer(item)
            for item in items
        )

    def mapping(self, items: tuple[tuple[Expr | None, Expr], ...]) -> Any:
        keys, values = NEVER, NEVER
        for key, value in items:
            known = self.infer(value)
            if key is not None:
                keys, values = join(keys, self.infer(key)), join(values, known)
            elif origin(known) is dict and len(get_args(known)) == 2:
                keys, values = join(keys, get_args(known)[0]), join(values, get_args(known)[1])
            else:
                keys, values = UNKNOWN, UNKNOWN
        return generic(dict, keys, values)

    def comprehension(self, expr: Comprehension) -> Any:
        inner = self
        for loop in expr.loops:
            inner = inner.inside(unpacked(loop.target, element(inner.infer(loop.items))))
        known = inner.infer(expr.element)
        match expr.kind:
            case "dict" if expr.key is not None:
                return generic(dict, inner.infer(expr.key), known)
            case "set":
                return generic(set, known)
            case "list":
                return generic(list, known)
            case _:
                return Items(known)

    def call(self, expr: Call) -> Any:
        match expr.function:
            case Symbol(name):
                return self.result(self.symbols.get(name), expr)
            case Attribute(Symbol(name), method) if isinstance(self.symbols.get(name), type):
                return class_method(self.symbols[name], method)
            case Attribute(value, method):
                return self.method(present(self.infer(value)), method, expr)
            case _:
                return UNKNOWN

    def result(self, function: Any, expr: Call) -> Any:
        """Return what a function or class of a module gives for these arguments."""
        if any(isinstance(argument, Starred) for argument in expr.args):
            # How many there are is not known, so a builtin's result says nothing.
            ordinary = isinstance(function, type) and function.__module__ != "builtins"
            return cast("Any", function) if ordinary else hints(function).get("return", UNKNOWN)
        arguments = [self.infer(argument) for argument in expr.args]
        if function is dict and expr.kwargs:
            return dict[str, UNKNOWN] if not arguments else dict[UNKNOWN, UNKNOWN]
        if isinstance(function, type):
            return constructed(cast("type[Any]", function), arguments)
        if function in (min, max, sorted, abs, round, sum):
            known, options = computed(function, arguments), dict(expr.kwargs)
            default = options.get("default") or options.get("start")
            return known if default is None else join(known, self.infer(default))
        if isinstance(function, BuiltinFunctionType):
            return BUILTINS.get(function, UNKNOWN)
        return hints(function).get("return", UNKNOWN) if callable(function) else UNKNOWN

    def method(self, known: Any, method: str, expr: Call) -> Any:
        if is_union(known) or known is UNKNOWN:
            return UNKNOWN
        of, arguments = origin(known), get_args(known)
        if (of, method) in METHODS:
            return METHODS[of, method]
        if of in (list, dict, set, frozenset) and method in COPIES:
            return known
        if of is dict and len(arguments) == 2:
            return self.dict_method(arguments[0], arguments[1], method, expr)
        return returned(of, method)

    def dict_method(self, key: Any, value: Any, method: str, expr: Call) -> Any:
        match method:
            case "get":
                default = self.infer(expr.args[1]) if len(expr.args) > 1 else type(None)
                return join(value, default)
            case "keys":
                return Items(key)
            case "values":
                return Items(value)
            case "items":
                return Items(generic(tuple, key, value))
            case _:
                return UNKNOWN


def bare(kind: Any) -> Any:
    """Return a class as a type; collections have unknown items."""
    counts = {list: 1, set: 1, frozenset: 1, dict: 2}
    if kind is tuple:
        return tuple[UNKNOWN, ...]
    return generic(kind, *[UNKNOWN] * counts[kind]) if kind in counts else kind


def is_plain(known: Any) -> bool:
    """Is this a builtin type, whose operators give what Python's manual says?"""
    return isinstance(origin(known), type) and origin(known).__module__ in (
        "builtins",
        "decimal",
        "datetime",
        "fractions",
    )


def arithmetic(op: str, left: Any, right: Any) -> Any:
    """Return the type of `left op right` for numbers, text, collections and instants."""
    if left in (bool, int) and right in (bool, int):
        return whole(op, left, right)
    if left in (bool, int, float) and right in (bool, int, float):
        return UNKNOWN if op == "**" else float
    for exact in (Decimal, Fraction):
        if {left, right} <= {exact, int, bool} and op in ("+", "-", "*", "/", "%"):
            return exact
    if op == "%" and left is str:
        return str
    if op == "*" and int in (left, right):
        other = right if left is int else left
        return other if origin(other) in (str, bytes, list) else UNKNOWN
    if op == "+" and origin(left) is origin(right) and origin(left) in (str, bytes, list):
        return join(left, right)
    if op == "+" and origin(left) is origin(right) is tuple:
        return tuple_sum(get_args(left), get_args(right))
    if op in ("|", "&", "-", "^") and origin(left) is origin(right) and origin(left) in SETS:
        return join(left, right)
    return INSTANTS.get((left, op, right), UNKNOWN)


def tuple_sum(left: tuple[Any, ...], right: tuple[Any, ...]) -> Any:
    """Return the type of two tuples in a row."""
    if ... in left or ... in right or not (left or right):
        return UNKNOWN
    return generic(tuple, *left, *right)


def whole(op: str, left: Any, right: Any) -> Any:
    """Return the type of integer arithmetic; a negative power is a float."""
    if op == "/":
        return float
    if op == "**":
        return UNKNOWN
    return bool if op in "&|^" and left is right is bool else int


def signed(known: Any) -> Any:
    if known is bool:
        return int
    return known if known in (*NUMBERS, timedelta) else UNKNOWN


def sliced(known: Any) -> Any:
    of, arguments = origin(known), get_args(known)
    if of is tuple and arguments and ... not in arguments:
        return tuple[join_all(arguments), ...]
    return known if of in (list, tuple, str, bytes, range) else UNKNOWN


def constructed(kind: type, arguments: list[Any]) -> Any:
    """Return the type of an instance; collections take the items of their argument."""
    inner = element(arguments[0]) if arguments else NEVER
    if kind is tuple:
        return tuple[inner, ...] if arguments else tuple[()]
    if kind in (list, set, frozenset):
        return generic(kind, inner)
    if kind is dict:
        same = arguments and origin(arguments[0]) is dict
        return arguments[0] if same else dict[UNKNOWN, UNKNOWN] if arguments else dict[NEVER, NEVER]
    if kind is reversed or kind is filter:
        return Items(element(arguments[-1]) if arguments else UNKNOWN)
    if kind is enumerate:
        return Items(generic(tuple, int, inner))
    if kind is zip:
        return Items(generic(tuple, *map(element, arguments)) if arguments else UNKNOWN)
    return Items(UNKNOWN) if kind is map else kind


def computed(function: Any, arguments: list[Any]) -> Any:
    """Return the result of builtins whose result has the type of their arguments."""
    if not arguments:
        return UNKNOWN
    first = arguments[0]
    if function is sorted:
        return generic(list, element(first))
    if function in (min, max):
        return element(first) if len(arguments) == 1 else join_all(arguments)
    if function is sum:
        start = arguments[1] if len(arguments) > 1 else int
        return join(arithmetic("+", start, element(first)), start)
    if function is round:
        return int if len(arguments) == 1 and first in NUMBERS else signed(first)
    return signed(first)


def unpacked(target: Target, known: Any) -> dict[str, Any]:
    """Return the types of the names that a comprehension's target gets."""
    if not target.items:
        return {target.name: known}
    found: dict[str, Any] = {}
    for item, part in zip(target.items, parts(known, len(target.items), target.star), strict=True):
        found |= unpacked(item, part)
    return found


def parts(known: Any, count: int, star: int) -> list[Any]:
    """Return the types of what unpacking a value into `count` targets gives."""
    arguments = get_args(known)
    if origin(known) is tuple and arguments and ... not in arguments:
        if star < 0 and len(arguments) == count:
            return list(arguments)
        if star >= 0 and len(arguments) >= count - 1:
            end = len(arguments) - (count - 1 - star)
            middle = generic(list, join_all(arguments[star:end]))
            return [*arguments[:star], middle, *arguments[end:]]
    each = element(known)
    return [generic(list, each) if index == star else each for index in range(count)]


@cache
def hints(function: Any) -> dict[str, Any]:
    """Return annotations, or none where they cannot be resolved."""
    try:
        return get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {}


@cache
def fields(kind: Any) -> dict[str, Any]:
    """Return the annotated attributes of a class and its properties."""
    found = hints(kind)
    for name, member in inspect.getmembers_static(kind):
        if isinstance(member, property) and member.fget is not None:
            found = {**found, name: hints(member.fget).get("return", UNKNOWN)}
    return found


def field_type(owner: Any, name: str) -> Any:
    if not isinstance(owner, type):
        return UNKNOWN
    return own(fields(owner).get(name, UNKNOWN), owner)


def class_attribute(kind: Any, name: str) -> Any:
    """Return the type of what stands in a class: a member of an enum, or what is annotated."""
    member = getattr(kind, name, None)
    return kind if isinstance(member, kind) else fields(kind).get(name, UNKNOWN)


def class_method(kind: type, name: str) -> Any:
    """Return what a method called on a class gives."""
    if any(name in names and issubclass(kind, made) for made, names in MAKERS.items()):
        return kind
    return own(hints(getattr(kind, name, None)).get("return", UNKNOWN), kind)


def returned(kind: Any, name: str) -> Any:
    """Return what a method of an instance gives."""
    method: Any = inspect.getattr_static(kind, name, None) if isinstance(kind, type) else None
    function = method
    if isinstance(method, classmethod | staticmethod):
        function = cast("Any", method).__func__
    if not isinstance(function, FunctionType | MethodType):
        return UNKNOWN
    return own(hints(function).get("return", UNKNOWN), kind)


def own(known: Any, kind: type) -> Any:
    return kind if known is Self else known
