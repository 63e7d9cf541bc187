"""Trials of the named limits: a workflow a little below or above one, and what raises in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from random import Random
from typing import Any

import msgspec
from msgspec import Struct

from duetto.kernel import advance as advancing
from duetto.kernel import fork, program, walk
from duetto.model.token import Completed, Failed
from duetto.testing.simulation import World
from duetto.testing.simulation.blocks import (
    MODULUS,
    VARIABLES,
    Block,
    Each,
    Repeat,
    Sequence,
    Set,
    Step,
    Sub,
)
from duetto.testing.simulation.scenario import ARGUMENTS, Scenario
from tests.sabotage.switching import instead
from tests.simulation.reference import Wrong

EXCEEDED = "duetto.errors:LimitExceeded"


class Near(Struct, frozen=True):
    """A workflow near a limit, whether it exceeds it, and the limit where it is lowered for it."""

    block: Block
    exceeds: bool
    lowered: tuple[tuple[Any, str, int], ...] = ()


def near_a_limit(seed: int) -> None:
    """What exceeds a limit raises in the workflow, and what does not goes on. Raises Wrong."""
    random = Random(f"limits {seed}")
    near = random.choice(LIMITS)(random)
    with ExitStack() as lowered:
        for owner, name, value in near.lowered:
            lowered.enter_context(instead(owner, name, value))
        world = lowered.enter_context(World(Scenario(near.block)))
        outcome = world.run()
    match outcome:
        case Completed():
            refused = False
        case Failed(error) if error.type == EXCEEDED:
            refused = True
        case _:
            raise Wrong(11, f"a workflow near a limit came to {outcome}")
    if refused != near.exceeds:
        raise Wrong(11, f"a limit is exceeded: {near.exceeds}; it was refused: {refused}")


def calls(random: Random) -> Near:
    """Workflows that call workflows."""
    depth = fork.DEPTH_MAX + random.randint(-2, 2)
    block: Block = Set("x", "y", "z", 1)
    for _ in range(depth):
        block = Sub(block)
    return Near(block, depth > fork.DEPTH_MAX)


def branches(random: Random) -> Near:
    """Branches of one fork."""
    limit, count = random.randint(1, 5), random.randint(0, 7)
    block = Each(count, Set("x", "y", "z", 1))
    return Near(block, count > limit, ((fork, "CHILDREN_MAX", limit),))


def entries(random: Random) -> Near:
    """Entries of an undo list."""
    limit, count = random.randint(1, 5), random.randint(0, 7)
    return Near(Repeat(count, Step("a.keep")), count > limit, ((walk, "UNDO_MAX", limit),))


def nodes(random: Random) -> Near:
    """Nodes between two awaits; a turn of the loop takes several."""
    limit, count = random.randint(20, 30), random.choice((1, 2, 40))
    block = Repeat(count, Set("x", "y", "z", 1))
    return Near(block, count > limit, ((advancing, "NODES_MAX", limit),))


def size(random: Random) -> Near:
    """Bytes of a token's variables."""
    limit = random.randint(6, 14)
    steps = tuple(
        Set(random.choice(VARIABLES), random.choice(VARIABLES), random.choice(VARIABLES), 99)
        for _ in range(8)
    )
    lowered = ((walk, "VALUE_BYTES_SMALL", 0), (program, "TOKEN_BYTES_MAX", limit))
    return Near(Sequence(steps), max(sizes(steps)) > limit, lowered)


def sizes(steps: tuple[Set, ...]) -> list[int]:
    """Return the bytes of the variables after each step."""
    values: dict[str, int] = dict(zip(VARIABLES, ARGUMENTS, strict=True))
    found = [0]
    for step in steps:
        value = values[step.source] * 31 + values[step.other] + step.add
        values[step.into] = value % MODULUS
        found.append(sum(len(msgspec.msgpack.encode(each)) for each in values.values()))
    return found


LIMITS: tuple[Callable[[Random], Near], ...] = (calls, branches, entries, nodes, size)

TRIALS = {"limits": near_a_limit}
