"""`duetto run`: a run per JSON line, progress, and a table of what came of them."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from duetto.app import App, run_in_loop
from duetto.cli.command import Command, screen
from duetto.cli.course import Course, Runner, percentile
from duetto.cli.exits import DONE, NO
from duetto.cli.here import Here, Watcher
from duetto.cli.lines import Reader
from duetto.cli.project import about_an_app, load_app, workflow_named
from duetto.cli.there import CONNECTIONS_MAX, There
from duetto.errors import NotAllowed
from duetto.kernel.program import Program
from duetto.operations.caller import is_owned
from duetto.stores.sqlite import SqliteStore

IDS_SHOWN_MAX = 20
"""Runs named in one line; the rest is counted."""


@click.command(cls=Command)
@click.argument("workflow")
@click.option(
    "--input",
    "file",
    required=True,
    metavar="FILE.jsonl",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="A run per line; `-` is the standard input.",
)
@click.option(
    "--placement",
    metavar="P",
    help="orchestration, choreography, hybrid:SERVICE,…; the app's own by default.",
)
@click.option(
    "--concurrency",
    default=100,
    show_default=True,
    type=click.IntRange(min=1),
    help="Runs under way at a time.",
)
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Open the store though commits that were acknowledged are missing.",
)
@about_an_app
@click.pass_context
def run(
    ctx: click.Context,
    workflow: str,
    file: Path,
    placement: str | None,
    concurrency: int,
    accept_loss: bool,
    app_name: str | None,
    store: Path | None,
) -> None:
    """Run WORKFLOW once per line of a file. Run again on the same store, it resumes.

    Where an app that runs owns the store, it is asked to run them.
    A line is the workflow's argument as JSON, or {"id": …, "input": …}, or {"id": …, "args": […]}.
    Every line is checked before the first run starts.
    """
    app = load_app(app_name, store)
    chosen = workflow_named(app, workflow)
    program = app.programs.program(app.programs.by_name[chosen.name])
    reader = Reader(chosen, lambda args, kwargs: program.bind(0, args, kwargs))
    if accept_loss and app.store_path is not None:
        SqliteStore.open(app.store_path, accept_loss=True).close()
    with spooled(file) as (path, name):
        total = sum(1 for _ in reader.read(path, name))
        owner = app.store_path
        if owner is not None and is_owned(owner):
            runner = runner_there(owner, program, placement, concurrency)
        else:
            owner, watcher = None, Watcher(app.observer, say_continued)
            app.configure(placement=placement, observer=watcher)
            runner = Runner(Here(app, chosen.name, watcher), concurrency)
        with progress(workflow, total) as ended:
            course = run_in_loop(runner.run(reader.read(path, name), ended))
    found = figures(app, chosen.name, total, course)
    # The placement is the owner's, which is not known here.
    report(found | {"placement": None} if owner else found, course)
    ctx.exit(DONE if course.ended + course.parked == total and not course.parked else NO)


def runner_there(store: Path, program: Program, placement: str | None, concurrency: int) -> Runner:
    """Return who has the lines run by the app that owns the store. Raises NotAllowed."""
    if placement is not None:
        raise NotAllowed(
            f"The app that owns {store} runs with a placement of its own.",
            found=f"--placement {placement}",
            expected="no --placement",
            do="leave it out, or stop that app",
        )
    click.echo(f"the app that owns {store} runs them", err=True)
    return Runner(There(store, program), min(concurrency, CONNECTIONS_MAX))


@contextmanager
def spooled(file: Path) -> Generator[tuple[Path, str]]:
    """Give a file that can be read twice, and its name without the ending."""
    if str(file) != "-":
        yield file, file.stem
        return
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
        kept.flush()
        yield Path(kept.name), "line"


def say_continued(runs: tuple[str, ...]) -> None:
    """Say which runs are taken up again."""
    click.echo(f"continuing {len(runs)} unfinished runs: {named(runs)}", err=True)


def named(runs: tuple[str, ...] | list[str]) -> str:
    """Return the ids of runs, the first of many."""
    more = f" and {len(runs) - IDS_SHOWN_MAX} more" if len(runs) > IDS_SHOWN_MAX else ""
    return ", ".join(runs[:IDS_SHOWN_MAX]) + more


@contextmanager
def progress(title: str, total: int) -> Generator[Callable[[], None]]:
    """Show a bar on a terminal, and nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)


def figures(app: App, workflow: str, total: int, course: Course) -> dict[str, Any]:
    """Return what came of the runs, as one object."""
    return {
        "workflow": workflow,
        "placement": app.placement.name,
        "store": str(app.store_path) if app.store_path else None,
        "runs": total,
        "completed": course.completed,
        "failed": dict(sorted(course.failed.items())),
        "cancelled": course.cancelled,
        "compensated": course.compensated,
        "parked": course.parked,
        "open": total - course.ended - course.parked,
        "interrupted": course.interrupted,
        "steps": course.steps,
        "retries": course.retries,
        "messages": course.messages,
        "store_writes": course.store_writes,
        "seconds": round(course.seconds, 3),
        "steps_per_s": round(course.steps / course.seconds, 1) if course.seconds else 0.0,
        "p50_ms": percentile(course.latencies_ms, 50),
        "p99_ms": percentile(course.latencies_ms, 99),
    }


def report(found: dict[str, Any], course: Course) -> None:
    """Print what came of the runs."""
    told = screen()
    told.object(found)
    for name, value in found.items():
        text = counted(course.failed) if name == "failed" else "–" if value is None else str(value)
        told.line(f"{name:<12} {text}")
    if course.interrupted:
        click.echo("interrupted: the same command resumes", err=True)
    for id in course.parked_ids[:IDS_SHOWN_MAX]:
        click.echo(f"{id} is parked: duetto runs explain {id}", err=True)
    if course.others:
        text = f"{len(course.others)} other runs of this store are open: {named(course.others)}"
        click.echo(text, err=True)


def counted(counts: dict[str, int]) -> str:
    """Return counts by name on one line, their sum first."""
    parts = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"{sum(counts.values())}   {parts}".rstrip()
