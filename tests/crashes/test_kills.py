"""`kill -9` at random instants with many runs under way changes nothing of what comes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from duetto.examples.shop.generate import SHIPPED
from tests.crashes.campaign import PLACEMENTS, UNDER_WAY_MIN, kill_many, part_of

KILLS = 50
SEED = 20_261_125
LINES = 2_600
"""Some 200 orders: a directory of them takes some seven kills, so each placement has its own."""


@pytest.mark.slow
def test_fifty_kills_change_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders = part_of(SHIPPED, tmp_path / "orders.csv", lines=LINES)
    tally = kill_many(orders, tmp_path, kills=KILLS, seed=SEED)
    with capsys.disabled():
        print(f"\n{tally.kills} kills, {tally.thin} more with few runs under way; {tally}")
    assert tally.kills >= KILLS
    assert sum(count >= UNDER_WAY_MIN for count in tally.under_way) >= KILLS
    assert tally.keys_stored > 1_000
    assert tally.attempts_repeated > KILLS
    assert tally.finished >= len(PLACEMENTS) + 1
