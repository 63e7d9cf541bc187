"""Kill the sensors while rows are in flight: `python -m tests.sensors --kills 30 --seed S`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click

from tests.sensors.killing import SETTINGS, Setting, kill_many

KILLS = 30
LINES = 4_000


@click.command()
@click.option("--kills", default=KILLS, show_default=True, help="Of each setting.")
@click.option("--lines", default=LINES, show_default=True, help="Hours in one file.")
@click.option("--seed", default=None, type=int, help="The same files and pauses.")
@click.option("--broker/--no-broker", default=None, help="Only with the broker, or without.")
@click.option("--consumers", default=None, type=int, help="Only with so many a stage.")
def main(
    kills: int, lines: int, seed: int | None, broker: bool | None, consumers: int | None
) -> None:
    """Kill the pipeline over and over, and hold its tables and letters against its files."""
    seed = time.time_ns() % 1_000_000 if seed is None else seed
    click.echo(f"python -m tests.sensors --kills {kills} --lines {lines} --seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        for number, setting in enumerate(SETTINGS):
            if broker in (None, setting.broker) and consumers in (None, setting.consumers):
                _kill(Path(folder) / str(number), setting, kills, lines, seed)


def _kill(folder: Path, setting: Setting, kills: int, lines: int, seed: int) -> None:
    tally = kill_many(folder, setting, kills=kills, lines=lines, seed=seed, say=click.echo)
    counts = sorted(tally.in_flight)
    click.echo(
        f"{setting}: {tally.kills} kills with rows in flight (median {counts[len(counts) // 2]}),"
        f" {tally.idle} with none; the tables of {tally.finished} files are those of the files,"
        f" and after {tally.mended} rows were mended those of the mended files"
    )


if __name__ == "__main__":
    main()
