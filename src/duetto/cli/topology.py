"""`duetto topology`: who publishes and who listens, drawn, and what is likely wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from duetto.app import App
from duetto.cli.command import Command, screen
from duetto.cli.exits import DONE, NO
from duetto.cli.graph import write
from duetto.cli.project import about_an_app, load_app
from duetto.cli.reach import Target, ask
from duetto.drawing import topology_mermaid, topology_svg, topology_text
from duetto.model.topology import Finding, Topology
from duetto.operations.findings import differing, findings
from duetto.operations.observing import Observed, as_seen
from duetto.operations.requests import Observe
from duetto.operations.topology import differences
from duetto.operations.topology import topology as declared

FORMATS = ("text", "mermaid", "svg", "json")


@click.command(cls=Command)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    help="Lines with what was found, Mermaid text, a picture, or JSON; lines by default.",
)
@click.option(
    "--output",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it into a file.",
)
@click.option(
    "--outside",
    multiple=True,
    metavar="EVENT",
    help="An event that is published from outside the app; may be repeated.",
)
@click.option(
    "--observed",
    "as_observed",
    is_flag=True,
    help="Draw what happened last, of a store, and list where it differs from what is declared.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 where something was found.")
@about_an_app
@click.pass_context
def topology(
    ctx: click.Context,
    form: str,
    file: Path | None,
    outside: tuple[str, ...],
    as_observed: bool,
    strict: bool,
    app_name: str | None,
    store: Path | None,
) -> None:
    """Draw who publishes and who listens, as declared, and list what is likely wrong."""
    if store is not None and not as_observed:
        raise click.UsageError("--store has what happened: give --observed as well.")
    drawn, told = declared_by(load_app(app_name), outside), screen()
    found = findings(drawn)
    if as_observed:
        seen = ask(Target(app_name, store), Observe(), Observed)
        found = differing(differences(drawn, seen.seen))
        drawn = as_seen(drawn, seen)
        if not seen.whole:
            click.echo(f"the newest {seen.events:,} events were looked at", err=True)
    if told.as_json and file is None:
        form = "json"
    text = DRAWN[form](drawn, found)
    if file is None:
        click.echo(text.rstrip("\n"))
    else:
        write(file, text)
        click.echo(f"written: {file}", err=True)
        told.object(as_data(drawn, found))
    if form in ("mermaid", "svg") or file is not None:
        for finding in found:
            click.echo(f"{finding.kind}: {finding.message}", err=True)
    ctx.exit(NO if strict and found else DONE)


def declared_by(app: App, outside: Iterable[str] = ()) -> Topology:
    """Return the topology that an app declares. Raises NotFound for an event that is not known."""
    return declared(
        app.name,
        app.services.values(),
        app.workflows.values(),
        app.symbols,
        topics=app.kinds.by_topic,
        outside=outside,
    )


def as_data(drawn: Topology, found: list[Finding]) -> dict[str, Any]:
    """Return a topology with its links and findings, as one object."""
    return {
        **msgspec.to_builtins(drawn),
        "links": msgspec.to_builtins(drawn.links),
        "findings": msgspec.to_builtins(found),
    }


def as_json(drawn: Topology, found: list[Finding]) -> str:
    """Return the same as text."""
    return msgspec.json.encode(as_data(drawn, found)).decode()


DRAWN = {
    "text": topology_text,
    "mermaid": topology_mermaid,
    "svg": topology_svg,
    "json": as_json,
}
