"""The group that all commands hang from."""

from __future__ import annotations

from importlib.metadata import version

import click

from duetto.cli.check import check
from duetto.cli.command import Group
from duetto.cli.contracts import contracts
from duetto.cli.demo import demo
from duetto.cli.doctor import doctor
from duetto.cli.events import deadletters, events
from duetto.cli.graph import graph
from duetto.cli.new import new
from duetto.cli.run import run
from duetto.cli.runs import runs
from duetto.cli.stores import store
from duetto.cli.topology import topology


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("duetto"), prog_name="duetto")
def door() -> None:
    """Coordinate services by orchestration, choreography, or any mixture of the two."""


COMMANDS = (
    *(demo, new, check, graph, topology, contracts),
    *(run, runs, events, deadletters, store, doctor),
)

for command in COMMANDS:
    door.add_command(command)
