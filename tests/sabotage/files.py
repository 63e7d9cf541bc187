"""Guards of the store in a file: checksums, the watermark, one owner, upgrades, purges, syncs."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw

from duetto.store import unseal
from duetto.stores.sqlite import SqliteStore, connection, opening, owner, rows
from duetto.stores.sqlite import store as sqlite_store
from duetto.stores.sqlite.mark import Mark
from duetto.stores.sqlite.reading import Reader
from duetto.stores.sqlite.schema import pending
from tests.sabotage.switching import Guards, instead

GUARDS = Guards()

# -- checksums


@GUARDS.everywhere(unseal, rule="checksum", kinds=("records",))
def record_checksum(original: Any, sealed: bytes) -> bytes:
    """A record is read without looking at its checksum."""
    return sealed[:-4]


@GUARDS.around(rows, "row_of", rule="checksum", kinds=("records",))
def row_checksum(original: Any, *columns: Any) -> Any:
    """The row of a run is read without looking at its checksums."""
    *fields, tags, _, _ = columns
    return rows.made_of(*fields, rows.json_decoded(tags) if tags else ())


@GUARDS.around(connection, "prepare", rule="checksum", kinds=("pages",))
def page_checksum(original: Any, db: Any, **how: Any) -> None:
    """A page is read without looking at its checksum."""
    original(db, **how)
    db.pragma("checksum_verification", 0)


# -- the watermark


@GUARDS.around(opening, "check_complete", rule="watermark", kinds=("losses",))
def watermark(original: Any, db: Any, path: Path, mark: Mark | None, **how: Any) -> bytes:
    """A file that ends before what was acknowledged is opened."""
    return original(db, path, mark and mark._replace(lsn=0), **how)


@GUARDS.around(opening, "check_complete", rule="watermark", kinds=("losses",))
def own_mark(original: Any, db: Any, path: Path, mark: Mark | None, **how: Any) -> bytes:
    """A file that took the place of another is opened."""
    identity = Reader(db, path).meta("identity")
    assert isinstance(identity, bytes), "a store has an identity"
    return original(db, path, mark and mark._replace(store=identity), **how)


@GUARDS.around(opening, "check_complete", rule="watermark", kinds=("losses",))
def copied_with_its_log(original: Any, *args: Any, had_log: bool, accept_loss: bool) -> bytes:
    """A file that was in use is opened without its log."""
    return original(*args, had_log=True, accept_loss=accept_loss)


# -- one owner


@GUARDS.switch(rule="owner", kinds=("owners",))
def one_owner() -> Generator[None]:
    """A store that is in use has room for another owner."""
    unlocked = SimpleNamespace(LOCK_EX=0, LOCK_NB=0, flock=print)
    with instead(owner, "fcntl", unlocked):
        yield


@GUARDS.around(opening, "open_files", rule="owner", kinds=("owners",))
def one_name(original: Any, path: Path, *, read_only: bool, accept_loss: bool) -> Any:
    """A store that is in use has room for an owner who comes by another name."""
    return opening.open_to_write(path, accept_loss=accept_loss)


# -- upgrades


@GUARDS.around(opening, "upgrade", rule="upgrade", kinds=("upgrades",))
def migration_lock(original: Any, path: Path) -> Any:
    """A store is upgraded under its owner."""

    def nobody(path: Path) -> Any:
        return SimpleNamespace(release=lambda: None)

    with instead(opening, "own", nobody):
        return original(path)


@GUARDS.switch(rule="upgrade", kinds=("upgrades",))
def upgrade_whole() -> Generator[None]:
    """A step that fails leaves the half of it."""

    @contextmanager
    def nothing(db: Any) -> Generator[None]:
        yield

    with instead(opening, "transaction", nothing):
        yield


@GUARDS.everywhere(pending, rule="upgrade", kinds=("newer",))
def newer_refused(original: Any, version: int, known: Any) -> Any:
    """A store of a newer version is opened."""
    return original(min(version, known[-1].version), known)


# -- purges


@GUARDS.switch(rule="20", kinds=("purges",))
def purge_closed() -> Generator[None]:
    """A purge takes open runs too."""
    every = sqlite_store.PURGE["closed_rids"].replace("(2, 3, 4)", "(0, 1, 2, 3, 4)")
    with instead(sqlite_store, "PURGE", {**sqlite_store.PURGE, "closed_rids": every}):
        yield


@GUARDS.around(SqliteStore, "purge", rule="20", kinds=("purges",))
def purge_after_its_time(original: Any, store: SqliteStore, before: int, limit: int) -> int:
    """A purge takes what has just been closed."""
    return original(store, 1 << 50, limit)


@GUARDS.around(SqliteStore, "next_rid", rule="20", kinds=("purges",))
def numbers_once(original: Any, store: Any) -> int:
    """The number of a run that was purged is given again."""
    return store._reader.number("last_rid") + 1


# -- durable before it is acknowledged


@GUARDS.switch(rule="sync", kinds=("power",))
def synced_first() -> Generator[None]:
    """A commit is acknowledged before the disk has it."""
    weaker = connection.PRAGMAS.replace("synchronous = FULL", "synchronous = NORMAL")
    with instead(connection, "PRAGMAS", weaker):
        yield


@GUARDS.around(SqliteStore, "commit", rule="sync", kinds=("power",))
def mark_behind(original: Any, store: Any, batch: Any) -> None:
    """The watermark is written before the commit that it tells of."""
    store._lsn += len(batch.journal) or 1
    store._acknowledge()
    original(store, batch)


@GUARDS.around(SqliteStore, "_attempt", rule="commit", kinds=("power",))
def commit_whole(original: Any, store: Any, write: Any, batch: Any) -> None:
    """A commit is written statement by statement."""
    try:
        write()
    except apsw.Error as error:
        raise store._refusal(error) from error


@GUARDS.around(opening, "say_closed", rule="sync", kinds=("broken",))
def synced_at_opening(original: Any, db: Any, *, closed: bool) -> None:
    """What is read from the log at an opening is not synced before more is written."""
    if closed:
        original(db, closed=closed)
    else:
        opening.put_meta(db, "closed", opening.IN_USE)
