"""The straight step gives what a walk gives, and is what most steps are."""

from __future__ import annotations

from typing import Any

import pytest

from duetto.kernel import advance as kernel
from duetto.kernel.program import Program
from duetto.model.effect import Begin, Input, TaskCompleted, Transition
from duetto.model.placement import Placement
from duetto.model.token import Token, Value
from tests.simulation.trying import trial

SEEDS = 100
FLOOR = 10


def test_a_straight_step_is_what_a_walk_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    straight, begin = kernel.straight, kernel.begin
    seen = {"straight": 0, "walked": 0, "undoable": 0, "begun": 0, "begun by a walk": 0}

    def compared(
        program: Program, placement: Placement, token: Token, result: Value
    ) -> Transition | None:
        found = straight(program, placement, token, result)
        if found is None:
            seen["walked"] += 1
            return None
        assert found == walk(program, placement, token, TaskCompleted(result))
        seen["straight"] += 1
        seen["undoable"] += bool(found.change and found.change.undo_added)
        return found

    def begun(program: Program, placement: Placement, token: Token) -> Transition | None:
        found = begin(program, placement, token)
        if found is None:
            seen["begun by a walk"] += 1
            return None
        assert found == walk(program, placement, token, Begin())
        seen["begun"] += 1
        return found

    def never(*_: object) -> None:
        return None

    def walk(program: Program, placement: Placement, token: Token, input: Input) -> Any:
        monkeypatch.setattr(kernel, "straight", never)
        monkeypatch.setattr(kernel, "begin", never)
        try:
            return kernel.advance(program, placement, token, input, now=0)
        finally:
            monkeypatch.setattr(kernel, "straight", compared)
            monkeypatch.setattr(kernel, "begin", begun)

    monkeypatch.setattr(kernel, "straight", compared)
    monkeypatch.setattr(kernel, "begin", begun)
    for seed in range(SEEDS):
        for kind in ("choices", "crashes"):
            trial(seed, kind)
    assert min(seen.values()) > FLOOR, seen
