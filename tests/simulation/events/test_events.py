"""Generated handlers, mailboxes and letters in a simulated system, held against what is durable."""

from __future__ import annotations

from pathlib import Path

import pytest

from duetto.testing.simulation.events import EVENT_CLASSES, draw, from_json, to_json
from tests.sabotage.events import GUARDS
from tests.simulation.events.replaying import replay
from tests.simulation.events.trying import EventCounts, trial

SEEDS = 120
"""Of each class: a few seconds in all; `make simulate` runs as many as one has time for."""


@pytest.mark.parametrize("kind", EVENT_CLASSES)
def test_what_is_durable_is_what_was_promised(kind: str) -> None:
    counts = EventCounts()
    for seed in range(SEEDS):
        try:
            trial(seed, kind, counts)
        except Exception as error:  # whatever it is, it is raised again with its seed
            error.add_note(f"again: python -m tests.simulation --class {kind} --seed {seed}")
            raise
    print(counts.text())
    floor = SEEDS // 20
    for name in ("events", "handled", "crashes", "redriven"):
        assert counts.totals[name] > floor, counts.totals
    assert all(counts.faults[name] for name in ("OperatorRedrives", "TaskKills", "NodeDies"))
    assert counts.totals["replayed"] > floor or kind == "mailboxes", counts.totals
    assert counts.totals["discarded"] or kind == "mailboxes", counts.totals


@pytest.mark.parametrize("kind", EVENT_CLASSES)
def test_a_scenario_of_events_is_data_that_json_gives_back(kind: str) -> None:
    for seed in range(20):
        scenario = draw(seed, kind)
        assert from_json(to_json(scenario)) == scenario
        assert draw(seed, kind) == scenario


def test_what_breaks_a_promise_is_shrunk_and_told(tmp_path: Path) -> None:
    hold = next(guard for guard in GUARDS if guard.name == "hold")
    with hold.off():
        for seed in range(100):
            scenario, said, code = draw(seed, "facts"), list[str](), 0
            if len(scenario.publications) > 3:
                code = replay(
                    scenario,
                    "hold",
                    folder=tmp_path,
                    shrinks=True,
                    seconds_max=5.0,
                    say=said.append,
                )
            if code:
                break
        else:
            pytest.fail("no seed of a hundred notices")
    small = from_json((tmp_path / "hold.json").read_bytes())
    assert len(small.faults) <= 1
    assert len(small.publications) <= 3 < len(scenario.publications)
    assert said[-1] == f"again     python -m tests.simulation --scenario {tmp_path / 'hold.json'}"
