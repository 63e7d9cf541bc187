"""The scenarios that once broke a promise: each a file, with a line on what it taught."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from duetto.testing.simulation import Scenario, events, from_json
from duetto.testing.simulation.events import EventScenario

FOLDER = Path(__file__).with_name("regressions")


class Regression(Struct, frozen=True):
    """A scenario, and what it taught."""

    taught: str
    scenario: Scenario | EventScenario


class _Kept(Struct):
    taught: str
    scenario: msgspec.Raw


def names() -> list[str]:
    """Return the names of all regressions."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name: str) -> Regression:
    """Return a regression by its name."""
    kept = msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=_Kept)
    return Regression(kept.taught, scenario_of(bytes(kept.scenario)))


def scenario_of(data: bytes) -> Scenario | EventScenario:
    """Return the scenario that was written, of tokens or of events, or that of a regression."""
    if "taught" in msgspec.json.decode(data, type=dict[str, msgspec.Raw]):
        return scenario_of(bytes(msgspec.json.decode(data, type=_Kept).scenario))
    try:
        return from_json(data)
    except msgspec.ValidationError:
        return events.from_json(data)


def write(name: str, regression: Regression) -> None:
    """Keep a regression under a name."""
    data = msgspec.json.format(msgspec.json.encode(regression), indent=1)
    (FOLDER / f"{name}.json").write_bytes(data + b"\n")
