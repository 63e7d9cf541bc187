"""The tables of a file, made from it directly: what the pipeline is held against."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

HEAD = ["window", "start", "metric", "count", "mean", "min", "max"]


def sound(cells: list[str]) -> datetime | None:
    """Return when a row is of, None for one that makes no sense."""
    try:
        at = datetime.strptime(" ".join(cells[:2]), "%Y-%m-%d %H:%M:%S")
        values = [float(cell) for cell in cells[2:]]
    except ValueError:
        return None
    underscored = any("_" in cell or cell != cell.strip() for cell in cells[2:])
    fits = len(cells) == 15 and all(math.isfinite(value) for value in values) and not underscored
    return at if fits else None


def table(lines: Iterable[str]) -> list[list[str]]:
    """Return the lines of aggregates.csv for the lines of a file, header first."""
    head, *rows = (line.split(",") for line in lines)
    values: dict[tuple[str, str, str], list[float]] = {}
    seen: set[datetime] = set()
    for cells in rows:
        at = sound(cells)
        if at is None or at in seen:
            continue
        seen.add(at)
        for metric, cell in zip(head[2:], cells[2:], strict=True):
            if float(cell) != -200:
                for window, start in (
                    ("hour", at.replace(minute=0, second=0)),
                    ("day", at.replace(hour=0, minute=0, second=0)),
                ):
                    values.setdefault((window, start.isoformat(), metric), []).append(float(cell))
    return sorted(
        [*key, str(len(n)), f"{math.fsum(n) / len(n):.6f}", str(min(n)), str(max(n))]
        for key, n in values.items()
    )


def written(directory: Path) -> list[list[str]]:
    """Return what the pipeline wrote, without its header."""
    with (directory / "aggregates.csv").open(encoding="utf-8", newline="") as text:
        head, *found = csv.reader(text)
    assert head == HEAD
    return found
