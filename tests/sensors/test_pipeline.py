"""The pipeline's tables are those of its file: shuffled, doubled, malformed, killed, mended."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from duetto.examples.sensors.generate import SHIPPED, lines
from duetto.examples.sensors.running import run
from duetto.examples.sensors.services import sensors_app
from tests.sensors.plainly import table, written

REAL = Path(__file__).parents[3] / "shared/data/air_quality.csv"

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


def spoiled(rows: list[str], seed: int) -> list[str]:
    """Return rows shuffled, some of them twice, and one in fifty malformed."""
    random = Random(seed)
    rows = [*rows, *random.sample(rows, len(rows) // 10)]
    random.shuffle(rows)
    for number in range(0, len(rows), 50):
        rows.insert(number, random.choice(WRONG))
    return rows


def write(folder: Path, head: str, rows: list[str]) -> Path:
    """Write a file of readings."""
    file = folder / "readings.csv"
    file.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return file


def test_the_file_that_ships_is_what_is_made_from_its_seed() -> None:
    assert SHIPPED.read_text("utf-8").splitlines() == list(lines())


@pytest.mark.parametrize("consumers", [1, 4])
@pytest.mark.parametrize("broker", [None, "memory:", "sqlite:{}/broker.sqlite"])
async def test_the_tables_are_those_of_the_file(
    tmp_path: Path, consumers: int, broker: str | None
) -> None:
    head, *rows = lines(count=120)
    rows = spoiled(rows, seed=consumers)
    file = write(tmp_path, head, rows)
    url = broker.format(tmp_path) if broker else None
    found = await run(file, tmp_path, consumers=consumers, broker=url)
    wrong = sum(row in WRONG for row in rows)
    assert written(tmp_path) == table([head, *rows])
    assert (found.rows, found.dead_letters) == (len(rows), wrong)
    assert found.duplicates == len(rows) - wrong - 120
    again = await run(file, tmp_path, consumers=consumers, broker=url)
    assert (again.rows, again.aggregates) == (found.rows, found.aggregates)
    assert written(tmp_path) == table([head, *rows])


async def test_what_is_mended_is_as_if_it_had_been_right(tmp_path: Path) -> None:
    head, *rows = lines(count=48)
    good = list(rows)
    for number in (3, 20, 21, 40):
        rows[number] = rows[number].replace(",", ";", 1)
    file = write(tmp_path, head, rows)
    found = await run(file, tmp_path)
    assert found.dead_letters == 4
    assert written(tmp_path) == table([head, *rows])
    async with sensors_app(tmp_path) as app:
        events = app.operations.events
        for letter in events.letters():
            line: int = letter.event.data["line"]
            assert f"line {line} has" in letter.reason
            mended = msgspec.json.encode({"line": line, "text": good[line - 2]})
            await events.redrive(letter.handler, letter.position, mended)
    found = await run(file, tmp_path)
    assert (found.dead_letters, found.duplicates) == (0, 0)
    assert written(tmp_path) == table([head, *good])


def command(file: Path, data: Path, *more: str) -> list[str]:
    """Return the command that puts a file through the pipeline."""
    module = ["-m", "duetto.examples.sensors", "run", str(file), "--data", str(data)]
    return [sys.executable, *module, "--json", *more]


def killed(arguments: list[str], random: Random, kills: int) -> dict[str, Any]:
    """Run a command, kill it so many times while it works, and return what it prints at last."""
    count = 0
    while True:
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        try:
            output, _ = process.communicate(
                timeout=random.uniform(0.5, 1.5) if count < kills else 300
            )
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            count += 1
            continue
        assert process.returncode == 0
        return {**msgspec.json.decode(output), "kills": count}


@pytest.mark.slow
@pytest.mark.parametrize("broker", [False, True])
def test_kills_lose_nothing_and_count_nothing_twice(tmp_path: Path, broker: bool) -> None:
    head, *rows = lines(count=4000)
    rows = spoiled(rows, seed=7)
    file = write(tmp_path, head, rows)
    more = ("--broker", f"sqlite:{tmp_path}/broker.sqlite") if broker else ()
    began = time.monotonic()
    found = killed(command(file, tmp_path, *more), Random(7), kills=4)
    assert found["kills"] >= 2, f"it took {time.monotonic() - began:.1f} s"
    assert written(tmp_path) == table([head, *rows])
    assert found["dead_letters"] == sum(row in WRONG for row in rows)
    assert found["rows"] == len(rows)


@pytest.mark.skipif(not REAL.exists(), reason="the real readings are not there")
def test_the_real_readings(tmp_path: Path) -> None:
    found = asyncio.run(run(REAL, tmp_path))
    assert (found.rows, found.dead_letters, found.duplicates) == (9357, 0, 0)
    assert written(tmp_path) == table(REAL.read_text("utf-8").splitlines())
