"""One seed: a workflow is drawn, run in one system or several, and each run is checked."""

from __future__ import annotations

from collections import Counter
from random import Random

from duetto.testing.simulation.blocks import SERVICES, Block, Shape, draw
from duetto.testing.simulation.graphs import Compiled, compiled
from duetto.testing.simulation.services import Effects
from duetto.testing.simulation.world import Layout, World
from tests.properties.checks import Result, check, folded
from tests.properties.reference import Wrong
from tests.properties.systems import changing, fixed

CLASSES = ("placements", "choices", "crashes", "storms")

ARGUMENTS = (1, 2, 3)


class Counts:
    """What a series of seeds has covered."""

    def __init__(self) -> None:
        self.nodes: Counter[str] = Counter()
        self.depths: Counter[int] = Counter()
        self.systems: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.runs = self.crashes = self.undone = self.messages = 0

    def text(self, kind: str) -> str:
        """Return the counts, a line for each kind of them."""
        return "\n".join(
            (
                f"{kind}: {self.runs} runs",
                f"  nodes {dict(self.nodes.most_common())}",
                f"  depths {dict(sorted(self.depths.items()))}",
                f"  systems {dict(self.systems)}",
                f"  outcomes {dict(self.outcomes)}",
                f"  {self.crashes} crashes, {self.undone} undone, {self.messages} messages",
            )
        )


class Trial:
    """A workflow, and the means to run it."""

    def __init__(self, seed: int, kind: str, counts: Counts) -> None:
        self.seed, self.kind, self.counts = seed, kind, counts
        self.random = random = Random(f"{kind} {seed}")
        shape = Shape(choices=kind != "placements", late=kind in ("placements", "choices"))
        self.block: Block = draw(random, shape)
        self.failing = random.choice((0, 0, 0.08, 0.2))
        home = random.choice(("", "", *SERVICES))
        self.compiled: Compiled = compiled(self.block, home=home, typed=random.random() < 0.6)
        self.folding = random.random() < 0.3

    def layouts(self) -> list[Layout]:
        match self.kind:
            case "placements":
                return fixed(self.random)
            case "choices":
                return [changing(self.random, cancel=self.random.random() < 0.15)]
            case "storms":
                return [changing(self.random, crashes=5, within=6)]
            case _:
                return [changing(self.random, crashes=4, cancel=self.random.random() < 0.15)]

    def run(self) -> None:
        """Run in every system; without choice points all agree. Raises Wrong."""
        first: tuple[str, Result] | None = None
        for number, layout in enumerate(self.layouts()):
            result = self.run_in(layout, number)
            if self.kind != "placements":
                continue
            first = first or (layout.name, result)
            if result.outcome != first[1].outcome or result.undone != first[1].undone:
                raise Wrong(f"{layout.name}: {result} is not that of {first[0]}: {first[1]}")
        self.counts.nodes.update(self.compiled.kinds)
        self.counts.depths[self.compiled.depth] += 1

    def run_in(self, layout: Layout, number: int) -> Result:
        effects = Effects(self.seed, chance=(self.seed, number), failing=self.failing)
        world = World(self.compiled, layout, effects, seed=(self.seed, number))
        if self.folding:
            world.on_commit = lambda host_number, host: folded(world, host_number, host)
        try:
            outcome = world.run(ARGUMENTS)
            result = check(world, self.block, outcome, ARGUMENTS, choices=self.kind != "placements")
        except Exception as error:  # whatever it is, it is raised again with its system
            error.add_note(f"in {layout.name}")
            raise
        self.count(world, result)
        return result

    def count(self, world: World, result: Result) -> None:
        counts = self.counts
        counts.runs += 1
        counts.crashes += world.crashed
        counts.undone += len(world.effects.undone)
        counts.messages += world.broker.published
        counts.systems[world.layout.name] += 1
        counts.outcomes[result.outcome[0]] += 1
