"""`duetto runs …`: look at runs, and act on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from duetto.cli.command import Group, screen
from duetto.cli.instants import instant, since_ms
from duetto.cli.project import about_an_app
from duetto.cli.reach import Target, ask, asked
from duetto.model.view import STATUSES, Fact, RunView, Waiting
from duetto.operations.requests import (
    AnyRequest,
    Cancel,
    Explain,
    History,
    List,
    Restart,
    Resume,
    Retry,
    Show,
    Shown,
    Skip,
)

COLUMNS = ("id", "workflow", "status", "started", "updated", "tags", "note")
BY_NAME = {name: number for number, name in STATUSES.items() if name != "guest"}
LATER = "no app runs here: it goes on when the app runs next"


@click.group(cls=Group)
def runs() -> None:
    """Look at runs, and act on them."""


@runs.command("list")
@click.option("--workflow", metavar="NAME", default="", help="Only runs of this workflow.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([*BY_NAME, "parked"]),
    help="Only runs in this state; may be repeated.",
)
@click.option("--tag", default="", help="Only runs with this tag.")
@click.option("--since", metavar="TIME", help="Started then or later: 2026-11-25T12:00, 90m, 2d.")
@click.option("--until", metavar="TIME", help="Started before: as --since.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="At most.")
@about_an_app
def list_runs(
    workflow: str,
    statuses: tuple[str, ...],
    tag: str,
    since: str | None,
    until: str | None,
    limit: int,
    app_name: str | None,
    store: Path | None,
) -> None:
    """List runs, newest first."""
    wanted = {BY_NAME["running" if name == "parked" else name] for name in statuses}
    parked = "parked" in statuses and "running" not in statuses
    times = (since_ms(since), since_ms(until))
    request = List(workflow, tuple(sorted(wanted)), tag, *times, limit, parked)
    found = ask(Target(app_name, store), request, list[RunView])
    listed = screen()
    rows = (
        msgspec.to_builtins(run) if listed.as_json else row(run, short=listed.terminal)
        for run in found
    )
    listed.rows(rows, COLUMNS, whole=("id",))


def row(run: RunView, *, short: bool) -> dict[str, Any]:
    """Return a run as a line of a table."""
    return {
        "id": run.id,
        "workflow": run.workflow,
        "status": state(run),
        "started": instant(run.created, short=short),
        "updated": instant(run.updated, short=short),
        "tags": run.tags,
        "note": run.error,
    }


def state(run: RunView) -> str:
    """Return the state of a run in a word."""
    return "parked" if run.parked and run.status == "running" else run.status


@runs.command()
@click.argument("id")
@about_an_app
def show(id: str, app_name: str | None, store: Path | None) -> None:
    """Show a run: its state, its result or error, and what it cost."""
    asked_for = asked(Target(app_name, store), Show(id))
    if screen().as_json:
        screen().object(msgspec.json.decode(asked_for.json))
        return
    found = msgspec.json.decode(asked_for.json, type=Shown)
    for name, value in shown(found).items():
        screen().line(f"{name:<12} {value}")


def shown(found: Shown) -> dict[str, Any]:
    """Return what there is to say of a run, by name."""
    run, counts = msgspec.convert(found.run, RunView), found.counts
    said = {
        "id": run.id,
        "workflow": f"{run.workflow}   definition {run.digest[:8]}",
        "status": state(run),
        "started": instant(run.created),
        "updated": instant(run.updated),
        "tags": ", ".join(run.tags),
        "error": run.error,
        "result": msgspec.json.encode(run.result).decode() if run.status == "completed" else "",
        "steps": f"{counts.steps} ended, {counts.retries} retries, {counts.undone} undone",
        "cost": f"{counts.messages} messages, {counts.writes} store writes",
    }
    return {name: value for name, value in said.items() if value}


@runs.command()
@click.argument("id")
@about_an_app
def history(id: str, app_name: str | None, store: Path | None) -> None:
    """Show what happened in a run, in causal order."""
    found = ask(Target(app_name, store), History(id), list[Fact])
    told = screen()
    rows = (
        msgspec.to_builtins(fact)
        if told.as_json
        else {
            **msgspec.structs.asdict(fact),
            "at": instant(fact.at, to_ms=True, short=told.terminal),
        }
        for fact in found
    )
    told.rows(rows, ("at", "path", "participant", "what", "text"), whole=("at", "path"))


@runs.command()
@click.argument("id")
@about_an_app
def explain(id: str, app_name: str | None, store: Path | None) -> None:
    """Say why a run waits: a sentence for each thread of control that rests."""
    target = Target(app_name, store)
    found = ask(target, Explain(id), list[Waiting])
    told = screen()
    if told.as_json:
        told.rows((msgspec.to_builtins(one) for one in found), ())
        return
    for one in found:
        told.line(one.text)
    if not found:
        run = msgspec.convert(ask(target, Show(id), Shown).run, RunView)
        told.line(f"{id} waits for nothing: it is {state(run)}.")


def act(target: Target, request: AnyRequest, id: str, said: Callable[[Any], str]) -> None:
    """Ask for an operation, and say what came of it, and when it goes on."""
    answered = asked(target, request)
    answer = msgspec.json.decode(answered.json)
    screen().object({"run": id, "answer": answer, "running": answered.running})
    screen().line(said(answer) + ("" if answered.running else f"; {LATER}"))


@runs.command()
@click.argument("id")
@about_an_app
def cancel(id: str, app_name: str | None, store: Path | None) -> None:
    """Cancel a run: what it did is compensated, then it ends as cancelled."""
    act(Target(app_name, store), Cancel(id), id, lambda _: f"{id} is cancelled")


@runs.command()
@click.argument("id")
@about_an_app
def retry(id: str, app_name: str | None, store: Path | None) -> None:
    """Try at once what waits for its next attempt, and send again what is under way."""
    act(Target(app_name, store), Retry(id), id, lambda n: f"{id}: {n} tried again")


@runs.command()
@click.argument("id")
@click.option("--path", default="", help="Only the token at this path; all by default.")
@about_an_app
def resume(id: str, path: str, app_name: str | None, store: Path | None) -> None:
    """Let what is parked go on, with its attempts at zero."""
    act(Target(app_name, store), Resume(id, path), id, lambda n: f"{id}: {n} resumed")


@runs.command()
@click.argument("id")
@click.option("--path", default="", help="Only the token at this path; all by default.")
@click.option("--value", metavar="JSON", help="The value to go on with; None by default.")
@about_an_app
def skip(id: str, path: str, value: str | None, app_name: str | None, store: Path | None) -> None:
    """Let what is parked go on as if it had ended, with a value."""
    try:
        decoded = None if value is None else msgspec.json.decode(value.encode())
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"{value!r} is not JSON: {error}", param_hint="--value") from error
    act(Target(app_name, store), Skip(id, path, decoded), id, lambda n: f"{id}: {n} skipped")


@runs.command()
@click.argument("id")
@click.option("--new-id", metavar="ID", help="The id of the new run; drawn by default.")
@about_an_app
def restart(id: str, new_id: str | None, app_name: str | None, store: Path | None) -> None:
    """Start an ended run once more, from its start, on today's definition, under a new id."""
    act(Target(app_name, store), Restart(id, new_id), id, lambda new: f"{id} runs again as {new}")
