"""Read a row of the file: what is wrong with it is an error that names its line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from duetto.examples.sensors.events import UNITS, Measured, RowRead

COLUMNS = ("Date", "Time", *UNITS)
MISSING = -200.0
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""What Python takes as a number beside this, such as `1_000`, is a mistake in a file."""


def rows(file: Path, *, after: int = 0) -> Iterator[RowRead]:
    """Yield the rows below the header, without the first `after` of them."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if number > 1 + after:
                yield RowRead(number, line.rstrip("\r\n"))


def measured(row: RowRead) -> Measured:
    """Return what a row says. Raises ValueError, with its line, for what makes no sense."""
    cells = row.text.split(",")
    if len(cells) != len(COLUMNS):
        raise ValueError(f"line {row.line} has {len(cells)} columns in place of {len(COLUMNS)}")
    date, time, *numbers = cells
    try:
        at = datetime.strptime(f"{date} {time}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"line {row.line} has no date and time: {date!r} {time!r}") from error
    values: dict[str, float] = {}
    for metric, text in zip(UNITS, numbers, strict=True):
        value = float(text) if NUMBER.fullmatch(text) else math.nan
        if not math.isfinite(value):
            raise ValueError(f"line {row.line} has no number for {metric}: {text!r}")
        if value != MISSING:
            values[metric] = value
    return Measured(f"{at:%Y-%m-%d %H:%M:%S}", row.line, at, values)
