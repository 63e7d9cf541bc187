"""`duetto new`: a small project that runs, with tests that pass."""

from __future__ import annotations

import keyword
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import click

from duetto.cli.command import Command, screen
from duetto.errors import ConfigurationError, NotAllowed

TEMPLATE = "template"
SUFFIX = ".txt"
"""What the template's files end with, so that no tool takes them for the package's own."""
TAKEN = frozenset({"duetto", "tests", "test", "app"}) | sys.stdlib_module_names


@click.command(cls=Command)
@click.argument("name")
def new(name: str) -> None:
    """Write a small project NAME into a new folder: an app, its tests, some input."""
    check_name(name)
    target = Path(name)
    if target.exists():
        raise NotAllowed(
            f"`{name}` exists already.",
            found=f"a {'folder' if target.is_dir() else 'file'} {target.resolve()}",
            expected="a name of nothing in this folder",
            do="choose another name; nothing was written",
        )
    written = [
        file
        for source in files("duetto.cli").joinpath(TEMPLATE).iterdir()
        for file in copied(source, target, name)
    ]
    screen().object({"project": name, "files": sorted(map(str, written))})
    for file in sorted(written):
        screen().line(f"  {file}")
    screen().line()
    screen().line(f"next     cd {name} && python -m pytest")
    screen().line("         duetto check")
    screen().line("         duetto run fulfil --input orders.jsonl")


def check_name(name: str) -> None:
    """Raise ConfigurationError for what cannot name a module, or hides one of Python's."""
    signs = (sign if sign.isalnum() and sign.isascii() else "_" for sign in name.lower())
    plain = "".join(signs).strip("_") or "shop"
    if not plain.isidentifier():
        plain = f"app_{plain}"
    if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name):
        expected, do = "letters, digits and underscores, as in a module's name", plain
    elif name in TAKEN:
        expected, do = "a name that no module of Python or Duetto has", f"{plain}_app"
    else:
        return
    raise ConfigurationError(
        f"`{name}` cannot name a project.",
        found=name,
        expected=expected,
        do=f"duetto new {do if not keyword.iskeyword(do) else do + '_app'}",
    )


def copied(source: Traversable, target: Path, name: str) -> list[Path]:
    """Copy a file or folder of the template, its name and text filled in; return the files."""
    if source.is_dir():
        below = target / source.name
        return [file for one in source.iterdir() for file in copied(one, below, name)]
    if not source.name.endswith(SUFFIX):
        return []
    file = target / source.name.removesuffix(SUFFIX).replace("NAME", name).replace("DOT", ".")
    file.parent.mkdir(parents=True, exist_ok=True)
    text = Template(source.read_text("utf-8")).substitute(name=name)
    file.write_text(text, encoding="utf-8")
    return [file]
