"""The figures as a table."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from bench.measure import Figures

COLUMNS = (
    *("", "at a time", "Duetto/s", "floor/s", "ratio", "µs CPU", "commits", "rows", "growth"),
    *("DBOS/s", "Temporal/s", "x DBOS", "x Temporal"),
)


def table(found: Iterable[Figures]) -> None:
    """Print a table; commits, rows and CPU are for each unit."""
    shown = Table(box=None, header_style="bold")
    for name in COLUMNS:
        shown.add_column(name, justify="right" if name else "left", no_wrap=True)
    for figures in found:
        shown.add_row(*_cells(figures))
    Console(width=140).print(shown)


def _cells(one: Figures) -> tuple[str, ...]:
    return (
        one.name,
        str(one.concurrency),
        whole(one.duetto),
        whole(one.floor),
        precise(one.ratio),
        f"{one.cpu_us:.1f}",
        precise(one.commits_per_unit),
        precise(one.rows_per_unit),
        precise(one.growth),
        whole(one.dbos),
        whole(one.temporal),
        whole(one.duetto / one.dbos if one.dbos else None),
        whole(one.duetto / one.temporal if one.temporal else None),
    )


def whole(number: float | None) -> str:
    return "–" if number is None else f"{number:,.0f}"


def precise(number: float | None) -> str:
    return "–" if number is None else f"{number:.2f}"
