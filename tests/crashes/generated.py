"""A batch of generated workflows: which runs, in which system, in which directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct

from duetto.model.placement import Placement, parse
from duetto.testing.simulation import blocks, drawing
from duetto.testing.simulation.blocks import SERVICES, Shape
from duetto.testing.simulation.misfortune import scattered
from duetto.testing.simulation.scenario import ALONE, APART, PAIRED, Scenario, Stores

SHAPE = Shape(choices=True, late=False)
"""No tasks that race with a time limit of their own: a busy machine would decide it."""

LAYOUTS: dict[str, Stores] = {"one": ALONE, "paired": PAIRED, "apart": APART}
"""Which participants share a file."""

SCATTERED, CHANGING = "scattered", "changing"
PLACEMENTS = ("orchestration", "choreography", "hybrid:b", SCATTERED, CHANGING)
"""`scattered` has each task at a participant of its own; with `changing` every participant has an
opinion of its own, and another one in each life."""

BLAMED = "its process died"
"""Why a token is parked that was in hand at six deaths (PROTOCOL, rule 22)."""

BATCH_FILE = "batch.json"


class Batch(Struct, frozen=True):
    """Runs of the workflows of `count` seeds from `first` on; `alike`, all are of the first.

    What takes time in a task takes `stretch` times as long as in the simulation, and no longer
    than `task_ms_max`.
    """

    first: int
    count: int
    placement: str = CHANGING
    layout: str = "one"
    alike: bool = False
    concurrency: int = 40
    stretch: float = 3.0
    task_ms_max: int = 600
    cancels: bool = False
    """Whether an operator cancels some runs, through the socket of a process."""
    separate: bool = False
    """Whether each store has a process of its own, which dies alone."""

    @property
    def stores(self) -> Stores:
        return LAYOUTS[self.layout]

    @property
    def processes(self) -> tuple[tuple[int, ...], ...]:
        """The stores of each process, by their numbers."""
        numbers = tuple(range(len(self.stores)))
        return tuple((number,) for number in numbers) if self.separate else (numbers,)

    def home(self, number: int) -> int:
        """Return the number of the store that is the home of a run."""
        home = self.scenario(number).home
        return next(store for store, names in enumerate(self.stores) if home in names)

    def run(self, number: int) -> str:
        """Return the id of a run of this batch."""
        return f"g{self.first + number}"

    def number(self, run: str) -> int:
        """Return which run of this batch has an id."""
        return int(run[1:]) - self.first

    def seed(self, number: int) -> int:
        """Return the seed of a run's workflow, and of how its tasks end."""
        return self.first if self.alike else self.first + number

    def scenario(self, number: int) -> Scenario:
        """Return the workflow of a run and the system that it runs in; its faults are real."""
        seed = self.seed(number)
        random = Random(f"real {seed}")
        return Scenario(
            blocks.draw(random, SHAPE),
            self.stores,
            self.placements(0),
            seed=seed,
            chance=(seed, number),
            failing=random.choice((0, 0, 0.08, 0.2)),
            home=random.choice(("", "", *SERVICES)),
            typed=random.random() < 0.6,
        )

    def placements(self, life: int) -> tuple[Placement, ...]:
        """Return who decides what for each store, in the so-many-eth life of the process."""
        hosts = len(self.stores)
        if self.placement == CHANGING:
            random = Random(f"{CHANGING} {self.first} {life}")
            return tuple(drawing.opinion(random) for _ in range(hosts))
        if self.placement == SCATTERED:
            return (scattered(Random(f"{SCATTERED} {self.first}")),) * hosts
        return (parse(self.placement),) * hosts

    def again(self, number: int) -> str:
        """Return the command that runs the workflow of one run many times, in the same system, or
        all of the batch where the number is negative."""
        which = f"--seed {self.seed(number)}"
        if number < 0:
            which = f"--first {self.first} --runs {self.count}"
        return (
            f"python -m tests.crashes {which} --placement {self.placement} --layout {self.layout}"
            + (" --cancels" if self.cancels else " --no-cancels")
            + (" --separate" if self.separate else " --together")
        )


def store_files(batch: Batch, directory: Path) -> list[Path]:
    """Return the file of each store."""
    return [directory / f"{named(names)}.sqlite" for names in batch.stores]


def named(names: Sequence[str]) -> str:
    return "-".join(name or "app" for name in names)


def write(batch: Batch, directory: Path) -> None:
    """Make a directory for a batch."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / BATCH_FILE).write_bytes(msgspec.json.encode(batch))


def read(directory: Path) -> Batch:
    """Return the batch that a directory is for."""
    return msgspec.json.decode((directory / BATCH_FILE).read_bytes(), type=Batch)
