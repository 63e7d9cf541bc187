"""Turn expression trees into closures over a token's variables.

A closure takes the environment: a dict of variables (`Value`) in which the locals of
comprehensions and lambdas stand under `.name`, as they are. Nothing is evaluated from text.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, assert_never

from duetto.errors import DefinitionError
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
    Format,
    IfElse,
    Item,
    Lambda,
    Logic,
    Loop,
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
from duetto.model.token import OPEN, Value

Environment = dict[str, Any]
Closure = Callable[[Environment], Any]
Read = tuple[tuple[Any, ...], tuple[Value, ...]]
"""Variables, live and as they are stored."""

UNARY: dict[str, Callable[[Any], Any]] = {
    "not": operator.not_,
    "-": operator.neg,
    "+": operator.pos,
    "~": operator.invert,
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "//": lambda left, right: left // right,
    "%": lambda left, right: left % right,
    "**": lambda left, right: left**right,
    "@": lambda left, right: left @ right,
    "&": lambda left, right: left & right,
    "|": lambda left, right: left | right,
    "^": lambda left, right: left ^ right,
    "<<": lambda left, right: left << right,
    ">>": lambda left, right: left >> right,
}
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "is": operator.is_,
    "is not": operator.is_not,
    "in": lambda left, right: left in right,
    "not in": lambda left, right: left not in right,
}
CONVERT: dict[str, Callable[[Any], Any]] = {
    "s": str,
    "r": repr,
    "a": ascii,
    "": lambda value: value,
}


class Names(Protocol):
    """What a tree needs from the outside."""

    @property
    def symbol(self) -> Callable[[str], Any]:
        """Returns what a qualified name or builtin stands for; raises NotFound."""
        ...

    def load(self, value: Value) -> Any:
        """Return the live form of a stored value."""
        ...


def closure(expr: Expr, names: Names) -> Closure:
    """Return the closure of a tree; symbols are resolved now. Raises NotFound."""
    match expr:
        case Name(id, local):
            return _local(id) if local else _variable(id, names)
        case Const(value):
            return lambda _: value
        case Symbol(name):
            found = names.symbol(name)
            return lambda _: found
        case Attribute(value, name):
            return _after(operator.attrgetter(_allowed(name)), closure(value, names))
        case Call():
            return _call(expr, names)
        case More(source, index):
            return _more(source, index, names)
        case Element(source, index):
            return _element(source, index, names)
        case Binary(op, left, right):
            return _pair(BINARY[op], closure(left, names), closure(right, names))
        case Compare():
            return _compare(expr, names)
        case Item(value, index):
            return _pair(operator.getitem, closure(value, names), closure(index, names))
        case Unary(op, value):
            return _after(UNARY[op], closure(value, names))
        case Logic(op, values):
            return _logic(op, [closure(value, names) for value in values])
        case IfElse(test, then, otherwise):
            return _if(closure(test, names), closure(then, names), closure(otherwise, names))
        case Display(kind, items):
            return _after(DISPLAYS[kind], _items(items, names))
        case Mapping(items):
            return _mapping(items, names)
        case Text(parts):
            return _after("".join, _items(parts, names))
        case Format():
            return _format(expr, names)
        case Slice():
            return _slice(expr, names)
        case Comprehension():
            return _comprehension(expr, names)
        case Lambda(parameters, body):
            return _lambda(parameters, closure(body, names))
        case Starred():
            raise TypeError("a starred expression stands only in a call or display")
        case _:
            assert_never(expr)


def _allowed(name: str) -> str:
    """Return an attribute's name; definitions are data, so what the compiler refuses is refused
    here as well. `str.format` reaches attributes by text."""
    if name.startswith("_") or "." in name or name in ("format", "format_map"):
        raise DefinitionError(
            f"The attribute `{name}` is out of reach for a workflow.",
            found=name,
            expected="a public attribute; an f-string in place of `format`",
            do="use a task or a function of your module",
        )
    return name


DISPLAYS: dict[str, Callable[[Any], Any]] = {
    "list": lambda items: items,
    "tuple": tuple,
    "set": set,
}


def _variable(id: str, names: Names) -> Closure:
    load = names.load

    def read(env: Environment) -> Any:
        try:
            value: Value = env[id]
        except KeyError:
            raise _unbound(id) from None
        live = value.live
        return live if live is not OPEN else load(value)

    return read


def variables(ids: tuple[str, ...], names: Names) -> Callable[[Environment], Read]:
    """Return a closure for plain variables: their live forms, and as they are stored."""
    load = names.load
    if len(ids) == 1:
        (only,) = ids

        def read_one(env: Environment) -> Read:
            try:
                value: Value = env[only]
            except KeyError:
                raise _unbound(only) from None
            live = value.live
            return (live if live is not OPEN else load(value),), (value,)

        return read_one

    def read(env: Environment) -> Read:
        try:
            stored: tuple[Value, ...] = tuple([env[id] for id in ids])
        except KeyError as missing:
            raise _unbound(missing.args[0]) from None
        return tuple([v.live if v.live is not OPEN else load(v) for v in stored]), stored

    return read


def _unbound(id: str) -> UnboundLocalError:
    return UnboundLocalError(f"variable `{id}` has no value here")


def _local(id: str) -> Closure:
    key = f".{id}"
    return lambda env: env[key]


def _after(function: Callable[[Any], Any], inner: Closure) -> Closure:
    return lambda env: function(inner(env))


def _pair(function: Callable[[Any, Any], Any], left: Closure, right: Closure) -> Closure:
    return lambda env: function(left(env), right(env))


def _if(test: Closure, then: Closure, otherwise: Closure) -> Closure:
    return lambda env: then(env) if test(env) else otherwise(env)


def _more(source: str, index: str, names: Names) -> Closure:
    items, position = _variable(source, names), _variable(index, names)
    return lambda env: position(env) < len(items(env))


def _element(source: str, index: str, names: Names) -> Closure:
    items, position = _variable(source, names), _variable(index, names)
    return lambda env: items(env).element(position(env))


def _logic(op: str, values: list[Closure]) -> Closure:
    *firsts, last = values

    def both(env: Environment) -> Any:
        for value in firsts:
            if not (found := value(env)):
                return found
        return last(env)

    def either(env: Environment) -> Any:
        for value in firsts:
            if found := value(env):
                return found
        return last(env)

    return both if op == "and" else either


def _compare(expr: Compare, names: Names) -> Closure:
    first = closure(expr.first, names)
    rest = [(COMPARE[op], closure(value, names)) for op, value in expr.rest]
    if len(rest) == 1:
        return _pair(rest[0][0], first, rest[0][1])

    def chain(env: Environment) -> Any:
        left, found = first(env), True
        for test, value in rest:
            right = value(env)
            if not (found := test(left, right)):
                return found
            left = right
        return found

    return chain


def _items(exprs: Iterable[Expr], names: Names) -> Callable[[Environment], list[Any]]:
    """Return a closure for the items of a display or call, stars spread."""
    exprs = tuple(exprs)
    if not any(isinstance(item, Starred) for item in exprs):
        plain = [closure(item, names) for item in exprs]
        return lambda env: [item(env) for item in plain]
    parts = [
        (
            isinstance(item, Starred),
            closure(item.value if isinstance(item, Starred) else item, names),
        )
        for item in exprs
    ]

    def spread(env: Environment) -> list[Any]:
        found: list[Any] = []
        for starred, part in parts:
            if starred:
                found.extend(part(env))
            else:
                found.append(part(env))
        return found

    return spread


def arguments(
    args: tuple[Expr, ...], kwargs: tuple[tuple[str, Expr], ...], names: Names
) -> Callable[[Environment], tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return a closure for the arguments of a call: (args, kwargs). An empty keyword spreads."""
    if not kwargs and len(args) == 1 and not isinstance(args[0], Starred):
        only = closure(args[0], names)
        return lambda env: ((only(env),), {})
    positional = _items(args, names)
    if not kwargs:
        return lambda env: (tuple(positional(env)), {})
    named = [(key, closure(value, names)) for key, value in kwargs]

    def both(env: Environment) -> tuple[tuple[Any, ...], dict[str, Any]]:
        found: dict[str, Any] = {}
        values = tuple(positional(env))
        for key, value in named:
            if key:
                found[key] = value(env)
            else:
                found.update(value(env))
        return values, found

    return both


def _call(expr: Call, names: Names) -> Closure:
    function = closure(expr.function, names)
    simple = not expr.kwargs and not any(isinstance(arg, Starred) for arg in expr.args)
    if simple and isinstance(expr.function, Symbol) and len(expr.args) in (1, 2):
        target = names.symbol(expr.function.name)
        first, *second = (closure(arg, names) for arg in expr.args)
        return _pair(target, first, second[0]) if second else _after(target, first)
    call_arguments = arguments(expr.args, expr.kwargs, names)

    def call(env: Environment) -> Any:
        target = function(env)
        args, kwargs = call_arguments(env)
        return target(*args, **kwargs)

    return call


def _mapping(items: tuple[tuple[Expr | None, Expr], ...], names: Names) -> Closure:
    pairs = [
        (closure(key, names) if key is not None else None, closure(value, names))
        for key, value in items
    ]

    def build(env: Environment) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, value in pairs:
            if key is None:
                found.update(value(env))
            else:
                found[key(env)] = value(env)
        return found

    return build


def _format(expr: Format, names: Names) -> Closure:
    value, convert = closure(expr.value, names), CONVERT[expr.conversion]
    spec = closure(expr.spec, names) if expr.spec is not None else None
    if spec is None:
        return lambda env: format(convert(value(env)))
    return lambda env: format(convert(value(env)), spec(env))


def _slice(expr: Slice, names: Names) -> Closure:
    parts = [
        closure(part, names) if part is not None else None
        for part in (expr.start, expr.stop, expr.step)
    ]
    return lambda env: slice(*[part(env) if part else None for part in parts])


def _lambda(parameters: tuple[str, ...], body: Closure) -> Closure:
    keys = [f".{name}" for name in parameters]

    def make(env: Environment) -> Callable[..., Any]:
        def call(*values: Any) -> Any:
            return body({**env, **dict(zip(keys, values, strict=True))})

        return call

    return make


def _comprehension(expr: Comprehension, names: Names) -> Closure:
    element = closure(expr.element, names)
    walk = _loops(expr.loops, names)
    match expr.kind:
        case "list":
            return lambda env: [element(inner) for inner in walk(env)]
        case "set":
            return lambda env: {element(inner) for inner in walk(env)}
        case "dict" if expr.key is not None:
            key = closure(expr.key, names)
            return lambda env: {key(inner): element(inner) for inner in walk(env)}
        case _:
            return lambda env: (element(inner) for inner in walk(env))


def _loops(loops: tuple[Loop, ...], names: Names) -> Callable[[Environment], Iterator[Environment]]:
    """Return a generator of environments, one per item; the same dict, changed in place."""
    first, *rest = loops
    items, store = closure(first.items, names), _store(first.target)
    conditions = [closure(condition, names) for condition in first.conditions]
    inner = _loops(tuple(rest), names) if rest else None

    def walk(env: Environment) -> Iterator[Environment]:
        env = dict(env)
        for item in items(env):
            store(env, item)
            if all(condition(env) for condition in conditions):
                if inner is None:
                    yield env
                else:
                    yield from inner(env)

    return walk


def _store(target: Target) -> Callable[[Environment, Any], None]:
    if not target.items:
        key = f".{target.name}"
        return lambda env, value: env.__setitem__(key, value)
    stores = [_store(item) for item in target.items]

    def unpack(env: Environment, value: Any) -> None:
        for store, item in zip(stores, unpacked(value, len(stores), target.star), strict=True):
            store(env, item)

    return unpack


def unpacked(value: Any, count: int, star: int = -1) -> list[Any]:
    """Return `count` items of an iterable as an assignment would. Raises ValueError likewise."""
    items = list(value)
    if star < 0:
        if len(items) != count:
            few = len(items) < count
            what = f"not enough values to unpack (expected {count}, got {len(items)})"
            raise ValueError(what if few else f"too many values to unpack (expected {count})")
        return items
    if len(items) < count - 1:
        raise ValueError(
            f"not enough values to unpack (expected at least {count - 1}, got {len(items)})"
        )
    end = len(items) - (count - 1 - star)
    return [*items[:star], items[star:end], *items[end:]]
