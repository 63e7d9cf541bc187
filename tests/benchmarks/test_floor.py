"""The floor commits exactly what Duetto committed; else its figure would mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import workloads
from bench.floor import Floor
from bench.measure import measure
from bench.tally import Tally, tallied
from duetto.stores.sqlite import SqliteStore
from duetto.stores.sqlite.connection import connect

RUNS_EACH = 3


async def counted(path: Path, workload: str, concurrency: int) -> Tally:
    store = SqliteStore.open(path)
    counter = tallied(store)
    async with workloads.new_app(store) as app:
        await workloads.plan(app, workload, concurrency).round(RUNS_EACH)
    store.close()
    return counter.take()


def rows(path: Path) -> list[tuple[str, int]]:
    db = connect(path, write=False)
    tables = ("run", "journal")
    found = [(name, db.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0]) for name in tables]
    db.close()
    return found


@pytest.mark.parametrize(("workload", "concurrency"), [("sequence", 1), ("fanout", 4)])
async def test_the_floor_writes_the_same_rows(
    tmp_path: Path, workload: str, concurrency: int
) -> None:
    tally = await counted(tmp_path / "duetto.sqlite", workload, concurrency)
    floor = Floor(tmp_path / "floor.sqlite")
    assert floor.replay(tally) > 0
    floor.close()
    assert rows(tmp_path / "floor.sqlite") == rows(tmp_path / "duetto.sqlite")
    assert dict(rows(tmp_path / "floor.sqlite"))["run"] == RUNS_EACH * concurrency


async def test_one_store_write_a_local_step_and_one_for_the_start(tmp_path: Path) -> None:
    tally = await counted(tmp_path / "duetto.sqlite", "sequence", 1)
    steps = RUNS_EACH * 5
    assert tally.journal_rows == steps + RUNS_EACH
    assert sum(1 for commit in tally.commits if commit.journal) == steps + RUNS_EACH


async def test_a_figure_has_a_floor_on_sqlite_and_none_in_memory(tmp_path: Path) -> None:
    durable = await measure("sequence", "sqlite", 2, 0.05, tmp_path)
    forgotten = await measure("sequence", "memory", 2, 0.05, tmp_path)
    assert durable.floor is not None
    assert durable.ratio is not None
    assert durable.ratio < durable.duetto
    assert forgotten.floor is None
    assert durable.rows_per_unit == forgotten.rows_per_unit == pytest.approx(1.2)
