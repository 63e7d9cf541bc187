"""`duetto demo`: the shop under placements, one killed on the way, and by events, compared."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import click

from duetto.cli.command import Command, screen
from duetto.cli.exits import DONE, NO
from duetto.cli.graph import write
from duetto.cli.ledgers import differences
from duetto.cli.shop import BY_EVENTS, Kill, Shop, Went, invoices_in
from duetto.cli.shopping import watched
from duetto.drawing import svg
from duetto.errors import ConfigurationError, NotAllowed
from duetto.model.placement import parse

PLACEMENTS = ("orchestration", "choreography", "hybrid:payments,shipping")
WAYS = (*PLACEMENTS, BY_EVENTS)
KILLED = "choreography"
MARK = ".duetto-demo"
"""The file by which a later demo knows that a folder is its own, and may be emptied."""
COLUMNS = (
    *("placement", "completed", "compensated", "parked", "messages", "writes/step"),
    *("p50 ms", "p99 ms"),
)
UNDONE_BY = {
    "inventory.reserve": "release",
    "payments.charge": "refund",
    "shipping.book": "cancel_booking",
    "notifications.notify": "apologise",
}


@click.command(cls=Command)
@click.option(
    "--dir",
    "folder",
    default="duetto-demo",
    show_default=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where all is kept; what an earlier demo left there is replaced.",
)
@click.option(
    "--orders",
    metavar="FILE.csv",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Other orders, in the columns of the shop's own.",
)
@click.pass_context
def demo(ctx: click.Context, folder: Path, orders: Path | None) -> None:
    """Fulfil a shop's orders under three placements, and by events alone, and compare.

    One is killed on the way. Exits with 1 if the services did not do the same in all four.
    """
    with as_file(files("duetto.examples.shop").joinpath("orders.csv")) as shipped:
        chosen = orders or shipped
        emptied(folder)
        told, total = screen(), invoices_in(chosen)
        told.line(f"shop · {total:,} invoices · folder {folder}")
        shops = [Shop(chosen, folder / short(name), name) for name in WAYS]
        went = watched(shops, total, killed=KILLED)
    *placed, by_events = [shop.folder for shop in shops]
    found = differences(placed) + differences([placed[0], by_events], keyed=False)
    picture = drawn(folder, shops[0])
    told.object(as_object(folder, went, found, picture))
    tell(went, found, picture)
    ctx.exit(NO if found or any(one.figures["parked"] for one in went) else DONE)


def short(placement: str) -> str:
    """Return the name of a placement's folder."""
    return placement.partition(":")[0]


def emptied(folder: Path) -> None:
    """Make the folder, or remove what an earlier demo left in it; nothing else is touched."""
    mark = folder / MARK
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise NotAllowed(
            f"{folder} is not of an earlier demo.",
            found="a folder with something else in it",
            expected="a new folder, or one that `duetto demo` made",
            do="give another one: duetto demo --dir DIR",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} cannot be made.", found=str(error), do="give another: --dir DIR"
        ) from error
    for name in WAYS:
        shutil.rmtree(folder / short(name), ignore_errors=True)


def drawn(folder: Path, shop: Shop) -> Path:
    """Draw the workflow, as the store has it, under all placements; return the file."""
    file = folder / "shop.svg"
    placements = [parse(name) for name in PLACEMENTS]
    write(file, svg(shop.definition(), placements, compensations=UNDONE_BY))
    return file


def row(one: Went) -> dict[str, Any]:
    """Return a line of the table."""
    figures = one.figures
    steps = figures["steps"]
    return {
        "placement": figures["placement"],
        "completed": figures["completed"],
        "compensated": figures["compensated"],
        "parked": figures["parked"],
        "messages": figures["messages"],
        "writes/step": f"{figures['store_writes'] / steps:.2f}" if steps else "–",
        "p50 ms": figures["p50_ms"],
        "p99 ms": figures["p99_ms"],
    }


def as_object(folder: Path, went: list[Went], found: list[str], picture: Path) -> dict[str, Any]:
    """Return all of it as one object."""
    *placed, by_events = went
    return {
        "folder": str(folder),
        "placements": [
            {**one.figures, "killed": killed(one.kill) if one.kill else None} for one in placed
        ],
        "events": by_events.figures,
        "ledgers_identical": not found,
        "differences": found,
        "picture": str(picture),
    }


def killed(kill: Kill) -> dict[str, int]:
    """Return what the kill met."""
    return {
        "ended_before": kill.ended_before,
        "continued": kill.continued,
        "results_stored": len(kill.stored),
        "results_recomputed": kill.recomputed,
    }


def tell(went: list[Went], found: list[str], picture: Path) -> None:
    """Print the table, the verdict and what to do next."""
    told = screen()
    if told.as_json:
        return
    refused = sum(went[0].figures["refused"].values())
    told.line()
    told.line(f"{went[0].figures['orders']:,} orders, {refused:,} invoices refused")
    told.line()
    told.rows((row(one) for one in went), COLUMNS, whole=COLUMNS, aligned=True)
    told.line()
    told.line(f"ledgers identical in all four: {'no' if found else 'yes'}")
    for line in found:
        told.line(f"  {line}")
    told.line(f"picture  {picture}")
    told.line("next     duetto run --help, or write your own: duetto new shop")
