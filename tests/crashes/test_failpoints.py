"""Every named point in the runtime, the store and the bodies is one where the process may die."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from duetto.examples.shop.generate import SHIPPED
from tests.crashes.campaign import part_of
from tests.crashes.dying import POINTS
from tests.crashes.failing import die_at_all

SEED = 20_261_125
LINES = 9_000


@pytest.mark.slow
@pytest.mark.parametrize("placement", ["orchestration", "choreography"])
def test_a_death_at_any_named_point_changes_nothing(tmp_path: Path, placement: str) -> None:
    orders = part_of(SHIPPED, tmp_path / "orders.csv", lines=LINES)
    hits = die_at_all(orders, tmp_path, placement, Random(SEED))
    assert hits == dict.fromkeys(POINTS, 1)
