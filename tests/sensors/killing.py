"""Kill the pipeline while rows are in flight, and hold what it ends with against its file."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from msgspec import Struct

from duetto.errors import NotFound, StoreError
from duetto.examples.sensors.running import LETTERS_MAX
from duetto.examples.sensors.services import sensors_app
from duetto.stores.sqlite import SqliteStore
from tests.sensors.files import Readings, readings
from tests.sensors.plainly import written

ALIVE_S = (0.2, 1.3)
"""How long a process that is killed lives, beyond what it takes to start."""

MODULE = (sys.executable, "-m", "duetto.examples.sensors")

ENDS_S = 300
"""How long the last process may take."""


class Setting(Struct, frozen=True):
    """Over which broker, if over any, and with how many consumers a stage."""

    broker: bool
    consumers: int

    def __str__(self) -> str:
        place = "a store each, over the SQLite broker" if self.broker else "one store"
        return f"{place}, {self.consumers} consumers a stage"

    def url(self, folder: Path) -> str | None:
        """Return where the broker is."""
        return f"sqlite:{folder}/broker.sqlite" if self.broker else None


SETTINGS = tuple(Setting(broker, consumers) for broker in (False, True) for consumers in (1, 4))


class Tally(Struct):
    """What was done so far, of one setting."""

    kills: int = 0
    in_flight: list[int] = []
    """Rows at each kill that were published, and did not come to the last stage yet."""
    idle: int = 0
    """Kills with no row in flight: they count for nothing."""
    finished: int = 0
    mended: int = 0


Say = Callable[[str], None]


def kill_many(
    folder: Path, setting: Setting, *, kills: int, lines: int, seed: int, say: Say
) -> Tally:
    """Kill a setting so many times, file by file; raise AssertionError for what is not as the file
    says."""
    tally, random = Tally(), Random(seed)
    while tally.kills < kills:
        given = readings(lines, seed + tally.finished)
        within = folder / f"{tally.finished}"
        within.mkdir(parents=True)
        _kill(within, setting, given, tally, kills, random)
        say(f"{setting}: {tally.kills} of {kills} kills, {tally.in_flight[-1:]} rows in flight")
        tally.finished += 1
    return tally


def _kill(
    folder: Path, setting: Setting, given: Readings, tally: Tally, kills: int, random: Random
) -> None:
    """Put a file through, with kills on the way; then mend it."""
    file = given.write(folder)
    found = _killed(_command(file, folder, setting), folder, tally, kills, random)
    assert found["rows"] == len(given.rows), found
    assert found["dead_letters"] == len(given.good), found
    assert written(folder) == given.table, f"the table of {file} is another"
    asyncio.run(mend(folder, setting, given))
    found = _last(_command(file, folder, setting))
    assert found["dead_letters"] == 0, found
    assert written(folder) == given.mended, f"the table of {file}, mended, is another"
    tally.mended += len(given.good)


def _killed(
    arguments: list[str], folder: Path, tally: Tally, kills: int, random: Random
) -> dict[str, Any]:
    """Run a command, kill it while it works until that was done often enough; return what it prints
    at last."""
    while tally.kills < kills:
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            output, errors = process.communicate(timeout=_starts_s() + random.uniform(*ALIVE_S))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            under_way = _in_flight(folder)
            if under_way:
                tally.kills += 1
                tally.in_flight.append(under_way)
            else:
                tally.idle += 1
            continue
        assert process.returncode == 0, errors.decode()[-3000:]
        return msgspec.json.decode(output)
    return _last(arguments)


def _starts_s() -> float:
    """Return how long a process takes to start, as busy as the machine is."""
    began = time.monotonic()
    subprocess.run([*MODULE, "--help"], capture_output=True, check=True)
    return time.monotonic() - began


def _last(arguments: list[str]) -> dict[str, Any]:
    process = subprocess.run(arguments, capture_output=True, timeout=ENDS_S, check=False)
    assert process.returncode == 0, process.stderr.decode()[-3000:]
    return msgspec.json.decode(process.stdout)


def _in_flight(folder: Path) -> int:
    """Return how many rows were published, and are not at the last stage, as far as stores say."""
    heads: dict[str, int] = {}
    dead = 0
    for file in folder.glob("*.sqlite"):
        if file.stem == "broker":
            continue
        try:
            store = SqliteStore.open(file, read_only=True)
        except (NotFound, StoreError):
            continue  # it was just being made
        for (topic, _), head in store.log.heads().items():
            heads[topic] = heads.get(topic, 0) + head
        dead += len(store.log.state("held/parse.read_row/"))
        store.close()
    return max(0, heads.get("RowRead", 0) - heads.get("Enriched", 0) - dead)


async def mend(folder: Path, setting: Setting, given: Readings) -> None:
    """Redrive each letter as its row ought to be; raise AssertionError where the letters are not
    the malformed rows."""
    url = setting.url(folder)
    async with sensors_app(folder, consumers=setting.consumers, broker=url) as app:
        events = app.operations.events
        letters = {each.event.data["line"]: each for each in events.letters(limit=LETTERS_MAX)}
        assert sorted(letters) == sorted(given.good), "the letters are not the malformed rows"
        for line, letter in letters.items():
            data = msgspec.json.encode({"line": line, "text": given.good[line]})
            await events.redrive(letter.handler, letter.position, data)
        await events.quiet()


def _command(file: Path, data: Path, setting: Setting) -> list[str]:
    """Return the command that puts a file through the pipeline."""
    url = setting.url(data)
    more = ["--broker", url] if url else []
    consumers = ["--consumers", str(setting.consumers)]
    return [*MODULE, "run", str(file), "--data", str(data), "--json", *consumers, *more]
