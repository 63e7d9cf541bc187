"""The scenarios that once broke a promise: each a file, with a line on what it taught."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from duetto.testing.simulation import Scenario

FOLDER = Path(__file__).with_name("regressions")


class Regression(Struct, frozen=True):
    """A scenario, and what it taught."""

    taught: str
    scenario: Scenario


def names() -> list[str]:
    """Return the names of all regressions."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name: str) -> Regression:
    """Return a regression by its name."""
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=Regression)


def write(name: str, regression: Regression) -> None:
    """Keep a regression under a name."""
    data = msgspec.json.format(msgspec.json.encode(regression), indent=1)
    (FOLDER / f"{name}.json").write_bytes(data + b"\n")
