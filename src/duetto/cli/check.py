"""`duetto check`: what an app's workflows may do, cost and exchange, before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from duetto.app import App
from duetto.authoring.workflow import Workflow
from duetto.cli.command import Command, screen
from duetto.cli.exits import DONE, NO
from duetto.cli.project import load_app, named_app
from duetto.cli.screen import Screen
from duetto.errors import DuettoError
from duetto.kernel.contracts import RESULT, Contract, contracts, is_spoken, spoken
from duetto.kernel.estimate import choice_points, estimate
from duetto.kernel.purity import PURE
from duetto.model.definition import Definition, digest
from duetto.model.placement import Placement, choreography, orchestration, parse
from duetto.model.placement import check as check_placement


@click.command(cls=Command)
@click.option(
    "--placement", "more", multiple=True, metavar="P", help="A further placement; may be repeated."
)
@named_app
@click.pass_context
def check(ctx: click.Context, more: tuple[str, ...], app_name: str | None) -> None:
    """Compile the app's workflows: their choice points, their cost and contracts by placement."""
    app, told = load_app(app_name), screen()
    placements = placements_of(app, more)
    errors = 0
    for workflow in app.workflows.values():
        try:
            app.programs.program(digest(workflow.definition))
        except DuettoError as error:
            told.error(error)
            errors += 1
        found = checked(app, workflow, placements)
        told.object(found)
        describe(told, found)
    told.line(f"{len(app.workflows)} workflows, {errors} errors")
    ctx.exit(NO if errors else DONE)


def placements_of(app: App, more: Iterable[str]) -> list[Placement]:
    """Return both ends of the dial, the app's own placement, and what was asked for."""
    asked = [parse(text) for text in more]
    for placement in asked:
        check_placement(placement, app.services, app.tasks)
    found = [orchestration(), choreography(), app.placement, *asked]
    return list({placement.name: placement for placement in found}.values())


def checked(app: App, workflow: Workflow[..., Any], placements: list[Placement]) -> dict[str, Any]:
    """Return what there is to say of a workflow, as one object."""
    definition = workflow.definition
    points = choice_points(definition, lambda name: is_pure(app, name))
    return {
        "workflow": workflow.name,
        "file": relative(workflow.file),
        "line": workflow.line,
        "definition": digest(definition),
        "home": definition.home or "app",
        "nodes": sum(len(region.nodes) for region in definition.regions),
        "choice_points": [{"line": point.line, "reason": point.reason} for point in points],
        "placements": [costs(definition, placement) for placement in placements],
        "contracts": [
            contract_of(placement, one)
            for placement in placements
            for one in contracts(definition, placement, definition.home)
        ],
    }


def is_pure(app: App, name: str) -> bool:
    """Is calling a symbol no choice: a constructor, or a builtin known to be pure?"""
    if name in PURE:
        return True
    try:
        return isinstance(app.symbols.resolve(name), type)
    except DuettoError:
        return False  # said where the program is linked


def costs(definition: Definition, placement: Placement) -> dict[str, Any]:
    """Return the cost of the straight path, with one store and with one per participant."""
    one = estimate(definition, placement, definition.home, together=True)
    each = estimate(definition, placement, definition.home, together=False)
    return {
        "placement": placement.name,
        "steps": one.steps,
        "one_store": {"messages": one.messages, "store_writes": one.store_writes},
        "store_each": {"messages": each.messages, "store_writes": each.store_writes},
    }


def contract_of(placement: Placement, one: Contract) -> dict[str, Any]:
    """Return what crosses participants, as one object."""
    return {
        "placement": placement.name,
        "kind": one.kind,
        "from": one.source or "app",
        "to": one.target or "app",
        "line": one.to.line,
        "carries": {
            spoken(name): str(kind) if kind is not None else "unknown"
            for name, kind in one.payload
            if is_spoken(name)
        },
    }


def describe(told: Screen, found: dict[str, Any]) -> None:
    """Print a workflow for people."""
    where = f"{found['file']}:{found['line']}"
    told.line(f"{found['workflow']}   {where}   {found['nodes']} nodes   home {found['home']}")
    told.line()
    told.line("  choice points" if found["choice_points"] else "  no choice points")
    for point in found["choice_points"]:
        told.line(f"    line {point['line']:<5} {point['reason']}")
    told.line()
    for line in cost_lines(found["placements"]):
        told.line(f"  {line}")
    told.line()
    for line in contract_lines(found["contracts"]):
        told.line(f"  {line}")
    told.line()


def cost_lines(placements: list[dict[str, Any]]) -> list[str]:
    """Return the table of costs."""
    wide = max(len("placement"), *(len(one["placement"]) for one in placements))
    lines = [
        f"{'':<{wide}}         one store         a store each",
        f"{'placement':<{wide}}  steps  messages  writes  messages  writes",
    ]
    for one in placements:
        together, apart = one["one_store"], one["store_each"]
        lines.append(
            f"{one['placement']:<{wide}}  {one['steps']:>5}"
            f"  {together['messages']:>8}  {together['store_writes']:>6}"
            f"  {apart['messages']:>8}  {apart['store_writes']:>6}"
        )
    return lines


def contract_lines(found: list[dict[str, Any]]) -> list[str]:
    """Return what crosses, by placement."""
    lines: list[str] = []
    for placement in dict.fromkeys(one["placement"] for one in found):
        lines.append(f"contracts under {placement}")
        lines += [f"  {crossing(one)}" for one in found if one["placement"] == placement]
    return lines or ["no contracts: nothing crosses participants"]


def crossing(one: dict[str, Any]) -> str:
    """Return a contract as a line."""
    carries = ", ".join(
        kind if name == RESULT else f"{name}: {kind}" for name, kind in one["carries"].items()
    )
    at = f"line {one['line']}" if one["line"] else "the run's end"
    return f"{one['from']} → {one['to']}   {one['kind']} at {at}   {carries or 'nothing'}"


def relative(file: str) -> str:
    """Return a path from the current folder, where it lies below it."""
    path = Path(file)
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else file
