"""`python -m tests.simulation --seeds N --first F` runs a series: each seed is of a class of its
own, or of those that `--class` picks.

`--seed N --class KIND` replays one, shrinks it where it breaks a promise, and draws what happened;
`--scenario FILE` does so with what was written, a regression too; `--keep NAME TAUGHT` keeps it as
a regression, with a line on what it taught.
"""

from __future__ import annotations

import sys
import traceback
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from multiprocessing import cpu_count
from pathlib import Path
from random import Random

from duetto.testing.simulation import CLASSES, Scenario, draw
from duetto.testing.simulation import events as simulated_events
from duetto.testing.simulation.events import EVENT_CLASSES, EventScenario
from tests.simulation import regressions
from tests.simulation.against_python import Sources, compare
from tests.simulation.events.replaying import replay as replay_events
from tests.simulation.quiet import quietly
from tests.simulation.regressions import Regression, scenario_of
from tests.simulation.replaying import FOLDER, replay
from tests.simulation.series import PYTHON, Series, run
from tests.simulation.shrinking import SECONDS_MAX
from tests.simulation.sources import Source

KINDS = (*CLASSES, *EVENT_CLASSES, PYTHON)
"""Every class of which there are seeds."""


def main() -> int:
    parser = ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, help="one seed: replay, shrink and draw it")
    parser.add_argument("--scenario", type=Path, help="the same, of a file")
    parser.add_argument("--keep", nargs=2, metavar=("NAME", "TAUGHT"), help="keep a scenario")
    parser.add_argument("--as-drawn", action="store_true", help="do not shrink it")
    parser.add_argument("--seconds", type=float, default=SECONDS_MAX, help="of shrinking")
    parser.add_argument("--into", type=Path, default=FOLDER, help="where it is written")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--class", dest="kinds", action="append", choices=KINDS)
    parser.add_argument("--jobs", type=int, default=cpu_count(), help="processes at a time")
    options = parser.parse_args()
    with quietly():
        return do(options)


def do(options: Namespace) -> int:
    """Keep, replay or run, as the options say; return the exit code."""
    if options.keep is not None:
        name, taught = options.keep
        return keep(name, taught, options.scenario)
    if options.scenario is not None:
        return of_file(options)
    if options.seed is not None:
        return max(one(kind, options) for kind in options.kinds or kinds_of(options.seed))
    return run(Series(options.first, options.seeds, tuple(options.kinds or ())), options.jobs)


def kinds_of(seed: int) -> tuple[str, ...]:
    """Return the class of a seed in the mix."""
    return tuple(kind for kind, _ in Series(seed, 1).work())


def one(kind: str, options: Namespace) -> int:
    """Replay one seed, and show all there is to see."""
    if kind in EVENT_CLASSES:
        scenario = simulated_events.draw(options.seed, kind)
        return events_again(scenario, f"{kind}-{options.seed}", options)
    if kind != PYTHON:
        return again(draw(options.seed, kind), f"{kind}-{options.seed}", options)
    print(Source(Random(f"source {options.seed}")).module())
    try:
        compare(options.seed, Sources())
    except Exception:  # whatever it is, it is what this command is for
        traceback.print_exc()
        return 1
    print(f"{kind} {options.seed}: as it should be")
    return 0


def of_file(options: Namespace) -> int:
    """Replay the scenario of a file, whatever it is of."""
    file: Path = options.scenario
    scenario = scenario_of(file.read_bytes())
    if isinstance(scenario, EventScenario):
        return events_again(scenario, file.stem, options)
    return again(scenario, file.stem, options)


def events_again(scenario: EventScenario, name: str, options: Namespace) -> int:
    """Replay a scenario of events; shrink it where it breaks a promise."""
    return replay_events(
        scenario,
        name,
        folder=options.into,
        shrinks=not options.as_drawn,
        seconds_max=options.seconds,
    )


def keep(name: str, taught: str, file: Path | None) -> int:
    """Keep a scenario as a regression."""
    if file is None or not taught:
        print("--keep needs --scenario FILE, and a line on what it taught", file=sys.stderr)
        return 2
    regressions.write(name, Regression(taught, scenario_of(file.read_bytes())))
    return 0


def again(scenario: Scenario, name: str, options: Namespace) -> int:
    """Replay a scenario; shrink it where it breaks a promise."""
    return replay(
        scenario,
        name,
        folder=options.into,
        shrinks=not options.as_drawn,
        seconds_max=options.seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
