"""Each guard, switched off, is noticed by its recorded seed, which is clean while it is on."""

from __future__ import annotations

import pytest

from tests.sabotage import page
from tests.sabotage.guards import GUARDS, STANDING, SUPERFLUOUS, guard_named
from tests.sabotage.searching import recorded, with_it_off
from tests.sabotage.trying import Caught, Clean, tried

AGAIN = "where seeds have shifted: make sabotage ARGS=--record"

SEEDS = 5
"""Of what is no guard, in each of its classes; the command tries more."""


@pytest.mark.parametrize("name", [guard.name for guard in GUARDS])
def test_a_guard_that_is_off_is_noticed(name: str) -> None:
    guard, place = guard_named(name), recorded()[name]
    assert tried(place.kind, place.seed) == Clean(), "with every guard on it is clean"
    verdict = with_it_off(guard, place.kind, place.seed)
    assert isinstance(verdict, Caught), f"{verdict}; {AGAIN}"
    assert verdict.promise == place.promise, f"{verdict}; {AGAIN}"


@pytest.mark.parametrize("name", [guard.name for guard in SUPERFLUOUS])
def test_what_is_no_guard_changes_nothing(name: str) -> None:
    guard = guard_named(name)
    for kind in guard.kinds:
        for seed in range(SEEDS):
            assert with_it_off(guard, kind, seed) == tried(kind, seed)


def test_each_rule_has_a_guard_or_a_reason() -> None:
    rules = {guard.rule for guard in (*GUARDS, *SUPERFLUOUS)} | set(STANDING)
    assert {str(number) for number in range(1, 41)} <= rules


def test_guards_have_names_of_their_own() -> None:
    guards = (*GUARDS, *SUPERFLUOUS)
    assert len({guard.name for guard in guards}) == len(guards) >= 20


def test_the_page_says_what_notices_each_guard() -> None:
    assert page.shown() == page.tables(recorded()), AGAIN
