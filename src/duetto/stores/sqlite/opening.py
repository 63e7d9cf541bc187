"""Opening a store: who owns it, is it one of ours, is everything there that was acknowledged."""

from __future__ import annotations

import errno
import os
import time
import uuid
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import apsw

from duetto.errors import CommitsLost, NotFound, StoreError
from duetto.stores.sqlite.connection import connect, let_go
from duetto.stores.sqlite.database import Database, Value
from duetto.stores.sqlite.mark import Mark, MarkFile, read_mark
from duetto.stores.sqlite.owner import Ownership
from duetto.stores.sqlite.reading import Reader
from duetto.stores.sqlite.refusals import failed, lacks_room, no_room_to_open, refusal
from duetto.stores.sqlite.schema import (
    Migration,
    migrations,
    outdated,
    pending,
    take,
    transaction,
    version_of,
)
from duetto.stores.sqlite.statements import statements

WRITE = statements("write")
IN_USE, CLOSED = 0, 1
"""The meta row `closed`: was the log moved into the file before it was let go?"""

BACKUP_PAGES = 1000
"""Copied at a time, so that another thread gets its turn between."""


class Opened(NamedTuple):
    """The parts of an open store; only an owner has ownership and mark."""

    path: Path
    db: Database
    identity: bytes
    owner: Ownership | None = None
    mark: MarkFile | None = None
    died: bool = False


def open_files(path: Path, *, read_only: bool, accept_loss: bool) -> Opened:
    """Open the file, and check it before anything is written to it."""
    path = path.resolve()  # one owner, whatever the name by which it comes
    if read_only:
        return open_to_read(path, accept_loss=accept_loss)
    return open_to_write(path, accept_loss=accept_loss)


def open_to_read(path: Path, *, accept_loss: bool) -> Opened:
    """Open beside an owner, or where there is none."""
    if not path.exists():
        raise NotFound(
            f"There is no store {path}.",
            expected="a file",
            do="start the app once, or check the path",
        )
    with ExitStack() as undo, refusing(path):
        had_log = log_file(path).exists()
        mark = read_mark(path)  # before the file, so that an owner at work is never behind it
        db = connect(path, write=False)
        undo.callback(let_go, db)
        check_layout(db, path, new_allowed=False)
        identity = check_complete(db, path, mark, had_log=had_log, accept_loss=accept_loss)
        undo.pop_all()
        return Opened(path, db, identity)


def open_to_write(path: Path, *, accept_loss: bool) -> Opened:
    """Own the file, check it, and say in it that it is in use."""
    with ExitStack() as undo, refusing(path):
        owner = own(path)
        undo.callback(owner.release)
        had_log, known = log_file(path).exists(), read_mark(path)
        db = connect(path, write=True)
        undo.callback(let_go, db)
        check_layout(db, path, new_allowed=known is None or known.lsn == 0 or accept_loss)
        identity = check_complete(db, path, known, had_log=had_log, accept_loss=accept_loss)
        died = Reader(db, path).meta("closed") == IN_USE
        # Before the file says that it is in use: a file in use without a mark looks like a copy.
        mark = MarkFile(path)
        undo.callback(mark.close)
        say_closed(db, closed=False)
        mark.reset(Mark(identity, Reader(db, path).last_lsn(), now_ms()))
        sync_folder(path.parent)
        undo.pop_all()
        return Opened(path, db, identity, owner, mark, died)


@contextmanager
def refusing(path: Path) -> Generator[None]:
    """Raise what SQLite or the system says in the words of a store."""
    try:
        yield
    except (apsw.Error, OSError) as error:
        if lacks_room(error, path):
            raise no_room_to_open(path, str(error)) from error
        if isinstance(error, OSError):
            raise failed(path, str(error)) from error
        raise refusal(error, path) from error


def own(path: Path) -> Ownership:
    """Return the ownership of a store in a folder that exists."""
    try:
        return Ownership(path)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise too_many_files(path, error) from error
        if lacks_room(error, path):
            raise no_room_to_open(path, str(error)) from error
        raise StoreError(
            f"The store {path} cannot be opened.",
            found=str(error),
            expected="a folder that exists, in which this user may write",
            do="make the folder, or give another path",
        ) from error


def too_many_files(path: Path, error: OSError) -> StoreError:
    """Return the error for a process, or a machine, that has no file left to open."""
    return StoreError(
        f"The store {path} cannot be opened, as too many files are open.",
        found=str(error),
        expected="room for about eight more open files",
        do="close some, or raise the limit (`ulimit -n`); nothing was changed",
    )


def check_layout(db: Database, path: Path, *, new_allowed: bool) -> None:
    """Make the tables of a new file; raise for a file that is not a store of this layout."""
    version, known = version_of(db), migrations()
    steps = pending(version, known)
    if steps and version:
        raise outdated(path, version, steps)
    if steps and not new_allowed:
        raise CommitsLost(
            f"The store {path} is empty.",
            found="no tables",
            expected="the runs that were acknowledged before",
            do="restore a backup, or open it once with --accept-loss",
        )
    if steps:
        with transaction(db):
            take(db, steps)
            put_meta(db, "identity", uuid.uuid4().bytes)
            put_meta(db, "made_at", now_ms())


def check_complete(
    db: Database, path: Path, mark: Mark | None, *, had_log: bool, accept_loss: bool
) -> bytes:
    """Return the store's id; raise CommitsLost where acknowledged commits are not in the file."""
    reader = Reader(db, path)
    identity, lsn = reader.meta("identity"), reader.last_lsn()
    assert isinstance(identity, bytes)
    if accept_loss:
        return identity
    if mark is None and not had_log and reader.meta("closed") == IN_USE:
        raise separated(path)
    if mark is not None and mark.store != identity:
        raise foreign(path)
    if mark is not None and mark.lsn > lsn:
        raise lost(path, mark, lsn)
    return identity


def say_closed(db: Database, *, closed: bool) -> None:
    """Write into the file itself, not only into its log, whether it is whole without the log.

    At an opening, its checkpoint also syncs what recovery read from the log: after a sync that
    failed, that may have been in memory only.
    """
    put_meta(db, "closed", CLOSED if closed else IN_USE)
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def put_meta(db: Database, name: str, value: Value) -> None:
    """Note what the file knows of itself."""
    db.execute(WRITE["put_meta"], (name, value))


def plan(path: Path) -> tuple[Migration, ...]:
    """Return the steps that an upgrade would take."""
    with refusing(path), closing_db(connect(path.resolve(), write=False)) as db:
        return pending(version_of(db), migrations())


def upgrade(path: Path) -> tuple[Migration, ...]:
    """Take the steps in one transaction, as the owner."""
    path = path.resolve()
    with ExitStack() as undo, refusing(path):
        undo.callback(own(path).release)
        db = undo.enter_context(closing_db(connect(path, write=True)))
        steps = pending(version_of(db), migrations())
        with transaction(db):
            take(db, steps)
        return steps


@contextmanager
def closing_db(db: Database) -> Generator[Database]:
    """Let go of a connection at the end."""
    try:
        yield db
    finally:
        let_go(db)


def backup(source: Path, target: Path) -> None:
    """Copy a snapshot over a connection of its own, so that commits go on meanwhile."""
    if target.exists():
        raise StoreError(
            f"{target} exists.", expected="a path where nothing is", do="choose another path"
        )
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    with (
        refusing(target),
        closing_db(connect(source, write=False)) as reader,
        closing_db(connect(part, write=True)) as writer,
    ):
        reader.execute("BEGIN")
        with writer.backup("main", reader, "main") as copying:
            while not copying.done:
                copying.step(BACKUP_PAGES)
        say_closed(writer, closed=True)
    os.link(part, target)  # unlike a rename, it never replaces a file
    part.unlink()
    sync_folder(target.parent)


def log_file(path: Path) -> Path:
    """Return where SQLite keeps the log of the store at `path`."""
    return path.with_name(path.name + "-wal")


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def now_ms() -> int:
    """Return the instant that a mark is stamped with, for people only."""
    return time.time_ns() // 1_000_000


def lost(path: Path, mark: Mark, lsn: int) -> CommitsLost:
    """Return the error for a log that ends before the mark."""
    when = datetime.fromtimestamp(mark.at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return CommitsLost(
        f"The store {path} ends before what was acknowledged: {mark.lsn - lsn} records are lost.",
        found=f"the last record is number {lsn}",
        expected=f"number {mark.lsn}, acknowledged at {when} UTC",
        do="bring back the file's `-wal`, or restore a backup, or open it once with --accept-loss",
    )


def separated(path: Path) -> CommitsLost:
    """Return the error for a file that was in use and came without its log."""
    return CommitsLost(
        f"The store {path} was copied while it was in use, without its log.",
        found=f"no {log_file(path).name} and no watermark",
        expected="the file with its `-wal` and `-mark`, or a backup",
        do="use `duetto store backup` to copy, or open it once with --accept-loss",
    )


def foreign(path: Path) -> CommitsLost:
    """Return the error for a mark of another store."""
    return CommitsLost(
        f"The watermark beside {path} belongs to another store.",
        found="a file that replaced the one that the watermark was written for",
        expected="the store and its own `-mark`",
        do="bring the file back, or delete the `-mark` if the file was replaced on purpose",
    )
