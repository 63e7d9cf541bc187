"""The file of the database broker: opened by one process at a time, then shared by all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import apsw

from duetto.errors import StoreDamaged, StoreError
from duetto.stores.sqlite.connection import connect, let_go
from duetto.stores.sqlite.database import Database
from duetto.stores.sqlite.refusals import refusal
from duetto.stores.sqlite.schema import transaction
from duetto.stores.sqlite.statements import statements

PACKAGE = "duetto.stores.sqlite_broker"
APPLICATION_ID = 0x44756542
"""`DueB` in the file's header: neither a store nor another program's file is taken for a broker."""
LAYOUT = 1
"""The version of the layout. What is in the file lasts for days, so a new one needs no upgrade."""
LOCKED_MS = 5000
"""How long a commit waits for those of other processes; each takes one sync of the disk."""
CHECKPOINT_PAGES = 1000
"""Of the log; whoever commits moves it into the file."""


def open_file(path: Path) -> Database:
    """Open a broker's file, and make it where there is none. Raises StoreError.

    The file's lock is held meanwhile: SQLite does not wait where two processes make one file.
    """
    with opening(path):
        db = connect(path, write=True)
        try:
            db.set_busy_timeout(LOCKED_MS)
            db.wal_autocheckpoint(CHECKPOINT_PAGES)
            check_layout(db, path)
        except apsw.Error as error:
            let_go(db)
            raise refusal(error, path) from error
        except StoreError:
            let_go(db)
            raise
        return db


@contextmanager
def opening(path: Path) -> Generator[None]:
    """Keep other processes from opening the file at the same time; they wait."""
    try:
        lock = os.open(path.with_name(path.name + "-lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(
            f"The broker {path} cannot be opened.",
            found=str(error),
            expected="a folder that exists, in which this user may write",
            do="make the folder, or give another path",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def check_layout(db: Database, path: Path) -> None:
    """Make the tables of an empty file; raise for a file that is no broker of this layout."""
    application, version = int(db.pragma("application_id")), int(db.pragma("user_version"))
    if (application, version) == (APPLICATION_ID, LAYOUT):
        return
    empty = not db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    if not empty or application or version:
        raise StoreDamaged(
            f"{path} is not a broker of this version of Duetto.",
            found=f"an SQLite file with application id {application:#x}, layout {version}",
            expected=f"application id {APPLICATION_ID:#x}, layout {LAYOUT}",
            do="give the path of a broker, or of a file that does not exist yet",
        )
    with transaction(db):
        for statement in statements("layout", PACKAGE).values():
            db.execute(statement)
        db.pragma("application_id", APPLICATION_ID)
        db.pragma("user_version", LAYOUT)
