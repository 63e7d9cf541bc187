"""The command of the shop: `python -m duetto.examples.shop run ORDERS.csv …`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
from rich.console import Console

from duetto.app import run_in_loop
from duetto.errors import DuettoError
from duetto.examples.shop.reacting import BY_EVENTS, place_orders
from duetto.examples.shop.report import table
from duetto.examples.shop.running import run_orders


@click.group()
def main() -> None:
    """Fulfil a shop's orders, whoever decides."""


@main.command()
@click.argument("orders", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--placement",
    required=True,
    metavar="P",
    help="orchestration, choreography, or hybrid:SERVICE,…; or `events`, with no workflow.",
)
@click.option(
    "--data",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keeps all that is needed; run again on it to resume.",
)
@click.option(
    "--concurrency",
    default=100,
    show_default=True,
    type=click.IntRange(min=1),
    help="Orders under way at a time.",
)
@click.option(
    "--task-ms",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Milliseconds that every body takes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def run(
    orders: Path, placement: str, data: Path, concurrency: int, task_ms: int, as_json: bool
) -> None:
    """Fulfil the orders of a CSV file of invoice lines."""
    try:
        limits = {"concurrency": concurrency, "task_ms": task_ms}
        if placement == BY_EVENTS:
            work = place_orders(orders, directory=data, **limits)
        else:
            work = run_orders(orders, placement=placement, directory=data, **limits)
        figures = run_in_loop(work)
    except DuettoError as error:
        raise click.ClickException(str(error)) from error
    if refused := sum(figures.refused.values()):
        click.echo(f"{refused} invoices are refused; see {data / 'refusals.txt'}", err=True)
    if as_json:
        click.echo(msgspec.json.encode(figures))
    else:
        Console().print(table(figures))


if __name__ == "__main__":
    main()
