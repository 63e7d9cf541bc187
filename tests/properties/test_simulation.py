"""Generated workflows in simulated systems: every run is held against the plain interpreter."""

from __future__ import annotations

import pytest

from tests.properties.trying import CLASSES, Counts, Trial

NODES = (
    *("Task", "Assign", "Choice", "Parallel", "ForEach", "Race", "Wait", "Receive", "Emit"),
    *("Call", "Scope", "Return", "Raise"),
)
SEEDS = {"placements": 60, "choices": 600, "crashes": 500, "storms": 400}
"""Some thirty seconds in all; `make fuzz` runs as many as one has time for."""

SYSTEMS_MIN = {
    "placements": ("orchestration apart", "choreography apart", "hybrid:b apart"),
    "choices": ("changing", "changing cancel"),
    "crashes": ("changing crashes", "changing crashes cancel"),
    "storms": ("changing crashes",),
}

REGRESSIONS = (
    ("choices", 14, "a token cancelled on its arrival where its service is not"),
    ("choices", 18, "an undo that comes while its task runs is not a duplicate of it"),
    ("choices", 48, "a command past its deadline leaves the interrupt to its token"),
    ("choices", 99, "a receive travels to the home of its workflow"),
    ("choices", 113, "a child that has ended at once is beyond the reach of a cancel"),
    ("choices", 153, "what settles an interrupted task takes its arguments from the key row"),
    ("choices", 3788, "a token that arrives after its cancel is cancelled when folded too"),
    ("crashes", 5, "a shielded task is not told of a cancel"),
    ("crashes", 122, "the value of a race travels while its losers are undone"),
    ("crashes", 211, "a finally within a finally keeps what is read behind both"),
    ("crashes", 258, "an attempt that is due at recovery begins once"),
    ("crashes", 3033, "commands that end while they are taken up again"),
    ("crashes", 4616, "a command that began before a crash hid it, and came again too late"),
    ("crashes", 24863, "a duplicate of the report that ends a run is not confirmed before it"),
    ("placements", 28, "a task that is undone by the transition that completes it"),
    ("placements", 58, "a gather of nothing"),
    ("placements", 67, "RESUME leaves the scopes that stand in a finally body"),
)


@pytest.mark.parametrize("kind", CLASSES)
def test_generated_workflows_end_as_the_plain_interpreter_says(kind: str) -> None:
    counts = Counts()
    for seed in range(SEEDS[kind]):
        run(kind, seed, counts)
    floor = SEEDS[kind] // 20
    nodes = NODES if kind != "placements" else tuple(name for name in NODES if name != "Race")
    few = {name: counts.nodes[name] for name in nodes if counts.nodes[name] < floor}
    assert not few, f"too few of these nodes were generated: {few}"
    assert all(counts.depths[depth] for depth in range(1, 6)), counts.depths
    assert all(counts.systems[name] >= floor for name in SYSTEMS_MIN[kind]), counts.systems
    assert counts.outcomes["completed"] > floor, counts.outcomes
    assert counts.outcomes["failed"] > floor, counts.outcomes
    assert counts.undone > floor
    assert (counts.crashes > floor) == (kind in ("crashes", "storms"))
    print(counts.text(kind))


@pytest.mark.parametrize(("kind", "seed", "story"), REGRESSIONS)
def test_what_was_once_wrong_stays_right(kind: str, seed: int, story: str) -> None:
    assert story
    run(kind, seed, Counts())


def run(kind: str, seed: int, counts: Counts) -> None:
    try:
        Trial(seed, kind, counts).run()
    except Exception as error:  # whatever it is, it is raised again with its seed
        error.add_note(f"again: python -m tests.properties --class {kind} --seed {seed}")
        raise
