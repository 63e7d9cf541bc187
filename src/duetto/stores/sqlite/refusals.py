"""What SQLite's errors mean to whoever holds a store."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import apsw

from duetto.errors import (
    ConflictError,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFailed,
    StoreFull,
)

# Reads that give other bytes than were written, or none: the medium or the file is damaged, while
# what can still be read is as good as before.
DAMAGED_READS = {
    apsw.SQLITE_IOERR_DATA,
    apsw.SQLITE_IOERR_READ,
    apsw.SQLITE_IOERR_SHORT_READ,
    apsw.SQLITE_IOERR_CORRUPTFS,
}


def is_damage(error: apsw.Error) -> bool:
    """Does the error say that something which was written cannot be read back?"""
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return True
    # Every error of SQLite has its extended code; apsw's stubs leave that out.
    return isinstance(error, apsw.IOError) and getattr(error, "extendedresult", 0) in DAMAGED_READS


def refusal(error: apsw.Error, path: Path) -> StoreError | ConflictError:
    """Return the error to raise from what SQLite said."""
    said = f"{type(error).__name__}: {error}"
    if is_damage(error):
        return damaged(path, said)
    match error:
        case apsw.FullError():
            return StoreFull(
                f"There is no room for a commit to {path}.",
                found=said,
                expected="room on the disk; nothing of the commit was written",
                do="free some space; the commit may then be tried again",
            )
        case apsw.BusyError() | apsw.LockedError():
            return StoreBusy(
                f"Another program holds {path} locked.",
                found=said,
                expected="one owner, and readers beside it",
                do="close the program that writes to the file",
            )
        case apsw.ConstraintError():
            return ConflictError(
                "A run is there already.", found=said, do="use a run id and a rid only once"
            )
        case _:
            return failed(path, said)


def lacks_room(error: apsw.Error | OSError, path: Path) -> bool:
    """Is it for want of space, or of inodes, that a file of the store could not be made?

    Of a file that it cannot make SQLite says no more than that; so the file system is asked.
    """
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not isinstance(error, apsw.CantOpenError | apsw.IOError) or not path.parent.is_dir():
        return False
    found = os.statvfs(path.parent)
    return found.f_files > 0 and found.f_favail == 0  # some file systems do not count any


def no_room_to_open(path: Path, found: str) -> StoreFull:
    """Return the error for a store whose files cannot all be made."""
    return StoreFull(
        f"There is no room to open {path}.",
        found=found,
        expected="some space, and an inode for each of the five files of a store",
        do="free some (`df` and `df -i` say which), then open it again; nothing was changed",
    )


def failed(path: Path, found: str) -> StoreFailed:
    """Return the error for a disk that does not do what it is asked for."""
    return StoreFailed(
        f"A write to {path} failed; nothing is acknowledged after it.",
        found=found,
        expected="a disk that keeps what is synced to it",
        do="look at the disk, then open the store again",
    )


def damaged(path: Path, found: str) -> StoreDamaged:
    """Return the error for a part of the file that cannot be read back."""
    return StoreDamaged(
        f"A part of {path} is damaged.",
        found=found,
        expected="pages and records that fit their checksums",
        do="restore a backup; runs that are not on a damaged page go on",
    )
