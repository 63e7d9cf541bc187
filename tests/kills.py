"""Kill the shop several hundred times: `python -m tests.kills --kills 400 --seed S`."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

import click

from duetto.examples.shop.generate import SHIPPED
from tests.crashes.campaign import PLACEMENTS, Tally, kill_many, part_of
from tests.crashes.failing import die_at_all

KILLS = 400
LINES = 4_000
POINT_LINES = 9_000


@click.command()
@click.option("--kills", default=KILLS, show_default=True, help="At random instants.")
@click.option("--seed", default=None, type=int, help="The same kills, as far as time allows.")
@click.option("--points/--no-points", default=True, help="Die at each named point as well.")
def main(kills: int, seed: int | None, points: bool) -> None:
    """Kill the shop at random instants and at named points, and hold it against a quiet run."""
    seed = time.time_ns() % 1_000_000 if seed is None else seed
    click.echo(f"python -m tests.kills --kills {kills} --seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        if points:
            _die_at_points(Path(folder), seed)
        _kill(Path(folder), kills, seed)


def _die_at_points(folder: Path, seed: int) -> None:
    orders = part_of(SHIPPED, folder / "many.csv", lines=POINT_LINES)
    total = Counter[str]()
    for placement in PLACEMENTS:
        within = folder / f"points-{placement.replace(':', '-')}"
        hits = die_at_all(orders, within, placement, Random(seed))
        click.echo(f"{placement}: {sum(hits.values())} of {len(hits)} named points hit, all well")
        total += Counter(hits)
    for point, count in total.items():
        click.echo(f"  {point:<42} {count}")


def _kill(folder: Path, kills: int, seed: int) -> None:
    orders = part_of(SHIPPED, folder / "orders.csv", lines=LINES)

    def say(tally: Tally, placement: str) -> None:
        if tally.kills % 10 == 0:
            click.echo(
                f"{tally.kills} of {kills} kills, {tally.under_way[-1]} runs under way at the last,"
                f" {tally.finished} directories done, now {placement}"
            )

    tally = kill_many(orders, folder / "kills", kills=kills, seed=seed, say=say)
    counts = sorted(tally.under_way)
    click.echo(
        f"{tally.kills} kills with many runs under way (median {counts[len(counts) // 2]}),"
        f" {tally.thin} with few; {tally.lives} processes;"
        f" {tally.finished} directories with {tally.runs} runs ended as the quiet one;"
        f" {tally.keys_stored} keys stored at a death, none begun again;"
        f" {tally.attempts_repeated} attempts made again because their end was not stored"
    )


if __name__ == "__main__":
    main()
