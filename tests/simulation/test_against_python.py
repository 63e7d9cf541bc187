"""Generated Python of the subset gives by Duetto what it gives by Python, in the same order."""

from __future__ import annotations

import pytest

from tests.simulation.against_python import Sources, compare
from tests.simulation.sources import ENDING, STATEMENTS

SEEDS = 150

# Python itself leaves the coroutines of a gather whose arguments raise.
pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


def test_generated_source_gives_what_python_gives() -> None:
    counts = Sources()
    for seed in range(SEEDS):
        run(seed, counts)
    few = {kind: counts.kinds[kind] for kind in (*STATEMENTS, *ENDING) if counts.kinds[kind] < 8}
    assert not few, f"too few of these statements were generated: {few}"
    errors = {kind: count for kind, count in counts.endings.items() if kind != "result"}
    assert counts.endings["result"] > SEEDS // 4, counts.endings
    assert len(errors) >= 5, counts.endings
    print(counts.text())


def test_a_break_that_is_all_of_a_try_runs_its_finally() -> None:
    run(141, Sources())


def run(seed: int, counts: Sources) -> None:
    try:
        compare(seed, counts)
    except Exception as error:  # whatever it is, it is raised again with its seed
        error.add_note(f"again: python -m tests.simulation --class python --seed {seed}")
        raise
