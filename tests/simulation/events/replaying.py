"""Replay a scenario of events: shrink it where it breaks a promise, and tell what happened."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from duetto.model.event import Held
from duetto.store import Batch, unseal
from duetto.testing.simulation.events import Body, EventScenario, EventWorld, to_json
from duetto.testing.simulation.events import world as event_world
from duetto.testing.simulation.faults import Fault
from duetto.testing.simulation.machines import Machine
from tests.simulation.events.book import event_of, held_of
from tests.simulation.events.shrinking import shrink
from tests.simulation.events.trying import hold
from tests.simulation.reference import Wrong
from tests.simulation.replaying import impatient
from tests.simulation.shrinking import Broken, broken

HASTY_QUIET_S = 200.0
"""How long is waited for rest while the smallest is searched for."""

ROWS_MAX = 300
"""Rows of what happened that are printed, the last of them."""

Say = Callable[[str], None]


class Log:
    """Tells what happens in a world, a row for each thing."""

    def __init__(self) -> None:
        self.rows: list[str] = []

    def watch(self, world: EventWorld) -> None:
        """Hear of everything before it is held against anything."""
        begun, struck = world.ledger.on_begin, world.strike

        def begins(key: str, body: Body) -> None:
            self._row(world, f"begins    {key} {body.fact.name}, attempt {body.attempt}")
            begun(key, body)

        def strikes(fault: Fault, machine: Machine | None = None) -> None:
            self._row(world, f"strikes   {fault}")
            struck(fault, machine)

        world.ledger.on_begin = begins
        world.strike = strikes
        world.on_commit.insert(0, lambda batch: self._committed(world, batch))

    def _row(self, world: EventWorld, text: str) -> None:
        self.rows.append(f"{world.timeline.now_s * 1000:10.1f}  {text}")

    def _committed(self, world: EventWorld, batch: Batch) -> None:
        self._row(world, f"commits   {len(batch.journal)} records")
        for *_, sealed in batch.events:
            event = event_of(unseal(sealed))
            self._row(world, f"            {event.name} of key {event.key!r}: {event.causation}")
        for name, sealed in batch.state.items():
            said = "is gone" if sealed is None else "is written"
            if sealed is not None and name.startswith("held/"):
                said = _held(held_of(unseal(sealed)))
            self._row(world, f"            {name} {said}")


def _held(row: Held) -> str:
    return f"{row.state}: {row.event.name}, {row.attempts} attempts {row.reason}"


def found(scenario: EventScenario, log: Log | None = None) -> tuple[Broken | None, str]:
    """Run a scenario; return what is wrong with it, and how that is told."""
    try:
        hold(scenario, prepare=log.watch if log is not None else None)
    except Exception as error:  # whatever it is, it is what is looked for
        text = str(error)
        if not isinstance(error, Wrong):
            text = "".join(traceback.format_exception(error))
        return broken(error), text
    return None, "every promise is kept"


@contextmanager
def hasty() -> Generator[None]:
    """Give up sooner what does not come to rest."""
    world: Any = event_world
    before, world.QUIET_S_MAX = world.QUIET_S_MAX, HASTY_QUIET_S
    try:
        yield
    finally:
        world.QUIET_S_MAX = before


def described(scenario: EventScenario) -> Iterator[str]:
    """Yield a line for each part of a scenario."""
    for each in (
        *scenario.handlers,
        *scenario.publications,
        *scenario.walks,
        *scenario.faults,
    ):
        yield f"  {each}"


def replay(
    scenario: EventScenario,
    name: str,
    *,
    folder: Path,
    shrinks: bool,
    seconds_max: float,
    say: Say = print,
) -> int:
    """Replay a scenario, and shrink it where it breaks a promise; return 1 if it does, else 0."""
    wanted, text = found(scenario)
    say(f"{name}: {text}")

    def same(each: EventScenario) -> bool:
        return found(each)[0] == wanted

    if wanted is not None and shrinks:
        say(f"looking for less that breaks {wanted}, for at most {seconds_max:.0f} s")
        with impatient(), hasty():
            scenario = shrink(scenario, same, seconds_max=seconds_max)
    log = Log()
    wanted, text = found(scenario, log)
    for line in described(scenario):
        say(line)
    for row in log.rows[-ROWS_MAX:]:
        say(row)
    say(f"\nbroken    {text}" if wanted is not None else f"\nas it should be: {text}")
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.json"
    file.write_bytes(to_json(scenario) + b"\n")
    say(f"again     python -m tests.simulation --scenario {file}")
    return int(wanted is not None)
