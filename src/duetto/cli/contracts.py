"""`duetto contracts …`: the schemas of events and boundaries, exported and checked."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click
import msgspec

from duetto.app import App
from duetto.cli.command import Group, screen
from duetto.cli.exits import DONE, NO
from duetto.cli.project import load_app, named_app
from duetto.cli.topology import declared_by
from duetto.operations.contracts import (
    Compatibility,
    Document,
    Report,
    Verdict,
    asyncapi,
    boundary_documents,
    check,
    event_documents,
    export,
    read,
)

FOLDER = click.Path(file_okay=True, path_type=Path)


@click.group(cls=Group)
def contracts() -> None:
    """Export the schemas of events and boundaries, and check them against those committed."""


@contracts.command("export")
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option(
    "--outside",
    multiple=True,
    metavar="EVENT",
    help="An event that is published from outside the app; may be repeated.",
)
@named_app
def write_contracts(folder: Path, outside: tuple[str, ...], app_name: str | None) -> None:
    """Write a JSON Schema for each event and boundary into DIR, and asyncapi.json."""
    app, told = load_app(app_name), screen()
    topology = declared_by(app, outside)
    events = event_documents(kinds_of(app), topology)
    documents = [*events, *boundaries_of(app)]
    written = export(folder, documents, asyncapi(topology, events))
    told.object(msgspec.to_builtins(written))
    for word, names in (
        ("new", written.new),
        ("changed", written.changed),
        ("removed", written.removed),
    ):
        for name in names:
            told.line(f"{word:<9} {folder / name}")
    count = len(documents) - len(events)
    told.line(f"{len(events)} events, {count} boundaries; {written.unchanged} files unchanged")


@contracts.command("check")
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option(
    "--compatibility",
    type=click.Choice(["backward", "forward", "full"]),
    default="backward",
    help="backward: what reads now reads earlier data; forward: what read before reads data of "
    "now; full: both. backward by default.",
)
@click.option(
    "--transitive", is_flag=True, help="Compare with every committed version, not the last only."
)
@named_app
@click.pass_context
def check_contracts(
    ctx: click.Context, folder: Path, compatibility: str, transitive: bool, app_name: str | None
) -> None:
    """Compare the app with the contracts in DIR: each change, what it breaks, and whom."""
    committed = read(folder)
    app, told = load_app(app_name), screen()
    documents = [*event_documents(kinds_of(app), declared_by(app)), *boundaries_of(app)]
    asked = cast("Compatibility", compatibility)
    report = check(documents, committed, asked, transitive=transitive)
    told.object({"compatible": report.is_compatible, **msgspec.to_builtins(report)})
    for line in lines_of(report, compatibility):
        told.line(line)
    ctx.exit(DONE if report.is_compatible else NO)


def kinds_of(app: App) -> dict[str, type]:
    """Return the events of an app, by topic."""
    return {topic: kind.cls for topic, kind in app.kinds.by_topic.items()}


def boundaries_of(app: App) -> list[Document]:
    """Return what crosses participants under the app's own placement."""
    return boundary_documents(app.workflows.values(), app.placement, app.symbols)


def lines_of(report: Report, compatibility: str) -> list[str]:
    """Return what a check found, for people."""
    lines: list[str] = []
    heading = ""
    for verdict in report.verdicts:
        step = f"{verdict.old} → {verdict.new or 'gone'}" if verdict.old else ""
        title = f"{verdict.subject}   {step}".rstrip()
        if title != heading:
            lines += [title]
            heading = title
        lines += _verdict(verdict)
    lines += [f"{name}   not committed yet" for name in report.new]
    lines += [f"{name}   gone" for name in report.gone if name.startswith("boundary.")]
    broken = sum(bool(verdict.breaks) for verdict in report.verdicts)
    changes = f"{len(report.verdicts)} change{'' if len(report.verdicts) == 1 else 's'}"
    breaks = f"{broken} break{'s' if broken == 1 else ''}" if broken else "none breaks"
    return [
        *lines,
        f"{report.compared} compared, {changes}, {breaks} {compatibility} compatibility",
    ]


def _verdict(verdict: Verdict) -> list[str]:
    breaks = f"   breaks {', '.join(verdict.breaks)}" if verdict.breaks else ""
    change = verdict.change
    first = f"  {change.path}  {change.what}" if change.path else f"  {change.what}"
    return [first + breaks, *(f"    {harm}" for harm in verdict.harms)]
