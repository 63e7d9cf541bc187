"""The ownership of a store's file: one process, known by pid and host, as long as it lives."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

import msgspec

from duetto.errors import StoreBusy, StoreError


class Owner(msgspec.Struct, frozen=True):
    """Who has the store."""

    pid: int
    host: str


class Ownership:
    """A lock on a file of its own beside the store, which the kernel releases with the process.

    It is not a lock on the store's file: closing any descriptor of that one would drop the locks
    that SQLite holds on it. The file stays when the store is closed, because whoever deletes it
    could delete a newer owner's.
    """

    def __init__(self, path: Path) -> None:
        """Take the store at `path`, or raise StoreBusy at once, naming who has it."""
        self._file = owner_file(path)
        self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise taken(path, owner_of(path)) from None
        except OSError as error:
            os.close(self._descriptor)
            raise unlockable(path, error) from error
        self._sign()

    def _sign(self) -> None:
        owner = Owner(pid=os.getpid(), host=socket.gethostname())
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, msgspec.json.encode(owner), 0)

    def release(self) -> None:
        """Let another process have the store."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def owner_file(path: Path) -> Path:
    """Return the file whose lock is the ownership of the store at `path`."""
    return path.with_name(path.name + "-owner")


def owner_of(path: Path) -> Owner | None:
    """Return who signed as the owner of a store; None where nobody did, or is just doing it."""
    try:
        return msgspec.json.decode(owner_file(path).read_bytes(), type=Owner)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def taken(path: Path, owner: Owner | None) -> StoreBusy:
    """Return the error for a store that has an owner."""
    who = f"process {owner.pid} on {owner.host}" if owner else "a process that is just starting"
    return StoreBusy(
        f"The store {path} is in use.",
        found=f"owned by {who}",
        expected="one owner per store",
        do="stop that process, or open the store read-only",
    )


def unlockable(path: Path, error: OSError) -> StoreError:
    """Return the error for a file system that cannot keep two owners apart."""
    return StoreError(
        f"The store {path} cannot be locked.",
        found=str(error),
        expected="a local file system",
        do="move the store to a local disk; network file systems cannot keep owners apart",
    )
