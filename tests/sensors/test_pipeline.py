"""The pipeline's tables are those of its file: shuffled, doubled, malformed, killed, mended."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from duetto.examples.sensors.generate import SHIPPED, lines
from duetto.examples.sensors.running import run
from tests.sensors.files import readings
from tests.sensors.killing import Setting, kill_many, mend
from tests.sensors.plainly import table, written

REAL = Path(__file__).parents[3] / "shared/data/air_quality.csv"


def test_the_file_that_ships_is_what_is_made_from_its_seed() -> None:
    assert SHIPPED.read_text("utf-8").splitlines() == list(lines())


@pytest.mark.parametrize("consumers", [1, 4])
@pytest.mark.parametrize("broker", [None, "memory:", "sqlite:{}/broker.sqlite"])
async def test_the_tables_are_those_of_the_file(
    tmp_path: Path, consumers: int, broker: str | None
) -> None:
    given = readings(120, seed=consumers)
    file = given.write(tmp_path)
    url = broker.format(tmp_path) if broker else None
    found = await run(file, tmp_path, consumers=consumers, broker=url)
    assert written(tmp_path) == given.table
    assert (found.rows, found.dead_letters) == (len(given.rows), len(given.good))
    hours = {row[:19] for line, row in enumerate(given.rows, 2) if line not in given.good}
    assert found.duplicates == len(given.rows) - len(given.good) - len(hours)
    again = await run(file, tmp_path, consumers=consumers, broker=url)
    assert (again.rows, again.aggregates) == (found.rows, found.aggregates)
    assert written(tmp_path) == given.table


async def test_what_is_mended_is_as_if_it_had_been_right(tmp_path: Path) -> None:
    given = readings(100, seed=3)
    file = given.write(tmp_path)
    assert (await run(file, tmp_path)).dead_letters == len(given.good) == 2
    await mend(tmp_path, Setting(broker=False, consumers=4), given)
    assert (await run(file, tmp_path)).dead_letters == 0
    assert written(tmp_path) == given.mended


@pytest.mark.slow
@pytest.mark.parametrize("broker", [False, True])
def test_kills_lose_nothing_and_count_nothing_twice(tmp_path: Path, broker: bool) -> None:
    setting = Setting(broker, consumers=4)
    tally = kill_many(tmp_path, setting, kills=2, lines=4000, seed=7, say=print)
    assert tally.kills == 2
    assert all(tally.in_flight)


@pytest.mark.skipif(not REAL.exists(), reason="the real readings are not there")
def test_the_real_readings(tmp_path: Path) -> None:
    found = asyncio.run(run(REAL, tmp_path))
    assert (found.rows, found.dead_letters, found.duplicates) == (9357, 0, 0)
    assert written(tmp_path) == table(REAL.read_text("utf-8").splitlines())
