"""No power cut loses what was acknowledged; and the test would notice if one did."""

from __future__ import annotations

from typing import Any

import pytest

from duetto.stores.sqlite import connection
from duetto.stores.sqlite.store import SqliteStore
from tests.stores.powercut import Wrong, cut_power

CUTS = 300
"""A few seconds; `python -m tests.stores.powercut --cuts 5000` is the longer one."""


def test_no_acknowledged_commit_is_lost() -> None:
    counts = cut_power(CUTS, seed=1)
    assert counts["cuts"] == CUTS
    assert counts["commits acknowledged"] > CUTS
    assert counts["commits cut"] > CUTS / 10
    assert counts["openings cut"] > CUTS / 20
    assert counts["unanswered commits kept"] > 0


@pytest.mark.slow
def test_no_acknowledged_commit_is_lost_in_thousands_of_cuts() -> None:
    assert cut_power(3_000, seed=1_000)["cuts"] == 3_000


def test_a_weaker_sync_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    weaker = connection.PRAGMAS.replace("synchronous = FULL", "synchronous = NORMAL")
    monkeypatch.setattr(connection, "PRAGMAS", weaker)
    with pytest.raises(Wrong, match="--seed"):
        cut_power(CUTS, seed=1)


def test_a_mark_that_is_ahead_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(self: Any, batch: Any) -> None:
        self._lsn += len(batch.journal) or 1
        self._acknowledge()
        commit(self, batch)

    commit = SqliteStore.commit
    monkeypatch.setattr(SqliteStore, "commit", hasty)
    with pytest.raises(Wrong, match="--seed"):
        cut_power(CUTS, seed=1)
