"""A scenario: all that one simulated run consists of, as plain data.

    Scenario
      kind, seed, chance      where it was drawn; `chance` times everything that takes time
      block                   the workflow, a tree of blocks
      home, typed, failing    its home, how its variables are stored, the share of failing tasks
      choices                 whether its outcome may depend on who is faster
      stores, placements      which participants share a host's store, and who decides what there
      faults                  a flat tuple; each has its own when and where, and may be left out

`draw(seed, kind)` makes one from a seed and `World(scenario)` runs it. Everything that happens
follows from this data, so a scenario may be cut down, kept as JSON, and run again.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from duetto.model.placement import Placement
from duetto.testing.simulation.blocks import SERVICES, Block
from duetto.testing.simulation.faults import Fault

PARTICIPANTS = ("", *SERVICES)

Stores = tuple[tuple[str, ...], ...]

ALONE: Stores = (PARTICIPANTS,)
APART: Stores = tuple((name,) for name in PARTICIPANTS)
PAIRED: Stores = (("", "a"), ("b", "c"))

ARGUMENTS = (1, 2, 3)


class Scenario(Struct, frozen=True):
    """One run of one workflow in one system. `placements` has an entry for each host."""

    block: Block
    stores: Stores = ALONE
    placements: tuple[Placement, ...] = (Placement(),)
    faults: tuple[Fault, ...] = ()
    seed: int = 0
    chance: tuple[int, int] = (0, 0)
    kind: str = ""
    home: str = ""
    typed: bool = True
    failing: float = 0.0
    choices: bool = True
    arguments: tuple[int, int, int] = ARGUMENTS

    @property
    def system(self) -> str:
        """How it is laid out, in a word: by one placement in one store, apart, or as it changes."""
        names = {each.name for each in self.placements}
        name = names.pop() if len(names) == 1 else "mixed"
        return f"{name} {'in one store' if len(self.stores) == 1 else 'apart'}"


def to_json(scenario: Scenario) -> bytes:
    """Return a scenario as JSON, for people too."""
    return msgspec.json.format(msgspec.json.encode(scenario), indent=1)


def from_json(data: bytes | str) -> Scenario:
    """Return the scenario that was written. Raises msgspec.ValidationError."""
    return msgspec.json.decode(data, type=Scenario)
