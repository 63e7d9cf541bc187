"""Make readings of the air from a seed: `python -m duetto.examples.sensors.generate`.

What it makes from SEED is shipped beside it as `readings.csv`. The values are of its own invention.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from duetto.examples.sensors.events import UNITS
from duetto.examples.sensors.rows import COLUMNS

SEED = 20_261_126
ROWS = 24 * 14
SHIPPED = Path(__file__).with_name("readings.csv")
OPENING = datetime(2026, 3, 2, 0, 0, 0)
MISSING_SHARE = 0.05
LEVELS = dict(
    zip(UNITS, (2.1, 1100, 180, 9, 940, 240, 830, 110, 1450, 1020, 16, 48, 1), strict=True)
)
"""About what each metric is around."""


def lines(seed: int = SEED, count: int = ROWS) -> Iterator[str]:
    """Yield the header, and a row an hour."""
    random = Random(seed)
    yield ",".join(COLUMNS)
    for hour in range(count):
        at = OPENING + timedelta(hours=hour)
        swing = 1 + 0.4 * math.sin((hour - 8) / 24 * 2 * math.pi)
        values = [
            "-200"
            if random.random() < MISSING_SHARE
            else f"{level * swing * random.uniform(0.8, 1.2):.4f}"
            for level in LEVELS.values()
        ]
        yield f"{at:%Y-%m-%d},{at:%H:%M:%S},{','.join(values)}"


def main() -> None:
    """Write the file that is shipped, or another one with the seed that is given."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else SEED
    SHIPPED.write_text("\n".join(lines(seed)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
