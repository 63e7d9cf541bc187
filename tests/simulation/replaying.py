"""Replay what broke a promise, shrink it, and show all there is to see: what `--seed N` does."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from duetto.drawing import sequence_svg, sequence_text
from duetto.drawing.sequence import Chart
from duetto.testing.recorder import Recorder
from duetto.testing.simulation import Scenario, World, timeline, to_json, world
from tests.simulation.printing import described
from tests.simulation.reference import Wrong
from tests.simulation.shrinking import SECONDS_MAX, Broken, Shrinking, breaks, broken
from tests.simulation.smaller import size
from tests.simulation.trying import hold
from tests.simulation.watching import watch

FOLDER = Path("simulated")
"""Where charts and scenarios are written, below the current folder."""

ROWS_MAX = 400
"""Rows of an event log that are printed; the drawing has all of them."""

HASTY_TURNS, HASTY_S = 3_000, 2_000.0
"""How long is waited for the end of a run while the smallest is searched for: of two thousand
sound ones the longest took a thousand turns."""

TURNS_MAX = 30_000
"""How long is waited for it otherwise: what turns so often turns for ever."""

Say = Callable[[str], None]


class Seen(Struct, frozen=True):
    """One run that was watched: its chart, and what was wrong with it."""

    chart: Chart
    broken: Broken | None
    text: str
    trace: str = ""


def seen(scenario: Scenario, name: str) -> Seen:
    """Run a scenario, watched, and hold it against every promise."""
    recorders: list[Recorder] = []

    def prepare(made: World) -> None:
        recorders.append(watch(made))

    found, text, trace = None, "every promise is kept", ""
    try:
        hold(scenario, prepare=prepare)
    except Exception as error:  # whatever it is, it is what is looked for
        found, text = broken(error), str(error)
        if not isinstance(error, Wrong):
            text = f"{type(error).__name__}: {error}"
            trace = "".join(traceback.format_exception(error))
    title = f"{name}: {parts(scenario)}"
    return Seen(recorders[0].chart("r", title, (text[:300],)), found, text, trace)


def parts(scenario: Scenario) -> str:
    """Return how large a scenario is."""
    blocks, faults = size(scenario.block), len(scenario.faults)
    return f"{blocks} block{'s' * (blocks != 1)}, {faults} fault{'s' * (faults != 1)}"


def replay(
    scenario: Scenario,
    name: str,
    *,
    folder: Path = FOLDER,
    shrinks: bool = True,
    seconds_max: float = SECONDS_MAX,
    say: Say = print,
) -> int:
    """Replay a scenario, and shrink it where it breaks a promise; return 1 if it does, else 0."""
    with impatient(TURNS_MAX, world.RUN_S_MAX):
        return _replay(scenario, name, folder, shrinks, seconds_max, say)


def _replay(
    scenario: Scenario, name: str, folder: Path, shrinks: bool, seconds_max: float, say: Say
) -> int:
    first = seen(scenario, name)
    say(f"{name}: {parts(scenario)}: {first.text}")
    if first.broken is None or not shrinks:
        show(scenario, name, first, folder, say)
        return int(first.broken is not None)
    say(f"looking for less that breaks {first.broken}, for at most {seconds_max:.0f} s")
    small, search = shrunk(scenario, first.broken, seconds_max)
    over = ": there may be less" if search.is_over else ""
    say(f"shrunk to {parts(small)}, by {search.trials} trials{over}\n")
    show(small, name, seen(small, name), folder, say)
    return 1


def shrunk(scenario: Scenario, wanted: Broken, seconds_max: float) -> tuple[Scenario, Shrinking]:
    """Return the smallest scenario that breaks the same, and the search that found it.

    First without patience for what does not end; where that misleads, with it.
    """

    def same(each: Scenario) -> bool:
        return breaks(hold, each) == wanted

    search = Shrinking(scenario, same, seconds_max=seconds_max / 2, progress=progress)
    with impatient():
        search.run()
    if not same(search.best):
        search = Shrinking(scenario, same, seconds_max=seconds_max / 2, progress=progress)
        search.run()
    progress(search, last=True)
    return search.best, search


@contextmanager
def impatient(turns: int = HASTY_TURNS, seconds: float = HASTY_S) -> Generator[None]:
    """Give runs up sooner: those that end do so long before."""
    limits: tuple[Any, Any] = (timeline, world)
    before = timeline.TURNS_MAX, world.RUN_S_MAX
    limits[0].TURNS_MAX, limits[1].RUN_S_MAX = turns, seconds
    try:
        yield
    finally:
        limits[0].TURNS_MAX, limits[1].RUN_S_MAX = before


def progress(search: Shrinking, *, last: bool = False) -> None:
    """Show how far a search has come, where somebody watches it."""
    if sys.stderr.isatty():
        line = f"  {search.trials} trials, {parts(search.best)}"
        print(f"\r{line:<60}", end="\n" if last else "", file=sys.stderr, flush=True)


def show(scenario: Scenario, name: str, run: Seen, folder: Path, say: Say) -> None:
    """Print a scenario and what happened, and write its chart and its data."""
    say(described(scenario))
    say("")
    lines = sequence_text(run.chart).splitlines()
    for line in lines[:ROWS_MAX]:
        say(line)
    if len(lines) > ROWS_MAX:
        say(f"… {len(lines) - ROWS_MAX} more rows are in the drawing")
    say(f"\n{run.trace}broken    {run.text}" if run.broken else f"\nas it should be: {run.text}")
    folder.mkdir(exist_ok=True)
    drawing, data = folder / f"{name}.svg", folder / f"{name}.json"
    drawing.write_text(sequence_svg(run.chart), "utf-8")
    data.write_bytes(to_json(scenario) + b"\n")
    say(f"drawn     {drawing}")
    say(f"again     python -m tests.simulation --scenario {data}")
