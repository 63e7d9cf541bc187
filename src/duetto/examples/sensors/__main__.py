"""The command of the pipeline: `python -m duetto.examples.sensors run FILE.csv …`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from duetto.app import run_in_loop
from duetto.errors import DuettoError
from duetto.examples.sensors.running import run as run_file


@click.group()
def main() -> None:
    """Aggregate readings of the air, by services that know nothing but events."""


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--data",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the stores and the tables are.",
)
@click.option("--consumers", type=click.IntRange(1), help="Handlers at a time in each stage.")
@click.option("--broker", metavar="URL", help="memory: or sqlite:PATH; services are apart then.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def run(file: Path, data: Path, consumers: int | None, broker: str | None, as_json: bool) -> None:
    """Put a file through the pipeline, and write aggregates.csv and parts.csv."""

    def progress(published: int) -> None:
        if not as_json:
            click.echo(f"\r{published:,} rows", nl=False, err=True)

    data.mkdir(parents=True, exist_ok=True)
    try:
        found = run_in_loop(
            run_file(file, data, consumers=consumers, broker=broker, progress=progress)
        )
    except DuettoError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    click.echo(err=True)
    for name, value in msgspec.structs.asdict(found).items():
        click.echo(f"{name:<13} {value:,}")
    click.echo(f"{'tables':<13} {data}/aggregates.csv, {data}/parts.csv")


if __name__ == "__main__":
    main()
