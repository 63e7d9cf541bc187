"""Connections to a store's file, each with page checksums and the pragmas that durability needs."""

from __future__ import annotations

import logging
from pathlib import Path

import apsw
import apsw.sqlite_extra

from duetto.errors import StoreError
from duetto.stores.sqlite.database import Database, connected
from duetto.stores.sqlite.refusals import lacks_room, no_room_to_open, refusal

log = logging.getLogger("duetto.stores")

CHECKSUM_VFS = "cksmvfs"
CHECKSUM_BYTES = 8
"""The extension keeps its checksum in this many reserved bytes of a page, and no other number."""
BUSY_MS = 500
"""Only a stranger's program can hold the lock; waiting longer would stop the loop."""
CACHE_KIB = 8192

READ = apsw.SQLITE_OPEN_READONLY
WRITE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE

PRAGMAS = """
PRAGMA synchronous = FULL;              -- NORMAL loses acknowledged commits in a power cut
PRAGMA fullfsync = ON;                  -- macOS answers a plain fsync before the disk has it
PRAGMA checkpoint_fullfsync = ON;
PRAGMA cell_size_check = ON;            -- a damaged page is an error and not a wild read
PRAGMA trusted_schema = OFF;            -- a file from elsewhere calls no functions
PRAGMA temp_store = MEMORY;
"""


def page_checksums() -> bool:
    """Make page checksums available to this process; False where apsw came without them.

    The extension makes itself the default of every connection in the process; that is undone,
    because other users of apsw did not ask for it.
    """
    if CHECKSUM_VFS in apsw.vfs_names():
        return True
    before = apsw.vfs_names()[0]
    try:
        apsw.sqlite_extra.load(apsw.Connection(":memory:"), "cksumvfs")
    except (LookupError, apsw.sqlite_extra.NotAvailable, apsw.ExtensionLoadingError):
        return False
    apsw.set_default_vfs(before)
    return True


def connect(path: Path, *, write: bool) -> Database:
    """Return a connection to a store's file; a new file gets room for page checksums."""
    checksums = page_checksums()
    vfs = CHECKSUM_VFS if checksums else None
    db: Database | None = None
    try:
        db = connected(str(path), flags=WRITE if write else READ, vfs=vfs)
        db.set_busy_timeout(BUSY_MS)
        prepare(db, write=write, checksums=checksums)
    except apsw.Error as error:
        let_go(db)
        if lacks_room(error, path):
            raise no_room_to_open(path, str(error)) from error
        if isinstance(error, apsw.CantOpenError):
            raise unopenable(path, str(error)) from error
        raise refusal(error, path) from error
    except StoreError:
        let_go(db)
        raise
    return db


def prepare(db: Database, *, write: bool, checksums: bool) -> None:
    """Set what a connection needs; the page layout first, as the first write fixes it."""
    empty = not db.pragma("page_count")
    if write and empty and checksums:
        db.reserve_bytes(reserve=CHECKSUM_BYTES)
    db.execute(PRAGMAS)
    db.pragma("cache_size", -CACHE_KIB)
    if write:
        db.pragma("journal_mode", "WAL")
        db.wal_autocheckpoint(0)  # the store does it itself, to sync its watermark then
    if not checksums and not empty and db.reserve_bytes() == CHECKSUM_BYTES:
        raise StoreError(
            f"The pages of {db.filename} have checksums, which this apsw cannot check.",
            found="apsw without its `cksumvfs` extension",
            expected="the apsw wheel from the package index, unzipped",
            do="install it; writing without would make every page look damaged",
        )


def let_go(db: Database | None) -> None:
    """Close a connection; a disk that fails meanwhile takes nothing that was acknowledged."""
    if db is None:
        return
    try:
        db.close()
    except apsw.Error as error:
        log.warning("a store was closed on a disk that fails: %s", error)


def unopenable(path: Path, said: str) -> StoreError:
    """Return the error for a file that cannot be opened at all."""
    return StoreError(
        f"The store {path} cannot be opened.",
        found=said if path.parent.is_dir() else f"no folder {path.parent}",
        expected="a file that this user may write, in a folder that exists",
        do="check the path and its permissions",
    )
