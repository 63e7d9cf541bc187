"""What is one step simpler than a workflow, a fault or a layout: candidates, the boldest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_never

import msgspec
from msgspec import structs

from duetto.model.placement import Placement, choreography, orchestration
from duetto.testing.simulation import blocks as b
from duetto.testing.simulation.faults import Fault
from duetto.testing.simulation.graphs import children
from duetto.testing.simulation.scenario import ALONE, APART, PAIRED, Scenario, Stores

NOTHING = b.Sequence()

PLAINEST = "a.plain"


def size(block: b.Block) -> int:
    """Return how many blocks there are; a sequence does not count."""
    return sum(map(size, children(block))) + (0 if isinstance(block, b.Sequence) else 1)


def cost(scenario: Scenario) -> tuple[int, int]:
    """Return what is to become less: blocks and faults, then what is written in them."""
    placements = sum(map(_written, scenario.placements))
    rest = (scenario.home, scenario.typed, scenario.failing, scenario.chance)
    detail = len(msgspec.json.encode((scenario.block, scenario.faults, rest))) + placements
    parts = size(scenario.block) + len(scenario.faults) + len(scenario.stores)
    numbers = sum(map(_weight, scenario.faults)) + _numbers(scenario.block)
    numbers += _bits(scenario.failing)
    return parts, detail + 10 * numbers + 2 * _calls(scenario.block)


def _written(placement: Placement) -> int:
    return 2 * (len(placement.by_task) + len(placement.by_service)) + (placement.otherwise is None)


def _weight(fault: Fault) -> int:
    """Return how far a fault is from the simplest of its kind."""
    return sum(map(_bits, structs.astuple(fault)))


def _bits(value: object) -> int:
    """Return how much a number says: more if it is large, or no whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(abs(value)).bit_length() + (0 if value == int(value) else 4)


def _numbers(block: b.Block) -> int:
    return sum(map(_bits, structs.astuple(block))) + sum(map(_numbers, children(block)))


def _calls(block: b.Block) -> int:
    own = block.task != PLAINEST if isinstance(block, b.Step) else 0
    return own + sum(map(_calls, children(block)))


# -- workflows --------------------------------------------------------------------------------


def is_sound(block: b.Block) -> bool:
    """Is it a workflow that could be written? Scopes have bodies, and no `finally` returns."""
    match block:
        case b.Cleanup(_, final) if _leaves(final):
            return False
        case b.Cleanup() | b.Try() | b.Saga() | b.Limit():
            if not all(map(size, children(block))):
                return False
        case _:
            pass
    return all(map(is_sound, children(block)))


def _leaves(block: b.Block) -> bool:
    """Does a block return from the region that it is in?"""
    if isinstance(block, b.Together | b.Each | b.First | b.Sub):
        return False
    return isinstance(block, b.Leave) or any(map(_leaves, children(block)))


def ends(block: b.Block, *, interrupted: bool = False) -> bool:
    """Does a workflow end by itself? What sleeps for ever needs a race or a timeout around it.

    Otherwise one that rightly never ends would pass for one that has lost its end.
    """
    match block:
        case b.Sleep(ms):
            return interrupted or ms < b.ENDLESS_MS
        case b.Limit(body=body):
            return ends(body, interrupted=True)
        case b.First(branches):
            some = any(map(ends, branches))
            return all(ends(each, interrupted=interrupted or some) for each in branches)
        case b.Cleanup(body, final):
            return ends(body, interrupted=interrupted) and ends(final)
        case _:
            return all(ends(each, interrupted=interrupted) for each in children(block))


def with_children(block: b.Block, inner: tuple[b.Block, ...]) -> b.Block:
    """Return a block with other blocks inside."""
    match block:
        case b.Sequence():
            return b.Sequence(inner)
        case b.Either():
            return structs.replace(block, then=inner[0], otherwise=inner[1])
        case b.Together() | b.First():
            return structs.replace(block, branches=inner)
        case b.Try():
            return structs.replace(block, body=inner[0], handler=inner[1])
        case b.Cleanup():
            return structs.replace(block, body=inner[0], final=inner[1])
        case b.Repeat() | b.Each() | b.Sub() | b.Saga() | b.Limit():
            return structs.replace(block, body=inner[0])
        case _:
            return block


def smaller(block: b.Block) -> Iterator[b.Block]:
    """Yield what is one step smaller: less of it, or the same with a simpler block inside."""
    yield from (each for each in _less(block) if each != block and is_sound(each))
    inner = children(block)
    for at, child in enumerate(inner):
        for each in smaller(child):
            made = with_children(block, (*inner[:at], each, *inner[at + 1 :]))
            if is_sound(made):
                yield made


def _less(block: b.Block) -> Iterator[b.Block]:
    if block != NOTHING:
        yield NOTHING
    if not isinstance(block, b.Sequence):
        yield from children(block)
    match block:
        case b.Sequence(blocks):
            yield from _shorter(blocks)
        case b.Together(branches) | b.First(branches):
            for at in range(len(branches) if len(branches) > 1 else 0):
                yield structs.replace(block, branches=(*branches[:at], *branches[at + 1 :]))
            yield from _simpler(block)
        case _:
            yield from _simpler(block)


def _shorter(blocks: tuple[b.Block, ...]) -> Iterator[b.Block]:
    """Yield halves of a sequence, then all but one of it; and what is flat."""
    if len(blocks) == 1:
        yield blocks[0]
    if len(blocks) > 3:
        yield b.Sequence(blocks[len(blocks) // 2 :])
        yield b.Sequence(blocks[: len(blocks) // 2])
    for at, each in enumerate(blocks):
        yield b.Sequence((*blocks[:at], *blocks[at + 1 :]))
        if isinstance(each, b.Sequence):
            yield b.Sequence((*blocks[:at], *each.blocks, *blocks[at + 1 :]))


def _simpler(block: b.Block) -> Iterator[b.Block]:
    """Yield the same block with a plainer way to be it."""
    match block:
        case b.Step():
            yield from _plainer(block)
        case b.Set():
            for name in ("into", "source", "other"):
                yield structs.replace(block, **{name: "x"})
            yield structs.replace(block, add=0)
        case b.Either():
            yield structs.replace(block, rest=0)
        case b.Repeat(times=times):
            for fewer in _fewer(times):
                yield structs.replace(block, times=fewer)
        case b.Each(count=count):
            for fewer in _fewer(count):
                yield structs.replace(block, count=fewer)
            yield structs.replace(block, fail_fast=False)
            yield structs.replace(block, limit=0)
        case b.Together():
            yield structs.replace(block, fail_fast=False)
            yield structs.replace(block, limit=0)
        case b.Sleep(b.ENDLESS_MS):
            yield b.Sleep(0)
        case b.Sleep(ms) | b.Await(ms) | b.Limit(ms):
            for fewer in _fewer(ms):
                yield structs.replace(block, ms=fewer)
        case b.Try():
            yield structs.replace(block, catches="Exception")
        case b.Saga():
            yield structs.replace(block, keep=True)
        case b.Fail():
            yield structs.replace(block, message="no")
        case b.Tell() | b.Leave() | b.Cleanup() | b.Sub() | b.First() | b.Sequence():
            return
        case _:
            assert_never(block)


def _plainer(step: b.Step) -> Iterator[b.Step]:
    service, _, task = step.task.partition(".")
    yield b.Step(PLAINEST)
    for name in (f"a.{task}", f"{service}.plain", f"{service}.keep"):
        yield structs.replace(step, task=name)
    yield structs.replace(step, source="x")
    yield structs.replace(step, into="x")


def _fewer(number: int) -> Iterator[int]:
    yield from dict.fromkeys((0, 1, number // 10, number // 2, number - 1))


# -- faults -----------------------------------------------------------------------------------


def simpler_faults(fault: Fault) -> Iterator[Fault]:
    """Yield a fault with simpler numbers: none, round, less; earlier, and another placement."""
    made: Any = fault
    for field in structs.fields(type(fault)):
        value = getattr(fault, field.name)
        if isinstance(value, bool | str):
            continue
        for simpler in _simpler_values(field.name, value):
            if simpler != value:
                yield structs.replace(made, **{field.name: simpler})


def _simpler_values(name: str, value: Any) -> Iterator[Any]:
    match name, value:
        case "host" | "one" | "other", _:
            return
        case (("nth" | "step" | "times"), int()):
            yield from (each for each in dict.fromkeys((1, value // 2, value - 1)) if each > 0)
        case _, int() | float():
            yield from dict.fromkeys((0, 1, round(value, -2), round(value, -1), round(value)))
        case _, Placement():
            yield from simpler_placements(value)
        case _:
            return


def sooner(fault: Fault) -> Iterator[Fault]:
    """Yield a fault that strikes sooner: a smaller workflow commits and sends less before it."""
    made: Any = fault
    names = {field.name for field in structs.fields(type(fault))}
    for name in sorted(names & {"nth", "step"}):
        for value in range(getattr(fault, name) - 1, 0, -1):
            yield structs.replace(made, **{name: value})
    if "at_ms" in names:
        for share in (0.9, 0.75, 0.5, 0.25, 0.1, 0.0):
            yield structs.replace(made, at_ms=round(made.at_ms * share, 1))


# -- layouts ----------------------------------------------------------------------------------


def simpler_placements(placement: Placement) -> Iterator[Placement]:
    """Yield a placement that says less."""
    yield from (each for each in (orchestration(), choreography()) if each != placement)
    for task in placement.by_task:
        left = {name: where for name, where in placement.by_task.items() if name != task}
        yield structs.replace(placement, by_task=left)


def simpler_layouts(scenario: Scenario) -> Iterator[Scenario]:
    """Yield fewer stores, then one placement for all, then simpler ones host by host."""
    for stores in (ALONE, PAIRED, APART):
        if len(stores) < len(scenario.stores):
            yield _laid_out(scenario, stores)
    for placement in dict.fromkeys(map(_Hashed, scenario.placements)):
        yield structs.replace(scenario, placements=(placement.it,) * len(scenario.stores))
    for at, placement in enumerate(scenario.placements):
        for each in simpler_placements(placement):
            placements = (*scenario.placements[:at], each, *scenario.placements[at + 1 :])
            yield structs.replace(scenario, placements=placements)
    yield structs.replace(scenario, home="")
    yield structs.replace(scenario, typed=True)
    yield structs.replace(scenario, failing=0.0)
    yield structs.replace(scenario, chance=(0, 0))


class _Hashed:
    """A placement that is equal to those that place alike."""

    def __init__(self, it: Placement) -> None:
        self.it, self._key = it, msgspec.json.encode(it)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _laid_out(scenario: Scenario, stores: Stores) -> Scenario:
    """Return a scenario with other stores; each fault stays with its host's first participant."""
    homes = [names[0] for names in scenario.stores]
    at = [next(n for n, names in enumerate(stores) if home in names) for home in homes]
    placements = tuple(
        scenario.placements[next(old for old, new in enumerate(at) if new == number)]
        for number in range(len(stores))
    )
    faults = tuple(_moved(fault, at) for fault in scenario.faults)
    return structs.replace(scenario, stores=stores, placements=placements, faults=faults)


def _moved(fault: Fault, at: list[int]) -> Fault:
    made: Any = fault
    names = {field.name for field in structs.fields(type(fault))} & {"host", "one", "other"}
    return structs.replace(made, **{name: at[getattr(made, name)] for name in sorted(names)})
