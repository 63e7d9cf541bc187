"""Every command, option and exit code is documented."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from duetto.cli import door, exits
from duetto.operations.requests import REQUESTS
from tests.tidy.sources import ROOT

PAGE = (ROOT / "docs/cli.md").read_text("utf-8")


def commands(group: click.Group, name: str = "duetto") -> Iterator[tuple[str, click.Command]]:
    for each, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {each}")
        else:
            yield f"{name} {each}", command


ALL = dict(commands(door))


def section(name: str) -> str:
    """Return the part of the page that is about a command."""
    first = name.split()[1]
    found = re.search(rf"^## `duetto {first}\b.*?(?=^## |\Z)", PAGE, re.M | re.S)
    assert found is not None, f"docs/cli.md has no section for `{name}`"
    return found.group()


@pytest.mark.parametrize("name", ALL)
def test_every_command_is_documented(name: str) -> None:
    parts = name.split()
    assert " ".join(parts[1:]) in section(name)


@pytest.mark.parametrize("name", ALL)
def test_every_option_is_documented(name: str) -> None:
    everywhere = PAGE.partition("## Exit codes")[0]
    for parameter in ALL[name].params:
        if isinstance(parameter, click.Option):
            for option in parameter.opts:
                if option.startswith("--"):
                    known = section(name) + everywhere
                    assert f"`{option}" in known, f"docs/cli.md has no {option} for {name}"


def test_no_option_is_documented_that_there_is_not() -> None:
    there = {"--help", "--version"} | {
        option
        for command in ALL.values()
        for parameter in command.params
        for option in parameter.opts
    }
    assert set(re.findall(r"^\| `(--[a-z-]+)", PAGE, re.M)) <= there


def test_every_command_speaks_json_and_says_what_it_does() -> None:
    for name, command in ALL.items():
        assert {"--json", "--traceback"} <= {o for p in command.params for o in p.opts}, name
        assert command.help, name


def test_every_request_of_the_socket_is_documented() -> None:
    text = PAGE.partition("## The socket")[2]
    for request in REQUESTS:
        assert f"`{request.__name__.lower()}`" in text, request.__name__


def test_the_exit_codes_are_those_of_the_page() -> None:
    rows = re.findall(r"^\| \d \|.*$", exits.__doc__ or "", re.M)
    assert len(rows) == 6
    for row in rows:
        assert row in PAGE
