"""Annotations of a workflow, evaluated from their syntax, so that an error has its column."""

from __future__ import annotations

import ast
from types import NoneType
from typing import Any, Literal

from duetto.authoring.compiler.lattice import union
from duetto.authoring.compiler.names import Names
from duetto.authoring.compiler.source import Source


def evaluate(node: ast.expr, names: Names, source: Source) -> Any:
    """Return the type that an annotation stands for; raises DefinitionError."""
    match node:
        case ast.Constant(value=None):
            return NoneType
        case ast.Constant(value=str(text)):
            return evaluate(quoted(node, text, source), names, source)
        case ast.Name(id=name) if name in SPECIAL and not is_shadowed(name, names):
            return SPECIAL[name]
        case ast.Name() | ast.Attribute():
            thing = names.resolve(node, frozenset())
            if thing is None:
                raise refused(node, source)
            return thing.value
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return union([evaluate(left, names, source), evaluate(right, names, source)])
        case ast.Subscript(value=value, slice=index):
            return subscripted(evaluate(value, names, source), index, names, source)
        case _:
            raise refused(node, source)


SPECIAL: dict[str, Any] = {"object": object, "type": type}
"""Builtins that a workflow may name as types only."""


def is_shadowed(name: str, names: Names) -> bool:
    return name in names.function.__globals__


def subscripted(generic: Any, index: ast.expr, names: Names, source: Source) -> Any:
    """Return `generic[…]`; the arguments of a Literal are values."""
    items = index.elts if isinstance(index, ast.Tuple) else [index]
    if generic is Literal:
        arguments = tuple(literal(item, names, source) for item in items)
    else:
        arguments = tuple(argument(item, names, source) for item in items)
    try:
        return generic[arguments if len(arguments) != 1 else arguments[0]]
    except TypeError:
        raise refused(index, source) from None


def argument(node: ast.expr, names: Names, source: Source) -> Any:
    """Return one argument of a generic: a type, `...`, or a list of types."""
    match node:
        case ast.Constant(value=value) if value is ...:
            return ...
        case ast.List(elts=items):
            return [argument(item, names, source) for item in items]
        case _:
            return evaluate(node, names, source)


def literal(node: ast.expr, names: Names, source: Source) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
            return -value
        case ast.Attribute(value=value, attr=name):
            return getattr(evaluate(value, names, source), name)
        case _:
            raise refused(node, source)


def quoted(node: ast.expr, text: str, source: Source) -> ast.expr:
    """Return the tree of an annotation in quotes, at the place of the quotes."""
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        raise refused(node, source) from None
    for inner in ast.walk(tree):
        if isinstance(inner, ast.expr):
            inner.lineno, inner.col_offset = node.lineno, node.col_offset
            inner.end_lineno, inner.end_col_offset = node.end_lineno, node.end_col_offset
    return tree


def refused(node: ast.expr, source: Source) -> Exception:
    return source.refusal(
        node,
        "The annotation is not a type.",
        expected="a class, or a generic such as `list[int]`",
        do="write the type by its name",
    )
