"""What is only seen once types are known: changes in place, and misspelt attributes."""

from __future__ import annotations

import ast
import dataclasses
import enum
from collections.abc import Iterator
from typing import Any, cast

from msgspec import Struct

from duetto.authoring.compiler import calls
from duetto.authoring.compiler.expressions import Translator
from duetto.authoring.compiler.inference import Inference, unpacked
from duetto.authoring.compiler.lattice import UNKNOWN, Items, element, origin, present
from duetto.authoring.compiler.refusals import near, one_of
from duetto.authoring.compiler.regions import Draft
from duetto.authoring.compiler.variables import Typing
from duetto.errors import DefinitionError
from duetto.model.definition import Assign, Bind, Choice, Raise
from duetto.model.expression import (
    Attribute,
    Binary,
    Call,
    Comprehension,
    Expr,
    Lambda,
    Name,
    Symbol,
)

COLLECTIONS = (list, dict, set, bytearray)


def misuses(typing: Typing, translator: Translator) -> Iterator[DefinitionError]:
    """Yield the errors of one region, in no order."""
    origins = {id(expr): node for expr, node in translator.origins}
    for index in sorted(typing.before):
        draft = typing.region.drafts[index]
        inference = typing.inference(index)
        yield from augmented(draft, inference, translator)
        yield from used_up(draft, inference, origins, translator)
        for expr, inner in walked(parts(draft.node), inference):
            node = origins.get(id(expr))
            if isinstance(expr, Call) and isinstance(node, ast.Call):
                yield from mutated(expr, node, inner, translator)
            if isinstance(expr, Attribute) and isinstance(node, ast.Attribute):
                yield from misspelt(expr, node, inner, translator)


def augmented(
    draft: Draft, inference: Inference, translator: Translator
) -> Iterator[DefinitionError]:
    """Refuse `x += …` of collections, which Python changes in place."""
    match draft.node, draft.syntax:
        case Assign(value=Binary(op, Name(name), _), target=Bind()), ast.AugAssign() as node:
            if origin(inference.infer(Name(name))) in COLLECTIONS:
                value = translator.source.snippet(node.value)
                more = value[1:-1] if isinstance(node.value, ast.List) else f"*{value}"
                yield translator.source.refusal(
                    node,
                    f"`{op}=` changes the collection `{name}` in place.",
                    expected="`+=` and the like of numbers and text only",
                    do=f"write `{name} = [*{name}, {more}]`"
                    if op == "+"
                    else f"write `{name} = {name} {op} {value}`",
                )
        case _:
            pass


def used_up(
    draft: Draft, inference: Inference, origins: dict[int, ast.expr], translator: Translator
) -> Iterator[DefinitionError]:
    """Refuse iterators where a value is stored or sent; a `for` loop may walk one."""
    if draft.walks or isinstance(draft.node, Choice | Raise):
        return
    for expr in parts(draft.node):
        node = origins.get(id(expr))
        if node is not None and isinstance(inference.infer(expr), Items):
            written = translator.source.snippet(node)
            if isinstance(node, ast.GeneratorExp):
                written = written.removeprefix("(").removesuffix(")")
            yield translator.source.refusal(
                node,
                "An iterator is used up as it is read: it cannot be stored.",
                expected="a list, tuple, set or dict",
                do=f"write `list({written})`",
            )


def mutated(
    expr: Call, node: ast.Call, inference: Inference, translator: Translator
) -> Iterator[DefinitionError]:
    """Refuse methods that change their value, unless its class is known to be another."""
    match expr.function, node.func:
        case Attribute(value, method), ast.Attribute(value=receiver) if method in calls.MUTATING:
            if isinstance(value, Symbol) and isinstance(inference.symbols.get(value.name), type):
                return
            known = present(inference.infer(value))
            if (
                known is UNKNOWN
                or origin(known) in COLLECTIONS
                or known.__module__ == "collections"
            ):
                yield calls.mutation(translator.source, node, receiver, method)
        case _:
            pass


def misspelt(
    expr: Attribute, node: ast.Attribute, inference: Inference, translator: Translator
) -> Iterator[DefinitionError]:
    """Refuse an attribute that a class of data, known exactly, does not have."""
    known = inference.infer(expr.value)
    if isinstance(expr.value, Symbol) or not is_data(known):
        return
    names = attributes(cast("type[Any]", known))
    if expr.name not in names:
        guess = near(expr.name, names)
        yield translator.source.refusal(
            node,
            f"`{expr.name}` is not an attribute of {known.__name__}.",
            expected=one_of(names),
            do=f"did you mean `{guess}`?" if guess else "correct the name",
        )


def is_data(known: Any) -> bool:
    """Is this a class whose attributes are all declared?"""
    if not isinstance(known, type):
        return False
    kind = cast("type[Any]", known)
    return not hasattr(kind, "__getattr__") and (
        dataclasses.is_dataclass(kind)
        or issubclass(kind, Struct | enum.Enum)
        or hasattr(kind, "__attrs_attrs__")
        or kind in (str, int, float, bool, bytes)
    )


def attributes(known: type) -> set[str]:
    fields: dict[str, Any] = {}
    for kind in reversed(known.__mro__):
        fields |= vars(kind).get("__annotations__", {})
    return {name for name in [*dir(known), *fields] if not name.startswith("_")}


def walked(exprs: Iterator[Expr], inference: Inference) -> Iterator[tuple[Expr, Inference]]:
    """Yield every expression with what is known where it stands."""
    for expr in exprs:
        yield expr, inference
        match expr:
            case Comprehension():
                yield from inside(expr, inference)
            case Lambda(parameters, body):
                inner = inference.inside(dict.fromkeys(parameters, UNKNOWN))
                yield from walked(iter([body]), inner)
            case _:
                yield from walked(parts(expr), inference)


def inside(expr: Comprehension, inference: Inference) -> Iterator[tuple[Expr, Inference]]:
    for loop in expr.loops:
        yield from walked(iter([loop.items]), inference)
        known = element(inference.infer(loop.items))
        inference = inference.inside(unpacked(loop.target, known))
        yield from walked(iter(loop.conditions), inference)
    results = [expr.element] if expr.key is None else [expr.key, expr.element]
    yield from walked(iter(results), inference)


def parts(thing: Any) -> Iterator[Expr]:
    """Yield the outermost expressions in a node or expression."""
    for name in cast(Struct, thing).__struct_fields__:
        yield from found_in(getattr(thing, name))


def found_in(value: Any) -> Iterator[Expr]:
    if isinstance(value, Expr):
        yield value
    elif isinstance(value, tuple):
        for each in cast("tuple[Any, ...]", value):
            yield from found_in(each)
    elif isinstance(value, Struct):
        yield from parts(value)
