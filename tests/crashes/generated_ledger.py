"""The world outside of Duetto, as a file: a line for each thing that happened, in that order.

Each line is one write, so what a killed process had written is there. Commits are told here too,
each after it was made and before anything follows from it: so the file is an order of everything
that happened in a system of several stores, and of several processes. What a process had no time to
tell is found in its stores when it is dead, and written by whoever buries it.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from duetto.testing.simulation.services import Effects
from tests.crashes.generated import Batch

LEDGER_FILE = "ledger.jsonl"


class Born(Struct, frozen=True, array_like=True, tag="born"):
    """A process is about to open its stores, which it names by their numbers."""

    stores: tuple[int, ...]


class Begun(Struct, frozen=True, array_like=True, tag="begun"):
    """The body of a task began."""

    run: str
    key: str


class Done(Struct, frozen=True, array_like=True, tag="done"):
    """A task had its effect."""

    run: str
    key: str


class Undone(Struct, frozen=True, array_like=True, tag="undone"):
    """An effect was taken back."""

    run: str
    key: str


class Kept(Struct, frozen=True, array_like=True, tag="kept"):
    """A store made a commit: the runs of its records, in their order, by the store's numbers."""

    store: int
    rids: list[int]


class Died(Struct, frozen=True, array_like=True, tag="died"):
    """A process is dead, and its stores, by their numbers, hold so many records of each run."""

    records: dict[int, dict[int, int]]


class Asked(Struct, frozen=True, array_like=True, tag="asked"):
    """An operator is about to cancel a run."""

    run: str


class Answered(Struct, frozen=True, array_like=True, tag="answered"):
    """An operator was told that a run is cancelled."""

    run: str


class Finished(Struct, frozen=True, array_like=True, tag="finished"):
    """All runs at home in these stores have ended."""

    stores: tuple[int, ...]


class Calm(Struct, frozen=True, array_like=True, tag="calm"):
    """Nothing is left in these stores."""

    stores: tuple[int, ...]


class Stuck(Struct, frozen=True, array_like=True, tag="stuck"):
    """A token was parked, though no operator has to decide anything."""

    run: str
    reason: str


class Unquiet(Struct, frozen=True, array_like=True, tag="unquiet"):
    """All runs have ended, and something is left."""

    what: str


Entry = (
    Born
    | Begun
    | Done
    | Undone
    | Kept
    | Died
    | Asked
    | Answered
    | Finished
    | Calm
    | Stuck
    | Unquiet
)

DECODER: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


def decoded(data: bytes) -> list[Entry]:
    """Return the entries of whole lines. A line that a death cut short did not happen."""
    found: list[Entry] = []
    torn = 0
    for line in data.splitlines():
        try:
            found += [DECODER.decode(line)] if line else []
        except msgspec.DecodeError:
            torn += 1
    assert torn <= sum(isinstance(entry, Died) for entry in found) + 1, (
        "lines that nobody cut short"
    )
    return found


def entries(directory: Path) -> list[Entry]:
    """Return what has happened so far."""
    path = directory / LEDGER_FILE
    return decoded(path.read_bytes()) if path.exists() else []


class Ledger:
    """The file, open to append: by as many processes as there are."""

    def __init__(self, directory: Path) -> None:
        path = directory / LEDGER_FILE
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, entry: Entry) -> None:
        # A write across pages may end between them: then the next line begins a new one.
        os.write(self._file, b"\n" + msgspec.json.encode(entry) + b"\n")

    def close(self) -> None:
        os.close(self._file)


class Recorded(Effects):
    """What a run did outside, written down as it happens."""

    def __init__(self, batch: Batch, number: int) -> None:
        scenario = batch.scenario(number)
        super().__init__(scenario.seed, chance=scenario.chance, failing=scenario.failing)
        self.batch, self.run = batch, batch.run(number)
        self.ledger: Ledger | None = None
        """Where it is written, in the process that does it."""

    def begin(self, key: str) -> None:
        self._write(Begun(self.run, key))
        super().begin(key)

    def do(self, key: str) -> None:
        self._write(Done(self.run, key))
        super().do(key)

    def undo(self, key: str) -> None:
        self._write(Undone(self.run, key))
        super().undo(key)

    def delay_s(self, key: str, longest_ms: int) -> float:
        delay_s = super().delay_s(key, longest_ms) * self.batch.stretch
        return min(delay_s, self.batch.task_ms_max / 1000)

    def _write(self, entry: Entry) -> None:
        if self.ledger is not None:
            self.ledger.write(entry)

    def replay(self, entry: Entry) -> None:
        """Take up what an earlier process did."""
        match entry:
            case Begun(key=key):
                self.calls[key] += 1
                self.begun.append((self.order(), key))
            case Done(key=key):
                self.done.setdefault(key, []).append(self.order())
            case Undone(key=key):
                self.undone.setdefault(key, []).append(self.order())
            case _:
                pass
