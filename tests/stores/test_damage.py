"""What is damaged is found at opening or reading, named, and kept to the runs it concerns."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import apsw
import pytest

from duetto.errors import CommitsLost, StoreDamaged, StoreError
from duetto.model.view import COMPLETED
from duetto.store import Batch, Query, seal
from duetto.stores.sqlite import SqliteStore
from duetto.stores.sqlite.database import connected
from duetto.testing.stores import a_row

PAGE_BYTES = 4096
RUNS = 300


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def filled(path: Path, runs: int = RUNS) -> None:
    """Make a store with open runs of two records each, and close it."""
    store = SqliteStore.open(path)
    store.commit(
        Batch(
            runs=[a_row(rid, input=b"i" * 100) for rid in range(1, runs + 1)],
            journal=[(rid, seal(b"%d first" % rid + b"." * 100)) for rid in range(1, runs + 1)],
        )
    )
    store.commit(Batch(journal=[(rid, seal(b"%d second" % rid)) for rid in range(1, runs + 1)]))
    store.close()


def expected(rid: int) -> list[bytes]:
    return [b"%d first" % rid + b"." * 100, b"%d second" % rid]


def flip(path: Path, offset: int, bit: int = 0) -> None:
    """Flip one bit of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))


def test_a_damaged_page_quarantines_its_runs_and_no_others(path: Path) -> None:
    filled(path)
    offset = path.read_bytes().index(b"150 first")
    flip(path, offset + 20)
    store = SqliteStore.open(path)
    found = {row.rid: records for row, records in store.unfinished()}
    lost = {damage.rid for damage in store.damaged()}
    assert 150 in lost
    assert len(lost) < 40
    assert set(found) == set(range(1, RUNS + 1)) - lost
    assert all(found[rid] == expected(rid) for rid in found)
    assert all(damage.run == f"run-{damage.rid}" for damage in store.damaged())
    with pytest.raises(StoreDamaged, match="damaged"):
        store.journal(150)
    store.commit(Batch(runs=[a_row(RUNS + 1)], journal=[(1, seal(b"on"))]))
    assert store.journal(1) == [*expected(1), b"on"]
    store.close()


def test_a_damaged_row_is_left_out_of_lists_and_named(path: Path) -> None:
    filled(path)
    flip(path, path.read_bytes().index(b"run-150fulfil") + 1)
    store = SqliteStore.open(path)
    listed = {row.rid for row in store.runs(Query(limit=1_000))}
    lost = {damage.rid: damage.run for damage in store.damaged()}
    assert lost[150] == "run-150"
    assert listed == set(range(1, RUNS + 1)) - set(lost)
    store.close()


def pages_of(path: Path, name: str) -> list[int]:
    """Return where the pages of a table or index begin."""
    db = connected(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=None)
    found = db.execute("SELECT pgoffset FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (name,))
    offsets = [offset for (offset,) in found]
    db.close()
    return offsets


@pytest.mark.parametrize("index", ["run_id", "run_status", "journal_run"])
def test_a_damaged_index_is_made_again(
    path: Path, index: str, caplog: pytest.LogCaptureFixture
) -> None:
    filled(path)
    for page in pages_of(path, index):
        flip(path, page + PAGE_BYTES - 60)
    store = SqliteStore.open(path)
    rids = range(1, RUNS + 1)
    store.commit(
        Batch(
            runs=[a_row(RUNS + 1)],
            ended=[(rid, COMPLETED, 9, b"") for rid in rids],
            journal=[(rid, seal(b"end")) for rid in rids],
        )
    )
    assert "indexes were made again" in caplog.text
    assert store.counts() == {("fulfil", COMPLETED): RUNS, ("fulfil", 1): 1}
    assert all(store.journal(rid) == [*expected(rid), b"end"] for rid in rids)
    assert store.damaged() == ()
    store.close()


def test_open_runs_are_found_without_their_index(path: Path) -> None:
    filled(path)
    for page in pages_of(path, "run_status"):
        flip(path, page + PAGE_BYTES - 60)
    store = SqliteStore.open(path)
    assert [row.rid for row, _ in store.unfinished()] == list(range(1, RUNS + 1))
    store.close()


def test_indexes_are_not_made_out_of_damaged_tables(path: Path) -> None:
    filled(path)
    flip(path, pages_of(path, "run")[0] + PAGE_BYTES - 60)
    for page in pages_of(path, "run_id"):
        flip(path, page + PAGE_BYTES - 60)
    store = SqliteStore.open(path)
    with pytest.raises(StoreDamaged):
        store.commit(Batch(runs=[a_row(RUNS + 1)]))
    assert store.journal(RUNS) == expected(RUNS)
    store.commit(Batch(journal=[(RUNS, seal(b"on"))]))
    store.close()


def every_page(path: Path) -> range:
    return range(0, path.stat().st_size, PAGE_BYTES)


def test_no_flipped_bit_is_ever_executed_from(path: Path, tmp_path: Path) -> None:
    """In each page of a file some bits are flipped: what is still read is what was written."""
    filled(path, runs=120)
    random = Random(7)
    noticed = 0
    for number, page in enumerate(every_page(path)):
        copy = tmp_path / f"{number}.sqlite"
        shutil.copy(path, copy)
        flip(copy, page + random.randrange(PAGE_BYTES), random.randrange(8))
        noticed += damage_is_noticed(copy)
    # The rest are pages that nothing was asked of: tags, definitions.
    assert noticed >= len(every_page(path)) * 0.7


def damage_is_noticed(path: Path) -> bool:
    """Open and read everything; assert that whatever is given is as it was written."""
    try:
        store = SqliteStore.open(path)
    except StoreError:
        return True
    try:
        for row, records in store.unfinished():
            assert row == a_row(row.rid, input=b"i" * 100)
            assert records == expected(row.rid)
        assert all(row == a_row(row.rid, input=b"i" * 100) for row in store.runs(Query(limit=999)))
        store.counts()
    except StoreDamaged:
        return True
    finally:
        store.close()
    return bool(store.damaged())


@pytest.mark.parametrize("size", [1, 100, PAGE_BYTES // 2, PAGE_BYTES, 5 * PAGE_BYTES + 7])
def test_a_truncated_file_is_refused(path: Path, size: int) -> None:
    filled(path)
    with path.open("r+b") as file:
        file.truncate(size)
    with pytest.raises(StoreError) as caught:
        SqliteStore.open(path)
    assert caught.value.found
    assert caught.value.do


def test_an_emptied_file_is_no_new_store(path: Path) -> None:
    filled(path)
    path.write_bytes(b"")
    with pytest.raises(CommitsLost, match="empty"):
        SqliteStore.open(path)
    store = SqliteStore.open(path, accept_loss=True)
    assert store.counts() == {}
    store.close()
    SqliteStore.open(path).close()


def test_garbage_is_no_store(path: Path) -> None:
    path.write_bytes(b"This is a letter, not a database. " * 200)
    with pytest.raises(StoreDamaged, match=r"store\.sqlite"):
        SqliteStore.open(path)
    assert path.read_bytes().startswith(b"This is a letter")


def test_another_programs_database_is_not_touched(path: Path) -> None:
    import sqlite3

    other = sqlite3.connect(path)
    other.execute("CREATE TABLE run(id)")
    other.commit()
    other.close()
    with pytest.raises(StoreDamaged, match="not a store of Duetto"):
        SqliteStore.open(path)
    other = sqlite3.connect(path)
    assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("run",)]
    other.close()


class Killed:
    """A store as `kill -9` leaves it: the commits of its last moments are in the log only."""

    def __init__(self, path: Path, folder: Path) -> None:
        store = SqliteStore.open(path)
        for rid in range(1, 11):
            store.commit(Batch(runs=[a_row(rid)], journal=[(rid, seal(b"x"))]))
        folder.mkdir()
        for suffix in ("", "-wal", "-mark"):
            shutil.copy(path.with_name(path.name + suffix), folder)
        store.close()
        self.path = folder / path.name
        self.log = folder / f"{path.name}-wal"
        self.mark = folder / f"{path.name}-mark"


@pytest.fixture
def killed(path: Path, tmp_path: Path) -> Killed:
    return Killed(path, tmp_path / "killed")


def test_a_killed_store_opens_whole(killed: Killed) -> None:
    store = SqliteStore.open(killed.path)
    assert store.counts() == {("fulfil", 1): 10}
    store.close()


@pytest.mark.parametrize("place", [0.05, 0.3, 0.6, 0.9])
def test_a_damaged_log_is_noticed_and_what_it_lost_is_named(killed: Killed, place: float) -> None:
    flip(killed.log, int(killed.log.stat().st_size * place))
    with pytest.raises(CommitsLost, match=r"\d+ records are lost") as caught:
        SqliteStore.open(killed.path)
    assert "number 10, acknowledged at 20" in caught.value.expected
    assert "--accept-loss" in caught.value.do
    with pytest.raises(CommitsLost):
        SqliteStore.open(killed.path, read_only=True)
    store = SqliteStore.open(killed.path, accept_loss=True)
    kept = len(store.runs(Query()))
    assert kept < 10
    store.commit(Batch(runs=[a_row(store.next_rid())]))
    store.close()
    store = SqliteStore.open(killed.path)
    assert len(store.runs(Query())) == kept + 1
    store.close()


def test_a_lost_log_is_noticed(killed: Killed) -> None:
    killed.log.unlink()
    with pytest.raises(CommitsLost, match="10 records are lost"):
        SqliteStore.open(killed.path)


def test_a_copy_without_log_and_mark_is_noticed(killed: Killed) -> None:
    killed.log.unlink()
    killed.mark.unlink()
    with pytest.raises(CommitsLost, match="copied while it was in use"):
        SqliteStore.open(killed.path)
    SqliteStore.open(killed.path, accept_loss=True).close()
    SqliteStore.open(killed.path).close()


def test_a_copy_with_its_log_is_whole(killed: Killed) -> None:
    killed.mark.unlink()
    store = SqliteStore.open(killed.path)
    assert len(store.runs(Query())) == 10
    store.close()


def test_a_closed_file_may_be_copied_alone(path: Path, tmp_path: Path) -> None:
    filled(path, runs=3)
    shutil.copy(path, tmp_path / "copy.sqlite")
    store = SqliteStore.open(tmp_path / "copy.sqlite")
    assert len(store.runs(Query())) == 3
    store.close()


def test_an_older_file_put_back_is_noticed(path: Path, tmp_path: Path) -> None:
    filled(path, runs=3)
    shutil.copy(path, tmp_path / "older")
    store = SqliteStore.open(path)
    store.commit(Batch(journal=[(1, seal(b"later"))]))
    store.close()
    shutil.copy(tmp_path / "older", path)
    with pytest.raises(CommitsLost, match="1 records are lost"):
        SqliteStore.open(path)


def test_another_stores_file_is_noticed(path: Path, tmp_path: Path) -> None:
    filled(path, runs=3)
    filled(tmp_path / "other.sqlite", runs=3)
    shutil.copy(tmp_path / "other.sqlite", path)
    with pytest.raises(CommitsLost, match="another store"):
        SqliteStore.open(path)
    SqliteStore.open(path, accept_loss=True).close()
    SqliteStore.open(path).close()


@pytest.mark.parametrize("content", [b"", b"garbage" * 2_000])
def test_a_mark_that_says_nothing_stops_nothing(path: Path, content: bytes) -> None:
    filled(path, runs=3)
    path.with_name(path.name + "-mark").write_bytes(content)
    SqliteStore.open(path).close()


def test_a_purge_of_the_newest_is_no_loss(path: Path) -> None:
    store = SqliteStore.open(path)
    store.commit(Batch(runs=[a_row(1, status=COMPLETED, updated=1)], journal=[(1, seal(b"a"))]))
    assert store.purge(10, 10) == 1
    store.close()
    store = SqliteStore.open(path)
    assert store.next_rid() == 2
    store.commit(Batch(runs=[a_row(2)], journal=[(2, seal(b"b"))]))
    store.close()
    SqliteStore.open(path).close()
