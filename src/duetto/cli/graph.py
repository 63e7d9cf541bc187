"""`duetto graph`: a workflow as Mermaid text, and drawn."""

from __future__ import annotations

from pathlib import Path

import click

from duetto.app import App
from duetto.cli.check import placements_of
from duetto.cli.command import Command, screen
from duetto.cli.project import load_app, named_app, workflow_named
from duetto.drawing import mermaid, svg
from duetto.errors import ConfigurationError
from duetto.model.placement import Placement, check, parse


@click.command(cls=Command)
@click.argument("workflow")
@click.option(
    "--placement",
    "names",
    multiple=True,
    metavar="P",
    help="A placement to draw; may be repeated. The text has the app's own by default, the "
    "picture both ends of the dial as well.",
)
@click.option(
    "--svg",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the picture, the placements side by side, into a file.",
)
@named_app
def graph(workflow: str, names: tuple[str, ...], file: Path | None, app_name: str | None) -> None:
    """Print WORKFLOW as Mermaid text: participants are lanes, thick edges cross."""
    app, told = load_app(app_name), screen()
    definition = workflow_named(app, workflow).definition
    asked = asked_for(app, names)
    texts = [
        {"placement": one.name, "mermaid": mermaid(definition, one)}
        for one in asked or [app.placement]
    ]
    if file is not None:
        drawn = svg(definition, asked or placements_of(app, ()), compensations=undone_by(app))
        write(file, drawn)
        click.echo(f"drawn: {file}", err=True)
    told.object({"workflow": workflow, "graphs": texts, "svg": str(file) if file else None})
    for text in texts:
        if len(texts) > 1:
            told.line(f"%% {text['placement']}")
        told.line(text["mermaid"].rstrip())


def asked_for(app: App, names: tuple[str, ...]) -> list[Placement]:
    """Return the placements that are named. Raises PlacementError."""
    found = [parse(name) for name in names]
    for placement in found:
        check(placement, app.services, app.tasks)
    return found


def undone_by(app: App) -> dict[str, str]:
    """Return which task undoes which."""
    return {name: task.undo.name for name, task in app.tasks.items() if task.undo is not None}


def write(file: Path, text: str) -> None:
    """Write a file. Raises ConfigurationError where it cannot be."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be written.",
            found=str(error),
            expected="a file in a folder that exists, in which this user may write",
            do="give another path",
        ) from error
