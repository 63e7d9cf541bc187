"""A full disk refuses and goes on; a broken one ends the writing until the store is reopened."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from duetto.errors import StoreFailed, StoreFull
from duetto.store import Batch, seal
from duetto.stores.sqlite import SqliteStore
from duetto.stores.sqlite import store as sqlite_store
from duetto.testing.stores import a_row
from tests.stores.faulty_vfs import Disk, broken, faulty_disk, full


@pytest.fixture
def disk() -> Iterator[Disk]:
    with faulty_disk() as disk:
        yield disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def eager_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "CHECKPOINT_PAGES", 1)


@pytest.fixture
def store(disk: Disk, path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore.open(path)
    yield store
    disk.refuse = lambda operation, path: None
    store.close()


def a_batch(rid: int) -> Batch:
    return Batch(runs=[a_row(rid)], journal=[(rid, seal(b"x" * 9_000))])


def refuse(disk: Disk, operation: str, suffix: str, error: Exception, nth: int = 1) -> None:
    """Let the nth such operation on such a file fail, and all after it."""
    seen = 0

    def refuse(asked: str, path: str) -> Exception | None:
        nonlocal seen
        seen += asked == operation and path.endswith(suffix)
        return error if seen >= nth and asked == operation and path.endswith(suffix) else None

    disk.refuse = refuse


def as_after_a_kill(path: Path, folder: Path) -> Path:
    """Return a copy of a store's files as they are now, as a killed process would leave them."""
    folder.mkdir()
    for suffix in ("", "-wal", "-mark"):
        shutil.copy(path.with_name(path.name + suffix), folder)
    return folder / path.name


@pytest.mark.parametrize("nth", range(1, 8))
def test_a_full_disk_refuses_the_commit_whole(disk: Disk, store: SqliteStore, nth: int) -> None:
    store.commit(a_batch(1))
    refuse(disk, "write", "-wal", full(), nth)
    with pytest.raises(StoreFull) as caught:
        store.commit(a_batch(2))
    assert "nothing of the commit was written" in str(caught.value)
    assert store.run("run-2") is None
    assert store.journal(2) == []
    assert store.journal(1) == [b"x" * 9_000]


def test_a_disk_with_room_again_takes_the_commit(
    disk: Disk, store: SqliteStore, path: Path
) -> None:
    refuse(disk, "write", "-wal", full(), nth=3)
    for _ in range(3):
        with pytest.raises(StoreFull):
            store.commit(a_batch(1))
    disk.refuse = lambda operation, path: None
    store.commit(a_batch(1))
    store.close()
    store = SqliteStore.open(path)
    assert store.journal(1) == [b"x" * 9_000]
    store.close()


@pytest.mark.usefixtures("eager_checkpoints")
def test_a_full_disk_at_a_checkpoint_loses_nothing(disk: Disk, store: SqliteStore) -> None:
    """The commit is durable in the log, which only grows until there is room."""
    refuse(disk, "write", ".sqlite", full())
    store.commit(a_batch(1))
    store.commit(a_batch(2))
    disk.refuse = lambda operation, path: None
    store.commit(a_batch(3))
    assert [store.journal(rid) for rid in (1, 2, 3)] == [[b"x" * 9_000]] * 3


def test_a_full_disk_at_a_purge_purges_nothing(disk: Disk, store: SqliteStore) -> None:
    store.commit(Batch(runs=[a_row(1, status=2, updated=1)], journal=[(1, seal(b"a"))]))
    refuse(disk, "write", "-wal", full())
    with pytest.raises(StoreFull):
        store.purge(10, 10)
    disk.refuse = lambda operation, path: None
    assert store.journal(1) == [b"a"]
    assert store.purge(10, 10) == 1


@pytest.mark.parametrize(
    ("operation", "code"),
    [("write", apsw.SQLITE_IOERR_WRITE), ("sync", apsw.SQLITE_IOERR_FSYNC)],
)
def test_a_broken_disk_ends_the_writing(
    disk: Disk, store: SqliteStore, path: Path, operation: str, code: int
) -> None:
    store.commit(a_batch(1))
    refuse(disk, operation, "-wal", broken("i/o error", code))
    with pytest.raises(StoreFailed):
        store.commit(a_batch(2))
    disk.refuse = lambda operation, path: None
    with pytest.raises(StoreFailed, match="nothing is acknowledged after it"):
        store.commit(a_batch(3))
    assert store.journal(1) == [b"x" * 9_000]
    store.close()
    store = SqliteStore.open(path)
    store.commit(a_batch(store.next_rid()))
    assert store.run("run-3") is None or store.next_rid() == 4
    store.close()


@pytest.mark.usefixtures("eager_checkpoints")
def test_a_broken_disk_at_a_checkpoint_ends_the_writing(
    disk: Disk, store: SqliteStore, path: Path
) -> None:
    refuse(disk, "sync", ".sqlite", broken("i/o error", apsw.SQLITE_IOERR_FSYNC))
    store.commit(a_batch(1))
    with pytest.raises(StoreFailed):
        store.commit(a_batch(2))
    disk.refuse = lambda operation, path: None
    store.close()
    store = SqliteStore.open(path)
    assert store.journal(1) == [b"x" * 9_000]
    assert store.run("run-2") is None
    store.close()


def test_what_recovery_read_is_synced_before_it_is_served(
    disk: Disk, store: SqliteStore, path: Path, tmp_path: Path
) -> None:
    """After a failed sync the log may be whole in memory only; serving it would not be safe."""
    store.commit(a_batch(1))
    refuse(disk, "sync", "-wal", broken("i/o error", apsw.SQLITE_IOERR_FSYNC))
    with pytest.raises(StoreFailed):
        store.commit(a_batch(2))
    killed = as_after_a_kill(path, tmp_path / "killed")
    with pytest.raises(StoreFailed):
        SqliteStore.open(killed)
    disk.refuse = lambda operation, path: None
    served = SqliteStore.open(as_after_a_kill(path, tmp_path / "again"))
    assert served.journal(2) == [b"x" * 9_000]
    served.close()


def test_a_mark_that_cannot_be_written_stops_nothing(
    disk: Disk, store: SqliteStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(disk, "write", "-mark", broken("i/o error"))
    store.commit(a_batch(1))
    assert "watermark" in caplog.text
    disk.refuse = lambda operation, path: None
    store.close()
    store = SqliteStore.open(path)
    assert store.journal(1) == [b"x" * 9_000]
    store.close()
