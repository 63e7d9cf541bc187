"""The group that all commands hang from."""

from __future__ import annotations

from importlib.metadata import version

import click

from duetto.cli.check import check
from duetto.cli.command import Group
from duetto.cli.demo import demo
from duetto.cli.doctor import doctor
from duetto.cli.graph import graph
from duetto.cli.new import new
from duetto.cli.run import run
from duetto.cli.runs import runs
from duetto.cli.stores import store


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("duetto"), prog_name="duetto")
def door() -> None:
    """Coordinate services by orchestration, choreography, or any mixture of the two."""


for command in (demo, new, check, graph, run, runs, store, doctor):
    door.add_command(command)
