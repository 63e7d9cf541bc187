"""The whole of a workflow: its parameters, body and branches, put together as a definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from duetto.authoring.compiler.awaiting import Awaitables
from duetto.authoring.compiler.blocks import Blocks
from duetto.authoring.compiler.checks import misuses
from duetto.authoring.compiler.expressions import Translator
from duetto.authoring.compiler.names import Names, written_in
from duetto.authoring.compiler.parameters import add_parameters, parameter_names, result_type
from duetto.authoring.compiler.refusals import together
from duetto.authoring.compiler.regions import RegionDraft
from duetto.authoring.compiler.source import read
from duetto.authoring.compiler.straight import Straight
from duetto.authoring.compiler.variables import Table, Typing
from duetto.errors import DefinitionError
from duetto.model.definition import Definition, Return
from duetto.model.expression import Const


def compile_workflow(function: Callable[..., Any], *, name: str, home: str = "") -> Definition:
    """Return the definition of an `async def`; raises DefinitionError for what is outside the
    workflow language, with all that was found."""
    source, tree = read(function)
    names = Names(function, source, written_in(tree.body) | set(parameter_names(tree)))
    translator = Translator(source, names)
    errors: list[DefinitionError] = []
    returns = result_type(tree.returns, names, source, errors)
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
