"""Cut a scenario down to the smallest workflow and the fewest faults that break the same promise.

Greedy: whatever is simpler and still breaks it is kept, until nothing simpler does. First faults by
halves, then the workflow, then the system, then the numbers; what needs its fault sooner in a
smaller workflow is tried so as well. The same scenario shrinks to the same one, unless time is up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from msgspec import Struct, structs

from duetto.testing.simulation import Scenario, to_json
from duetto.testing.simulation.faults import Fault
from tests.simulation.reference import Wrong
from tests.simulation.smaller import cost, ends, simpler_faults, simpler_layouts, smaller, sooner

TRIALS_MAX = 6000
SECONDS_MAX = 90.0
"""Who waits for a shrunk scenario goes on after that with what there is."""

RETIMED_MAX = 40
"""Ways to strike sooner that are tried for one smaller workflow."""

Breaks = Callable[[Scenario], bool]
"""Does a scenario still break the same promise?"""

Progress = Callable[["Shrinking"], None]


class Broken(Struct, frozen=True):
    """What is wrong with a run: the promise it breaks, or the kind of the error that it ends in."""

    promise: int = 0
    kind: str = ""

    def __str__(self) -> str:
        return f"promise {self.promise}" if self.promise else self.kind


def broken(error: BaseException) -> Broken:
    """Return what an error says is wrong; of a strange one, also where it was raised."""
    if isinstance(error, Wrong):
        return Broken(error.promise)
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "/duetto/" in code.co_filename:
            place = code.co_qualname
        trace = trace.tb_next
    return Broken(0, f"{type(error).__name__} in {place}")


def breaks(hold: Callable[[Scenario], object], scenario: Scenario) -> Broken | None:
    """Run a scenario; return what is wrong with it."""
    try:
        hold(scenario)
    except Exception as error:  # whatever it is, the search is about it
        return broken(error)
    return None


class Shrinking:
    """One search: the best so far, and how many were tried."""

    def __init__(
        self,
        scenario: Scenario,
        breaks: Breaks,
        *,
        trials_max: int = TRIALS_MAX,
        seconds_max: float = SECONDS_MAX,
        progress: Progress | None = None,
    ) -> None:
        self.best, self._breaks, self._progress = scenario, breaks, progress
        self.trials = self.kept = 0
        self._trials_max, self._end = trials_max, time.monotonic() + seconds_max
        self._tried = {to_json(scenario)}

    @property
    def is_over(self) -> bool:
        """Whether there is no more time, or no trial left."""
        return self.trials >= self._trials_max or time.monotonic() >= self._end

    def run(self) -> Scenario:
        """Search until nothing simpler breaks the same promise, or it is over."""
        before: Scenario | None = None
        while before is not self.best and not self.is_over:
            before = self.best
            self._drop_faults()
            self._settle(_blocks)
            self._settle(simpler_layouts)
            self._settle(_faults)
            if before is self.best:
                self._settle(_retimed)
        return self.best

    def keeps(self, scenario: Scenario) -> bool:
        """Try a scenario; keep it where it is simpler, and breaks the same."""
        key = to_json(scenario)
        if self.is_over or key in self._tried or cost(scenario) >= cost(self.best):
            return False
        self._tried.add(key)
        self.trials += 1
        found = self._breaks(scenario)
        if found:
            self.best, self.kept = scenario, self.kept + 1
        if self._progress is not None:
            self._progress(self)
        return found

    def _settle(self, candidates: Callable[[Scenario], Iterable[Scenario]]) -> None:
        """Keep the first that is good, and begin again from there, until none is."""
        while any(map(self.keeps, candidates(self.best))):
            pass

    def _drop_faults(self) -> None:
        """Drop faults by halves, quarters and so on, then one by one (delta debugging)."""
        parts = 2
        while (faults := self.best.faults) and not self.is_over:
            chunks = list(_chunks(faults, parts))
            dropped = any(
                self.keeps(structs.replace(self.best, faults=_without(faults, chunk)))
                for chunk in chunks
            )
            if dropped:
                parts = max(2, parts - 1)
            elif parts >= len(faults):
                return
            else:
                parts = min(len(faults), parts * 2)


def shrink(
    scenario: Scenario,
    breaks: Breaks,
    *,
    trials_max: int = TRIALS_MAX,
    seconds_max: float = SECONDS_MAX,
    progress: Progress | None = None,
) -> Scenario:
    """Return the simplest scenario that was found to break the same promise."""
    search = Shrinking(
        scenario, breaks, trials_max=trials_max, seconds_max=seconds_max, progress=progress
    )
    return search.run()


def _chunks(faults: Sequence[Fault], parts: int) -> Iterator[range]:
    size = -(-len(faults) // parts)
    return (range(at, min(at + size, len(faults))) for at in range(0, len(faults), size))


def _without(faults: Sequence[Fault], places: range) -> tuple[Fault, ...]:
    return tuple(fault for at, fault in enumerate(faults) if at not in places)


def _with_fault(scenario: Scenario, at: int, fault: Fault) -> Scenario:
    faults = (*scenario.faults[:at], fault, *scenario.faults[at + 1 :])
    return structs.replace(scenario, faults=faults)


def _blocks(scenario: Scenario) -> Iterator[Scenario]:
    for block in smaller(scenario.block):
        if ends(block):
            yield structs.replace(scenario, block=block)


def _faults(scenario: Scenario) -> Iterator[Scenario]:
    for at, fault in enumerate(scenario.faults):
        for simpler in simpler_faults(fault):
            yield _with_fault(scenario, at, simpler)


def _retimed(scenario: Scenario) -> Iterator[Scenario]:
    """Yield smaller workflows, each with one fault that strikes sooner."""
    for found in _blocks(scenario):
        sooner_ones = (
            _with_fault(found, at, each)
            for at, fault in enumerate(scenario.faults)
            for each in sooner(fault)
        )
        yield from islice(sooner_ones, RETIMED_MAX)
