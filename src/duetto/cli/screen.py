"""What a command prints: lines for people, plain lines for pipes, JSON for programs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
import msgspec
from rich.cells import cell_len, set_cell_size

from duetto.errors import DuettoError

GAP = "  "
CELL_MIN = 4
"""Characters that a cut column keeps, its ellipsis included."""


class Screen:
    """Prints to stdout; errors and progress go to stderr."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.terminal = sys.stdout.isatty() and not as_json

    def line(self, text: str = "") -> None:
        """Print a line for people; nothing where JSON is asked for."""
        if not self.as_json:
            click.echo(text)

    def object(self, value: object) -> None:
        """Print one JSON object; nothing where it is not asked for."""
        if self.as_json:
            click.echo(msgspec.json.encode(value).decode())

    def rows(
        self,
        rows: Iterable[Mapping[str, Any]],
        columns: Sequence[str],
        *,
        whole: Sequence[str] = (),
        aligned: bool = False,
    ) -> None:
        """Print a list: a JSON object a line, a table on a terminal, else lines with tabs.

        Columns named in `whole` are never cut; `aligned` is a table in a pipe as well.
        """
        if self.as_json:
            for row in rows:
                self.object(row)
            return
        cells = [[cell(row.get(name)) for name in columns] for row in rows]
        if not self.terminal and not aligned:
            for line in cells:
                click.echo("\t".join(line))
            return
        kept = [name in whole for name in columns]
        head, *lines = table([list(columns), *cells], kept, width())
        click.echo(click.style(head, dim=True))
        for line in lines:
            click.echo(line)

    def error(self, error: DuettoError) -> None:
        """Print an error in the grammar of all: found, expected, do."""
        if self.as_json:
            click.echo(msgspec.json.encode(as_data(error)).decode(), err=True)
            return
        click.echo(str(error), err=True)


def as_data(error: DuettoError) -> dict[str, str]:
    """Return an error as an object."""
    return {
        "error": type(error).__name__,
        "message": error.message,
        "found": error.found,
        "expected": error.expected,
        "do": error.do,
    }


def width() -> int:
    """Return how many columns the terminal has."""
    return shutil.get_terminal_size((100, 24)).columns


def cell(value: object) -> str:
    """Return a value on one line."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType]  # any JSON
    return " ".join(str(value).split())


def table(rows: Sequence[Sequence[str]], whole: Sequence[bool], width: int) -> list[str]:
    """Return aligned lines; the widest column is cut first, and a whole one never."""
    widths = [max(cell_len(row[at]) for row in rows) for at in range(len(whole))]
    over = sum(widths) + len(GAP) * (len(widths) - 1) - width
    while over > 0:
        open_to_cut = [at for at, size in enumerate(widths) if not whole[at] and size > CELL_MIN]
        if not open_to_cut:
            break
        widest = max(open_to_cut, key=lambda at: widths[at])
        widths[widest] -= 1
        over -= 1
    return [
        GAP.join(fitted(text, size) for text, size in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def fitted(text: str, size: int) -> str:
    """Return a text that takes exactly so many columns."""
    if cell_len(text) <= size:
        return set_cell_size(text, size)
    return set_cell_size(text, size - 1) + "…"
