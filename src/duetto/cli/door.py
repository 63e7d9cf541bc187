"""The group that all commands hang from."""

from __future__ import annotations

from importlib.metadata import version

import click

from duetto.cli.command import Group
from duetto.cli.run import run
from duetto.cli.runs import runs


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("duetto"), prog_name="duetto")
def door() -> None:
    """Coordinate services by orchestration, choreography, or any mixture of the two."""


for command in (run, runs):
    door.add_command(command)
