"""Cut a scenario of events down to the least that breaks the same promise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import structs

from duetto.testing.simulation.events import EventScenario
from tests.simulation.smaller import simpler_faults

PARTS = ("faults", "publications", "walks", "windows", "handlers")
"""What a scenario has several of: each may be left out, or be simpler."""

Breaks = Callable[[EventScenario], bool]


def shrink(scenario: EventScenario, breaks: Breaks, *, seconds_max: float) -> EventScenario:
    """Return the simplest scenario that was found to break the same; greedy, so that it is the
    same each time, unless time is up."""
    end, best, before = time.monotonic() + seconds_max, scenario, None
    while before is not best and time.monotonic() < end:
        before = best
        for each in smaller(best):
            if time.monotonic() < end and breaks(each):
                best = each
                break
    return best


def smaller(scenario: EventScenario) -> Iterator[EventScenario]:
    """Yield what has less of something: half of it, one of it, then what is simpler."""
    for name in PARTS:
        found = getattr(scenario, name)
        if len(found) > 2:
            yield _with(scenario, name, found[len(found) // 2 :])
            yield _with(scenario, name, found[: len(found) // 2])
        for at in range(len(found)):
            yield _with(scenario, name, (*found[:at], *found[at + 1 :]))
    for name in PARTS:
        found = getattr(scenario, name)
        for at, one in enumerate(found):
            for simpler in _simpler(name, one):
                yield _with(scenario, name, (*found[:at], simpler, *found[at + 1 :]))
    if scenario.room:
        yield structs.replace(scenario, room=0)
    if scenario.chance != (0, 0):
        yield structs.replace(scenario, chance=(0, 0))


def _with(scenario: EventScenario, name: str, parts: tuple[Any, ...]) -> EventScenario:
    return structs.replace(scenario, **{name: parts})


def _simpler(name: str, one: Any) -> Iterator[Any]:
    """Yield a part of a scenario in a simpler way to be it."""
    match name:
        case "faults":
            # A number that only gets rounder may get rounder for ever: what is less is kept.
            yield from (each for each in simpler_faults(one) if _weight(each) < _weight(one))
        case "publications":
            if one.at_ms:
                yield structs.replace(one, at_ms=0.0)
            if one.poisons:
                yield structs.replace(one, poisons="")
        case "walks":
            for at in range(len(one.moves)):
                yield structs.replace(one, moves=(*one.moves[:at], *one.moves[at + 1 :]))
            if one.at_ms:
                yield structs.replace(one, at_ms=0.0)
        case "windows":
            if one.lateness_ms > 0:
                yield structs.replace(one, lateness_ms=0)
        case _:
            for at in range(len(one.says)):
                yield structs.replace(one, says=(*one.says[:at], *one.says[at + 1 :]))
            if len(one.topics) > 1:
                yield from (structs.replace(one, topics=(topic,)) for topic in one.topics)
            if one.concurrency or one.timed:
                yield structs.replace(one, concurrency=0, timed=False)


def _weight(fault: Any) -> float:
    numbers = [value for value in structs.astuple(fault) if isinstance(value, int | float)]
    return sum(abs(value) + (value != int(value)) for value in numbers)
