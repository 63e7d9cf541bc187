"""Trials of small apps, whose process dies: values are what was stored, and are drawn once."""

from __future__ import annotations

from collections import defaultdict
from random import Random

from duetto.testing import AppFactory
from duetto.testing.app import AppUnderTest
from duetto.testing.stage import Stage
from tests.sabotage import spoiling
from tests.simulation.reference import Wrong

PLACEMENTS = ("orchestration", "choreography", "hybrid")

COMMITS = 6
"""The process dies at one of so many commits."""


def spoiled_values(seed: int) -> None:
    """A task changes its argument: neither its workflow nor another process sees that."""
    random = Random(f"values {seed}")
    first, times = random.randint(0, 9), random.randint(1, 3)
    with_app = App(random, seed)
    try:
        found = with_app.app.run(spoiling.spoiled, first, times)
    finally:
        with_app.close()
    expected = [first, first + 1, first + first + 1]
    if found != expected:
        raise Wrong(4, f"{found} instead of {expected}: it depends on where the task ran")


def drawn_values(seed: int) -> None:
    """What chance gave is told once: each attempt at a task gets the same."""
    random = Random(f"chance {seed}")
    spoiling.DICE.seed(seed)
    with_app = App(random, seed)
    try:
        found = with_app.app.run(spoiling.rolling, 6)
    finally:
        with_app.close()
    given: defaultdict[str, set[object]] = defaultdict(set)
    for call in with_app.stage.tasks.made:
        given[call.key].add(call.args)
    for key, some in given.items():
        if len(some) > 1:
            raise Wrong(2, f"{key} was given {sorted(map(str, some))}")
    if found[1] <= found[0]:
        raise Wrong(3, f"{found}: the second is more than the first")


class App:
    """An app in memory whose process dies now and then."""

    def __init__(self, random: Random, seed: int) -> None:
        self.stage = Stage(seed=seed)
        for _ in range(random.randint(0, 3)):
            if random.random() < 0.5:
                kept = random.random() < 0.7
                self.stage.crashes.at_commit(random.randint(1, COMMITS), kept=kept)
            else:
                task = random.choice((spoiling.spoil, spoiling.pay))
                self.stage.crashes.before(task, call=random.randint(1, 2))
        self.app: AppUnderTest = AppFactory(self.stage)(
            services=(spoiling.left, spoiling.right),
            workflows=(spoiling.spoiled, spoiling.rolling),
            placement=random.choice(PLACEMENTS),
            apart=random.random() < 0.5,
        )

    def close(self) -> None:
        self.stage.crashes.forget()
        self.stage.close()


TRIALS = {"values": spoiled_values, "chance": drawn_values}
