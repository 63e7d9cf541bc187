"""A store has one owner, who is named to whoever comes second; readers come beside it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from duetto.errors import NotAllowed, NotFound, StoreBusy, StoreError
from duetto.store import Batch, Query, seal
from duetto.stores.sqlite import SqliteStore
from duetto.testing.stores import a_row

SECONDS_MAX = 1.0
"""A second owner is refused within this time."""

OWN = """
import sys
from duetto.store import Batch, seal
from duetto.stores.sqlite import SqliteStore
from duetto.testing.stores import a_row

store = SqliteStore.open(sys.argv[1])
store.commit(Batch(runs=[a_row(1)], journal=[(1, seal(b"kept"))]))
print("owned", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def other_owner(path: Path) -> subprocess.Popen[str]:
    """Start a process that owns the store, and wait until it does."""
    other = subprocess.Popen(
        [sys.executable, "-c", OWN, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "owned\n"
    return other


def kill(other: subprocess.Popen[str]) -> None:
    """Kill -9 a process, and wait until it is gone."""
    other.send_signal(signal.SIGKILL)
    other.communicate()


def test_a_second_process_is_refused_at_once_and_told_by_whom(path: Path) -> None:
    other = other_owner(path)
    try:
        begun = time.monotonic()
        with pytest.raises(StoreBusy) as caught:
            SqliteStore.open(path)
        assert time.monotonic() - begun < SECONDS_MAX
        assert f"process {other.pid} on {socket.gethostname()}" in caught.value.found
    finally:
        kill(other)


def test_a_second_owner_in_one_process_is_refused(path: Path) -> None:
    store = SqliteStore.open(path)
    with pytest.raises(StoreBusy, match=str(os.getpid())):
        SqliteStore.open(path)
    store.commit(Batch(runs=[a_row(1)]))
    store.close()
    SqliteStore.open(path).close()


def test_another_name_of_the_file_is_the_same_store(path: Path) -> None:
    store = SqliteStore.open(path)
    path.with_name("link").symlink_to(path)
    with pytest.raises(StoreBusy):
        SqliteStore.open(path.with_name("link"))
    store.close()


def test_a_killed_owner_leaves_the_store_free_and_whole(path: Path) -> None:
    kill(other_owner(path))
    store = SqliteStore.open(path)
    assert store.journal(1) == [b"kept"]
    store.close()


def test_a_reader_sees_what_the_owner_commits(path: Path) -> None:
    other = other_owner(path)
    try:
        reader = SqliteStore.open(path, read_only=True)
        assert reader.journal(1) == [b"kept"]
        with pytest.raises(NotAllowed, match="open for reading"):
            reader.commit(Batch(runs=[a_row(2)]))
        with pytest.raises(NotAllowed):
            reader.purge(1, 1)
        reader.close()
    finally:
        kill(other)


def test_a_reader_follows_the_owner(path: Path) -> None:
    store = SqliteStore.open(path)
    reader = SqliteStore.open(path, read_only=True)
    for rid in range(1, 4):
        store.commit(Batch(runs=[a_row(rid)]))
        assert len(reader.runs(Query())) == rid
    reader.close()
    store.commit(Batch(runs=[a_row(9)]))
    store.close()


def test_a_reader_needs_no_owner(path: Path) -> None:
    store = SqliteStore.open(path)
    store.commit(Batch(runs=[a_row(1)], journal=[(1, seal(b"a"))]))
    store.close()
    reader = SqliteStore.open(path, read_only=True)
    assert reader.journal(1) == [b"a"]
    reader.close()
    SqliteStore.open(path).close()


def test_a_reader_makes_no_store(path: Path) -> None:
    with pytest.raises(NotFound):
        SqliteStore.open(path, read_only=True)
    assert not path.exists()


def test_a_backup_is_written_beside_an_owner_by_a_reader(path: Path, tmp_path: Path) -> None:
    other = other_owner(path)
    try:
        reader = SqliteStore.open(path, read_only=True)
        reader.backup(tmp_path / "copy.sqlite")
        reader.close()
    finally:
        kill(other)
    copy = SqliteStore.open(tmp_path / "copy.sqlite")
    assert copy.journal(1) == [b"kept"]
    copy.close()


def test_a_backup_replaces_nothing(path: Path, tmp_path: Path) -> None:
    store = SqliteStore.open(path)
    target = tmp_path / "copy.sqlite"
    target.write_text("precious")
    with pytest.raises(StoreError, match="exists"):
        store.backup(target)
    assert target.read_text() == "precious"
    store.close()


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        SqliteStore.open(tmp_path / "no" / "store.sqlite")
    assert "No such file or directory" in caught.value.found


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStore.open(tmp_path)
