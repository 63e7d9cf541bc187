"""The parameters and the result of a workflow: their types are its contract."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from duetto.authoring.compiler.annotations import evaluate
from duetto.authoring.compiler.expressions import Translator
from duetto.authoring.compiler.lattice import UNKNOWN
from duetto.authoring.compiler.names import Names
from duetto.authoring.compiler.regions import RegionDraft
from duetto.authoring.compiler.source import Source
from duetto.authoring.types import describe
from duetto.errors import DefinitionError
from duetto.model.definition import Parameter


def parameter_names(tree: ast.AsyncFunctionDef) -> Iterator[str]:
    given = tree.args
    for argument in [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]:
        if argument is not None:
            yield argument.arg


def add_parameters(
    tree: ast.AsyncFunctionDef,
    body: RegionDraft,
    translator: Translator,
    errors: list[DefinitionError],
) -> None:
    """Give the body its parameters with their types and defaults."""
    given, source = tree.args, translator.source
    errors += [
        source.refusal(
            starred,
            "A workflow has no `*args` and `**kwargs`: what it takes is its contract.",
            expected="named parameters with annotations",
            do=f"write `{starred.arg}: list[…]` or `{starred.arg}: dict[str, …]`",
        )
        for starred in (given.vararg, given.kwarg)
        if starred is not None
    ]
    positional = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(positional) - len(given.defaults)) + given.defaults
    plain = [(*pair, False) for pair in zip(positional, defaults, strict=True)]
    named = [(*pair, True) for pair in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    for argument, default, keyword_only in [*plain, *named]:
        try:
            known = parameter_type(argument, translator)
            value = None if default is None else outside(translator).translate(default)
        except DefinitionError as error:
            errors.append(error)
            continue
        parameter = Parameter(argument.arg, default=value, keyword_only=keyword_only)
        body.parameters.append((parameter, known))


def outside(translator: Translator) -> Translator:
    """Return a translator for defaults, which see no variables of the function."""
    names = translator.names
    bare = Names(names.function, names.source, frozenset(), names.found)
    return Translator(translator.source, bare, origins=translator.origins)


def parameter_type(argument: ast.arg, translator: Translator) -> Any:
    """Return the type of a parameter, which a run's input is decoded by."""
    if argument.annotation is None:
        raise translator.source.refusal(
            argument,
            f"The parameter `{argument.arg}` has no annotation.",
            expected="a type, by which the input of a run is checked and kept",
            do=f"write `{argument.arg}: SomeType`",
        )
    known = evaluate(argument.annotation, translator.names, translator.source)
    check_described(known, argument.annotation, translator.source)
    return known


def result_type(
    node: ast.expr | None, names: Names, source: Source, errors: list[DefinitionError]
) -> Any:
    """Return the type of the result, UNKNOWN where none is written."""
    if node is None:
        return UNKNOWN
    try:
        known = evaluate(node, names, source)
        check_described(known, node, source)
    except DefinitionError as error:
        errors.append(error)
        return UNKNOWN
    return known


def check_described(known: Any, node: ast.expr, source: Source) -> None:
    """Refuse a type that cannot be written down."""
    try:
        describe(known)
    except DefinitionError as error:
        raise source.refusal(
            node,
            error.message.partition("  ")[2] or error.message,
            expected=error.expected,
            do=error.do,
        ) from None
