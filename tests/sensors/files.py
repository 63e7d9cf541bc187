"""Files of readings as they come: shuffled, some rows twice, one in fifty malformed."""

from __future__ import annotations

from pathlib import Path
from random import Random

from msgspec import Struct

from duetto.examples.sensors.generate import lines
from tests.sensors.plainly import table

ONE_IN = 50
"""One of so many rows is malformed."""

WRONG = (
    "2026-03-02",
    "2026-13-02,00:00:00" + ",1" * 13,
    "2026-03-02,25:00:00" + ",1" * 13,
    "2026-03-02,00:30:00" + ",1" * 12,
    "2026-03-02,00:30:00" + ",1" * 14,
    "2026-03-02,00:30:00,nan" + ",1" * 12,
    "2026-03-02,00:30:00,inf" + ",1" * 12,
    "2026-03-02,00:30:00,1_0" + ",1" * 12,
    "2026-03-02,00:30:00,," + ",1" * 11,
    "",
)


class Readings(Struct, frozen=True):
    """A file as it came, and the rows in it that are malformed, as they ought to be, by line."""

    head: str
    rows: list[str]
    good: dict[int, str]

    @property
    def table(self) -> list[list[str]]:
        """The lines of aggregates.csv for the file as it came."""
        return table([self.head, *self.rows])

    @property
    def mended(self) -> list[list[str]]:
        """The lines of aggregates.csv for the file as it ought to be."""
        rows = [self.good.get(number, row) for number, row in enumerate(self.rows, 2)]
        return table([self.head, *rows])

    def write(self, folder: Path) -> Path:
        """Write the file."""
        file = folder / "readings.csv"
        file.write_text("\n".join([self.head, *self.rows]) + "\n", encoding="utf-8")
        return file


def readings(count: int, seed: int) -> Readings:
    """Return a file of so many hours; the same for a seed."""
    random = Random(seed)
    head, *rows = lines(count=count)
    rows += random.sample(rows, count // 10)
    random.shuffle(rows)
    good: dict[int, str] = {}
    for index in random.sample(range(len(rows)), len(rows) // ONE_IN):
        good[index + 2], rows[index] = rows[index], random.choice(WRONG)
    return Readings(head, rows, good)
