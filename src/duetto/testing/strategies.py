"""Hypothesis strategies: what may befall an app of yours, and generated workflows and scenarios.

| strategy | draws | shrinks to |
|---|---|---|
| placements(app) | who decides what, task by task | orchestration |
| faults(app) | crashes, messages, failing tasks | none |
| trials(app) | all of it, for `check_trial` | one store, orchestration, no fault |
| arguments(workflow) | its input, by the annotations | what Hypothesis finds smallest |
| workflows() | a workflow of Duetto's own simulation | one step |
| scenarios(kind) | a whole simulated system | fewer faults |
"""

from __future__ import annotations

import inspect
from itertools import compress
from typing import Any, get_type_hints

from msgspec.structs import replace

from duetto.app import App
from duetto.authoring.symbols import Symbols
from duetto.authoring.workflow import Workflow
from duetto.codec import Plan
from duetto.codecs import MsgpackCodec
from duetto.errors import ValueRefused
from duetto.model.placement import Placement
from duetto.testing.luck import (
    AWAY_MS,
    DAWDLES_MS,
    FAULTS_MAX,
    FOR_GOOD,
    LATES_MS,
    named_placements,
    placed,
)
from duetto.testing.simulation import blocks, drawing
from duetto.testing.simulation import faults as f
from duetto.testing.simulation.blocks import Block, Shape
from duetto.testing.simulation.scenario import Scenario
from duetto.testing.strikes import CommitFault, MessageFault, TaskFault, TrialFault
from duetto.testing.trials import Trial

try:
    from hypothesis import strategies as st
except ImportError as missing:
    raise ImportError(
        "duetto.testing.strategies needs Hypothesis, which is not installed."
        "\n  do        pip install 'duetto[hypothesis]'"
    ) from missing

REACH = 8
"""The commits of a host and the messages of a link are numbered up to so many: of a longer run more
are reached by `reach=`."""

KEYS = 3
"""Most services run few keys in a run: of them one in so many of what is reached is enough."""

SEEDS = 2**16

INSTANT_MS = 10_000


def placements(app: App) -> st.SearchStrategy[Placement]:
    """Draw who decides what: a named placement, or a participant for each task."""
    named = st.sampled_from(named_placements(app))
    if not app.tasks:
        return named
    anyone = st.sampled_from(["app", *app.services])
    return named | st.fixed_dictionaries(dict.fromkeys(app.tasks, anyone)).map(placed)


def faults(
    app: App,
    *,
    crashes: bool = True,
    messages: bool = True,
    failures: bool = True,
    moves: bool = True,
    cancels: bool = False,
    reach: int = REACH,
) -> st.SearchStrategy[tuple[TrialFault, ...]]:
    """Draw a few faults of the kinds that are asked for."""
    kinds: list[st.SearchStrategy[TrialFault]] = []
    if crashes:
        kinds.append(_commits(app, reach))
    if failures and app.services:
        kinds.append(_tasks(app, reach))
    if messages and app.services:
        kinds.append(_messages(app, reach))
    instants = st.integers(0, INSTANT_MS).map(float)
    if moves:
        hosts = st.integers(0, len(app.services))
        kinds.append(st.builds(f.OperatorMoves, hosts, instants, placements(app)))
    if cancels:
        kinds.append(st.builds(f.OperatorCancels, instants))
    if not kinds:
        return st.just(())
    return st.lists(st.one_of(kinds), max_size=FAULTS_MAX, unique_by=repr).map(tuple)


def trials(
    app: App,
    *,
    crashes: bool = True,
    messages: bool = True,
    failures: bool = True,
    moves: bool = True,
    cancels: bool = False,
    reach: int = REACH,
) -> st.SearchStrategy[Trial]:
    """Draw trials for `check_trial`; the options are those of `faults`."""
    drawn = faults(
        app,
        crashes=crashes,
        messages=messages,
        failures=failures,
        moves=moves,
        cancels=cancels,
        reach=reach,
    )
    return st.builds(
        Trial,
        placement=placements(app),
        apart=st.booleans(),
        faults=drawn,
        dawdle_ms=st.sampled_from(DAWDLES_MS),
        seed=st.integers(0, SEEDS),
    )


def arguments(workflow: Workflow[..., Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Draw the input of a workflow by its annotations; register types that Hypothesis lacks.

    What cannot be stored is no input: an integer of more than 64 bits, say.
    """
    hints = get_type_hints(workflow.body)
    names = inspect.signature(workflow.body).parameters
    codec = MsgpackCodec(Symbols(()))
    return st.tuples(*(_storable(hints[name], codec.plan_for(hints[name])) for name in names))


def _storable(kind: Any, plan: Plan) -> st.SearchStrategy[Any]:
    def is_storable(value: Any) -> bool:
        try:
            plan.encode(value)
        except ValueRefused:
            return False
        return True

    return st.from_type(kind).filter(is_storable)


def workflows(shape: Shape | None = None) -> st.SearchStrategy[Block]:
    """Draw a workflow of the simulation; `Shape()` is without choice points."""
    wanted = shape or Shape()
    return st.randoms(use_true_random=False).map(lambda random: blocks.draw(random, wanted))


def scenarios(kind: str = "everything") -> st.SearchStrategy[Scenario]:
    """Draw a system of the simulation; `kind` is one of `duetto.testing.simulation.CLASSES`."""
    return st.integers(0, SEEDS).map(lambda seed: drawing.draw(seed, kind)).flatmap(_with_fewer)


def _with_fewer(scenario: Scenario) -> st.SearchStrategy[Scenario]:
    """Draw which faults of a scenario stay: any may be left out."""
    stays = st.tuples(*(st.booleans() for _ in scenario.faults))
    return stays.map(lambda some: replace(scenario, faults=tuple(compress(scenario.faults, some))))


# -- the kinds of faults


def _commits(app: App, reach: int) -> st.SearchStrategy[CommitFault]:
    where = st.integers(0, len(app.services)), st.integers(1, reach), st.sampled_from(AWAY_MS)
    return st.builds(f.CommitUnanswered, *where) | st.builds(f.CommitLost, *where)


def _tasks(app: App, reach: int) -> st.SearchStrategy[TaskFault]:
    where = st.sampled_from(list(app.services)), st.integers(1, max(2, reach // KEYS))
    return (
        st.builds(f.TaskRaises, *where, st.sampled_from((1, FOR_GOOD)))
        | st.builds(f.TaskKills, *where, st.integers(1, 2), st.sampled_from(AWAY_MS))
        | st.builds(f.TaskRaises, *where, st.just(1), st.just(True))
    )


def _messages(app: App, reach: int) -> st.SearchStrategy[MessageFault]:
    names = ["", *app.services]
    pairs = st.sampled_from([(one, other) for one in names for other in names if one != other])
    late = (f.MessageDelayed, f.MessageDoubled, f.MessageReordered, f.MessageRedelivered)
    plain = (f.MessageLost, f.MessageUnconfirmed)
    lates = st.sampled_from(LATES_MS)

    def of(pair: tuple[str, str]) -> st.SearchStrategy[MessageFault]:
        where = st.just(pair[0]), st.just(pair[1]), st.integers(1, reach)
        return st.one_of(
            *(st.builds(kind, *where) for kind in plain),
            *(st.builds(kind, *where, lates) for kind in late),
        )

    return pairs.flatmap(of)


__all__ = ["arguments", "faults", "placements", "scenarios", "trials", "workflows"]
