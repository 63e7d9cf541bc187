"""`python -m tests.crashes --runs N`: generated workflows on real files, with real `kill -9`."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import click
from msgspec.structs import replace

from duetto.testing.simulation.graphs import compiled
from tests.crashes.generated import LAYOUTS, PLACEMENTS, Batch
from tests.crashes.generated_deaths import Tally
from tests.crashes.generated_lives import kill_and_hold
from tests.crashes.generated_points import POINTS, POWER_CUT
from tests.crashes.generated_table import table

RUNS = 2_000
BATCH_RUNS = 200
"""Some ten lives: fewer runs are ended before many kills have come, and more share a fate."""
ALIKE_RUNS = 100
"""How often the workflow of one seed is run: each time it is killed at other instants."""


@click.command()
@click.option("--runs", default=RUNS, show_default=True)
@click.option("--first", default=0, show_default=True, help="The seed of the first workflow.")
@click.option("--seed", default=None, type=int, help="One workflow, many times.")
@click.option("--placement", default=None, type=click.Choice(PLACEMENTS))
@click.option("--layout", default=None, type=click.Choice(list(LAYOUTS)))
@click.option("--cancels/--no-cancels", default=None, help="Cancel some runs from outside.")
@click.option(
    "--separate/--together", default=None, help="A process for each store, or one for all."
)
@click.option("--chance", default=None, type=int, help="Of the kills, as far as time allows.")
def main(
    runs: int,
    first: int,
    seed: int | None,
    placement: str | None,
    layout: str | None,
    cancels: bool | None,
    separate: bool | None,
    chance: int | None,
) -> None:
    """Kill processes with generated workflows in flight, and hold each run against the plain
    interpreter; exit with 1 if a promise was broken."""
    chance = time.time_ns() % 1_000_000 if chance is None else chance
    runs, first = (ALIKE_RUNS, seed) if seed is not None else (runs, first)
    click.echo(f"python -m tests.crashes --runs {runs} --first {first} --chance {chance}")
    folder, tally = Path(tempfile.mkdtemp(prefix="duetto-crash-")), Tally()
    begun = time.perf_counter()
    for number, drawn in enumerate(batches(runs, first, alike=seed is not None)):
        asked = {"placement": placement, "layout": layout}
        asked |= {"cancels": cancels, "separate": separate}
        batch = replace(drawn, **{name: one for name, one in asked.items() if one is not None})
        hold(batch, folder / str(number), Random(f"{chance} {number}"), tally)
        say(tally, runs, time.perf_counter() - begun, batch)
    click.echo(table(tally))
    click.echo(f"{tally.lives} processes; {told_of_points(tally)}")
    click.echo(
        f"{tally.repeated} effects had once more under their key, as nothing told of them;"
        f" {tally.cancels} runs cancelled;"
        f" {tally.blamed} tokens parked after six deaths, and resumed"
    )
    if not tally.broken:
        shutil.rmtree(folder)
    click.echo(
        f"{tally.runs} runs, {tally.kills} kills with runs in flight"
        f" (and {tally.idle} while a process started or recovered),"
        f" {len(tally.broken)} promises broken"
    )
    sys.exit(1 if tally.broken else 0)


def batches(runs: int, first: int, *, alike: bool) -> Iterator[Batch]:
    """Yield batches of so many runs in all, each in another system; in half of them some runs are
    cancelled, in half of those with several stores each has a process of its own."""
    layouts = list(LAYOUTS)
    for number, at in enumerate(range(0, runs, BATCH_RUNS)):
        yield Batch(
            first if alike else first + at,
            min(BATCH_RUNS, runs - at),
            PLACEMENTS[number % len(PLACEMENTS)],
            layouts[number % len(layouts)],
            alike,
            cancels=number % 4 in (1, 2),
            separate=number % 2 == 0 and number % len(layouts) > 0,
        )


def hold(batch: Batch, directory: Path, random: Random, tally: Tally) -> None:
    """Bring a batch to its end, and tell of what it broke; what is well is thrown away."""
    broken = kill_and_hold(batch, directory, random, tally)
    for number in range(batch.count):
        scenario = batch.scenario(number)
        kinds = compiled(scenario.block, home=scenario.home).kinds
        tally.nodes.update(Counter({(k, batch.placement): n for k, n in kinds.items()}))
    for each in broken:
        click.echo(f"{batch.again(each.number)}    in {directory}")
        click.echo(f"    {each.text}")
        tally.broken.append(each.text)
    if not broken:
        shutil.rmtree(directory)


def told_of_points(tally: Tally) -> str:
    """Say at which named points processes died, and which were never reached."""
    never = [name for name in POINTS if not tally.points[name]]
    power = tally.points[POWER_CUT]
    said = f"{power} lost their power, {tally.points.total() - power} died at named points"
    return f"{said}, never at: {', '.join(never)}" if never else f"{said}, at each of them"


def say(tally: Tally, runs: int, seconds: float, batch: Batch) -> None:
    click.echo(
        f"{tally.runs} of {runs} runs, {tally.kills} kills with"
        f" {tally.in_flight[-1] if tally.in_flight else 0} runs in flight at the last,"
        f" {tally.runs / seconds:.1f} runs/s; {batch.placement}, stores: {batch.layout}"
        + (", a process each" if batch.separate else "")
    )


if __name__ == "__main__":
    main()
