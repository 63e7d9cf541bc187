"""The whole of a workflow: its parameters, body and branches, put together as a definition."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

from duetto.authoring.compiler.annotations import evaluate
from duetto.authoring.compiler.awaiting import Awaitables
from duetto.authoring.compiler.blocks import Blocks
from duetto.authoring.compiler.checks import misuses
from duetto.authoring.compiler.expressions import Translator
from duetto.authoring.compiler.lattice import UNKNOWN
from duetto.authoring.compiler.names import Names, written_in
from duetto.authoring.compiler.refusals import together
from duetto.authoring.compiler.regions import RegionDraft
from duetto.authoring.compiler.source import Source, read
from duetto.authoring.compiler.straight import Straight
from duetto.authoring.compiler.variables import Table, Typing
from duetto.authoring.types import describe
from duetto.errors import DefinitionError
from duetto.model.definition import Definition, Parameter, Return
from duetto.model.expression import Const


def compile_workflow(function: Callable[..., Any], *, name: str, home: str = "") -> Definition:
    """Return the definition of an `async def`; raises DefinitionError for what is outside the
    workflow language, with all that was found."""
    source, tree = read(function)
    names = Names(function, source, written_in(tree.body) | set(parameter_names(tree)))
    translator = Translator(source, names)
    errors: list[DefinitionError] = []
    returns = annotation(tree.returns, names, source, errors)
    body = RegionDraft()
    awaitables = Awaitables(function, name, [body], returns)
    add_parameters(tree, body, translator, errors)
    blocks = Blocks(Straight(body, translator, awaitables, returns), errors)
    blocks.block(tree.body)
    if not body.drafts:
        body.emit(Return(Const(None)), tree, declared=returns)
    if errors:
        raise together(errors)
    typings = typed(awaitables.regions, names.found)
    if errors := [error for typing in typings for error in misuses(typing, translator)]:
        raise together(errors)
    table = Table()
    regions = tuple(
        typing.region.freeze(lambda draft, typing=typing: typing.finish(draft, table), table.index)
        for typing in typings
    )
    return Definition(
        name,
        regions,
        result=table.index(returns),
        types=tuple(table.refs),
        callees=tuple(sorted(awaitables.callees.items())),
        home=home,
        file=source.file,
    )


def typed(regions: list[RegionDraft], symbols: dict[str, Any]) -> list[Typing]:
    """Return what is known of the variables of each region; parents come before branches."""
    typings = [Typing(region, symbols) for region in regions]
    for typing in typings:
        typing.solve()
        typing.pass_on(regions)
    return typings


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
    for starred in (given.vararg, given.kwarg):
        if starred is not None:
            errors.append(
                source.refusal(
                    starred,
                    "A workflow has no `*args` and `**kwargs`: what it takes is its contract.",
                    expected="named parameters with annotations",
                    do=f"write `{starred.arg}: list[…]` or `{starred.arg}: dict[str, …]`",
                )
            )
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


def annotation(
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
